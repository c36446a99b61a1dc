/* SPDX-License-Identifier: MIT */
/* Rules of specs/vhd.md that a reader meets in the dynamic header and its locators: VHD-036 to VHD-058. Layer: tests/rules. */
#include <stdlib.h>

#include "rules/vhd_images.h"

enum {
	NEXT_OFFSET = 8,
	TABLE_OFFSET = 16,
	HEADER_VERSION = 24,
	MAX_ENTRIES = 28,
	BLOCK_SIZE = 32,
	CHECKSUM = 36,
	RESERVED = 60,
	LOCATORS = 576,
	RESERVED2 = 768
};
enum { SPACE = 4, LENGTH = 8, LOCATOR_RESERVED = 12, TEXT_OFFSET = 16 };

Test(vhd_rules, VHD_036_cookie_is_cxsparse)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_expect_contents(m, 0);
	memfile_write(m, p.dynamic, "CXSPARSE", 8);
	recipe_fix_dynamic(m, p.dynamic);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-036");
	expect_open_fails_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, VHDX_E_DAMAGED, "VHD-036");
	memfile_free(m);
}

Test(vhd_rules, VHD_039_data_offset_is_ignored)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_put_header(m, &p, NEXT_OFFSET, 8, 0);
	vhd_expect_contents(m, 0);
	vhd_put_header(m, &p, NEXT_OFFSET, 8, 512);
	vhd_expect_contents(m, 0);
	recipe_put_be(m, p.dynamic + NEXT_OFFSET, 8, 1024); /* but the checksum covers it */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-046");
	memfile_free(m);
}

Test(vhd_rules, VHD_040_table_offset_is_possible)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;
	uint64_t bad[] = { 0, 512, 1024, 1536 + 256, UINT64_MAX - 511, UINT64_C(1) << 63, 0 };

	k.table_offset = 65536;
	m = recipe_vhd_new(&k, &p);
	vhd_expect_contents(m, 0);
	bad[6] = (p.end + 511) / 512 * 512;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vhd_put_header(m, &p, TABLE_OFFSET, 8, bad[i]);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHD-040");
	}
	memfile_free(m);
}

Test(vhd_rules, VHD_041_header_version_is_1_0)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	cr_expect(recipe_get_be(m, p.dynamic + HEADER_VERSION, 4) == 0x00010000);
	vhd_expect_contents(m, 0);
	vhd_put_header(m, &p, HEADER_VERSION, 4, 0x00020000);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHD-041");
	vhd_put_header(m, &p, HEADER_VERSION, 4, 0);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHD-041");
	memfile_free(m);
}

Test(vhd_rules, VHD_042_entries_are_the_blocks_of_the_disk)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;
	struct vhdx_info info;

	k.size = 4 * RECIPE_MIB - VHD_BLOCK + 512; /* the last block begins with the last sector of the disk */
	m = recipe_vhd_new(&k, &p);
	cr_assert(p.entries_needed == 8);
	info = vhd_info(m);
	cr_expect(info.block_count == 8);
	expect_reads(m, k.size - 512, 512, 0);
	vhd_put_header(m, &p, MAX_ENTRIES, 4, 7);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-043");
	memfile_free(m);
}

Test(vhd_rules, VHD_043_more_entries_are_accepted_fewer_are_not)
{
	static const uint32_t values[] = { 1u << 16, 1u << 28, 1u << 30, 1u << 31, UINT32_MAX };
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;

	k.extra_entries = 1;
	m = recipe_vhd_new(&k, &p);
	vhd_expect_contents(m, 0);
	memfile_free(m);
	k.extra_entries = 100000;
	m = recipe_vhd_new(&k, &p);
	vhd_expect_contents(m, 0);
	cr_expect(vhd_info(m).block_count == 8);
	vhd_put_header(m, &p, MAX_ENTRIES, 4, 7);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-043");
	vhd_put_header(m, &p, MAX_ENTRIES, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-043");
	memfile_free(m);
	m = vhd_dynamic(&p); /* B-02: any number costs no memory; the table it speaks of must be there */
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
		struct vhdx_file file = memfile_file(m, NULL);
		struct testenv env;
		vhdx_disk *disk = NULL;

		vhd_put_header(m, &p, MAX_ENTRIES, 4, values[i]);
		testenv_start(&env, 1);
		options.env = &env.env;
		if (vhdx_open_file(&disk, &file, &options, NULL) == VHDX_OK)
			cr_expect(values[i] * UINT64_C(4) < memfile_size(m), "%u entries cannot be in the file", values[i]);
		vhdx_close(disk);
		cr_expect(atomic_load(&env.peak_bytes) < 4 * RECIPE_MIB);
		cr_expect(testenv_live(&env) == 0);
	}
	memfile_free(m);
}

