/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a file put into the order of the disk: which one moves where, and when. Layer: engine. The formats move them (vhdx_order.c, vhd_compact.c).
 *
 * The places are those that the blocks have already: the i-th block goes to the i-th place. What moves needs an empty place, so some blocks are put aside behind the
 * others first; then each place that becomes empty is filled by the block that belongs there, which leaves another one empty. A block moves once, or twice when it was put aside.
 *
 * Moves go in batches. Between two batches everything is made durable, and only then a place that was left is used again (W6). So at any moment each block
 * stands whole where the file says.
 */
#ifndef ENGINE_ORDER_H
#define ENGINE_ORDER_H

#include <stdbool.h>

#include "base/memory.h"

enum { ORDER_MOST_BLOCKS = 1 << 22 }; /* 16 bytes of memory each */

/* In the order of the disk. */
struct order_block {
	uint32_t number;
	uint32_t at; /* its place; once the order is known, the number of the place, those put aside behind all others */
};

struct order_place {
	uint32_t unit; /* a file offset in units of the format */
	uint32_t holder;
};

struct order {
	/* by the caller */
	const struct vhdx_env *env;
	uint64_t length; /* of a block in bytes, and in units: */
	uint32_t stride;
	uint32_t slack; /* so many units between neighbours are nothing */
	void *context;
	/* All NULL: only counts. */
	int (*move)(void *context, uint32_t number, uint32_t from, uint32_t to, struct vhdx_error *error);
	/* One more place, which holds nothing. */
	int (*spare)(void *context, uint32_t *unit, struct vhdx_error *error);
	int (*commit)(void *context, struct vhdx_error *error);
	int (*progress)(void *context, uint64_t done, uint64_t total, struct vhdx_error *error);

	struct order_block *blocks;
	struct order_place *places;
	size_t count;
	uint32_t *spares; /* units */
	uint32_t *idle;   /* spares that hold nothing */
	uint32_t *ready;  /* places that are empty, for the block that belongs there */
	uint32_t *left;   /* places that are empty when the batch is durable */
	size_t spare_count;
	size_t idle_count;
	size_t ready_count;
	size_t left_count;
	size_t low;   /* places before were looked at for blocks to put aside */
	size_t wrong; /* blocks that do not stand where they belong */
	size_t home;  /* of which so many were brought there */
	uint64_t moves;
};

/* In the order of the disk. */
int order_add(struct order *order, uint32_t number, uint32_t unit, struct vhdx_error *error);
/* After the last block: what is to be done. */
int order_start(struct order *order, struct vhdx_error *error);
int order_run(struct order *order, struct vhdx_error *error);
/* Of neighbours on the disk and in the file, when all blocks are in order. */
uint64_t order_runs(const struct order *order);
void order_end(struct order *order);

#endif
