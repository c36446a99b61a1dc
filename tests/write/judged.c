/* SPDX-License-Identifier: MIT */
/*
 * VHDX files that are changed: what was believed of them, or of an earlier state, without being judged again. A block that the file cuts off, places that something else
 * stood in before, a change that fails half way. Layer: tests/write.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "write/changing.h"

/* The place of the last block, of which the disk needs half and the file has half: decision D-30. */
static struct memfile *cut_last(unsigned blocks)
{
	struct memfile *image = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, blocks * 2 * MIB - MIB, NULL, 2u << 20);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	struct vhdx_extent extent = { .length = 0 };
	uint64_t last = (blocks - 1) * 2 * MIB;

	put_at(disk, last, MIB, 5);
	cr_assert_eq(vhdx_get_extent(disk, &extent, last, MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_assert_eq(memfile_size(image), extent.file_offset + 2 * MIB);
	memfile_set_size(image, extent.file_offset + MIB);
	return image;
}

/* Block 0 is written, and must not have been put over the half that the file lacks, whatever happens to the last block then. */
Test(judged, a_block_that_the_file_cuts_off_keeps_its_place)
{
	for (int what = 0; what < 5; what++) {
		struct memfile *image = cut_last(3);
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		struct vhdx_error error = { .message = "" };
		int status = VHDX_OK;

		put_at(disk, 0, 2 * MIB, 7);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		switch (what) {
		case 0: status = vhdx_discard(disk, 4 * MIB, MIB, &error); break;
		case 1: status = vhdx_write_zeroes(disk, 4 * MIB, MIB, &error); break;
		case 2: status = vhdx_resize(disk, 4 * MIB, VHDX_RESIZE_CUT, &error); break;
		case 3: status = vhdx_resize(disk, 6 * MIB, 0, &error); break;
		case 4: status = vhdx_compact(disk, NULL, &error); break;
		}
		cr_expect(status == VHDX_OK || what == 3, "%d: %s", what, error.message);
		expect_at(disk, 0, 2 * MIB, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(image);
		disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		expect_at(disk, 0, 2 * MIB, 7);
		expect_at(disk, 4 * MIB, vhdx_disk_size(disk) > 4 * MIB ? MIB : 0, what < 2 ? 0 : 5);
		put_at(disk, 2 * MIB, MIB, 8);
		expect_at(disk, 0, 2 * MIB, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(image);
		memfile_free(image);
	}
}

/* Defragmentation: the block that is cut off is the last in the file and stays it. */
Test(judged, a_block_that_the_file_cuts_off_is_not_moved)
{
	struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .file_offset = 4 * RECIPE_MIB, .seed = 11 },
					 { .index = 0, .state = RECIPE_FULL, .file_offset = 6 * RECIPE_MIB, .seed = 10 },
					 { .index = 3, .state = RECIPE_FULL, .file_offset = 10 * RECIPE_MIB, .seed = 13 },
					 { .index = 2, .state = RECIPE_FULL, .file_offset = 8 * RECIPE_MIB, .seed = 12 } };
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *image;
	vhdx_disk *disk;

	knobs.size = 7 * MIB;
	knobs.block_size = 2u << 20;
	knobs.blocks = blocks;
	knobs.block_count = 4;
	image = recipe_vhdx_new(&knobs, NULL);
	memfile_set_size(image, 11 * MIB);
	disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	options.flags = VHDX_COMPACT_DEFRAG;
	cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
	for (unsigned i = 0; i < 3; i++)
		expect_at(disk, i * 2 * MIB, 2 * MIB, 10 + i);
	expect_at(disk, 6 * MIB, MIB, 13);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(image);
	memfile_free(image);
}

/* The last block is there in part, as far as the disk goes, and the parent has more of it. */
Test(judged, what_a_partly_present_block_grows_by_is_zeros)
{
	struct memfile *parent = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 4 * MIB, NULL, 2u << 20), *child;
	vhdx_disk *disk = open_over(parent, NULL, VHDX_OPEN_WRITE);

	put_at(disk, 0, 4 * MIB, 1);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	child = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent, 2u << 20);
	disk = open_over(child, parent, VHDX_OPEN_WRITE);
	put_at(disk, 2 * MIB, MIB, 2);
	resize_to(disk, 3 * MIB);
	resize_to(disk, 4 * MIB);
	for (int round = 0; round < 2; round++) {
		expect_at(disk, 0, 2 * MIB, 1);
		expect_at(disk, 2 * MIB, MIB, 2);
		expect_at(disk, 3 * MIB, MIB, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(child);
		disk = open_over(child, parent, 0);
	}
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

/* A sector bitmap block where another one has stood: nothing of the old one is remembered. Blocks of 32 MiB have more bits than a page. */
Test(judged, a_new_bitmap_in_the_place_of_an_old_one)
{
	for (int writes = 0; writes < 2; writes++) {
		struct memfile *parent = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 64 * MIB, NULL, 32u << 20), *child;
		vhdx_disk *disk = open_over(parent, NULL, VHDX_OPEN_WRITE);

		put_at(disk, 0, 64 * MIB, 1);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		child = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent, 32u << 20);
		disk = open_over(child, parent, VHDX_OPEN_WRITE);
		put_at(disk, 20 * MIB, 65536, 1); /* what the parent holds */
		expect_at(disk, 20 * MIB, 65536, 1);
		cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
		put_at(disk, 0, 4096, 2);
		expect_at(disk, 0, 4096, 2);
		expect_at(disk, 20 * MIB, 65536, 1);
		if (writes)
			put_at(disk, 20 * MIB, 65536, 3);
		expect_at(disk, 20 * MIB, 65536, writes ? 3 : 1);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_over(child, parent, 0);
		expect_at(disk, 20 * MIB, 65536, writes ? 3 : 1);
		vhdx_close(disk);
		memfile_free(child);
		memfile_free(parent);
	}
}

