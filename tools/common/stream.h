/* SPDX-License-Identifier: MIT */
/* A sequential raw source of a disk whose size is known: what comes is padded with zeros, more than fits is an error. */
#ifndef STREAM_H
#define STREAM_H

#include "input.h"

struct stream {
	struct input *input;
	const char *name; /* for messages */
	uint64_t size;
	uint64_t position; /* bytes taken from the input */
	bool ended;
	bool refuse_vhd;         /* nobody said raw: the footer of a fixed VHD at the end is no content */
	unsigned char tail[512]; /* the last bytes taken */
};

/* `stream` must outlive `source`. */
void stream_source(struct vhdx_source *source, struct stream *stream);

#endif
