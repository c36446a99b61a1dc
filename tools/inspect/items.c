/* SPDX-License-Identifier: MIT */
/* Metadata items of users: the value of one for --get-item, all of them for the overview. */
#include <stdlib.h>

#include "inspect.h"

int items_get(struct inspect *inspect)
{
	struct vhdx_error error;
	vhdx_disk *disk;
	size_t length = 0;
	char *value = NULL;
	int status;

	inspect->open.flags |= VHDX_OPEN_NO_PARENTS;
	status = tool_open_image(&disk, inspect->path, &inspect->open);
	if (status != TOOL_DONE)
		return status;
	if (vhdx_get_item(disk, &length, NULL, 0, inspect->item, &error) != VHDX_OK)
		status = tool_error(&error);
	value = tool_allocate(NULL, length + 1);
	if (status == TOOL_DONE && vhdx_get_item(disk, &length, value, length, inspect->item, &error) != VHDX_OK)
		status = tool_error(&error);
	if (status == TOOL_DONE)
		(void)fwrite(value, 1, length, stdout);
	free(value);
	vhdx_close(disk);
	return status;
}

static int note(void *context, const struct vhdx_user_item *item)
{
	struct overview *overview = context;

	if (overview->item_count < ITEM_MAX)
		overview->items[overview->item_count] = *item;
	overview->item_count++;
	return 0;
}

int items_gather(struct inspect *inspect, struct overview *overview, struct vhdx_error *error)
{
	if (overview->info.format != VHDX_FORMAT_VHDX)
		return VHDX_OK;
	return vhdx_visit_items(inspect->disk, note, overview, error);
}

void items_text(const struct overview *overview)
{
	if (overview->item_count != 0)
		text_line("User items", "%u", overview->item_count);
	for (unsigned i = 0; i < overview->item_count; i++) {
		const struct vhdx_user_item *item = &overview->items[i];

		printf("  %s  %s%s\n", text_guid(&item->id).text, text_size(item->length).text,
		       item->of_file ? ", of this file" : "");
	}
}

void items_json(struct json *json, const struct overview *overview)
{
	if (overview->info.format != VHDX_FORMAT_VHDX)
		return;
	json_array(json, "user_items", false);
	for (unsigned i = 0; i < overview->item_count; i++) {
		const struct vhdx_user_item *item = &overview->items[i];

		json_object(json, NULL, true);
		json_string(json, "id", text_guid(&item->id).text);
		json_number(json, "length", item->length);
		json_bool(json, "of_file", item->of_file);
		json_close(json);
	}
	json_close(json);
}
