/* SPDX-License-Identifier: MIT */
/* Each kind of damage to the blocks of a VHDX is told with its rule, at its BAT entry, and no worse than it is. */
#include <string.h>

#include "public/inspected.h"

#define MIB RECIPE_MIB
#define ERROR VHDX_SEVERITY_ERROR
#define WARNING VHDX_SEVERITY_WARNING
#define NOTE VHDX_SEVERITY_NOTE

static struct recipe_vhdx_places at;

/* Log, metadata, BAT from 1 to 4 MiB; blocks 1 and 2 at 4 and 5 MiB; the file has 6 MiB. */
static struct memfile *sample_of(struct recipe_vhdx knobs)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_FULL } };

	knobs.blocks = blocks;
	knobs.block_count = 2;
	return recipe_vhdx_new(&knobs, &at);
}

/* The same, differencing; block 2 is here in part, its sector bitmap wherever the recipe puts it. */
static struct memfile *child(void)
{
	static const struct recipe_run runs[] = { { 3, 4 } };
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 1 } };
	static const struct recipe_pair pairs[] = { { "parent_linkage", "{da000000-0000-0000-0000-000000000000}" },
						    { "relative_path", ".\\parent.vhdx" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	knobs.pairs = pairs;
	knobs.pair_count = 2;
	return recipe_vhdx_new(&knobs, &at);
}

/* The entry of block 2 gets a value; the finding is at it. */
static void check(uint64_t entry, enum vhdx_severity severity, const char *rule)
{
	struct memfile *m = sample_of((struct recipe_vhdx)RECIPE_VHDX_INIT);

	recipe_put(m, recipe_bat_place(&at, 2), 8, entry);
	expect_marked(m, severity, rule, recipe_bat_place(&at, 2));
	memfile_free(m);
}

Test(inspect_damage_blocks, payload)
{
	check(4, ERROR, "VHDX-123");
	check(5, ERROR, "VHDX-123");
	check(5 * MIB | 7, ERROR, "VHDX-124");
	check(6, ERROR, "VHDX-141");
	check(6 * MIB | 6, ERROR, "VHDX-141");
	check(UINT64_MAX << 20 | 6, ERROR, "VHDX-141");
	check(3 * MIB | 6, ERROR, "VHDX-121");
	check(4 * MIB | 6, ERROR, "VHDX-122");
	check(5 * MIB | 6 | 8, WARNING, "VHDX-120");
	check(5 * MIB | 2, WARNING, "VHDX-143");
	check(5 * MIB, WARNING, "VHDX-143");
}

/* A place that an absent block keeps must be its own; that it is not harms no reader. */
Test(inspect_damage_blocks, anchors)
{
	struct memfile *m = sample_of((struct recipe_vhdx)RECIPE_VHDX_INIT);

	recipe_put(m, recipe_bat_place(&at, 2), 8, 5 * MIB | RECIPE_UNMAPPED);
	expect_clean(m);
	cr_assert_str_eq(field_of(m, "vhdx_bat_entry", 2, "entry"), "0x500003 (payload block 2 UNMAPPED at 0x500000)");
	recipe_put(m, recipe_bat_place(&at, 3), 8, 4 * MIB | RECIPE_UNMAPPED);
	expect_found(m, WARNING, "VHDX-122", recipe_bat_place(&at, 3));
	recipe_put(m, recipe_bat_place(&at, 3), 8, 5 * MIB | RECIPE_UNDEFINED);
	expect_found(m, WARNING, "VHDX-122", recipe_bat_place(&at, 2));
	expect_found(m, WARNING, "VHDX-122", recipe_bat_place(&at, 3));
	recipe_put(m, recipe_bat_place(&at, 3), 8, UINT64_MAX << 20 | RECIPE_UNDEFINED);
	expect_clean(m);
	memfile_free(m);
}

Test(inspect_damage_blocks, overlap_is_told_of_both)
{
	struct memfile *m = sample_of((struct recipe_vhdx)RECIPE_VHDX_INIT);

	recipe_put(m, recipe_bat_place(&at, 9), 8, 4 * MIB | RECIPE_FULL);
	expect_marked(m, ERROR, "VHDX-122", recipe_bat_place(&at, 1));
	expect_marked(m, ERROR, "VHDX-122", recipe_bat_place(&at, 9));
	memfile_free(m);
}

/* Space that belongs to nothing is told with its size and its first place, not where the host has a hole, nor where a block without data keeps it. */
Test(inspect_damage_blocks, space_of_nobody)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .file_offset = 4 * MIB, .seed = 1 },
						      { .index = 2, .state = RECIPE_FULL, .file_offset = 9 * MIB, .seed = 2 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;
	struct inspected found = { 0 };

	knobs.blocks = blocks;
	knobs.block_count = 2;
	m = recipe_vhdx_new(&knobs, &at);
	expect_clean(m);
	recipe_fill(m, 6 * MIB, 65536, 0, 9);
	recipe_fill(m, 8 * MIB, MIB, 0, 9);
	inspect_now(&found, m, 0);
	cr_assert_eq(found.found_count, 1, "%s", inspected_text(&found));
	cr_assert(inspected_has(&found, NOTE, "", 6 * MIB), "%s", inspected_text(&found));
	cr_assert(strstr(found.found[0].message, "1114112 bytes in 2 places") != NULL, "%s", found.found[0].message);
	recipe_put(m, recipe_bat_place(&at, 3), 8, 8 * MIB | RECIPE_UNMAPPED);
	inspect_now(&found, m, 0);
	cr_assert(strstr(found.found[0].message, "65536 bytes in 1 places") != NULL, "%s", found.found[0].message);
	memfile_free(m);
}

