/* SPDX-License-Identifier: MIT */
/* As judged.c, of VHD files: structures that stand in each other, footers in unusual places, a footer that could not be written. Layer: tests/write. */
#include <criterion/criterion.h>
#include <string.h>

#include "write/changing.h"

/* Bytes between the disk and the footer belong to nobody. */
Test(judged_vhd, a_fixed_disk_grows_into_the_gap_before_its_footer)
{
	static const uint64_t sizes[] = { 17 * MIB, 18 * MIB - 512, 18 * MIB, 18 * MIB + 512, 20 * MIB };

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct recipe_vhd knobs = RECIPE_VHD_INIT;
		struct memfile *image;
		vhdx_disk *disk;

		knobs.type = VHDX_TYPE_FIXED;
		knobs.fixed_seed = 3;
		knobs.slack = 2 * MIB;
		image = recipe_vhd_new(&knobs, NULL);
		recipe_fill(image, 16 * MIB, 2 * MIB, 0, 44);
		disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		resize_to(disk, sizes[i]);
		expect_at(disk, 16 * MIB, (size_t)(sizes[i] - 16 * MIB), 0);
		put_at(disk, sizes[i] - 4096, 4096, 4);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_over(image, NULL, 0);
		cr_assert_eq(vhdx_disk_size(disk), sizes[i]);
		expect_at(disk, 0, 16 * MIB, 3);
		expect_at(disk, 16 * MIB, (size_t)(sizes[i] - 16 * MIB) - 4096, 0);
		expect_at(disk, sizes[i] - 4096, 4096, 4);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		memfile_free(image);
	}
}

/* Any call of the resize fails: the disk has its old size and content, or its new one. */
Test(judged_vhd, a_fixed_disk_without_room)
{
	for (int grows = 0; grows < 2; grows++) {
		bool failed;

		for (unsigned long n = 1; n < 40; n++) {
			struct recipe_vhd knobs = RECIPE_VHD_INIT;
			uint64_t size = grows ? 17 * MIB : 15 * MIB;
			struct memfile *image;
			vhdx_disk *disk;

			knobs.type = VHDX_TYPE_FIXED;
			knobs.fixed_seed = 3;
			image = recipe_vhd_new(&knobs, NULL);
			disk = open_over(image, NULL, VHDX_OPEN_WRITE);
			memfile_fail(image, MEMFILE_ANY, n, VHDX_E_NO_SPACE, false);
			failed = vhdx_resize(disk, size, VHDX_RESIZE_CUT, NULL) < 0;
			memfile_fail(image, MEMFILE_ANY, 0, 0, false);
			size = vhdx_disk_size(disk);
			expect_at(disk, 0, 15 * MIB, 3);
			if (size == 17 * MIB)
				expect_at(disk, 16 * MIB, MIB, 0);
			(void)vhdx_close(disk);
			disk = open_over(image, NULL, 0);
			expect_at(disk, 0, 15 * MIB, 3);
			if (vhdx_disk_size(disk) == 17 * MIB)
				expect_at(disk, 16 * MIB, MIB, 0);
			else if (vhdx_disk_size(disk) == 16 * MIB)
				expect_at(disk, 15 * MIB, MIB, 3);
			cr_assert(failed || vhdx_disk_size(disk) == size);
			vhdx_close(disk);
			memfile_free(image);
		}
	}
}

/* A BAT of more entries than the disk needs, the last of them in the footer at the end. */
static struct memfile *bat_over_footer(void)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct recipe_vhd_places places;
	struct memfile *image;

	knobs.slack = 0x600;
	image = recipe_vhd_new(&knobs, &places);
	recipe_put_be(image, places.dynamic + 28, 4, (places.footer + 512 - places.bat) / 4);
	recipe_fix_dynamic(image, places.dynamic);
	return image;
}

