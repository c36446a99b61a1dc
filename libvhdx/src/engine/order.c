/* SPDX-License-Identifier: MIT */
#include "engine/order.h"

#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"

#define NOBODY UINT32_MAX
#define BATCH (64 * MIB)
#define FEW (BATCH / 4) /* less than that is not worth its flushes: more blocks are put aside */

int order_add(struct order *o, uint32_t number, uint32_t unit, struct vhdx_error *error)
{
	if (o->count == ORDER_MOST_BLOCKS)
		return fail(error, VHDX_E_UNSUPPORTED, "more than %d blocks cannot be put into order", ORDER_MOST_BLOCKS);
	if (!memory_grow(o->env, (void **)&o->blocks, o->count, sizeof(*o->blocks)))
		return fail_memory(error);
	o->blocks[o->count++] = (struct order_block){ number, unit };
	return VHDX_OK;
}

static int by_unit(const void *a, const void *b)
{
	uint32_t x = ((const struct order_place *)a)->unit, y = ((const struct order_place *)b)->unit;

	return x < y ? -1 : x > y;
}

int order_start(struct order *o, struct vhdx_error *error)
{
	if (o->count == 0)
		return VHDX_OK;
	o->places = memory_allocate(o->env, o->count * sizeof(*o->places));
	if (o->places == NULL)
		return fail_memory(error);
	for (size_t i = 0; i < o->count; i++)
		o->places[i] = (struct order_place){ o->blocks[i].at, (uint32_t)i };
	qsort(o->places, o->count, sizeof(*o->places), by_unit);
	for (size_t i = 0; i < o->count; i++) {
		o->blocks[o->places[i].holder].at = (uint32_t)i;
		o->wrong += o->places[i].holder != i;
	}
	return VHDX_OK;
}

static uint32_t unit_of(const struct order *o, uint32_t place)
{
	return place < o->count ? o->places[place].unit : o->spares[place - o->count];
}

static int move(struct order *o, uint32_t block, uint32_t to, struct vhdx_error *error)
{
	struct order_block *b = &o->blocks[block];
	int status = o->move == NULL ? VHDX_OK : o->move(o->context, b->number, unit_of(o, b->at), unit_of(o, to), error);

	if (status < 0)
		return status;
	if (b->at < o->count)
		o->places[b->at].holder = NOBODY;
	o->left[o->left_count++] = b->at;
	if (to < o->count)
		o->places[to].holder = block;
	b->at = to;
	o->moves++;
	return VHDX_OK;
}

static int report(struct order *o, struct vhdx_error *error)
{
	o->home++;
	return o->progress == NULL ? VHDX_OK : o->progress(o->context, o->home * o->length, o->wrong * o->length, error);
}

static int bring_home(struct order *o, uint64_t *moved, struct vhdx_error *error)
{
	size_t done = 0;
	int status = VHDX_OK;

	while (status == VHDX_OK && done < o->ready_count && *moved < BATCH) {
		status = move(o, o->ready[done], o->ready[done], error);
		if (status < 0)
			break;
		*moved += o->length;
		done++;
		status = report(o, error);
	}
	for (size_t i = done; i < o->ready_count; i++)
		o->ready[i - done] = o->ready[i];
	o->ready_count -= done;
	return status;
}

/* As many places are empty, or about to be, as blocks are put aside: so none of the lists gets longer than there are spares. */
static int add_spare(struct order *o, struct vhdx_error *error)
{
	size_t n = o->spare_count;
	uint32_t unit = 0;
	int status;

	if (!memory_grow(o->env, (void **)&o->spares, n, sizeof(*o->spares)) ||
	    !memory_grow(o->env, (void **)&o->idle, n, sizeof(*o->idle)) ||
	    !memory_grow(o->env, (void **)&o->ready, n, sizeof(*o->ready)) ||
	    !memory_grow(o->env, (void **)&o->left, n, sizeof(*o->left)))
		return fail_memory(error);
	status = o->spare == NULL ? VHDX_OK : o->spare(o->context, &unit, error);
	if (status < 0)
		return status;
	o->spares[o->spare_count] = unit;
	o->idle[o->idle_count++] = (uint32_t)(o->count + o->spare_count++);
	return VHDX_OK;
}

/* The next places in the file that hold a wrong block, unless that one can go home soon. */
static int put_aside(struct order *o, uint64_t *moved, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (; status == VHDX_OK && o->low < o->count && *moved < BATCH; o->low++) {
		uint32_t block = o->places[o->low].holder;

		if (block == NOBODY || block == o->low || o->places[block].holder == NOBODY)
			continue;
		if (o->idle_count == 0)
			status = add_spare(o, error);
		if (status == VHDX_OK)
			status = move(o, block, o->idle[o->idle_count - 1], error);
		if (status < 0)
			break;
		o->idle_count--;
		*moved += o->length;
	}
	return status;
}

static int commit(struct order *o, struct vhdx_error *error)
{
	int status = o->commit == NULL ? VHDX_OK : o->commit(o->context, error);

	for (size_t i = 0; status == VHDX_OK && i < o->left_count; i++) {
		if (o->left[i] < o->count)
			o->ready[o->ready_count++] = o->left[i];
		else
			o->idle[o->idle_count++] = o->left[i];
	}
	o->left_count = status == VHDX_OK ? 0 : o->left_count;
	return status;
}

int order_run(struct order *o, struct vhdx_error *error)
{
	uint64_t moved;
	int status;

	do {
		moved = 0;
		status = bring_home(o, &moved, error);
		if (status == VHDX_OK && moved < FEW) {
			status = put_aside(o, &moved, error);
			if (status == VHDX_E_NO_SPACE && moved != 0)
				status = VHDX_OK; /* what can move, moves, and leaves room */
		}
		if (status == VHDX_OK && moved != 0)
			status = commit(o, error);
	} while (status == VHDX_OK && moved != 0);
	return status;
}

uint64_t order_runs(const struct order *o)
{
	uint64_t runs = o->count != 0;

	for (size_t i = 1; i < o->count; i++) {
		uint32_t next = o->places[i - 1].unit + o->stride, unit = o->places[i].unit;

		runs += o->blocks[i].number != o->blocks[i - 1].number + 1 || unit < next || unit - next > o->slack;
	}
	return runs;
}

void order_end(struct order *o)
{
	memory_release(o->env, o->blocks);
	memory_release(o->env, o->places);
	memory_release(o->env, o->spares);
	memory_release(o->env, o->idle);
	memory_release(o->env, o->ready);
	memory_release(o->env, o->left);
}
