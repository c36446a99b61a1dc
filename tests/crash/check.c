/* SPDX-License-Identifier: MIT */
#include "check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "watch.h"

enum { WHOLE_EVERY = 64, REPLAY_EVERY = 16, REPLAY_SAMPLES = 20, MOST_DUMPED = 24 };

void check_start(struct test *t, const struct kind *kind)
{
	uint64_t most = kind->wide != 0 ? kind->wide * UINT64_C(1) * WIDE_ROUNDS * WIDE_SECTORS * ORACLE_SECTOR : 0;

	workload_start(&t->w, kind);
	most = kind->wide != 0 ? most : t->w.oracle.sectors * ORACLE_SECTOR;
	t->content = malloc(most);
	t->found = malloc(most);
	if (t->content == NULL || t->found == NULL)
		abort();
}

void check_end(struct test *t)
{
	watch_drop(t);
	seen_clear(&t->logs);
	workload_end(&t->w);
	free(t->content);
	free(t->found);
}

int violate(struct test *t, const char *what, const char *detail)
{
	(void)snprintf(t->violation, sizeof(t->violation), "%s: %s: %s: %s", t->w.kind->name, t->description, what, detail);
	return 1;
}

int violate_error(struct test *t, const char *what, const char *step, const struct vhdx_error *error)
{
	char text[1300], detail[1400];

	(void)snprintf(detail, sizeof(detail), "%s: %s", step, vhdx_error_text(error, text, sizeof(text)));
	return violate(t, what, detail);
}

/* Opens, reads what is watched, and closes. */
static int read_state(struct test *t, const struct watch *watch, struct cowfile *file, unsigned flags, uint8_t *content,
		      struct vhdx_info *info, struct vhdx_error *error)
{
	vhdx_disk *disk;
	int status = workload_open(&t->w, &disk, file, flags, error);

	if (status < 0)
		return status;
	status = vhdx_get_info(disk, 0, info, error);
	if (status == VHDX_OK && info->virtual_size != t->w.first_size && info->virtual_size != t->w.first_size + GROWN)
		status = VHDX_E_DAMAGED;
	if (status == VHDX_OK)
		status = watch_read(t, watch, disk, content, error);
	if (vhdx_close(disk) < 0 && status == VHDX_OK)
		status = error->status = VHDX_E_IO;
	return status;
}

struct again {
	struct test *t;
	struct watch *watch;
	const char *what;
	struct vhdx_info info; /* before the replay */
	uint64_t body;         /* hash of what is behind the log */
};

static uint64_t hash_body(struct cowfile *state, const struct vhdx_info *info)
{
	return cow_hash(state, info->log_offset + info->log_length, UINT64_MAX);
}

