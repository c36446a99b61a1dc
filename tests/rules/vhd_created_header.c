/* SPDX-License-Identifier: MIT */
/* Rules of specs/vhd.md that a writer obeys when it creates an image: dynamic header, locators, BAT and blocks. Layer: tests/rules. */
#include <stdlib.h>

#include "rules/vhd_created.h"

/* Runs `check` on a dynamic and a differencing disk. */
static void for_both(void (*check)(struct memfile *m))
{
	struct memfile *dynamic = vhd_create(VHDX_TYPE_DYNAMIC), *child = vhd_create_child(".\\p.vhd", NULL);

	check(dynamic);
	check(child);
	memfile_free(dynamic);
	memfile_free(child);
}

static void header_is_aligned(struct memfile *m)
{
	cr_expect(recipe_get_be(m, DATA_OFFSET, 8) % 512 == 0 && recipe_get_be(m, DATA_OFFSET, 8) == HEADER);
}

Test(vhd_rules, VHD_037_created_header_is_aligned)
{
	for_both(header_is_aligned);
}

static void no_next_offset(struct memfile *m)
{
	cr_expect(recipe_get_be(m, HEADER + 8, 8) == UINT64_MAX);
}

Test(vhd_rules, VHD_038_created_header_has_no_data_offset)
{
	for_both(no_next_offset);
}

static void table_is_apart(struct memfile *m)
{
	uint64_t table = recipe_get_be(m, TABLE_OFFSET, 8), entries = recipe_get_be(m, MAX_ENTRIES, 4);

	cr_expect(table % 512 == 0 && table >= HEADER + 1024 && table + entries * 4 <= vhd_footer_place(m));
	for (unsigned slot = 0; slot < 8; slot++) {
		uint64_t place = recipe_get_be(m, LOCATORS + slot * 24 + 16, 8),
			 space = recipe_get_be(m, LOCATORS + slot * 24 + 4, 4);

		cr_expect(space == 0 || (place >= HEADER + 1024 && (place + space <= table || place >= table + entries * 4)));
	}
}

Test(vhd_rules, VHD_040_created_table_is_aligned_and_apart)
{
	for_both(table_is_apart);
}

static void header_version(struct memfile *m)
{
	cr_expect(recipe_get_be(m, HEADER_VERSION, 4) == 0x00010000);
}

Test(vhd_rules, VHD_041_created_header_version)
{
	for_both(header_version);
}

Test(vhd_rules, VHD_042_created_entries_are_those_needed)
{
	static const struct {
		uint64_t size;
		uint32_t block_size;
		uint64_t entries;
	} table[] = {
		{ 512, 512, 1 },
		{ 1024, 512, 2 },
		{ 4 << 20, 512 << 10, 8 },
		{ (4 << 20) + 512, 512 << 10, 9 },
		{ (4 << 20) - 512, 512 << 10, 8 },
		{ 512, 2 << 20, 1 },
		{ UINT64_C(1) << 40, 2 << 20, 524288 },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
		struct memfile *m;

		o.size = table[i].size;
		o.block_size = table[i].block_size;
		m = vhd_create_with(o);
		cr_expect(recipe_get_be(m, MAX_ENTRIES, 4) == table[i].entries);
		memfile_free(m);
	}
}

Test(vhd_rules, VHD_044_created_block_size_as_asked)
{
	static const uint32_t bad[] = { 1, 511, 513, 3u << 20, 512u << 20 };
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct memfile *m;

	for (uint32_t size = 512; size <= 256u << 20; size *= 2) {
		o.block_size = size;
		m = vhd_create_with(o);
		cr_expect(recipe_get_be(m, BLOCK_SIZE, 4) == size);
		cr_expect(vhd_info(m).block_size == size);
		memfile_free(m);
	}
	m = memfile_new();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vhdx_file file = memfile_file(m, NULL);

		o.block_size = bad[i];
		cr_expect(vhdx_create_file(&file, &o, NULL) == VHDX_E_ARGUMENT);
	}
	memfile_free(m);
}

Test(vhd_rules, VHD_045_created_block_size_is_2_mib_by_default)
{
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct memfile *m;

	o.block_size = 0;
	m = vhd_create_with(o);
	cr_expect(recipe_get_be(m, BLOCK_SIZE, 4) == 2u << 20);
	memfile_free(m);
}

