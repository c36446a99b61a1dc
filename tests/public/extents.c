/* SPDX-License-Identifier: MIT */
/* Reads of every alignment, and the extents, against the model; what a replayed log does to both. Layer: tests/public. */
#include <stdlib.h>

#include "support/chains.h"
#include "support/expect.h"

/* Every start and end around the border of two blocks and around sectors whose holder changes. */
static void expect_alignments(const struct chain_plan *plan, uint64_t around)
{
	struct chain chain;
	vhdx_disk *disk;

	chain_build(&chain, plan);
	disk = chain_open(&chain, 0);
	for (uint64_t start = around - 1030; start <= around + 10; start += start % 512 < 3 || start % 512 > 509 ? 1 : 37)
		for (uint64_t end = start; end <= around + 1030; end += end % 512 < 3 || end % 512 > 509 ? 1 : 53)
			model_expect_read(&chain.model, disk, (size_t)(end - start), start);
	model_expect_read(&chain.model, disk, 0, 0);
	model_expect_read(&chain.model, disk, 0, plan->size);
	model_expect_read(&chain.model, disk, 1, plan->size - 1);
	vhdx_close(disk);
	chain_end(&chain);
}

Test(extents, reads_of_every_alignment)
{
	for (unsigned depth = 1; depth <= 3; depth++) {
		expect_alignments(&(struct chain_plan){ .format = VHDX_FORMAT_VHDX,
							.base = VHDX_TYPE_DYNAMIC,
							.depth = depth,
							.size = 4 * RECIPE_MIB,
							.block_size = 1u << 20,
							.blocks = 4,
							.seed = 10 + depth },
				  2 * RECIPE_MIB);
		expect_alignments(&(struct chain_plan){ .format = VHDX_FORMAT_VHDX,
							.base = VHDX_TYPE_FIXED,
							.depth = depth,
							.size = 4 * RECIPE_MIB,
							.logical_sector_size = 4096,
							.block_size = 1u << 20,
							.blocks = 4,
							.seed = 20 + depth },
				  RECIPE_MIB);
		expect_alignments(&(struct chain_plan){ .format = VHDX_FORMAT_VHD,
							.base = VHDX_TYPE_DYNAMIC,
							.depth = depth,
							.size = 65536,
							.block_size = 4096,
							.blocks = 14,
							.seed = 30 + depth },
				  32768);
		expect_alignments(&(struct chain_plan){ .format = VHDX_FORMAT_VHD,
							.base = VHDX_TYPE_FIXED,
							.depth = depth,
							.size = 65536,
							.block_size = 512,
							.blocks = 20,
							.seed = 40 + depth },
				  8192);
	}
}

/* B-49: 1 to 5 blocks at a time. */
Test(extents, reads_over_many_blocks)
{
	struct chain_plan plan = { .format = VHDX_FORMAT_VHD,
				   .base = VHDX_TYPE_DYNAMIC,
				   .depth = 2,
				   .size = RECIPE_MIB,
				   .block_size = 32768,
				   .blocks = 20,
				   .seed = 4 };
	struct chain chain;
	vhdx_disk *disk;

	chain_build(&chain, &plan);
	disk = chain_open(&chain, 0);
	for (unsigned blocks = 1; blocks <= 5; blocks++)
		for (uint64_t offset = 32768 - 4096; offset <= 32768 + 4096; offset += 512)
			for (unsigned less = 0; less < 2; less++)
				model_expect_read(&chain.model, disk, (size_t)blocks * 32768 - less * 512, offset);
	vhdx_close(disk);
	chain_end(&chain);
}

