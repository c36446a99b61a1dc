/* SPDX-License-Identifier: MIT */
/*
 * The crash test: runs histories, makes every state in which a crash could have left the file, and looks at each with a fresh library (see check.h).
 *
 *   crash [--nightly] [--length N] [--random N] [--seed N] [--kind NAME] [--jobs N] [--full] [--dump DIR]
 *         prints "N crash states, 0 violations", or the violations; status 1
 *   crash --barriers   (built with VHDX_TEST_BARRIERS) leaves out each ordering flush in turn; each must make the test fail
 *
 * A process for each kind of disk and part of the work, so many at a time as --jobs says (2).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runs.h"
#include "workers.h"
#if defined(VHDX_TEST_BARRIERS)
#include "engine/barrier.h"
#endif

struct options {
	unsigned length;
	unsigned random;
	uint64_t seed;
	unsigned operations; /* of the longest random history */
	unsigned jobs;
	const char *kind;
	const char *dump;
	bool full;
	bool barriers;
};

enum part { PART_CHOSEN, PART_SEQUENCES, PART_RANDOM, PART_CREATION, PART_COUNT };

static const char *const part_names[PART_COUNT] = { "chosen", "sequences", "random", "creation" };

struct job {
	const struct kind *kind;
	enum part part;
	int barrier; /* left out; -1: none */
};

struct result {
	uint64_t states;
	uint64_t distinct;
	uint64_t replays;
	bool done;
	char violation[2400];
};

static int run_part(struct test *t, enum part part, const struct options *o)
{
	int result = 0;

	switch (part) {
	case PART_CHOSEN: return t->w.kind->wide != 0 ? run_wide(t) : run_chosen(t);
	case PART_SEQUENCES:
		for (unsigned length = 1; result == 0 && length <= o->length; length++)
			result = run_all(t, length);
		return result;
	case PART_RANDOM:
		for (unsigned i = 0; result == 0 && i < o->random; i++)
			result = run_random(t, 20 + (o->operations - 20) * (i % 12) / 11, o->seed + i);
		return result;
	case PART_CREATION: return run_creation(t);
	case PART_COUNT: break;
	}
	return 0;
}

struct task {
	const struct job *job;
	const struct options *options;
	struct result *result;
};

static void work(void *context)
{
	const struct task *task = context;
	const struct job *job = task->job;
	const struct options *o = task->options;
	struct result *result = task->result;
	struct test t = { .full = o->full, .dump = o->dump, .part = part_names[job->part] };

#if defined(VHDX_TEST_BARRIERS)
	vhdx_test_skipped_barrier = BARRIER_COUNT;
#endif
	check_start(&t, job->kind);
#if defined(VHDX_TEST_BARRIERS)
	if (job->barrier >= 0)
		vhdx_test_skipped_barrier = job->barrier;
#endif
	if (run_part(&t, job->part, o) != 0)
		memcpy(result->violation, t.violation, sizeof(result->violation));
	result->states = t.states;
	result->distinct = t.distinct;
	result->replays = t.replays;
	check_end(&t);
	result->done = true;
}

static void run_jobs(const struct job *jobs, size_t count, const struct options *o, struct result *results)
{
	for (size_t i = 0; i < count; i++) {
		struct task task = { &jobs[i], o, &results[i] };

		workers_start(o->jobs, work, &task);
	}
	workers_wait();
	for (size_t i = 0; i < count; i++)
		if (!results[i].done)
			(void)snprintf(results[i].violation, sizeof(results[i].violation), "%s: a worker died",
				       jobs[i].kind->name);
}

static bool is_wanted(const struct options *o, const struct kind *kind, enum part part)
{
	return (o->kind == NULL || strcmp(o->kind, kind->name) == 0) && (kind->wide == 0 || part == PART_CHOSEN);
}

static size_t list_jobs(const struct options *o, struct job *jobs, int barrier)
{
	size_t count = 0;

	for (int part = 0; part < PART_COUNT; part++)
		for (size_t k = 0; k < kind_count; k++)
			if (is_wanted(o, &kinds[k], (enum part)part) && (part != PART_CREATION || barrier < 0))
				jobs[count++] = (struct job){ &kinds[k], (enum part)part, barrier };
	return count;
}

