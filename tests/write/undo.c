/* SPDX-License-Identifier: MIT */
/*
 * Undo files: what was repaired is put back, once or again, and never over what was changed since, over another file or from a damaged undo file. That every repair is put
 * back byte by byte: repair.c; crashes: repair_crash.c.
 */
#include "repairing.h"

#include <stdlib.h>
#include <string.h>

#include "format/undo.h"
#include "support/recipe.h"
#include "support/testenv.h"

#define MIB RECIPE_MIB

Test(undo, refuses_what_was_changed_since)
{
	static const char *const names[] = { "header 0", "junk before the footer" };

	for (unsigned i = 0; i < 2; i++) {
		const struct damage *d = damage_named(names[i]);
		struct memfile *damaged = damage_make(d), *m = memfile_copy(damaged), *saved = memfile_new(), *changed;
		struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
		struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
		vhdx_disk *disk;

		cr_assert_eq(repair(&file, &undo_file, 0).status, VHDX_OK);
		options.flags = VHDX_OPEN_WRITE;
		cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
		cr_assert_eq(vhdx_write(disk, "written later", 13, 4 * 65536, NULL), VHDX_OK); /* a new block */
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		changed = memfile_copy(m);
		cr_assert_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_E_ARGUMENT);
		expect_equal(m, changed, d->name, "a refused undo has changed the file");
		cr_assert_eq(vhdx_undo(&file, &undo_file, VHDX_UNDO_CHANGED, NULL, NULL), VHDX_OK);
		cr_assert_eq(memfile_size(m), memfile_size(damaged));
		/* what was put back is what it may be put back to again, and nothing else */
		cr_assert_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_OK);
		memfile_set_size(m, memfile_size(m) + 1);
		cr_assert_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_E_ARGUMENT);
		cr_assert_eq(memfile_size(m), memfile_size(damaged) + 1);
		memfile_free(damaged);
		memfile_free(m);
		memfile_free(saved);
		memfile_free(changed);
	}
	specimen_end();
}

/* Every byte of it is covered by a checksum, or has no meaning. */
Test(undo, refuses_a_damaged_undo_file)
{
	const struct damage *d = damage_named("all of a VHDX");
	struct memfile *m = damage_make(d), *saved = memfile_new(), *repaired;
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
	uint64_t size;

	cr_assert_eq(repair(&file, &undo_file, 0).status, VHDX_OK);
	repaired = memfile_copy(m);
	size = memfile_size(saved);
	for (uint64_t at = 0; at < size; at += at < 39 || (at >= 512 && at < 535) ? 1
					       : at == 39                         ? 512 - at
					       : at == 535                        ? 4096 - at
										  : 40009) {
		uint8_t byte, other;
		int status;

		memfile_read(saved, at, &byte, 1);
		other = byte ^ 0x10;
		memfile_write(saved, at, &other, 1);
		status = vhdx_undo(&file, &undo_file, 0, NULL, NULL);
		cr_assert(status == VHDX_E_NOT_IMAGE || status == VHDX_E_DAMAGED, "at 0x%llx: %d", (unsigned long long)at,
			  status);
		expect_equal(m, repaired, d->name, "a damaged undo file has changed the file");
		memfile_write(saved, at, &byte, 1);
	}
	for (uint64_t cut = 0; cut < size; cut += cut < 5000 ? 512 : 100003) {
		struct memfile *part = memfile_copy(saved);

		memfile_set_size(part, cut);
		undo_file = memfile_file(part, "undo");
		cr_assert_lt(vhdx_undo(&file, &undo_file, 0, NULL, NULL), 0);
		expect_equal(m, repaired, d->name, "half an undo file has changed the file");
		memfile_free(part);
	}
	memfile_free(m);
	memfile_free(saved);
	memfile_free(repaired);
	specimen_end();
}

