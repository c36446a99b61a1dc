/* SPDX-License-Identifier: MIT */
/*
 * Every call of the I/O table fails once, or from then on, while scripts of operations run on every kind of disk: with an I/O error, with half a write done, for lack of
 * space, or with short transfers; and every allocation. Afterwards:
 *
 *   an operation reports the failure that was made, or that the handle is dead; a dead handle stays dead, and a failed flush is never followed by one that succeeds
 *   lack of space and of memory is no damage: the same operation succeeds when there is some again, and nothing is lost
 *   nothing leaks, the file opens, and holds what the oracle of the crash test allows, also when the power fails right then
 *
 *   fault [--kind NAME] [--every N]     prints "N faults, 0 violations"; status 1 when there is one
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "workers.h"

enum { SCRIPT = 16, END = OP_COUNT, FAULT_MEMORY = FAULT_SHORT + 1, FAULT_KINDS };

static const int scripts[][SCRIPT] = {
	{ OP_WRITE_NEW, OP_WRITE_IN, OP_FLUSH, OP_WRITE_PARTIAL, OP_WRITE_SPAN, OP_FLUSH, OP_ZERO_PART, OP_DISCARD, OP_FLUSH,
	  OP_WRITE_NEW, OP_WRITE_IN, OP_FLUSH, OP_ZERO_BLOCK, OP_CLOSE, END },
	{ OP_WRITE_PARTIAL, OP_WRITE_NEW, OP_FLUSH, OP_KILL, OP_WRITE_IN, OP_WRITE_SPAN, OP_FLUSH, OP_DISCARD, OP_KILL,
	  OP_WRITE_PARTIAL, OP_CLOSE, END },
	{ OP_WRITE_SAME, OP_WRITE_SPAN, OP_FLUSH, OP_ZERO_BLOCK, OP_COMPACT, OP_WRITE_IN, OP_FLUSH, OP_WRITE_NEW, OP_DISCARD,
	  OP_COMPACT, OP_WRITE_PARTIAL, OP_CLOSE, END },
	{ OP_WRITE_PARTIAL, OP_WRITE_NEW, OP_ZERO_PART, OP_DEFRAG, OP_WRITE_IN, OP_FLUSH, OP_WRITE_SPAN, OP_DEFRAG, OP_CLOSE,
	  END },
};
static const char *const fault_names[FAULT_KINDS] = { "I/O error", "partial write", "no space", "short transfer", "no memory" };

struct run {
	struct test t;
	struct fault fault;
	int kind; /* of the fault */
	bool sticky;
	bool dead;   /* an operation said so */
	bool failed; /* an operation failed for more than lack of something */
	bool flush_failed;
	uint64_t faults;
};

static bool is_transient(int status)
{
	return status == VHDX_E_NO_SPACE || status == VHDX_E_NO_MEMORY;
}

static bool is_expected(const struct run *r, int status)
{
	if (status == VHDX_E_DEAD)
		return r->failed;
	switch (r->kind) {
	case FAULT_IO:
	case FAULT_PARTIAL: return status == VHDX_E_IO;
	case FAULT_NO_SPACE: return status == VHDX_E_NO_SPACE;
	case FAULT_MEMORY: return status == VHDX_E_NO_MEMORY;
	default: return false;
	}
}

static void heal(struct run *r)
{
	r->fault.at = 0;
	workload_memory.at = 0;
}

/* Whoever opens the file next goes on with what is there. */
static int start_again(struct run *r)
{
	struct workload *w = &r->t.w;
	struct vhdx_error error = { .status = 0 };

	heal(r);
	r->dead = r->failed = r->flush_failed = false;
	if (w->disk == NULL && workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, &error) < 0)
		return violate_error(&r->t, "open again", "", &error);
	return workload_run(w, OP_KILL, &error) < 0 ? violate_error(&r->t, "kill and open again", "", &error) : 0;
}

static int judge(struct run *r, enum op op, int status, const struct vhdx_error *error)
{
	bool changes = op != OP_CLOSE && op != OP_KILL;

	if (status == VHDX_OK && changes && r->dead)
		return violate(&r->t, op_names[op], "a dead handle works");
	if (status == VHDX_OK && op == OP_FLUSH && r->flush_failed)
		return violate(&r->t, op_names[op], "succeeds after a flush that failed");
	if (status == VHDX_OK && !changes) /* another handle */
		r->dead = r->failed = r->flush_failed = false;
	if (status == VHDX_OK)
		return 0;
	if (!is_expected(r, status))
		return violate_error(&r->t, "an unexpected status", op_names[op], error);
	r->dead |= status == VHDX_E_DEAD;
	r->failed |= !is_transient(status);
	r->flush_failed |= op == OP_FLUSH && !is_transient(status) && r->fault.harmed;
	return 0;
}

/* The operation, and again when there is space or memory again. */
static int one_operation(struct run *r, enum op op)
{
	struct vhdx_error error = { .status = 0 };
	int status = workload_run(&r->t.w, op, &error), result = judge(r, op, status, &error);

	if (result != 0 || status == VHDX_OK)
		return result;
	if (op == OP_CLOSE || op == OP_KILL)
		return start_again(r);
	if (!is_transient(status))
		return 0;
	heal(r);
	error = (struct vhdx_error){ .status = 0 };
	return workload_run(&r->t.w, op, &error) < 0 ? violate_error(&r->t, "fails without need", op_names[op], &error) : 0;
}

