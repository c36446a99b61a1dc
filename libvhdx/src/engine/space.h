/* SPDX-License-Identifier: MIT */
/*
 * Which MiB of a VHDX file are in use, and what the free ones hold. Layer: engine. One bit for each MiB, so a file of 64 TiB costs 8 MiB of memory.
 *
 *   free inside the file   foreign stale: old bytes of another block, or unknown ones
 *   beyond the end         zero
 *
 * Space that a change frees goes through `leaving` until that change is durable (W6); only then may it hold something else. Not thread-safe: the writer's lock
 * guards it.
 */
#ifndef ENGINE_SPACE_H
#define ENGINE_SPACE_H

#include <stdbool.h>

#include "base/memory.h"

struct space_piece {
	uint64_t file_offset;
	uint64_t length;
};

struct space {
	const struct vhdx_env *env;
	uint64_t *used;       /* bits */
	uint64_t capacity;    /* units that `used` has room for */
	uint64_t end;         /* units that have ever been used; beyond is zero */
	uint64_t free_inside; /* free units below `end` */
	uint64_t cursor;
	uint64_t no_run_of; /* no free run inside is so long; 0: not known */
	struct space_piece *leaving;
	size_t leaving_count;
	size_t leaving_logged; /* the first so many are in a log entry */
};

int space_start(struct space *space, const struct vhdx_env *env, uint64_t file_size, struct vhdx_error *error);
void space_end(struct space *space);

/* The map goes on to `end` at least: what lies between the end of the file and there is free, unless it is taken. */
int space_reach(struct space *space, uint64_t end, struct vhdx_error *error);
/* Marks a range that something stands in; multiples of 1 MiB. False when part of it is in use already or outside the file. */
bool space_take(struct space *space, uint64_t file_offset, uint64_t length);
/* Finds room for `length` bytes, a multiple of 1 MiB. *is_zero: nothing ever stood there. */
int space_allocate(struct space *space, uint64_t length, uint64_t *file_offset, bool *is_zero, struct vhdx_error *error);
/* Gives back what was allocated last and never written. */
void space_retract(struct space *space, uint64_t file_offset, uint64_t length, bool is_zero);
/* Gives back what was allocated and never became reachable. */
void space_cancel(struct space *space, uint64_t file_offset, uint64_t length);
/* A change that is not durable yet frees this range. */
int space_leave(struct space *space, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
/* `count` more of the leaving ranges are covered by log entries now; and all those are durable now. */
void space_logged(struct space *space, size_t count);
void space_durable(struct space *space);
/* For whoever moves things. The first room for `length` bytes that ends before `below`; `from` is the unit where the search begins, and then the one found. */
bool space_find(const struct space *space, uint64_t length, uint64_t *from, uint64_t below);
/* Another map with the same marks, which space_end frees. */
int space_copy(struct space *copy, const struct space *space, struct vhdx_error *error);
bool space_is_used(const struct space *space, uint64_t file_offset);
/* The lowest place with at most `count` used units between it and `high`. */
uint64_t space_below(const struct space *space, uint64_t high, uint64_t count);
/* End of the last used unit, in bytes, leaving ranges included. */
uint64_t space_used_end(const struct space *space);

#endif
