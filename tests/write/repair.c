/* SPDX-License-Identifier: MIT */
/*
 * Repair: each kind of damage is found, mended by what the file itself knows, and nothing else is touched; undoing it gives every byte back. Failing calls and lack of
 * space lose nothing. Crashes: repair_crash.c.
 */
#include "repairing.h"

#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"
#include "support/testenv.h"

#define MIB RECIPE_MIB

static void undo(const struct damage *d, struct memfile *m, struct memfile *saved, const struct memfile *damaged)
{
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
	struct vhdx_error error;

	cr_assert_eq(vhdx_undo(&file, &undo_file, 0, NULL, &error), VHDX_OK, "%s: %s", d->name, error.message);
	expect_equal(m, damaged, d->name, "not put back");
	cr_assert_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_OK);
	expect_equal(m, damaged, d->name, "not put back twice");
}

static void check_damage(const struct damage *d)
{
	struct memfile *damaged = damage_make(d), *m = memfile_copy(damaged), *saved = memfile_new();
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
	struct findings found = look(&file);
	struct outcome o;

	cr_assert_eq(found.mends, d->mends, "%s: 0x%x is to be mended", d->name, found.mends);
	o = repair(&file, NULL, d->flags | VHDX_REPAIR_DRY_RUN);
	cr_assert_eq(o.status, VHDX_OK);
	cr_assert_eq(o.told, d->mends, "%s: 0x%x would be done", d->name, o.told);
	expect_equal(m, damaged, d->name, "a dry run has changed the file");

	o = repair(&file, &undo_file, d->flags);
	cr_assert_eq(o.status, VHDX_OK, "%s: %s", d->name, o.error.message);
	cr_assert_eq(o.told, d->mends);
	expect_mended(d, &file, "repaired");
	if (d->mends != 0)
		undo(d, m, saved, damaged);
	else
		cr_assert_eq(memfile_size(saved), 0);
	memfile_free(damaged);
	memfile_free(m);
	memfile_free(saved);
}

Test(repair, of_every_damage)
{
	for (unsigned i = 0; i < damage_count; i++)
		check_damage(&damages[i]);
	specimen_end();
}

/* What repair leaves alone: nothing is written, and nothing is said to be mended. */
static void check_left_alone(enum specimen_kind kind, uint64_t offset, uint64_t length, int status)
{
	struct damage d = { "left alone", kind, NULL, 0, 0, true, true };
	struct memfile *m = memfile_copy(specimen_get(kind)->file), *before;
	struct vhdx_file file = memfile_file(m, "disk");
	struct outcome o;

	recipe_fill(m, offset, length, offset, 99);
	before = memfile_copy(m);
	o = repair(&file, NULL, VHDX_REPAIR_NO_UNDO);
	cr_assert_eq(o.status, status, "%s", o.error.message);
	cr_assert_eq(o.steps, 0);
	expect_equal(m, before, d.name, "changed");
	memfile_free(before);
	memfile_free(m);
}

Test(repair, of_nothing_that_would_be_a_guess)
{
	check_left_alone(SPECIMEN_VHDX_DYNAMIC, 0, 8, VHDX_OK);          /* the identifier: perhaps never a whole file */
	check_left_alone(SPECIMEN_VHDX_DYNAMIC, 3 * MIB, 4096, VHDX_OK); /* BAT */
	check_left_alone(SPECIMEN_VHDX_DYNAMIC, 2 * MIB, 4096, VHDX_OK); /* metadata */
	check_left_alone(SPECIMEN_VHDX_DYNAMIC, RECIPE_HEADER(0), 131072, VHDX_OK);       /* both headers */
	check_left_alone(SPECIMEN_VHDX_DYNAMIC, RECIPE_REGION_TABLE(0), 131072, VHDX_OK); /* both region tables */
	check_left_alone(SPECIMEN_VHDX_LOG, MIB + 100, 24576, VHDX_OK);                   /* a log, unless told to */
	check_left_alone(SPECIMEN_VHD_DYNAMIC, 512, 1024, VHDX_OK);                       /* dynamic header */
	check_left_alone(SPECIMEN_VHD_DYNAMIC, 1536, 32, VHDX_OK);                        /* BAT */
	check_left_alone(SPECIMEN_VHD_FIXED, memfile_size(specimen_get(SPECIMEN_VHD_FIXED)->file) - 512, 512, VHDX_E_NOT_IMAGE);
	specimen_end();
}

