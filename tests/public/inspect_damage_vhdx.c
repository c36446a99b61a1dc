/* SPDX-License-Identifier: MIT */
/* Each kind of damage to a VHDX is told with its rule, at its place, in the field that has it, and no worse than it is. */
#include <string.h>

#include "public/inspected.h"

#define MIB RECIPE_MIB
#define ERROR VHDX_SEVERITY_ERROR
#define WARNING VHDX_SEVERITY_WARNING
#define NOTE VHDX_SEVERITY_NOTE

static struct recipe_vhdx_places at;

/* 16 MiB; of 17 MiB of file, the blocks 1 and 2 take 4 MiB and 5 MiB. */
static struct memfile *sample(void)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_FULL } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.blocks = blocks;
	knobs.block_count = 2;
	return recipe_vhdx_new(&knobs, &at);
}

/* Block 1 whole, block 2 in part. */
static struct memfile *child_of(const struct recipe_pair *pairs, size_t count)
{
	static const struct recipe_run runs[] = { { 3, 4 } };
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 1 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	knobs.pairs = pairs;
	knobs.pair_count = count;
	return recipe_vhdx_new(&knobs, &at);
}

static const struct recipe_pair good_pairs[] = { { "parent_linkage", "{da000000-0000-0000-0000-000000000000}" },
						 { "relative_path", ".\\parent.vhdx" } };

static struct memfile *child(void)
{
	return child_of(good_pairs, 2);
}

Test(inspect_damage_vhdx, identifier)
{
	struct memfile *m = sample();

	recipe_put(m, 3, 1, 'X');
	expect_marked(m, ERROR, "VHDX-010", 0);
	memfile_free(m);
	m = sample();
	recipe_put(m, 5000, 1, 'X');
	expect_found(m, NOTE, "", 520);
	memfile_free(m);
	m = sample();
	memfile_set_size(m, MIB - 1);
	expect_found(m, ERROR, "VHDX-006", MIB - 1);
	memfile_free(m);
}

Test(inspect_damage_vhdx, headers)
{
	struct memfile *m = sample();

	recipe_put(m, RECIPE_HEADER(0) + 70, 1, 1); /* the one that is not current */
	expect_marked(m, WARNING, "VHDX-016", RECIPE_HEADER(0) + 4);
	cr_assert_str_eq(field_of(m, "vhdx_header", 0, "sequence_number"), "7 (not valid)");
	cr_assert_str_eq(field_of(m, "vhdx_header", 1, "sequence_number"), "8 (current: the only valid header)");
	recipe_put(m, RECIPE_HEADER(1), 1, 'H');
	expect_marked(m, ERROR, "VHDX-016", RECIPE_HEADER(1));
	expect_found(m, ERROR, "VHDX-019", RECIPE_HEADER(0) + 4);
	memfile_free(m);
	m = sample();
	recipe_put(m, RECIPE_HEADER(0) + 8, 8, 8);
	recipe_fix_header(m, 0);
	expect_found(m, NOTE, "VHDX-037", RECIPE_HEADER(1) + 8);
	recipe_put(m, RECIPE_HEADER(0) + 16, 8, 8);
	recipe_fix_header(m, 0);
	expect_found(m, ERROR, "VHDX-037", RECIPE_HEADER(1) + 8);
	memfile_free(m);
}

/* A field of the current header gets a value. */
static void check_header_field(unsigned offset, unsigned size, uint64_t value, enum vhdx_severity severity, const char *rule)
{
	struct memfile *m = sample();

	recipe_put(m, RECIPE_HEADER(1) + offset, size, value);
	recipe_fix_header(m, 1);
	expect_marked(m, severity, rule, RECIPE_HEADER(1) + offset);
	memfile_free(m);
}

