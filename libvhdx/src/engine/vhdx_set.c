/* SPDX-License-Identifier: MIT */
/*
 * Disk identifier, physical sector size and parent of a VHDX file. Layer: engine. The disk belongs to the caller alone. Each item is changed by one log entry.
 *
 * A changed locator shows nobody another content, so DataWriteGuid stays, and with it the children of this file: VHDX-040.
 */
#include <string.h>

#include "base/error.h"
#include "base/utf.h"
#include "engine/vhdx_edit.h"
#include "format/vhdx_layout.h"
#include "format/vhdx_locator.h"

static const char *const path_keys[] = { "relative_path", "volume_path", "absolute_win32_path" };

/* The pairs of the new locator; texts that were decoded belong to it. */
struct pairs {
	const struct vhdx_env *env;
	struct vhdx_locator_text list[VHDX_MAX_LOCATOR_PAIRS + 5];
	char *owned[2 * VHDX_MAX_LOCATOR_PAIRS];
	uint16_t count;
	unsigned owned_count;
};

static void add(struct pairs *p, const char *key, const char *value)
{
	p->list[p->count++] = (struct vhdx_locator_text){ key, value };
}

static char *decode(struct pairs *p, const uint8_t *utf16, size_t units)
{
	char *text = memory_allocate(p->env, UTF8_SIZE(units));

	if (text != NULL) {
		(void)utf8_from_utf16(text, utf16, units, false);
		p->owned[p->owned_count++] = text;
	}
	return text;
}

static bool is_replaced(const struct vhdx_locator_pair *pair, const struct image_settings *s)
{
	bool paths = s->parent_relative != NULL || s->parent_volume != NULL || s->parent_absolute != NULL;

	for (unsigned i = 0; i < 3; i++)
		if (vhdx_locator_key_is(pair, path_keys[i]))
			return paths;
	if (vhdx_locator_key_is(pair, "parent_linkage"))
		return s->parent_identity != NULL;
	return vhdx_locator_key_is(pair, "parent_linkage2") && (s->parent_identity2 != NULL || s->parent_identity != NULL);
}

/* What the old locator says and nobody replaces stays, known or not. */
static int keep_old(struct pairs *p, const uint8_t *item, uint32_t length, uint64_t place, const struct image_settings *s,
		    struct vhdx_error *error)
{
	uint16_t count;
	int status = vhdx_locator_decode(&count, item, length, place, error);

	for (uint16_t i = 0; status == VHDX_OK && i < count; i++) {
		struct vhdx_locator_pair pair;
		char *key, *value;

		status = vhdx_locator_pair_decode(&pair, item, length, i, place, error);
		if (status < 0 || is_replaced(&pair, s))
			continue;
		key = decode(p, pair.key, pair.key_units);
		value = decode(p, pair.value, pair.value_units);
		if (key == NULL || value == NULL)
			return fail_memory(error);
		add(p, key, value);
	}
	return status;
}

static void braced(char *text, const struct vhdx_guid *guid)
{
	char plain[VHDX_GUID_TEXT_SIZE];

	guid_text(guid, plain);
	format_text(text, VHDX_GUID_TEXT_SIZE + 2, "{%s}", plain); /* VHDX-181, VHDX-182 */
}

static const struct vhdx_metadata_entry locator_like = { .is_required = true };

static int write_locator(struct vhdx_writer *w, const struct pairs *p, struct vhdx_error *error)
{
	struct vhdx_metadata_entry like = locator_like;
	uint8_t *item;
	size_t length;
	int status;

	if (p->count > VHDX_MAX_LOCATOR_PAIRS)
		return fail(error, VHDX_E_NO_SPACE, "the parent locator would have %u pairs, more than %d", (unsigned)p->count,
			    VHDX_MAX_LOCATOR_PAIRS);
	item = memory_allocate(w->v->base.env, VHDX_MAX_LOCATOR_LENGTH);
	if (item == NULL)
		return fail_memory(error);
	like.item_id = vhdx_item_ids[ITEM_PARENT_LOCATOR];
	length = vhdx_locator_encode(item, VHDX_MAX_LOCATOR_LENGTH, p->list, p->count);
	status = length == 0 ? fail(error, VHDX_E_ARGUMENT, "a path to the parent is empty, too long or not UTF-8")
			     : vhdx_edit_item(w, &like, item, (uint32_t)length, NULL, 0, error);
	memory_release(w->v->base.env, item);
	return status;
}

static int set_parent(struct vhdx_writer *w, const struct image_settings *s, struct vhdx_error *error)
{
	struct pairs *p = memory_zeroed(w->v->base.env, sizeof(*p));
	const char *paths[] = { s->parent_relative, s->parent_volume, s->parent_absolute };
	char linkage[VHDX_GUID_TEXT_SIZE + 2], linkage2[VHDX_GUID_TEXT_SIZE + 2];
	struct vhdx_metadata_entry like = locator_like;
	uint8_t *old = NULL;
	uint32_t length;
	int status;

	if (p == NULL)
		return fail_memory(error);
	p->env = w->v->base.env;
	like.item_id = vhdx_item_ids[ITEM_PARENT_LOCATOR];
	if (s->parent_identity != NULL) {
		braced(linkage, s->parent_identity);
		add(p, "parent_linkage", linkage);
	}
	if (s->parent_identity2 != NULL && !guid_is_zero(s->parent_identity2)) {
		braced(linkage2, s->parent_identity2);
		add(p, "parent_linkage2", linkage2);
	}
	for (unsigned i = 0; i < 3; i++)
		if (paths[i] != NULL)
			add(p, path_keys[i], paths[i]);
	status = vhdx_read_item(w, &like, &old, &length, error);
	if (status == VHDX_OK && old != NULL)
		status = keep_old(p, old, length, w->v->metadata.file_offset, s, error);
	if (status == VHDX_OK)
		status = write_locator(w, p, error);
	for (unsigned i = 0; i < p->owned_count; i++)
		memory_release(p->env, p->owned[i]);
	memory_release(p->env, old);
	memory_release(w->v->base.env, p);
	return status;
}

