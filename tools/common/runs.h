/* SPDX-License-Identifier: MIT */
/*
 * A digest of the content of a disk that costs what the disk holds: over every maximal run of sectors that are not all zeros, preceded by its offset. Holes,
 * written zeros, the length of the reads, and zeros at the end make no difference.
 */
#ifndef RUNS_H
#define RUNS_H

#include <stddef.h>
#include <stdint.h>

#include "progress.h"
#include "vhdx.h"

struct runs {
	void *state;  /* the caller's XXH3_state_t */
	uint64_t end; /* of the last run */
};

void runs_begin(struct runs *runs, void *xxh3_state);
/* Content comes in ascending order. */
void runs_add(struct runs *runs, const void *data, size_t length, uint64_t disk_offset);
/* All of a source; `progress` may be NULL. Returns 0 or a VHDX_E_* status. */
int runs_add_source(struct runs *runs, const struct vhdx_source *source, struct progress *progress, struct vhdx_error *error);

#endif
