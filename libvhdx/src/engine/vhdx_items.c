/* SPDX-License-Identifier: MIT */
/*
 * Metadata items of users in a VHDX file. Layer: engine. To change them, the disk belongs to the caller alone.
 *
 * An item that goes with the disk is metadata that readers of the disk see, so a change of it is one of content: VHDX-040. One of the file alone is not.
 */
#include "base/error.h"
#include "base/guid.h"
#include "engine/vhdx_edit.h"
#include "format/vhdx_layout.h"

struct visit {
	int (*visit)(void *context, const struct vhdx_user_item *item, const uint8_t *value, struct vhdx_error *error);
	void *context;
};

static int tell(void *context, const struct vhdx_metadata_entry *entry, const uint8_t *value, struct vhdx_error *error)
{
	const struct visit *v = context;
	const struct vhdx_user_item item = { .id = entry->item_id, .length = entry->length, .of_file = !entry->is_virtual_disk };

	return v->visit(v->context, &item, value, error);
}

int vhdx_user_items(struct image *image, const struct vhdx_guid *only,
		    int (*visit)(void *context, const struct vhdx_user_item *item, const uint8_t *value,
				 struct vhdx_error *error),
		    void *context, struct vhdx_error *error)
{
	struct visit v = { visit, context };

	return vhdx_visit_user_items((struct vhdx_image *)image, only, tell, &v, error);
}

static int find(void *context, const struct vhdx_metadata_entry *entry, const uint8_t *value, struct vhdx_error *error)
{
	(void)value;
	(void)error;
	*(struct vhdx_metadata_entry *)context = *entry;
	return VHDX_OK;
}

int vhdx_set_user_item(struct image *image, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image;
	struct vhdx_writer *w = v->writer;
	struct vhdx_metadata_entry like = { .item_id = item->id, .is_user = true, .is_virtual_disk = !item->of_file },
				   old = { .is_user = false };
	char text[VHDX_GUID_TEXT_SIZE];
	int status;

	if (item->length > VHDX_MAX_ITEM_LENGTH || guid_is_zero(&item->id)) /* VHDX-149, VHDX-159 */
		return fail(error, VHDX_E_ARGUMENT, "an item has an identifier that is not zero, and at most 1 MiB");
	status = vhdx_visit_user_items(v, &item->id, find, &old, error);
	guid_text(&item->id, text);
	if (status == VHDX_OK && value == NULL && !old.is_user)
		return fail(error, VHDX_E_NOT_FOUND, "there is no item {%s}", text);
	if (status == VHDX_OK && value != NULL) /* a session changes the identity, by which children know the disk */
		status = vhdx_check_item(w, &like, item->length, error);
	if (status < 0)
		return status;
	status = old.is_virtual_disk || (value != NULL && like.is_virtual_disk) ? vhdx_session_begin(w, error)
										: vhdx_session_begin_unchanged(w, error);
	if (status == VHDX_OK)
		status = vhdx_settle(w, BARRIER_COMMIT, error);
	if (status == VHDX_OK)
		status = vhdx_edit_item(w, &like, value, item->length, NULL, 0, error);
	return status == VHDX_OK ? vhdx_settle_edits(w, error) : status;
}