static int compare_newest(struct run *r)
{
	struct workload *w = &r->t.w;
	struct vhdx_error error = { .status = 0 };
	int result = 0;

	if (workload_read(w, w->disk, r->t.found, &error) < 0)
		return violate_error(&r->t, "read at the end", "", &error);
	for (uint64_t s = 0; result == 0 && s < w->oracle.sectors; s++)
		if (oracle_newest(&w->oracle, s) != ORACLE_UNKNOWN &&
		    oracle_value(r->t.found + s * ORACLE_SECTOR, s) != oracle_newest(&w->oracle, s))
			result = violate(&r->t, "at the end", "a sector does not hold what was written last");
	return result;
}

static void close_disk(struct run *r)
{
	(void)vhdx_close(r->t.w.disk);
	r->t.w.disk = NULL;
}

/* Returns 1 on a violation; r->fault.calls tells how many calls there were. */
static int one_run(struct run *r, const int *script, uint64_t at, bool power_cut)
{
	struct workload *w = &r->t.w;
	uint64_t live;
	int result = 0;

	workload_reset(w);
	r->dead = r->failed = r->flush_failed = false;
	r->fault = (struct fault){ .kind = r->kind < FAULT_MEMORY ? (enum fault_kind)r->kind : FAULT_SHORT,
				   .at = r->kind < FAULT_MEMORY ? at : 0,
				   .sticky = r->sticky };
	workload_memory = (struct workload_memory){ .at = r->kind == FAULT_MEMORY ? at : 0,
						    .sticky = r->sticky,
						    .live = workload_memory.live };
	w->file->fault = &r->fault;
	for (unsigned i = 0; result == 0 && script[i] != END; i++) {
		(void)snprintf(r->t.description, sizeof(r->t.description), "%s%s at call %" PRIu64 ", operation %u (%s)",
			       fault_names[r->kind], r->sticky ? " from then on" : "", at, i, op_names[script[i]]);
		result = one_operation(r, (enum op)script[i]);
	}
	r->faults += r->fault.kind == FAULT_SHORT && r->kind != FAULT_MEMORY ? r->fault.hits
									     : r->fault.hits + workload_memory.hits != 0;
	heal(r);
	if (result == 0 && r->failed)
		result = start_again(r);
	if (result == 0)
		result = compare_newest(r);
	if (result == 0 && power_cut)
		result = check_crashes(&r->t, w->record.count, 20, at);
	close_disk(r);
	live = workload_memory.live;
	if (result == 0 && live != 0)
		result = violate(&r->t, "memory", "something was not released");
	workload_memory.live = 0;
	return result;
}

static int run_fault(struct run *r, const int *script, unsigned every)
{
	uint64_t calls = 1;
	int result = 0;

	for (uint64_t at = 1; result == 0 && at <= calls; at += every) {
		result = one_run(r, script, r->kind == FAULT_SHORT ? 1 : at, at % 16 < every);
		calls = r->kind == FAULT_SHORT ? 1 : r->kind == FAULT_MEMORY ? workload_memory.calls : r->fault.calls;
		if (r->fault.hits + workload_memory.hits == 0)
			break;
	}
	return result;
}

static int run_kind(struct run *r, const struct kind *kind, unsigned every)
{
	int result = 0;

	check_start(&r->t, kind);
	for (size_t i = 0; result == 0 && i < sizeof(scripts) / sizeof(scripts[0]); i++)
		for (r->kind = 0; result == 0 && r->kind < FAULT_KINDS; r->kind++)
			for (int sticky = 0; result == 0 && sticky < 2; sticky++) {
				r->sticky = sticky == 1;
				result = run_fault(r, scripts[i], every);
			}
	if (r->t.w.disk == NULL)
		workload_reset(&r->t.w);
	check_end(&r->t);
	return result;
}

struct result {
	uint64_t faults;
	uint64_t states;
	bool done;
	char violation[2400];
};

struct task {
	const struct kind *kind;
	unsigned every;
	struct result *result;
};

static void work(void *context)
{
	const struct task *task = context;
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL)
		abort();
	if (run_kind(r, task->kind, task->every) != 0)
		memcpy(task->result->violation, r->t.violation, sizeof(task->result->violation));
	task->result->faults = r->faults;
	task->result->states = r->t.states;
	task->result->done = true;
	free(r);
}

int main(int argc, char **argv)
{
	struct result *results = workers_memory(kind_count * sizeof(*results));
	uint64_t faults = 0, states = 0;
	const char *only = NULL;
	unsigned every = 1;
	int failed = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--kind") == 0)
			only = argv[i + 1];
		else if (strcmp(argv[i], "--every") == 0)
			every = (unsigned)strtoul(argv[i + 1], NULL, 10);
	}
	for (size_t k = 0; k < kind_count; k++) {
		if (kinds[k].wide != 0 || (only != NULL && strcmp(only, kinds[k].name) != 0)) {
			results[k].done = true;
			continue;
		}
		workers_start(2, work, &(struct task){ &kinds[k], every, &results[k] });
	}
	workers_wait();
	for (size_t k = 0; k < kind_count; k++) {
		faults += results[k].faults;
		states += results[k].states;
		if (results[k].done && results[k].violation[0] == '\0')
			continue;
		printf("VIOLATION: %s\n", results[k].done ? results[k].violation : kinds[k].name);
		failed++;
	}
	printf("%" PRIu64 " faults, %" PRIu64 " crash states after them, %d violations\n", faults, states, failed);
	return failed != 0;
}
