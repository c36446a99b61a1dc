/* SPDX-License-Identifier: MIT */
/* Rules of specs/vhd.md that a reader meets in the layout of the file and in its footer: VHD-001 to VHD-035. Layer: tests/rules. */
#include <stdlib.h>

#include "rules/vhd_images.h"

enum {
	FEATURES = 8,
	VERSION = 12,
	DATA_OFFSET = 16,
	HOST_OS = 36,
	CURRENT_SIZE = 48,
	GEOMETRY = 56,
	DISK_TYPE = 60,
	CHECKSUM = 64
};

Test(vhd_rules, VHD_001_integers_are_big_endian)
{
	struct recipe_vhd k = vhd_child_knobs();
	const struct vhdx_parent_path *paths;
	struct recipe_vhd_places p;
	struct vhdx_info info;
	struct memfile *m;
	vhdx_disk *disk;
	size_t count;

	k.original_size = 0x123400;
	k.time_stamp = 0x01020304;
	k.creator_version = 0x00050003;
	m = recipe_vhd_new(&k, &p);
	info = vhd_info(m);
	cr_expect(info.virtual_size == 4 * RECIPE_MIB && info.original_size == 0x123400 && info.block_size == VHD_BLOCK);
	cr_expect(info.created == UINT64_C(946684800) + 0x01020304);
	cr_expect_str_eq(info.creator, "win 5.3");
	cr_expect(info.cylinders == 120 && info.heads == 4 && info.sectors_per_track == 17);
	cr_expect_arr_eq(info.disk_id.bytes, k.unique_id.bytes, 16, "the UUID is a string of bytes");
	cr_expect_arr_eq(info.parent_identity.bytes, k.parent_unique_id.bytes, 16);
	disk = vhd_open(m, 0);
	paths = vhdx_parent_paths(disk, 0, &count);
	cr_assert(count == 2);
	cr_expect_str_eq(paths[0].text, ".\\parent.vhd", "W2ru is little-endian");
	cr_expect_str_eq(paths[1].text, "parent.vhd", "Parent Unicode Name is big-endian");
	vhdx_close(disk);
	/* the size in the wrong order is another size */
	recipe_put(m, CURRENT_SIZE, 8, 4 * RECIPE_MIB);
	recipe_put(m, p.footer + CURRENT_SIZE, 8, 4 * RECIPE_MIB);
	recipe_fix_footer(m, 0);
	recipe_fix_footer(m, p.footer);
	expect_open_fails_with(m, VHDX_OPEN_NO_PARENTS, VHDX_E_DAMAGED, "VHD-007");
	memfile_free(m);
}

Test(vhd_rules, VHD_003_a_sector_has_512_bytes)
{
	static const struct recipe_run run = { 5, 1 };
	const struct recipe_vhd_block block = { .index = 0, .seed = VHD_PARENT_SEED, .runs = &run, .run_count = 1 };
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct memfile *m;
	struct vhdx_info info;
	vhdx_disk *disk;

	k.blocks = &block;
	k.block_count = 1;
	m = recipe_vhd_new(&k, NULL);
	info = vhd_info(m);
	cr_expect(info.logical_sector_size == 512 && info.physical_sector_size == 512);
	disk = vhd_open(m, 0);
	expect_zeros(disk, 0, 5 * 512);
	expect_pattern(disk, 5 * 512, 512, VHD_PARENT_SEED);
	expect_zeros(disk, 6 * 512, VHD_BLOCK - 6 * 512);
	vhdx_close(disk);
	memfile_free(m);
}

Test(vhd_rules, VHD_004_fixed_is_data_then_footer)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_fixed(&p);
	struct vhdx_extent extent;
	vhdx_disk *disk = vhd_open(m, 0);

	cr_expect(p.footer == 4 * RECIPE_MIB && memfile_size(m) == p.footer + 512);
	cr_assert(vhdx_get_extent(disk, &extent, 512, 4 * RECIPE_MIB - 512, NULL) == VHDX_OK);
	cr_expect(extent.kind == VHDX_EXTENT_DATA && extent.file_offset == 512 && extent.length == 4 * RECIPE_MIB - 512);
	vhdx_close(disk);
	vhd_expect_contents(m, 0);
	memfile_set_size(m, p.footer); /* without its footer nothing says that it is a disk */
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	memfile_free(m);
}

