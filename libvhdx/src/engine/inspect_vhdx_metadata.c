/* SPDX-License-Identifier: MIT */
/*
 * Inspects the metadata table of a VHDX file and the items that we know; the parent locator is inspect_vhdx_locator.c's. Layer:
 * engine.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/inspect_vhdx.h"
#include "format/vhdx_layout.h"

struct table {
	struct vhdx_walk *w;
	uint64_t offset;
	uint32_t count;
	unsigned users;
	struct range *ranges; /* of the items that are not empty */
	size_t range_count;
	bool is_seen[ITEM_COUNT]; /* its id is there */
	bool has[ITEM_COUNT];     /* and its entry is sound */
	struct vhdx_metadata_entry known[ITEM_COUNT];
};

static const struct {
	enum vhdx_item item;
	enum structure_id id;
} fixed_items[] = {
	{ ITEM_FILE_PARAMETERS, STRUCTURE_vhdx_file_parameters },
	{ ITEM_VIRTUAL_DISK_SIZE, STRUCTURE_vhdx_virtual_disk_size },
	{ ITEM_LOGICAL_SECTOR_SIZE, STRUCTURE_vhdx_logical_sector_size },
	{ ITEM_PHYSICAL_SECTOR_SIZE, STRUCTURE_vhdx_physical_sector_size },
	{ ITEM_VIRTUAL_DISK_ID, STRUCTURE_vhdx_virtual_disk_id },
};
enum { FIXED_ITEMS = sizeof(fixed_items) / sizeof(fixed_items[0]) };

static const uint8_t *entry_bytes(const struct table *t, uint32_t index)
{
	return t->w->table + vhdx_metadata_table_size + (size_t)index * vhdx_metadata_entry_size;
}

static bool is_user(const uint8_t *entry)
{
	return (entry[vhdx_metadata_entry_flags_at] & 1) != 0;
}

/* VHDX-146. */
static bool is_repeated(const struct table *t, uint32_t index)
{
	const uint8_t *bytes = entry_bytes(t, index);

	for (uint32_t i = 0; i < index; i++)
		if (memcmp(entry_bytes(t, i), bytes, vhdx_metadata_entry_item_id_length) == 0 &&
		    is_user(entry_bytes(t, i)) == is_user(bytes))
			return true;
	return false;
}

static enum vhdx_item item_of(const uint8_t *entry)
{
	struct vhdx_guid id = guid_from_windows(entry + vhdx_metadata_entry_item_id_at);
	unsigned item = 0;

	while (item < ITEM_COUNT && (is_user(entry) || !guid_equal(&id, &vhdx_item_ids[item])))
		item++;
	return (enum vhdx_item)item;
}

/* Flags and length of an item that we know: VHDX-160, VHDX-161, decision D-43. */
static void judge_known(struct inspection *in, const struct vhdx_metadata_entry *e, uint64_t place)
{
	bool of_disk = e->item != ITEM_FILE_PARAMETERS && e->item != ITEM_PARENT_LOCATOR;

	if (e->is_virtual_disk != of_disk)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_161, place + vhdx_metadata_entry_flags_at,
			       "the %s item has is_virtual_disk %s", vhdx_item_names[e->item], of_disk ? "clear" : "set");
	if (!e->is_required)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_NONE, place + vhdx_metadata_entry_flags_at,
			       "the %s item is not marked required", vhdx_item_names[e->item]);
	if (e->item != ITEM_PARENT_LOCATOR && e->length != vhdx_item_lengths[e->item])
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_160, place + vhdx_metadata_entry_length_at,
			       "%s item is %" PRIu32 " bytes long, not %" PRIu32, vhdx_item_names[e->item], e->length,
			       vhdx_item_lengths[e->item]);
}

