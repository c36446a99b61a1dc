/* SPDX-License-Identifier: MIT */
/* Each kind of damage to a VHD is told with its rule, at its place, in the field that has it, and no worse than it is. */
#include <string.h>

#include "public/inspected.h"

#define MIB RECIPE_MIB
#define ERROR VHDX_SEVERITY_ERROR
#define WARNING VHDX_SEVERITY_WARNING
#define NOTE VHDX_SEVERITY_NOTE

static struct recipe_vhd_places at;

/* 4 MiB; of the dynamic and differencing ones the blocks, of 512 KiB, 1 and 6 are allocated. */
static struct recipe_vhd knobs_of(enum vhdx_type type)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 1 }, { .index = 6 } };
	static const struct recipe_vhd_locator locators[] = {
		{ .code = "W2ru", .text = ".\\p.vhd", .slot = 0 },
		{ .code = "MacX", .text = "file://p", .encoding = RECIPE_BYTES, .slot = 3 }
	};
	struct recipe_vhd knobs = RECIPE_VHD_INIT;

	knobs.type = type;
	knobs.size = 4 * MIB;
	knobs.block_size = 512 * 1024;
	if (type != VHDX_TYPE_FIXED) {
		knobs.blocks = blocks;
		knobs.block_count = 2;
	}
	if (type == VHDX_TYPE_DIFFERENCING) {
		knobs.parent_unique_id = recipe_guid(9);
		knobs.parent_name = "p.vhd";
		knobs.locators = locators;
		knobs.locator_count = 2;
	}
	return knobs;
}

static struct memfile *sample(enum vhdx_type type)
{
	struct recipe_vhd knobs = knobs_of(type);

	return recipe_vhd_new(&knobs, &at);
}

/* A field of both footers gets a value. */
static void check_footer(enum vhdx_type type, unsigned offset, unsigned size, uint64_t value, enum vhdx_severity severity,
			 const char *rule)
{
	struct memfile *m = sample(type);

	recipe_put_be(m, at.footer + offset, size, value);
	recipe_fix_footer(m, at.footer);
	if (type != VHDX_TYPE_FIXED) {
		recipe_put_be(m, offset, size, value);
		recipe_fix_footer(m, 0);
	}
	expect_marked(m, severity, rule, at.footer + offset);
	memfile_free(m);
}

Test(inspect_damage_vhd, footer_fields)
{
	check_footer(VHDX_TYPE_FIXED, 8, 4, 0, WARNING, "VHD-011");
	check_footer(VHDX_TYPE_FIXED, 8, 4, 0x102, WARNING, "VHD-011");
	check_footer(VHDX_TYPE_FIXED, 8, 4, 3, NOTE, "VHD-013");
	check_footer(VHDX_TYPE_FIXED, 12, 4, 0x10001, WARNING, "VHD-014");
	check_footer(VHDX_TYPE_FIXED, 12, 4, 0x20000, ERROR, "VHD-015");
	check_footer(VHDX_TYPE_FIXED, 16, 8, 0, NOTE, "VHD-017");
	check_footer(VHDX_TYPE_FIXED, 16, 8, 512, WARNING, "VHD-017");
	check_footer(VHDX_TYPE_DYNAMIC, 16, 8, 513, ERROR, "VHD-016");
	check_footer(VHDX_TYPE_DYNAMIC, 16, 8, 64 * MIB, ERROR, "VHD-016");
	check_footer(VHDX_TYPE_FIXED, 28, 4, 0x61616161, NOTE, "");
	check_footer(VHDX_TYPE_FIXED, 36, 4, 0, NOTE, "VHD-021");
	check_footer(VHDX_TYPE_FIXED, 48, 8, 0, ERROR, "VHD-035");
	check_footer(VHDX_TYPE_FIXED, 48, 8, 8 * MIB, ERROR, "VHD-035");
	check_footer(VHDX_TYPE_DYNAMIC, 48, 8, 3 * MIB * MIB, ERROR, "VHD-007");
	check_footer(VHDX_TYPE_FIXED, 56, 2, 1, NOTE, "VHD-090");
	check_footer(VHDX_TYPE_FIXED, 60, 4, 5, ERROR, "VHD-025");
	check_footer(VHDX_TYPE_FIXED, 84, 1, 1, NOTE, "VHD-032");
	check_footer(VHDX_TYPE_FIXED, 84, 1, 2, WARNING, "VHD-032");
	check_footer(VHDX_TYPE_FIXED, 85, 1, 1, WARNING, "VHD-033");
}

