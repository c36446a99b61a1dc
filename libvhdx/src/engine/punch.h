/* SPDX-License-Identifier: MIT */
/* Zeros that a file stores become holes of the host. Layer: engine. What reads as zeros does so before and after, whatever a crash leaves; so this needs no session and no order. */
#ifndef ENGINE_PUNCH_H
#define ENGINE_PUNCH_H

#include "engine/image.h"

struct punch {
	struct image *image;
	uint8_t *bytes; /* PUNCH_BUFFER */
	bool only_counts;
	uint64_t *total;
	uint64_t start; /* of the run of zeros so far */
	uint64_t end;
};

enum { PUNCH_BUFFER = 1 << 20 };

/* What the file of the image itself holds of a range of the disk. Adds to *total. */
int punch_zeros(struct punch *punch, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);

#endif
