/* SPDX-License-Identifier: MIT */
#include "support/testenv.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Stands before each block; as large as any type needs to be aligned. */
union prefix {
	size_t size;
	max_align_t align;
};

static bool fails(struct testenv *t)
{
	unsigned long left = atomic_load(&t->fail_countdown);

	while (left != 0) {
		unsigned long next = left > 1 ? left - 1 : t->fail_sticky ? 1 : 0;

		if (atomic_compare_exchange_weak(&t->fail_countdown, &left, next))
			return left == 1;
	}
	return false;
}

static void *allocate(void *context, size_t size)
{
	struct testenv *t = context;
	union prefix *prefix;
	size_t bytes, peak;

	(void)atomic_fetch_add(&t->allocations, 1);
	if (fails(t))
		return NULL;
	prefix = malloc(sizeof(*prefix) + size);
	if (prefix == NULL)
		return NULL;
	prefix->size = size;
	memset(prefix + 1, 0xA5, size); /* nobody may rely on zeros */
	(void)atomic_fetch_add(&t->live, 1);
	bytes = atomic_fetch_add(&t->live_bytes, size) + size;
	peak = atomic_load(&t->peak_bytes);
	while (peak < bytes && !atomic_compare_exchange_weak(&t->peak_bytes, &peak, bytes))
		continue;
	return prefix + 1;
}

static void release(void *context, void *memory)
{
	struct testenv *t = context;
	union prefix *prefix = memory;

	if (memory == NULL)
		return;
	prefix--;
	(void)atomic_fetch_sub(&t->live, 1);
	(void)atomic_fetch_sub(&t->live_bytes, prefix->size);
	free(prefix);
}

uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));

	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

uint64_t test_random_below(uint64_t *state, uint64_t limit)
{
	return test_random(state) % limit;
}

static int fill_random(void *context, void *buffer, size_t length)
{
	struct testenv *t = context;
	uint8_t *out = buffer;

	while (length != 0) {
		uint64_t state = atomic_fetch_add(&t->random_state, 1) * UINT64_C(0xD1342543DE82EF95);
		uint64_t word = test_random(&state);
		size_t part = length < sizeof(word) ? length : sizeof(word);

		memcpy(out, &word, part);
		out += part;
		length -= part;
	}
	return 0;
}

static uint64_t now(void *context)
{
	return ((struct testenv *)context)->now;
}

void testenv_start(struct testenv *t, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->env = (struct vhdx_env){ sizeof(struct vhdx_env), t, allocate, release, fill_random, now };
	atomic_store(&t->random_state, seed);
	t->now = TESTENV_NOW;
}

void testenv_fail(struct testenv *t, unsigned long n, bool sticky)
{
	t->fail_sticky = sticky;
	atomic_store(&t->fail_countdown, n);
}

unsigned long testenv_live(const struct testenv *t)
{
	return atomic_load(&t->live);
}
