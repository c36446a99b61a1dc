/* SPDX-License-Identifier: MIT */
/*
 * vhdx_inspect and vhdx_open say the same: a file that an open, or a read, refuses has an error, and one that has none opens
 * and reads. Tried on thousands of files, each a good image with a few bytes or fields changed and, mostly, the checksums made
 * right again.
 *
 * $VHDX_INSPECT_ROUNDS sets how many for each image, $VHDX_INSPECT_SEED where the random numbers begin.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "public/inspect_subject.h"
#include "public/inspected.h"

/* Numbers that lie at some border of something. */
static uint64_t tempting(uint64_t *random)
{
	static const uint64_t numbers[] = { 0,
					    1,
					    2,
					    3,
					    4,
					    5,
					    6,
					    7,
					    8,
					    255,
					    511,
					    512,
					    513,
					    2046,
					    2047,
					    2048,
					    4095,
					    4096,
					    4097,
					    65535,
					    65536,
					    RECIPE_MIB - 1,
					    RECIPE_MIB,
					    RECIPE_MIB + 6,
					    2 * RECIPE_MIB,
					    3 * RECIPE_MIB | 6,
					    4 * RECIPE_MIB | 6,
					    5 * RECIPE_MIB | 6,
					    5 * RECIPE_MIB | 7,
					    9 * RECIPE_MIB | 6,
					    11 * RECIPE_MIB | 6,
					    12 * RECIPE_MIB | 6,
					    16 * RECIPE_MIB,
					    64 * RECIPE_MIB * RECIPE_MIB,
					    INT32_MAX,
					    UINT32_MAX,
					    INT64_MAX,
					    UINT64_MAX,
					    UINT64_MAX - RECIPE_MIB + 1,
					    UINT64_MAX << 20 | 6 };

	return numbers[test_random_below(random, sizeof(numbers) / sizeof(numbers[0]))];
}

static void change(struct subject *s, struct memfile *m, uint64_t *random)
{
	const struct target *t = &s->targets[test_random_below(random, s->target_count)];
	uint64_t at = t->offset + test_random_below(random, t->length);
	unsigned size = 1u << test_random_below(random, 4);
	uint8_t byte;

	at = size > 1 ? at & ~(uint64_t)(size - 1) : at;
	switch (test_random_below(random, 4)) {
	case 0: /* one bit */
		memfile_read(m, at, &byte, 1);
		byte ^= (uint8_t)(1u << test_random_below(random, 8));
		memfile_write(m, at, &byte, 1);
		break;
	case 1: recipe_put(m, at, 1, test_random(random) & 255); break;
	case 2: recipe_put(m, at, size, tempting(random)); break;
	case 3:
		if (s->is_vhd)
			recipe_put_be(m, at, size, tempting(random));
		else
			recipe_put(m, at, size, recipe_get(m, at, size) + (test_random_below(random, 2) != 0 ? 1 : UINT64_MAX));
		break;
	}
}

static void fix(struct subject *s, struct memfile *m)
{
	if (s->is_vhd) {
		if (s->vhd.footer != VHDX_NO_OFFSET)
			recipe_fix_footer(m, s->vhd.footer);
		if (s->target_count > 1) {
			recipe_fix_footer(m, 0);
			recipe_fix_dynamic(m, s->vhd.dynamic);
		}
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		recipe_fix_region_table(m, i);
		recipe_fix_header(m, i);
	}
	for (unsigned i = 0; i < s->log_entry_count; i++) {
		uint64_t length = recipe_get(m, s->log_entries[i] + 8, 4);

		if (recipe_get(m, RECIPE_HEADER(0) + 68, 8) == ((uint64_t)RECIPE_MIB << 32 | RECIPE_MIB) && length <= RECIPE_MIB)
			recipe_fix_log_entry(m, s->log_entries[i]);
	}
}

/* What reading all of an open disk without its parents meets: the rule of the first damage, or NULL. */
static bool reads_meet_damage(vhdx_disk *disk)
{
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_error error;
	uint64_t size = vhdx_disk_size(disk), offset = 0;

	cr_assert_eq(vhdx_get_usage(disk, 0, &usage, &error), VHDX_OK);
	if (usage.blocks_damaged != 0)
		return true;
	for (unsigned steps = 0; offset < size && steps < 100000; steps++) {
		struct vhdx_extent extent;

		if (vhdx_get_extent(disk, &extent, offset, size - offset, &error) < 0)
			return true;
		offset += extent.length;
	}
	return false;
}

/* Two blocks at one place are no damage that a read can see. */
static bool is_overlap(const struct inspected *i, unsigned n)
{
	return strstr(i->found[n].message, "shares bytes of the file") != NULL;
}

