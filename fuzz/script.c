/* SPDX-License-Identifier: MIT */
/*
 * fuzz_script: a script of operations on a disk that the library itself made, with the oracle of the crash test (tests/crash): reads give what was written last;
 * after a crash that keeps, loses or tears each write since the last flush, every sector holds a value that is allowed; reopening and killing lose nothing that was
 * flushed. Calls and allocations fail when the input says so.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "workload.h"

enum { KINDS = 9, OPERATIONS = 48, CRASHES = 3, KILLS = 2, MOST_SECTORS = 512 };

struct script {
	struct workload *w;
	struct fuzz_input *in;
	struct fault fault;
	bool failing;
	unsigned crashes, kills;
	uint8_t bytes[MOST_SECTORS * ORACLE_SECTOR];
};

static void must(const struct script *s, const char *what, int status, const struct vhdx_error *error)
{
	char text[1500];

	if (status < 0 && !s->failing)
		fuzz_finding("%s: %s: %s", s->w->kind->name, what, vhdx_error_text(error, text, sizeof(text)));
}

static void check_sector(struct script *s, vhdx_disk *disk, uint64_t sector, size_t end, const char *what)
{
	int values[64], found;
	size_t count = oracle_allowed(&s->w->oracle, end, sector, values, 64);
	struct vhdx_error error;

	if (workload_read_part(s->w, disk, s->bytes, sector, 1, &error) < 0)
		fuzz_finding("%s: %s: sector %" PRIu64 " cannot be read: %s", s->w->kind->name, what, sector, error.message);
	found = oracle_value(s->bytes, sector);
	for (size_t i = 0; i < count; i++)
		if (values[i] == found)
			return;
	if (count < 64)
		fuzz_finding("%s: %s: sector %" PRIu64 " holds %d, which is not allowed", s->w->kind->name, what, sector, found);
}

/* The ends of every range that was written, and their neighbours. */
static void check_sectors(struct script *s, vhdx_disk *disk, size_t end, const char *what)
{
	const struct oracle *o = &s->w->oracle;

	for (size_t i = 0; i < o->count; i++) {
		const struct oracle_event *e = &o->events[i];

		if (e->is_flush || e->sector == o->sectors) /* the size is no sector */
			continue;
		check_sector(s, disk, e->sector, end, what);
		check_sector(s, disk, e->sector + e->count - 1, end, what);
		check_sector(s, disk, e->sector + e->count / 2, end, what);
		if (e->sector != 0)
			check_sector(s, disk, e->sector - 1, end, what);
		if (e->sector + e->count < o->sectors)
			check_sector(s, disk, e->sector + e->count, end, what);
	}
	check_sector(s, disk, 0, end, what);
	check_sector(s, disk, o->sectors - 1, end, what);
}

/* A crash at some moment: the changes since the flush before it are kept, lost or torn as the input says. */
static void crash(struct script *s)
{
	struct workload *w = s->w;
	size_t end = w->record.count != 0 ? (size_t)fuzz_below(s->in, w->record.count + 1) : 0, flushed = 0;
	struct cowfile *state = cow_copy(w->start);
	struct vhdx_error error;
	vhdx_disk *disk;
	char text[1500];

	for (size_t i = 0; i < end; i++)
		if (w->record.changes[i].kind == CHANGE_FLUSH)
			flushed = i;
	for (size_t i = 0; i < end; i++) {
		uint8_t fate = i < flushed ? 0 : fuzz_byte(s->in);

		if (fate % 4 != 1)
			cow_apply(state, &w->record.changes[i], fate % 4 == 2 ? fuzz_take(s->in, 2) | 1 : UINT64_MAX);
	}
	for (unsigned writing = 0; writing < 2; writing++) {
		if (workload_open(w, &disk, state, writing ? VHDX_OPEN_WRITE : 0, &error) < 0)
			fuzz_finding("%s: does not open after a crash: %s", w->kind->name,
				     vhdx_error_text(&error, text, sizeof(text)));
		check_sectors(s, disk, end, writing ? "after a crash and a replay" : "after a crash");
		if (vhdx_close(disk) < 0)
			fuzz_finding("%s: closing after a crash", w->kind->name);
	}
	cow_free(state);
}

static void check_read(struct script *s, uint64_t sector, uint64_t count)
{
	uint64_t skew = fuzz_byte(s->in) % ORACLE_SECTOR, length = count * ORACLE_SECTOR - skew;
	uint8_t expected[ORACLE_SECTOR];
	struct vhdx_error error;
	int status = vhdx_read(s->w->disk, s->bytes, length, sector * ORACLE_SECTOR + skew, &error);

	must(s, "read", status, &error);
	for (uint64_t i = 0; status == VHDX_OK && i < count; i++) {
		int value = oracle_newest(&s->w->oracle, sector + i);
		size_t from = i == 0 ? (size_t)skew : 0;

		if (value == ORACLE_UNKNOWN)
			continue;
		oracle_fill(expected, sector + i, 1, value);
		if (memcmp(s->bytes + i * ORACLE_SECTOR + from - skew, expected + from, ORACLE_SECTOR - from) != 0)
			fuzz_finding("%s: sector %" PRIu64 " is not what was written last", s->w->kind->name, sector + i);
	}
}

static void take_range(struct script *s, uint64_t *sector, uint64_t *count)
{
	uint8_t size = fuzz_byte(s->in), where = fuzz_byte(s->in);
	uint64_t sectors = s->w->disk_size / ORACLE_SECTOR, block = where % 4 * (uint64_t)BLOCK_SECTORS;

	*sector = where < 64 ? fuzz_take(s->in, 2) % sectors : block + (where / 4 % 8 == 0 ? 0 : fuzz_byte(s->in) * UINT64_C(8));
	*sector = *sector < sectors ? *sector : sectors - 1;
	*count = size < 240 ? size % 33 + 1 : MOST_SECTORS;
	*count = *count < sectors - *sector ? *count : sectors - *sector;
}

