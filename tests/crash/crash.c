/* SPDX-License-Identifier: MIT */
/*
 * The crash test: runs workloads, makes every state in which a crash could have left the file, and looks at each with a fresh library.
 *
 *   the file opens, and each sector holds a value that the oracle allows
 *   opening it for writing (a real replay) changes nothing of that, and doing so again changes no byte
 *   a crash during that replay leaves a file that reads the same
 *
 *   crash [--length N] [--kind NAME] [--random N] [--seed N]   prints "N crash states, 0 violations", or the violation; status 1
 *   crash --barriers   (built with VHDX_TEST_BARRIERS) leaves out each ordering flush in turn; each must make the test fail
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "states.h"
#include "workload.h"
#if defined(VHDX_TEST_BARRIERS)
#include "engine/barrier.h"
#endif

struct test {
	struct workload w;
	uint64_t states;
	uint8_t *content;
	char description[300];
	char violation[1800];
	bool deep; /* look at crashes during replay too */
};

static int violate(struct test *t, const char *what, const char *detail)
{
	(void)snprintf(t->violation, sizeof(t->violation), "%s: %s: %s: %s", t->w.kind->name, t->description, what, detail);
	return 1;
}

static int violate_error(struct test *t, const char *what, const char *step, const struct vhdx_error *error)
{
	char text[1300], detail[1400];

	(void)snprintf(detail, sizeof(detail), "%s: %s", step, vhdx_error_text(error, text, sizeof(text)));
	return violate(t, what, detail);
}

static int check_sector(struct test *t, const uint8_t *bytes, uint64_t sector, size_t end, const char *what)
{
	int allowed[64], value = oracle_value(bytes, sector);
	size_t count = oracle_allowed(&t->w.oracle, end, sector, allowed, 64);
	char detail[300];
	int length;

	for (size_t i = 0; i < count; i++)
		if (allowed[i] == value)
			return 0;
	length = snprintf(detail, sizeof(detail), "sector %" PRIu64 " holds value %d (-1: foreign bytes), allowed:", sector, value);
	for (size_t i = 0; i < count && length < 280; i++)
		length += snprintf(detail + length, sizeof(detail) - (size_t)length, " %d", allowed[i]);
	return violate(t, what, detail);
}

static int read_all(struct test *t, struct cowfile *file, unsigned flags, uint8_t *content, struct vhdx_error *error)
{
	vhdx_disk *disk;
	int status = workload_open(&t->w, &disk, file, flags, error);

	if (status < 0)
		return status;
	status = vhdx_disk_size(disk) == t->w.disk_size ? vhdx_read(disk, content, t->w.disk_size, 0, error) : VHDX_E_DAMAGED;
	if (vhdx_close(disk) < 0 && status == VHDX_OK)
		status = VHDX_E_IO;
	return status;
}

struct again {
	struct test *t;
	const uint8_t *expected;
	uint8_t *found;
	const char *what;
};

static int check_replay_state(void *context, struct cowfile *state, size_t end, const char *how)
{
	struct again *a = context;
	struct vhdx_error error;
	char what[500];

	(void)end;
	a->t->states++;
	(void)snprintf(what, sizeof(what), "%s, then in the replay %s", a->what, how);
	if (read_all(a->t, state, 0, a->found, &error) < 0)
		return violate_error(a->t, what, "open", &error);
	return memcmp(a->found, a->expected, a->t->w.disk_size) == 0 ? 0 : violate(a->t, what, "reads something else than before the replay");
}

/* Opens the state for writing, which replays its log, and compares. */
static int check_replay(struct test *t, struct cowfile *state, const char *what)
{
	struct record replay = { NULL, 0, 0 };
	struct cowfile *work = cow_copy(state), *before;
	uint8_t *found = malloc(t->w.disk_size);
	struct again again = { t, t->content, found, what };
	struct vhdx_error error;
	int result = 0;

	work->record = &replay;
	if (read_all(t, work, VHDX_OPEN_WRITE, found, &error) < 0) {
		/* a VHD that lost its end footer is readable, and writable only after repair */
		if (!(t->w.kind->format == VHDX_FORMAT_VHD && error.status == VHDX_E_READ_ONLY))
			result = violate_error(t, what, "open for writing", &error);
	} else if (memcmp(found, t->content, t->w.disk_size) != 0) {
		result = violate(t, what, "reads something else after a real replay");
	} else {
		before = cow_copy(work);
		work->record = NULL;
		if (read_all(t, work, VHDX_OPEN_WRITE, found, &error) < 0)
			result = violate_error(t, what, "second open", &error);
		else if (!cow_equal(before, work))
			result = violate(t, what, "a second open for writing changed the file");
		cow_free(before);
		if (result == 0 && t->deep && replay.count != 0)
			result = states_enumerate(state, &replay, 0, 20, 1, check_replay_state, &again);
	}
	work->record = NULL;
	record_clear(&replay);
	cow_free(work);
	free(found);
	return result;
}

