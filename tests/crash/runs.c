/* SPDX-License-Identifier: MIT */
#include "runs.h"

#include <inttypes.h>
#include <stdio.h>

#define END OP_COUNT
enum { SAMPLES = 60 };

static int failed(struct test *t, const char *step, const struct vhdx_error *error)
{
	return violate_error(t, "operation", step, error);
}

/* Runs operations and looks at all crashes since the beginning of the last one. */
static int run_sequence(struct test *t, const enum op *ops, unsigned count)
{
	size_t from = 0;
	int length = 0;

	workload_reset(&t->w);
	for (unsigned i = 0; i < count; i++) {
		struct vhdx_error error = { .status = 0 };

		length += snprintf(t->description + length, sizeof(t->description) - (size_t)length, "%s%s", i != 0 ? ", " : "",
				   op_names[ops[i]]);
		from = t->w.record.count;
		if (workload_run(&t->w, ops[i], &error) < 0)
			return failed(t, op_names[ops[i]], &error);
	}
	return check_crashes(t, from, SAMPLES, 1);
}

int run_all(struct test *t, unsigned length)
{
	unsigned total = 1;
	int result = 0;

	for (unsigned i = 0; i < length; i++)
		total *= OP_COUNT;
	for (unsigned number = 0; result == 0 && number < total; number++) {
		enum op ops[8];
		unsigned rest = number;

		for (unsigned i = 0; i < length; i++, rest /= OP_COUNT)
			ops[i] = (enum op)(rest % OP_COUNT);
		result = run_sequence(t, ops, length);
	}
	return result;
}

/* The copy of a VHD footer in front is not what it should be when the session begins. */
static int run_bad_front(struct test *t)
{
	static const enum op ops[] = { OP_WRITE_NEW, OP_WRITE_PARTIAL, OP_FLUSH };
	static const enum op shorter[] = { OP_ZERO_BLOCK, OP_COMPACT };
	struct cowfile *good = t->w.start;
	uint8_t byte = 0xAA;
	int result = 0;

	t->w.start = cow_copy(good);
	cow_write(t->w.start, &byte, 1, 80); /* its unique id */
	for (unsigned count = 1; result == 0 && count <= 3; count++)
		result = run_sequence(t, ops, count);
	if (result == 0)
		result = run_sequence(t, shorter, 2);
	cow_free(t->w.start);
	t->w.start = good;
	return result;
}

int run_chosen(struct test *t)
{
	static const enum op chosen[][9] = {
		{ OP_WRITE_PARTIAL, OP_WRITE_NEW, OP_KILL, OP_WRITE_IN, OP_WRITE_SPAN, OP_FLUSH, OP_KILL, OP_WRITE_PARTIAL,
		  OP_CLOSE },
		{ OP_DISCARD, OP_FLUSH, OP_WRITE_NEW, OP_FLUSH, OP_WRITE_IN, OP_FLUSH, OP_WRITE_SPAN, OP_FLUSH, END },
		{ OP_WRITE_NEW, OP_FLUSH, OP_ZERO_BLOCK, OP_FLUSH, OP_WRITE_PARTIAL, OP_FLUSH, OP_WRITE_IN, OP_CLOSE, END },
		{ OP_WRITE_PARTIAL, OP_FLUSH, OP_WRITE_SPAN, OP_FLUSH, OP_DISCARD, OP_WRITE_IN, OP_FLUSH, OP_CLOSE, END },
		{ OP_WRITE_PARTIAL, OP_CLOSE, OP_WRITE_SPAN, OP_FLUSH, OP_ZERO_PART, OP_CLOSE, OP_WRITE_IN, OP_FLUSH, END },
		{ OP_ZERO_BLOCK, OP_CLOSE, OP_WRITE_SPAN, OP_WRITE_IN, OP_FLUSH, OP_DISCARD, OP_FLUSH, OP_CLOSE, END },
		{ OP_WRITE_NEW, OP_RESIZE, OP_WRITE_SPAN, OP_FLUSH, OP_RESIZE, OP_WRITE_IN, OP_KILL, OP_RESIZE, OP_CLOSE },
		{ OP_RESIZE, OP_CLOSE, OP_RESIZE, OP_RESIZE, OP_KILL, OP_RESIZE, OP_FLUSH, OP_WRITE_NEW, OP_RESIZE },
		{ OP_WRITE_NEW, OP_FLUSH, OP_KILL, OP_DISCARD, OP_FLUSH, OP_WRITE_SPAN, OP_KILL, OP_FLUSH, END },
		{ OP_WRITE_NEW, OP_WRITE_PARTIAL, OP_ZERO_BLOCK, OP_COMPACT, OP_WRITE_IN, OP_FLUSH, OP_COMPACT, OP_CLOSE, END },
		{ OP_WRITE_SAME, OP_WRITE_SPAN, OP_FLUSH, OP_DISCARD, OP_COMPACT, OP_WRITE_NEW, OP_KILL, OP_COMPACT, OP_CLOSE },
		{ OP_WRITE_SAME, OP_WRITE_PARTIAL, OP_CLOSE, OP_COMPACT, OP_WRITE_SAME, OP_WRITE_IN, OP_COMPACT, OP_FLUSH, END },
		{ OP_COMPACT, OP_WRITE_SAME, OP_WRITE_SPAN, OP_FLUSH, OP_ZERO_BLOCK, OP_FLUSH, OP_COMPACT, OP_WRITE_IN,
		  OP_FLUSH },
		{ OP_WRITE_SPAN, OP_RESIZE, OP_ZERO_BLOCK, OP_COMPACT, OP_KILL, OP_WRITE_NEW, OP_DISCARD, OP_COMPACT, OP_CLOSE },
		{ OP_WRITE_PARTIAL, OP_WRITE_NEW, OP_DEFRAG, OP_WRITE_IN, OP_WRITE_SPAN, OP_FLUSH, OP_DEFRAG, OP_CLOSE, END },
		{ OP_RESIZE, OP_WRITE_PARTIAL, OP_WRITE_NEW, OP_ZERO_PART, OP_DEFRAG, OP_WRITE_SPAN, OP_KILL, OP_DEFRAG,
		  OP_KILL },
		{ OP_WRITE_PARTIAL, OP_WRITE_SAME, OP_COMPACT, OP_ZERO_BLOCK, OP_DEFRAG, OP_WRITE_IN, OP_DEFRAG, OP_DEFRAG,
		  OP_CLOSE },
	};
	int result = 0;

	if (t->w.kind->format == VHDX_FORMAT_VHD && t->w.kind->type != VHDX_TYPE_FIXED)
		result = run_bad_front(t);
	for (size_t i = 0; result == 0 && i < sizeof(chosen) / sizeof(chosen[0]); i++)
		for (unsigned length = 3; result == 0 && length <= 9 && chosen[i][length - 1] != END; length++)
			result = run_sequence(t, chosen[i], length);
	return result;
}