static void judge_entry(struct table *t, uint32_t index, uint64_t place)
{
	struct inspection *in = t->w->in;
	const uint8_t *bytes = entry_bytes(t, index);
	enum vhdx_item item = item_of(bytes);
	struct vhdx_metadata_entry e;
	int status = vhdx_metadata_entry_decode(&e, bytes, place, t->w->v.metadata.length, &in->why);

	t->users += is_user(bytes);
	if (item != ITEM_UNKNOWN)
		t->is_seen[item] = true;
	inspect_judged(in, VHDX_SEVERITY_ERROR, status);
	if (is_repeated(t, index)) {
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_146, place, "the metadata item is listed twice");
		return;
	}
	if (status < 0)
		return;
	if (e.length != 0)
		t->ranges[t->range_count++] = (struct range){ e.offset, e.length };
	if (item != ITEM_UNKNOWN) {
		judge_known(in, &e, place);
		t->has[item] = item == ITEM_PARENT_LOCATOR || e.length == vhdx_item_lengths[item];
		t->known[item] = e;
	} else if (e.is_required) {
		inspect_judged(in, VHDX_SEVERITY_ERROR,
			       unsupported(&in->why, RULE_VHDX_156, place + vhdx_metadata_entry_flags_at,
					   "the metadata item is required and unknown"));
	} else {
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_NONE, place, "the metadata item is unknown, and not required");
	}
}

static int tell_entries(struct table *t)
{
	struct inspection *in = t->w->in;
	int status = VHDX_OK;

	for (uint32_t i = 0; status == VHDX_OK && i < t->count; i++) {
		const uint8_t *bytes = entry_bytes(t, i);
		enum vhdx_item known = item_of(bytes);
		struct inspect_item item = { .part = VHDX_PART_METADATA,
					     .id = STRUCTURE_vhdx_metadata_entry,
					     .index = i,
					     .file_offset = t->offset + (uint64_t)(bytes - t->w->table),
					     .bytes = bytes,
					     .note_field = "item_id",
					     .note = known == ITEM_UNKNOWN ? "unknown" : vhdx_item_names[known] };

		judge_entry(t, i, item.file_offset);
		status = inspect_structure(in, &item);
	}
	if (status == VHDX_OK && t->users > VHDX_MAX_USER_ENTRIES)
		status = inspect_say(in, VHDX_PART_METADATA, VHDX_SEVERITY_ERROR, RULE_VHDX_152, t->offset,
				     "metadata table has %u user items, more than %d", t->users, VHDX_MAX_USER_ENTRIES);
	return status;
}

/* VHDX-148, and what VHDX-160 wants to be there. */
static int judge_table(struct table *t)
{
	struct inspection *in = t->w->in;
	uint64_t end = 0;
	int status = VHDX_OK;

	ranges_sort(t->ranges, t->range_count);
	for (size_t i = 0; status == VHDX_OK && i < t->range_count; i++) {
		if (t->ranges[i].offset < end)
			status = inspect_say(in, VHDX_PART_METADATA, VHDX_SEVERITY_ERROR, RULE_VHDX_148,
					     t->offset + t->ranges[i].offset,
					     "two metadata items overlap at region offset 0x%" PRIx64, t->ranges[i].offset);
		end = max_u64(end, t->ranges[i].offset + t->ranges[i].length);
	}
	for (unsigned i = 0; status == VHDX_OK && i < FIXED_ITEMS; i++)
		if (!t->is_seen[fixed_items[i].item])
			status = inspect_say(in, VHDX_PART_METADATA, VHDX_SEVERITY_ERROR, RULE_VHDX_160, t->offset,
					     "the %s item is missing", vhdx_item_names[fixed_items[i].item]);
	return status;
}

/* Reads a fixed item to w->page and takes it over; what it breaks is in in->why. */
static int load_item(struct table *t, enum vhdx_item item)
{
	struct vhdx_walk *w = t->w;
	const struct vhdx_metadata_entry *e = &t->known[item];
	int status = view_read(&w->v.base.view, w->page, e->length, t->offset + e->offset, &w->in->why);

	return status < 0 ? status
			  : vhdx_item_decode(&w->v.parameters, item, w->page, e->length, t->offset + e->offset, &w->in->why);
}

/* All values first, because some are judged by others. */
static int load_items(struct table *t, bool *is_sound)
{
	int status = VHDX_OK;

	*is_sound = true;
	for (unsigned i = 0; i < FIXED_ITEMS; i++) {
		status = t->has[fixed_items[i].item] ? load_item(t, fixed_items[i].item) : VHDX_E_DAMAGED;
		*is_sound = *is_sound && status == VHDX_OK;
		if (status < 0 && status != VHDX_E_DAMAGED) {
			*t->w->in->error = t->w->in->why;
			return status;
		}
	}
	return VHDX_OK;
}

