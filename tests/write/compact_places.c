/* SPDX-License-Identifier: MIT */
/* Compaction where something special stands: structures between blocks, sector bitmap blocks, places kept for nothing, pages in memory. */
#include "changing.h"

/* Some structures of a file stand between its blocks, or where others keep what we do not know. */
Test(compact, what_stays_where_it_is)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		vhdx_disk *disk;

		model_start(&c.model, 16 * MIB);
		add_level(&c, 16 * MIB, (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 16 * MIB, 7);
		cr_assert_eq(vhdx_resize(disk, 400 * 1024 * MIB, 0, NULL), VHDX_OK); /* a BAT behind the blocks */
		put(&c, disk, 8 * MIB, 8 * MIB, 8);
		cr_assert_eq(vhdx_write(disk, "x", 1, 300 * 1024 * MIB, NULL), VHDX_OK);
		put(&c, disk, 0, 5 * MIB, 0);
		cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
		for (int round = 0; round < 2; round++) {
			char byte;

			for (uint64_t at = 0; at < 16 * MIB; at += MIB)
				model_expect_read(&c.model, disk, MIB, at);
			cr_assert_eq(vhdx_read(disk, &byte, 1, 300 * 1024 * MIB, NULL), VHDX_OK);
			cr_expect_eq(byte, 'x');
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(c.files[0]);
			disk = open_chain(&c, 1, 0);
		}
		vhdx_close(disk);
		end_chain(&c);
	}
}

/* The number of the call that stops. */
static int stop_at(void *context, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	return --*(int *)context == 0;
}

static void compact_until(vhdx_disk *disk, int call)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;

	options.on_progress = stop_at;
	options.on_progress_context = &call;
	cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_E_CANCELLED);
}

static uint64_t place_of(vhdx_disk *disk, uint64_t offset)
{
	struct vhdx_extent extent;

	cr_assert_eq(vhdx_get_extent(disk, &extent, offset, 512, NULL), VHDX_OK);
	return extent.kind == VHDX_EXTENT_DATA ? extent.file_offset : 0;
}

