/* SPDX-License-Identifier: MIT */
/* The public functions for metadata items of users. Layer: api. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/guid.h"
#include "engine/disk.h"

struct visit {
	int (*visit)(void *context, const struct vhdx_user_item *item);
	void *context;
};

static int tell(void *context, const struct vhdx_user_item *item, const uint8_t *value, struct vhdx_error *error)
{
	const struct visit *v = context;

	(void)value;
	return v->visit(v->context, item) == 0 ? VHDX_OK : fail(error, VHDX_E_CANCELLED, "stopped");
}

int vhdx_visit_items(vhdx_disk *disk, int (*visit)(void *context, const struct vhdx_user_item *item), void *context,
		     struct vhdx_error *error)
{
	struct visit v = { visit, context };
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if (visit == NULL)
		return fail(error, VHDX_E_ARGUMENT, "visit is NULL");
	return disk_user_items(disk, NULL, tell, &v, error);
}

struct value {
	uint8_t *buffer;
	size_t size;
	size_t length;
	bool found;
};

static int take(void *context, const struct vhdx_user_item *item, const uint8_t *bytes, struct vhdx_error *error)
{
	struct value *value = context;

	(void)error;
	value->found = true;
	value->length = item->length;
	if (value->size != 0 && item->length != 0)
		memcpy(value->buffer, bytes, (size_t)min_u64(value->size, item->length));
	return VHDX_OK;
}

int vhdx_get_item(vhdx_disk *disk, size_t *length, void *buffer, size_t size, const struct vhdx_guid *id,
		  struct vhdx_error *error)
{
	struct value value = { .buffer = buffer, .size = size };
	char text[VHDX_GUID_TEXT_SIZE];
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	if (id == NULL || length == NULL || (buffer == NULL && size != 0))
		return fail(error, VHDX_E_ARGUMENT, "id, length or buffer is NULL");
	status = disk_user_items(disk, id, take, &value, error);
	if (status < 0)
		return status;
	guid_text(id, text);
	if (!value.found) {
		(void)fail(error, VHDX_E_NOT_FOUND, "there is no item {%s}", text);
		return error_in_file(error, disk->levels[0].image->view.file.name, 0);
	}
	*length = value.length;
	return VHDX_OK;
}

int vhdx_set_item(vhdx_disk *disk, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error)
{
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if (item == NULL)
		return fail(error, VHDX_E_ARGUMENT, "item is NULL");
	return disk_set_user_item(disk, item, value, error);
}
