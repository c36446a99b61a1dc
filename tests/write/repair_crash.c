/* SPDX-License-Identifier: MIT */
/* Repair at every crash point: the file is mended by the same repair, or put back by its undo file, which is whole or none. */
#include "repairing.h"

#include <stdlib.h>
#include <string.h>

#include "cowfile.h"
#include "states.h"
#include "support/recipe.h"

struct crash {
	const struct damage *d;
	struct cowfile *damaged;
	struct memfile *saved;
};

/* Holes are what holds zeros, in pieces of 64 KiB. */
static int tell_extent(void *handle, struct vhdx_file_extent *extent, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	static const uint8_t zeros[MEMFILE_PAGE];
	uint8_t page[MEMFILE_PAGE];
	uint64_t part = MEMFILE_PAGE - offset % MEMFILE_PAGE;

	(void)error;
	extent->length = part < length ? part : length;
	cow_read(handle, page, (size_t)extent->length, offset);
	extent->is_hole = memcmp(page, zeros, (size_t)extent->length) == 0;
	return VHDX_OK;
}

/* A file that can tell holes, and make them anywhere. */
static struct vhdx_file disk_in(struct cowfile *c)
{
	static struct vhdx_io io;
	struct vhdx_file file = cow_file(c, "disk");

	io = *file.io;
	io.punch = io.zero;
	io.extent = tell_extent;
	file.io = &io;
	return file;
}

static struct cowfile *cow_of(struct memfile *m)
{
	static uint8_t page[65536];
	struct cowfile *c = cow_new();
	struct vhdx_file file = cow_file(c, "disk"), source = memfile_file(m, "disk");
	struct vhdx_file_extent extent;

	cr_assert_eq(file.io->set_size(file.handle, memfile_size(m), NULL), VHDX_OK);
	for (uint64_t at = 0; at < memfile_size(m); at += extent.length) {
		cr_assert_eq(source.io->extent(source.handle, &extent, at, memfile_size(m) - at, NULL), VHDX_OK);
		for (uint64_t done = 0; !extent.is_hole && done < extent.length; done += sizeof(page)) {
			size_t part = extent.length - done < sizeof(page) ? (size_t)(extent.length - done) : sizeof(page);

			memfile_read(m, at + done, page, part);
			cow_write(c, page, part, at + done);
		}
	}
	return c;
}

static int check_state(void *context, struct cowfile *state, size_t end, const char *what)
{
	struct crash *crash = context;
	const struct damage *d = crash->d;
	struct cowfile *copy = cow_copy(state);
	struct vhdx_file file = disk_in(copy), undo_file = memfile_file(crash->saved, "undo");
	struct memfile *kept = memfile_copy(crash->saved);
	struct vhdx_error error = { .message = "" };
	struct outcome o;

	(void)end;
	undo_file = memfile_file(kept, "undo");
	cr_assert_eq(vhdx_undo(&file, &undo_file, VHDX_UNDO_CHANGED, NULL, &error), VHDX_OK, "%s, %s: %s", d->name, what,
		     error.message);
	cr_assert(cow_equal(copy, crash->damaged), "%s, %s: not put back", d->name, what);
	cow_free(copy);
	memfile_free(kept);
	file = disk_in(state);
	if (!d->loses)
		expect_content(d, &file, what);
	o = repair(&file, NULL, d->flags | VHDX_REPAIR_NO_UNDO);
	cr_assert_eq(o.status, VHDX_OK, "%s, %s: %s", d->name, what, o.error.message);
	expect_mended(d, &file, what);
	return 0;
}

static void crash_everywhere(const struct damage *d)
{
	struct memfile *m = damage_make(d);
	struct record record = { NULL, 0, 0 };
	struct crash crash = { d, cow_of(m), memfile_new() };
	struct cowfile *worked = cow_copy(crash.damaged);
	struct vhdx_file file = disk_in(worked), undo_file = memfile_file(crash.saved, "undo");
	struct states states = { .start = crash.damaged,
				 .record = &record,
				 .samples = 50,
				 .seed = 1,
				 .spoil_below = 192 * 1024,
				 .spoil_footers = true,
				 .check = check_state,
				 .context = &crash };

	worked->record = &record;
	cr_assert_eq(repair(&file, &undo_file, d->flags).status, VHDX_OK);
	worked->record = NULL;
	if (d->mends != 0) {
		cr_assert_eq(states_enumerate(&states), 0);
		cr_assert_gt(states.made, 2, "%s", d->name);
	}
	record_clear(&record);
	cow_free(crash.damaged);
	cow_free(worked);
	memfile_free(crash.saved);
	memfile_free(m);
}