/* However short the question, the answer is no longer, and says the same of each byte. */
Test(extents, answers_fit_the_question)
{
	struct chain_plan plan = { .format = VHDX_FORMAT_VHDX,
				   .base = VHDX_TYPE_DYNAMIC,
				   .depth = 3,
				   .size = 8 * RECIPE_MIB,
				   .block_size = 1u << 20,
				   .blocks = 6,
				   .seed = 9 };
	struct chain chain;
	uint64_t state = 5;
	vhdx_disk *disk;

	chain_build(&chain, &plan);
	disk = chain_open(&chain, 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t offset = test_random_below(&state, plan.size),
			 length = 1 + test_random_below(&state, i % 2 == 0 ? 2000 : plan.size - offset);
		struct vhdx_extent e, one;
		uint64_t inside;

		length = length < plan.size - offset ? length : plan.size - offset;
		cr_assert(vhdx_get_extent(disk, &e, offset, length, NULL) == VHDX_OK);
		cr_assert(e.disk_offset == offset && e.length >= 1 && e.length <= length);
		inside = test_random_below(&state, e.length);
		cr_assert(vhdx_get_extent(disk, &one, offset + inside, 1, NULL) == VHDX_OK);
		cr_assert(one.kind == e.kind && one.length == 1);
		if (e.kind == VHDX_EXTENT_DATA)
			cr_assert(one.level == e.level && one.file_offset == e.file_offset + inside);
	}
	vhdx_close(disk);
	chain_end(&chain);
}

/* Present blocks that stand in the file as they stand on the disk are one extent. */
Test(extents, neighbours_are_one)
{
	struct recipe_block blocks[8];
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct vhdx_extent e;
	struct memfile *m;
	vhdx_disk *disk = NULL;

	for (unsigned i = 0; i < 8; i++)
		blocks[i] = (struct recipe_block){ .index = 4 + i, .state = RECIPE_FULL };
	blocks[7].file_offset = 40 * RECIPE_MIB;
	k.blocks = blocks;
	k.block_count = 8;
	k.file_size = 41 * RECIPE_MIB;
	m = recipe_vhdx_new(&k, NULL);
	cr_assert(test_open_chain(&disk, &m, 1, 0, NULL) == VHDX_OK);
	cr_assert(vhdx_get_extent(disk, &e, 0, 16 * RECIPE_MIB, NULL) == VHDX_OK);
	cr_expect(e.kind == VHDX_EXTENT_HOLE && e.length == 4 * RECIPE_MIB);
	cr_assert(vhdx_get_extent(disk, &e, 4 * RECIPE_MIB + 100, 12 * RECIPE_MIB - 100, NULL) == VHDX_OK);
	cr_expect(e.kind == VHDX_EXTENT_DATA && e.length == 7 * RECIPE_MIB - 100);
	cr_assert(vhdx_get_extent(disk, &e, 11 * RECIPE_MIB, 5 * RECIPE_MIB, NULL) == VHDX_OK);
	cr_expect(e.kind == VHDX_EXTENT_DATA && e.length == RECIPE_MIB && e.file_offset == 40 * RECIPE_MIB);
	cr_assert(vhdx_get_extent(disk, &e, 12 * RECIPE_MIB, 4 * RECIPE_MIB, NULL) == VHDX_OK);
	cr_expect(e.kind == VHDX_EXTENT_HOLE && e.length == 4 * RECIPE_MIB);
	vhdx_close(disk);
	memfile_free(m);
}