Test(inspect_damage_vhdx, header_fields)
{
	struct memfile *m = sample();

	check_header_field(66, 2, 2, ERROR, "VHDX-029");
	check_header_field(68, 4, MIB + 4096, ERROR, "VHDX-030");
	check_header_field(72, 8, MIB + 4096, ERROR, "VHDX-031");
	check_header_field(72, 8, 0, ERROR, "VHDX-035");
	check_header_field(72, 8, 64 * MIB, WARNING, "VHDX-035"); /* an empty log */
	check_header_field(80, 1, 1, WARNING, "VHDX-033");
	recipe_put(m, RECIPE_HEADER(1) + 48, 1, 1); /* LogGuid */
	recipe_put(m, RECIPE_HEADER(1) + 64, 1, 1);
	recipe_fix_header(m, 1);
	expect_marked(m, ERROR, "VHDX-028", RECIPE_HEADER(1) + 64);
	recipe_put(m, RECIPE_HEADER(1) + 64, 4, 0x10000);
	recipe_fix_header(m, 1);
	expect_found(m, ERROR, "VHDX-102", MIB);
	recipe_put(m, RECIPE_HEADER(1) + 72, 8, 64 * MIB);
	recipe_fix_header(m, 1);
	expect_found(m, ERROR, "VHDX-035", RECIPE_HEADER(1) + 72);
	memfile_free(m);
}

Test(inspect_damage_vhdx, region_tables)
{
	struct memfile *m = sample();

	recipe_put(m, RECIPE_REGION_TABLE(0) + 5000, 1, 1);
	expect_marked(m, WARNING, "VHDX-048", RECIPE_REGION_TABLE(0) + 4);
	recipe_fix_region_table(m, 0);
	expect_found(m, WARNING, "VHDX-060", RECIPE_REGION_TABLE(1));
	recipe_put(m, RECIPE_REGION_TABLE(0), 1, 'R');
	recipe_put(m, RECIPE_REGION_TABLE(1), 1, 'R');
	expect_marked(m, ERROR, "VHDX-048", RECIPE_REGION_TABLE(0));
	expect_marked(m, ERROR, "VHDX-048", RECIPE_REGION_TABLE(1));
	cr_assert_str_eq(field_of(m, "vhdx_virtual_disk_size", 0, "size"), "16777216 (0x1000000)"); /* and still finds the rest */
	memfile_free(m);
}

/* A field of the entry of a region gets a value, in both copies. */
static void check_region(unsigned index, unsigned offset, unsigned size, uint64_t value, enum vhdx_severity severity,
			 const char *rule, uint64_t place)
{
	struct memfile *m = sample();

	recipe_put_region_tables(m, 16 + 32 * index + offset, size, value);
	expect_found(m, severity, rule, place != 0 ? place : RECIPE_REGION(0, index) + offset);
	memfile_free(m);
}

Test(inspect_damage_vhdx, region_entries)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_region regions[] = { { .guid = recipe_guid(5), .file_offset = 9 * MIB, .length = 1u << 20 } };
	struct memfile *m;

	check_region(0, 16, 8, 3 * MIB + 512, ERROR, "VHDX-053", 0);
	check_region(0, 24, 4, MIB + 512, ERROR, "VHDX-054", 0);
	check_region(0, 24, 4, 0, ERROR, "VHDX-061", 0);
	check_region(1, 16, 8, 64 * MIB, ERROR, "VHDX-061", RECIPE_REGION(0, 1) + 24);
	check_region(1, 16, 8, MIB, ERROR, "VHDX-057", RECIPE_REGION_TABLE(0));
	check_region(0, 0, 4, 0x12345678, ERROR, "VHDX-059", RECIPE_REGION_TABLE(0));
	check_region(0, 0, 4, 0x12345678, ERROR, "VHDX-055", RECIPE_REGION(0, 0) + 28);
	check_region(0, 28, 4, 3, WARNING, "", 0);
	knobs.regions = regions;
	knobs.region_count = 1;
	knobs.file_size = 10 * MIB;
	m = recipe_vhdx_new(&knobs, &at);
	expect_found(m, NOTE, "", RECIPE_REGION(0, 2));
	memfile_free(m);
	regions[0].guid = recipe_guid_text("2DC27766-F623-4200-9D64-115E9BFD4A08");
	m = recipe_vhdx_new(&knobs, &at);
	expect_marked(m, ERROR, "VHDX-052", RECIPE_REGION(0, 2));
	memfile_free(m);
	m = sample();
	recipe_put_region_tables(m, 8, 4, 2048);
	expect_marked(m, ERROR, "VHDX-049", RECIPE_REGION_TABLE(0) + 8);
	memfile_free(m);
}

