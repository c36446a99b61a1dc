/* SPDX-License-Identifier: MIT */
/*
 * Space between the blocks of a file that belongs to nothing and still takes room on the host. Layer: engine.
 *
 * Only places of at least 64 KiB count, because blocks and structures may be aligned, and only what the host knows to be data: what has been given back already is a hole.
 * Without an I/O table that can tell holes and make them there is nothing to find.
 */
#ifndef ENGINE_LEAKS_H
#define ENGINE_LEAKS_H

#include "engine/claims.h"
#include "engine/view.h"

struct leaks {
	uint64_t bytes;
	uint64_t places;
	uint64_t first;      /* file offset */
	struct claims *list; /* NULL, or where each is noted */
};

/*
 * Looks between `start` and `end` of the file, as it is once its log was replayed, at what neither the blocks nor the structures claim. Both are sorted; the structures are disjoint.
 */
int leaks_find(struct leaks *leaks, const struct view *view, const struct claims *blocks, const struct range *structures,
	       size_t structure_count, uint64_t start, uint64_t end, struct vhdx_error *error);

#endif
