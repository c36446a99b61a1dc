/* SPDX-License-Identifier: MIT */
/* Makes the sorted, disjoint pieces of a view out of log descriptors in replay order. Layer: engine. */
#ifndef ENGINE_OVERLAY_H
#define ENGINE_OVERLAY_H

#include "engine/view.h"

/*
 * `pieces` come in replay order; where they overlap, the later one wins. On success *out is a new array of *out_count pieces (NULL when there are none).
 */
int overlay_flatten(const struct vhdx_env *env, struct overlay_piece **out, size_t *out_count, const struct overlay_piece *pieces,
		    size_t count, struct vhdx_error *error);

#endif
