/* SPDX-License-Identifier: MIT */
/*
 * Changing the structures of a VHDX file that are neither blocks nor headers: region tables, metadata table, items. Layer: engine. specs/vhdx.md sections 2.8 to 2.10.
 *
 * What belongs together goes into one log entry, so a crash leaves all of it or nothing. Everything here but vhdx_edit needs the disk for itself: no other call may run
 * on it, and vhdx_settle must have brought earlier changes to their place, because tables are read from the file.
 */
#ifndef ENGINE_VHDX_EDIT_H
#define ENGINE_VHDX_EDIT_H

#include "engine/vhdx_writer.h"

struct edit {
	uint64_t file_offset;
	const uint8_t *bytes;
	size_t length;
};

/* All edits or none. After vhdx_session_begin. VHDX_E_UNSUPPORTED when they touch more pages than a log entry holds. */
int vhdx_edit(struct vhdx_writer *w, const struct edit *edits, size_t count, struct vhdx_error *error);

/* Makes edits last. When that fails nobody may go on: their pages are dirty, and the next commit would make true what was said to have failed. */
int vhdx_settle_edits(struct vhdx_writer *w, struct vhdx_error *error);
/* Whether there is room for an item of `length`: what vhdx_edit_item would say of it, before a session begins. */
int vhdx_check_item(struct vhdx_writer *w, const struct vhdx_metadata_entry *like, uint32_t length, struct vhdx_error *error);
/* Whether there is room for all of `fresh` when all of `old` are gone: what vhdx_edit_item would say of one after the other. Also of an image open for reading. */
int vhdx_check_exchange(const struct vhdx_image *v, const struct vhdx_metadata_entry *old, size_t old_count,
			const struct vhdx_metadata_entry *fresh, size_t fresh_count, struct vhdx_error *error);
/*
 * Gives an item its value: in its place when it is there and large enough, else in free room of the region; one that is too long for a log entry in free room in
 * any case, by entries before the one that names it. `like` says id and flags. A `value` NULL takes the item away. `also` (may be NULL) goes into the same log entry.
 */
int vhdx_edit_item(struct vhdx_writer *w, const struct vhdx_metadata_entry *like, const uint8_t *value, uint32_t length,
		   const struct edit *also, size_t also_count, struct vhdx_error *error);

/* The value of an item, to be released with memory_release; NULL when it is not there. */
int vhdx_read_item(struct vhdx_writer *w, const struct vhdx_metadata_entry *like, uint8_t **value, uint32_t *length,
		   struct vhdx_error *error);

/* Both region tables as they will be, for edits: the entry of `region` says what it says. `table` has VHDX_TABLE_SIZE bytes and must live as long. */
int vhdx_edit_region(struct vhdx_writer *w, const struct vhdx_region *region, uint8_t *table, struct edit edits[2],
		     struct vhdx_error *error);

/* VHDX-060: copies of the region table that differ become like the one that counts. */
int vhdx_mend_regions(struct vhdx_writer *w, struct vhdx_error *error);

#endif
