/* SPDX-License-Identifier: MIT */
/*
 * Rules of specs/vhd.md that a writer obeys when it creates an image, looked at byte by byte in what vhdx_create_file made: layout and footer.
 * Layer: tests/rules. Rules on changing an image are not here: nothing changes one yet.
 */
#include <stdlib.h>

#include "rules/vhd_created.h"

/* Runs `check` on a fixed, a dynamic and a differencing disk. */
static void for_each_type(void (*check)(struct memfile *m, enum vhdx_type type))
{
	struct memfile *fixed = vhd_create(VHDX_TYPE_FIXED), *dynamic = vhd_create(VHDX_TYPE_DYNAMIC),
		       *child = vhd_create_child(".\\p.vhd", NULL);

	check(fixed, VHDX_TYPE_FIXED);
	check(dynamic, VHDX_TYPE_DYNAMIC);
	check(child, VHDX_TYPE_DIFFERENCING);
	memfile_free(fixed);
	memfile_free(dynamic);
	memfile_free(child);
}

static void reserved_is_zero(struct memfile *m, enum vhdx_type type)
{
	cr_expect(vhd_is_filled(m, vhd_footer_place(m) + RESERVED, 427, 0) &&
		  recipe_get(m, vhd_footer_place(m) + SAVED_STATE, 1) == 0);
	if (type == VHDX_TYPE_FIXED)
		return;
	cr_expect(vhd_is_filled(m, HEADER_RESERVED, 4, 0) && vhd_is_filled(m, HEADER_RESERVED2, 256, 0));
	for (unsigned slot = 0; slot < 8; slot++)
		cr_expect(vhd_is_filled(m, LOCATORS + slot * 24 + 12, 4, 0));
}

Test(vhd_rules, VHD_002_created_reserved_fields_are_zero)
{
	for_each_type(reserved_is_zero);
}

Test(vhd_rules, VHD_033_created_footer_ends_in_zeros)
{
	for_each_type(reserved_is_zero);
}

Test(vhd_rules, VHD_053_created_header_ends_in_zeros)
{
	for_each_type(reserved_is_zero);
}

Test(vhd_rules, VHD_003_created_only_with_sectors_of_512)
{
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, NULL);

	o.logical_sector_size = o.physical_sector_size = 4096;
	cr_expect(vhdx_create_file(&file, &o, NULL) == VHDX_E_ARGUMENT);
	o.logical_sector_size = o.physical_sector_size = 512;
	cr_expect(vhdx_create_file(&file, &o, NULL) == VHDX_OK);
	memfile_free(m);
}

Test(vhd_rules, VHD_004_created_fixed_is_data_and_footer)
{
	struct content c = { .size = 4 * RECIPE_MIB, .runs = vhd_created_runs, .count = 3 };
	struct memfile *m = vhd_create(VHDX_TYPE_FIXED);
	uint8_t *found = malloc(4 * RECIPE_MIB), *expected = malloc(4 * RECIPE_MIB), cookie[8];

	cr_assert(found != NULL && expected != NULL);
	cr_expect(memfile_size(m) == 4 * RECIPE_MIB + 512);
	memfile_read(m, 0, found, 4 * RECIPE_MIB);
	content_bytes(&c, expected, 4 * RECIPE_MIB, 0);
	cr_expect(memcmp(found, expected, 4 * RECIPE_MIB) == 0);
	memfile_read(m, 4 * RECIPE_MIB, cookie, 8);
	cr_expect_arr_eq(cookie, "conectix", 8);
	free(found);
	free(expected);
	memfile_free(m);
}

static void footers_are_equal(struct memfile *m, enum vhdx_type type)
{
	uint8_t front[512], end[512], before[512];

	memfile_read(m, 0, front, 512);
	memfile_read(m, vhd_footer_place(m), end, 512);
	cr_expect_arr_eq(end, "conectix", 8);
	if (type != VHDX_TYPE_FIXED)
		cr_expect_arr_eq(front, end, 512);
	memcpy(before, end, 512);
	recipe_fix_footer(m, vhd_footer_place(m)); /* the checksum was right, so this changes nothing: VHD-026 */
	memfile_read(m, vhd_footer_place(m), end, 512);
	cr_expect_arr_eq(before, end, 512);
}

Test(vhd_rules, VHD_005_created_with_a_footer_at_each_end)
{
	for_each_type(footers_are_equal);
}

