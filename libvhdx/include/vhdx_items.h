/* SPDX-License-Identifier: MIT */
/* libvhdx: metadata items of users. Part of vhdx.h, which includes it and says what holds for all functions. */
#ifndef VHDX_ITEMS_H
#define VHDX_ITEMS_H

#include "vhdx.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Metadata items of users: up to 1,024 named values of at most 1 MiB in a VHDX, which nobody but who wrote them understands. They have room in the metadata region, of which
 * others make 1 MiB, with a table of 64 KiB in it. Resizing and compacting keep them; an item that goes with the disk is copied into new children, and by a
 * merge into the parent, where it takes the place of what the parent has (VHDX-154, VHDX-155). These functions are about the file that was opened, not its parents;
 * VHDX_E_UNSUPPORTED when it is no VHDX.
 */
struct vhdx_user_item {
	struct vhdx_guid id;
	uint32_t length;
	int of_file; /* it belongs to this file alone, not to the disk */
};

/* Calls `visit` for each item, in the order of their identifiers as bytes; a non-zero return ends with VHDX_E_CANCELLED. */
VHDX_API int vhdx_visit_items(vhdx_disk *disk, int (*visit)(void *context, const struct vhdx_user_item *item), void *context,
			      struct vhdx_error *error);
/* The value of an item, as far as `size` goes; *length is that of all of it. VHDX_E_NOT_FOUND when there is none. */
VHDX_API int vhdx_get_item(vhdx_disk *disk, size_t *length, void *buffer, size_t size, const struct vhdx_guid *id,
			   struct vhdx_error *error);
/* Makes or replaces the item `item->id` with a value of `item->length` bytes; a NULL value removes it (VHDX_E_NOT_FOUND). VHDX_E_NO_SPACE, and nothing changed, when the region or
 * its table has no room for it; a value of more than about a sixth of the log, or than the old one has, needs room beside the old one. A change of an item that goes with the disk
 * changes DataWriteGuid: the children of the disk are lost. */
VHDX_API int vhdx_set_item(vhdx_disk *disk, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error);

#ifdef __cplusplus
}
#endif

#endif
