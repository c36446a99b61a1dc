/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(1048576)
enum { BLOCK = BLOCK_SECTORS, SMALL = 0, LARGE = 1 }; /* the sizes are values of one sector more */

const char *const op_names[OP_COUNT] = {
	"write-in-block", "write-new-block", "write-partial", "write-spanning", "zero-block", "zero-part", "discard",
	"resize",         "write-same",      "compact",       "defrag",         "flush",      "close",     "kill"
};

const struct kind kinds[] = {
	{ "vhdx-dynamic-512", VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 512, 0 },
	{ "vhdx-differencing-512", VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 512, 0 },
	{ "vhdx-fixed-512", VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 512, 0 },
	{ "vhdx-dynamic-4096", VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 4096, 0 },
	{ "vhdx-differencing-4096", VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 4096, 0 },
	{ "vhdx-fixed-4096", VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 4096, 0 },
	{ "vhd-dynamic", VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 512, 0 },
	{ "vhd-differencing", VHDX_FORMAT_VHD, VHDX_TYPE_DIFFERENCING, 512, 0 },
	{ "vhd-fixed", VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 512, 0 },
	{ "vhdx-wide", VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 512, 90 },
};
const size_t kind_count = sizeof(kinds) / sizeof(kinds[0]);

static void die(const char *what, const struct vhdx_error *error)
{
	char text[1400];

	fprintf(stderr, "cannot prepare: %s: %s\n", what, vhdx_error_text(error, text, sizeof(text)));
	exit(1);
}

/* The same numbers in each run, so that a history can be run again. */
static uint64_t random_state;

static int same_random(void *context, void *buffer, size_t length)
{
	uint8_t *p = buffer;

	(void)context;
	for (size_t i = 0; i < length; i++) {
		random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		p[i] = (uint8_t)(random_state >> 56);
	}
	return 0;
}

static uint64_t same_time(void *context)
{
	(void)context;
	return 1700000000;
}

struct workload_memory workload_memory;

static void *counted_allocate(void *context, size_t size)
{
	struct workload_memory *m = &workload_memory;

	(void)context;
	m->calls++;
	if (m->at != 0 && (m->sticky ? m->calls >= m->at : m->calls == m->at)) {
		m->hits++;
		return NULL;
	}
	m->live++;
	return malloc(size);
}

static void counted_release(void *context, void *memory)
{
	(void)context;
	workload_memory.live -= memory != NULL;
	free(memory);
}

static const struct vhdx_env same_env = { sizeof(same_env), NULL, counted_allocate, counted_release, same_random, same_time };

static int fill_source(void *context, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	(void)error;
	oracle_fill(buffer, offset / ORACLE_SECTOR, length / ORACLE_SECTOR, *(const int *)context);
	return VHDX_OK;
}

int workload_open(const struct workload *w, vhdx_disk **disk, struct cowfile *file, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file image = cow_file(file, "disk"), parent = w->parent != NULL ? cow_file(w->parent, "parent") : image;

	options.flags = flags;
	options.env = &same_env;
	options.parents = &parent;
	options.parent_count = w->parent != NULL;
	return vhdx_open_file(disk, &image, &options, error);
}

static void make(struct workload *w, struct cowfile *file, enum vhdx_type type, vhdx_disk *parent, int *content)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_source source = { content, w->disk_size, fill_source, NULL, NULL };
	struct vhdx_file image = cow_file(file, "new");
	struct vhdx_error error;

	options.env = &same_env;
	options.format = w->kind->format;
	options.type = type;
	options.size = w->disk_size;
	options.block_size = (uint32_t)MIB;
	options.parent = parent;
	options.parent_relative = parent != NULL ? ".\\parent" : NULL;
	options.source = content != NULL ? &source : NULL;
	if (w->kind->format == VHDX_FORMAT_VHDX) {
		options.logical_sector_size = w->kind->sector;
		options.physical_sector_size = 4096;
	}
	if (vhdx_create_file(&image, &options, &error) < 0)
		die("create", &error);
}

static void note_parent(struct workload *w, uint64_t sector, uint64_t count)
{
	for (uint64_t s = 0; s < count; s++)
		w->oracle.initial[sector + s] = 1;
}

/* The first sectors of the first blocks of each BAT page. */
static void fill_wide_parent(struct workload *w, vhdx_disk *parent)
{
	for (uint64_t block = 0; block < w->kind->wide * UINT64_C(512); block++) {
		uint8_t bytes[WIDE_SECTORS * ORACLE_SECTOR];
		struct vhdx_error error;

		if (block % 512 >= WIDE_ROUNDS)
			continue;
		oracle_fill(bytes, block * BLOCK, WIDE_SECTORS, 1);
		if (vhdx_write(parent, bytes, sizeof(bytes), block * MIB, &error) < 0)
			die("write parent", &error);
		note_parent(w, block * BLOCK, WIDE_SECTORS);
	}
}

