/* SPDX-License-Identifier: MIT */
#include "states.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAX_EXHAUSTIVE = 12 };

struct segment {
	const struct cowfile *base; /* durable state at its beginning */
	const struct change *changes;
	size_t count;
	size_t begin;
	size_t end;
	state_check check;
	void *context;
};

static uint64_t next_random(uint64_t *seed)
{
	*seed += UINT64_C(0x9E3779B97F4A7C15);
	uint64_t z = *seed;
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* `kept` tells for each change; the one at `torn` (or SIZE_MAX) keeps the sectors of `mask` only. */
static int one_state(const struct segment *s, const bool *kept, size_t torn, uint64_t mask)
{
	struct cowfile *state = cow_copy(s->base);
	char what[200];
	int length = snprintf(what, sizeof(what), "changes %zu..%zu, kept ", s->begin, s->end), result;

	for (size_t i = 0; i < s->count; i++) {
		if (kept[i])
			cow_apply(state, &s->changes[i], i == torn ? mask : UINT64_MAX);
		if (length < 150)
			length += snprintf(what + length, sizeof(what) - (size_t)length, "%c", !kept[i] ? '-' : i == torn ? 't' : '+');
	}
	if (torn != SIZE_MAX)
		(void)snprintf(what + length, sizeof(what) - (size_t)length, " mask %llx", (unsigned long long)mask);
	result = s->check(s->context, state, s->end, what);
	cow_free(state);
	return result;
}

static int all_subsets(const struct segment *s, bool *kept)
{
	for (uint64_t set = 0; set < UINT64_C(1) << s->count; set++) {
		int result;

		for (size_t i = 0; i < s->count; i++)
			kept[i] = set >> i & 1;
		result = one_state(s, kept, SIZE_MAX, 0);
		if (result != 0)
			return result;
	}
	return 0;
}

static int some_subsets(const struct segment *s, bool *kept, unsigned samples, uint64_t *seed)
{
	for (size_t which = 0; which < s->count * 3 + samples; which++) {
		size_t index = which % s->count, kind = which / s->count;
		uint64_t chance = next_random(seed) % 8;
		int result;

		for (size_t i = 0; i < s->count; i++)
			kept[i] = kind == 0 ? i < index : kind == 1 ? i != index : kind == 2 ? i == index : next_random(seed) % 8 >= chance;
		result = one_state(s, kept, SIZE_MAX, 0);
		if (result != 0)
			return result;
	}
	return 0;
}

static uint64_t torn_mask(unsigned variant, uint64_t sectors, uint64_t *seed)
{
	uint64_t whole = sectors >= 64 ? UINT64_MAX : (UINT64_C(1) << sectors) - 1;

	switch (variant) {
	case 0: return 1;
	case 1: return whole & ~UINT64_C(1);
	case 2: return whole >> (sectors >= 64 ? 32 : sectors / 2);
	default: return next_random(seed) & whole;
	}
}

/* Each write torn in a few ways: behind everything before it, among everything, and alone. */
static int torn_writes(const struct segment *s, bool *kept, uint64_t *seed)
{
	for (size_t torn = 0; torn < s->count; torn++) {
		uint64_t sectors = s->changes[torn].length / 512;

		if (s->changes[torn].kind != CHANGE_WRITE || sectors < 2)
			continue;
		for (unsigned variant = 0; variant < 15; variant++) {
			uint64_t mask = torn_mask(variant / 3, sectors, seed);
			int result;

			for (size_t i = 0; i < s->count; i++)
				kept[i] = variant % 3 == 0 ? i <= torn : variant % 3 == 1 ? true : i == torn;
			result = mask == UINT64_MAX ? 0 : one_state(s, kept, torn, mask);
			if (result != 0)
				return result;
		}
	}
	return 0;
}

int states_enumerate(const struct cowfile *start, const struct record *record, size_t from, unsigned samples, uint64_t seed, state_check check,
		     void *context)
{
	struct cowfile *base = cow_copy(start);
	bool *kept = calloc(record->count + 1, sizeof(bool));
	size_t begin = 0;
	int result = 0;

	for (size_t i = 0; result == 0 && i <= record->count; i++) {
		struct segment s = { base, record->changes + begin, i - begin, begin, i, check, context };

		if (i < record->count && record->changes[i].kind != CHANGE_FLUSH)
			continue;
		if (i > from || i == record->count) {
			result = s.count <= MAX_EXHAUSTIVE ? all_subsets(&s, kept) : some_subsets(&s, kept, samples, &seed);
			if (result == 0)
				result = torn_writes(&s, kept, &seed);
		}
		for (size_t c = begin; c < i; c++)
			cow_apply(base, &record->changes[c], UINT64_MAX);
		begin = i + 1;
	}
	free(kept);
	cow_free(base);
	return result;
}
