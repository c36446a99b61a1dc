/* SPDX-License-Identifier: MIT */
/*
 * A sweep over the pieces in order of their start. A heap holds those that cover the current position; its top is the one that comes last in the log,
 * and the bytes up to the next start or to its own end are its. Takes n log n time for any input, and at most 2n pieces come out.
 */
#include "engine/overlay.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"

struct start {
	uint64_t file_offset;
	size_t order; /* index in the input */
};

struct sweep {
	const struct overlay_piece *pieces;
	size_t *heap; /* orders; the largest on top */
	size_t heap_count;
	struct overlay_piece *out;
	size_t out_count;
};

static int by_start(const void *a, const void *b)
{
	const struct start *x = a, *y = b;

	if (x->file_offset != y->file_offset)
		return x->file_offset < y->file_offset ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void heap_push(struct sweep *s, size_t order)
{
	size_t at = s->heap_count++;

	for (; at != 0 && s->heap[(at - 1) / 2] < order; at = (at - 1) / 2)
		s->heap[at] = s->heap[(at - 1) / 2];
	s->heap[at] = order;
}

static void heap_pop(struct sweep *s)
{
	size_t last = s->heap[--s->heap_count], at = 0;

	for (;;) {
		size_t child = at * 2 + 1;

		if (child >= s->heap_count)
			break;
		if (child + 1 < s->heap_count && s->heap[child + 1] > s->heap[child])
			child++;
		if (s->heap[child] < last)
			break;
		s->heap[at] = s->heap[child];
		at = child;
	}
	s->heap[at] = last;
}

static uint64_t end_of(const struct overlay_piece *piece)
{
	return piece->file_offset + piece->length;
}

static void emit(struct sweep *s, const struct overlay_piece *from, uint64_t start, uint64_t end)
{
	struct overlay_piece *last = s->out_count == 0 ? NULL : &s->out[s->out_count - 1];

	if (last != NULL && from->data_offset == 0 && last->data_offset == 0 && end_of(last) == start) {
		last->length += end - start;
		return;
	}
	s->out[s->out_count] = *from;
	s->out[s->out_count].file_offset = start;
	s->out[s->out_count++].length = end - start;
}

/* Gives out everything between `position` and `limit`. */
static void drain(struct sweep *s, uint64_t position, uint64_t limit)
{
	while (s->heap_count != 0 && position < limit) {
		const struct overlay_piece *top = &s->pieces[s->heap[0]];

		if (end_of(top) <= position) {
			heap_pop(s);
			continue;
		}
		emit(s, top, position, min_u64(limit, end_of(top)));
		position = min_u64(limit, end_of(top));
	}
}

int overlay_flatten(const struct vhdx_env *env, struct overlay_piece **out, size_t *out_count, const struct overlay_piece *pieces,
		    size_t count, struct vhdx_error *error)
{
	struct start *starts;
	struct sweep s = { .pieces = pieces };

	*out = NULL;
	*out_count = 0;
	if (count == 0)
		return VHDX_OK;
	starts = memory_allocate(env, count * sizeof(*starts));
	s.heap = memory_allocate(env, count * sizeof(*s.heap));
	s.out = memory_allocate(env, count * 2 * sizeof(*s.out));
	if (starts == NULL || s.heap == NULL || s.out == NULL) {
		memory_release(env, starts);
		memory_release(env, s.heap);
		memory_release(env, s.out);
		return fail_memory(error);
	}
	for (size_t i = 0; i < count; i++)
		starts[i] = (struct start){ pieces[i].file_offset, i };
	qsort(starts, count, sizeof(*starts), by_start);
	for (size_t i = 0; i < count; i++) {
		uint64_t next = i + 1 < count ? starts[i + 1].file_offset : UINT64_MAX;

		if (pieces[starts[i].order].length != 0)
			heap_push(&s, starts[i].order);
		drain(&s, starts[i].file_offset, next);
	}
	memory_release(env, starts);
	memory_release(env, s.heap);
	*out = s.out;
	*out_count = s.out_count;
	return VHDX_OK;
}