static vhdx_disk *open_parent(struct workload *w, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = cow_file(w->parent, "parent");
	struct vhdx_error error;
	vhdx_disk *parent;

	options.flags = flags;
	options.env = &same_env;
	if (vhdx_open_file(&parent, &file, &options, &error) < 0)
		die("open parent", &error);
	return parent;
}

void workload_create(struct workload *w, struct cowfile *file, bool filled)
{
	int content = 1;
	vhdx_disk *parent = w->parent != NULL ? open_parent(w, 0) : NULL;

	make(w, file, w->kind->type, parent, filled ? &content : NULL);
	vhdx_close(parent);
}

static void make_with_parent(struct workload *w)
{
	int content = 1;

	w->parent = cow_new();
	make(w, w->parent, VHDX_TYPE_DYNAMIC, NULL, w->kind->wide != 0 ? NULL : &content);
	if (w->kind->wide != 0) {
		vhdx_disk *parent = open_parent(w, VHDX_OPEN_WRITE);

		fill_wide_parent(w, parent);
		if (vhdx_close(parent) < 0)
			die("close parent", &(struct vhdx_error){ .status = VHDX_E_IO });
	} else {
		note_parent(w, 0, w->disk_size / ORACLE_SECTOR);
	}
	workload_create(w, w->file, false);
}

static void learn(struct workload *w)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_extent extent;
	struct vhdx_error error;
	vhdx_disk *disk;

	if (workload_open(w, &disk, w->start, 0, &error) < 0 || vhdx_get_info(disk, 0, &info, &error) < 0 ||
	    vhdx_get_extent(disk, &extent, 0, MIB, &error) < 0)
		die("open", &error);
	w->structures_end = w->kind->format == VHDX_FORMAT_VHDX ? extent.file_offset / MIB * MIB : 0;
	w->file_id = info.file_write_guid;
	w->data_id = info.data_identity;
	vhdx_close(disk);
}

/* The first block holds something, the others are empty; the last one is short. */
void workload_start(struct workload *w, const struct kind *kind)
{
	struct vhdx_error error;

	random_state = 1;
	*w = (struct workload){ .kind = kind, .file = cow_new(), .next_value = 2 };
	w->disk_size = kind->wide != 0 ? kind->wide * 512 * MIB : 3 * MIB + MIB / 2;
	w->first_size = w->disk_size;
	oracle_start(&w->oracle, (w->disk_size + (kind->wide != 0 ? 0 : GROWN)) / ORACLE_SECTOR);
	w->oracle.initial[w->oracle.sectors] = SMALL;
	if (kind->type == VHDX_TYPE_DIFFERENCING)
		make_with_parent(w);
	else
		make(w, w->file, kind->type, NULL, NULL);
	if (workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, &error) < 0 || workload_write(w, 0, 128, &error) < 0)
		die("first write", &error);
	if (vhdx_close(w->disk) < 0)
		die("close", &error);
	w->disk = NULL;
	oracle_settle(&w->oracle);
	w->start = cow_copy(w->file);
	learn(w);
	workload_reset(w);
}

void workload_reset(struct workload *w)
{
	struct vhdx_error error;

	if (w->disk != NULL) {
		w->file->record = NULL;
		(void)vhdx_close(w->disk);
	}
	record_clear(&w->record);
	random_state = 2;
	w->next_value = 3;
	w->killed_at = 0;
	w->compactions = 0;
	w->oracle.count = 0;
	w->disk_size = w->first_size;
	cow_free(w->file);
	w->file = cow_copy(w->start);
	w->file->record = &w->record;
	if (workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, &error) < 0)
		die("open", &error);
}

void workload_end(struct workload *w)
{
	w->file->record = NULL;
	if (w->disk != NULL)
		(void)vhdx_close(w->disk);
	record_clear(&w->record);
	oracle_end(&w->oracle);
	cow_free(w->file);
	cow_free(w->start);
	cow_free(w->parent);
	free(w->scratch);
}

int workload_read_part(const struct workload *w, vhdx_disk *disk, uint8_t *bytes, uint64_t sector, uint64_t count,
		       struct vhdx_error *error)
{
	uint64_t end = vhdx_disk_size(disk) / ORACLE_SECTOR, inside = sector >= end ? 0 : end - sector, old = w->first_size;
	int status;

	inside = inside < count ? inside : count;
	memset(bytes, 0, count * ORACLE_SECTOR);
	status = inside == 0 ? VHDX_OK : vhdx_read(disk, bytes, inside * ORACLE_SECTOR, sector * ORACLE_SECTOR, error);
	/* the one footer of a fixed VHD, caught on its way: see vhdx_resize */
	old = old / ORACLE_SECTOR - sector;
	if (w->kind->format == VHDX_FORMAT_VHD && w->kind->type == VHDX_TYPE_FIXED && old < inside &&
	    memcmp(bytes + old * ORACLE_SECTOR, "conectix", 8) == 0)
		memset(bytes + old * ORACLE_SECTOR, 0, ORACLE_SECTOR);
	return status;
}

