/* SPDX-License-Identifier: MIT */
/*
 * Writing a VHD file, which has no log. Layer: engine. specs/vhd.md, VHD-096 to VHD-100. vhd_write.c changes blocks, vhd_commit.c makes changes durable,
 * vhd_check.c judges where blocks stand.
 *
 * The promise: what a flush acknowledged survives; a crash may leave space that nothing names, and no footer at the end, which the copy in front then stands for.
 * Payload goes to its place at once; BAT entries and bitmaps are changed in memory. A commit writes, in this order:
 *
 *   bitmaps of new blocks, footer at the new end | flush | BAT entries, bits of older blocks | flush
 *
 * So a block is whole before the BAT names it, and a bit is set only after its sector is durable.
 *
 * Locks, in order: a block's lock (disk_write.c), `allocation`, `commit` (of struct writing), the cache's mutex.
 */
#ifndef ENGINE_VHD_WRITER_H
#define ENGINE_VHD_WRITER_H

#include "engine/barrier.h"
#include "engine/pages.h"
#include "engine/vhd_image.h"

enum { VHD_MAX_DIRTY_PAGES = 256 };

struct vhd_writer {
	struct vhd_image *v;
	mutex allocation;
	_Atomic bool blocks_are_good; /* the BAT was judged as a whole */
	_Atomic bool front_is_good;   /* the copy in front is durable: VHD-097 */
	uint32_t max_change;          /* pages that one change may touch */
	uint8_t footer[512];
	/* under `commit` */
	uint8_t *buffer; /* VHD_MAX_DIRTY_PAGES pages, of the commit in hand */
	struct page **commit_pages;
	/* under the cache's mutex */
	struct pages pages;
	uint64_t end;       /* of the last block or structure; a new one goes behind */
	uint64_t stale_end; /* from `end` to here the file may hold something */
	bool footer_due;    /* the footer at the end is overwritten, or stands elsewhere */
};

/* Ops of the image; fixed disks too. */
int vhd_writer_start(struct image *image, struct vhdx_error *error);
int vhd_write_block(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
int vhd_discard_block(struct image *image, uint64_t length, uint64_t disk_offset, struct vhdx_error *error);
/* VHD-070 for every entry, once. */
int vhd_check_blocks(struct vhd_writer *w, struct vhdx_error *error);
/* Xen keeps a map behind the BAT that says which blocks are full, and nothing names it; it would be wrong of a block that is freed and comes again, and be written
 * over where the end of the file is not known: errata E-39. */
int vhd_refuse_batmap(const struct vhd_image *v, struct vhdx_error *error);
int vhd_commit(struct image *image, struct vhdx_error *error);
/* VHD-097: once, before the first block overwrites the footer at the end. Under `allocation`, or alone. */
int vhd_check_front_copy(struct vhd_writer *w, struct vhdx_error *error);
/* Another end of blocks and structures. Under the cache's mutex. */
void vhd_set_end(struct vhd_writer *w, uint64_t end);
/* Writes the footer behind `end`, and ends the file there when nothing was allocated since. */
int vhd_write_footer(struct vhd_writer *w, uint64_t end, struct vhdx_error *error);
/* The file as long as its end says. A block ends with what a guest likes, a footer too: it must not be what the file ends with while ours is not behind it. */
int vhd_lengthen(struct vhd_writer *w, struct vhdx_error *error);
/* Takes the cache's mutex when there is room for the pages of one more change. */
int vhd_lock_change(struct vhd_writer *w, struct vhdx_error *error);
void vhd_unlock_change(struct vhd_writer *w);
/* Writes bitmaps of new blocks, which need no flush before them, when many pages are dirty; commits when that is not enough. */
int vhd_relieve(struct vhd_writer *w, struct vhdx_error *error);
void vhd_writer_release(struct vhd_writer *w);

/* vhd_change.c: what is in footer and dynamic header. The disk belongs to the caller alone. */

int vhd_reserve(struct image *image, uint64_t length, struct vhdx_error *error);
int vhd_resize_image(struct image *image, uint64_t size, struct vhdx_error *error);
int vhd_set_image(struct image *image, const struct image_settings *settings, struct vhdx_error *error);

/* vhd_compact.c. To count, an image open for reading will do. */
int vhd_compact_image(struct image *image, struct compaction *c, struct vhdx_error *error);
/* Bitmap and data; the old place is free after the next commit. The disk belongs to the caller alone. */
int vhd_move_block(struct vhd_writer *w, uint64_t block, uint64_t from, uint64_t to, struct vhdx_error *error);

#endif