Test(vhd_rules, VHD_005_dynamic_has_a_footer_at_each_end)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	cr_expect(p.footer == memfile_size(m) - 512);
	vhd_expect_contents(m, 0);
	memfile_write(m, 0, "noconect", 8);
	vhd_expect_contents(m, 0);
	memfile_write(m, p.footer, "noconect", 8);
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	memfile_free(m);
}

Test(vhd_rules, VHD_007_dynamic_has_at_most_2040_gib)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places p;
	struct memfile *m;

	k.size = UINT64_C(2040) << 30;
	m = recipe_vhd_new(&k, &p);
	cr_expect(vhd_info(m).virtual_size == k.size);
	expect_reads(m, k.size - 4096, 4096, 0);
	vhd_put_footers(m, &p, CURRENT_SIZE, 8, k.size + 512);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-007");
	memfile_free(m);
	/* a fixed disk has no such limit */
	k = vhd_fixed_knobs();
	k.fixed_seed = 0;
	k.size = (UINT64_C(2040) << 30) + 512;
	m = recipe_vhd_new(&k, NULL);
	expect_reads(m, k.size - 4096, 4096, 0);
	memfile_free(m);
}

Test(vhd_rules, VHD_009_cookie_is_conectix)
{
	struct vhdx_error e = { .status = 0 };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	cr_assert(vhd_try(m, 0, &e) == VHDX_OK);
	memfile_write(m, 0, "Conectix", 8);
	recipe_fix_footer(m, 0);
	memfile_write(m, p.footer, "CONECTIX", 8);
	recipe_fix_footer(m, p.footer);
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	cr_expect(vhd_try(m, 0, &e) == VHDX_E_NOT_IMAGE);
	cr_expect_str_eq(e.rule, "VHD-009");
	cr_expect(vhd_try(m, VHDX_OPEN_IGNORE_CHECKSUMS, &e) == VHDX_E_NOT_IMAGE);
	memfile_free(m);
}

Test(vhd_rules, VHD_010_footer_of_511_bytes)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct memfile *m;

	k.footer_511 = true;
	k.no_front_footer = true;
	m = recipe_vhd_new(&k, NULL);
	cr_expect(memfile_size(m) % 512 == 511);
	vhd_expect_contents(m, 0);
	memfile_set_size(m, memfile_size(m) - 1); /* 510 bytes are none */
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	memfile_free(m);
	k = vhd_fixed_knobs();
	k.footer_511 = true;
	m = recipe_vhd_new(&k, NULL);
	vhd_expect_contents(m, 0);
	cr_expect(vhd_info(m).footer_copy_used == 0);
	memfile_free(m);
}

Test(vhd_rules, VHD_012_features_bit_1_may_be_clear)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_put_footers(m, &p, FEATURES, 4, 0);
	vhd_expect_contents(m, 0);
	cr_expect(vhd_info(m).footer_copy_used == 0);
	recipe_put_be(m, FEATURES, 4, 2); /* without its checksum the same byte is an error */
	recipe_put_be(m, p.footer + FEATURES, 4, 2);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-026");
	memfile_free(m);
}

Test(vhd_rules, VHD_013_temporary_bit_does_not_hinder_reading)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_put_footers(m, &p, FEATURES, 4, 3);
	vhd_expect_contents(m, 0);
	cr_expect(recipe_get_be(m, p.footer + FEATURES, 4) == 3);
	memfile_free(m);
}

Test(vhd_rules, VHD_015_major_version_must_be_known)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_put_footers(m, &p, VERSION, 4, 0x00010001);
	vhd_expect_contents(m, 0);
	vhd_put_footers(m, &p, VERSION, 4, 0x00020000);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHD-015");
	vhd_put_footers(m, &p, VERSION, 4, 0);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHD-015");
	expect_open_fails_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, VHDX_E_UNSUPPORTED, "VHD-015");
	memfile_free(m);
}

Test(vhd_rules, VHD_016_data_offset_names_the_dynamic_header)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;

	k.dynamic_offset = 8192; /* behind the BAT, far from where everybody has it */
	k.table_offset = 4096;
	k.first_block_offset = 16384;
	m = recipe_vhd_new(&k, &p);
	vhd_expect_contents(m, 0);
	vhd_put_footers(m, &p, DATA_OFFSET, 8, 8192 + 256);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-016");
	vhd_put_footers(m, &p, DATA_OFFSET, 8, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-016");
	vhd_put_footers(m, &p, DATA_OFFSET, 8, p.end - 512);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-016");
	vhd_put_footers(m, &p, DATA_OFFSET, 8, UINT64_MAX - 511);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-016");
	vhd_put_footers(m, &p, DATA_OFFSET, 8, 4096); /* there is no header */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-036");
	memfile_free(m);
}