Test(inspect_damage_vhd, checksums)
{
	struct memfile *m = sample(VHDX_TYPE_DYNAMIC);

	recipe_put(m, at.footer + 24, 1, 9);
	expect_marked(m, WARNING, "VHD-026", at.footer + 64);
	expect_found(m, WARNING, "VHD-027", at.footer);
	recipe_put(m, 24, 1, 9);
	expect_marked(m, ERROR, "VHD-026", 64);
	cr_assert_str_eq(field_of(m, "vhd_bat_entry", 1, "sector"), "4 (block 1 at 0x800)"); /* and still finds the rest */
	recipe_fix_footer(m, at.footer);
	expect_marked(m, WARNING, "VHD-026", 64);
	recipe_put(m, 24, 1, 8);
	recipe_fix_footer(m, 0);
	expect_found(m, WARNING, "VHD-028", 0);
	recipe_put(m, 0, 1, 'C');
	expect_found(m, WARNING, "VHD-005", 0);
	recipe_put(m, at.footer, 1, 'C'); /* the dynamic header alone tells that this is a VHD */
	expect_found(m, ERROR, "VHD-009", at.footer);
	cr_assert_str_eq(field_of(m, "vhd_bat_entry", 1, "sector"), "4 (block 1 at 0x800)");
	memfile_free(m);
}

Test(inspect_damage_vhd, lost_end_footer)
{
	struct recipe_vhd knobs = knobs_of(VHDX_TYPE_DYNAMIC);
	struct memfile *m;

	knobs.no_end_footer = true;
	m = recipe_vhd_new(&knobs, &at);
	expect_found(m, WARNING, "VHD-027", memfile_size(m) - 512);
	memfile_free(m);
	knobs.no_end_footer = false;
	knobs.footer_511 = true;
	m = recipe_vhd_new(&knobs, &at);
	expect_clean(m);
	memfile_free(m);
}

/* What stands in front of a fixed disk is its contents. */
Test(inspect_damage_vhd, fixed_with_a_footer_in_front)
{
	struct memfile *m = sample(VHDX_TYPE_DYNAMIC);
	uint8_t footer[512];

	memfile_read(m, 0, footer, 512);
	memfile_free(m);
	m = sample(VHDX_TYPE_FIXED);
	memfile_write(m, 0, footer, 512);
	expect_clean(m);
	memfile_free(m);
}

Test(inspect_damage_vhd, fixed_slack)
{
	struct recipe_vhd knobs = knobs_of(VHDX_TYPE_FIXED);
	struct memfile *m;

	knobs.slack = 1024;
	m = recipe_vhd_new(&knobs, &at);
	expect_found(m, NOTE, "VHD-035", 4 * MIB);
	memfile_free(m);
}

/* A field of the dynamic header gets a value. */
static void check_dynamic(enum vhdx_type type, unsigned offset, unsigned size, uint64_t value, enum vhdx_severity severity,
			  const char *rule)
{
	struct memfile *m = sample(type);

	recipe_put_be(m, at.dynamic + offset, size, value);
	recipe_fix_dynamic(m, at.dynamic);
	expect_marked(m, severity, rule, at.dynamic + offset);
	memfile_free(m);
}

Test(inspect_damage_vhd, dynamic_header)
{
	struct memfile *m = sample(VHDX_TYPE_DYNAMIC);

	recipe_put(m, at.dynamic + 1000, 1, 1);
	expect_marked(m, ERROR, "VHD-046", at.dynamic + 36);
	cr_assert_str_eq(field_of(m, "vhd_bat_entry", 6, "sector"), "1029 (block 6 at 0x80a00)");
	recipe_fix_dynamic(m, at.dynamic);
	expect_found(m, WARNING, "VHD-053", at.dynamic + 768);
	memfile_free(m);
	check_dynamic(VHDX_TYPE_DYNAMIC, 0, 1, 'C', ERROR, "VHD-036");
	check_dynamic(VHDX_TYPE_DYNAMIC, 8, 8, 0, WARNING, "VHD-038");
	check_dynamic(VHDX_TYPE_DYNAMIC, 16, 8, 513, ERROR, "VHD-040");
	check_dynamic(VHDX_TYPE_DYNAMIC, 16, 8, 512, ERROR, "VHD-040");
	check_dynamic(VHDX_TYPE_DYNAMIC, 24, 4, 0x20000, ERROR, "VHD-041");
	check_dynamic(VHDX_TYPE_DYNAMIC, 24, 4, 0x10001, WARNING, "VHD-041");
	check_dynamic(VHDX_TYPE_DYNAMIC, 28, 4, 7, ERROR, "VHD-043");
	check_dynamic(VHDX_TYPE_DYNAMIC, 28, 4, 9, NOTE, "VHD-042");
	check_dynamic(VHDX_TYPE_DYNAMIC, 32, 4, 1000, ERROR, "VHD-044");
	check_dynamic(VHDX_TYPE_DYNAMIC, 40, 1, 1, WARNING, "VHD-048");
	check_dynamic(VHDX_TYPE_DYNAMIC, 60, 4, 1, WARNING, "VHD-002");
}