/* The footer stands behind the last block, not where it would stand without blocks. */
Test(vhd_rules, VHD_006_created_footer_is_behind_the_last_block)
{
	struct memfile *empty = vhd_create_with(vhd_create_options(VHDX_TYPE_DYNAMIC)), *m = vhd_create(VHDX_TYPE_DYNAMIC);
	uint64_t bat = recipe_get_be(m, TABLE_OFFSET, 8), last = recipe_get_be(m, bat + 3 * 4, 4) * 512;

	cr_expect(vhd_footer_place(m) >= last + 512 + VHD_BLOCK && vhd_footer_place(m) < last + 512 + VHD_BLOCK + 4096);
	cr_expect(vhd_footer_place(empty) < 8192);
	cr_expect(memfile_size(m) % 4096 == 0 && memfile_size(empty) % 4096 == 0, "decision D-38");
	memfile_free(empty);
	memfile_free(m);
}

Test(vhd_rules, VHD_007_created_up_to_2040_gib)
{
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct memfile *m, *refused = memfile_new();
	struct vhdx_file file = memfile_file(refused, NULL);

	o.block_size = 0;
	o.size = UINT64_C(2040) << 30;
	m = vhd_create_with(o);
	cr_expect(vhd_info(m).virtual_size == o.size);
	o.size += 512;
	cr_expect(vhdx_create_file(&file, &o, NULL) == VHDX_E_RANGE);
	cr_expect(memfile_size(refused) == 0);
	memfile_free(m);
	memfile_free(refused);
}

static void features_are_2(struct memfile *m, enum vhdx_type type)
{
	(void)type;
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + FEATURES, 4) == 2);
}

Test(vhd_rules, VHD_011_created_features_are_2)
{
	for_each_type(features_are_2);
}

static void version_is_1_0(struct memfile *m, enum vhdx_type type)
{
	(void)type;
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + VERSION, 4) == 0x00010000);
}

Test(vhd_rules, VHD_014_created_version_is_1_0)
{
	for_each_type(version_is_1_0);
}

static void data_offset_is_right(struct memfile *m, enum vhdx_type type)
{
	uint8_t cookie[8];
	uint64_t offset = recipe_get_be(m, vhd_footer_place(m) + DATA_OFFSET, 8);

	if (type == VHDX_TYPE_FIXED) {
		cr_expect(offset == UINT64_MAX);
		return;
	}
	cr_expect(offset % 512 == 0);
	memfile_read(m, offset, cookie, 8);
	cr_expect_arr_eq(cookie, "cxsparse", 8);
}

Test(vhd_rules, VHD_016_created_data_offset_names_the_header)
{
	for_each_type(data_offset_is_right);
}

Test(vhd_rules, VHD_017_created_fixed_has_no_data_offset)
{
	for_each_type(data_offset_is_right);
}

static void time_stamp_is_right(struct memfile *m, enum vhdx_type type)
{
	(void)type;
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + TIME_STAMP, 4) == TESTENV_NOW - UINT64_C(946684800));
}

Test(vhd_rules, VHD_019_created_time_counts_from_2000)
{
	for_each_type(time_stamp_is_right);
}

static void creator_is_told(struct memfile *m, enum vhdx_type type)
{
	uint8_t text[4];

	(void)type;
	memfile_read(m, vhd_footer_place(m) + CREATOR, text, 4);
	cr_expect_arr_eq(text, "win ", 4, "decision D-34");
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + CREATOR_VERSION, 4) == 0x000A0000);
}

Test(vhd_rules, VHD_020_created_application_is_left_justified)
{
	for_each_type(creator_is_told);
}

/* With a size that is no product of a geometry, other readers must not take the geometry for the size: the creator is one of those they trust. */
Test(vhd_rules, VHD_093_created_by_a_creator_whose_size_is_trusted)
{
	for_each_type(creator_is_told);
}

static void host_is_windows(struct memfile *m, enum vhdx_type type)
{
	uint8_t text[4];

	(void)type;
	memfile_read(m, vhd_footer_place(m) + HOST_OS, text, 4);
	cr_expect_arr_eq(text, "Wi2k", 4);
}

Test(vhd_rules, VHD_021_created_host_os)
{
	for_each_type(host_is_windows);
}

static void sizes_are_right(struct memfile *m, enum vhdx_type type)
{
	(void)type;
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + ORIGINAL_SIZE, 8) == 4 * RECIPE_MIB);
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + CURRENT_SIZE, 8) == 4 * RECIPE_MIB);
}

Test(vhd_rules, VHD_022_created_original_size)
{
	for_each_type(sizes_are_right);
}

Test(vhd_rules, VHD_023_created_current_size_is_the_original)
{
	for_each_type(sizes_are_right);
}

