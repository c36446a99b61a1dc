/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of a file more than one block claims, for any number of blocks in bounded memory. Layer: engine.
 *
 * Blocks that follow each other in the file take one place together, so an image that was written in order needs a few bytes.
 * There is room for 2^20 places, 16 MiB; what comes after that is not looked at, and `is_full` says so.
 */
#ifndef ENGINE_CLAIMS_H
#define ENGINE_CLAIMS_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/ranges.h"

enum { CLAIMS_CHUNK = 4096, CLAIMS_CHUNKS = 256 };

struct claims {
	const struct vhdx_env *env;
	struct range *chunks[CLAIMS_CHUNKS]; /* of CLAIMS_CHUNK each, allocated when used */
	size_t count;
	bool is_full;
	bool is_settled; /* the ranges are those claimed twice, sorted and disjoint */
};

/* Notes [offset, offset + length), whose end fits 64 bits. Returns VHDX_OK or VHDX_E_NO_MEMORY. */
int claims_add(struct claims *claims, uint64_t offset, uint64_t length, struct vhdx_error *error);
/* Puts them in order, after the last claims_add. */
void claims_sort(struct claims *claims);
/* The n-th, of sorted ones in their order; they may overlap. */
struct range claims_get(const struct claims *claims, size_t index);
/* Finds what is claimed twice. */
void claims_settle(struct claims *claims);
/* Whether a byte of [offset, offset + length) is claimed twice. */
bool claims_hit(const struct claims *claims, uint64_t offset, uint64_t length);
/* Frees the memory; the claims are as new. */
void claims_release(struct claims *claims);

#endif