static int check_state(void *context, struct cowfile *state, size_t end, const char *what)
{
	struct test *t = context;
	struct vhdx_error error;
	int result = 0;

	t->states++;
	if (read_all(t, state, 0, t->content, &error) < 0)
		return violate_error(t, what, "open", &error);
	for (uint64_t sector = 0; result == 0 && sector < t->w.oracle.sectors; sector++)
		result = check_sector(t, t->content + sector * ORACLE_SECTOR, sector, end, what);
	return result == 0 ? check_replay(t, state, what) : result;
}

/* Runs operations and looks at all crashes since the beginning of the last one. */
static int run_sequence(struct test *t, const enum op *ops, unsigned count)
{
	size_t from = 0;
	int length = 0;

	workload_reset(&t->w);
	for (unsigned i = 0; i < count; i++) {
		struct vhdx_error error;

		length += snprintf(t->description + length, sizeof(t->description) - (size_t)length, "%s%s", i != 0 ? ", " : "", op_names[ops[i]]);
		from = t->w.record.count;
		if (workload_run(&t->w, ops[i], &error) < 0)
			return violate_error(t, "operation", op_names[ops[i]], &error);
	}
	return states_enumerate(t->w.start, &t->w.record, from, 60, 1, check_state, t);
}

static int run_all(struct test *t, unsigned length)
{
	unsigned total = 1;

	for (unsigned i = 0; i < length; i++)
		total *= OP_COUNT;
	for (unsigned number = 0; number < total; number++) {
		enum op ops[8];
		unsigned rest = number;
		int result;

		for (unsigned i = 0; i < length; i++, rest /= OP_COUNT)
			ops[i] = (enum op)(rest % OP_COUNT);
		result = run_sequence(t, ops, length);
		if (result != 0)
			return result;
	}
	return 0;
}

/* Sequences of three and more in which the barriers matter. */
static int run_chosen(struct test *t)
{
	static const enum op chosen[][8] = {
		{ OP_DISCARD, OP_FLUSH, OP_WRITE_NEW, OP_FLUSH, OP_WRITE_IN, OP_FLUSH, OP_WRITE_SPAN, OP_FLUSH },
		{ OP_WRITE_NEW, OP_FLUSH, OP_ZERO_BLOCK, OP_FLUSH, OP_WRITE_PARTIAL, OP_FLUSH, OP_WRITE_IN, OP_CLOSE },
		{ OP_WRITE_PARTIAL, OP_FLUSH, OP_WRITE_SPAN, OP_FLUSH, OP_DISCARD, OP_WRITE_IN, OP_FLUSH, OP_CLOSE },
		{ OP_WRITE_PARTIAL, OP_CLOSE, OP_WRITE_SPAN, OP_FLUSH, OP_ZERO_PART, OP_CLOSE, OP_WRITE_IN, OP_FLUSH },
		{ OP_ZERO_BLOCK, OP_CLOSE, OP_WRITE_SPAN, OP_WRITE_IN, OP_FLUSH, OP_DISCARD, OP_FLUSH, OP_CLOSE },
	};

	for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); i++)
		for (unsigned length = 3; length <= 8; length++) {
			int result = run_sequence(t, chosen[i], length);

			if (result != 0)
				return result;
		}
	return 0;
}

