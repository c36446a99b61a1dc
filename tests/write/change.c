/* SPDX-License-Identifier: MIT */
/* Size, settings and parents of disks changed in place; crashes in between are the business of tests/crash. */
#include <criterion/criterion.h>
#include <string.h>

#include "write/changing.h"

/* 1 MiB holds the entries of 128 GiB in blocks of 1 MiB; the BAT of a VHD is as long as its disk. */
Test(change, a_bat_that_is_too_small_moves)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct memfile *image = make_disk((enum vhdx_format)format, VHDX_TYPE_DYNAMIC, 100 * GIB, NULL);
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);

		for (uint64_t i = 0; i < 100; i += 7)
			put_at(disk, i * GIB + 4096, 8192, (uint32_t)i + 1);
		resize_to(disk, 400 * GIB);
		put_at(disk, 399 * GIB, 8192, 200);
		put_at(disk, 50 * GIB, 8192, 201);
		for (int round = 0; round < 2; round++) {
			for (uint64_t i = 0; i < 100; i += 7)
				expect_at(disk, i * GIB + 4096, 8192, (uint32_t)i + 1);
			expect_at(disk, 399 * GIB, 8192, 200);
			expect_at(disk, 50 * GIB, 8192, 201);
			expect_at(disk, 150 * GIB, 8192, 0);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(image);
			disk = open_over(image, NULL, 0);
			cr_expect_eq(vhdx_disk_size(disk), 400 * GIB);
		}
		vhdx_close(disk);
		memfile_free(image);
	}
}

/* Where the old BAT was, a block may stand now; nothing of it may be taken for an entry. */
Test(change, the_place_of_the_old_bat_is_used_again)
{
	struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 100 * GIB, NULL);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	uint64_t old = info_of(disk).bat_offset;
	struct vhdx_extent extent = { .length = 0 };

	put_at(disk, 0, 4096, 1);
	resize_to(disk, 300 * GIB);
	put_at(disk, 9 * MIB, 4096, 2);
	cr_assert_eq(vhdx_get_extent(disk, &extent, 9 * MIB, 4096, NULL), VHDX_OK);
	cr_expect_eq(extent.file_offset, old);
	expect_at(disk, 0, 4096, 1);
	expect_at(disk, 9 * MIB, 4096, 2);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(image);
	memfile_free(image);
}

Test(change, what_is_cut_off_does_not_come_back)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++)
		for (int type = VHDX_TYPE_FIXED; type <= VHDX_TYPE_DYNAMIC; type++) {
			struct memfile *image = make_disk((enum vhdx_format)format, (enum vhdx_type)type, 20 * MIB, NULL);
			vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);

			put_at(disk, 0, 20 * MIB, 1);
			cr_expect_eq(vhdx_resize(disk, 7 * MIB + 512, 0, NULL), VHDX_E_ARGUMENT);
			resize_to(disk, 7 * MIB + 512);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			cr_expect_lt(memfile_size(image),
				     15 * MIB + (format == VHDX_FORMAT_VHD && type == VHDX_TYPE_DYNAMIC ? 8 * MIB : 0));
			disk = open_over(image, NULL, VHDX_OPEN_WRITE);
			resize_to(disk, 30 * MIB);
			expect_at(disk, 0, 7 * MIB + 512, 1);
			expect_at(disk, 7 * MIB + 512, 23 * MIB - 512, 0);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(image);
			memfile_free(image);
		}
}