/* W6: what a stopped compaction has freed is not used before that is durable. */
Test(compact, freed_places_wait_for_a_flush)
{
	struct chain c = { .format = VHDX_FORMAT_VHDX, .sector = 512 };
	uint64_t place;
	vhdx_disk *disk;

	model_start(&c.model, 512);
	add_level(&c, 64 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	put_at(disk, 0, 2 * MIB, 0);
	put_at(disk, 2 * MIB, 4 * MIB, 1);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	place = place_of(disk, 0);
	cr_assert_neq(place, 0);
	compact_until(disk, 2);
	cr_expect_eq(place_of(disk, 0), 0);
	put_at(disk, 20 * MIB, 4096, 2);
	cr_expect_neq(place_of(disk, 20 * MIB), place);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	put_at(disk, 30 * MIB, 4096, 3);
	cr_expect_eq(place_of(disk, 30 * MIB), place);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	end_chain(&c);
}

/*
 * A sector bitmap block moves to where that of another chunk (4 GiB) stood, of which pages are in memory. In the file: bitmap 0, its block, which
 * becomes whole, a block that becomes zeros, bitmap 1, its block.
 */
Test(compact, a_bitmap_block_moves)
{
	struct chain c = { .format = VHDX_FORMAT_VHDX, .sector = 512 };
	struct vhdx_compact_result result;
	vhdx_disk *disk;

	model_start(&c.model, 512);
	add_level(&c, 12 * GIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	put_at(disk, 4 * GIB, MIB, 7);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	add_level(&c, 12 * GIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
	put_at(disk, 4096, 8192, 1);
	put_at(disk, 0, 2 * MIB, 2);
	put_at(disk, 8 * MIB, 2 * MIB, 3);
	put_at(disk, 4 * GIB + 65536, 4096, 4);
	cr_assert_eq(vhdx_write_zeroes(disk, 8 * MIB, 2 * MIB, NULL), VHDX_OK);
	expect_at(disk, 4 * GIB + 65536, 4096, 4);
	result = compact(disk, 0);
	cr_expect_eq(result.bitmap_blocks, 1);
	cr_expect_eq(result.blocks_moved, 2);
	for (int round = 0; round < 2; round++) {
		expect_at(disk, 0, 2 * MIB, 2);
		expect_at(disk, 8 * MIB, 2 * MIB, 0);
		expect_at(disk, 4 * GIB, 65536, 7);
		expect_at(disk, 4 * GIB + 65536, 4096, 4);
		put_at(disk, 4 * GIB + 65536 + 4096, 512, 5);
		expect_at(disk, 4 * GIB + 65536 + 4608, 4096, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(c.files[1]);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
	}
	vhdx_close(disk);
	end_chain(&c);
}

/* The bitmap of a VHD's block comes to stand in a page that holds the end of the BAT too, which has just changed. */
Test(compact, a_bitmap_beside_the_bat)
{
	struct chain c = { .format = VHDX_FORMAT_VHD, .sector = 512 };
	uint64_t far = 399 * GIB + 1000 * MIB; /* the last page of the BAT */
	vhdx_disk *disk;

	model_start(&c.model, 512);
	add_level(&c, 16 * MIB, (uint32_t)MIB);
	add_level(&c, 16 * MIB, (uint32_t)MIB);
	disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
	put_at(disk, 0, 4096, 0);
	put_at(disk, 8 * MIB, 4096, 1);
	cr_assert_eq(vhdx_resize(disk, 400 * GIB, 0, NULL), VHDX_OK); /* the BAT stands behind these blocks now */
	put_at(disk, 399 * GIB + 512, 512, 0);
	put_at(disk, 399 * GIB + MIB, 4096, 9);
	put_at(disk, far + 8192, 4096, 2);
	put_at(disk, far + MIB + 65536, 4096, 3);
	compact_until(disk, 8); /* six blocks are looked at, two move, and nothing of that is durable */
	for (int round = 0; round < 2; round++) {
		expect_at(disk, 0, 8 * MIB, 0);
		expect_at(disk, 8 * MIB, 4096, 1);
		expect_at(disk, 399 * GIB, MIB, 0);
		expect_at(disk, 399 * GIB + MIB, 4096, 9);
		expect_at(disk, far, 8192, 0);
		expect_at(disk, far + 8192, 4096, 2);
		expect_at(disk, far + MIB, 65536, 0);
		expect_at(disk, far + MIB + 65536, 4096, 3);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(c.files[1]);
		disk = open_chain(&c, 2, 0);
	}
	vhdx_close(disk);
	end_chain(&c);
}

/* Places kept for blocks without content, of which one lies over a block that has some, are given up; the block keeps its own. */
Test(compact, anchors)
{
	const struct recipe_block blocks[] = {
		{ .index = 0, .state = RECIPE_FULL, .file_offset = 5 * MIB, .seed = 1 },
		{ .index = 1, .state = RECIPE_UNMAPPED, .file_offset = 6 * MIB },
		{ .index = 2, .state = RECIPE_UNDEFINED, .file_offset = 5 * MIB },
		{ .index = 3, .state = RECIPE_UNMAPPED, .file_offset = 4 * MIB },
		{ .index = 4, .state = RECIPE_FULL, .file_offset = 7 * MIB, .seed = 2 },
	};
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct chain c = { .format = VHDX_FORMAT_VHDX, .depth = 1 };
	vhdx_disk *disk;

	knobs.blocks = blocks;
	knobs.block_count = 5;
	c.files[0] = recipe_vhdx_new(&knobs, NULL);
	model_start(&c.model, 16 * MIB);
	model_set(&c.model, 0, MIB, 1);
	model_set(&c.model, 4 * MIB, MIB, 2);
	disk = open_chain(&c, 1, 0);
	cr_expect_eq(compact(disk, VHDX_COMPACT_ESTIMATE).anchors, 3);
	vhdx_close(disk);
	expect_compaction(&c);
	cr_expect_eq(memfile_size(c.files[0]), 6 * MIB);
	end_chain(&c);
}

/* The data of each block of a VHD is aligned to 4 KiB; what lies before its bitmap for that sake is nothing that a reader would feel. */
Test(compact, padding_between_blocks_is_no_break)
{
	struct chain c = { .format = VHDX_FORMAT_VHD, .sector = 512, .next_seed = 1 };
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	vhdx_disk *disk;

	model_start(&c.model, 16 * MIB);
	add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	put(&c, disk, 0, 16 * MIB, 7);
	cr_assert_eq(vhdx_get_usage(disk, 0, &usage, NULL), VHDX_OK);
	cr_expect_eq(usage.runs, 1);
	cr_expect_eq(usage.breaks, 0);
	cr_expect_eq(usage.pairs, 7);
	vhdx_close(disk);
	end_chain(&c);
}
