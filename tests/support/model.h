/* SPDX-License-Identifier: MIT */
/*
 * The flat model of a disk: for each 512 bytes the seed of the pattern that a read must return, 0 for zeros. Layer: tests/support. A disk is right
 * when every read of any alignment returns what the model says, and its extents say the same.
 */
#ifndef SUPPORT_MODEL_H
#define SUPPORT_MODEL_H

#include "vhdx.h"

struct model {
	uint64_t size; /* a multiple of 512 */
	uint32_t *seeds;
};

void model_start(struct model *model, uint64_t size);
void model_end(struct model *model);
/* A new end; what is added is zeros. */
void model_resize(struct model *model, uint64_t size);
/* Multiples of 512; what lies beyond the end is left out. */
void model_set(struct model *model, uint64_t offset, uint64_t length, uint32_t seed);
void model_bytes(const struct model *model, void *buffer, size_t length, uint64_t offset);

/* Each fails the test when the disk is not as the model says. */
/* One read. */
void model_expect_read(const struct model *model, vhdx_disk *disk, size_t length, uint64_t offset);
/* All of it, in large reads. */
void model_expect(const struct model *model, vhdx_disk *disk);
/* `count` reads at random places, of at most `longest` bytes. */
void model_expect_random(const struct model *model, vhdx_disk *disk, unsigned count, size_t longest, uint64_t *state);
/* The extents cover the disk without gap or overlap; zeros are zeros, and data is in the file where they say (unless in_memory). */
void model_expect_extents(const struct model *model, vhdx_disk *disk);

#endif