/* Two headers of one number that differ: nobody knows which one is right (VHDX-037). */
Test(repair, of_no_header_that_may_be_the_right_one)
{
	struct memfile *m = memfile_copy(specimen_get(SPECIMEN_VHDX_DYNAMIC)->file), *before;
	struct vhdx_file file = memfile_file(m, "disk");

	recipe_put(m, RECIPE_HEADER(0) + 8, 8, 8);
	recipe_put(m, RECIPE_HEADER(0) + 16, 8, 1);
	recipe_fix_header(m, 0);
	recipe_put(m, RECIPE_REGION_TABLE(1), 8, 0);
	before = memfile_copy(m);
	cr_assert_eq(look(&file).mends, 0);
	cr_assert_eq(repair(&file, NULL, VHDX_REPAIR_NO_UNDO).steps, 0);
	expect_equal(m, before, "headers", "changed");
	memfile_free(before);
	memfile_free(m);
	specimen_end();
}

/* A required region that we do not know says that we must not touch the file (VHDX-055). */
Test(repair, of_no_file_that_we_do_not_understand)
{
	struct memfile *m = memfile_copy(specimen_get(SPECIMEN_VHDX_EXTRAS)->file), *before;
	struct vhdx_file file = memfile_file(m, "disk");

	recipe_put(m, RECIPE_REGION(0, 2) + 28, 4, 1);
	recipe_fix_region_table(m, 0);
	recipe_put(m, RECIPE_REGION_TABLE(1), 8, 0);
	before = memfile_copy(m);
	cr_assert_eq(repair(&file, NULL, VHDX_REPAIR_NO_UNDO).status, VHDX_E_UNSUPPORTED);
	expect_equal(m, before, "foreign", "changed");
	memfile_free(before);
	memfile_free(m);
	specimen_end();
}

/* VHDX-039, VHDX-040: who looks at the identifiers sees that somebody wrote, and children stay linked. */
Test(repair, changes_the_identifiers_that_it_must)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct damage *d = damage_named(i == 0 ? "region table 0" : "a broken log");
		struct memfile *m = damage_make(d), *saved = memfile_new();
		struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
		uint8_t before[32], after[32];

		memfile_read(m, RECIPE_HEADER(1) + 16, before, 32);
		cr_assert_eq(repair(&file, &undo_file, d->flags).status, VHDX_OK);
		for (unsigned slot = 0; slot < 2; slot++) {
			memfile_read(m, RECIPE_HEADER(slot) + 16, after, 32);
			cr_expect_neq(memcmp(before, after, 16), 0);
			cr_expect_eq(memcmp(before + 16, after + 16, 16) != 0, i == 1);
		}
		memfile_free(m);
		memfile_free(saved);
	}
	specimen_end();
}

Test(repair, keeps_space_when_told_to)
{
	const struct damage *d = damage_named("all of a VHDX");
	struct memfile *m = damage_make(d);
	struct vhdx_file file = memfile_file(m, "disk");
	uint64_t size = memfile_size(m);
	struct outcome o = repair(&file, NULL, VHDX_REPAIR_KEEP_SPACE | VHDX_REPAIR_NO_UNDO);

	cr_assert_eq(o.told, MENDS(HEADER) | MENDS(REGION_TABLE));
	cr_assert_eq(memfile_size(m), size);
	memfile_free(m);
	d = damage_named("footer under junk");
	m = damage_make(d);
	file = memfile_file(m, "disk");
	size = memfile_size(m);
	o = repair(&file, NULL, VHDX_REPAIR_KEEP_SPACE | VHDX_REPAIR_NO_UNDO);
	cr_assert_eq(o.told, MENDS(FOOTER));
	cr_assert_geq(memfile_size(m), size);
	memfile_free(m);
	specimen_end();
}

/* What the log would write into places that belong to nothing, first and last page of a unit and one alone: told with the rest at once, and nothing is left. */
Test(repair, gives_back_what_the_log_brings_into_a_gap)
{
	const struct recipe_block blocks[] = { { .index = 0, .state = RECIPE_FULL, .file_offset = 4 * MIB, .seed = 1 },
					       { .index = 1, .state = RECIPE_FULL, .file_offset = 8 * MIB, .seed = 2 } };
	const struct recipe_descriptor pages[] = { { .file_offset = 5 * MIB, .seed = 3 },
						   { .file_offset = 6 * MIB - 4096, .seed = 4 },
						   { .file_offset = 7 * MIB + 69632, .seed = 5 } };
	const struct recipe_entry entry = {
		.tail = RECIPE_SELF, .sequence_number = 1, .descriptors = pages, .descriptor_count = 3
	};
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;
	struct vhdx_file file;
	struct outcome o;

	knobs.blocks = blocks;
	knobs.block_count = 2;
	knobs.log_guid = (struct vhdx_guid){ { 0x10 } };
	knobs.entries = &entry;
	knobs.entry_count = 1;
	m = recipe_vhdx_new(&knobs, NULL);
	file = memfile_file(m, "disk");
	cr_assert_eq(look(&file).mends, MENDS(LOG) | MENDS(SPACE));
	o = repair(&file, NULL, VHDX_REPAIR_NO_UNDO);
	cr_assert_eq(o.status, VHDX_OK, "%s", o.error.message);
	cr_assert_eq(o.told, MENDS(LOG) | MENDS(SPACE));
	cr_assert_eq(look(&file).mends, 0);
	cr_assert_eq(repair(&file, NULL, VHDX_REPAIR_NO_UNDO).told, 0);
	memfile_free(m);
	specimen_end();
}