Test(judged_vhd, a_bat_that_reaches_over_the_footer)
{
	for (int grows = 0; grows < 2; grows++) {
		struct memfile *image = bat_over_footer();
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);

		if (grows)
			resize_to(disk, 600 * 2 * MIB);
		put_at(disk, 0, 4096, 9);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		for (int round = 0; round < 2; round++) {
			expect_at(disk, 0, 4096, 9);
			if (grows)
				expect_at(disk, 560 * 2 * MIB, 4096, 0);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(image);
			disk = open_over(image, NULL, 0);
		}
		vhdx_close(disk);
		memfile_free(image);
	}
}

/* Of a file that has lost its footer, only what the BAT and the headers name is known; Xen's map is not. */
Test(judged_vhd, a_batmap_in_a_file_without_its_end)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct recipe_vhd_places places;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *image, *before;
	struct vhdx_file file;
	vhdx_disk *disk;

	knobs.slack = 4096;
	image = recipe_vhd_new(&knobs, &places);
	memfile_write(image, places.footer - 4096, "tdbatmap", 8);
	memfile_set_size(image, places.footer);
	before = memfile_copy(image);
	options.flags = VHDX_OPEN_WRITE;
	file = memfile_file(image, "disk");
	cr_expect_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_E_UNSUPPORTED);
	cr_expect(memfile_equal(image, before, NULL));
	memfile_free(before);
	memfile_free(image);
}

/* A child of the specimens' kind whose path stands where the test says. */
struct child {
	struct memfile *parent, *image;
	struct recipe_vhd_places places;
};

static struct child child_of(uint32_t block_size, uint32_t extra_entries, uint32_t space, const struct recipe_vhd_block *blocks,
			     size_t count)
{
	struct recipe_vhd_locator locators[] = { { "W2ru", ".\\parent", RECIPE_UTF16LE, space, 0 } };
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct child c = { .parent = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL, block_size) };
	vhdx_disk *disk = open_over(c.parent, NULL, 0);

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.block_size = block_size;
	knobs.parent_unique_id = info_of(disk).data_identity;
	knobs.parent_name = "parent";
	knobs.locators = locators;
	knobs.locator_count = 1;
	knobs.blocks = blocks;
	knobs.block_count = count;
	knobs.extra_entries = extra_entries;
	c.image = recipe_vhd_new(&knobs, &c.places);
	vhdx_close(disk);
	return c;
}

static void end_child(struct child *c)
{
	memfile_free(c->image);
	memfile_free(c->parent);
}

/* The stored path would be lost with the next entries of the BAT, and its room given back with the gaps of a compaction. */
Test(judged_vhd, a_path_in_the_bat_is_not_written_over)
{
	static const uint64_t insides[] = { 4096, 512, 0 };

	for (unsigned i = 0; i < sizeof(insides) / sizeof(insides[0]); i++) {
		struct recipe_vhd_block blocks[] = { { .index = 0, .seed = 0 }, { .index = 1, .seed = 4 } };
		struct child c = child_of(65536, 40000, 0, blocks, 2);
		struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
		uint64_t place = insides[i] != 0 ? c.places.bat + insides[i] : 16; /* in the copy of the footer */
		struct memfile *before;
		struct vhdx_error error;
		uint8_t path[16];
		vhdx_disk *disk;

		memfile_read(c.image, c.places.locators[0], path, sizeof(path));
		if (insides[i] != 0)
			memfile_write(c.image, place, path, sizeof(path));
		recipe_put_be(c.image, c.places.dynamic + 576 + 16, 8, place);
		recipe_fix_dynamic(c.image, c.places.dynamic);
		before = memfile_copy(c.image);
		disk = open_over(c.image, c.parent, VHDX_OPEN_WRITE);
		cr_expect_eq(vhdx_resize(disk, 500 * MIB, 0, &error), VHDX_E_DAMAGED);
		cr_expect_str_eq(error.rule, "VHD-056");
		cr_expect_eq(vhdx_write(disk, "x", 1, 0, NULL), VHDX_E_DAMAGED);
		options.flags = VHDX_COMPACT_KEEP_PLACES;
		cr_expect_eq(vhdx_compact(disk, &options, NULL), VHDX_E_DAMAGED);
		(void)vhdx_close(disk);
		cr_expect(memfile_equal(c.image, before, NULL));
		memfile_free(before);
		end_child(&c);
	}
}

