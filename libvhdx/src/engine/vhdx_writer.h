/* SPDX-License-Identifier: MIT */
/*
 * Writing a VHDX file under the rules of order W1 to W9. Layer: engine. Three files: vhdx_write.c changes blocks, vhdx_commit.c makes changes durable,
 * vhdx_session.c updates headers, replays and closes.
 *
 *   write a block        payload straight to its place; BAT entry and bitmap bits into dirty pages
 *   commit               dirty pages -> one log entry -> flush                        (one flush, two when data must go first)
 *   apply                logged pages -> their places, before a later commit's flush    (no flush of its own)
 *
 * Locks, in order: a block's lock (disk_write.c), `commit`, the cache's mutex. The last one guards pages, space and the flags here; file I/O under it is limited
 * to loading metadata pages and growing the file.
 */
#ifndef ENGINE_VHDX_WRITER_H
#define ENGINE_VHDX_WRITER_H

#include "base/epoch.h"
#include "engine/barrier.h"
#include "engine/log_ring.h"
#include "engine/pages.h"
#include "engine/space.h"
#include "engine/vhdx_image.h"

struct vhdx_writer {
	struct vhdx_image *v;
	struct epoch *readers;           /* of the disk: nobody looks at freed space any more when it has passed */
	mutex commit;
	/* under `commit` */
	bool session;                    /* headers carry this session's identifiers */
	struct log_ring ring;
	bool entries_pending;            /* written since the last flush */
	uint32_t applied_kept;           /* sectors of the ring that the next flush must keep */
	uint64_t durable_size;           /* of the file, in whole MiB */
	uint64_t durable_change;
	struct log_page *log_pages;      /* max_entry_pages */
	struct page **entry_pages;
	uint8_t *buffer;
	uint32_t max_entry_pages;
	/* under the cache's mutex */
	struct pages pages;
	struct space space;
	bool space_ready;
	bool data_before_entry;
	/* atomics */
	_Atomic uint64_t change;         /* counts finished modifications */
	_Atomic int dead;                /* the status that killed the handle, or 0: W9 */
};

/* Prepares an image that was opened for writing; a pending log is replayed in place. Nothing else is modified yet. */
int vhdx_writer_start(struct vhdx_image *v, struct epoch *readers, struct vhdx_error *error);
/* Drains, clears LogGuid, trims. The handle is unusable afterwards whatever it returns. */
int vhdx_writer_finish(struct vhdx_writer *w, struct vhdx_error *error);
void vhdx_writer_release(struct vhdx_writer *w);

/* Headers with new identifiers, once, before the first modification: W1, W2. */
int vhdx_session_begin(struct vhdx_writer *w, struct vhdx_error *error);
/* Replays view->pieces into the file: VHDX-108, VHDX-109. */
int vhdx_replay_in_place(struct vhdx_image *v, struct vhdx_error *error);

/* Everything changed before the call is durable when it returns 0. */
int vhdx_commit(struct vhdx_writer *w, struct vhdx_error *error);
/* Writes the dirty pages into the log without making them durable, when there are many. Called without locks. */
int vhdx_relieve(struct vhdx_writer *w, struct vhdx_error *error);
/* Kills the handle after a failure whose effect is unknown; returns the status. Out of space kills nothing. */
int vhdx_writer_fail(struct vhdx_writer *w, struct vhdx_error *error);
int vhdx_writer_check(struct vhdx_writer *w, struct vhdx_error *error);

int vhdx_write_block(struct image *image, const void *buffer, uint64_t disk_offset, size_t length, struct vhdx_error *error);
int vhdx_zero_block(struct image *image, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
int vhdx_discard_block(struct image *image, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);

#endif
