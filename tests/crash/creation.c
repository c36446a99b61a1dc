/* SPDX-License-Identifier: MIT */
/* A creation that a crash cuts short leaves no image, or a whole one (W10). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runs.h"

enum { SAMPLES = 200 };

struct creation {
	struct test *t;
	const struct record *record;
	uint8_t *wanted, *found; /* content of the disk */
};

/*
 * The last flush makes an image for certain. Before it there may be none, and of a dynamic VHD a part that says so: its footer at the end comes first, and leads
 * to a header that is not there yet.
 */
static bool may_refuse(const struct creation *c, size_t end, int status)
{
	const struct kind *kind = c->t->w.kind;

	if (end == c->record->count)
		return false;
	return status == VHDX_E_NOT_IMAGE ||
	       (status == VHDX_E_DAMAGED && kind->format == VHDX_FORMAT_VHD && kind->type != VHDX_TYPE_FIXED);
}

static int check_state(void *context, struct cowfile *state, size_t end, const char *what)
{
	static const unsigned flags[] = { 0, VHDX_OPEN_WRITE };
	struct creation *c = context;
	struct test *t = c->t;

	t->distinct++;
	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_error error = { .status = 0 };
		vhdx_disk *disk;
		int status = workload_open(&t->w, &disk, state, flags[i], &error);

		if (status < 0) {
			if (may_refuse(c, end, status))
				continue;
			return violate_error(t, what, "open", &error);
		}
		if (vhdx_disk_size(disk) != t->w.disk_size)
			status = VHDX_E_RANGE;
		else
			status = vhdx_read(disk, c->found, t->w.disk_size, 0, &error);
		if (vhdx_close(disk) < 0 || status < 0)
			return violate_error(t, what, "taken for an image, but it cannot be used", &error);
		if (memcmp(c->found, c->wanted, t->w.disk_size) != 0)
			return violate(t, what, "taken for an image, but its content is not there");
	}
	return 0;
}

static int run_one(struct test *t, bool filled)
{
	struct record record = { NULL, 0, 0 };
	struct cowfile *empty = cow_new(), *file = cow_new();
	struct creation c = { t, &record, malloc(t->w.disk_size), malloc(t->w.disk_size) };
	struct states s = { .start = empty,
			    .record = &record,
			    .samples = SAMPLES,
			    .seed = 1,
			    .spoil_below = UINT64_MAX,
			    .check = check_state,
			    .context = &c };
	int result;

	if (c.wanted == NULL || c.found == NULL)
		abort();
	(void)snprintf(t->description, sizeof(t->description), "create%s", filled ? " with content" : "");
	file->record = &record;
	workload_create(&t->w, file, filled);
	for (uint64_t sector = 0; sector < t->w.disk_size / ORACLE_SECTOR; sector++) /* value 1, of the source or of the parent */
		oracle_fill(c.wanted + sector * ORACLE_SECTOR, sector, 1, filled || t->w.parent != NULL ? 1 : 0);
	result = states_enumerate(&s);
	t->states += s.made;
	file->record = NULL;
	record_clear(&record);
	cow_free(file);
	cow_free(empty);
	free(c.wanted);
	free(c.found);
	return result;
}

int run_creation(struct test *t)
{
	int result = run_one(t, false);

	return result == 0 && t->w.parent == NULL ? run_one(t, true) : result;
}