static bool is_same_guid(const struct vhdx_guid *a, const struct vhdx_guid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static int check_replay_state(void *context, struct cowfile *state, size_t end, const char *how)
{
	struct again *a = context;
	struct test *t = a->t;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	char what[500];

	(void)end;
	t->distinct++;
	(void)snprintf(what, sizeof(what), "%s, then in the replay %s", a->what, how);
	if (read_state(t, a->watch, state, 0, t->found, &info, &error) < 0)
		return violate_error(t, what, "open", &error);
	if (memcmp(t->found, t->content, a->watch->sectors * ORACLE_SECTOR) != 0)
		return violate(t, what, "reads something else than before the replay");
	if (t->w.structures_end != 0 && is_same_guid(&info.file_write_guid, &a->info.file_write_guid) &&
	    hash_body(state, &info) != a->body)
		return violate(t, what, "replayed under the old FileWriteGuid (W1)");
	return 0;
}

static int crash_replay(struct again *a, struct cowfile *state, const struct record *replay)
{
	struct test *t = a->t;
	struct states s = { .start = state,
			    .record = replay,
			    .samples = REPLAY_SAMPLES,
			    .seed = 1,
			    .few = t->w.kind->wide != 0,
			    .spoil_below = t->w.structures_end,
			    .spoil_footers = t->w.kind->format == VHDX_FORMAT_VHD && t->w.kind->type != VHDX_TYPE_FIXED,
			    .check = check_replay_state,
			    .context = a };
	int result = states_enumerate(&s);

	t->states += s.made;
	return result;
}

/* Opens the state for writing, which replays its log, and compares. */
static int check_replay(struct again *a, struct cowfile *state)
{
	struct test *t = a->t;
	struct record replay = { NULL, 0, 0 };
	struct cowfile *work = cow_copy(state), *before = NULL;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	int result = 0;

	t->replays++;
	work->record = &replay;
	if (read_state(t, a->watch, work, VHDX_OPEN_WRITE, t->found, &info, &error) < 0)
		result = violate_error(t, a->what, "open for writing", &error);
	else if (memcmp(t->found, t->content, a->watch->sectors * ORACLE_SECTOR) != 0)
		result = violate(t, a->what, "reads something else after a real replay");
	if (result == 0) {
		before = cow_copy(work);
		work->record = NULL;
		if (read_state(t, a->watch, work, VHDX_OPEN_WRITE, t->found, &info, &error) < 0)
			result = violate_error(t, a->what, "second open", &error);
		else if (!cow_equal(before, work))
			result = violate(t, a->what, "a second open for writing changed the file");
	}
	if (result == 0 && replay.count != 0)
		result = crash_replay(a, state, &replay);
	work->record = NULL;
	record_clear(&replay);
	cow_free(before);
	cow_free(work);
	return result;
}

/* W1: who looks at the identifiers only must know that something is new. */
static int check_identifiers(struct test *t, struct cowfile *state, const struct vhdx_info *info, const char *what)
{
	if (t->w.structures_end == 0 || !is_same_guid(&info->file_write_guid, &t->w.file_id) ||
	    hash_body(state, info) == hash_body(t->w.start, info))
		return 0;
	return violate(t, what, "changed under the old FileWriteGuid (W1)");
}

static bool same_as_start(const struct test *t, const struct watch *watch)
{
	for (size_t i = 0; i < watch->count; i++)
		for (uint64_t s = 0; s < watch->ranges[i].count; s++)
			if (oracle_value(t->content + (watch->ranges[i].at + s) * ORACLE_SECTOR, watch->ranges[i].sector + s) !=
			    t->w.oracle.initial[watch->ranges[i].sector + s])
				return false;
	return true;
}

static int check_content(struct test *t, struct watch *watch, const struct vhdx_info *info, size_t end, const char *what)
{
	char detail[300];
	uint64_t sector;
	int value, allowed[64], length;

	if (!workload_allows_size(&t->w, end, info->virtual_size)) {
		(void)snprintf(detail, sizeof(detail), "the disk has %" PRIu64 " bytes", info->virtual_size);
		return violate(t, what, detail);
	}
	if (!watch_compare(watch, &t->w.oracle, end, t->content, &sector, &value)) {
		size_t count = oracle_allowed(&t->w.oracle, end, sector, allowed, 64);

		length = snprintf(detail, sizeof(detail),
				  "sector %" PRIu64 " holds value %d (-1: foreign bytes), allowed:", sector, value);
		for (size_t i = 0; i < count && length < 280; i++)
			length += snprintf(detail + length, sizeof(detail) - (size_t)length, " %d", allowed[i]);
		return violate(t, what, detail);
	}
	if (t->w.structures_end != 0 && is_same_guid(&info->data_identity, &t->w.data_id) && !same_as_start(t, watch))
		return violate(t, what, "other content under the old DataWriteGuid (W1)");
	return 0;
}

/* A pending log, and the content that its replay must give. */
static void dump(struct test *t, struct cowfile *state, const struct vhdx_info *info)
{
	char path[600];
	vhdx_disk *disk;
	struct vhdx_error error;
	uint8_t *whole;
	FILE *out;

	if (t->dump == NULL || info->log_state != VHDX_LOG_REPLAYED_IN_MEMORY || info->log_entries == 0 ||
	    t->dumped == MOST_DUMPED || t->distinct % 37 != 0)
		return;
	(void)snprintf(path, sizeof(path), "%s/%s-%s-%02u.vhdx", t->dump, t->w.kind->name, t->part, t->dumped++);
	whole = malloc(info->virtual_size);
	if (whole == NULL || cow_save(state, path) != 0 || workload_open(&t->w, &disk, state, 0, &error) < 0)
		abort();
	if (vhdx_read(disk, whole, info->virtual_size, 0, &error) < 0)
		abort();
	vhdx_close(disk);
	memcpy(strrchr(path, '.'), ".raw", 5);
	out = fopen(path, "wb");
	if (out == NULL || fwrite(whole, 1, info->virtual_size, out) != info->virtual_size || fclose(out) != 0)
		abort();
	free(whole);
}

static bool is_replay_due(struct test *t, struct cowfile *state)
{
	if (t->full || t->distinct % REPLAY_EVERY == 0)
		return true;
	return t->w.structures_end != 0 && t->w.kind->wide == 0 && seen_add(&t->logs, cow_hash(state, 0, t->w.structures_end));
}

static int check_state(void *context, struct cowfile *state, size_t end, const char *what)
{
	struct test *t = context;
	struct watch *watch = t->full || t->distinct % WHOLE_EVERY == 0 ? &t->all : &t->some;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	int result;

	t->distinct++;
	if (read_state(t, watch, state, 0, t->content, &info, &error) < 0)
		return violate_error(t, what, "open", &error);
	result = check_content(t, watch, &info, end, what);
	if (result == 0)
		result = check_identifiers(t, state, &info, what);
	if (result != 0)
		return result;
	dump(t, state, &info);
	return is_replay_due(t, state) ? check_replay(&(struct again){ t, watch, what, info, hash_body(state, &info) }, state)
				       : 0;
}

int check_crashes(struct test *t, size_t from, unsigned samples, uint64_t seed)
{
	struct states s = { .start = t->w.start,
			    .record = &t->w.record,
			    .from = from,
			    .samples = samples,
			    .seed = seed,
			    .few = t->w.kind->wide != 0,
			    .spoil_below = t->w.structures_end,
			    .spoil_footers = t->w.kind->format == VHDX_FORMAT_VHD && t->w.kind->type != VHDX_TYPE_FIXED,
			    .check = check_state,
			    .context = t };
	int result;

	watch_choose(t);
	result = states_enumerate(&s);
	t->states += s.made;
	return result;
}