/* The first page of the log sets the BAT entry of block 1 to `entry`; the file then has 7 MiB. */
static struct memfile *with_log(uint64_t entry, uint64_t flushed, uint64_t last)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL } };
	static uint8_t page[4096];
	static struct recipe_descriptor descriptors[] = { { .file_offset = 3 * MIB, .page = page } };
	struct recipe_entry entries[] = {
		{ .at = RECIPE_NEXT, .tail = RECIPE_SELF, .sequence_number = 8 },
		{ .at = RECIPE_NEXT, .tail = 4096, .sequence_number = 9, .descriptors = descriptors, .descriptor_count = 1 },
	};
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	memset(page, 0, sizeof(page));
	for (unsigned i = 0; i < 8; i++)
		page[8 + i] = (uint8_t)(entry >> 8 * i);
	entries[1].flushed_file_offset = flushed;
	entries[1].last_file_offset = last;
	knobs.blocks = blocks;
	knobs.block_count = 1;
	knobs.log_guid = recipe_guid(3);
	knobs.entries = entries;
	knobs.entry_count = 2;
	return recipe_vhdx_new(&knobs, &at);
}

Test(inspect_damage_vhdx, log)
{
	struct memfile *m = with_log(6 * MIB | RECIPE_FULL, MIB, 7 * MIB);

	expect_found(m, NOTE, "", MIB);
	cr_assert_str_eq(field_of(m, "vhdx_log_entry", 1, "sequence_number"), "9 (active: the head of the sequence)");
	cr_assert_str_eq(field_of(m, "vhdx_bat_entry", 1, "entry"), "0x600006 (payload block 1 FULLY_PRESENT at 0x600000)");
	memfile_free(m);
	m = with_log(6 * MIB | 4, MIB, 7 * MIB); /* what the log brings is judged */
	expect_marked(m, ERROR, "VHDX-123", at.bat + 8);
	memfile_free(m);
	m = with_log(6 * MIB | RECIPE_FULL, 64 * MIB, 7 * MIB);
	expect_marked(m, ERROR, "VHDX-103", MIB + 4096 + 48);
	memfile_free(m);
	m = with_log(6 * MIB | RECIPE_FULL, MIB + 512, 7 * MIB + 512);
	expect_marked(m, WARNING, "VHDX-082", MIB + 4096 + 48);
	expect_marked(m, WARNING, "VHDX-084", MIB + 4096 + 56);
	recipe_put(m, MIB + 4096 + 28, 1, 1);
	recipe_fix_log_entry(m, MIB + 4096);
	expect_marked(m, WARNING, "VHDX-078", MIB + 4096 + 28);
	memfile_free(m);
}

/* Without a valid sequence, everything that begins as an entry is told, and why it is none. */
Test(inspect_damage_vhdx, log_without_sequence)
{
	struct memfile *m = with_log(6 * MIB | RECIPE_FULL, MIB, 7 * MIB);
	static struct inspected i;

	recipe_put(m, MIB + 36, 1, 99); /* the first entry is another log's */
	recipe_put(m, MIB + 4096 + 64 + 24, 8,
		   10); /* the second has a descriptor with another sequence number, and a wrong checksum */
	inspect_now(&i, m, 0);
	cr_assert_eq(i.counts[ERROR], 1);
	cr_assert(inspected_has(&i, ERROR, "VHDX-102", MIB), "%s", inspected_text(&i));
	cr_assert(inspected_marks(&i, "VHDX-079", MIB + 32) && inspected_marks(&i, "VHDX-073", MIB + 4096 + 4));
	cr_assert(inspected_marks(&i, "VHDX-088", MIB + 4096 + 64 + 24));
	memfile_free(m);
}