/* The rest of a block that is cut in two stays, for a salvage. */
Test(repair, never_writes_over_a_part_of_a_block)
{
	const struct damage *d = damage_named("a VHD whose last block is cut");
	struct memfile *m = damage_make(d), *before = memfile_copy(m);
	struct vhdx_file file = memfile_file(m, "disk");
	uint64_t size = memfile_size(m);

	cr_assert_eq(repair(&file, NULL, VHDX_REPAIR_NO_UNDO).status, VHDX_OK);
	cr_assert_gt(memfile_size(m), size);
	memfile_set_size(m, size);
	expect_equal(m, before, d->name, "changed");
	memfile_free(m);
	memfile_free(before);
	specimen_end();
}

/* A block that lacks less than a sector would be whole with a footer behind it, and zeros in it. */
Test(repair, does_not_make_a_block_whole)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHD_DYNAMIC);

	for (unsigned lost = 1; lost < 512; lost += 51) {
		struct memfile *m = memfile_copy(s->file), *before;
		struct vhdx_file file = memfile_file(m, "disk");
		struct outcome o;

		memfile_set_size(m, memfile_size(m) - 512 - lost);
		before = memfile_copy(m);
		o = repair(&file, NULL, VHDX_REPAIR_NO_UNDO);
		cr_assert_eq(o.status, VHDX_E_UNSUPPORTED, "%u bytes: %s", lost, o.error.message);
		expect_equal(m, before, s->name, "changed");
		memfile_free(m);
		memfile_free(before);
	}
	specimen_end();
}

/* One of an earlier repair, or the image itself. */
Test(repair, wants_an_empty_undo_file)
{
	struct memfile *m = damage_make(damage_named("header 0")), *before = memfile_copy(m), *saved = memfile_new();
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");

	memfile_write(saved, 0, "x", 1);
	cr_expect_eq(repair(&file, &undo_file, 0).status, VHDX_E_ARGUMENT);
	cr_expect_eq(repair(&file, &file, 0).status, VHDX_E_ARGUMENT);
	expect_equal(m, before, "header 0", "changed");
	memfile_free(m);
	memfile_free(before);
	memfile_free(saved);
	specimen_end();
}

Test(repair, wants_an_undo_file)
{
	struct memfile *m = damage_make(damage_named("header 0")), *before = memfile_copy(m);
	struct vhdx_file file = memfile_file(m, "disk");
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;

	cr_assert_eq(vhdx_repair(&file, &options, NULL), VHDX_E_ARGUMENT);
	expect_equal(m, before, "header 0", "changed");
	options.flags = 1u << 20;
	cr_assert_eq(vhdx_repair(&file, &options, NULL), VHDX_E_ARGUMENT);
	cr_assert_eq(vhdx_repair(NULL, NULL, NULL), VHDX_E_ARGUMENT);
	cr_assert_eq(vhdx_undo(&file, NULL, 0, NULL, NULL), VHDX_E_ARGUMENT);
	cr_assert_eq(vhdx_undo(&file, &file, 4, NULL, NULL), VHDX_E_ARGUMENT);
	memfile_free(m);
	memfile_free(before);
	specimen_end();
}

/* The callers' file is changed only after everything is saved and durable. */
struct order {
	bool saved;     /* since the last write to the undo file, it was flushed */
	bool has_saved; /* it was written */
	bool wrong;
};

static void watch_undo(void *context, enum memfile_call call, uint64_t offset, uint64_t length)
{
	struct order *o = context;

	(void)offset;
	(void)length;
	if (call == MEMFILE_WRITE)
		o->saved = false, o->has_saved = true;
	else if (call == MEMFILE_FLUSH)
		o->saved = o->has_saved;
}

