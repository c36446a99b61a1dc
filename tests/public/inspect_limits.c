/* SPDX-License-Identifier: MIT */
/* vhdx_inspect when the caller stops it, when the file or memory fails, and how much memory it takes at most. */
#include <stdlib.h>

#include "public/inspected.h"

#define MIB RECIPE_MIB

/* Something of everything, and something wrong in each part. */
static struct memfile *busy(void)
{
	static const struct recipe_run runs[] = { { 3, 4 } };
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 1 },
						      { .index = 5, .state = RECIPE_UNMAPPED, .file_offset = 4 * MIB } };
	static const struct recipe_pair pairs[] = { { "parent_linkage", "{DA000000-0000-0000-0000-000000000000}" },
						    { "relative_path", ".\\parent.vhdx" } };
	static const struct recipe_descriptor descriptors[] = { { .file_offset = 7 * MIB, .zero_length = 4096 },
								{ .file_offset = 8 * MIB } };
	struct recipe_entry entries[] = { { .at = RECIPE_NEXT,
					    .tail = RECIPE_SELF,
					    .sequence_number = 1,
					    .descriptors = descriptors,
					    .descriptor_count = 2,
					    .flushed_file_offset = 1 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.blocks = blocks;
	knobs.block_count = 3;
	knobs.pairs = pairs;
	knobs.pair_count = 2;
	knobs.log_guid = recipe_guid(3);
	knobs.entries = entries;
	knobs.entry_count = 1;
	m = recipe_vhdx_new(&knobs, NULL);
	recipe_put(m, RECIPE_HEADER(0), 1, 'H');
	recipe_put(m, RECIPE_REGION_TABLE(1), 1, 'R');
	return m;
}

struct stopping {
	unsigned long left;
	unsigned long calls;
};

static int stop(void *context)
{
	struct stopping *stopping = context;

	stopping->calls++;
	return --stopping->left == 0;
}

static int stop_at_field(void *context, const struct vhdx_field *field)
{
	(void)field;
	return stop(context);
}

static int stop_at_finding(void *context, const struct vhdx_finding *finding)
{
	(void)finding;
	return stop(context);
}

static void check_cancel(struct memfile *m)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "test.img");
	struct testenv env;
	unsigned long n = 0;
	int status = VHDX_E_CANCELLED;

	testenv_start(&env, 1);
	options.env = &env.env;
	options.on_field = stop_at_field;
	options.on_finding = stop_at_finding;
	while (status != VHDX_OK) {
		struct stopping stopping = { .left = ++n };
		struct vhdx_error error = { 0 };

		options.context = &stopping;
		status = vhdx_inspect(&file, &options, &error);
		cr_assert(status == VHDX_OK || (status == VHDX_E_CANCELLED && error.status == status));
		cr_assert_eq(stopping.calls, status == VHDX_OK ? n - 1 : n); /* none after it said stop */
		cr_assert_eq(testenv_live(&env), 0);
	}
	cr_assert_gt(n, 40);
}

/* The n-th read, or the n-th allocation, fails, for every n. */
static void check_failures(struct memfile *m)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "test.img");
	struct testenv env;
	struct vhdx_error error;
	int status = VHDX_E_IO;

	testenv_start(&env, 1);
	options.env = &env.env;
	for (unsigned long n = 1; status != VHDX_OK; n++) {
		memfile_fail(m, MEMFILE_READ, n, VHDX_E_IO, false);
		status = vhdx_inspect(&file, &options, &error);
		cr_assert(status == VHDX_OK || (status == VHDX_E_IO && error.status == status), "read %lu: %d", n, status);
		cr_assert_eq(testenv_live(&env), 0);
	}
	memfile_fail(m, MEMFILE_READ, 0, 0, false);
	status = VHDX_E_NO_MEMORY;
	for (unsigned long n = 1; status != VHDX_OK; n++) {
		testenv_fail(&env, n, false);
		status = vhdx_inspect(&file, &options, &error);
		cr_assert(status == VHDX_OK || (status == VHDX_E_NO_MEMORY && error.status == status), "allocation %lu: %d", n,
			  status);
		cr_assert_eq(testenv_live(&env), 0);
	}
}

/* Short reads and a table without the optional functions change nothing. */
static void check_minimal(struct memfile *m)
{
	static struct inspected full, minimal;

	inspect_now(&full, m, 0);
	memfile_set_short(m, 700);
	memfile_set_minimal(m, true);
	inspect_now(&minimal, m, 0);
	cr_assert_eq(full.fields, minimal.fields);
	cr_assert_eq(full.found_count, minimal.found_count);
	cr_assert_arr_eq(full.counts, minimal.counts, sizeof(full.counts));
}

Test(inspect_limits, cancel_failures_and_minimal_table)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	const struct recipe_vhd_locator locators[] = { { .code = "W2ru", .text = ".\\p.vhd" } };
	const struct recipe_vhd_block blocks[] = { { .index = 1 }, { .index = 2 } };
	struct memfile *files[2] = { busy(), NULL };

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.locators = locators;
	knobs.locator_count = 1;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	files[1] = recipe_vhd_new(&knobs, NULL);
	for (unsigned i = 0; i < 2; i++) {
		check_cancel(files[i]);
		check_failures(files[i]);
		check_minimal(files[i]);
		memfile_free(files[i]);
	}
}

/* A disk of 64 TiB whose first blocks are scattered over more places than there is memory for. */
Test(inspect_limits, memory_is_bounded)
{
	enum { SCATTERED = 1200000 };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places at;
	static struct inspected i;
	struct memfile *m;
	uint8_t *bat = calloc(SCATTERED, 8);
	uint64_t used = 0;

	cr_assert(bat != NULL);
	knobs.size = 64 * MIB * MIB;
	m = recipe_vhdx_new(&knobs, &at);
	memfile_set_size(m, 64 * MIB * MIB);
	for (uint64_t index = 0; index < SCATTERED; index++) {
		uint64_t place = (1000 + index * 7919 % SCATTERED * 2) * MIB | RECIPE_FULL;

		if (index % (at.chunk_ratio + 1) == at.chunk_ratio)
			continue;
		for (unsigned n = 0; n < 8; n++)
			bat[index * 8 + n] = (uint8_t)(place >> 8 * n);
		used++;
	}
	memfile_write(m, at.bat, bat, SCATTERED * 8);
	recipe_put(m, at.bat + 8, 8, recipe_get(m, at.bat + 16, 8));
	inspect_now(&i, m, 0);
	cr_assert(inspected_has(&i, VHDX_SEVERITY_NOTE, "", at.bat), "%s", inspected_text(&i));
	cr_assert(inspected_has(&i, VHDX_SEVERITY_ERROR, "VHDX-122", at.bat + 8) &&
		  inspected_has(&i, VHDX_SEVERITY_ERROR, "VHDX-122", at.bat + 16));
	cr_assert_eq(i.counts[VHDX_SEVERITY_ERROR], 2);
	cr_assert_gt(i.fields, used);
	cr_assert_lt(i.peak_bytes, 20 * MIB);
	memfile_free(m);
	free(bat);
}