Test(judged, a_bitmap_of_a_chunk_that_was_cut_off)
{
	struct memfile *parent = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 32 * MIB, NULL, 32u << 20);
	struct memfile *child = make_disk_of(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent, 32u << 20);
	vhdx_disk *disk = open_over(child, parent, VHDX_OPEN_WRITE);

	resize_to(disk, 8 * GIB);
	put_at(disk, 4 * GIB + 20 * MIB, 65536, 4);
	expect_at(disk, 4 * GIB + 20 * MIB, 65536, 4);
	resize_to(disk, 4 * GIB);
	resize_to(disk, 8 * GIB);
	expect_at(disk, 4 * GIB + 20 * MIB, 65536, 0);
	put_at(disk, 4 * GIB, 4096, 5);
	expect_at(disk, 4 * GIB, 4096, 5);
	expect_at(disk, 4 * GIB + 20 * MIB, 65536, 0);
	put_at(disk, 4 * GIB + 20 * MIB, 65536, 6);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(child, parent, 0);
	expect_at(disk, 4 * GIB + 20 * MIB, 65536, 6);
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

static int stop_late(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	(void)total;
	return done >= 4 * GIB;
}

/* A compaction that is stopped has freed a sector bitmap block, of which a page was in the log: nothing of it is written over what comes to its place. */
Test(judged, a_bitmap_that_was_freed_before_a_compaction_stopped)
{
	struct memfile *parent = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 8 * GIB, NULL);
	struct memfile *child = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent);
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	vhdx_disk *disk = open_over(child, parent, VHDX_OPEN_WRITE);

	put_at(disk, 4096, 4096, 1);
	put_at(disk, 4 * GIB, MIB, 2);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	cr_assert_eq(vhdx_write_zeroes(disk, 0, MIB, NULL), VHDX_OK);
	options.on_progress = stop_late;
	cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_E_CANCELLED);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	for (unsigned i = 0; i < 4; i++)
		put_at(disk, (10 + i) * MIB, MIB, 10 + i);
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 4; i++)
			expect_at(disk, (10 + i) * MIB, MIB, 10 + i);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(child);
		disk = open_over(child, parent, 0);
	}
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