/* Blocks come where the repair gave space back: beside the first 320 KiB nothing tells that but what stands there. */
Test(undo, sees_a_block_where_it_would_write)
{
	const uint64_t stride = 2 * MIB + 4096;
	const struct recipe_vhd_block blocks[] = { { .index = 100000, .file_offset = MIB - 512, .seed = 1 },
						   { .index = 100001, .file_offset = MIB + 2 * stride - 512, .seed = 2 },
						   { .index = 100002, .file_offset = MIB + 3 * stride - 512, .seed = 3 } };
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct memfile *m, *saved = memfile_new(), *before;
	struct vhdx_file file, undo_file = memfile_file(saved, "undo");
	uint8_t *bytes = malloc(2 * MIB);
	vhdx_disk *disk;

	knobs.size = 400 * 1024 * MIB;
	knobs.blocks = blocks;
	knobs.block_count = 3;
	knobs.slack = 3584;
	m = recipe_vhd_new(&knobs, NULL);
	recipe_fill(m, MIB + stride, 2 * MIB - 4096, 0, 77);
	file = memfile_file(m, "disk");
	cr_assert_eq(repair(&file, &undo_file, 0).told, MENDS(SPACE));
	options.flags = VHDX_OPEN_WRITE;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
	cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
	recipe_pattern(bytes, 2 * MIB, 0, 9);
	cr_assert_eq(vhdx_write(disk, bytes, 2 * MIB, 100003 * 2 * MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	before = memfile_copy(m);
	cr_expect_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_E_ARGUMENT);
	expect_equal(m, before, "the disk", "changed");
	free(bytes);
	memfile_free(m);
	memfile_free(saved);
	memfile_free(before);
}

/* One of a repair that came to no end does not say what it has left, and is for its own file all the same. */
Test(undo, of_a_stopped_repair_fits_no_other_file)
{
	const struct damage *d = damage_named("all of a VHDX");
	struct memfile *m = damage_make(d), *saved = memfile_new();
	struct memfile *other = memfile_copy(specimen_get(SPECIMEN_VHD_DYNAMIC)->file), *before = memfile_copy(other);
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo"),
			 wrong = memfile_file(other, "other");

	memfile_fail(m, MEMFILE_FLUSH, 2, VHDX_E_IO, true);
	cr_assert_eq(repair(&file, &undo_file, d->flags).status, VHDX_E_IO);
	memfile_fail(m, MEMFILE_FLUSH, 0, 0, false);
	cr_expect_eq(vhdx_undo(&wrong, &undo_file, 0, NULL, NULL), VHDX_E_ARGUMENT);
	expect_equal(other, before, "another file", "changed");
	cr_expect_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_OK);
	memfile_free(m);
	memfile_free(saved);
	memfile_free(other);
	memfile_free(before);
	specimen_end();
}

/* As a host tells it whose holes are of 4 KiB. */
static int small_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
			struct vhdx_error *error)
{
	uint8_t page[4096];
	uint64_t part = sizeof(page) - file_offset % sizeof(page);

	(void)error;
	extent->length = part < length ? part : length;
	memfile_read(handle, file_offset, page, (size_t)extent->length);
	extent->is_hole = page[0] == 0 && memcmp(page, page + 1, (size_t)extent->length - 1) == 0;
	return VHDX_OK;
}

/* A copy on a host that knows no holes, or others, is the same file. */
Test(undo, of_a_copy_with_other_holes)
{
	static const char *const names[] = { "all of a VHDX", "a pending log" };

	for (unsigned i = 0; i < 4; i++) {
		const struct damage *d = damage_named(names[i / 2]);
		struct memfile *damaged = damage_make(d), *m, *saved = memfile_new();
		struct vhdx_file file, undo_file = memfile_file(saved, "undo"), copy;
		struct vhdx_io holes, plain;

		memfile_write(damaged, 700000, "a page alone", 12); /* between holes */
		m = memfile_copy(damaged);
		file = memfile_file(m, "disk");
		holes = plain = *file.io;
		holes.extent = small_extent;
		plain.extent = NULL;
		file.io = i % 2 == 0 ? &holes : &plain;
		copy = (struct vhdx_file){ i % 2 == 0 ? &plain : &holes, file.handle, "copy" };
		cr_assert_eq(repair(&file, &undo_file, d->flags).status, VHDX_OK);
		cr_expect_eq(vhdx_undo(&copy, &undo_file, 0, NULL, NULL), VHDX_OK, "%s", d->name);
		expect_equal(m, damaged, d->name, "not put back");
		memfile_free(damaged);
		memfile_free(m);
		memfile_free(saved);
	}
	specimen_end();
}