static const char *compare(struct memfile *m)
{
	static struct inspected all, headers, bat;
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;
	int status = test_open_chain(&disk, &m, 1, VHDX_OPEN_NO_PARENTS, &error);
	bool damaged = status == VHDX_OK && reads_meet_damage(disk), told = false;

	vhdx_close(disk);
	inspect_now(&all, m, 0);
	inspect_now(&headers, m, VHDX_PART_HEADERS);
	inspect_now(&bat, m, VHDX_PART_BAT);
	if (status == VHDX_E_NOT_IMAGE)
		return all.status == VHDX_E_NOT_IMAGE || all.counts[VHDX_SEVERITY_ERROR] != 0 ? NULL : "it is no image";
	if (all.status != VHDX_OK || headers.status != VHDX_OK || bat.status != VHDX_OK)
		return "the inspection fails";
	if (all.counts[VHDX_SEVERITY_ERROR] > INSPECTED_MAX / 2)
		return NULL; /* too many to look at */
	for (unsigned n = 0; n < all.found_count; n++)
		told = told || (all.found[n].severity == VHDX_SEVERITY_ERROR && !is_overlap(&all, n));
	if (status == VHDX_OK) {
		if (headers.counts[VHDX_SEVERITY_ERROR] != 0)
			return "it opens, and errors are told";
		return damaged == told ? NULL
		       : damaged       ? "reads meet damage, and no error is told"
				       : "it reads, and errors are told";
	}
	if (status != VHDX_E_DAMAGED && status != VHDX_E_UNSUPPORTED)
		return "the open fails in another way";
	if (!inspected_has(&all, VHDX_SEVERITY_ERROR, error.rule, VHDX_NO_OFFSET))
		return "the open tells another rule";
	return headers.counts[VHDX_SEVERITY_ERROR] != 0 && bat.counts[VHDX_SEVERITY_ERROR] != 0 ? NULL
												: "errors depend on the parts";
}

static uint64_t setting(const char *name, uint64_t value)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : value;
}

static void compare_many(struct subject *s)
{
	uint64_t rounds = setting("VHDX_INSPECT_ROUNDS", 700), seed = setting("VHDX_INSPECT_SEED", 1);
	const char *problem = compare(s->m);

	cr_assert(problem == NULL, "unchanged: %s", problem);
	for (uint64_t round = 0; round < rounds; round++) {
		uint64_t random = seed * 1000003 + round;
		struct memfile *m = memfile_copy(s->m);

		for (uint64_t n = 1 + test_random_below(&random, 3); n != 0; n--)
			change(s, m, &random);
		if (test_random_below(&random, 8) != 0)
			fix(s, m);
		if (test_random_below(&random, 16) == 0)
			memfile_set_size(m, memfile_size(m) - test_random_below(&random, memfile_size(m)));
		problem = compare(m);
		if (problem != NULL) {
			static struct inspected i;
			struct vhdx_error error = { 0 };
			vhdx_disk *disk = NULL;
			char text[1400] = "it opens";

			if (test_open_chain(&disk, &m, 1, VHDX_OPEN_NO_PARENTS, &error) < 0)
				vhdx_error_text(&error, text, sizeof(text));
			vhdx_close(disk);
			inspect_now(&i, m, 0);
			cr_assert_fail("round %" PRIu64 ": %s\n%s\n%s", round, problem, text, inspected_text(&i));
		}
		memfile_free(m);
	}
	memfile_free(s->m);
}

Test(inspect_open, vhdx_dynamic)
{
	struct subject s = { 0 };

	subject_dynamic(&s);
	compare_many(&s);
}

Test(inspect_open, vhdx_differencing)
{
	struct subject s = { 0 };

	subject_child(&s);
	compare_many(&s);
}

Test(inspect_open, vhdx_with_pending_log)
{
	struct subject s = { 0 };

	subject_log(&s);
	compare_many(&s);
}

Test(inspect_open, vhd_fixed)
{
	struct subject s = { 0 };

	subject_vhd(&s, VHDX_TYPE_FIXED, false, false);
	compare_many(&s);
}

Test(inspect_open, vhd_dynamic)
{
	struct subject s = { 0 };

	subject_vhd(&s, VHDX_TYPE_DYNAMIC, false, false);
	compare_many(&s);
}

Test(inspect_open, vhd_with_511_bytes_of_footer)
{
	struct subject s = { 0 };

	subject_vhd(&s, VHDX_TYPE_DYNAMIC, true, false);
	compare_many(&s);
}

Test(inspect_open, vhd_without_end_footer)
{
	struct subject s = { 0 };

	subject_vhd(&s, VHDX_TYPE_DYNAMIC, false, true);
	compare_many(&s);
}

Test(inspect_open, vhd_differencing)
{
	struct subject s = { 0 };

	subject_vhd(&s, VHDX_TYPE_DIFFERENCING, false, false);
	compare_many(&s);
}