static int operate(struct script *s, uint8_t choice, struct vhdx_error *error)
{
	uint64_t sector, count;

	switch (choice % 16) {
	case 0:
	case 1:
	case 2:
	case 3: take_range(s, &sector, &count); return workload_write(s->w, sector, count, error);
	case 4: take_range(s, &sector, &count); return workload_zero(s->w, sector, count, error);
	case 5: return workload_run(s->w, OP_ZERO_BLOCK, error);
	case 6:
		sector = fuzz_byte(s->in) % 3 * (uint64_t)BLOCK_SECTORS;
		count = BLOCK_SECTORS * (choice / 16 % 2 + UINT64_C(1));
		count = count < s->w->disk_size / ORACLE_SECTOR - sector ? count : s->w->disk_size / ORACLE_SECTOR - sector;
		return workload_discard(s->w, sector, count, error);
	case 7:
	case 8:
	case 9:
		take_range(s, &sector, &count);
		check_read(s, sector, count);
		return VHDX_OK;
	case 10: return workload_run(s->w, OP_CLOSE, error);
	case 11:
		if (s->kills++ < KILLS)
			return workload_run(s->w, OP_KILL, error);
		return VHDX_OK;
	case 12:
		/* a call done in parts of less than a sector may be torn inside one, which no device does */
		if (s->crashes++ < CRASHES && !s->failing && (s->fault.at == 0 || s->fault.kind != FAULT_SHORT))
			crash(s);
		return VHDX_OK;
	case 13: return workload_run(s->w, (enum op)(choice / 16 % OP_DISCARD), error);
	case 14:
		if (choice / 16 % 4 == 0)
			return workload_run(s->w, OP_RESIZE, error);
		if (choice / 16 % 4 == 1)
			return workload_run(s->w, OP_COMPACT, error);
		return workload_run(s->w, OP_FLUSH, error);
	default: return workload_run(s->w, OP_FLUSH, error);
	}
}

static void heal(struct script *s)
{
	s->fault.at = 0;
	workload_memory.at = 0;
}

/* Byte 0 the disk, 1 what fails, 2 and 3 when. */
static void arm(struct script *s)
{
	uint8_t kind = fuzz_byte(s->in);
	uint64_t at = fuzz_take(s->in, 2) % 512 + 1;

	s->fault = (struct fault){ .kind = (enum fault_kind)(kind % 4), .sticky = kind % 8 >= 4 };
	s->failing = kind >= 160;
	workload_memory = (struct workload_memory){ .at = kind >= 230 ? at % 64 + 1 : 0,
						    .sticky = kind % 2 == 0,
						    .live = workload_memory.live };
	s->fault.at = s->failing && kind < 230 ? at : 0;
	s->failing = s->failing && !(kind < 230 && s->fault.kind == FAULT_SHORT);
	s->w->file->fault = &s->fault;
}

/* Whatever failed: the next process finds what is allowed, and the disk works. */
static void finish(struct script *s)
{
	struct workload *w = s->w;
	struct vhdx_error error = { .message = "" };
	int status = VHDX_OK;

	heal(s);
	if (w->disk == NULL)
		status = workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, &error);
	s->failing = false;
	must(s, "open at the end", status, &error);
	must(s, "kill at the end", workload_run(w, OP_KILL, &error), &error);
	must(s, "write at the end", workload_write(w, 5, 3, &error), &error);
	must(s, "flush at the end", workload_run(w, OP_FLUSH, &error), &error);
	check_read(s, 0, 16);
}

static void run(struct fuzz_input *in)
{
	static struct workload workloads[KINDS];
	static struct script s;
	unsigned kind = fuzz_byte(in) % KINDS;
	struct vhdx_error error;
	uint64_t live = workload_memory.live;

	memset(&s, 0, sizeof(s));
	s.w = &workloads[kind];
	s.in = in;
	if (s.w->kind == NULL)
		workload_start(s.w, &kinds[kind]);
	else
		workload_reset(s.w);
	arm(&s);
	for (unsigned i = 0; i < OPERATIONS && in->left != 0; i++) {
		int status = operate(&s, fuzz_byte(in), &error);

		must(&s, "operation", status, &error);
		if (s.w->disk == NULL || (status < 0 && status != VHDX_E_NO_SPACE && status != VHDX_E_NO_MEMORY))
			break;
	}
	finish(&s);
	s.w->file->record = NULL;
	s.w->file->fault = NULL;
	if (vhdx_close(s.w->disk) < 0)
		fuzz_finding("%s: closing at the end", s.w->kind->name);
	s.w->disk = NULL;
	if (s.w->file->size > UINT64_C(64) << 20)
		fuzz_finding("%s: the file has grown to %" PRIu64 " bytes", s.w->kind->name, s.w->file->size);
	if (workload_memory.live > live)
		fuzz_finding("%s: memory is not given back", s.w->kind->name);
}

static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	enum { LENGTH = 160 };

	if (number >= 3 * KINDS || size < LENGTH)
		return 0;
	for (unsigned i = 0; i < LENGTH; i++)
		out[i] = (uint8_t)(i * 41 * (number + 1) + i / 7);
	out[0] = (uint8_t)number;
	out[1] = (uint8_t)(number < KINDS ? 0 : number < 2 * KINDS ? 170 + number : 235);
	return LENGTH;
}

const struct fuzz_target fuzz_script = { "fuzz_script", run, seed, 0 };
