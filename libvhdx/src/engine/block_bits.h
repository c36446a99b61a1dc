/* SPDX-License-Identifier: MIT */
/* Changing the bits of one block in a sector bitmap block of a VHDX file, by way of dirty pages. Layer: engine. All under the cache's mutex. */
#ifndef ENGINE_BLOCK_BITS_H
#define ENGINE_BLOCK_BITS_H

#include "engine/pages.h"

struct block_bits {
	uint64_t file_offset; /* of the block's first bit; the block's bits are whole 64-bit words */
	uint64_t count;       /* of the block */
	uint64_t in_disk;     /* those that stand for sectors of the disk */
	uint64_t first;       /* those to set */
	uint64_t last;        /* behind them */
};

/* `fresh`: the other bits of the block become 0, whatever they were (VHDX-140). On failure nothing has changed. */
int block_bits_set(struct pages *pages, const struct block_bits *bits, bool fresh, struct vhdx_error *error);
/* Whether all bits are set that stand for sectors of the disk; no when that cannot be read. */
bool block_bits_complete(struct pages *pages, const struct block_bits *bits);

#endif
