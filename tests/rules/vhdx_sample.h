/* SPDX-License-Identifier: MIT */
/*
 * The small VHDX images that the rule tests start from. Each test builds its own, shows that the good one is taken,
 * breaks one thing and shows what becomes of it. Layer: tests/rules.
 */
#ifndef RULES_VHDX_SAMPLE_H
#define RULES_VHDX_SAMPLE_H

#include "support/expect.h"

#define MIB RECIPE_MIB

/* Where the structures of the image built last are. */
extern struct recipe_vhdx_places at;

struct memfile *build(const struct recipe_vhdx *knobs);

/* 16 MiB dynamic with blocks of 1 MiB; block 1 holds pattern 5 at SAMPLE_BLOCK, all else is zeros. */
#define SAMPLE_BLOCK (4 * MIB)
struct memfile *sample(void);
/* The same, taking the knobs that matter from `knobs`; only the blocks are set. */
struct memfile *sample_of(struct recipe_vhdx knobs);

/* Dynamic, 16 MiB; blocks 0 to 7 hold pattern 1. Its DataWriteGuid is SAMPLE_LINKAGE. */
#define SAMPLE_LINKAGE "{da000000-0000-0000-0000-000000000000}"
struct memfile *sample_parent(void);
/*
 * Differencing, 16 MiB, of that parent. Block 1 is here whole and block 2 in sectors 3 to 6 and 100, with pattern 2;
 * block 3 is ZERO, 4 UNDEFINED, 5 UNMAPPED; the others are NOT_PRESENT.
 */
struct memfile *sample_child(void);
/* The same with another parent locator. */
struct memfile *sample_child_of(const struct recipe_pair *pairs, size_t count);

/* A child and its parent; the child's places are in `at`. */
struct sample_pair {
	struct memfile *child, *parent;
};
struct sample_pair sample_pair(void);
void free_pair(struct sample_pair pair);
/* Changes the BAT entry of a payload block of the image built last. */
void put_entry(struct memfile *m, uint64_t block, uint64_t entry);
/* File offset of the sector bitmap block of its first chunk. */
uint64_t bitmap_of(const struct memfile *m);

/* sample() with a pending log at 1 MiB, LogGuid recipe_guid(3), and these entries. */
struct memfile *sample_log(const struct recipe_entry *entries, size_t count);
/* A page of contents for the log: pattern `seed` of block 1 at `offset` in it, to be logged to SAMPLE_BLOCK + offset. */
const uint8_t *sample_page(uint64_t offset, uint32_t seed);
/* A data descriptor that gives page `index` of block 1 pattern `seed`. */
struct recipe_descriptor sample_data(unsigned index, uint32_t seed);
/* Expects page `index` of block 1 to hold pattern `seed`. */
void expect_page(struct memfile *m, unsigned index, uint32_t seed);

/* vhdx_inspect walks to the end, and finds this rule broken, or does not. */
void expect_reported(struct memfile *m, const char *rule);
void expect_not_reported(struct memfile *m, const char *rule);

/* What the library says of an image; it must open. */
struct vhdx_info sample_info(struct memfile *m);

#endif
