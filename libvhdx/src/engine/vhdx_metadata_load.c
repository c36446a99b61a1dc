/* SPDX-License-Identifier: MIT */
/* Reads the metadata region of a VHDX file: table, known items, parent locator. Layer: engine. specs/vhdx.md sections 2.8 to 2.10. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf.h"
#include "engine/vhdx_image.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"
#include "format/vhdx_locator.h"

struct table {
	struct vhdx_metadata_entry *entries;
	uint16_t count;
	const struct vhdx_metadata_entry *known[ITEM_COUNT];
};

static int by_id(const void *a, const void *b)
{
	const struct vhdx_metadata_entry *x = a, *y = b;
	int order = memcmp(x->item_id.bytes, y->item_id.bytes, 16);

	return order != 0 ? order : (int)x->is_user - (int)y->is_user;
}

/* VHDX-146, VHDX-152, VHDX-156. Sorts the entries. */
static int check_entries(struct table *t, uint64_t table_offset, struct vhdx_error *error)
{
	unsigned users = 0;
	char text[VHDX_GUID_TEXT_SIZE];

	if (t->count > 1)
		qsort(t->entries, t->count, sizeof(*t->entries), by_id);
	for (uint16_t i = 0; i < t->count; i++) {
		const struct vhdx_metadata_entry *e = &t->entries[i];

		guid_text(&e->item_id, text);
		if (i != 0 && by_id(&t->entries[i - 1], e) == 0)
			return broken(error, RULE_VHDX_146, table_offset, "metadata item {%s} is listed twice", text);
		if (e->item == ITEM_UNKNOWN && e->is_required)
			return unsupported(error, RULE_VHDX_156, table_offset, "metadata item {%s} is required and unknown",
					   text);
		if (e->item != ITEM_UNKNOWN)
			t->known[e->item] = e;
		users += e->is_user;
	}
	if (users > VHDX_MAX_USER_ENTRIES)
		return broken(error, RULE_VHDX_152, table_offset, "metadata table has %u user items, more than %d", users,
			      VHDX_MAX_USER_ENTRIES);
	return VHDX_OK;
}

/* VHDX-148. */
static int check_overlap(const struct vhdx_image *v, const struct table *t, struct vhdx_error *error)
{
	struct range *ranges = memory_allocate(v->base.env, t->count * sizeof(*ranges));
	size_t n = 0, hit;
	int status = VHDX_OK;

	if (ranges == NULL)
		return fail_memory(error);
	for (uint16_t i = 0; i < t->count; i++)
		if (t->entries[i].length != 0)
			ranges[n++] = (struct range){ t->entries[i].offset, t->entries[i].length };
	ranges_sort(ranges, n);
	hit = ranges_find_overlap(ranges, n);
	if (hit < n)
		status = broken(error, RULE_VHDX_148, v->metadata.file_offset + ranges[hit + 1].offset,
				"two metadata items overlap at region offset 0x%" PRIx64, ranges[hit + 1].offset);
	memory_release(v->base.env, ranges);
	return status;
}

static int load_table(struct vhdx_image *v, struct table *t, struct vhdx_error *error)
{
	uint64_t offset = v->metadata.file_offset;
	uint8_t first[4096], *bytes = first;
	size_t needed;
	int status = view_read(&v->base.view, first, sizeof(first), offset, error);

	if (status == VHDX_OK)
		status = vhdx_metadata_table_decode(&t->count, first, offset, error);
	if (status < 0)
		return status;
	needed = vhdx_metadata_table_size + (size_t)t->count * vhdx_metadata_entry_size;
	t->entries = memory_zeroed(v->base.env, t->count * sizeof(*t->entries));
	if (t->entries != NULL && needed > sizeof(first))
		bytes = memory_allocate(v->base.env, needed);
	if (t->entries == NULL || bytes == NULL)
		return fail_memory(error);
	if (bytes != first)
		status = view_read(&v->base.view, bytes, needed, offset, error);
	for (uint16_t i = 0; status == VHDX_OK && i < t->count; i++) {
		size_t at = vhdx_metadata_table_size + (size_t)i * vhdx_metadata_entry_size;

		status = vhdx_metadata_entry_decode(&t->entries[i], bytes + at, offset + at, v->metadata.length, error);
	}
	if (bytes != first)
		memory_release(v->base.env, bytes);
	if (status == VHDX_OK)
		status = check_entries(t, offset, error);
	return status == VHDX_OK ? check_overlap(v, t, error) : status;
}

