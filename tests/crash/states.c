/* SPDX-License-Identifier: MIT */
#include "states.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seen.h"

enum { MAX_EXHAUSTIVE = 12, SECTOR = 512 };

/* The changes between two flushes, and the contents seen so far. */
struct segment {
	struct states *states;
	const struct cowfile *base; /* durable state at its beginning */
	const struct change *changes;
	size_t count;
	size_t begin;
	size_t end;
	uint8_t *fate; /* of each change, while a state is made */
	struct seen seen;
};

enum fate { LOST, KEPT, TORN, SPOILED };

static uint64_t next_random(uint64_t *seed)
{
	*seed += UINT64_C(0x9E3779B97F4A7C15);
	uint64_t z = *seed;
	z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
	return z ^ z >> 31;
}

/* The first sector that the change alters holds garbage afterwards. */
static void spoil(struct cowfile *state, const struct change *c)
{
	uint8_t old[SECTOR], garbage[SECTOR];

	memset(garbage, 0xDB, sizeof(garbage));
	for (uint64_t at = 0; at + SECTOR <= c->length; at += SECTOR) {
		cow_read(state, old, SECTOR, c->offset + at);
		if (memcmp(old, c->bytes + at, SECTOR) == 0)
			continue;
		cow_apply(state, c, UINT64_MAX);
		cow_write(state, garbage, SECTOR, c->offset + at);
		return;
	}
}

static void apply_fates(const struct segment *s, struct cowfile *state, uint64_t mask)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->fate[i] == SPOILED)
			spoil(state, &s->changes[i]);
		else if (s->fate[i] != LOST)
			cow_apply(state, &s->changes[i], s->fate[i] == TORN ? mask : UINT64_MAX);
	}
}

/* `mask` is for the torn ones. */
static int one_state(struct segment *s, uint64_t mask)
{
	struct cowfile *state = cow_copy(s->base);
	char what[200];
	int length, result = 0;

	s->states->made++;
	apply_fates(s, state, mask);
	if (seen_add(&s->seen, cow_hash(state, 0, UINT64_MAX))) {
		length = snprintf(what, sizeof(what), "changes %zu..%zu ", s->begin, s->end);
		for (size_t i = 0; i < s->count && length < 150; i++)
			what[length++] = "-+t*"[s->fate[i]];
		what[length] = '\0';
		if (mask != 0)
			(void)snprintf(what + length, sizeof(what) - (size_t)length, " mask %llx", (unsigned long long)mask);
		result = s->states->check(s->states->context, state, s->end, what);
	}
	cow_free(state);
	return result;
}

static int all_subsets(struct segment *s)
{
	int result = 0;

	for (uint64_t set = 0; result == 0 && set < UINT64_C(1) << s->count; set++) {
		for (size_t i = 0; i < s->count; i++)
			s->fate[i] = set >> i & 1 ? KEPT : LOST;
		result = one_state(s, 0);
	}
	return result;
}

static int some_subsets(struct segment *s)
{
	int result = 0;

	for (size_t which = 0; result == 0 && which < s->count * 4 + s->states->samples; which++) {
		size_t index = which % s->count, kind = which / s->count;
		uint64_t chance = next_random(&s->states->seed) % 8;

		for (size_t i = 0; i < s->count; i++) {
			bool kept = kind == 0   ? i < index
				    : kind == 1 ? i != index
				    : kind == 2 ? i == index
				    : kind == 3 ? i != index && i != index + 1
						: next_random(&s->states->seed) % 8 >= chance;

			s->fate[i] = kept ? KEPT : LOST;
		}
		result = one_state(s, 0);
	}
	return result;
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

/* `other` around one change: behind everything before it, among everything, and alone. */
static void surround(struct segment *s, size_t index, enum fate fate, unsigned around)
{
	for (size_t i = 0; i < s->count; i++)
		s->fate[i] = (uint8_t)(i == index ? fate : around == 1 || (around == 0 && i < index) ? KEPT : LOST);
}

static int torn_writes(struct segment *s)
{
	int result = 0;

	for (size_t torn = 0; result == 0 && torn < s->count; torn++) {
		uint64_t sectors = s->changes[torn].length / SECTOR;

		if (s->changes[torn].kind != CHANGE_WRITE || sectors < 2)
			continue;
		for (unsigned variant = 0; result == 0 && variant < (s->states->few ? 1 : 15); variant++) {
			uint64_t mask = torn_mask(variant / 3, sectors, &s->states->seed);

			surround(s, torn, TORN, variant % 3);
			result = mask == UINT64_MAX ? 0 : one_state(s, mask);
		}
	}
	return result;
}

static bool can_spoil(const struct segment *s, size_t index)
{
	const struct change *c = &s->changes[index];

	if (c->kind != CHANGE_WRITE)
		return false;
	return c->offset + c->length <= s->states->spoil_below ||
	       (s->states->spoil_footers && c->length == SECTOR && memcmp(c->bytes, "conectix", 8) == 0);
}

/* Each alone, and all that were in flight. */
static int spoiled_writes(struct segment *s)
{
	int result = 0;
	bool any = false;

	for (size_t i = 0; result == 0 && i < s->count; i++)
		for (unsigned around = 0; result == 0 && can_spoil(s, i) && around < (s->states->few ? 1 : 3); around++) {
			surround(s, i, SPOILED, around);
			result = one_state(s, 0);
			any = true;
		}
	for (size_t i = 0; any && i < s->count; i++)
		s->fate[i] = can_spoil(s, i) ? SPOILED : KEPT;
	return result == 0 && any ? one_state(s, 0) : result;
}

static int one_segment(struct segment *s)
{
	int result;

	s->fate = calloc(s->count + 1, 1);
	result = s->count <= MAX_EXHAUSTIVE ? all_subsets(s) : some_subsets(s);
	if (result == 0)
		result = torn_writes(s);
	if (result == 0 && (s->states->spoil_below != 0 || s->states->spoil_footers))
		result = spoiled_writes(s);
	free(s->fate);
	seen_clear(&s->seen);
	return result;
}

int states_enumerate(struct states *states)
{
	const struct record *record = states->record;
	struct cowfile *base = cow_copy(states->start);
	size_t begin = 0;
	int result = 0;

	for (size_t i = 0; result == 0 && i <= record->count; i++) {
		struct segment s = { .states = states,
				     .base = base,
				     .changes = record->changes + begin,
				     .count = i - begin,
				     .begin = begin,
				     .end = i };

		if (i < record->count && record->changes[i].kind != CHANGE_FLUSH)
			continue;
		if (i > states->from || i == record->count)
			result = one_segment(&s);
		for (size_t c = begin; c < i; c++)
			cow_apply(base, &record->changes[c], UINT64_MAX);
		begin = i + 1;
	}
	cow_free(base);
	return result;
}
