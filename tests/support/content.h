/* SPDX-License-Identifier: MIT */
/*
 * The content of a disk as a short list of runs with patterns, zeros between them: as the source of a new image, and to compare an open disk with.
 * Layer: tests/support. Disks of any size cost what their runs hold. The source checks that it is asked as vhdx.h promises.
 */
#ifndef SUPPORT_CONTENT_H
#define SUPPORT_CONTENT_H

#include <stdbool.h>

#include "vhdx.h"

struct content_run {
	uint64_t offset, length;
	uint32_t seed;
};

struct content {
	uint64_t size;
	const struct content_run *runs; /* in order, apart */
	size_t count;
	/* what the source saw; zero at first */
	uint64_t asked; /* bytes read */
	uint64_t next;  /* end of the last read */
	bool has_extent;
	uint64_t fail_at;      /* reading this byte fails with VHDX_E_IO; 0: never */
	const char *complaint; /* NULL while all calls were as promised */
};

void content_bytes(const struct content *c, void *buffer, size_t length, uint64_t offset);
/* `c` must live as long as the source. */
struct vhdx_source content_source(struct content *c, bool with_extent);
/* Compares all of it; the disk may be larger and is zeros there. Ranges without data in both are not read. */
void content_expect(vhdx_disk *disk, const struct content *c);

#endif
