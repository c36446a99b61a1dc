/* SPDX-License-Identifier: MIT */
/* A set of hashes. A zeroed struct is an empty one. */
#ifndef SEEN_H
#define SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct seen {
	uint64_t *table; /* open addressing; 0: free */
	size_t size;
	size_t count;
};

/* True when the hash was not there yet. */
bool seen_add(struct seen *seen, uint64_t hash);
void seen_clear(struct seen *seen);

#endif