/* Every legal size, with the bitmap that belongs to it (B-46). */
Test(vhd_rules, VHD_044_block_size_is_a_power_of_two_of_sectors)
{
	static const uint32_t bad[] = { 0, 1, 256, 511, 513, 1536, 3u << 20, 0x12345678, 0x80, UINT32_MAX, 1u << 29, 1u << 31 };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vhd_put_header(m, &p, BLOCK_SIZE, 4, bad[i]);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHD-044");
	}
	memfile_free(m);
	for (uint32_t size = 512; size <= 256u << 20; size *= 2) {
		struct recipe_run runs[] = { { 0, 1 }, { size / 512 - 1, 1 } };
		struct recipe_vhd_block blocks[] = { { .index = 1, .runs = runs, .run_count = 2 } };
		struct recipe_vhd k = vhd_dynamic_knobs();

		k.block_size = size;
		k.size = size * UINT64_C(3);
		k.blocks = blocks;
		k.block_count = 1;
		m = recipe_vhd_new(&k, &p);
		cr_assert(p.bitmap_size == (size <= 2u << 20 ? 512 : size / 4096));
		recipe_fill(m, p.blocks[0] + p.bitmap_size, 512, size, 7);
		recipe_fill(m, p.blocks[0] + p.bitmap_size + size - 512, 512, size * UINT64_C(2) - 512, 7);
		cr_expect(vhd_info(m).block_size == size);
		expect_reads(m, size, 512, 7);
		expect_reads(m, size * UINT64_C(2) - 512, 512, 7);
		expect_reads(m, 0, size < 1u << 20 ? size : 1u << 20, 0);
		expect_reads(m, size * UINT64_C(2), 512, 0);
		memfile_free(m);
	}
}

Test(vhd_rules, VHD_046_wrong_header_checksum_is_damage)
{
	struct vhdx_error e = { .status = 0 };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_expect_contents(m, 0);
	recipe_put_be(m, p.dynamic + CHECKSUM, 4, 99);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-046");
	cr_expect(vhd_try(m, 0, &e) == VHDX_E_DAMAGED && e.file_offset == p.dynamic + CHECKSUM);
	recipe_fix_dynamic(m, p.dynamic);
	vhd_expect_contents(m, 0);
	recipe_put(m, p.dynamic + 1023, 1, 1); /* the last byte counts too */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-046");
	memfile_free(m);
}

Test(vhd_rules, VHD_047_lenient_tolerates_it)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	recipe_put_be(m, p.dynamic + CHECKSUM, 4, 99);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-046");
	vhd_expect_contents(m, VHDX_OPEN_IGNORE_CHECKSUMS);
	recipe_put_be(m, p.dynamic + BLOCK_SIZE, 4, 12345); /* but not what is wrong beside it */
	expect_open_fails_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, VHDX_E_DAMAGED, "VHD-044");
	memfile_free(m);
}

Test(vhd_rules, VHD_053_reserved_bytes_are_ignored)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_child(&p);

	vhd_put_header(m, &p, RESERVED, 4, 0xDEADBEEF);
	vhd_expect_contents(m, 0);
	vhd_put_header(m, &p, LOCATORS + LOCATOR_RESERVED, 4, 0xDEADBEEF);
	vhd_expect_contents(m, 0);
	for (unsigned i = 0; i < 256; i += 8)
		vhd_put_header(m, &p, RESERVED2 + i, 8, UINT64_MAX);
	vhd_expect_contents(m, 0);
	memfile_free(m);
}