Test(inspect_damage_vhd, locators)
{
	struct memfile *m = sample(VHDX_TYPE_DIFFERENCING);
	uint64_t slot = at.dynamic + 576;

	expect_clean(m);
	cr_assert_str_eq(field_of(m, "vhd_locator_entry", 0, "path"), ".\\p.vhd");
	cr_assert_str_eq(field_of(m, "vhd_locator_entry", 3, "path"), "file://p");
	recipe_put_be(m, slot + 12, 4, 1);
	recipe_fix_dynamic(m, at.dynamic);
	expect_marked(m, WARNING, "VHD-053", slot + 12);
	recipe_put_be(m, slot + 8, 4, 13);
	recipe_fix_dynamic(m, at.dynamic);
	expect_marked(m, ERROR, "VHD-056", slot + 8);
	recipe_put_be(m, slot + 8, 4, 12);
	recipe_put_be(m, slot + 16, 8, 64 * MIB);
	recipe_fix_dynamic(m, at.dynamic);
	expect_marked(m, ERROR, "VHD-056", slot + 8);
	memfile_write(m, slot, "Mac ", 4); /* nobody looks at that one */
	recipe_fix_dynamic(m, at.dynamic);
	expect_marked(m, WARNING, "VHD-056", slot + 8);
	memfile_free(m);
	check_dynamic(VHDX_TYPE_DIFFERENCING, 576 + 4, 4, 0, NOTE, "VHD-054");
	check_dynamic(VHDX_TYPE_DIFFERENCING, 576, 4, 0x41414141, NOTE, "");
}

/* To write such a block would be the end of the path. */
Test(inspect_damage_vhd, block_over_a_locator)
{
	struct memfile *m = sample(VHDX_TYPE_DIFFERENCING);
	uint64_t slot = at.dynamic + 576, entry = at.bat + 6 * 4;

	recipe_put_be(m, slot + 16, 8, at.blocks[1] + 4096);
	recipe_fix_dynamic(m, at.dynamic);
	expect_marked(m, WARNING, "VHD-070", entry);
	memfile_free(m);
}

/* What Xen puts behind the BAT belongs to something, though nothing names it (errata E-39): with it no space is offered to be freed. */
Test(inspect_damage_vhd, space_beside_a_batmap)
{
	for (unsigned i = 0; i < 2; i++) {
		struct recipe_vhd knobs = knobs_of(VHDX_TYPE_DYNAMIC);
		struct memfile *m;
		struct inspected found = { 0 };

		knobs.first_block_offset = MIB;
		m = recipe_vhd_new(&knobs, &at);
		recipe_fill(m, 512 * 1024, 65536, 0, 9);
		if (i == 1)
			memfile_write(m, at.bat + 512, "tdbatmap", 8);
		inspect_now(&found, m, 0);
		cr_assert_eq(inspected_has(&found, NOTE, "VHD-073", 512 * 1024), i == 0, "%s", inspected_text(&found));
		memfile_free(m);
	}
}

Test(inspect_damage_vhd, no_parent)
{
	struct recipe_vhd knobs = knobs_of(VHDX_TYPE_DIFFERENCING);
	struct memfile *m;

	knobs.parent_name = NULL;
	knobs.locator_count = 0;
	knobs.parent_unique_id = (struct vhdx_guid){ { 0 } };
	m = recipe_vhd_new(&knobs, &at);
	expect_marked(m, WARNING, "VHD-049", at.dynamic + 40);
	expect_found(m, WARNING, "VHD-084", at.dynamic + 64);
	memfile_free(m);
}

/* The entry of block 2 gets a value. */
static void check_entry(uint32_t entry, enum vhdx_severity severity, const char *rule)
{
	struct memfile *m = sample(VHDX_TYPE_DYNAMIC);

	recipe_put_be(m, at.bat + 8, 4, entry);
	expect_marked(m, severity, rule, at.bat + 8);
	memfile_free(m);
}

Test(inspect_damage_vhd, blocks)
{
	struct recipe_vhd knobs = knobs_of(VHDX_TYPE_DYNAMIC);
	static struct inspected i;
	struct memfile *m;

	check_entry(0, ERROR, "VHD-071");
	check_entry(1, ERROR, "VHD-070");
	check_entry(3, ERROR, "VHD-070");
	check_entry(4, ERROR, "VHD-070");
	check_entry(1030, ERROR, "VHD-070");
	check_entry(0xFFFFFFFE, ERROR, "VHD-070");
	m = sample(VHDX_TYPE_DYNAMIC);
	recipe_put_be(m, at.bat + 8, 8, 0);
	recipe_put_be(m, at.bat + 16, 8, 0); /* blocks 2 to 5: the first is told, the others together */
	inspect_now(&i, m, 0);
	cr_assert_eq(i.counts[ERROR], 2);
	cr_assert(inspected_has(&i, ERROR, "VHD-071", at.bat + 8) && inspected_has(&i, ERROR, "VHD-071", at.bat + 12), "%s",
		  inspected_text(&i));
	memfile_free(m);
	knobs.slack = MIB;
	knobs.extra_entries = 3;
	m = recipe_vhd_new(&knobs, &at);
	expect_found(m, NOTE, "VHD-073", VHDX_NO_OFFSET);
	recipe_put_be(m, at.bat + 4 * 9, 4, 5);
	expect_found(m, NOTE, "", at.bat + 4 * 8);
	memfile_free(m);
}
