/* SPDX-License-Identifier: MIT */
/*
 * A struct vhdx_env for tests: an allocator that counts, can fail at the n-th allocation and knows what is still alive;
 * repeatable random bytes; a clock that stands still. Layer: tests/support. Use: testenv_start, hand out &t.env,
 * testenv_live(&t) == 0 at the end.
 */
#ifndef SUPPORT_TESTENV_H
#define SUPPORT_TESTENV_H

#include <stdatomic.h>
#include <stdbool.h>

#include "vhdx.h"

#define TESTENV_NOW UINT64_C(1700000000)

struct testenv {
	struct vhdx_env env;      /* first: env.context points to the struct testenv, which must stay where it is */
	atomic_ulong allocations; /* calls, failed ones too */
	atomic_ulong live;        /* blocks not yet released */
	atomic_size_t live_bytes;
	atomic_size_t peak_bytes;
	atomic_ulong fail_countdown; /* 1: the next allocation fails; 0: none will */
	bool fail_sticky;
	atomic_ullong random_state;
	uint64_t now;
};

void testenv_start(struct testenv *t, uint64_t seed);
/* The n-th allocation from now on (1 is the next) returns NULL, and with `sticky` all later ones too. n 0: no more failures. */
void testenv_fail(struct testenv *t, unsigned long n, bool sticky);
unsigned long testenv_live(const struct testenv *t);

/* A repeatable sequence of numbers for tests; `*state` is the seed at first. */
uint64_t test_random(uint64_t *state);
/* Below `limit`, which is not 0. */
uint64_t test_random_below(uint64_t *state, uint64_t limit);

#endif
