/* SPDX-License-Identifier: MIT */
/*
 * Changes in place that fail: every call of the I/O table, once and from then on, and every allocation, while a disk is resized, given settings, made smaller, merged into its
 * parent. What the disk read before it reads afterwards, as far as it goes; the file opens; no memory is kept. Layer: tests/write.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "support/recipe.h"
#include "support/specimen.h"
#include "support/testenv.h"

enum { SECTOR = 512, SAMPLES = 40 };

struct sample {
	uint64_t offset;
	bool known;
	uint8_t bytes[SECTOR];
};

struct subject {
	const struct specimen *specimen;
	struct memfile *file;
	struct memfile *parent; /* of a merge: a copy of the specimen's */
	struct testenv env;
	struct sample samples[SAMPLES];
	unsigned count;
};

/* Changes the open disk; the size that it may have afterwards at least is in *kept. */
typedef int (*change_fn)(struct subject *s, vhdx_disk *disk, uint64_t *kept, struct vhdx_error *error);

static int grow(struct subject *s, vhdx_disk *disk, uint64_t *kept, struct vhdx_error *error)
{
	(void)kept;
	return vhdx_resize(disk, s->specimen->size / 512 * 512 + (s->specimen->size < UINT64_C(1) << 32 ? UINT64_C(20) << 30 : 0),
			   0, error);
}

static int shrink(struct subject *s, vhdx_disk *disk, uint64_t *kept, struct vhdx_error *error)
{
	*kept = s->specimen->size / 2 / 4096 * 4096;
	return vhdx_resize(disk, *kept, VHDX_RESIZE_CUT, error);
}

static int set(struct subject *s, vhdx_disk *disk, uint64_t *kept, struct vhdx_error *error)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_guid id = { { 7 } };

	(void)kept;
	settings.disk_id = &id;
	settings.physical_sector_size = s->specimen->format == VHDX_FORMAT_VHDX ? 4096 : 0;
	if (s->specimen->type == VHDX_TYPE_DIFFERENCING) {
		settings.parent_relative = "..\\elsewhere\\parent with a longer name";
		settings.parent_absolute = "D:\\elsewhere\\parent with a longer name";
	}
	return vhdx_set(disk, &settings, error);
}

static int compact(struct subject *s, vhdx_disk *disk, uint64_t *kept, struct vhdx_error *error)
{
	uint8_t zeros[SECTOR] = { 0 };
	uint64_t block = s->specimen->block_size;
	int status = vhdx_write(disk, zeros, SECTOR, 0, error); /* sample 0 is left out */

	(void)kept;
	if (block == 0 || s->specimen->size / block > 4096)
		return status;
	if (status == VHDX_OK)
		status = vhdx_write_zeroes(disk, 0, block, error);
	return status == VHDX_OK ? vhdx_compact(disk, NULL, error) : status;
}

/* Into order, and holes where only zeros stand. */
static int defragment(struct subject *s, vhdx_disk *disk, uint64_t *kept, struct vhdx_error *error)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	uint64_t block = s->specimen->block_size;
	int status = VHDX_OK;

	(void)kept;
	if (block == 0 || s->specimen->size / block > 4096)
		return VHDX_OK;
	for (uint64_t i = 1; status == VHDX_OK && i <= 4; i++) /* backwards, between the samples */
		status = vhdx_write(disk, "x", 1, (s->specimen->size / block - i) * block + 8192, error);
	options.flags = VHDX_COMPACT_DEFRAG | VHDX_COMPACT_PUNCH;
	return status == VHDX_OK ? vhdx_compact(disk, &options, error) : status;
}

static int open_subject(struct subject *s, vhdx_disk **out, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(s->file, "subject"), parent;

	options.flags = flags;
	options.env = &s->env.env;
	if (s->specimen->parent != NULL && (flags & VHDX_OPEN_NO_PARENTS) == 0) {
		parent = memfile_file(s->parent != NULL ? s->parent : s->specimen->parent, "parent");
		options.parents = &parent;
		options.parent_count = 1;
	}
	return vhdx_open_file(out, &file, &options, error);
}