/* Settings that were said to have failed are not made by the next flush, nor by closing. */
Test(judged, settings_without_room)
{
	unsigned failures = 0;

	for (unsigned long n = 1; n < 12; n++) {
		struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL);
		struct vhdx_settings settings = VHDX_SETTINGS_INIT;
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		struct vhdx_guid id = { { 7 } };
		bool failed;
		int closed;

		settings.disk_id = &id;
		settings.physical_sector_size = 512;
		memfile_fail(image, MEMFILE_WRITE, n, VHDX_E_NO_SPACE, false);
		failed = vhdx_set(disk, &settings, NULL) < 0;
		memfile_fail(image, MEMFILE_WRITE, 0, 0, false);
		failures += failed;
		closed = vhdx_close(disk);
		disk = open_over(image, NULL, 0);
		if (failed && closed == VHDX_OK)
			cr_expect_neq(info_of(disk).physical_sector_size, 512, "%lu", n);
		if (!failed)
			cr_expect_eq(info_of(disk).physical_sector_size, 512);
		vhdx_close(disk);
		memfile_free(image);
	}
	cr_expect_geq(failures, 3);
}

/* No locator that an open refuses is made. */
Test(judged, a_parent_locator_with_no_room_for_a_pair)
{
	static char keys[256][16];
	static struct recipe_pair pairs[256];
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct memfile *child;
	struct vhdx_error error;
	vhdx_disk *disk;

	pairs[0] = (struct recipe_pair){ "parent_linkage", "{11111111-0000-0000-0000-000000000000}" };
	pairs[1] = (struct recipe_pair){ "relative_path", "p" };
	for (unsigned i = 2; i < 256; i++) {
		(void)snprintf(keys[i], sizeof(keys[i]), "k%u", i);
		pairs[i] = (struct recipe_pair){ keys[i], "v" };
	}
	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.pairs = pairs;
	knobs.pair_count = 256;
	child = recipe_vhdx_new(&knobs, NULL);
	disk = open_over(child, NULL, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS);
	settings.parent_relative = ".\\q";
	settings.parent_absolute = "C:\\q";
	cr_expect_eq(vhdx_set(disk, &settings, &error), VHDX_E_NO_SPACE, "%s", error.message);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(child, NULL, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS);
	settings.parent_absolute = NULL;
	cr_expect_eq(vhdx_set(disk, &settings, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(child, NULL, VHDX_OPEN_NO_PARENTS);
	vhdx_close(disk);
	memfile_free(child);
}

/* One write of a resize finds no room. What is written and flushed afterwards, when the disk lives on, is there when it is opened again. */
static void no_room(enum vhdx_format format, uint64_t from, uint64_t to)
{
	bool failed;

	for (unsigned long n = 1; n < 40; n++) {
		struct memfile *image = make_disk(format, VHDX_TYPE_DYNAMIC, from, NULL);
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		uint64_t places[] = { 50 * MIB, 9 * GIB }, size;
		uint8_t bytes[4096];
		int status = VHDX_OK;

		put_at(disk, MIB, 4096, 1);
		put_at(disk, 9 * GIB, 4096, 3);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		memfile_fail(image, MEMFILE_WRITE, n, VHDX_E_NO_SPACE, false);
		failed = vhdx_resize(disk, to, VHDX_RESIZE_CUT, NULL) < 0;
		memfile_fail(image, MEMFILE_WRITE, 0, 0, false);
		size = vhdx_disk_size(disk);
		for (unsigned i = 0; i < 2 && status == VHDX_OK; i++) {
			recipe_pattern(bytes, sizeof(bytes), places[i], 6);
			if (places[i] < size)
				status = vhdx_write(disk, bytes, sizeof(bytes), places[i], NULL);
		}
		status = status == VHDX_OK ? vhdx_flush(disk, NULL) : status;
		cr_assert(status == VHDX_OK || failed, "%lu: %d", n, status);
		(void)vhdx_close(disk);
		disk = open_over(image, NULL, 0);
		expect_at(disk, MIB, 4096, 1);
		for (unsigned i = 0; i < 2 && status == VHDX_OK; i++)
			if (places[i] < size)
				expect_at(disk, places[i], 4096, 6);
		cr_assert(status != VHDX_OK || vhdx_disk_size(disk) == size, "%lu", n);
		vhdx_close(disk);
		memfile_free(image);
	}
}

Test(judged, a_resize_without_room)
{
	no_room(VHDX_FORMAT_VHDX, 100 * GIB, 400 * GIB);
	no_room(VHDX_FORMAT_VHDX, 10 * GIB, 5 * GIB);
	no_room(VHDX_FORMAT_VHD, 100 * GIB, 400 * GIB);
	no_room(VHDX_FORMAT_VHD, 10 * GIB, 5 * GIB);
}
