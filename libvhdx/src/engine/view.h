/* SPDX-License-Identifier: MIT */
/*
 * A file as it would be after its log were replayed: the host file, overlaid by pieces that the log holds, with the size that replay would give it.
 * Layer: engine. The file itself is never changed. A piece keeps no data, only the place of its data sector inside the log, which nobody overwrites while
 * the file is open for reading; so memory is some 40 bytes for each logged page.
 */
#ifndef ENGINE_VIEW_H
#define ENGINE_VIEW_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/memory.h"
#include "io/file.h"

/* A range of the file that the log gives new content. Multiples of 4 KiB. */
struct overlay_piece {
	uint64_t file_offset;
	uint64_t length;
	uint64_t data_offset; /* file offset of the data sector in the log; 0: the range becomes zeros */
	uint8_t leading_bytes[8];
	uint8_t trailing_bytes[4];
};

struct view {
	struct vhdx_file file;
	_Atomic uint64_t size; /* of an image open for writing it grows, under the cache's mutex; never shrinks before close */
	/* So far the file itself knows its content, as of the open; looked at with VHDX_OPEN_SALVAGE. What is behind was cut off, but for the pieces, or is the
	 * footer of a VHD. */
	uint64_t held;
	struct overlay_piece *pieces; /* sorted, disjoint */
	size_t piece_count;
};

/* Takes the size of the file. */
int view_load_size(struct view *view, struct vhdx_error *error);
/* Reads the file as replayed; what lies beyond its end is zeros. */
int view_read(const struct view *view, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error);
/* The run at `file_offset`, at most `length` (> 0) long: a hole is known to be zeros without reading it. What replay would write is none. */
int view_find_extent(const struct view *view, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		     struct vhdx_error *error);
/* The same; where the host cannot tell, there is no hole. */
struct vhdx_file_extent view_extent(const struct view *view, uint64_t file_offset, uint64_t length);
/* Bytes from `file_offset` on, at most `length`, that are known to be zeros without reading them. */
uint64_t view_hole(const struct view *view, uint64_t file_offset, uint64_t length);
/* Bytes from `file_offset` on, at most `length`, that are all overlaid or all not; tells which. */
uint64_t view_overlay_run(const struct view *view, uint64_t file_offset, uint64_t length, bool *overlaid);
/* Whether the file and the pieces know all of a range. */
bool view_holds(const struct view *view, uint64_t file_offset, uint64_t length);
/* Reads a data piece as it shall be: 4,096 bytes. */
int view_read_piece(const struct view *view, const struct overlay_piece *piece, uint8_t *page, struct vhdx_error *error);

#endif