/* The parent is longer than the child was: what is added is zeros all the same. */
Test(change, a_longer_parent_does_not_show_through)
{
	struct memfile *parent = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL), *child;
	vhdx_disk *disk = open_over(parent, NULL, VHDX_OPEN_WRITE);

	put_at(disk, 0, 20 * MIB, 1);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	child = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent);
	disk = open_over(child, parent, VHDX_OPEN_WRITE);
	put_at(disk, 5 * MIB, 4096, 2);
	resize_to(disk, 7 * MIB + 65536);
	resize_to(disk, 25 * MIB);
	for (int round = 0; round < 2; round++) {
		expect_at(disk, 0, 5 * MIB, 1);
		expect_at(disk, 5 * MIB, 4096, 2);
		expect_at(disk, 5 * MIB + 4096, 2 * MIB + 65536 - 4096, 1);
		expect_at(disk, 7 * MIB + 65536, 18 * MIB - 65536, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(child);
		disk = open_over(child, parent, 0);
	}
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

/* The last chunk of a child has entries that belong to no block. What stands in them is no reason to free the headers, or a block of the disk. */
Test(change, entries_behind_the_last_block_free_nothing)
{
	struct memfile *parent = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL);
	struct memfile *child = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent);
	vhdx_disk *disk = open_over(child, parent, VHDX_OPEN_WRITE);
	struct vhdx_extent extent = { .length = 0 };
	uint64_t bat = info_of(disk).bat_offset;

	for (unsigned i = 0; i < 20; i++)
		put_at(disk, i * MIB, MIB, i + 1);
	cr_assert_eq(vhdx_get_extent(disk, &extent, 0, MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	recipe_put(child, bat + 20 * 8, 8, 6);                       /* the headers */
	recipe_put(child, bat + 21 * 8, 8, extent.file_offset | 6);  /* block 0 */
	recipe_put(child, bat + 22 * 8, 8, (UINT64_C(1) << 60) | 7); /* nowhere */
	recipe_put(child, bat + 23 * 8, 8, bat / MIB * MIB | 6);     /* the BAT */
	disk = open_over(child, parent, VHDX_OPEN_WRITE);
	resize_to(disk, 10 * MIB);
	put_at(disk, 5 * MIB, 4096, 77);
	cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(child);
	disk = open_over(child, parent, VHDX_OPEN_WRITE);
	for (unsigned i = 0; i < 10; i++)
		if (i != 5)
			expect_at(disk, i * MIB, MIB, i + 1);
	resize_to(disk, 30 * MIB);
	expect_at(disk, 10 * MIB, 20 * MIB, 0);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(child);
	memfile_free(child);
	memfile_free(parent);
}

/* A parent whose last block is not whole in its file cannot become longer: then nothing is merged into it, and nothing behind its end is written. */
Test(change, a_parent_that_cannot_grow_takes_no_merge)
{
	struct memfile *parent = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 2 * MIB + 512, NULL), *child;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	vhdx_disk *disk = open_over(parent, NULL, VHDX_OPEN_WRITE), *source, *target;
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_extent extent = { .length = 0 };
	struct vhdx_file file = memfile_file(parent, "parent");
	struct vhdx_guid next = { { 9 } }, now;
	struct vhdx_error error;

	put_at(disk, 0, 4096, 1);
	put_at(disk, 2 * MIB, 512, 2);
	cr_assert_eq(vhdx_get_extent(disk, &extent, 2 * MIB, 512, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_set_size(parent, extent.file_offset + 4096);
	child = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent);
	disk = open_over(child, parent, VHDX_OPEN_WRITE);
	now = info_of(disk).parent_identity;
	settings.parent_identity = &now;
	settings.parent_identity2 = &next;
	resize_to(disk, 10 * MIB);
	put_at(disk, 0, 4096, 3);
	put_at(disk, 9 * MIB, 4096, 4);
	cr_assert_eq(vhdx_set(disk, &settings, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);

	source = open_over(child, NULL, VHDX_OPEN_NO_PARENTS);
	options.flags = VHDX_OPEN_WRITE;
	options.data_identity = &next;
	cr_assert_eq(vhdx_open_file(&target, &file, &options, NULL), VHDX_OK);
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_UNSUPPORTED, "%s", error.message);
	cr_assert_eq(vhdx_close(target), VHDX_OK);
	cr_assert_eq(vhdx_close(source), VHDX_OK);
	disk = open_over(parent, NULL, 0);
	expect_at(disk, 0, 4096, 1);
	expect_at(disk, 2 * MIB, 512, 2);
	vhdx_close(disk);
	disk = open_over(child, parent, 0);
	expect_at(disk, 0, 4096, 3);
	expect_at(disk, 9 * MIB, 4096, 4);
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

Test(change, sizes_that_cannot_be)
{
	struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL), *before = memfile_copy(image);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);

	cr_expect_eq(vhdx_resize(disk, 0, VHDX_RESIZE_CUT, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_resize(disk, 20 * MIB + 1, 0, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_resize(disk, 65 * 1024 * GIB, 0, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_resize(disk, 20 * MIB, 0, NULL), VHDX_OK);
	vhdx_close(disk);
	cr_expect(memfile_equal(image, before, NULL));
	disk = open_over(image, NULL, 0);
	cr_expect_eq(vhdx_resize(disk, 40 * MIB, 0, NULL), VHDX_E_READ_ONLY);
	vhdx_close(disk);
	memfile_free(before);
	memfile_free(image);
}

static bool has_path(vhdx_disk *disk, enum vhdx_path_kind kind, const char *text)
{
	size_t count;
	const struct vhdx_parent_path *paths = vhdx_parent_paths(disk, 0, &count);

	for (size_t i = 0; i < count; i++)
		if (paths[i].kind == kind && strcmp(paths[i].text, text) == 0)
			return true;
	return false;
}

/* VHDX-040: its own children must not notice. */
Test(change, a_new_parent_path_changes_no_identity)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct memfile *parent = make_disk((enum vhdx_format)format, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL);
		struct memfile *child = make_disk((enum vhdx_format)format, VHDX_TYPE_DIFFERENCING, 0, parent);
		struct vhdx_settings settings = VHDX_SETTINGS_INIT;
		struct vhdx_info before, after;
		struct vhdx_error error;
		vhdx_disk *disk = open_over(child, parent, VHDX_OPEN_WRITE);

		put_at(disk, 3 * MIB, 8192, 1);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_over(child, NULL, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS);
		before = info_of(disk);
		settings.parent_relative = "..\\elsewhere\\a much longer name of a parent\\base.vhdx";
		settings.parent_absolute = "D:\\elsewhere\\base.vhdx";
		cr_assert_eq(vhdx_set(disk, &settings, &error), VHDX_OK, "%s", error.message);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(child);
		disk = open_over(child, parent, 0);
		after = info_of(disk);
		cr_expect(memcmp(&before.data_identity, &after.data_identity, sizeof(after.data_identity)) == 0);
		cr_expect(memcmp(&before.parent_identity, &after.parent_identity, sizeof(after.parent_identity)) == 0);
		if (format == VHDX_FORMAT_VHDX)
			cr_expect(memcmp(&before.file_write_guid, &after.file_write_guid, sizeof(after.file_write_guid)) != 0);
		cr_expect(has_path(disk, VHDX_PATH_RELATIVE, settings.parent_relative));
		cr_expect(has_path(disk, VHDX_PATH_ABSOLUTE, settings.parent_absolute));
		cr_expect(!has_path(disk, VHDX_PATH_RELATIVE, ".\\parent"));
		expect_at(disk, 3 * MIB, 8192, 1);
		expect_at(disk, 4 * MIB, 8192, 0);
		vhdx_close(disk);
		memfile_free(child);
		memfile_free(parent);
	}
}

/* W1: content that changes later in the same session has a new DataWriteGuid before it. */
Test(change, a_write_after_a_new_path_changes_the_identity)
{
	struct memfile *parent = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL);
	struct memfile *child = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 0, parent);
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	vhdx_disk *disk = open_over(child, parent, VHDX_OPEN_WRITE);
	struct vhdx_info before = info_of(disk), after;

	settings.parent_relative = ".\\moved";
	cr_assert_eq(vhdx_set(disk, &settings, NULL), VHDX_OK);
	put_at(disk, MIB, 4096, 5);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(child, parent, 0);
	after = info_of(disk);
	cr_expect(memcmp(&before.data_identity, &after.data_identity, sizeof(after.data_identity)) != 0);
	expect_at(disk, MIB, 4096, 5);
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