/* Reads the five fixed items, with one read when they stand close together, as every writer puts them. */
static int load_items(struct vhdx_image *v, const struct table *t, struct vhdx_error *error)
{
	uint32_t low = UINT32_MAX, high = 0;
	uint8_t bytes[4096];
	int status = VHDX_OK;
	bool together;

	for (unsigned item = 0; item < ITEM_PARENT_LOCATOR; item++) {
		const struct vhdx_metadata_entry *e = t->known[item];

		if (e == NULL)
			return broken(error, RULE_VHDX_160, v->metadata.file_offset, "the %s item is missing",
				      vhdx_item_names[item]);
		if (e->length != vhdx_item_lengths[item])
			return broken(error, RULE_VHDX_160, v->metadata.file_offset + e->offset,
				      "%s item is %" PRIu32 " bytes long, not %" PRIu32, vhdx_item_names[item], e->length,
				      vhdx_item_lengths[item]);
		low = e->offset < low ? e->offset : low;
		high = e->offset + e->length > high ? e->offset + e->length : high;
	}
	together = high - low <= sizeof(bytes);
	if (together)
		status = view_read(&v->base.view, bytes, high - low, v->metadata.file_offset + low, error);
	for (unsigned item = 0; status == VHDX_OK && item < ITEM_PARENT_LOCATOR; item++) {
		const struct vhdx_metadata_entry *e = t->known[item];
		uint64_t place = v->metadata.file_offset + e->offset;
		const uint8_t *value = together ? bytes + (e->offset - low) : bytes;

		if (!together)
			status = view_read(&v->base.view, bytes, e->length, place, error);
		if (status == VHDX_OK)
			status = vhdx_item_decode(&v->parameters, (enum vhdx_item)item, value, e->length, place, error);
	}
	if (status < 0)
		return status;
	return vhdx_parameters_check(&v->parameters, v->metadata.file_offset + t->known[ITEM_VIRTUAL_DISK_SIZE]->offset, error);
}

static char *pair_text(const struct vhdx_image *v, const struct vhdx_locator_pair *pair)
{
	char *text = memory_allocate(v->base.env, UTF8_SIZE(pair->value_units));

	if (text != NULL)
		utf8_from_utf16(text, pair->value, pair->value_units, false);
	return text;
}

/* parent_linkage and parent_linkage2: VHDX-184, VHDX-192. A zero second identity is none. */
static int take_identity(struct vhdx_image *v, const struct vhdx_locator_pair *pair, bool second, uint64_t place,
			 struct vhdx_error *error)
{
	char *text = pair_text(v, pair);
	struct vhdx_guid guid;
	bool valid;

	if (text == NULL)
		return fail_memory(error);
	valid = guid_from_text(&guid, text, strlen(text));
	memory_release(v->base.env, text);
	if (!valid)
		return broken(error, RULE_VHDX_180, place, "%s is no GUID", second ? "parent_linkage2" : "parent_linkage");
	if (second && guid_is_zero(&guid))
		return VHDX_OK;
	v->base.parent_identities[v->base.parent_identity_count++] = guid;
	return VHDX_OK;
}

struct locator {
	const uint8_t *item;
	uint32_t length;
	uint16_t count;
	uint64_t place;
};

/* 1 when the key was there, 0 when not. */
static int find_pair(const struct locator *l, const char *key, struct vhdx_locator_pair *out, struct vhdx_error *error)
{
	for (uint16_t i = 0; i < l->count; i++) {
		int status = vhdx_locator_pair_decode(out, l->item, l->length, i, l->place, error);

		if (status < 0)
			return status;
		if (vhdx_locator_key_is(out, key))
			return 1;
	}
	return 0;
}

/* VHDX-178. At most 256 pairs, so comparing all is cheap. */
static int check_keys(const struct locator *l, struct vhdx_error *error)
{
	for (uint16_t i = 0; i < l->count; i++) {
		struct vhdx_locator_pair a, b;
		int status = vhdx_locator_pair_decode(&a, l->item, l->length, i, l->place, error);

		for (uint16_t j = 0; status == VHDX_OK && j < i; j++) {
			status = vhdx_locator_pair_decode(&b, l->item, l->length, j, l->place, error);
			if (status == VHDX_OK && a.key_units == b.key_units && memcmp(a.key, b.key, a.key_units * 2) == 0)
				return broken(error, RULE_VHDX_178, l->place,
					      "parent locator entries %u and %u have the same key", j, i);
		}
		if (status < 0)
			return status;
	}
	return VHDX_OK;
}

/* In the order of VHDX-186. */
static const struct {
	const char *key;
	enum vhdx_path_kind kind;
} path_keys[] = {
	{ "relative_path", VHDX_PATH_RELATIVE },
	{ "volume_path", VHDX_PATH_VOLUME },
	{ "absolute_win32_path", VHDX_PATH_ABSOLUTE },
};