Test(vhd_rules, VHD_048_created_dynamic_has_no_parent)
{
	struct memfile *m = vhd_create(VHDX_TYPE_DYNAMIC);

	cr_expect(vhd_is_filled(m, PARENT_ID, 20, 0), "id and time");
	cr_expect(vhd_is_filled(m, PARENT_NAME, 512, 0) && vhd_is_filled(m, LOCATORS, 192, 0));
	memfile_free(m);
}

Test(vhd_rules, VHD_049_created_child_names_the_id_of_its_parent)
{
	struct memfile *m = vhd_create_child(".\\p.vhd", NULL);
	uint8_t id[16];

	memfile_read(m, PARENT_ID, id, 16);
	cr_expect_arr_eq(id, recipe_guid(30).bytes, 16);
	memfile_free(m);
}

Test(vhd_rules, VHD_050_created_parent_time_is_0_as_windows_writes)
{
	struct memfile *m = vhd_create_child(".\\p.vhd", NULL);

	cr_expect(recipe_get_be(m, PARENT_TIME, 4) == 0, "decision D-40");
	memfile_free(m);
}

static void expect_name(const char *relative, const char *absolute, const char *name)
{
	struct memfile *m = vhd_create_child(relative, absolute);
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++)
		cr_assert(recipe_get_be(m, PARENT_NAME + i * 2, 2) == (uint8_t)name[i], "name of %s", relative);
	cr_expect(vhd_is_filled(m, PARENT_NAME + length * 2, 512 - length * 2, 0));
	memfile_free(m);
}

Test(vhd_rules, VHD_051_created_name_of_the_parent)
{
	expect_name("..\\base\\parent.vhd", NULL, "parent.vhd");
	expect_name("..\\base\\parent.vhd", "C:\\vm\\parent.vhd", "C:\\vm\\parent.vhd");
	expect_name(NULL, "C:\\vm\\parent.vhd", "C:\\vm\\parent.vhd");
}

static int try_absolute(const char *absolute)
{
	struct memfile *parent = vhd_dynamic(NULL), *m = memfile_new();
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DIFFERENCING);
	struct vhdx_file file = memfile_file(m, NULL);
	int status;

	o.size = 0;
	o.parent = vhd_open(parent, 0);
	o.parent_absolute = absolute;
	status = vhdx_create_file(&file, &o, NULL);
	vhdx_close(o.parent);
	memfile_free(parent);
	memfile_free(m);
	return status;
}

Test(vhd_rules, VHD_052_created_long_name_is_the_base_name)
{
	char absolute[1000] = "C:\\";

	memset(absolute + 3, 'd', 400);
	memcpy(absolute + 256 - 6, "\\p.vhd", 7); /* 256 units: they fit to the last */
	expect_name(NULL, absolute, absolute);
	memcpy(absolute + 256 - 6, "\\pp.vhd", 8);
	expect_name(NULL, absolute, "pp.vhd");
	memset(absolute + 3, 'n', 400); /* a base name of 256 units, and one of 257 */
	absolute[3 + 256] = '\0';
	expect_name(NULL, absolute, absolute + 3);
	absolute[3 + 256] = 'n';
	absolute[3 + 257] = '\0';
	cr_expect(try_absolute(absolute) == VHDX_E_ARGUMENT);
	absolute[3] = '\0'; /* a surrogate pair whose second half would be unit 257 is not cut */
	for (unsigned i = 0; i < 127; i++)
		strcat(absolute, "\xF0\x9F\x98\x80");
	strcat(absolute, "x");
	cr_expect(try_absolute(absolute) == VHDX_OK);
	strcat(absolute, "\xF0\x9F\x98\x80");
	cr_expect(try_absolute(absolute) == VHDX_E_ARGUMENT);
}

Test(vhd_rules, VHD_054_created_space_is_in_bytes)
{
	struct memfile *m = vhd_create_child("..\\base\\parent.vhd", "C:\\vm\\parent.vhd");
	unsigned seen = 0;

	for (unsigned slot = 0; slot < 8; slot++) {
		uint64_t space = recipe_get_be(m, LOCATORS + slot * 24 + 4, 4),
			 length = recipe_get_be(m, LOCATORS + slot * 24 + 8, 4);

		seen += length != 0;
		cr_expect(space % 512 == 0 && space >= length && space < length + 512);
	}
	cr_expect(seen == 2);
	memfile_free(m);
}