int workload_read(const struct workload *w, vhdx_disk *disk, uint8_t *bytes, struct vhdx_error *error)
{
	return workload_read_part(w, disk, bytes, 0, w->oracle.sectors, error);
}

bool workload_allows_size(const struct workload *w, size_t end, uint64_t size)
{
	int values[64];
	size_t count = oracle_allowed(&w->oracle, end, w->oracle.sectors, values, 64);

	for (size_t i = 0; i < count; i++)
		if (size == w->first_size + (values[i] == LARGE ? GROWN : 0))
			return true;
	return false;
}

/* Kept from one operation to the next: a sanitizer would map and fill it each time. */
static uint8_t *scratch(struct workload *w, uint64_t size)
{
	if (size > w->scratch_size) {
		free(w->scratch);
		w->scratch = malloc(size);
		w->scratch_size = w->scratch == NULL ? 0 : size;
	}
	return w->scratch;
}

int workload_write(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	uint8_t *bytes = scratch(w, count * ORACLE_SECTOR);
	int value = w->next_value++, status;

	oracle_fill(bytes, sector, count, value);
	oracle_write(&w->oracle, w->record.count, sector, count, value);
	status = vhdx_write(w->disk, bytes, count * ORACLE_SECTOR, sector * ORACLE_SECTOR, error);
	if (status < 0)
		oracle_doubt(&w->oracle, 1);
	return status;
}

int workload_zero(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	int status;

	oracle_write(&w->oracle, w->record.count, sector, count, 0);
	status = vhdx_write_zeroes(w->disk, sector * ORACLE_SECTOR, count * ORACLE_SECTOR, error);
	if (status < 0)
		oracle_doubt(&w->oracle, 1);
	return status;
}

/* What a discard makes of each sector is read back: zeros, or what was there. */
int workload_discard(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	size_t position = w->record.count;
	uint8_t *bytes = scratch(w, count * ORACLE_SECTOR);
	int status = vhdx_discard(w->disk, sector * ORACLE_SECTOR, count * ORACLE_SECTOR, error);

	if (status == VHDX_OK)
		status = vhdx_read(w->disk, bytes, count * ORACLE_SECTOR, sector * ORACLE_SECTOR, error);
	for (uint64_t first = 0, s = 0; status == VHDX_OK && s <= count; s++) {
		if (s < count && oracle_value(bytes + s * ORACLE_SECTOR, sector + s) == 0)
			continue;
		if (s != first)
			oracle_write(&w->oracle, position, sector + first, s - first, 0);
		first = s + 1;
	}
	if (status < 0) {
		oracle_write(&w->oracle, position, sector, count, 0);
		oracle_doubt(&w->oracle, 1);
	}
	return status;
}

/* What a dead process left is acknowledged by nobody, until something is flushed at all. */
static void acknowledge(struct workload *w)
{
	size_t i = w->killed_at;

	while (i != 0 && i < w->record.count && w->record.changes[i].kind != CHANGE_FLUSH)
		i++;
	if (w->killed_at == 0 || i < w->record.count)
		oracle_flush(&w->oracle, w->record.count);
}

static int close_and_open(struct workload *w, struct vhdx_error *error)
{
	int status = vhdx_close(w->disk);

	w->disk = NULL;
	if (status == VHDX_OK) {
		acknowledge(w);
		status = workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, error);
	} else {
		error->message[0] = '\0';
		error->status = status;
	}
	return status;
}

static bool is_allowed(const struct workload *w, uint64_t sector, int value)
{
	int values[64];
	size_t count = oracle_allowed(&w->oracle, w->record.count, sector, values, 64);

	while (count != 0 && values[count - 1] != value)
		count--;
	return count != 0;
}

/* One event for each run of sectors with the same value. */
static void note_found(struct workload *w, size_t position, uint64_t sector, int value)
{
	struct oracle_event *last = w->oracle.count != 0 ? &w->oracle.events[w->oracle.count - 1] : NULL;

	if (last != NULL && !last->is_flush && !last->maybe && last->position == position && last->value == value &&
	    last->sector + last->count == sector)
		last->count++;
	else
		oracle_write(&w->oracle, position, sector, 1, value);
}