Test(repair, survives_every_crash)
{
	for (unsigned i = 0; i < damage_count; i++)
		if (damages[i].kind != SPECIMEN_VHDX_HUGE && damages[i].kind != SPECIMEN_VHD_HUGE)
			crash_everywhere(&damages[i]);
	specimen_end();
}

/* A killed writer may have left the header that counts, or the footer, on its way to the disk: it must be there before the other one is written over. */
static void crash_with_predecessor(const char *name, uint64_t left, size_t length)
{
	const struct damage *d = damage_named(name);
	struct memfile *m = damage_make(d), *before = memfile_copy(m);
	struct record record = { NULL, 0, 0 };
	struct crash crash = { d, NULL, memfile_new() };
	struct vhdx_file file, undo_file = memfile_file(crash.saved, "undo");
	struct states states = {
		.record = &record, .samples = 50, .seed = 1, .spoil_below = 192 * 1024, .check = check_state, .context = &crash
	};
	struct cowfile *start, *worked;
	uint8_t *bytes = malloc(length);

	left = left == 0 ? memfile_size(m) - length : left;
	memfile_read(m, left, bytes, length);
	recipe_put(before, left + length - 8, 8, 1); /* what it is as long as the last write is on its way */
	start = cow_of(before);
	states.start = start;
	worked = cow_copy(start);
	worked->record = &record;
	file = disk_in(worked);
	cr_assert_eq(file.io->write(file.handle, bytes, length, left, NULL), (int64_t)length);
	crash.damaged = cow_copy(worked);
	cr_assert_eq(repair(&file, &undo_file, d->flags).status, VHDX_OK);
	worked->record = NULL;
	states.from = 1;
	cr_assert_eq(states_enumerate(&states), 0);
	free(bytes);
	record_clear(&record);
	cow_free(crash.damaged);
	cow_free(start);
	cow_free(worked);
	memfile_free(crash.saved);
	memfile_free(m);
	memfile_free(before);
}

Test(repair, waits_for_what_a_killed_writer_has_left)
{
	crash_with_predecessor("region table 0", RECIPE_HEADER(1), 4096);
	crash_with_predecessor("footers that differ", 0, 512);
	specimen_end();
}

/* A crash while the undo file is made leaves one that is whole, or none. */
static int check_undo_file(void *context, struct cowfile *state, size_t end, const char *what)
{
	const struct damage *d = ((struct crash *)context)->d;
	struct memfile *m = damage_make(d), *damaged = memfile_copy(m);
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = cow_file(state, "undo");
	int status = vhdx_undo(&file, &undo_file, VHDX_UNDO_CHANGED, NULL, NULL);

	(void)end;
	cr_assert(status == VHDX_OK || status == VHDX_E_NOT_IMAGE, "%s: %d", what, status);
	expect_equal(m, damaged, d->name, what);
	memfile_free(m);
	memfile_free(damaged);
	return 0;
}

Test(undo, survives_a_crash_while_it_is_saved)
{
	struct crash crash = { damage_named("all of a VHDX"), NULL, NULL };
	struct memfile *m = damage_make(crash.d);
	struct record record = { NULL, 0, 0 };
	struct cowfile *start = cow_new(), *saved = cow_copy(start);
	struct vhdx_file file = memfile_file(m, "disk"), undo_file = cow_file(saved, "undo");
	struct states states = {
		.start = start, .record = &record, .samples = 50, .seed = 1, .check = check_undo_file, .context = &crash
	};

	saved->record = &record;
	cr_assert_eq(repair(&file, &undo_file, 0).status, VHDX_OK);
	saved->record = NULL;
	cr_assert_eq(states_enumerate(&states), 0);
	record_clear(&record);
	cow_free(start);
	cow_free(saved);
	memfile_free(m);
	specimen_end();
}