static int tell_items(struct table *t)
{
	struct vhdx_walk *w = t->w;
	struct inspection *in = w->in;
	bool is_sound;
	int status = load_items(t, &is_sound);

	w->has_parameters = is_sound;
	for (unsigned i = 0; status == VHDX_OK && i < FIXED_ITEMS; i++) {
		struct inspect_item item = { .part = VHDX_PART_METADATA, .id = fixed_items[i].id, .bytes = w->page };

		if (!t->has[fixed_items[i].item])
			continue;
		item.file_offset = t->offset + t->known[fixed_items[i].item].offset;
		status = inspect_judged(in, VHDX_SEVERITY_ERROR, load_item(t, fixed_items[i].item));
		if (status == VHDX_OK && is_sound && fixed_items[i].item == ITEM_VIRTUAL_DISK_SIZE &&
		    vhdx_parameters_check(&w->v.parameters, item.file_offset, &in->why) < 0) {
			inspect_judged(in, VHDX_SEVERITY_ERROR, in->why.status);
			w->has_parameters = false;
		}
		if (status == VHDX_OK)
			status = inspect_structure(in, &item);
	}
	return status;
}

/* VHDX-173, VHDX-195. */
static int tell_locator(struct table *t)
{
	struct vhdx_walk *w = t->w;
	int status = VHDX_OK;

	if (!t->is_seen[ITEM_PARENT_LOCATOR])
		return !w->v.parameters.has_parent ? VHDX_OK
						   : inspect_say(w->in, VHDX_PART_METADATA, VHDX_SEVERITY_ERROR, RULE_VHDX_173,
								 t->offset, "the disk has a parent but no parent locator");
	if (!w->v.parameters.has_parent && w->has_parameters)
		status = inspect_say(w->in, VHDX_PART_METADATA, VHDX_SEVERITY_NOTE, RULE_VHDX_195,
				     t->offset + t->known[ITEM_PARENT_LOCATOR].offset,
				     "a parent locator in a disk without parent is ignored");
	if (status == VHDX_OK && t->has[ITEM_PARENT_LOCATOR])
		status = inspect_vhdx_locator(w, &t->known[ITEM_PARENT_LOCATOR]);
	return status;
}

static int tell_table(struct table *t)
{
	struct inspect_item item = {
		.part = VHDX_PART_METADATA, .id = STRUCTURE_vhdx_metadata_table, .file_offset = t->offset, .bytes = t->w->table
	};
	struct inspection *in = t->w->in;
	struct vhdx_metadata_entry first;
	struct vhdx_error ignored;
	uint16_t count;
	int status = vhdx_metadata_table_decode(&count, t->w->table, t->offset, &in->why);

	if (status < 0) { /* go on when what follows makes sense */
		count = get_le16(t->w->table + vhdx_metadata_table_entry_count_at);
		if (count == 0 || count > VHDX_MAX_ENTRIES ||
		    vhdx_metadata_entry_decode(&first, entry_bytes(t, 0), 0, t->w->v.metadata.length, &ignored) < 0)
			return inspect_judged(in, VHDX_SEVERITY_ERROR, status), inspect_structure(in, &item);
	}
	inspect_judged(in, VHDX_SEVERITY_ERROR, status);
	t->count = count;
	t->ranges = memory_allocate(&in->env, count * sizeof(*t->ranges));
	status = t->ranges == NULL ? fail_memory(in->error) : inspect_structure(in, &item);
	if (status == VHDX_OK)
		status = tell_entries(t);
	if (status == VHDX_OK)
		status = judge_table(t);
	if (status == VHDX_OK)
		status = tell_items(t);
	return status == VHDX_OK ? tell_locator(t) : status;
}

int inspect_vhdx_metadata(struct vhdx_walk *w)
{
	struct table t = { .w = w, .offset = w->v.metadata.file_offset };
	int status;

	if (t.offset >= w->v.base.view.size) /* told already: VHDX-061 */
		return VHDX_OK;
	status = view_read(&w->v.base.view, w->table, VHDX_TABLE_SIZE, t.offset, w->in->error);
	if (status == VHDX_OK)
		status = tell_table(&t);
	memory_release(&w->in->env, t.ranges);
	return status;
}
