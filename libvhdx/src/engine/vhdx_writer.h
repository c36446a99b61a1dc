/* SPDX-License-Identifier: MIT */
/*
 * Writing a VHDX file under the rules of order W1 to W9. Layer: engine. Four files: vhdx_write.c changes blocks, vhdx_commit.c makes changes durable,
 * vhdx_session.c updates headers, replays, begins and ends, vhdx_space.c knows the free space.
 *
 *   write a block        payload straight to its place; BAT entry and bitmap bits into dirty pages
 *   commit               dirty pages -> one log entry -> flush                        (one flush, two when data must go first)
 *   apply                logged pages -> their places, before a later commit's flush    (no flush of its own)
 *
 * Locks, in order: a block's lock (disk_write.c), `bitmaps`, `commit` (of struct writing), the cache's mutex. The last one guards pages, space and the flags
 * here; file I/O under it is limited to loading metadata pages and growing the file.
 */
#ifndef ENGINE_VHDX_WRITER_H
#define ENGINE_VHDX_WRITER_H

#include "engine/barrier.h"
#include "engine/log_ring.h"
#include "engine/pages.h"
#include "engine/space.h"
#include "engine/vhdx_image.h"

/* What the beginning of a session has done. */
enum session_step {
	SESSION_NONE,
	SESSION_SPACE_KNOWN,
	SESSION_CHOSEN,
	SESSION_SETTLED,
	SESSION_FIRST_HEADER,
	SESSION_SEEDED,
	SESSION_FLUSHED,
	SESSION_OPEN
};

struct vhdx_writer {
	struct vhdx_image *v;
	mutex bitmaps;       /* who gives a chunk its sector bitmap block */
	uint32_t max_change; /* pages that one change may touch */
	uint32_t max_entry_pages;
	_Atomic bool session;         /* headers carry this session's identifiers */
	_Atomic bool identity_is_new; /* DataWriteGuid too */
	bool was_resized;             /* the file of a fixed disk may become shorter */
	/* under `commit` */
	enum session_step step;
	struct vhdx_header wanted;  /* this session's identifiers */
	bool new_identity;          /* of the session that is beginning */
	atomic_bool regions_mended; /* the copies of the region table are alike, or will be */
	bool mirror_due;            /* the other slot lacks LogGuid, and may be written */
	struct log_ring ring;
	bool entries_pending; /* written since the last flush */
	struct page **logged; /* pages whose newest logged content is not in place durably */
	uint32_t logged_count;
	uint32_t logged_limit;
	bool applied; /* since the last flush; sectors logged since then: */
	uint32_t kept;
	uint64_t durable_size;     /* of the file, in whole MiB */
	struct page **entry_pages; /* max_entry_pages, of the entry being written */
	uint8_t *buffer;           /* that entry */
	/* under the cache's mutex */
	struct pages pages;
	uint32_t in_entry; /* pages of the entry being written, which come back when it fails */
	struct space space;
	bool data_before_entry; /* payload must be durable before the next entry: W5 */
};