static uint64_t next_random(uint64_t *state, uint64_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % below;
}

static int random_step(struct test *t, uint64_t *state, struct vhdx_error *error)
{
	uint64_t unit = t->w.kind->sector / ORACLE_SECTOR, sectors = t->w.disk_size / ORACLE_SECTOR / unit,
		 choice = next_random(state, 100);
	uint64_t sector = next_random(state, sectors), count = 1 + next_random(state, 40);
	enum op op;

	if (count > sectors - sector)
		count = sectors - sector;
	if (choice < 50)
		return workload_write(&t->w, sector * unit, count * unit, error);
	if (choice < 55)
		return workload_zero(&t->w, sector * unit, count * unit, error);
	op = choice < 88   ? OP_FLUSH
	     : choice < 91 ? OP_DISCARD
	     : choice < 95 ? OP_ZERO_BLOCK
	     : choice < 96 ? OP_CLOSE
	     : choice < 98 ? OP_KILL
	     : choice < 99 ? OP_COMPACT
			   : OP_WRITE_SPAN;
	return workload_run(&t->w, op, error);
}

int run_random(struct test *t, unsigned operations, uint64_t seed)
{
	uint64_t state = seed;
	size_t from = 0;

	workload_reset(&t->w);
	(void)snprintf(t->description, sizeof(t->description), "random history, %u operations, seed %" PRIu64, operations, seed);
	for (unsigned i = 0; i < operations; i++) {
		struct vhdx_error error = { .status = 0 };

		if (i + 3 == operations)
			from = t->w.record.count;
		if (random_step(t, &state, &error) < 0)
			return failed(t, "in a random history", &error);
	}
	return check_crashes(t, from, 100, seed);
}

/* What happens to the first block of each BAT page in one round. */
enum wide { WIDE_ZERO, WIDE_WRITE, WIDE_FLUSH, WIDE_END };

static int wide_round(struct test *t, enum wide what, unsigned round, struct vhdx_error *error)
{
	int status = VHDX_OK;

	if (what == WIDE_FLUSH)
		return workload_run(&t->w, OP_FLUSH, error);
	for (uint64_t page = 0; status == VHDX_OK && page < t->w.kind->wide; page++) {
		uint64_t sector = (page * 512 + round) * BLOCK_SECTORS;

		status = what == WIDE_ZERO ? workload_zero(&t->w, sector, BLOCK_SECTORS, error)
					   : workload_write(&t->w, sector, WIDE_SECTORS / 2, error);
	}
	return status;
}

static int run_wide_sequence(struct test *t, const char *name, const enum wide *rounds)
{
	workload_reset(&t->w);
	(void)snprintf(t->description, sizeof(t->description), "%s", name);
	for (unsigned i = 0; rounds[i] != WIDE_END; i++) {
		struct vhdx_error error = { .status = 0 };

		if (wide_round(t, rounds[i], i, &error) < 0)
			return failed(t, name, &error);
	}
	return check_crashes(t, 0, 20, 1);
}

int run_wide(struct test *t)
{
	static const enum wide zeros[] = { WIDE_ZERO, WIDE_ZERO, WIDE_ZERO, WIDE_ZERO, WIDE_ZERO, WIDE_ZERO, WIDE_END };
	static const enum wide flushed[] = { WIDE_ZERO, WIDE_FLUSH, WIDE_ZERO, WIDE_ZERO,
					     WIDE_ZERO, WIDE_ZERO,  WIDE_ZERO, WIDE_END };
	static const enum wide writes[] = { WIDE_WRITE, WIDE_FLUSH, WIDE_WRITE, WIDE_ZERO,
					    WIDE_ZERO,  WIDE_ZERO,  WIDE_WRITE, WIDE_END };
	int result = run_wide_sequence(t, "zeros in many pages", zeros);

	if (result == 0)
		result = run_wide_sequence(t, "zeros in many pages, the first flushed", flushed);
	return result == 0 ? run_wide_sequence(t, "writes and zeros in many pages", writes) : result;
}