/* A field of a metadata table entry, or of an item, gets a value. */
static void check_metadata(uint64_t place, unsigned size, uint64_t value, enum vhdx_severity severity, const char *rule,
			   uint64_t found_at)
{
	struct memfile *m = sample();

	recipe_put(m, place, size, value);
	expect_found(m, severity, rule, found_at != 0 ? found_at : place);
	memfile_free(m);
}

Test(inspect_damage_vhdx, metadata_table)
{
	uint64_t entry, table;
	struct memfile *m = sample();

	table = at.metadata;
	entry = at.entries[RECIPE_DISK_SIZE];
	memfile_free(m);
	check_metadata(table, 1, 'M', ERROR, "VHDX-144", 0);
	check_metadata(table + 10, 2, 2048, ERROR, "VHDX-144", 0);
	check_metadata(table + 8, 1, 1, WARNING, "VHDX-145", 0);
	check_metadata(table + 12, 1, 1, WARNING, "VHDX-145", 0);
	check_metadata(table + 10, 2, 4, ERROR, "VHDX-160", table); /* the fifth item is missing */
	check_metadata(entry + 16, 4, 4096, ERROR, "VHDX-147", 0);
	check_metadata(entry + 16, 4, MIB, ERROR, "VHDX-148", 0);
	check_metadata(entry + 20, 4, MIB + 1, ERROR, "VHDX-149", 0);
	check_metadata(entry + 20, 4, 0, ERROR, "VHDX-150", entry + 16);
	check_metadata(entry + 20, 4, 4, ERROR, "VHDX-160", 0);
	check_metadata(entry + 24, 4, 7, ERROR, "VHDX-159", 0);
	check_metadata(entry + 24, 4, 4, WARNING, "VHDX-161", 0);
	check_metadata(entry + 24, 4, 6 | 8, WARNING, "VHDX-158", 0);
	check_metadata(entry + 24, 4, 2, NOTE, "", 0);
	check_metadata(entry + 28, 4, 1, WARNING, "VHDX-158", 0);
	check_metadata(entry, 1, 0, ERROR, "VHDX-156", entry + 24);
}