/* Not each call of each damage. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STEP = 7 };
#else
enum { STEP = 3 };
#endif

/* The undoing itself fails, at any call: the file stays as repaired or can be undone again. */
static void one_undo_fault(const struct damage *d, unsigned long first, bool in_undo, bool memory)
{
	struct memfile *damaged = damage_make(d), *repaired = memfile_copy(damaged), *saved = memfile_new();
	struct vhdx_file file = memfile_file(repaired, "disk"), undo_file = memfile_file(saved, "undo");
	unsigned quiet = 0; /* what cannot be looked at when all is put back, is noted as that */

	cr_assert_eq(repair(&file, &undo_file, d->flags).status, VHDX_OK);
	for (unsigned long n = first; quiet < 4; n += STEP) {
		struct memfile *m = memfile_copy(repaired), *u = memfile_copy(saved);
		struct testenv env;
		bool failed;
		int status;

		testenv_start(&env, 1);
		file = memfile_file(m, "disk");
		undo_file = memfile_file(u, "undo");
		if (memory)
			testenv_fail(&env, n, true);
		else
			memfile_fail(in_undo ? u : m, MEMFILE_ANY, n, VHDX_E_IO, n / STEP % 2 != 0);
		status = vhdx_undo(&file, &undo_file, 0, &env.env, NULL);
		memfile_fail(in_undo ? u : m, MEMFILE_ANY, 0, 0, false);
		cr_assert_eq(testenv_live(&env), 0);
		failed = status < 0;
		quiet = failed ? 0 : quiet + 1;
		cr_assert(!failed || status == (memory ? VHDX_E_NO_MEMORY : VHDX_E_IO), "%s: %d", d->name, status);
		if (failed)
			cr_assert_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_OK, "%s, call %lu", d->name, n);
		expect_equal(m, damaged, d->name, "undone after a failure");
		memfile_free(m);
		memfile_free(u);
	}
	memfile_free(damaged);
	memfile_free(repaired);
	memfile_free(saved);
}

Test(undo, survives_failing_calls)
{
	for (unsigned i = 0; i < damage_count; i++)
		for (int way = 0; way < 3 && damages[i].mends != 0; way++)
			one_undo_fault(&damages[i], 1 + (i + (unsigned)way) % STEP, way == 1, way == 2);
	specimen_end();
}

static int64_t (*read_whole)(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error);

/* A sector of a block cannot be read. */
static int64_t read_but_one(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	const uint64_t bad = 4 * MIB + 8192;

	if (file_offset <= bad && file_offset + length > bad)
		return VHDX_E_IO;
	return read_whole(handle, buffer, length, file_offset, error);
}

/* What a repair does not touch is no reason to leave the rest. */
Test(undo, of_a_disk_with_an_unreadable_sector)
{
	for (unsigned i = 0; i < 2; i++) {
		struct memfile *damaged = damage_make(damage_named("header 0")), *m = memfile_copy(damaged),
			       *saved = memfile_new();
		struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
		struct vhdx_io bad = *file.io;
		const struct vhdx_io *good = file.io;
		struct outcome o;

		read_whole = good->read;
		bad.read = read_but_one;
		file.io = i == 0 ? &bad : good;
		o = repair(&file, &undo_file, 0);
		cr_assert_eq(o.status, VHDX_OK, "%s", o.error.message);
		file.io = &bad;
		if (i == 1) /* it was read then, and says nothing now */
			cr_expect_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_E_IO);
		cr_expect_eq(vhdx_undo(&file, &undo_file, i == 1 ? VHDX_UNDO_CHANGED : 0, NULL, NULL), VHDX_OK);
		expect_equal(m, damaged, "header 0", "not put back");
		file.io = good;
		cr_expect_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_OK);
		expect_equal(m, damaged, "header 0", "not put back again");
		memfile_free(damaged);
		memfile_free(m);
		memfile_free(saved);
	}
	specimen_end();
}

/* 32 bytes each, for the same gigabytes again and again. */
Test(undo, of_more_than_a_repair_would_save)
{
	enum { COUNT = 100000 };
	struct memfile *m = memfile_new(), *saved = memfile_new();
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = memfile_file(saved, "undo");
	struct undo_record record = { 0, 64 * MIB, true, 0 };
	struct undo_header header = { 64 * MIB, UNDO_RECORDS + (uint64_t)COUNT * UNDO_RECORD, 0, true };
	uint8_t bytes[UNDO_BLOCK];

	recipe_fill(m, 0, 64 * MIB, 0, 1);
	undo_header_encode(bytes, &header);
	memfile_write(saved, 0, bytes, sizeof(bytes));
	undo_record_encode(bytes, &record);
	for (unsigned i = 0; i < COUNT; i++)
		memfile_write(saved, UNDO_RECORDS + (uint64_t)i * UNDO_RECORD, bytes, UNDO_RECORD);
	cr_expect_eq(vhdx_undo(&file, &undo_file, 0, NULL, NULL), VHDX_E_DAMAGED);
	cr_expect_eq(vhdx_undo(&file, &undo_file, VHDX_UNDO_CHANGED, NULL, NULL), VHDX_E_DAMAGED);
	cr_expect_eq(memfile_size(m), 64 * MIB);
	memfile_free(m);
	memfile_free(saved);
}