enum { MOST_JOBS = 64 };

static int run(const struct options *o)
{
	struct job jobs[MOST_JOBS];
	size_t count = list_jobs(o, jobs, -1);
	struct result *results = workers_memory(MOST_JOBS * sizeof(*results)), all = { .states = 0 };
	int violations = 0;

	run_jobs(jobs, count, o, results);
	for (size_t k = 0; k < kind_count; k++) {
		uint64_t states = 0, distinct = 0;

		for (size_t i = 0; i < count; i++) {
			if (jobs[i].kind != &kinds[k])
				continue;
			states += results[i].states;
			distinct += results[i].distinct;
			all.replays += results[i].replays;
			if (results[i].violation[0] == '\0')
				continue;
			printf("VIOLATION: %s\n", results[i].violation);
			violations++;
		}
		if (states != 0)
			printf("%-24s %10" PRIu64 " crash states, %8" PRIu64 " different\n", kinds[k].name, states, distinct);
		all.states += states;
		all.distinct += distinct;
	}
	printf("%" PRIu64 " crash states (%" PRIu64 " different, %" PRIu64 " replays), %d violations\n", all.states, all.distinct,
	       all.replays, violations);
	return violations != 0;
}

#if defined(VHDX_TEST_BARRIERS)
/* Only where the barrier can matter. */
static size_t list_barrier_jobs(const struct options *o, struct job *jobs, int barrier)
{
	struct job all[MOST_JOBS];
	size_t count = list_jobs(o, all, barrier), kept = 0;

	for (size_t i = 0; i < count; i++)
		if ((all[i].kind->format == VHDX_FORMAT_VHD) == (barrier >= BARRIER_VHD_BLOCK_BEFORE_BAT))
			jobs[kept++] = all[i];
	return kept;
}

/* Stops at the first violation. */
static bool prove(const struct options *o, int barrier, struct result *result)
{
	struct job jobs[MOST_JOBS];
	size_t count = list_barrier_jobs(o, jobs, barrier);

	result->violation[0] = '\0';
	for (size_t i = 0; i < count && result->violation[0] == '\0'; i++) {
		result->done = false;
		run_jobs(&jobs[i], 1, o, result);
	}
	return result->violation[0] != '\0';
}

static int prove_barriers(const struct options *o)
{
	struct result *result = workers_memory(sizeof(*result));
	int proven = 0;

	for (int barrier = 0; barrier < BARRIER_COUNT; barrier++) {
		bool needed = prove(o, barrier, result);

		printf("%-64s %s\n", barrier_names[barrier], needed ? "needed" : "NOT PROVEN");
		if (needed)
			printf("    %.190s\n", result->violation);
		fflush(stdout);
		proven += needed;
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

static int usage(void)
{
	fprintf(stderr, "usage: crash [--nightly] [--length N] [--random N] [--seed N] [--kind NAME] [--jobs N] [--full] [--dump "
			"DIR] [--barriers]\n");
	return 2;
}

static bool take_value(struct options *o, const char *name, const char *value)
{
	if (strcmp(name, "--length") == 0)
		o->length = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(name, "--random") == 0)
		o->random = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(name, "--seed") == 0)
		o->seed = strtoull(value, NULL, 10);
	else if (strcmp(name, "--jobs") == 0)
		o->jobs = (unsigned)strtoul(value, NULL, 10);
	else if (strcmp(name, "--kind") == 0)
		o->kind = value;
	else if (strcmp(name, "--dump") == 0)
		o->dump = value;
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	struct options o = { .length = 2, .random = 24, .seed = 1, .operations = 460, .jobs = 2 };

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--barriers") == 0)
			o.barriers = true;
		else if (strcmp(argv[i], "--full") == 0)
			o.full = true;
		else if (strcmp(argv[i], "--nightly") == 0)
			o = (struct options){ .length = 3,
					      .random = 240,
					      .seed = o.seed,
					      .operations = 3000,
					      .jobs = o.jobs,
					      .kind = o.kind,
					      .full = true };
		else if (i + 1 == argc || !take_value(&o, argv[i], argv[i + 1]))
			return usage();
		else
			i++;
	}
	return o.barriers ? prove_barriers(&o) : run(&o);
}
