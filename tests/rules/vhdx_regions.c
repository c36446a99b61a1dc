/* SPDX-License-Identifier: MIT */
/* Rules VHDX-046 to VHDX-062: the region table. */
#include "rules/vhdx_sample.h"

/* Offsets in a table of the fields of entry `index`. */
#define GUID_OF(index) (16 + 32 * (index))
#define OFFSET_OF(index) (16 + 32 * (index) + 16)
#define LENGTH_OF(index) (16 + 32 * (index) + 24)
#define REQUIRED_OF(index) (16 + 32 * (index) + 28)

/* sample() with one more region of 1 MiB at 8 MiB. */
static struct memfile *with_region(uint32_t required)
{
	struct recipe_region extra = { recipe_guid(9), 8 * MIB, 1u << 20, required };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.regions = &extra;
	knobs.region_count = 1;
	knobs.first_block_offset = SAMPLE_BLOCK;
	return sample_of(knobs);
}

static void erase(struct memfile *m, unsigned copy)
{
	recipe_put(m, RECIPE_REGION_TABLE(copy), 4, 0);
}

Test(vhdx_rules, VHDX_046_region_tables_lie_at_192_and_256_kib)
{
	struct memfile *m = sample();
	uint8_t table[4096];

	expect_opens(m);
	memfile_read(m, RECIPE_REGION_TABLE(0), table, sizeof(table));
	erase(m, 0);
	expect_opens(m); /* at 256 KiB */
	erase(m, 1);
	memfile_write(m, RECIPE_REGION_TABLE(2), table, sizeof(table)); /* nobody looks at 320 KiB */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-048");
	memfile_write(m, RECIPE_REGION_TABLE(0), table, sizeof(table));
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_048_table_valid_only_with_signature_and_checksum)
{
	struct memfile *m = sample();

	erase(m, 1);
	expect_opens(m);
	recipe_put(m, RECIPE_REGION_TABLE(0) + 65535, 1, 1); /* the last byte is covered */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-048");
	recipe_fix_region_table(m, 0);
	expect_opens(m);
	memfile_write(m, RECIPE_REGION_TABLE(0), "REGI", 4);
	recipe_fix_region_table(m, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-048");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_048_lenient_takes_a_table_with_a_wrong_checksum_when_there_is_no_other)
{
	struct memfile *m = sample();

	recipe_put(m, RECIPE_REGION_TABLE(0) + 4, 4, 0);
	expect_opens(m);
	recipe_put(m, RECIPE_REGION_TABLE(1) + 4, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-048");
	expect_reads_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, MIB, MIB, 5); /* decision D-02 */
	erase(m, 0);
	expect_reads_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, MIB, MIB, 5);
	erase(m, 1);
	expect_open_fails_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, VHDX_E_DAMAGED, "VHDX-048");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_049_at_most_2047_regions)
{
	struct memfile *m = sample();

	for (unsigned i = 2; i < 2047; i++) { /* all that fit, one behind the other */
		struct vhdx_guid guid = recipe_guid(9);

		guid.bytes[0] = (uint8_t)i;
		guid.bytes[1] = (uint8_t)(i >> 8);
		recipe_put_guid(m, RECIPE_REGION(0, i), &guid);
		recipe_put(m, RECIPE_REGION(0, i) + 16, 8, (16 + i) * MIB);
		recipe_put(m, RECIPE_REGION(0, i) + 24, 4, MIB);
	}
	memfile_set_size(m, 3000 * MIB);
	recipe_put(m, RECIPE_REGION_TABLE(0) + 8, 4, 2047);
	recipe_fix_region_table(m, 0);
	erase(m, 1);
	expect_reads(m, MIB, MIB, 5);
	recipe_put(m, RECIPE_REGION_TABLE(0) + 8, 4, 2048);
	recipe_fix_region_table(m, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-049");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_051_reserved_field_is_ignored)
{
	struct memfile *m = sample();

	recipe_put_region_tables(m, 12, 4, 0xFFFFFFFF);
	expect_opens(m);
	recipe_put(m, RECIPE_REGION_TABLE(0) + 12, 4, 0xFFFFFFFE); /* but covered by the checksum */
	erase(m, 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-048");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_052_region_guids_are_unique)
{
	struct recipe_region extra[2] = { { recipe_guid(9), 8 * MIB, 1u << 20, 0 }, { recipe_guid(10), 9 * MIB, 1u << 20, 0 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.regions = extra;
	knobs.region_count = 2;
	m = build(&knobs);
	expect_opens(m);
	memfile_free(m);
	extra[1].guid = extra[0].guid; /* unknown and optional ones too */
	m = build(&knobs);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-052");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_053_region_offset_is_a_multiple_of_1_mib_from_1_mib_on)
{
	struct memfile *m = with_region(0);

	expect_opens(m);
	recipe_put_region_tables(m, OFFSET_OF(2), 8, 8 * MIB + 512);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-053");
	recipe_put_region_tables(m, OFFSET_OF(2), 8, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-053");
	recipe_put_region_tables(m, OFFSET_OF(2), 8, 7 * MIB);
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_054_region_length_is_a_multiple_of_1_mib)
{
	struct memfile *m = with_region(0);

	expect_opens(m);
	recipe_put_region_tables(m, LENGTH_OF(2), 4, 65536);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-054");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_055_unknown_required_region_is_refused)
{
	struct memfile *m = with_region(1);

	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-055");
	recipe_put_region_tables(m, REQUIRED_OF(2), 4, 0xFFFFFFFE); /* only bit 0 counts */
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_056_unknown_optional_region_is_ignored)
{
	struct memfile *m = with_region(0);

	recipe_fill(m, 8 * MIB, 4096, 0, 9); /* whatever it holds */
	expect_reads(m, MIB, MIB, 5);
	recipe_put(m, recipe_bat_place(&at, 1), 8, 8 * MIB | RECIPE_FULL); /* but its space is its own */
	expect_read_fails(m, MIB, 512, VHDX_E_DAMAGED, "VHDX-121");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_057_regions_overlap_nothing)
{
	struct memfile *m = with_region(0);

	expect_opens(m);
	for (uint64_t mib = 1; mib <= 3; mib++) { /* log, metadata, BAT */
		recipe_put_region_tables(m, OFFSET_OF(2), 8, mib * MIB);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-057");
	}
	recipe_put_region_tables(m, OFFSET_OF(2), 8, SAMPLE_BLOCK); /* a block of the BAT: seen when the block is used */
	expect_read_fails(m, MIB, 512, VHDX_E_DAMAGED, "VHDX-121");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_059_bat_and_metadata_region_must_be_there)
{
	struct memfile *m = sample();
	struct vhdx_guid guid = recipe_guid(9), bat = recipe_get_guid(m, RECIPE_REGION(0, 0));

	expect_opens(m);
	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_guid known = recipe_get_guid(m, RECIPE_REGION(0, i));

		recipe_put_guid(m, RECIPE_REGION(0, i), &guid);
		recipe_put_region_tables(m, REQUIRED_OF(i), 4, 0);
		erase(m, 1);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-059");
		recipe_put_guid(m, RECIPE_REGION(0, i), &known);
		recipe_fix_region_table(m, 0);
		expect_opens(m);
	}
	recipe_put_guid(m, RECIPE_REGION(0, 1), &bat); /* exactly once */
	recipe_fix_region_table(m, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-052");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_060_first_copy_if_valid_else_second)
{
	struct memfile *m = with_region(0);

	expect_not_reported(m, "VHDX-060");
	recipe_put(m, RECIPE_REGION_TABLE(1) + REQUIRED_OF(2), 4, 1);
	recipe_fix_region_table(m, 1);
	expect_opens(m); /* copy 1 rules */
	expect_reported(m, "VHDX-060");
	recipe_put(m, RECIPE_REGION_TABLE(0) + 4, 4, 0);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-055"); /* now copy 2 does */
	recipe_put(m, RECIPE_REGION_TABLE(1) + 4, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-048");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_061_region_lies_inside_the_file)
{
	struct memfile *m = with_region(0);
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .last_file_offset = 9 * MIB };
	struct vhdx_guid guid = recipe_guid(3);

	expect_opens(m);
	recipe_put_region_tables(m, LENGTH_OF(2), 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-061");
	recipe_put_region_tables(m, LENGTH_OF(2), 4, 2u << 20);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-061");
	recipe_put_region_tables(m, OFFSET_OF(2), 8, UINT64_MAX - MIB + 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-061");
	recipe_put_region_tables(m, OFFSET_OF(2), 8, 8 * MIB);
	recipe_put_region_tables(m, LENGTH_OF(2), 4, 1u << 20);
	memfile_set_size(m, 8 * MIB);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-061");
	for (unsigned slot = 0; slot < 2; slot++) { /* after replay the file is long enough */
		recipe_put_guid(m, RECIPE_HEADER(slot) + 48, &guid);
		recipe_fix_header(m, slot);
	}
	(void)recipe_log_entry(m, &entry, 0);
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_062_required_need_not_be_set_on_known_regions)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.known_required = 0;
	m = sample_of(knobs);
	expect_reads(m, MIB, MIB, 5);
	recipe_put_region_tables(m, REQUIRED_OF(0), 4, 0xFFFFFFFE);
	expect_reads(m, MIB, MIB, 5);
	memfile_free(m);
}