Test(vhd_rules, VHD_018_data_offset_of_fixed_is_ignored)
{
	static const uint64_t values[] = { UINT64_MAX, 0xFFFFFFFF, 0, 512, 7 };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_fixed(&p);

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		vhd_put_footers(m, &p, DATA_OFFSET, 8, values[i]);
		vhd_expect_contents(m, 0);
	}
	vhd_put_footers(m, &p, DISK_TYPE, 4, 3); /* it counts as soon as the disk is no fixed one */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-016");
	memfile_free(m);
}

Test(vhd_rules, VHD_021_any_host_os_is_tolerated)
{
	static const uint32_t systems[] = { 0x5769326B, 0x4D616320, 0, 0xFFFFFFFF };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	for (size_t i = 0; i < sizeof(systems) / sizeof(systems[0]); i++) {
		vhd_put_footers(m, &p, HOST_OS, 4, systems[i]);
		vhd_expect_contents(m, 0);
	}
	memfile_free(m);
}

Test(vhd_rules, VHD_025_only_types_2_3_and_4)
{
	static const uint32_t bad[] = { 0, 1, 5, 6, 7, 0x02000000, UINT32_MAX };
	struct recipe_vhd_places p;
	struct memfile *m = vhd_fixed(NULL), *d = vhd_dynamic(&p), *c = vhd_child(NULL);

	cr_expect(vhd_info(m).type == VHDX_TYPE_FIXED);
	cr_expect(vhd_info(d).type == VHDX_TYPE_DYNAMIC);
	cr_expect(vhd_info(c).type == VHDX_TYPE_DIFFERENCING);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vhd_put_footers(d, &p, DISK_TYPE, 4, bad[i]);
		expect_open_fails(d, VHDX_E_UNSUPPORTED, "VHD-025");
	}
	memfile_free(m);
	memfile_free(d);
	memfile_free(c);
}

Test(vhd_rules, VHD_026_checksum_wrong_uses_front_copy)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p), *fixed;
	struct vhdx_error e = { .status = 0 };

	cr_expect(vhd_info(m).footer_copy_used == 0);
	recipe_put_be(m, p.footer + CHECKSUM, 4, 12345);
	vhd_expect_contents(m, 0);
	cr_expect(vhd_info(m).footer_copy_used == 1);
	recipe_put_be(m, CHECKSUM, 4, 12345);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-026");
	cr_expect(vhd_try(m, 0, &e) == VHDX_E_DAMAGED && e.file_offset == p.footer + CHECKSUM);
	vhd_expect_contents(m, VHDX_OPEN_IGNORE_CHECKSUMS); /* decision D-02 */
	recipe_fix_footer(m, p.footer);
	vhd_expect_contents(m, 0);
	memfile_free(m);
	fixed = vhd_fixed(&p); /* a fixed disk has no second one */
	recipe_put_be(fixed, p.footer + CHECKSUM, 4, 12345);
	expect_open_fails(fixed, VHDX_E_DAMAGED, "VHD-026");
	memfile_free(fixed);
}

/* A read that fails says nothing of the footer: the copy must not stand in for it. */
Test(vhd_rules, VHD_026_an_unreadable_footer_is_no_wrong_one)
{
	struct vhdx_error e = { .status = 0 };
	struct memfile *m = vhd_dynamic(NULL);

	memfile_fail(m, MEMFILE_READ, 1, VHDX_E_IO, false);
	cr_expect(vhd_try(m, 0, &e) == VHDX_E_IO, "the first read is that of the end footer");
	memfile_free(m);
}