/* What the next process finds is what it goes on with. */
static int take_as_found(struct workload *w, struct vhdx_error *error)
{
	uint8_t *bytes = scratch(w, w->oracle.sectors * ORACLE_SECTOR);
	size_t position = w->record.count;
	int status = workload_read(w, w->disk, bytes, error);

	w->disk_size = vhdx_disk_size(w->disk);
	if (!workload_allows_size(w, position, w->disk_size))
		status = VHDX_E_DAMAGED;
	else
		oracle_write(&w->oracle, position, w->oracle.sectors, 1, w->disk_size == w->first_size ? SMALL : LARGE);

	for (uint64_t s = 0; status == VHDX_OK && s < w->oracle.sectors; s++) {
		int value = oracle_value(bytes + s * ORACLE_SECTOR, s);

		if (value == oracle_newest(&w->oracle, s))
			continue;
		if (!is_allowed(w, s, value))
			status = VHDX_E_DAMAGED;
		note_found(w, position, s, value);
	}
	w->killed_at = position;
	if (status == VHDX_E_DAMAGED)
		(void)snprintf(error->message, sizeof(error->message), "a kill left a value that is not allowed");
	return status;
}

/* The process is gone; what it wrote is in the system's cache, not more durable than before. */
static int kill_and_open(struct workload *w, struct vhdx_error *error)
{
	struct cowfile *dead = w->file;
	int status;

	w->file = cow_copy(dead);
	w->file->record = &w->record;
	w->file->fault = dead->fault;
	dead->record = NULL;
	dead->fault = NULL;
	(void)vhdx_close(w->disk);
	cow_free(dead);
	w->disk = NULL;
	status = workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, error);
	return status == VHDX_OK ? take_as_found(w, error) : status;
}

/* A change of size makes everything durable. What is written then crosses the old end. */
static int resize(struct workload *w, struct vhdx_error *error)
{
	bool grows = w->disk_size == w->first_size;
	uint64_t size = w->first_size + (grows ? GROWN : 0), first = w->first_size / ORACLE_SECTOR;
	int status;

	if (w->kind->wide != 0)
		return VHDX_OK;
	oracle_write(&w->oracle, w->record.count, w->oracle.sectors, 1, grows ? LARGE : SMALL);
	if (!grows)
		oracle_write(&w->oracle, w->record.count, first, GROWN / ORACLE_SECTOR, 0);
	status = vhdx_resize(w->disk, size, VHDX_RESIZE_CUT, error);
	if (status < 0) {
		oracle_doubt(&w->oracle, grows ? 1 : 2);
		return status;
	}
	w->disk_size = size;
	acknowledge(w);
	return grows ? workload_write(w, first - 64, 128, error) : VHDX_OK;
}

/* What the parent of a differencing disk holds there. */
static int write_same(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	int next = w->next_value, status;

	w->next_value = 1;
	status = workload_write(w, sector, count, error);
	w->next_value = next;
	return status;
}

static int stop_when_moved(void *context, uint64_t done, uint64_t total)
{
	(void)total;
	return done > *(const uint64_t *)context;
}

/* Changes nothing that the oracle knows of, and makes everything durable unless it is stopped. */
static int compact(struct workload *w, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	int status;

	options.flags = flags;
	if (w->compactions++ % 2 == 1) {
		options.on_progress = stop_when_moved;
		options.on_progress_context = &w->disk_size;
	}
	status = vhdx_compact(w->disk, &options, error);
	if (status == VHDX_E_CANCELLED)
		return VHDX_OK;
	if (status == VHDX_OK)
		status = vhdx_flush(w->disk, error);
	if (status == VHDX_OK)
		acknowledge(w);
	return status;
}

int workload_run(struct workload *w, enum op op, struct vhdx_error *error)
{
	int status;

	switch (op) {
	case OP_WRITE_IN: return workload_write(w, 64, 16, error);
	case OP_WRITE_NEW: return workload_write(w, BLOCK + 256, 8, error);
	case OP_WRITE_PARTIAL: return workload_write(w, 2 * BLOCK + 8, 32, error);
	case OP_WRITE_SPAN: return workload_write(w, 2 * BLOCK - 64, 128, error);
	case OP_ZERO_BLOCK: return workload_zero(w, 0, BLOCK, error);
	case OP_ZERO_PART: return workload_zero(w, 32, 48, error);
	case OP_DISCARD: return workload_discard(w, 0, 2 * BLOCK, error);
	case OP_RESIZE: return resize(w, error);
	case OP_WRITE_SAME: return write_same(w, BLOCK + 128, 64, error);
	case OP_COMPACT: return compact(w, 0, error);
	case OP_DEFRAG: return compact(w, VHDX_COMPACT_DEFRAG | VHDX_COMPACT_PUNCH, error);
	case OP_FLUSH:
		status = vhdx_flush(w->disk, error);
		if (status == VHDX_OK)
			acknowledge(w);
		return status;
	case OP_CLOSE: return close_and_open(w, error);
	case OP_KILL: return kill_and_open(w, error);
	case OP_COUNT: break;
	}
	return VHDX_OK;
}
