/* SPDX-License-Identifier: MIT */
/* Chains in memory and what must be true of compacting their leaf: shared by the tests of compaction. */
#ifndef COMPACTING_H
#define COMPACTING_H

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/model.h"
#include "support/recipe.h"

#define MIB UINT64_C(1048576)
enum { MOST_LEVELS = 8 };

struct chain {
	enum vhdx_format format;
	uint32_t sector;
	unsigned depth;
	struct memfile *files[MOST_LEVELS]; /* the leaf last */
	struct model model;
	uint32_t next_seed;
	uint64_t state;
};

/* The next number of a sequence. */
uint64_t pick(uint64_t *state, uint64_t below);
/* The disk of the first `depth` files. */
vhdx_disk *open_chain(const struct chain *c, unsigned depth, unsigned flags);
void add_level(struct chain *c, uint64_t size, uint32_t block_size);
void end_chain(struct chain *c);
/* Writes a pattern to disk and model. */
void put(struct chain *c, vhdx_disk *disk, uint64_t offset, uint64_t length, uint32_t seed);
/* No error is found in the file. */
void expect_sound(struct memfile *image);
struct vhdx_compact_result compact(vhdx_disk *disk, unsigned flags);
struct vhdx_guid identity(vhdx_disk *disk);
/* All that must be true of compacting the leaf. */
void expect_compaction(struct chain *c);
/* The same with VHDX_COMPACT_DEFRAG, and that the blocks stand in order then. */
void expect_defrag(struct chain *c);

#endif