Test(vhd_rules, VHD_084_created_locators)
{
	static const char texts[2][32] = { "..\\base\\parent.vhd", "C:\\vm\\parent.vhd" };
	static const char codes[2][5] = { "W2ru", "W2ku" };
	struct memfile *m = vhd_create_child(texts[0], texts[1]);

	for (unsigned i = 0; i < 2; i++) {
		unsigned slot = 0;
		uint8_t code[4] = { 0 };
		uint64_t place;

		for (; slot < 8; slot++) {
			memfile_read(m, LOCATORS + slot * 24, code, 4);
			if (memcmp(code, codes[i], 4) == 0)
				break;
		}
		cr_assert(slot < 8, "no %s", codes[i]);
		place = recipe_get_be(m, LOCATORS + slot * 24 + 16, 8);
		cr_expect(recipe_get_be(m, LOCATORS + slot * 24 + 8, 4) == strlen(texts[i]) * 2, "no NUL is counted");
		for (size_t k = 0; texts[i][k] != '\0'; k++)
			cr_assert(recipe_get(m, place + k * 2, 2) == (uint8_t)texts[i][k], "UTF-16 little-endian");
	}
	memfile_free(m);
}

static uint64_t entry_of(const struct memfile *m, unsigned block)
{
	return recipe_get_be(m, recipe_get_be(m, TABLE_OFFSET, 8) + block * 4, 4);
}

static void absent_entries(struct memfile *m)
{
	for (unsigned block = 0; block < 8; block++)
		if (block == 2 || block > 3)
			cr_expect(entry_of(m, block) == 0xFFFFFFFF);
}

Test(vhd_rules, VHD_060_created_absent_blocks_are_ones)
{
	struct memfile *child = vhd_create_child(".\\p.vhd", NULL);

	for_both(absent_entries);
	cr_expect(entry_of(child, 0) == 0xFFFFFFFF, "a new child holds nothing");
	memfile_free(child);
}

static void padding_is_ones(struct memfile *m)
{
	uint64_t table = recipe_get_be(m, TABLE_OFFSET, 8);

	cr_expect(vhd_is_filled(m, table + 8 * 4, 512 - 8 * 4, 0xFF), "decision D-37");
	cr_expect(vhd_footer_place(m) >= table + 512);
}

Test(vhd_rules, VHD_061_created_table_is_padded_to_a_sector)
{
	for_both(padding_is_ones);
}

Test(vhd_rules, VHD_059_created_entries_are_sectors)
{
	struct memfile *m = vhd_create(VHDX_TYPE_DYNAMIC);
	uint8_t found[4096], expected[4096];

	memfile_read(m, entry_of(m, 0) * 512 + 512, found, sizeof(found));
	recipe_pattern(expected, sizeof(expected), 0, vhd_created_runs[0].seed);
	cr_expect_arr_eq(found, expected, sizeof(found));
	memfile_free(m);
}

Test(vhd_rules, VHD_062_created_blocks_are_bitmap_and_data)
{
	static const uint32_t sizes[] = { 512, 1024, 4096, 65536, 512 << 10, 2 << 20, 4 << 20, 32 << 20 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct content_run run = { 0, sizes[i] * UINT64_C(2), 5 };
		struct content c = { .size = sizes[i] * UINT64_C(2), .runs = &run, .count = 1 };
		struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
		struct vhdx_source source = content_source(&c, true);
		uint64_t bitmap = sizes[i] <= 2u << 20 ? 512 : sizes[i] / 4096;
		struct memfile *m;

		o.size = c.size;
		o.block_size = sizes[i];
		o.source = &source;
		m = vhd_create_with(o);
		cr_assert(entry_of(m, 1) * 512 >= entry_of(m, 0) * 512 + bitmap + sizes[i], "block size %u", sizes[i]);
		cr_expect(vhd_footer_place(m) >= entry_of(m, 1) * 512 + bitmap + sizes[i]);
		for (unsigned block = 0; block < 2; block++) {
			uint64_t place = entry_of(m, block) * 512, used = sizes[i] / 512 / 8;

			cr_expect(vhd_is_filled(m, place, used != 0 ? used : 1, 0xFF));
			expect_reads(m, block * UINT64_C(1) * sizes[i], sizes[i], 5);
		}
		memfile_free(m);
	}
}

static void all_bits_are_set(struct memfile *m)
{
	for (unsigned block = 0; block < 8; block++)
		if (entry_of(m, block) != 0xFFFFFFFF)
			cr_expect(vhd_is_filled(m, entry_of(m, block) * 512, VHD_BLOCK / 512 / 8, 0xFF));
}