Test(judged_vhd, no_block_is_moved_into_the_room_of_a_path)
{
	struct recipe_vhd_block blocks[] = { { .index = 1, .file_offset = 2 * MIB, .seed = 4 } };
	struct child c = child_of(65536, 0, 65536, blocks, 1);
	vhdx_disk *disk = open_over(c.image, c.parent, VHDX_OPEN_WRITE);
	struct vhdx_extent extent = { .length = 0 };

	cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
	cr_assert_eq(vhdx_get_extent(disk, &extent, 65536, 65536, NULL), VHDX_OK);
	cr_expect_geq(extent.file_offset, c.places.locators[0] + 65536);
	cr_expect_lt(extent.file_offset, 2 * MIB);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(c.image);
	end_child(&c);
}

/* The copy in front could not be written: it is no longer the one that counts when the other is overwritten. */
Test(judged_vhd, a_front_copy_that_was_refused_does_not_count)
{
	bool failed;

	for (unsigned long n = 1; n < 40; n++) {
		struct memfile *image = make_disk(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 100 * GIB, NULL), *crashed;
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE), *again;
		uint8_t bytes[4096];
		int status;

		put_at(disk, MIB, 4096, 1);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		memfile_fail(image, MEMFILE_WRITE, n, VHDX_E_NO_SPACE, false);
		failed = vhdx_resize(disk, 400 * GIB, 0, NULL) < 0;
		memfile_fail(image, MEMFILE_WRITE, 0, 0, false);
		recipe_pattern(bytes, sizeof(bytes), 50 * MIB, 2);
		status = vhdx_write(disk, bytes, sizeof(bytes), 50 * MIB, NULL);
		status = status == VHDX_OK ? vhdx_flush(disk, NULL) : status;
		cr_assert(status == VHDX_OK || failed);
		(void)vhdx_write(disk, bytes, sizeof(bytes), 60 * MIB, NULL); /* over the footer, not flushed */
		crashed = memfile_copy(image);
		again = open_over(crashed, NULL, 0);
		expect_at(again, MIB, 4096, 1);
		if (status == VHDX_OK)
			expect_at(again, 50 * MIB, 4096, 2);
		vhdx_close(again);
		(void)vhdx_close(disk);
		memfile_free(crashed);
		memfile_free(image);
	}
}

/* A block where another one has stood, whose bits were read: they are not the new one's. */
Test(judged_vhd, a_block_in_the_place_of_an_old_one)
{
	struct memfile *parent = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL, 2u << 20), *child;
	vhdx_disk *disk = open_over(parent, NULL, VHDX_OPEN_WRITE);

	put_at(disk, 0, 16 * MIB, 1);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	child = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DIFFERENCING, 0, parent, 2u << 20);
	disk = open_over(child, parent, VHDX_OPEN_WRITE);
	put_at(disk, 4 * MIB + 65536, 65536, 1); /* what the parent holds */
	expect_at(disk, 4 * MIB, 2 * MIB, 1);
	cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
	put_at(disk, 8 * MIB, 4096, 2);
	expect_at(disk, 8 * MIB, 4096, 2);
	expect_at(disk, 8 * MIB + 4096, 2 * MIB - 4096, 1);
	put_at(disk, 8 * MIB + 65536, 65536, 3);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(child, parent, 0);
	expect_at(disk, 8 * MIB, 4096, 2);
	expect_at(disk, 8 * MIB + 65536, 65536, 3);
	expect_at(disk, 8 * MIB + 2 * 65536, MIB, 1);
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}