/* The paths that a child stores, opened alone. */
static void expect_paths(struct memfile *m, const char *const *texts, size_t count)
{
	vhdx_disk *disk = vhd_open(m, 0);
	size_t found;
	const struct vhdx_parent_path *paths = vhdx_parent_paths(disk, 0, &found);

	cr_expect(found == count, "%zu paths, not %zu", found, count);
	for (size_t i = 0; i < found && i < count; i++)
		cr_expect_str_eq(paths[i].text, texts[i]);
	vhdx_close(disk);
}

Test(vhd_rules, VHD_055_data_space_is_not_trusted)
{
	static const uint32_t spaces[] = { 0, 1, 22, 512, 1u << 31, UINT32_MAX };
	static const char *const texts[] = { ".\\parent.vhd", "parent.vhd" };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_child(&p);

	for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		vhd_put_header(m, &p, LOCATORS + SPACE, 4, spaces[i]);
		expect_paths(m, texts, 2);
	}
	vhd_put_header(m, &p, LOCATORS + LENGTH, 4, 4); /* the length counts */
	expect_paths(m, (const char *const[]){ ".\\", "parent.vhd" }, 2);
	memfile_free(m);
}

Test(vhd_rules, VHD_056_locator_data_is_inside_the_file)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_child(&p);
	static const struct {
		uint64_t offset;
		uint32_t length;
	} bad[] = {
		{ 0, 23 }, { 0, 65538 }, { 0, UINT32_MAX }, { UINT64_MAX - 21, 24 }, { UINT64_C(1) << 40, 24 },
	};

	vhd_expect_contents(m, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vhd_put_header(m, &p, LOCATORS + TEXT_OFFSET, 8, bad[i].offset != 0 ? bad[i].offset : p.locators[0]);
		vhd_put_header(m, &p, LOCATORS + LENGTH, 4, bad[i].length);
		expect_open_fails_with(m, VHDX_OPEN_NO_PARENTS, VHDX_E_DAMAGED, "VHD-056");
	}
	vhd_put_header(m, &p, LOCATORS + TEXT_OFFSET, 8, memfile_size(m) - 24); /* up to the last byte of the file */
	vhd_put_header(m, &p, LOCATORS + LENGTH, 4, 24);
	expect_opens_with(m, VHDX_OPEN_NO_PARENTS);
	vhd_put_header(m, &p, LOCATORS + TEXT_OFFSET, 8, memfile_size(m) - 22);
	expect_open_fails_with(m, VHDX_OPEN_NO_PARENTS, VHDX_E_DAMAGED, "VHD-056");
	vhd_put_header(m, &p, LOCATORS + TEXT_OFFSET, 8, 65536);
	vhd_put_header(m, &p, LOCATORS + LENGTH, 4, 65536);
	expect_opens_with(m, VHDX_OPEN_NO_PARENTS);
	memfile_free(m);
}

Test(vhd_rules, VHD_057_locators_are_known_by_their_code)
{
	static const struct recipe_vhd_locator locators[] = {
		{ .code = "Xyz1", .text = "nobody knows this", .slot = 0 },
		{ .code = "W2ru", .text = "..\\base\\p.vhd", .slot = 7 },
	};
	struct recipe_vhd k = vhd_child_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;

	k.locators = locators;
	k.locator_count = 2;
	m = recipe_vhd_new(&k, &p);
	expect_paths(m, (const char *const[]){ "..\\base\\p.vhd", "parent.vhd" }, 2);
	memfile_write(m, p.dynamic + LOCATORS + 7 * 24, "Xyz2", 4); /* the same slot with another code is no path */
	recipe_fix_dynamic(m, p.dynamic);
	expect_paths(m, (const char *const[]){ "parent.vhd" }, 1);
	memfile_free(m);
}