static int run_change(struct subject *s, change_fn change, uint64_t *kept, struct vhdx_error *error)
{
	vhdx_disk *disk;
	int status = open_subject(s, &disk, VHDX_OPEN_WRITE, error), closed;

	if (status < 0)
		return status;
	status = change(s, disk, kept, error);
	closed = vhdx_close(disk);
	if (closed < 0 && status == VHDX_OK)
		*error = (struct vhdx_error){ .status = closed, .message = "close" };
	return status < 0 ? status : closed;
}

/* As a program that merges does it (vhdx_merge). */
static int run_merge(struct subject *s, change_fn unused, uint64_t *kept, struct vhdx_error *error)
{
	struct vhdx_file parent = memfile_file(s->parent, "parent");
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_guid next = { { 9 } }, parent_identity = recipe_guid(40);
	vhdx_disk *source, *target;
	int closed, status;

	(void)unused;
	(void)kept;
	if (s->specimen->format == VHDX_FORMAT_VHDX) {
		status = open_subject(s, &source, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS, error);
		if (status < 0)
			return status;
		settings.parent_identity = &parent_identity;
		settings.parent_identity2 = &next;
		status = vhdx_set(source, &settings, error);
		closed = vhdx_close(source);
		if (status < 0 || closed < 0)
			return status < 0 ? status : closed;
	}
	status = open_subject(s, &source, VHDX_OPEN_NO_PARENTS, error);
	if (status < 0)
		return status;
	options.flags = VHDX_OPEN_WRITE;
	options.env = &s->env.env;
	options.data_identity = &next;
	status = vhdx_open_file(&target, &parent, &options, error);
	if (status == VHDX_OK) {
		status = vhdx_merge(source, target, NULL, NULL, error);
		closed = vhdx_close(target);
		status = status < 0 ? status : closed;
	}
	(void)vhdx_close(source);
	return status;
}

static void take_samples(struct subject *s)
{
	uint64_t block = s->specimen->block_size != 0 ? s->specimen->block_size : 65536;
	vhdx_disk *disk;

	cr_assert_eq(open_subject(s, &disk, 0, NULL), VHDX_OK);
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct sample *sample = &s->samples[s->count];

		sample->offset = block * (i / 2) + (i % 2 == 0 ? 0 : 2048);
		if (sample->offset >= s->specimen->size)
			break;
		sample->known = vhdx_read(disk, sample->bytes, SECTOR, sample->offset, NULL) == VHDX_OK;
		s->count++;
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
}