/* No sector has a clear bit, so there is none that must hold zeros. */
Test(vhd_rules, VHD_065_created_no_sector_is_unset)
{
	for_both(all_bits_are_set);
}

Test(vhd_rules, VHD_067_created_blocks_have_all_bits_and_zeros)
{
	struct memfile *m = vhd_create(VHDX_TYPE_DYNAMIC);
	uint64_t place = entry_of(m, 1) * 512;

	all_bits_are_set(m);
	cr_expect(vhd_is_filled(m, place + 512, 512, 0), "before the data");
	cr_expect(!vhd_is_filled(m, place + 512 + 512, 1024, 0), "the data");
	cr_expect(vhd_is_filled(m, place + 512 + 1536, VHD_BLOCK - 1536, 0), "behind the data");
	memfile_free(m);
}

Test(vhd_rules, VHD_069_created_footer_comes_after_the_blocks)
{
	struct memfile *m = vhd_create(VHDX_TYPE_DYNAMIC);
	uint8_t front[512], end[512];

	for (unsigned block = 0; block < 8; block++)
		if (entry_of(m, block) != 0xFFFFFFFF)
			cr_expect(entry_of(m, block) * 512 + 512 + VHD_BLOCK <= vhd_footer_place(m));
	memfile_read(m, 0, front, 512);
	memfile_read(m, vhd_footer_place(m), end, 512);
	cr_expect_arr_eq(front, end, 512);
	memfile_free(m);
}

Test(vhd_rules, VHD_072_created_data_is_aligned_to_4_kib)
{
	for (uint32_t size = 512; size <= 8u << 20; size *= 2) {
		struct content_run run = { 0, 20000, 5 };
		struct content c = { .size = 4 * RECIPE_MIB, .runs = &run, .count = 1 };
		struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
		struct vhdx_source source = content_source(&c, true);
		uint64_t bitmap = size <= 2u << 20 ? 512 : size / 4096;
		struct memfile *m;

		o.block_size = size;
		o.source = &source;
		m = vhd_create_with(o);
		for (unsigned block = 0; block < (20000 + size - 1) / size; block++)
			cr_assert((entry_of(m, block) * 512 + bitmap) % 4096 == 0, "block %u of %u bytes", block, size);
		memfile_free(m);
	}
}

Test(vhd_rules, VHD_074_created_last_block_is_whole)
{
	struct content_run run = { 7 * VHD_BLOCK, 512, 5 };
	struct content c = { .size = 7 * VHD_BLOCK + 512, .runs = &run, .count = 1 };
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct vhdx_source source = content_source(&c, true);
	struct memfile *m;

	o.size = c.size;
	o.source = &source;
	m = vhd_create_with(o);
	cr_expect(vhd_footer_place(m) >= entry_of(m, 7) * 512 + 512 + VHD_BLOCK);
	expect_reads(m, 7 * VHD_BLOCK, 512, 5);
	memfile_free(m);
}

/* With blocks so small that their padding fills the file, the sectors would run out before the disk is full: refused from the start. */
Test(vhd_rules, VHD_075_created_only_if_all_blocks_can_be_addressed)
{
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DYNAMIC);
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, NULL);
	struct vhdx_error e = { .status = 0 };

	o.size = UINT64_C(2040) << 30;
	o.block_size = 64 << 10;
	cr_expect(vhdx_create_file(&file, &o, &e) == VHDX_E_ARGUMENT);
	cr_expect(strstr(e.message, "2 TiB") != NULL && memfile_size(m) == 0);
	o.block_size = 2 << 20;
	cr_expect(vhdx_create_file(&file, &o, &e) == VHDX_OK);
	memfile_free(m);
}

Test(vhd_rules, VHD_082_creating_a_child_leaves_the_parent)
{
	struct memfile *parent = vhd_dynamic(NULL), *before = memfile_copy(parent), *m;
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DIFFERENCING);

	o.size = 0;
	o.parent = vhd_open(parent, 0);
	o.parent_relative = "p.vhd";
	m = vhd_create_with(o);
	vhdx_close(o.parent);
	cr_expect(memfile_equal(parent, before, NULL));
	cr_expect(memfile_count(parent, MEMFILE_WRITE) + memfile_count(parent, MEMFILE_SET_SIZE) +
			  memfile_count(parent, MEMFILE_FLUSH) ==
		  0);
	expect_pair_reads(m, parent, 0, VHD_BLOCK, VHD_PARENT_SEED);
	memfile_free(m);
	memfile_free(parent);
	memfile_free(before);
}
