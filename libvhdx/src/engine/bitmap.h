/* SPDX-License-Identifier: MIT */
/* Runs of equal bits in the sector bitmaps of both formats, read through the cache a word at a time. Layer: engine. */
#ifndef ENGINE_BITMAP_H
#define ENGINE_BITMAP_H

#include "engine/cache.h"

struct bitmap {
	struct cache *cache;
	const struct view *view;
	unsigned level;
	uint64_t file_offset; /* of bit 0; a multiple of 8 */
	bool msb_first;       /* VHD */
};

/* The value of bit `first` and how many bits from there on, at most `count` (> 0), have it. */
int bitmap_run(const struct bitmap *bitmap, uint64_t first, uint64_t count, bool *value, uint64_t *run, struct vhdx_error *error);

#endif