static void expect_same(struct subject *s, uint64_t from, uint64_t kept, const char *what)
{
	struct vhdx_error error = { .message = "" };
	uint8_t bytes[SECTOR];
	vhdx_disk *disk;

	cr_assert_eq(open_subject(s, &disk, 0, &error), VHDX_OK, "%s, %s: %s", s->specimen->name, what, error.message);
	cr_assert_geq(vhdx_disk_size(disk), kept);
	for (unsigned i = 0; i < s->count; i++) {
		if (!s->samples[i].known || s->samples[i].offset < from || s->samples[i].offset + SECTOR > kept)
			continue;
		cr_assert_eq(vhdx_read(disk, bytes, SECTOR, s->samples[i].offset, &error), VHDX_OK);
		cr_assert(memcmp(bytes, s->samples[i].bytes, SECTOR) == 0, "%s, %s: another content at %llu", s->specimen->name,
			  what, (unsigned long long)s->samples[i].offset);
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
}

typedef int (*run_fn)(struct subject *s, change_fn change, uint64_t *kept, struct vhdx_error *error);

static unsigned long calls_of(const struct memfile *m)
{
	unsigned long calls = 0;

	for (int call = 0; call < MEMFILE_CLOSE; call++)
		calls += memfile_count(m, (enum memfile_call)call);
	return calls;
}

/* One run with the n-th call (or allocation, n < 0) failing, none when 0. How many calls, or with `memory` allocations, there were. */
static int fail_once(bool memory, enum specimen_kind kind, run_fn run, change_fn change, int n, bool sticky)
{
	static struct subject s; /* large for a stack */
	struct vhdx_error error = { .message = "" };
	struct memfile *failing;
	uint64_t kept;
	int count, status, injected = n < 0 ? VHDX_E_NO_MEMORY : n % 3 == 0 ? VHDX_E_NO_SPACE : VHDX_E_IO;
	char what[80];

	memset(&s, 0, sizeof(s));
	s.specimen = specimen_get(kind);
	s.file = memfile_copy(s.specimen->file);
	s.parent = s.specimen->parent != NULL ? memfile_copy(s.specimen->parent) : NULL;
	testenv_start(&s.env, 1);
	take_samples(&s);
	kept = s.specimen->size;
	failing = run == run_merge && s.specimen->format == VHDX_FORMAT_VHD ? s.parent
		  : sticky && run == run_merge                              ? s.parent
									    : s.file;
	memfile_reset_counts(failing);
	atomic_store(&s.env.allocations, 0);
	if (n < 0)
		testenv_fail(&s.env, (unsigned long)-n, sticky);
	else if (n > 0)
		memfile_fail(failing, MEMFILE_ANY, (unsigned long)n, injected, sticky);
	status = run(&s, change, &kept, &error);
	count = memory ? (int)atomic_load(&s.env.allocations) : (int)calls_of(failing);
	cr_assert(n != 0 || status == VHDX_OK || change == shrink || change == grow, "%s: %s", s.specimen->name, error.message);
	testenv_fail(&s.env, 0, false);
	memfile_fail(failing, MEMFILE_ANY, 0, 0, false);
	cr_assert_eq(testenv_live(&s.env), 0, "%s: %lu blocks of memory are kept", s.specimen->name, testenv_live(&s.env));
	(void)snprintf(what, sizeof(what), "%s %d failed%s, %s", n < 0 ? "allocation" : "call", n < 0 ? -n : n,
		       sticky ? " for good" : "", vhdx_status_name(status));
	cr_assert(status == VHDX_OK || status == injected || status == VHDX_E_DEAD || status == VHDX_E_UNSUPPORTED ||
			  status == VHDX_E_ARGUMENT || status == VHDX_E_RANGE,
		  "%s, %s: %s", s.specimen->name, what, error.message);
	expect_same(&s, change == compact ? s.specimen->block_size + (s.specimen->block_size == 0 ? SECTOR : 0) : 0, kept, what);
	memfile_free(s.file);
	memfile_free(s.parent);
	return count;
}

static void fail_all(enum specimen_kind kind, run_fn run, change_fn change)
{
	for (int way = 0; way < 3; way++) {
		int count = fail_once(way == 2, kind, run, change, 0, way == 1);

		cr_assert(count > 2 && count < 4000, "%s: %d calls", specimen_get(kind)->name, count);
		for (int n = 1; n <= count; n++)
			(void)fail_once(way == 2, kind, run, change, way == 2 ? -n : n, way == 1);
	}
}

static void fail_all_kinds(change_fn change)
{
	for (int kind = 0; kind < SPECIMEN_COUNT; kind++)
		fail_all((enum specimen_kind)kind, run_change, change);
	specimen_end();
}

Test(change_faults, growing)
{
	fail_all_kinds(grow);
}

Test(change_faults, shrinking)
{
	fail_all_kinds(shrink);
}

Test(change_faults, settings)
{
	fail_all_kinds(set);
}

Test(change_faults, compaction)
{
	fail_all_kinds(compact);
}

Test(change_faults, defragmentation)
{
	fail_all_kinds(defragment);
}

Test(change_faults, merging)
{
	fail_all(SPECIMEN_VHDX_CHILD, run_merge, NULL);
	fail_all(SPECIMEN_VHD_CHILD, run_merge, NULL);
	specimen_end();
}