Test(inspect_damage_blocks, sector_bitmap)
{
	struct memfile *m = child();
	uint64_t place = recipe_bitmap_place(&at, 2), entry = recipe_get(m, place, 8);

	expect_clean(m);
	recipe_put(m, place, 8, 0);
	expect_marked(m, ERROR, "VHDX-136", place);
	recipe_put(m, place, 8, 3);
	expect_marked(m, ERROR, "VHDX-136", place);
	recipe_put(m, place, 8, 64 * MIB | 6);
	expect_marked(m, ERROR, "VHDX-141", place);
	recipe_put(m, place, 8, 2 * MIB | 6);
	expect_marked(m, ERROR, "VHDX-121", place);
	recipe_put(m, place, 8, recipe_get(m, recipe_bat_place(&at, 1), 8));
	expect_marked(m, ERROR, "VHDX-122", place);
	recipe_put(m, place, 8, entry | 16);
	expect_marked(m, WARNING, "VHDX-120", place);
	recipe_put(m, recipe_bat_place(&at, 2), 8, 0); /* nobody needs it now */
	recipe_put(m, place, 8, 3);
	expect_marked(m, ERROR, "VHDX-138", place);
	recipe_put(m, place - 8, 8, 6);
	expect_found(m, ERROR, "VHDX-138", place);
	recipe_put(m, place, 8, 0);
	expect_found(m, NOTE, "VHDX-142", place - 8);
	memfile_free(m);
}

Test(inspect_damage_blocks, sector_bitmap_without_parent)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.size = 8193 * MIB; /* three chunks, so there are two bitmap entries */
	m = sample_of(knobs);
	recipe_put(m, recipe_bitmap_place(&at, 0), 8, 5 * MIB | 6);
	expect_marked(m, WARNING, "VHDX-137", recipe_bitmap_place(&at, 0));
	recipe_put(m, recipe_bitmap_place(&at, 4096), 8, 7);
	expect_marked(m, ERROR, "VHDX-137", recipe_bitmap_place(&at, 4096));
	memfile_free(m);
}

Test(inspect_damage_blocks, together)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	m = sample_of(knobs);
	recipe_put(m, at.bat + 8 * 16, 8, 2);
	expect_found(m, NOTE, "VHDX-142", at.bat + 8 * 16);
	memfile_free(m);
	m = sample_of(knobs);
	memfile_set_size(m, 6 * MIB + 512);
	expect_found(m, NOTE, "", 6 * MIB);
	memfile_free(m);
	knobs.type = VHDX_TYPE_FIXED;
	m = sample_of(knobs);
	expect_found(m, NOTE, "VHDX-126", at.bat);
	memfile_free(m);
	knobs = (struct recipe_vhdx)RECIPE_VHDX_INIT;
	knobs.size = 2 * MIB + 512 * 1024;
	m = sample_of(knobs);
	memfile_set_size(m, 5 * MIB + 512 * 1024); /* the last block ends with the disk: decision D-30 */
	expect_marked(m, WARNING, "VHDX-114", recipe_bat_place(&at, 2));
	memfile_set_size(m, 5 * MIB + 512 * 1024 - 1);
	expect_marked(m, ERROR, "VHDX-141", recipe_bat_place(&at, 2));
	memfile_free(m);
}