/* A long history with many flushes, so that the log wraps; crashes are looked at near its end. */
static int run_random(struct test *t, unsigned operations, uint64_t seed)
{
	size_t from = 0;

	workload_reset(&t->w);
	srand((unsigned)seed);
	(void)snprintf(t->description, sizeof(t->description), "random history, %u operations, seed %" PRIu64, operations, seed);
	for (unsigned i = 0; i < operations; i++) {
		uint64_t unit = t->w.kind->sector / ORACLE_SECTOR, sectors = t->w.oracle.sectors / unit;
		uint64_t sector = (uint64_t)rand() % sectors, count = 1 + (uint64_t)rand() % 40;
		struct vhdx_error error;
		int choice = rand() % 100, status;

		if (count > sectors - sector)
			count = sectors - sector;
		sector *= unit;
		count *= unit;
		if (i + 3 == operations)
			from = t->w.record.count;
		if (choice < 50)
			status = workload_write(&t->w, sector, count, &error);
		else if (choice < 55)
			status = workload_zero(&t->w, sector, count, &error);
		else if (choice < 90)
			status = workload_run(&t->w, OP_FLUSH, &error);
		else
			status = workload_run(&t->w, choice < 93 ? OP_DISCARD : choice < 97 ? OP_ZERO_BLOCK : choice < 98 ? OP_CLOSE : OP_WRITE_SPAN, &error);
		if (status < 0)
			return violate_error(t, "operation", "in a random history", &error);
	}
	return states_enumerate(t->w.start, &t->w.record, from, 100, seed, check_state, t);
}

struct options {
	unsigned length;
	unsigned random;
	uint64_t seed;
	const char *kind;
	bool barriers;
};

static int run_kind(struct test *t, const struct kind *kind, const struct options *o)
{
	int result = 0;

	workload_start(&t->w, kind);
	t->content = malloc(t->w.disk_size);
	for (unsigned length = 1; result == 0 && length <= o->length; length++)
		result = run_all(t, length);
	if (result == 0)
		result = run_chosen(t);
	for (unsigned i = 0; result == 0 && i < o->random; i++)
		result = run_random(t, 20 + 40 * (i % 12), o->seed + i);
	workload_end(&t->w);
	free(t->content);
	return result;
}

static int run(const struct options *o)
{
	uint64_t states = 0;
	int failed = 0;

	for (size_t i = 0; i < kind_count; i++) {
		struct test t = { .deep = true };

		if (o->kind != NULL && strcmp(o->kind, kinds[i].name) != 0)
			continue;
		if (run_kind(&t, &kinds[i], o) != 0) {
			printf("VIOLATION: %s\n", t.violation);
			failed++;
		}
		printf("%-24s %10" PRIu64 " crash states\n", kinds[i].name, t.states);
		fflush(stdout);
		states += t.states;
	}
	printf("%" PRIu64 " crash states, %d violations\n", states, failed);
	return failed != 0;
}

#if defined(VHDX_TEST_BARRIERS)
static int prove_barriers(const struct options *o)
{
	int proven = 0;

	for (int barrier = 0; barrier < BARRIER_COUNT; barrier++) {
		struct test t = { .deep = true };
		int result = 0;

		for (size_t i = 0; result == 0 && i < kind_count; i++) {
			vhdx_test_skipped_barrier = barrier;
			result = run_kind(&t, &kinds[i], o);
			vhdx_test_skipped_barrier = BARRIER_COUNT;
		}
		printf("%-52s %s\n", barrier_names[barrier], result != 0 ? "needed" : "NOT PROVEN");
		if (result != 0)
			printf("    %.150s\n", t.violation);
		fflush(stdout);
		proven += result != 0;
	}
	printf("%d of %d barriers proven necessary\n", proven, BARRIER_COUNT);
	return proven != BARRIER_COUNT;
}
#else
static int prove_barriers(const struct options *o)
{
	(void)o;
	fprintf(stderr, "crash: built without VHDX_TEST_BARRIERS\n");
	return 2;
}
#endif

int main(int argc, char **argv)
{
	struct options o = { .length = 2, .random = 24, .seed = 1 };

	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		if (strcmp(argv[i], "--barriers") == 0) {
			o.barriers = true;
			continue;
		}
		i++;
		if (strcmp(argv[i - 1], "--length") == 0)
			o.length = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i - 1], "--random") == 0)
			o.random = (unsigned)strtoul(value, NULL, 10);
		else if (strcmp(argv[i - 1], "--seed") == 0)
			o.seed = strtoull(value, NULL, 10);
		else if (strcmp(argv[i - 1], "--kind") == 0)
			o.kind = value;
		else {
			fprintf(stderr, "usage: crash [--length N] [--random N] [--seed N] [--kind NAME] [--barriers]\n");
			return 2;
		}
	}
	return o.barriers ? prove_barriers(&o) : run(&o);
}
