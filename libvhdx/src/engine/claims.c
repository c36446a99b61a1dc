/* SPDX-License-Identifier: MIT */
/*
 * Sorts in place by heap, because the C library's qsort may allocate as much again; blocks that stand in order are not sorted
 * at all. Then one sweep in order of the starts: whatever lies before the farthest end so far is claimed twice. The results are
 * never more than the ranges already passed, so they overwrite them.
 */
#include "engine/claims.h"

#include "base/checked.h"
#include "base/error.h"

static struct range *at(const struct claims *claims, size_t index)
{
	return &claims->chunks[index / CLAIMS_CHUNK][index % CLAIMS_CHUNK];
}

int claims_add(struct claims *claims, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	struct range *last = claims->count == 0 ? NULL : at(claims, claims->count - 1);
	struct range **chunk;

	if (last != NULL && last->offset + last->length == offset) {
		last->length += length;
		return VHDX_OK;
	}
	claims->is_full = claims->is_full || claims->count == (size_t)CLAIMS_CHUNK * CLAIMS_CHUNKS;
	if (claims->is_full || length == 0)
		return VHDX_OK;
	chunk = &claims->chunks[claims->count / CLAIMS_CHUNK];
	if (*chunk == NULL)
		*chunk = memory_allocate(claims->env, CLAIMS_CHUNK * sizeof(**chunk));
	if (*chunk == NULL)
		return fail_memory(error);
	*at(claims, claims->count++) = (struct range){ offset, length };
	return VHDX_OK;
}

static bool is_sorted(const struct claims *claims)
{
	for (size_t i = 1; i < claims->count; i++)
		if (at(claims, i)->offset < at(claims, i - 1)->offset)
			return false;
	return true;
}

/* Puts `range` into the heap of `count` whose place `hole` is free, and whose part below it is in order. */
static void sift(const struct claims *claims, size_t hole, size_t count, struct range range)
{
	for (;;) {
		size_t child = hole * 2 + 1;

		if (child >= count)
			break;
		if (child + 1 < count && at(claims, child + 1)->offset > at(claims, child)->offset)
			child++;
		if (at(claims, child)->offset <= range.offset)
			break;
		*at(claims, hole) = *at(claims, child);
		hole = child;
	}
	*at(claims, hole) = range;
}

static void sort(const struct claims *claims)
{
	for (size_t i = claims->count / 2; i != 0; i--)
		sift(claims, i - 1, claims->count, *at(claims, i - 1));
	for (size_t left = claims->count; left > 1; left--) {
		struct range last = *at(claims, left - 1);

		*at(claims, left - 1) = *at(claims, 0);
		sift(claims, 0, left - 1, last);
	}
}

void claims_sort(struct claims *claims)
{
	if (!is_sorted(claims))
		sort(claims);
}

struct range claims_get(const struct claims *claims, size_t index)
{
	return *at(claims, index);
}

void claims_settle(struct claims *claims)
{
	uint64_t end = 0;
	size_t count = 0;

	claims_sort(claims);
	for (size_t i = 0; i < claims->count; i++) {
		struct range range = *at(claims, i);
		uint64_t range_end = range.offset + range.length, twice = min_u64(end, range_end);
		struct range *last = count == 0 ? NULL : at(claims, count - 1);

		if (range.offset < end) {
			if (last != NULL && range.offset <= last->offset + last->length)
				last->length = max_u64(last->length, twice - last->offset);
			else
				*at(claims, count++) = (struct range){ range.offset, twice - range.offset };
		}
		end = max_u64(end, range_end);
	}
	claims->count = count;
	claims->is_settled = true;
}

bool claims_hit(const struct claims *claims, uint64_t offset, uint64_t length)
{
	size_t low = 0, high = claims->count;

	if (!claims->is_settled)
		return false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (at(claims, middle)->offset + at(claims, middle)->length <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < claims->count && at(claims, low)->offset < offset + length;
}

void claims_release(struct claims *claims)
{
	for (size_t i = 0; i < CLAIMS_CHUNKS; i++) {
		memory_release(claims->env, claims->chunks[i]);
		claims->chunks[i] = NULL;
	}
	claims->count = 0;
	claims->is_full = false;
	claims->is_settled = false;
}