static void watch_file(void *context, enum memfile_call call, uint64_t offset, uint64_t length)
{
	struct order *o = context;

	(void)offset;
	(void)length;
	if (call == MEMFILE_WRITE || call == MEMFILE_SET_SIZE || call == MEMFILE_ZERO || call == MEMFILE_PUNCH)
		o->wrong |= !o->saved;
}

Test(repair, saves_before_it_changes)
{
	for (unsigned i = 0; i < damage_count; i++) {
		struct memfile *m = damage_make(&damages[i]), *saved = memfile_new();
		struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
		struct order order = { false, false, false };

		memfile_watch(m, watch_file, &order);
		memfile_watch(saved, watch_undo, &order);
		cr_assert_eq(repair(&file, &undo_file, damages[i].flags).status, VHDX_OK);
		cr_assert(!order.wrong, "%s", damages[i].name);
		memfile_free(m);
		memfile_free(saved);
	}
	specimen_end();
}

/* Whatever call fails, and for whatever reason: the file can be put back, or was not touched, and the repair can be done again. */
static bool one_fault(const struct damage *d, bool in_undo, unsigned long n, int status, bool sticky)
{
	struct memfile *damaged = damage_make(d), *m = memfile_copy(damaged), *saved = memfile_new(), *again = memfile_new();
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
	struct outcome o;
	bool failed;

	memfile_fail(in_undo ? saved : m, MEMFILE_ANY, n, status, sticky);
	o = repair(&file, &undo_file, d->flags);
	memfile_fail(in_undo ? saved : m, MEMFILE_ANY, 0, 0, false);
	failed = o.status < 0;
	cr_assert(!failed || o.status == status, "%s: %d: %s", d->name, o.status, o.error.message);
	if (failed) {
		struct memfile *copy = memfile_copy(m);
		int undone;

		file = memfile_file(copy, "disk");
		undone = vhdx_undo(&file, &undo_file, 0, NULL, NULL);
		cr_assert(undone == VHDX_OK || undone == VHDX_E_NOT_IMAGE, "%s: %d", d->name, undone);
		expect_equal(copy, damaged, d->name, "a failed repair is not put back");
		memfile_free(copy);
	}
	file = memfile_file(m, "disk");
	undo_file = memfile_file(again, "undo again");
	o = repair(&file, &undo_file, d->flags);
	cr_assert_eq(o.status, VHDX_OK, "%s: again: %s", d->name, o.error.message);
	expect_mended(d, &file, "after a failure");
	memfile_free(damaged);
	memfile_free(m);
	memfile_free(saved);
	memfile_free(again);
	return failed;
}

/* Every second call of each damage, the first or the second; fewer where a sanitizer slows it down. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 7 };
#else
enum { STEP = 2 };
#endif

static void fail_calls(const struct damage *d, unsigned first, bool in_undo, int status, bool sticky)
{
	/* favours may fail without a word, so that the end shows in a row of successes */
	unsigned quiet = 0;

	for (unsigned long n = first; quiet < 5 && n < 400; n += STEP)
		quiet = one_fault(d, in_undo, n, status, sticky) ? 0 : quiet + 1;
	cr_assert_geq(quiet, 5);
}

Test(repair, survives_failing_calls)
{
	for (unsigned i = 0; i < damage_count; i++)
		for (int in_undo = 0; in_undo < 2 && damages[i].mends != 0; in_undo++) {
			fail_calls(&damages[i], 1 + i % STEP, in_undo != 0, VHDX_E_IO, false);
			fail_calls(&damages[i], 1 + (i + 1) % STEP, in_undo != 0, VHDX_E_NO_SPACE, true);
		}
	specimen_end();
}

Test(repair, survives_lack_of_memory)
{
	for (unsigned i = 0; i < damage_count; i++)
		for (unsigned long n = 1;; n++) {
			struct memfile *m = damage_make(&damages[i]), *saved = memfile_new();
			struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
			struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
			struct testenv env;
			int status;

			testenv_start(&env, 1);
			testenv_fail(&env, n, true);
			options.env = &env.env;
			options.flags = damages[i].flags;
			options.undo = &undo_file;
			status = vhdx_repair(&file, &options, NULL);
			cr_assert_eq(testenv_live(&env), 0);
			cr_assert(status == VHDX_OK || status == VHDX_E_NO_MEMORY);
			if (status < 0)
				cr_assert_eq(repair(&file, NULL, damages[i].flags | VHDX_REPAIR_NO_UNDO).status, VHDX_OK);
			expect_mended(&damages[i], &file, "after lack of memory");
			memfile_free(m);
			memfile_free(saved);
			if (status == VHDX_OK)
				break;
		}
	specimen_end();
}