/* Collected first: the table of the target changes under the walk. */
struct items {
	const struct vhdx_env *env;
	struct vhdx_metadata_entry *entries;
	size_t count;
};

static int note_item(void *context, const struct vhdx_metadata_entry *entry, const uint8_t *value, struct vhdx_error *error)
{
	struct items *items = context;

	(void)value;
	if (!memory_grow(items->env, (void **)&items->entries, items->count, sizeof(*items->entries)))
		return fail_memory(error);
	items->entries[items->count++] = *entry;
	return VHDX_OK;
}

static int put_item(void *context, const struct vhdx_metadata_entry *entry, const uint8_t *value, struct vhdx_error *error)
{
	struct vhdx_writer *w = ((struct vhdx_image *)context)->writer;
	int status = vhdx_edit_item(w, entry, value, entry->length, NULL, 0, error);

	return status == VHDX_OK ? vhdx_settle_edits(w, error) : status;
}

int vhdx_check_items(struct image *image, struct image *source, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image, *from = (struct vhdx_image *)source;
	struct items old = { .env = image->env }, fresh = { .env = image->env };
	int status = vhdx_visit_virtual_disk_items(v, note_item, &old, error);

	if (status == VHDX_OK)
		status = vhdx_visit_virtual_disk_items(from, note_item, &fresh, error);
	if (status == VHDX_OK)
		status = vhdx_check_exchange(v, old.entries, old.count, fresh.entries, fresh.count, error);
	memory_release(image->env, old.entries);
	memory_release(image->env, fresh.entries);
	return status;
}

int vhdx_take_items(struct image *image, struct image *source, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image, *from = (struct vhdx_image *)source;
	const struct image_settings settings = { .disk_id = &from->parameters.virtual_disk_id,
						 .physical_sector_size = from->parameters.physical_sector_size };
	struct items items = { .env = image->env };
	int status = vhdx_set_image(image, &settings, error);

	if (status == VHDX_OK)
		status = vhdx_visit_virtual_disk_items(v, note_item, &items, error);
	for (size_t i = 0; status == VHDX_OK && i < items.count; i++) {
		status = vhdx_edit_item(v->writer, &items.entries[i], NULL, 0, NULL, 0, error);
		if (status == VHDX_OK)
			status = vhdx_settle_edits(v->writer, error);
	}
	memory_release(image->env, items.entries);
	return status == VHDX_OK ? vhdx_visit_virtual_disk_items(from, put_item, v, error) : status;
}

static int set_item(struct vhdx_writer *w, enum vhdx_item item, const struct vhdx_parameters *parameters,
		    struct vhdx_error *error)
{
	struct vhdx_metadata_entry like = { .item_id = vhdx_item_ids[item], .is_virtual_disk = true, .is_required = true };
	uint8_t value[16] = { 0 };

	vhdx_item_encode(value, item, parameters);
	return vhdx_edit_item(w, &like, value, vhdx_item_lengths[item], NULL, 0, error);
}

int vhdx_set_image(struct image *image, const struct image_settings *s, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image;
	struct vhdx_writer *w = v->writer;
	struct vhdx_parameters parameters = v->parameters;
	bool shows = s->disk_id != NULL || s->physical_sector_size != 0;
	bool parent = s->parent_relative != NULL || s->parent_volume != NULL || s->parent_absolute != NULL ||
		      s->parent_identity != NULL || s->parent_identity2 != NULL;
	int status = VHDX_OK;

	if (s->physical_sector_size != 0 && s->physical_sector_size != 512 && s->physical_sector_size != 4096)
		return fail(error, VHDX_E_ARGUMENT, "the physical sector size is 512 or 4096, not %u", s->physical_sector_size);
	if (s->disk_id != NULL)
		parameters.virtual_disk_id = *s->disk_id;
	if (s->physical_sector_size != 0)
		parameters.physical_sector_size = s->physical_sector_size;
	status = shows ? vhdx_session_begin(w, error) : vhdx_session_begin_unchanged(w, error);
	if (status == VHDX_OK)
		status = vhdx_settle(w, BARRIER_COMMIT, error);
	if (status == VHDX_OK && parent)
		status = set_parent(w, s, error);
	if (status < 0)
		return status;
	if (s->disk_id != NULL)
		status = set_item(w, ITEM_VIRTUAL_DISK_ID, &parameters, error);
	if (status == VHDX_OK && s->physical_sector_size != 0)
		status = set_item(w, ITEM_PHYSICAL_SECTOR_SIZE, &parameters, error);
	if (status < 0) /* a part of the settings must not be made by the next commit */
		return writing_flush_failed(image, error);
	status = vhdx_settle_edits(w, error);
	if (status == VHDX_OK) {
		v->parameters = parameters;
		image->physical_sector_size = parameters.physical_sector_size;
	}
	return status;
}
