/* SPDX-License-Identifier: MIT */
/* engine/order: which block moves where. The file is an array of places here. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/order.h"

enum { MOST = 5000, EMPTY = 0 };
#define STALE (UINT32_C(1) << 31)
#define MIB UINT64_C(1048576)

struct file {
	uint32_t units[MOST]; /* the block that stands there plus one; STALE too when it has left, and that is not durable */
	uint32_t end;
	unsigned commits;
	unsigned moves;
	unsigned most; /* moves between two commits */
	unsigned since;
	unsigned full_after; /* spares that the host has room for */
	uint64_t done;
};

static int move(void *context, uint32_t number, uint32_t from, uint32_t to, struct vhdx_error *error)
{
	struct file *f = context;

	(void)error;
	cr_assert_eq(f->units[from], number + 1, "block %u does not stand at %u", number, from);
	cr_assert_eq(f->units[to], EMPTY, "%u is not empty, or not durably", to);
	f->units[to] = number + 1;
	f->units[from] |= STALE;
	f->moves++;
	f->since++;
	f->most = f->since > f->most ? f->since : f->most;
	return VHDX_OK;
}

static int spare(void *context, uint32_t *unit, struct vhdx_error *error)
{
	struct file *f = context;

	if (f->full_after-- == 0) {
		f->full_after = 0;
		error->status = VHDX_E_NO_SPACE;
		return VHDX_E_NO_SPACE;
	}
	cr_assert_lt(f->end, MOST);
	*unit = f->end++;
	return VHDX_OK;
}

static int commit(void *context, struct vhdx_error *error)
{
	struct file *f = context;

	(void)error;
	for (unsigned i = 0; i < MOST; i++)
		f->units[i] = (f->units[i] & STALE) != 0 ? EMPTY : f->units[i];
	f->commits++;
	f->since = 0;
	return VHDX_OK;
}

static int progress(void *context, uint64_t done, uint64_t total, struct vhdx_error *error)
{
	struct file *f = context;

	(void)error;
	cr_expect_gt(done, f->done);
	cr_expect_leq(done, total);
	f->done = done;
	return VHDX_OK;
}

/* `places` of the blocks 0, 1, ... Returns the moves. */
static uint64_t put_in_order(struct file *f, const uint32_t *places, uint32_t count, uint64_t length, bool pretend)
{
	static const struct vhdx_env env = { .struct_size = sizeof(env) };
	struct vhdx_env complete = env_complete(&env);
	struct order o = { .env = &complete, .length = length, .stride = 1, .context = f };
	struct vhdx_error error;
	uint64_t moves;

	*f = (struct file){ .end = count, .full_after = f->full_after };
	if (!pretend) {
		o.move = move;
		o.spare = spare;
		o.commit = commit;
		o.progress = progress;
	}
	for (uint32_t i = 0; i < count; i++) {
		f->units[places[i]] = i + 1;
		cr_assert_eq(order_add(&o, i, places[i], &error), VHDX_OK);
	}
	cr_assert_eq(order_start(&o, &error), VHDX_OK);
	cr_expect_eq(order_run(&o, &error), VHDX_OK);
	moves = o.moves;
	if (!pretend) {
		cr_expect_eq(moves, f->moves);
		cr_expect_eq(order_runs(&o), count != 0);
		for (uint32_t i = 0; i < count; i++)
			cr_expect_eq(f->units[i], i + 1);
	}
	order_end(&o);
	return moves;
}

static struct file file = { .full_after = MOST };
static uint32_t places[MOST];

static void shuffle(uint32_t count, uint64_t state)
{
	for (uint32_t i = 0; i < count; i++)
		places[i] = i;
	for (uint32_t i = count; i > 1; i--) {
		uint32_t other, kept = places[i - 1];

		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		other = (uint32_t)((state >> 33) % i);
		places[i - 1] = places[other];
		places[other] = kept;
	}
}

Test(order, random)
{
	for (unsigned seed = 0; seed < 20; seed++) {
		uint32_t count = seed * 150;
		uint64_t planned;

		shuffle(count, seed);
		planned = put_in_order(&file, places, count, 2 * MIB, true);
		cr_expect_eq(put_in_order(&file, places, count, 2 * MIB, false), planned, "the plan is exact");
		cr_expect_leq(planned, count + count / 8 + 40, "each block moves once, and few twice: %u for %u",
			      (unsigned)planned, count);
		cr_expect_leq(file.end, count + 40, "spare places");
		cr_expect_leq(file.most, 32);
		cr_expect_leq(file.commits, count / 8 + 4);
	}
}

Test(order, what_is_in_order_stays)
{
	shuffle(0, 0);
	for (uint32_t i = 0; i < 1000; i++)
		places[i] = i;
	cr_expect_eq(put_in_order(&file, places, 1000, 2 * MIB, false), 0);
	cr_expect_eq(file.commits, 0);
	cr_expect_eq(put_in_order(&file, places, 0, 2 * MIB, false), 0);
}

/* The worst case for one empty place: each block waits for the one before it. Small blocks are moved twice then, large ones one by one. */
Test(order, one_block_is_last_but_should_be_first)
{
	for (uint32_t i = 0; i < 1000; i++)
		places[i] = i == 0 ? 999 : i - 1;
	cr_expect_leq(put_in_order(&file, places, 1000, 2 * MIB, false), 2000);
	cr_expect_leq(file.commits, 100);
	cr_expect_leq(put_in_order(&file, places, 1000, 32 * MIB, false), 1002);
	cr_expect_leq(file.end, 1003);
}

Test(order, reversed)
{
	for (uint32_t i = 0; i < 1000; i++)
		places[i] = 999 - i;
	cr_expect_leq(put_in_order(&file, places, 1000, 2 * MIB, false), 1500 + 32);
}

/* With room for few blocks it goes on with these. */
Test(order, little_room)
{
	shuffle(500, 3);
	file.full_after = 2;
	put_in_order(&file, places, 500, 2 * MIB, false);
	cr_expect_eq(file.end, 502);
	file.full_after = MOST;
}
