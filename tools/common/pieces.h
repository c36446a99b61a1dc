/* SPDX-License-Identifier: MIT */
/* In how many pieces the host's filesystem keeps a file, and how far they lie apart: fragmentation outside the image. */
#ifndef PIECES_H
#define PIECES_H

#include <stdbool.h>
#include <stdint.h>

struct pieces {
	bool known;          /* the filesystem tells; otherwise the rest is 0 */
	uint64_t count;      /* extents, those that touch on the disk taken as one; what is not written out yet is left out */
	uint64_t seek_bytes; /* in file order, from the end of each to the beginning of the next; all added up */
};

/* What is not on the disk yet has no place: sync the file first to see all of it. */
void pieces_of(struct pieces *out, const char *path);

#endif