Test(vhd_rules, VHD_027_lost_end_footer_opens_by_the_copy)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct memfile *m;

	k.no_end_footer = true;
	m = recipe_vhd_new(&k, NULL);
	vhd_expect_contents(m, 0);
	cr_expect(vhd_info(m).footer_copy_used == 1);
	memfile_write(m, 0, "noconect", 8);
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	memfile_free(m);
	k = vhd_fixed_knobs(); /* the front of a fixed disk is content, even when it looks like the footer of a fixed disk */
	k.no_end_footer = true;
	k.fixed_seed = 0;
	m = recipe_vhd_new(&k, NULL);
	k.no_end_footer = false;
	k.size = 512;
	recipe_vhd(m, &k, NULL);
	memfile_set_size(m, 4 * RECIPE_MIB);
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	memfile_free(m);
}

Test(vhd_rules, VHD_028_of_two_valid_footers_the_end_counts)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);
	struct vhdx_info info;

	recipe_put_be(m, CURRENT_SIZE, 8, 2 * RECIPE_MIB); /* the copy: an older state of the disk, and valid */
	recipe_put_be(m, 68, 8, 0);
	recipe_fix_footer(m, 0);
	info = vhd_info(m);
	cr_expect(info.virtual_size == 4 * RECIPE_MIB && info.footer_copy_used == 0);
	cr_expect_arr_eq(info.disk_id.bytes, recipe_guid(30).bytes, 16, "no field of the copy is mixed in");
	vhd_expect_contents(m, 0);
	recipe_put_be(m, p.footer + CHECKSUM, 4, 1); /* and the copy counts when the end is broken */
	cr_expect(vhd_info(m).virtual_size == 2 * RECIPE_MIB);
	memfile_free(m);
}

Test(vhd_rules, VHD_029_fixed_content_that_looks_like_a_footer)
{
	struct recipe_vhd_places p;
	struct memfile *m = memfile_new(), *guest = vhd_dynamic(&p);
	struct recipe_vhd k = vhd_fixed_knobs();
	uint8_t *bytes = malloc((size_t)p.end);

	cr_assert(bytes != NULL);
	memfile_read(guest, 0, bytes, (size_t)p.end); /* the guest wrote a whole dynamic VHD into its fixed disk */
	memfile_write(m, 0, bytes, (size_t)p.end);
	k.fixed_seed = 0;
	recipe_vhd(m, &k, NULL);
	cr_expect(vhd_info(m).type == VHDX_TYPE_FIXED);
	cr_expect(vhd_info(m).virtual_size == 4 * RECIPE_MIB);
	{
		vhdx_disk *disk = vhd_open(m, 0);
		uint8_t found[8];

		cr_assert(vhdx_read(disk, found, sizeof(found), 0, NULL) == VHDX_OK);
		cr_expect_arr_eq(found, "conectix", 8);
		vhdx_close(disk);
	}
	free(bytes);
	memfile_free(m);
	memfile_free(guest);
}

Test(vhd_rules, VHD_032_saved_state_is_told)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct memfile *m = recipe_vhd_new(&k, NULL);

	cr_expect(vhd_info(m).saved_state == 0);
	memfile_free(m);
	k.saved_state = 1;
	m = recipe_vhd_new(&k, NULL);
	cr_expect(vhd_info(m).saved_state == 1, "who compacts or resizes must see it");
	vhd_expect_contents(m, 0);
	memfile_free(m);
}

Test(vhd_rules, VHD_035_current_size_is_possible)
{
	struct recipe_vhd_places p;
	struct recipe_vhd k = vhd_fixed_knobs();
	struct memfile *m;
	uint64_t bad[] = { 0,
			   511,
			   4 * RECIPE_MIB + 1,
			   4 * RECIPE_MIB + 512,
			   4 * RECIPE_MIB + 1024,
			   UINT64_C(1) << 63,
			   UINT64_MAX,
			   UINT64_MAX - 511 };

	k.slack = 4096; /* bytes between disk and footer are slack */
	m = recipe_vhd_new(&k, &p);
	cr_expect(p.footer == 4 * RECIPE_MIB + 4096);
	vhd_expect_contents(m, 0);
	memfile_free(m);
	m = vhd_fixed(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vhd_put_footers(m, &p, CURRENT_SIZE, 8, bad[i]);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHD-035");
	}
	vhd_put_footers(m, &p, CURRENT_SIZE, 8, 512);
	expect_reads(m, 0, 512, VHD_PARENT_SEED);
	memfile_free(m);
	m = vhd_dynamic(&p);
	vhd_put_footers(m, &p, CURRENT_SIZE, 8, 1000);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-035");
	memfile_free(m);
}