static void geometry_is_right(struct memfile *m, enum vhdx_type type)
{
	(void)type;
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + CYLINDERS, 2) == 120 &&
		  recipe_get_be(m, vhd_footer_place(m) + HEADS, 1) == 4 &&
		  recipe_get_be(m, vhd_footer_place(m) + PER_TRACK, 1) == 17);
}

Test(vhd_rules, VHD_024_created_geometry_is_of_the_size)
{
	for_each_type(geometry_is_right);
}

static void type_is_right(struct memfile *m, enum vhdx_type type)
{
	cr_expect(recipe_get_be(m, vhd_footer_place(m) + DISK_TYPE, 4) == (uint64_t)type);
}

Test(vhd_rules, VHD_025_created_type)
{
	for_each_type(type_is_right);
}

Test(vhd_rules, VHD_030_created_id_is_fresh)
{
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct memfile *child = vhd_create_child(".\\p.vhd", NULL), *m[2];
	uint8_t ids[3][16], zero[16] = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_file file;

		m[i] = memfile_new();
		file = memfile_file(m[i], NULL);
		cr_assert(vhdx_create_file(&file, &o, NULL) == VHDX_OK); /* with the randomness of the system */
		memfile_read(m[i], UNIQUE_ID, ids[i], 16);
	}
	cr_expect_arr_neq(ids[0], ids[1], 16);
	cr_expect_arr_neq(ids[0], zero, 16);
	memfile_read(child, UNIQUE_ID, ids[2], 16);
	cr_expect_arr_neq(ids[2], recipe_guid(30).bytes, 16, "another than the parent's");
	o.disk_id = recipe_guid(99); /* or the one that was asked for */
	memfile_free(m[0]);
	m[0] = vhd_create_with(o);
	memfile_read(m[0], UNIQUE_ID, ids[0], 16);
	cr_expect_arr_eq(ids[0], recipe_guid(99).bytes, 16);
	memfile_free(child);
	memfile_free(m[0]);
	memfile_free(m[1]);
}

Test(vhd_rules, VHD_090_created_geometry_step_for_step)
{
	static const struct {
		uint64_t sectors;
		unsigned cylinders, heads, per_track;
	} table[] = {
		/* specs/vhd.md section 4.3 */
		{ 8192, 120, 4, 17 },         { 40960, 602, 4, 17 },         { 204800, 1003, 12, 17 },
		{ 2097152, 2080, 16, 63 },    { 4194304, 4161, 16, 63 },     { 62914560, 62415, 16, 63 },
		{ 83886080, 20560, 16, 255 }, { 266338304, 65278, 16, 255 }, { 267382799, 65534, 16, 255 },
	};
	uint64_t state = 90;

	for (unsigned i = 0; i < 9 + 200; i++) {
		struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_FIXED);
		uint64_t sectors = i < 9 ? table[i].sectors : 1 + test_random_below(&state, UINT64_C(1) << (10 + i % 20));
		uint16_t cylinders;
		uint8_t heads, per_track;
		struct memfile *m;

		o.size = sectors * 512;
		m = vhd_create_with(o);
		recipe_chs(o.size, &cylinders, &heads, &per_track);
		if (i < 9)
			cr_assert(cylinders == table[i].cylinders && heads == table[i].heads && per_track == table[i].per_track);
		cr_expect(recipe_get_be(m, vhd_footer_place(m) + CYLINDERS, 2) == cylinders &&
				  recipe_get_be(m, vhd_footer_place(m) + HEADS, 1) == heads &&
				  recipe_get_be(m, vhd_footer_place(m) + PER_TRACK, 1) == per_track,
			  "%lu sectors", (unsigned long)sectors);
		cr_expect(recipe_get_be(m, vhd_footer_place(m) + CURRENT_SIZE, 8) == o.size, "the size is never rounded");
		memfile_free(m);
	}
}

Test(vhd_rules, VHD_094_created_largest_geometry)
{
	static const uint64_t sectors[] = { 267382800, 267382801, 300000000, UINT64_C(0xFF000000) };

	for (size_t i = 0; i < 4; i++) {
		struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_FIXED);
		struct memfile *m;

		o.size = sectors[i] * 512;
		m = vhd_create_with(o);
		cr_expect(recipe_get_be(m, vhd_footer_place(m) + CYLINDERS, 2) == 65535 &&
			  recipe_get_be(m, vhd_footer_place(m) + HEADS, 1) == 16 &&
			  recipe_get_be(m, vhd_footer_place(m) + PER_TRACK, 1) == 255);
		memfile_free(m);
	}
}
