/* SPDX-License-Identifier: MIT */
/* An error names the place in the file: one broken field after the other, and where the error must say that it is. */
#include <inttypes.h>

#include "rules/vhdx_sample.h"

/* What must be made right again after a change, so that only the one rule is broken. */
enum repair { NOTHING, HEADERS, TABLES };

struct damage {
	uint64_t offset; /* where `size` bytes become `value`; HEADERS, TABLES: in both copies, counted from their start */
	unsigned size;
	uint64_t value;
	enum repair repair;
	const char *rule;
	uint64_t place;
};

static void apply(struct memfile *m, const struct damage *d)
{
	switch (d->repair) {
	case NOTHING: recipe_put(m, d->offset, d->size, d->value); break;
	case HEADERS: recipe_put_headers(m, d->offset, d->size, d->value); break;
	case TABLES: recipe_put_region_tables(m, d->offset, d->size, d->value); break;
	}
}

/* Opens the damaged image, and reads its block 1. */
static void check(const struct damage *d)
{
	struct memfile *m = sample();
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;
	uint8_t byte;

	apply(m, d);
	if (test_open_chain(&disk, &m, 1, VHDX_OPEN_NO_PARENTS, &error) == VHDX_OK)
		cr_assert_neq(vhdx_read(disk, &byte, 1, MIB, &error), VHDX_OK, "%s was not seen", d->rule);
	cr_assert_str_eq(error.rule, d->rule, "%s, not %s: %s", error.rule, d->rule, error.message);
	cr_assert(error.file_offset == d->place, "%s: at 0x%" PRIx64 ", not 0x%" PRIx64, d->rule, error.file_offset, d->place);
	cr_assert_str_eq(error.file, "test.img");
	cr_assert_eq(error.level, 0);
	vhdx_close(disk);
	memfile_free(m);
}

static void check_all(const struct damage *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check(&rows[i]);
}

Test(vhdx_places, headers_and_regions)
{
	const uint64_t header = RECIPE_HEADER(1), table = RECIPE_REGION_TABLE(0);
	const struct damage rows[] = {
		{ 66, 2, 2, HEADERS, "VHDX-029", header + 66 },
		{ 68, 4, 1, HEADERS, "VHDX-030", header + 68 },
		{ 72, 8, 1, HEADERS, "VHDX-031", header + 72 },
		{ 72, 8, 0, HEADERS, "VHDX-035", header + 72 },
		{ 72, 8, UINT64_MAX - MIB + 1, HEADERS, "VHDX-035", header + 72 },
		{ 16 + 16, 8, 1, TABLES, "VHDX-053", table + 16 + 16 },
		{ 48 + 24, 4, 1, TABLES, "VHDX-054", table + 48 + 24 },
		{ 48 + 24, 4, 0, TABLES, "VHDX-061", table + 48 + 24 },
		{ 8, 4, 2048, TABLES, "VHDX-049", table + 8 },
		{ 48 + 16, 8, 3 * MIB, TABLES, "VHDX-057", table },
	};

	check_all(rows, sizeof(rows) / sizeof(rows[0]));
}

Test(vhdx_places, metadata)
{
	struct memfile *m = sample(); /* for the places */
	const struct damage rows[] = {
		{ at.metadata, 1, 'M', NOTHING, "VHDX-144", at.metadata },
		{ at.metadata + 10, 2, 3000, NOTHING, "VHDX-144", at.metadata + 10 },
		{ at.entries[2] + 16, 4, 100, NOTHING, "VHDX-147", at.entries[2] + 16 },
		{ at.entries[2] + 16, 4, MIB, NOTHING, "VHDX-148", at.entries[2] + 16 },
		{ at.entries[2] + 20, 4, 2 * MIB, NOTHING, "VHDX-149", at.entries[2] + 20 },
		{ at.entries[2] + 20, 4, 0, NOTHING, "VHDX-150", at.entries[2] + 16 },
		{ at.entries[2] + 24, 4, 5, NOTHING, "VHDX-159", at.entries[2] + 24 },
		{ at.items[RECIPE_FILE_PARAMETERS], 4, 3, NOTHING, "VHDX-162", at.items[RECIPE_FILE_PARAMETERS] },
		{ at.items[RECIPE_DISK_SIZE], 8, 513, NOTHING, "VHDX-167", at.items[RECIPE_DISK_SIZE] },
		{ at.items[RECIPE_LOGICAL], 4, 513, NOTHING, "VHDX-169", at.items[RECIPE_LOGICAL] },
		{ at.items[RECIPE_PHYSICAL], 4, 513, NOTHING, "VHDX-171", at.items[RECIPE_PHYSICAL] },
	};

	check_all(rows, sizeof(rows) / sizeof(rows[0]));
	memfile_free(m);
}

Test(vhdx_places, bat_entries)
{
	struct memfile *m = sample();
	const uint64_t place = recipe_bat_place(&at, 1);
	const struct damage rows[] = {
		{ place, 8, SAMPLE_BLOCK | 4, NOTHING, "VHDX-123", place },
		{ place, 8, SAMPLE_BLOCK | 7, NOTHING, "VHDX-124", place },
		{ place, 8, MIB | 6, NOTHING, "VHDX-121", place },
		{ place, 8, 64 * MIB | 6, NOTHING, "VHDX-141", place },
	};

	check_all(rows, sizeof(rows) / sizeof(rows[0]));
	memfile_free(m);
}

/* Of a parent: its name and its level. */
Test(vhdx_places, level_of_the_chain)
{
	struct memfile *parent = sample_parent(), *child;
	struct vhdx_error error = { 0 };
	uint64_t place = recipe_bat_place(&at, 0);
	vhdx_disk *disk = NULL;
	uint8_t byte;

	child = sample_child();
	recipe_put(parent, place, 8, 5);
	cr_assert_eq(test_open_chain(&disk, (struct memfile *const[]){ child, parent }, 2, 0, &error), VHDX_OK);
	cr_assert_eq(vhdx_read(disk, &byte, 1, MIB, &error), VHDX_OK);
	cr_assert_eq(vhdx_read(disk, &byte, 1, 0, &error), VHDX_E_DAMAGED);
	cr_assert(error.level == 1 && error.file_offset == place);
	cr_assert_str_eq(error.file, "parent.img");
	vhdx_close(disk);
	memfile_fail(parent, MEMFILE_READ, 1, VHDX_E_IO, true); /* and of a failure of its file */
	cr_assert_eq(test_open_chain(&disk, (struct memfile *const[]){ child, parent }, 2, 0, &error), VHDX_E_IO);
	cr_assert_str_eq(error.file, "parent.img");
	cr_assert_eq(error.level, 1);
	memfile_free(child);
	memfile_free(parent);
}