Test(vhd_rules, VHD_091_geometry_limits_nothing)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_fixed(&p);

	vhd_put_footers(m, &p, GEOMETRY, 4, 0x00010101); /* one sector */
	cr_expect(vhd_info(m).cylinders == 1);
	vhd_expect_contents(m, 0);
	vhd_put_footers(m, &p, GEOMETRY, 4, 0);
	vhd_expect_contents(m, 0);
	memfile_free(m);
}

Test(vhd_rules, VHD_092_size_is_current_size)
{
	static const char *const creators[] = { "vpc ", "qemu", "win ", "dutl", "vbox" };
	struct recipe_vhd k = vhd_dynamic_knobs();

	k.size = 4 * RECIPE_MIB - 512; /* what no geometry gives */
	for (size_t i = 0; i < sizeof(creators) / sizeof(creators[0]); i++) {
		struct recipe_vhd_places p;
		struct memfile *m;

		memcpy(k.creator_application, creators[i], 5);
		m = recipe_vhd_new(&k, &p);
		cr_expect(vhd_info(m).virtual_size == k.size);
		expect_reads(m, k.size - 512, 512, 0);
		vhd_put_footers(m, &p, CURRENT_SIZE, 8, 2 * RECIPE_MIB);
		cr_expect(vhd_info(m).virtual_size == 2 * RECIPE_MIB);
		memfile_free(m);
	}
}

/* Decision D-41: parts of a split image are never read as if they were the whole. */
Test(vhd_rules, VHD_095_parts_of_a_split_image_are_refused)
{
	struct recipe_vhd k = vhd_fixed_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;

	k.size = 2 * RECIPE_MIB; /* last part: the footer speaks of the whole disk of 4 MiB */
	m = recipe_vhd_new(&k, &p);
	vhd_put_footers(m, &p, CURRENT_SIZE, 8, 4 * RECIPE_MIB);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHD-035");
	memfile_set_size(m, 2 * RECIPE_MIB); /* a part before it has none */
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	memfile_free(m);
	m = vhd_dynamic(&p); /* the first part of a dynamic one: what stands in the next part cannot be read */
	memfile_set_size(m, p.blocks[1]);
	expect_reads(m, 0, VHD_BLOCK, VHD_PARENT_SEED);
	expect_read_fails(m, 3 * VHD_BLOCK, 512, VHDX_E_DAMAGED, "VHD-070");
	memfile_free(m);
}

Test(vhd_rules, VHD_099_after_a_crash_without_end_footer)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);
	uint8_t torn[512];

	memfile_read(m, 0, torn,
		     sizeof(torn)); /* a new block was being written over the footer; half of the new footer reached the disk */
	memset(torn + 256, 0xEE, 256);
	recipe_fill(m, p.footer, 8192, 0, 99);
	memfile_write(m, p.footer + 8192, torn, sizeof(torn));
	vhd_expect_contents(m, 0);
	cr_expect(vhd_info(m).footer_copy_used == 1);
	memfile_set_size(m, p.footer); /* or the file ends with its last block */
	vhd_expect_contents(m, 0);
	memfile_set_size(m, p.footer - 512);
	expect_read_fails(m, 3 * VHD_BLOCK, 512, VHDX_E_DAMAGED, "VHD-070");
	memfile_free(m);
}

/* B-21: no length of the file makes trouble; what can be read is right. */
Test(vhd_rules, VHD_099_truncated_anywhere)
{
	struct recipe_vhd_places p;
	struct memfile *whole = vhd_dynamic(&p);

	for (uint64_t size = 0; size <= p.end; size += size < 4096 ? 256 : 32768 + 512) {
		struct memfile *m = memfile_copy(whole);
		struct vhdx_error e = { .status = 0 };
		vhdx_disk *disk = NULL;
		uint8_t bytes[4096], expected[4096];

		memfile_set_size(m, size);
		if (test_open_chain(&disk, &m, 1, 0, &e) == VHDX_OK &&
		    vhdx_read(disk, bytes, sizeof(bytes), 3 * VHD_BLOCK, &e) == VHDX_OK) {
			recipe_pattern(expected, sizeof(expected), 3 * VHD_BLOCK, VHD_PARENT_SEED);
			cr_assert_arr_eq(bytes, expected, sizeof(bytes));
		}
		vhdx_close(disk);
		memfile_free(m);
	}
	memfile_free(whole);
}
