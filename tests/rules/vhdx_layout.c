/* SPDX-License-Identifier: MIT */
/* Rules VHDX-001 to VHDX-014: the file as a whole, and its identifier. */
#include <string.h>

#include "rules/vhdx_sample.h"

Test(vhdx_rules, VHDX_001_integers_are_little_endian)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;
	struct vhdx_info info;

	knobs.sequence_numbers[1] = UINT64_C(0x0102030405060708);
	knobs.size = 16 * MIB + 512;
	m = build(&knobs);
	info = sample_info(m);
	cr_assert_eq(info.sequence_number, UINT64_C(0x0102030405060708));
	cr_assert_eq(info.virtual_size, 16 * MIB + 512);
	recipe_put_be(m, at.items[RECIPE_LOGICAL], 4, 512); /* the other order is another number */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-169");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_002_checksums_are_castagnoli)
{
	struct memfile *m = sample();

	cr_assert_eq(recipe_crc32c("123456789", 9), 0xE3069283u);
	expect_opens(m);
	for (unsigned slot = 0; slot < 2; slot++) /* what CRC-32 of zlib gives is another number */
		recipe_put(m, RECIPE_HEADER(slot) + 4, 4, recipe_get(m, RECIPE_HEADER(slot) + 4, 4) ^ 0xFFFFFFFF);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-019");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_003_objects_start_at_multiples_of_1_mib)
{
	struct memfile *m = sample();

	expect_opens(m);
	recipe_put_region_tables(m, 16 + 16, 8, 3 * MIB + 4096);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-053");
	recipe_put_region_tables(m, 16 + 16, 8, 3 * MIB);
	expect_opens(m);
	recipe_put_headers(m, 72, 8, MIB + 65536);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-031");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_004_structures_do_not_overlap)
{
	struct memfile *m = sample();

	expect_reads(m, MIB, MIB, 5);
	for (uint64_t mib = 1; mib <= 3; mib++) { /* log, metadata, BAT */
		recipe_put(m, recipe_bat_place(&at, 1), 8, mib * MIB | RECIPE_FULL);
		expect_read_fails(m, MIB, 512, VHDX_E_DAMAGED, "VHDX-121");
	}
	recipe_put(m, recipe_bat_place(&at, 1), 8, SAMPLE_BLOCK | RECIPE_FULL);
	expect_reads(m, MIB, MIB, 5);
	recipe_put_region_tables(m, 16 + 16, 8, 2 * MIB); /* BAT over metadata */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-057");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_005_any_order_of_structures_is_accepted)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .seed = 5, .file_offset = 1 * MIB },
						      { .index = 0, .state = RECIPE_FULL, .seed = 5, .file_offset = 7 * MIB } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.bat_offset = 2 * MIB;
	knobs.metadata_offset = 5 * MIB;
	knobs.log_offset = 9 * MIB;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	m = build(&knobs);
	expect_reads(m, 0, 2 * MIB, 5);
	recipe_put(m, recipe_bat_place(&at, 1), 8, 9 * MIB | RECIPE_FULL); /* in front of the log was free, in it is not */
	expect_read_fails(m, MIB, 512, VHDX_E_DAMAGED, "VHDX-121");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_006_header_section_is_the_first_mib)
{
	struct memfile *m = sample();

	expect_opens(m);
	recipe_put(m, recipe_bat_place(&at, 1), 8,
		   RECIPE_MIB - 4096 + 6); /* bits below 1 MiB are reserved: block at 0, in the section */
	expect_read_fails(m, MIB, 512, VHDX_E_DAMAGED, "VHDX-141");
	memfile_set_size(m, MIB - 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-006");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_007_unknown_required_region_is_refused)
{
	struct recipe_region extra = { recipe_guid(9), 8 * MIB, 1u << 20, 0 };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.regions = &extra;
	knobs.region_count = 1;
	m = build(&knobs);
	expect_opens(m);
	recipe_put_region_tables(m, RECIPE_REGION(0, 2) + 28 - RECIPE_REGION_TABLE(0), 4, 1);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-055");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_009_version_1_is_the_only_one)
{
	static const uint16_t others[] = { 0, 2, 256, 65535 };
	struct memfile *m = sample();

	expect_opens(m);
	for (unsigned i = 0; i < 4; i++) {
		recipe_put_headers(m, 66, 2, others[i]);
		expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-029");
	}
	memfile_free(m);
}

Test(vhdx_rules, VHDX_010_file_begins_with_vhdxfile)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *m = sample();
	struct vhdx_file file = memfile_file(m, "other.vhdx");
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;

	options.format = VHDX_FORMAT_VHDX;
	expect_opens(m);
	for (unsigned i = 0; i < 8; i++) {
		struct memfile *other = memfile_copy(m);

		recipe_put(other, i, 1, recipe_get(m, i, 1) ^ 0x20); /* the case of one letter */
		file.handle = other;
		cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_E_NOT_IMAGE);
		cr_assert_str_eq(error.rule, "VHDX-010");
		expect_open_fails(other, VHDX_E_NOT_IMAGE, "");
		memfile_free(other);
	}
	memfile_free(m);
}

Test(vhdx_rules, VHDX_013_creator_does_not_matter)
{
	static const char *const creators[] = { "",    "QEMU v8.2.0",    "Microsoft Windows 10.0.19041.0",
						"d2v", ".NET DiscUtils", "libvhdx 0.1.0" };

	for (unsigned i = 0; i < sizeof(creators) / sizeof(creators[0]); i++) {
		struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
		struct memfile *m;

		knobs.creator = creators[i];
		m = sample_of(knobs);
		expect_reads(m, MIB, MIB, 5);
		cr_assert_str_eq(sample_info(m).creator, creators[i]);
		recipe_put(m, recipe_bat_place(&at, 1), 8, SAMPLE_BLOCK | 5); /* no writer makes a reserved state right */
		expect_read_fails(m, MIB, 512, VHDX_E_DAMAGED, "VHDX-123");
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_014_creator_may_lack_a_terminator)
{
	struct memfile *m = sample();
	char expected[257];
	struct vhdx_info info;

	memset(expected, 'x', 256);
	expected[256] = '\0';
	for (unsigned i = 0; i < 256; i++)
		recipe_put(m, 8 + 2 * i, 2, 'x');
	recipe_put(m, 520, 2, 'y'); /* not part of it any more */
	info = sample_info(m);
	cr_assert_str_eq(info.creator, expected);
	recipe_put(m, 8, 2, 0);
	cr_assert_str_eq(sample_info(m).creator, "");
	recipe_put(m, 8, 2, 0xD800); /* a lone surrogate is text too */
	recipe_put(m, 10, 2, 0);
	cr_assert_str_eq(sample_info(m).creator, "\xED\xA0\x80");
	memfile_free(m);
}