Test(inspect_damage_vhdx, metadata_items)
{
	struct recipe_item items[] = { { .id = recipe_guid(4), .flags = 1, .bytes = "1234", .length = 4 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m = sample();
	struct recipe_vhdx_places p = at;
	struct vhdx_guid disk_id;

	memfile_free(m);
	check_metadata(p.items[RECIPE_FILE_PARAMETERS], 4, 3 * MIB, ERROR, "VHDX-162", 0);
	check_metadata(p.items[RECIPE_FILE_PARAMETERS] + 4, 4, 4, WARNING, "VHDX-166", 0);
	check_metadata(p.items[RECIPE_DISK_SIZE], 8, 0, ERROR, "VHDX-167", 0);
	check_metadata(p.items[RECIPE_DISK_SIZE], 8, MIB + 1, ERROR, "VHDX-167", 0);
	check_metadata(p.items[RECIPE_DISK_SIZE], 8, MIB * MIB, ERROR, "VHDX-118", p.bat);
	check_metadata(p.items[RECIPE_LOGICAL], 4, 1024, ERROR, "VHDX-169", 0);
	check_metadata(p.items[RECIPE_PHYSICAL], 4, 1024, ERROR, "VHDX-171", 0);
	check_metadata(p.entries[RECIPE_LOGICAL] + 16, 4, p.items[RECIPE_DISK_SIZE] + 4 - p.metadata, ERROR, "VHDX-148",
		       p.items[RECIPE_DISK_SIZE] + 4);
	knobs.items = items;
	knobs.item_count = 1;
	m = recipe_vhdx_new(&knobs, &at);
	expect_found(m, NOTE, "", at.entries[5]);
	recipe_put_guid(m, at.entries[5], &(struct vhdx_guid){ { 0 } });
	expect_marked(m, ERROR, "VHDX-159", at.entries[5]);
	disk_id = recipe_get_guid(m, at.entries[RECIPE_DISK_ID]);
	recipe_put_guid(m, at.entries[5], &disk_id);
	recipe_put(m, at.entries[5] + 24, 4, 6);
	expect_marked(m, ERROR, "VHDX-146", at.entries[5]);
	memfile_free(m);
}

/* A locator with these pairs has this problem in the value, or at the entry, of pair `index`; UINT_MAX: at the item. */
static void check_locator(const struct recipe_pair *pairs, size_t count, unsigned index, bool in_value,
			  enum vhdx_severity severity, const char *rule)
{
	struct memfile *m = child_of(pairs, count);
	uint64_t item = at.items[RECIPE_LOCATOR], entry = item + 20 + 12 * (uint64_t)index;

	expect_found(m, severity, rule, index == UINT32_MAX ? item : in_value ? item + recipe_get(m, entry + 4, 4) : entry);
	memfile_free(m);
}

Test(inspect_damage_vhdx, parent_locator)
{
	static const struct recipe_pair no_linkage[] = { { "relative_path", ".\\p" } };
	static const struct recipe_pair no_path[] = { { "parent_linkage", "{da000000-0000-0000-0000-000000000000}" } };
	static const struct recipe_pair bad_linkage[] = { { "parent_linkage", "da" }, { "relative_path", ".\\p" } };
	static const struct recipe_pair odd[] = { { "parent_linkage", "DA000000-0000-0000-0000-000000000000" },
						  { "absolute_win32_path", "C:\\p" },
						  { "parent_linkage2", "{da000000-0000-0000-0000-000000000001}" } };
	static const struct recipe_pair twice[] = { { "parent_linkage", "{da000000-0000-0000-0000-000000000000}" },
						    { "relative_path", ".\\p" },
						    { "relative_path", ".\\q" } };
	struct memfile *m;
	uint64_t item;

	check_locator(no_linkage, 1, UINT32_MAX, false, ERROR, "VHDX-180");
	check_locator(no_path, 1, UINT32_MAX, false, ERROR, "VHDX-185");
	check_locator(bad_linkage, 2, 0, true, ERROR, "VHDX-180");
	check_locator(twice, 3, 2, false, ERROR, "VHDX-178");
	check_locator(odd, 3, 0, true, NOTE, "VHDX-182");
	check_locator(odd, 3, 1, true, NOTE, "VHDX-190");
	check_locator(odd, 3, 2, true, NOTE, "VHDX-183");
	m = child();
	item = at.items[RECIPE_LOCATOR];
	cr_assert_str_eq(field_of(m, "vhdx_locator_entry", 1, "key"), "relative_path");
	cr_assert_str_eq(field_of(m, "vhdx_locator_entry", 1, "value"), ".\\parent.vhdx");
	recipe_put(m, item + 20 + 12, 4, 0);
	expect_marked(m, ERROR, "VHDX-176", item + 20 + 12);
	recipe_put(m, item + 20 + 12, 4, 60000);
	expect_marked(m, ERROR, "VHDX-193", item + 20 + 12);
	recipe_put(m, item + 18, 2, 300);
	expect_marked(m, ERROR, "VHDX-193", item + 18);
	memfile_free(m);
	m = child();
	recipe_put(m, item, 1, 1);
	expect_marked(m, ERROR, "VHDX-174", item);
	memfile_free(m);
	m = child();
	recipe_put(m, item + 16, 2, 1);
	expect_marked(m, WARNING, "VHDX-175", item + 16);
	recipe_put(m, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 0);
	expect_found(m, ERROR, "VHDX-124", recipe_bat_place(&at, 2)); /* now there is no parent */
	memfile_free(m);
	m = sample();
	recipe_put(m, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 2);
	expect_found(m, ERROR, "VHDX-173", at.metadata);
	memfile_free(m);
}

Test(inspect_damage_vhdx, parent_locator_without_parent)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.pairs = good_pairs;
	knobs.pair_count = 2;
	m = recipe_vhdx_new(&knobs, &at);
	expect_found(m, NOTE, "VHDX-195", at.items[RECIPE_LOCATOR]);
	recipe_put(m, at.items[RECIPE_LOCATOR], 1, 1); /* its damage harms nobody */
	expect_marked(m, WARNING, "VHDX-174", at.items[RECIPE_LOCATOR]);
	memfile_free(m);
}