Test(vhd_rules, VHD_058_counted_nul_and_lone_surrogates)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_child(&p);

	vhd_put_header(m, &p, LOCATORS + LENGTH, 4, 26); /* .\parent.vhd is 24 bytes; a NUL follows */
	expect_paths(m, (const char *const[]){ ".\\parent.vhd", "parent.vhd" }, 2);
	vhd_put_header(m, &p, LOCATORS + LENGTH, 4, 512);
	expect_paths(m, (const char *const[]){ ".\\parent.vhd", "parent.vhd" }, 2);
	vhd_put_header(m, &p, LOCATORS + LENGTH, 4, 24);
	recipe_put(m, p.locators[0] + 4, 2, 0xD83D); /* a pair is one character */
	recipe_put(m, p.locators[0] + 6, 2, 0xDE00);
	expect_paths(m, (const char *const[]){ ".\\\xF0\x9F\x98\x80rent.vhd", "parent.vhd" }, 2);
	recipe_put(m, p.locators[0] + 6, 2, 'a'); /* a high half alone, a low half alone: kept, not refused */
	expect_paths(m,
		     (const char *const[]){ ".\\\xED\xA0\xBD"
					    "arent.vhd",
					    "parent.vhd" },
		     2);
	recipe_put(m, p.locators[0] + 4, 2, 0xDE00);
	expect_paths(m,
		     (const char *const[]){ ".\\\xED\xB8\x80"
					    "arent.vhd",
					    "parent.vhd" },
		     2);
	memfile_free(m);
}

Test(vhd_rules, VHD_085_locators_of_other_platforms_are_left_alone)
{
	static const struct recipe_vhd_locator locators[] = {
		{ .code = "Mac ", .text = "an alias in a form of its own", .encoding = RECIPE_BYTES, .slot = 0 },
		{ .code = "W2ru", .text = "p.vhd", .slot = 1 },
	};
	struct recipe_vhd k = vhd_child_knobs();
	struct memfile *m;

	k.locators = locators;
	k.locator_count = 2;
	k.parent_name = NULL;
	m = recipe_vhd_new(&k, NULL);
	expect_paths(m, (const char *const[]){ "p.vhd" }, 1);
	memfile_free(m);
}

Test(vhd_rules, VHD_086_paths_come_in_this_order)
{
	static const struct recipe_vhd_locator locators[] = {
		{ .code = "Wi2k", .text = "C:\\wi2k.vhd", .encoding = RECIPE_BYTES, .slot = 0 },
		{ .code = "Wi2r", .text = "wi2r.vhd", .encoding = RECIPE_BYTES, .slot = 1 },
		{ .code = "MacX", .text = "file://localhost/macx.vhd", .encoding = RECIPE_BYTES, .slot = 2 },
		{ .code = "W2ku", .text = "C:\\w2ku.vhd", .slot = 3 },
		{ .code = "W2ru", .text = "w2ru.vhd", .slot = 4 },
	};
	static const enum vhdx_path_kind kinds[] = { VHDX_PATH_RELATIVE, VHDX_PATH_ABSOLUTE, VHDX_PATH_URL,
						     VHDX_PATH_RELATIVE, VHDX_PATH_ABSOLUTE, VHDX_PATH_NAME };
	struct recipe_vhd k = vhd_child_knobs();
	const struct vhdx_parent_path *paths;
	struct memfile *m;
	vhdx_disk *disk;
	size_t count;

	k.locators = locators;
	k.locator_count = 5;
	k.parent_name = "name.vhd";
	m = recipe_vhd_new(&k, NULL);
	expect_paths(m,
		     (const char *const[]){ "w2ru.vhd", "C:\\w2ku.vhd", "file://localhost/macx.vhd", "wi2r.vhd", "C:\\wi2k.vhd",
					    "name.vhd" },
		     6);
	disk = vhd_open(m, 0);
	paths = vhdx_parent_paths(disk, 0, &count);
	for (size_t i = 0; i < count; i++)
		cr_expect(paths[i].kind == kinds[i], "kind of %s", paths[i].text);
	vhdx_close(disk);
	memfile_free(m);
}