/* Ops of the image. */
int vhdx_writer_start(struct image *image, struct vhdx_error *error);
int vhdx_writer_finish(struct image *image, struct vhdx_error *error);
int vhdx_write_block(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
int vhdx_discard_block(struct image *image, uint64_t length, uint64_t disk_offset, struct vhdx_error *error);
int vhdx_commit(struct image *image, struct vhdx_error *error);
void vhdx_writer_release(struct vhdx_writer *w);
/* Pages that one log entry may hold; of an image open for reading too. */
uint32_t vhdx_max_entry_pages(const struct vhdx_image *v);
/* vhdx_resize.c and vhdx_set.c. The disk belongs to the caller alone. */
int vhdx_resize_image(struct image *image, uint64_t size, struct vhdx_error *error);
int vhdx_reserve(struct image *image, uint64_t length, struct vhdx_error *error);
int vhdx_check_items(struct image *image, struct image *source, struct vhdx_error *error);
int vhdx_take_items(struct image *image, struct image *source, struct vhdx_error *error);
int vhdx_set_image(struct image *image, const struct image_settings *settings, struct vhdx_error *error);
/* vhdx_items.c. */
int vhdx_user_items(struct image *image, const struct vhdx_guid *only,
		    int (*visit)(void *context, const struct vhdx_user_item *item, const uint8_t *value,
				 struct vhdx_error *error),
		    void *context, struct vhdx_error *error);
int vhdx_set_user_item(struct image *image, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error);
/* vhdx_compact.c. To count, an image open for reading will do. */
int vhdx_compact_image(struct image *image, struct compaction *c, struct vhdx_error *error);
/* What an estimate says of packing. In units of 1 MiB, the highest `from` first. */
struct packed {
	uint32_t from;
	uint32_t to;
};
struct packing {
	struct space before; /* where blocks stand that count: freed ones are still in the BAT */
	struct packed *list;
	size_t count;
};

/* vhdx_pack.c: moves blocks down to where there is room, the last ones first. Everything is in its place, and `space` is all of it. `w` NULL: only
 * marks in `space` where they would go, and tells `packing` (may be NULL; its space is the caller's business). */
int vhdx_pack(struct vhdx_image *v, struct vhdx_writer *w, struct space *space, struct packing *packing, struct compaction *c,
	      struct vhdx_error *error);
/* vhdx_order.c: puts payload blocks into the order of the disk. Everything is in its place. `w` NULL: only counts what would be done after `packing`. */
int vhdx_put_in_order(struct vhdx_image *v, struct vhdx_writer *w, const struct packing *packing, struct compaction *c,
		      struct vhdx_error *error);

/* Before the first modification: the space map, headers with new identifiers, the log's first entry (W1, W2). Takes `commit`. */
int vhdx_session_begin(struct vhdx_writer *w, struct vhdx_error *error);
/* The same for changes that no reader of the disk can see, which leave DataWriteGuid as it is: VHDX-023, VHDX-040. */
int vhdx_session_begin_unchanged(struct vhdx_writer *w, struct vhdx_error *error);
/* Marks in the map all that stands in the file: VHDX-121, VHDX-122. */
int vhdx_load_space(struct vhdx_writer *w, struct vhdx_error *error);
/* The same into a map of its own, which space_end frees, also on failure. `anchors`: where blocks stood that have no content any more, too. */
int vhdx_scan_space(struct vhdx_image *v, struct space *space, bool anchors, struct vhdx_error *error);
/* Room for `length` bytes, inside the file as it is then. *is_zero: it reads as zeros. Takes the cache's mutex. */
int vhdx_allocate(struct vhdx_writer *w, uint64_t length, uint64_t *file_offset, bool *is_zero, struct vhdx_error *error);
void vhdx_cancel(struct vhdx_writer *w, uint64_t file_offset, uint64_t length);

/* Takes the cache's mutex when the next log entry has room for `pages` more dirty pages. */
int vhdx_lock_change(struct vhdx_writer *w, uint32_t pages, struct vhdx_error *error);
void vhdx_unlock_change(struct vhdx_writer *w);
/* Under the cache's mutex, taken by vhdx_lock_change. */
int vhdx_set_entry(struct vhdx_writer *w, uint64_t bat_index, uint64_t entry, struct vhdx_error *error);

/* The pieces that lie over the file are written into it: before anything else. */
int vhdx_replay(struct vhdx_image *v, struct vhdx_error *error);

/* Under `commit`. */

/* A flush, and what follows from it. Kills the handle when it fails. */
int vhdx_barrier(struct vhdx_writer *w, enum barrier barrier, struct vhdx_error *error);
/* Writes the logged pages to their places, which is durable after the next flush. All entries are durable: W3. */
int vhdx_apply(struct vhdx_writer *w, struct vhdx_error *error);
/* VHDX-041: `wanted` with the next sequence number goes into the slot that is not current. Not durable yet. On failure nothing has changed here. */
int vhdx_write_header(struct vhdx_image *v, const struct vhdx_header *wanted, struct vhdx_error *error);
/* The other slot gets LogGuid too: VHDX-043. */
int vhdx_mirror_header(struct vhdx_writer *w, struct vhdx_error *error);

/* Writes dirty pages into the log, without making them durable, when a change of `pages` more would not fit. Takes `commit`. */
int vhdx_relieve(struct vhdx_writer *w, uint32_t pages, struct vhdx_error *error);
/* Makes all changes durable and brings all metadata to its place, so that the file itself says what readers see. Takes `commit`. */
int vhdx_settle(struct vhdx_writer *w, enum barrier barrier, struct vhdx_error *error);

#endif
