/* SPDX-License-Identifier: MIT */
/* Compaction: nothing that is read changes, the file gets as small as the estimate says, and a second run finds nothing. Crashes and failing calls are the business of tests/crash. */
#include "compacting.h"

/* What is there, once more: in a child it is then in two files. */
static void put_same(vhdx_disk *disk, uint64_t offset, uint64_t length)
{
	uint8_t *bytes = malloc(length);

	cr_assert_eq(vhdx_read(disk, bytes, length, offset, NULL), VHDX_OK);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	free(bytes);
}

static void change(struct chain *c, vhdx_disk *disk, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = pick(&c->state, c->model.size / 4096) * 4096,
			 length = 4096 * (1 + pick(&c->state, pick(&c->state, 3) == 0 ? 800 : 20));

		length = length > c->model.size - offset ? c->model.size - offset : length;
		switch (pick(&c->state, 8)) {
		case 0: /* a whole megabyte of zeros at least */
			length = pick(&c->state, 5) * MIB + length;
			length = length > c->model.size - offset ? c->model.size - offset : length;
			cr_assert_eq(vhdx_write_zeroes(disk, offset, length, NULL), VHDX_OK);
			model_set(&c->model, offset, length, 0);
			break;
		case 1: put(c, disk, offset, length, 0); break;
		case 2:
		case 3: put_same(disk, offset, length); break;
		case 4: put_same(disk, offset / (2 * MIB) * 2 * MIB, MIB); break;
		default: put(c, disk, offset, length, c->next_seed++); break;
		}
	}
}

static int stop_soon(void *context, uint64_t done, uint64_t total)
{
	(void)total;
	cr_assert_leq(done, total);
	return --*(int *)context < 0;
}

/* Stops after a while; what is done then stays done. */
static void compact_in_part(struct chain *c, vhdx_disk *disk)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	int steps = (int)pick(&c->state, 20);
	int status;

	options.on_progress = stop_soon;
	options.on_progress_context = &steps;
	status = vhdx_compact(disk, &options, NULL);
	cr_assert(status == VHDX_OK || status == VHDX_E_CANCELLED);
	model_expect(&c->model, disk);
}

static void random_chain(enum vhdx_format format, uint32_t sector, unsigned depth, uint64_t seed)
{
	struct chain c = { .format = format, .sector = sector, .next_seed = 1, .state = seed };
	uint64_t size = 20 * MIB + pick(&c.state, 8) * 512 * 1024;

	model_start(&c.model, size);
	while (c.depth < depth) {
		vhdx_disk *disk;

		add_level(&c, size, (uint32_t)MIB << pick(&c.state, 3));
		disk = open_chain(&c, c.depth, VHDX_OPEN_WRITE);
		change(&c, disk, 25);
		if (pick(&c.state, 2) == 0)
			compact_in_part(&c, disk);
		change(&c, disk, 5);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_compaction(&c);
	}
	end_chain(&c);
}

Test(compact, random_chains_of_vhdx)
{
	for (unsigned seed = 0; seed < 4; seed++)
		random_chain(VHDX_FORMAT_VHDX, seed % 3 == 2 ? 4096 : 512, 1 + seed, seed);
	random_chain(VHDX_FORMAT_VHDX, 512, 8, 100);
}

Test(compact, random_chains_of_vhd)
{
	for (unsigned seed = 0; seed < 4; seed++)
		random_chain(VHDX_FORMAT_VHD, 512, 1 + seed, seed);
	random_chain(VHDX_FORMAT_VHD, 512, 8, 100);
}

/* A dynamic disk of which every second block is zeros shrinks to half. */
Test(compact, every_second_block)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_result result;
		uint64_t full, half;
		vhdx_disk *disk;

		model_start(&c.model, 64 * MIB);
		add_level(&c, 64 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 64 * MIB, 7);
		for (uint64_t block = 0; block < 32; block += 2)
			put(&c, disk, block * 2 * MIB, 2 * MIB, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		full = memfile_size(c.files[0]);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		result = compact(disk, VHDX_COMPACT_KEEP_ZEROS);
		cr_expect_eq(result.bytes_after, full);
		result = compact(disk, VHDX_COMPACT_KEEP_PLACES);
		cr_expect_eq(result.blocks_zero, 16);
		cr_expect_eq(result.blocks_moved, 0);
		cr_expect_lt(memfile_allocated(c.files[0]), 35 * MIB);
		result = compact(disk, 0);
		half = result.bytes_after;
		cr_expect_eq(result.blocks_moved, 8);
		cr_expect_lt(half, full - 31 * MIB);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		cr_expect_eq(memfile_size(c.files[0]), half);
		expect_compaction(&c);
		end_chain(&c);
	}
}

static uint64_t place_of(vhdx_disk *disk, uint64_t offset)
{
	struct vhdx_extent extent;

	cr_assert_eq(vhdx_get_extent(disk, &extent, offset, 512, NULL), VHDX_OK);
	cr_assert_eq(extent.kind, VHDX_EXTENT_DATA);
	return extent.file_offset;
}