/* A log entry gives new content to a page of payload (nobody writes such, but it may be): the bytes of the file are stale there, and there only. */
Test(extents, what_a_log_overlays_is_in_memory)
{
	static const struct recipe_block block = { .index = 2, .state = RECIPE_FULL, .seed = 5 };
	struct recipe_descriptor descriptors[] = { { .file_offset = 4 * RECIPE_MIB + 8192, .seed = 6 },
						   { .file_offset = 4 * RECIPE_MIB + 65536, .zero_length = 8192 } };
	struct recipe_entry entry = {
		.tail = RECIPE_SELF, .sequence_number = 1, .descriptors = descriptors, .descriptor_count = 2
	};
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	uint64_t at = 2 * RECIPE_MIB, overlaid = 0;
	struct memfile *m, *before;
	vhdx_disk *disk = NULL;

	k.log_guid = recipe_guid(9);
	k.blocks = &block;
	k.block_count = 1;
	k.entries = &entry;
	k.entry_count = 1;
	m = recipe_vhdx_new(&k, NULL);
	before = memfile_copy(m);
	cr_assert(test_open_chain(&disk, &m, 1, 0, NULL) == VHDX_OK);
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK && info.log_state == VHDX_LOG_REPLAYED_IN_MEMORY &&
		  info.log_entries == 1);
	while (at < 3 * RECIPE_MIB) {
		uint64_t in_block = at - 2 * RECIPE_MIB;
		bool in_page = in_block >= 8192 && in_block < 12288, in_zeros = in_block >= 65536 && in_block < 73728;
		struct vhdx_extent e;

		cr_assert(vhdx_get_extent(disk, &e, at, 3 * RECIPE_MIB - at, NULL) == VHDX_OK);
		cr_assert(e.kind == VHDX_EXTENT_DATA && e.file_offset == 4 * RECIPE_MIB + in_block);
		cr_expect((e.in_memory != 0) == (in_page || in_zeros), "at 0x%lx", (unsigned long)in_block);
		overlaid += e.in_memory ? e.length : 0;
		at += e.length;
	}
	cr_expect(overlaid == 4096 + 8192);
	expect_pattern(disk, 2 * RECIPE_MIB, 8192, 5);
	expect_pattern(disk, 2 * RECIPE_MIB + 12288, 65536 - 12288, 5);
	expect_zeros(disk, 2 * RECIPE_MIB + 65536, 8192);
	expect_pattern(disk, 2 * RECIPE_MIB + 73728, RECIPE_MIB - 73728, 5);
	{
		uint8_t found[4096], expected[4096];

		recipe_pattern(expected, sizeof(expected), 4 * RECIPE_MIB + 8192, 6); /* descriptors count in the file */
		cr_assert(vhdx_read(disk, found, sizeof(found), 2 * RECIPE_MIB + 8192, NULL) == VHDX_OK);
		cr_expect_arr_eq(found, expected, sizeof(found));
		for (unsigned first = 0; first < 4096; first += 511) { /* and from its middle */
			cr_assert(vhdx_read(disk, found, 4096 - first, 2 * RECIPE_MIB + 8192 + first, NULL) == VHDX_OK);
			cr_assert_arr_eq(found, expected + first, 4096 - first);
		}
	}
	vhdx_close(disk);
	cr_expect(memfile_equal(m, before, NULL) && memfile_count(m, MEMFILE_WRITE) == 0);
	memfile_free(m);
	memfile_free(before);
}

/* B-50: a table that moves one byte at a time, or an odd number, and one with nothing but what it must have. */
Test(extents, short_reads_and_minimal_tables)
{
	static const size_t lengths[] = { 1, 7, 513, 4095 };

	for (unsigned i = 0; i < 5; i++) {
		struct chain_plan plan = { .format = i % 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD,
					   .base = VHDX_TYPE_DYNAMIC,
					   .depth = 3,
					   .size = 4 * RECIPE_MIB,
					   .block_size = 1u << 20,
					   .blocks = 3,
					   .seed = 60 + i };
		struct chain chain;
		uint64_t state = i;
		vhdx_disk *disk;

		chain_build(&chain, &plan);
		for (unsigned f = 0; f < 3; f++) {
			memfile_set_short(chain.files[f], i < 4 ? lengths[i] : 0);
			memfile_set_minimal(chain.files[f], i >= 3);
		}
		disk = chain_open(&chain, 0);
		model_expect_random(&chain.model, disk, 30, 20000, &state);
		model_expect_extents(&chain.model, disk);
		vhdx_close(disk);
		chain_end(&chain);
	}
}
