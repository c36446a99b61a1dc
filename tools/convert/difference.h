/* SPDX-License-Identifier: MIT */
/*
 * Fills a new differencing disk with what distinguishes a source from the parent.
 *
 * What both say is zeros, and what both find at the same place of the same file (a parent that they share), is not read. The rest is compared sector by
 * sector; sectors that differ are written, or cleared where the source has zeros.
 */
#ifndef DIFFERENCE_H
#define DIFFERENCE_H

#include "vhdx.h"

struct difference {
	vhdx_disk *child; /* open for writing, with nothing in it; it need not know its parent */
	vhdx_disk *parent;
	const struct vhdx_source *source; /* may be smaller than the child; zeros follow */
	int (*on_progress)(void *context, uint64_t done, uint64_t total);
	void *on_progress_context;
};

/* Returns 0 or a VHDX_E_* status. */
int difference_write(const struct difference *difference, struct vhdx_error *error);

#endif