/* With it a child of the disk stays linked. */
static void last_block_moves(bool rule_is_139)
{
	struct chain c = { .format = VHDX_FORMAT_VHDX, .sector = 512, .next_seed = 1 };
	struct vhdx_guid before, after;
	uint64_t from;
	vhdx_disk *disk;

	model_start(&c.model, 64 * MIB);
	add_level(&c, 64 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	put(&c, disk, 0, 64 * MIB, 7);
	put(&c, disk, 2 * MIB, 2 * MIB, 0);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	before = identity(disk);
	from = place_of(disk, 62 * MIB);
	cr_expect_eq(compact(disk, 0).blocks_moved, 1);
	after = identity(disk);
	if (rule_is_139) {
		cr_expect_lt(place_of(disk, 62 * MIB), from);
		model_expect(&c.model, disk);
	} else {
		cr_expect(memcmp(&before, &after, sizeof(before)) == 0);
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(c.files[0]);
	end_chain(&c);
}

Test(compact, VHDX_023_moved_blocks_change_no_identity)
{
	last_block_moves(false);
}

Test(compact, VHDX_139_a_moved_block_holds_the_same)
{
	last_block_moves(true);
}

/* What a child wrote over with the same is the parent's again; without parents nothing of it is known. */
Test(compact, equal_to_the_parent)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_result result;
		vhdx_disk *disk;
		uint64_t empty;

		model_start(&c.model, 16 * MIB);
		add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 10 * MIB, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
		empty = memfile_size(c.files[1]);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
		put_same(disk, 0, 8 * MIB + 4096);
		put(&c, disk, 12 * MIB + 512, 512, 0); /* zeros over zeros, in a partially present block */
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS);
		result = compact(disk, 0);
		cr_expect_eq(result.blocks_equal + result.blocks_zero, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
		result = compact(disk, VHDX_COMPACT_KEEP_EQUAL | VHDX_COMPACT_KEEP_ZEROS);
		cr_expect_eq(result.blocks_equal + result.blocks_zero, 0);
		result = compact(disk, 0);
		cr_expect_eq(result.blocks_equal + result.blocks_zero, 6);
		cr_expect_eq(result.bitmap_blocks, format == VHDX_FORMAT_VHDX);
		model_expect(&c.model, disk);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		cr_expect_leq(memfile_size(c.files[1]), empty);
		expect_compaction(&c);
		end_chain(&c);
	}
}

static int in_the_middle(void *context, uint64_t disk_offset, uint64_t length)
{
	(void)context;
	return disk_offset >= 4 * MIB && disk_offset + length <= 12 * MIB;
}

/* Blocks that somebody says are not used are free and read as zeros; the identity changes with the content. */
Test(compact, unused_blocks)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
		struct vhdx_compact_result result = VHDX_COMPACT_RESULT_INIT;
		struct vhdx_guid before, after;
		vhdx_disk *disk;

		model_start(&c.model, 15 * MIB);
		add_level(&c, 15 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 15 * MIB, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		before = identity(disk);
		options.is_unused = in_the_middle;
		options.result = &result;
		options.flags = VHDX_COMPACT_ESTIMATE;
		cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
		cr_expect_eq(result.blocks_unused, 4);
		model_expect(&c.model, disk);
		options.flags = 0;
		cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
		cr_expect_eq(result.blocks_unused, 4);
		model_set(&c.model, 4 * MIB, 8 * MIB, 0);
		model_expect(&c.model, disk);
		after = identity(disk);
		if (format == VHDX_FORMAT_VHDX)
			cr_expect_neq(memcmp(&before, &after, sizeof(before)), 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		cr_expect_eq(memfile_size(c.files[0]), result.bytes_after);
		expect_compaction(&c);
		end_chain(&c);
	}
}

/* Whichever call finds the host full, nothing is lost, and with room again the work goes on. */
Test(compact, B_67_a_full_host_leaves_no_truncated_image)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1, .state = 5 };
		bool failed = true;
		vhdx_disk *disk;

		model_start(&c.model, 16 * MIB);
		for (unsigned level = 0; level < 2; level++) {
			add_level(&c, 16 * MIB, (uint32_t)MIB);
			disk = open_chain(&c, c.depth, VHDX_OPEN_WRITE);
			change(&c, disk, 20);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
		}
		for (unsigned long n = 1; failed; n++) {
			struct memfile *kept = c.files[1];
			int status;

			c.files[1] = memfile_copy(kept);
			disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
			memfile_fail(c.files[1], MEMFILE_WRITE, n, VHDX_E_NO_SPACE, true);
			status = vhdx_compact(disk, NULL, NULL);
			failed = status != VHDX_OK;
			cr_assert(!failed || status == VHDX_E_NO_SPACE);
			memfile_fail(c.files[1], MEMFILE_WRITE, 0, 0, false);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(c.files[1]);
			memfile_free(c.files[1]);
			c.files[1] = kept;
		}
		end_chain(&c);
	}
}

Test(compact, mistakes)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct chain c = { .format = VHDX_FORMAT_VHD, .sector = 512 };
	uint8_t cookie[8] = "tdbatmap";
	vhdx_disk *disk;

	model_start(&c.model, 16 * MIB);
	add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, 0);
	cr_expect_eq(vhdx_compact(disk, NULL, NULL), VHDX_E_READ_ONLY);
	options.flags = 1u << 20;
	cr_expect_eq(vhdx_compact(disk, &options, NULL), VHDX_E_ARGUMENT);
	vhdx_close(disk);
	memfile_write(c.files[0], 512 + 1024 + 512, cookie, 8);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	cr_expect_eq(vhdx_compact(disk, NULL, NULL), VHDX_E_UNSUPPORTED);
	vhdx_close(disk);
	end_chain(&c);
}
