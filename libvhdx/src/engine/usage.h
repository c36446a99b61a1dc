/* SPDX-License-Identifier: MIT */
/* Counting what a BAT holds: shared by the formats' usage functions. Layer: engine. */
#ifndef ENGINE_USAGE_H
#define ENGINE_USAGE_H

#include "engine/image.h"

/* Feed present blocks in disk order. */
struct usage_runs {
	uint64_t next_block;  /* the block that would be the neighbour on the disk */
	uint64_t next_offset; /* and where it would stand to be the neighbour in the file */
};

/* How far it is in the file from the end of one run to the beginning of the next; the sum saturates. */
static inline void usage_add_seek(struct vhdx_usage *usage, uint64_t from, uint64_t to)
{
	uint64_t distance = from < to ? to - from : from - to;

	usage->seek_bytes = distance > UINT64_MAX - usage->seek_bytes ? UINT64_MAX : usage->seek_bytes + distance;
}

/* `slack`: so many bytes between two blocks are only there to align the second one. */
static inline void usage_add_block(struct vhdx_usage *usage, struct usage_runs *runs, uint64_t block, uint64_t file_offset,
				   uint64_t stride, uint64_t slack)
{
	if (runs->next_block == block && block != 0) {
		usage->pairs++;
		if (runs->next_offset <= file_offset && file_offset - runs->next_offset <= slack) {
			runs->next_block = block + 1;
			runs->next_offset = file_offset + stride;
			return;
		}
		usage->breaks++;
	}
	if (usage->runs != 0)
		usage_add_seek(usage, runs->next_offset, file_offset);
	usage->runs++;
	runs->next_block = block + 1;
	runs->next_offset = file_offset + stride;
}

/* Walks [file_offset, file_offset + length) of a view in pieces; holes come as bytes == NULL. `file_offset` and pieces are multiples of `unit`. */
int usage_scan(struct image *image, uint64_t file_offset, uint64_t length,
	       int (*visit)(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error),
	       void *context, struct vhdx_error *error);

#endif