static int take_locator(struct vhdx_image *v, const struct locator *l, struct vhdx_error *error)
{
	static const char *const linkages[] = { "parent_linkage", "parent_linkage2" };
	struct vhdx_locator_pair pair;
	int found = check_keys(l, error);

	for (unsigned i = 0; found >= 0 && i < 2; i++) {
		found = find_pair(l, linkages[i], &pair, error);
		if (found == 1)
			found = take_identity(v, &pair, i == 1, l->place, error);
		else if (found == 0 && i == 0)
			return broken(error, RULE_VHDX_180, l->place, "the parent locator has no parent_linkage");
	}
	for (unsigned i = 0; found >= 0 && i < 3; i++) {
		found = find_pair(l, path_keys[i].key, &pair, error);
		if (found == 1)
			found = image_add_parent_path(&v->base, path_keys[i].kind, pair_text(v, &pair), error);
	}
	if (found >= 0 && v->base.parent_path_count == 0 && !v->lenient)
		return broken(error, RULE_VHDX_185, l->place, "the parent locator has no path");
	return found < 0 ? found : VHDX_OK;
}

static int load_locator(struct vhdx_image *v, const struct vhdx_metadata_entry *e, struct vhdx_error *error)
{
	struct locator l;
	uint8_t *item;
	int status;

	if (e == NULL)
		return broken(error, RULE_VHDX_173, v->metadata.file_offset, "the disk has a parent but no parent locator");
	l = (struct locator){ .length = e->length, .place = v->metadata.file_offset + e->offset };
	if (e->length > VHDX_MAX_LOCATOR_LENGTH)
		return broken(error, RULE_VHDX_193, l.place, "parent locator of %" PRIu32 " bytes is longer than %d", e->length,
			      VHDX_MAX_LOCATOR_LENGTH);
	item = memory_allocate(v->base.env, e->length);
	if (item == NULL)
		return fail_memory(error);
	l.item = item;
	status = view_read(&v->base.view, item, e->length, l.place, error);
	if (status == VHDX_OK)
		status = vhdx_locator_decode(&l.count, item, l.length, l.place, error);
	if (status == VHDX_OK)
		status = take_locator(v, &l, error);
	memory_release(v->base.env, item);
	return status;
}

int vhdx_load_parameters(struct vhdx_image *v, struct vhdx_error *error)
{
	struct table t = { .entries = NULL };
	int status = load_table(v, &t, error);

	if (status == VHDX_OK)
		status = load_items(v, &t, error);
	memory_release(v->base.env, t.entries);
	return status;
}

int vhdx_load_metadata(struct vhdx_image *v, struct vhdx_error *error)
{
	struct table t = { .entries = NULL };
	int status = load_table(v, &t, error);

	if (status == VHDX_OK)
		status = load_items(v, &t, error);
	if (status == VHDX_OK && v->parameters.has_parent) {
		status = load_locator(v, t.known[ITEM_PARENT_LOCATOR], error);
		if ((status == VHDX_E_DAMAGED || status == VHDX_E_UNSUPPORTED) && v->salvages) /* without its parent, then */
			status = VHDX_OK;
	}
	memory_release(v->base.env, t.entries);
	return status;
}

static int visit_value(struct vhdx_image *v, const struct vhdx_metadata_entry *e, vhdx_item_visitor visit, void *context,
		       struct vhdx_error *error)
{
	uint8_t *value = memory_allocate(v->base.env, e->length + 1u); /* at most 1 MiB: VHDX-149 */
	int status = value == NULL ? fail_memory(error)
				   : view_read(&v->base.view, value, e->length, v->metadata.file_offset + e->offset, error);

	if (status == VHDX_OK)
		status = visit(context, e, value, error);
	memory_release(v->base.env, value);
	return status;
}

int vhdx_visit_virtual_disk_items(struct vhdx_image *v, vhdx_item_visitor visit, void *context, struct vhdx_error *error)
{
	struct table t = { .entries = NULL };
	int status = load_table(v, &t, error);

	for (uint16_t i = 0; status == VHDX_OK && i < t.count; i++)
		if (t.entries[i].item == ITEM_UNKNOWN && t.entries[i].is_virtual_disk)
			status = visit_value(v, &t.entries[i], visit, context, error);
	memory_release(v->base.env, t.entries);
	return status;
}

int vhdx_visit_user_items(struct vhdx_image *v, const struct vhdx_guid *only, vhdx_item_visitor visit, void *context,
			  struct vhdx_error *error)
{
	struct table t = { .entries = NULL };
	int status = load_table(v, &t, error);

	for (uint16_t i = 0; status == VHDX_OK && i < t.count; i++) {
		const struct vhdx_metadata_entry *e = &t.entries[i];

		if (!e->is_user || (only != NULL && !guid_equal(&e->item_id, only)))
			continue;
		status = only == NULL ? visit(context, e, NULL, error) : visit_value(v, e, visit, context, error);
	}
	memory_release(v->base.env, t.entries);
	return status;
}