Test(change, identifier_and_physical_sectors)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct memfile *image = make_disk((enum vhdx_format)format, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL);
		struct vhdx_settings settings = VHDX_SETTINGS_INIT;
		struct vhdx_guid id = recipe_guid(77);
		struct vhdx_info info;
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);

		settings.parent_relative = ".\\parent";
		cr_expect_eq(vhdx_set(disk, &settings, NULL), VHDX_E_ARGUMENT);
		settings.parent_relative = NULL;
		settings.disk_id = &id;
		settings.physical_sector_size = 512;
		cr_assert_eq(vhdx_set(disk, &settings, NULL), VHDX_OK);
		settings.physical_sector_size = 1024;
		cr_expect_lt(vhdx_set(disk, &settings, NULL), 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(image);
		disk = open_over(image, NULL, 0);
		info = info_of(disk);
		cr_expect(memcmp(format == VHDX_FORMAT_VHDX ? &info.disk_id : &info.data_identity, &id, sizeof(id)) == 0);
		cr_expect_eq(info.physical_sector_size, 512);
		vhdx_close(disk);
		memfile_free(image);
	}
}

Test(change, VHDX_060_copies_of_the_region_table_that_differ_are_mended)
{
	for (unsigned bad = 0; bad < 2; bad++) {
		struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 20 * MIB, NULL);
		uint64_t place = (3 + bad) * UINT64_C(65536);
		uint8_t one[4096], two[4096];
		vhdx_disk *disk;

		memset(one, 0xEE, sizeof(one));
		memfile_write(image, place, one, sizeof(one));
		disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		put_at(disk, 0, 512, 1);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		memfile_read(image, UINT64_C(3) * 65536, one, sizeof(one));
		memfile_read(image, UINT64_C(4) * 65536, two, sizeof(two));
		cr_expect(memcmp(one, two, sizeof(one)) == 0);
		cr_expect(memcmp(one, "regi", 4) == 0);
		expect_sound(image);
		memfile_free(image);
	}
}
