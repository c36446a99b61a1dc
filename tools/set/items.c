/* SPDX-License-Identifier: MIT */
#include "items.h"

#include <stdlib.h>
#include <string.h>

enum { MOST = 1 << 20 };

int items_add(struct items *items, const char *argument, bool of_file, bool removes)
{
	const char *equals = removes ? NULL : strchr(argument, '=');
	size_t length = equals != NULL ? (size_t)(equals - argument) : strlen(argument);
	char guid[VHDX_GUID_TEXT_SIZE + 2];
	struct item_change *change;

	if (!removes && equals == NULL)
		return tool_usage("an item is GUID=FILE, not \"%s\"", argument);
	change = tool_allocate(NULL, sizeof(*change));
	*change = (struct item_change){ .item = { .of_file = of_file }, .path = equals != NULL ? equals + 1 : NULL };
	if (length < sizeof(guid)) {
		memcpy(guid, argument, length);
		guid[length] = '\0';
	}
	if (length >= sizeof(guid) || vhdx_guid_parse(&change->item.id, guid) != VHDX_OK) {
		free(change);
		return tool_usage("\"%.*s\" is no GUID", (int)length, argument);
	}
	*(items->end != NULL ? items->end : &items->first) = change;
	items->end = &change->next;
	return TOOL_DONE;
}

static int read_value(struct item_change *change, const struct vhdx_file *file, struct vhdx_error *error)
{
	uint64_t size;
	int status = file->io->get_size(file->handle, &size, error);

	if (status < 0)
		return status;
	if (size > MOST)
		return tool_fail("%s: is larger than an item may be, which is 1 MiB", change->path);
	change->value = tool_allocate(NULL, (size_t)size + 1);
	while (change->item.length < size) {
		int64_t got = file->io->read(file->handle, change->value + change->item.length,
					     (size_t)(size - change->item.length), change->item.length, error);

		if (got < 0)
			return (int)got;
		if (got == 0)
			break;
		change->item.length += (uint32_t)got;
	}
	return VHDX_OK;
}

int items_read(struct items *items)
{
	for (struct item_change *change = items->first; change != NULL; change = change->next) {
		struct vhdx_error error = { .status = 0 };
		struct vhdx_file file;
		int status;

		if (change->path == NULL)
			continue;
		if (vhdx_file_open(&file, change->path, 0, &error) != VHDX_OK)
			return tool_error(&error);
		status = read_value(change, &file, &error);
		vhdx_file_close(&file);
		if (status < 0)
			return tool_fail("%s: cannot be read: %s", change->path, vhdx_status_name(status));
		if (status != VHDX_OK)
			return status;
	}
	return TOOL_DONE;
}

int items_apply(const struct items *items, vhdx_disk *disk)
{
	for (const struct item_change *change = items->first; change != NULL; change = change->next) {
		struct vhdx_error error;

		if (vhdx_set_item(disk, &change->item, change->value, &error) != VHDX_OK)
			return tool_error(&error);
	}
	return TOOL_DONE;
}

void items_release(struct items *items)
{
	for (struct item_change *change = items->first, *next; change != NULL; change = next) {
		next = change->next;
		free(change->value);
		free(change);
	}
	*items = (struct items){ NULL, NULL };
}
