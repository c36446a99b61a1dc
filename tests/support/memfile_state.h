/* SPDX-License-Identifier: MIT */
/*
 * What a memory file is made of: its bytes (memfile.c) and the calls through its table (memfile_io.c). Layer:
 * tests/support, for those two alone.
 */
#ifndef SUPPORT_MEMFILE_STATE_H
#define SUPPORT_MEMFILE_STATE_H

#include <stdatomic.h>

#include "support/memfile.h"
#include "support/memfile_pages.h"
#include "support/rwlock.h"

/* The countdown is n while n calls remain until the failure, 1 at the call that fails. */
struct fault {
	atomic_ulong countdown; /* 0: none */
	int status;
	bool sticky;
};

struct memfile {
	rwlock lock; /* size and pages */
	uint64_t size;
	struct pages pages;
	atomic_ulong counts[MEMFILE_CALLS];
	struct fault faults[MEMFILE_CALLS + 1];
	size_t short_length;
	bool minimal;
	struct vhdx_file_id id;
	memfile_watch_fn watch;
	void *watch_context;
};

/* Makes a range zero. The caller holds the lock, if anybody else may look. */
void memfile_clear(struct memfile *m, uint64_t offset, uint64_t length);

#endif
