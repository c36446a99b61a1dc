/* SPDX-License-Identifier: MIT */
/* --item, --file-item and --remove-item of vhdx-set. */
#ifndef ITEMS_H
#define ITEMS_H

#include "tool.h"

struct item_change {
	struct vhdx_user_item item;
	const char *path; /* of the file that holds the value; NULL: the item goes */
	uint8_t *value;
	struct item_change *next;
};

struct items {
	struct item_change *first;
	struct item_change **end; /* NULL: empty */
};

/* "GUID=FILE", or "GUID" to remove. TOOL_DONE, or the exit status after a message. */
int items_add(struct items *items, const char *argument, bool of_file, bool removes);
/* Reads all values, before anything is changed. */
int items_read(struct items *items);
int items_apply(const struct items *items, vhdx_disk *disk);
void items_release(struct items *items);

#endif
