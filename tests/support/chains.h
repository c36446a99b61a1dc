/* SPDX-License-Identifier: MIT */
/*
 * Chains of images with random blocks and bitmaps, and the model of what the top one holds. Layer: tests/support. Every sector of a block that its
 * bitmap does not claim holds a pattern of its own, so that a reader that takes it is found out.
 */
#ifndef SUPPORT_CHAINS_H
#define SUPPORT_CHAINS_H

#include <stdbool.h>

#include "support/memfile.h"
#include "support/model.h"

enum { CHAIN_MAX = VHDX_MAX_DEPTH + 4 };

struct chain_plan {
	enum vhdx_format format;
	enum vhdx_type base;          /* FIXED or DYNAMIC */
	unsigned depth;               /* files, the base included */
	uint64_t size;                /* of all levels ... */
	uint64_t size_step;           /* ... unless this is not 0: sizes differ at random by multiples of it, up or down */
	uint32_t block_size;          /* 0: random for each level */
	uint32_t logical_sector_size; /* VHDX; 0: 512 */
	unsigned blocks;              /* at most so many blocks in each level */
	uint64_t seed;
};

struct chain {
	struct memfile *files[CHAIN_MAX]; /* 0 is the top */
	unsigned depth;
	struct model model;
};

void chain_build(struct chain *chain, const struct chain_plan *plan);
void chain_end(struct chain *chain);
/* What children of level `level` must name. */
struct vhdx_guid chain_identity(unsigned level);
/* Opens it with explicit parents; the test fails when that fails. */
vhdx_disk *chain_open(const struct chain *chain, unsigned flags);

#endif
