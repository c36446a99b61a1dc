/* SPDX-License-Identifier: MIT */
/*
 * Inspects the parent locator of a VHDX file. Layer: engine. In a disk without parent nothing that it breaks is an error:
 * VHDX-195.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/inspect_vhdx.h"
#include "format/vhdx_layout.h"
#include "format/vhdx_locator.h"

struct locator {
	struct vhdx_walk *w;
	enum vhdx_severity refusal; /* what a refusal of the decoder amounts to */
	const uint8_t *bytes;       /* w->page */
	uint32_t length;
	uint64_t place;
	bool has_linkage;
	bool has_path;
};

static bool key_is_repeated(const struct locator *l, uint16_t index, const struct vhdx_locator_pair *pair)
{
	struct vhdx_error ignored;
	struct vhdx_locator_pair other;

	for (uint16_t i = 0; i < index; i++)
		if (vhdx_locator_pair_decode(&other, l->bytes, l->length, i, l->place, &ignored) == VHDX_OK &&
		    other.key_units == pair->key_units && memcmp(other.key, pair->key, pair->key_units * 2) == 0)
			return true;
	return false;
}

/* parent_linkage and parent_linkage2: VHDX-180, VHDX-182, VHDX-183. `text` is the value. */
static void judge_linkage(struct locator *l, const struct vhdx_locator_pair *pair, const char *text, uint64_t place)
{
	struct inspection *in = l->w->in;
	bool is_second = vhdx_locator_key_is(pair, "parent_linkage2");
	char wanted[VHDX_GUID_TEXT_SIZE];
	struct vhdx_guid guid;

	if (!guid_from_text(&guid, text, strlen(text))) {
		inspect_broken(in, l->refusal, RULE_VHDX_180, place, "%s is no GUID",
			       is_second ? "parent_linkage2" : "parent_linkage");
		return;
	}
	guid_text(&guid, wanted);
	if (strlen(text) != strlen(wanted) + 2 || memcmp(text + 1, wanted, strlen(wanted)) != 0)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHDX_182, place, "the GUID is not written in lower case with braces");
	if (is_second && !guid_is_zero(&guid))
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHDX_183, place, "parent_linkage2 is set: a merge may be unfinished");
}

static void judge_pair(struct locator *l, const struct vhdx_locator_pair *pair, const char *text, uint64_t place)
{
	struct inspection *in = l->w->in;
	bool is_first = vhdx_locator_key_is(pair, "parent_linkage"),
	     is_absolute = vhdx_locator_key_is(pair, "absolute_win32_path");

	if (is_first || vhdx_locator_key_is(pair, "parent_linkage2"))
		judge_linkage(l, pair, text, place);
	l->has_linkage = l->has_linkage || is_first;
	l->has_path = l->has_path || is_absolute || vhdx_locator_key_is(pair, "relative_path") ||
		      vhdx_locator_key_is(pair, "volume_path");
	if (is_absolute && strncmp(text, "\\\\?\\", 4) != 0)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHDX_190, place, "the path does not begin with \\\\?\\");
}

/* One text that an entry points at, when it lies in the item. */
static int tell_text(struct locator *l, const struct inspect_item *item, bool is_key)
{
	const uint8_t *entry = item->bytes;
	uint32_t at = get_le32(entry + (is_key ? vhdx_locator_entry_key_offset_at : vhdx_locator_entry_value_offset_at));
	uint32_t length = get_le16(entry + (is_key ? vhdx_locator_entry_key_length_at : vhdx_locator_entry_value_length_at));
	struct vhdx_field field = { .name = is_key ? "key" : "value",
				    .meaning = is_key ? "What the value says" : "Identity of the parent, or a path to it",
				    .length = length,
				    .bytes = l->bytes + at,
				    .file_offset = l->place + at,
				    .value = l->w->in->text };

	if (length == 0 || !range_fits(at, length, l->length) || !inspect_wants_fields(l->w->in, item->part))
		return VHDX_OK;
	utf8_from_utf16(l->w->in->text, field.bytes, length / 2, false);
	return inspect_field(l->w->in, item, &field);
}

static int tell_pair(struct locator *l, uint16_t index)
{
	struct inspection *in = l->w->in;
	uint32_t at = vhdx_locator_header_size + (uint32_t)index * vhdx_locator_entry_size;
	struct inspect_item item = { .part = VHDX_PART_METADATA,
				     .id = STRUCTURE_vhdx_locator_entry,
				     .index = index,
				     .file_offset = l->place + at,
				     .bytes = l->bytes + at };
	struct vhdx_locator_pair pair;
	int status = vhdx_locator_pair_decode(&pair, l->bytes, l->length, index, l->place, &in->why);

	inspect_judged(in, l->refusal, status);
	if (status == VHDX_OK) {
		if (key_is_repeated(l, index, &pair))
			inspect_broken(in, l->refusal, RULE_VHDX_178, item.file_offset, "the key stands in two entries");
		utf8_from_utf16(in->text, pair.value, pair.value_units, false);
		judge_pair(l, &pair, in->text, l->place + (uint64_t)(pair.value - l->bytes));
	}
	status = inspect_fields(in, &item);
	if (status == VHDX_OK)
		status = tell_text(l, &item, true);
	if (status == VHDX_OK)
		status = tell_text(l, &item, false);
	return status == VHDX_OK ? inspect_problems(in, item.part) : status;
}

static int tell_pairs(struct locator *l, uint16_t count, bool is_complete)
{
	struct inspection *in = l->w->in;
	int status = VHDX_OK;

	for (uint16_t i = 0; status == VHDX_OK && i < count; i++)
		status = tell_pair(l, i);
	if (status == VHDX_OK && is_complete && !l->has_linkage)
		status = inspect_say(in, VHDX_PART_METADATA, l->refusal, RULE_VHDX_180, l->place,
				     "the parent locator has no parent_linkage");
	if (status == VHDX_OK && is_complete && !l->has_path)
		status = inspect_say(in, VHDX_PART_METADATA, l->refusal, RULE_VHDX_185, l->place,
				     "the parent locator has no path");
	return status;
}

int inspect_vhdx_locator(struct vhdx_walk *w, const struct vhdx_metadata_entry *entry)
{
	struct inspection *in = w->in;
	struct locator l = { .w = w,
			     .refusal = w->v.parameters.has_parent ? VHDX_SEVERITY_ERROR : VHDX_SEVERITY_WARNING,
			     .bytes = w->page,
			     .length = (uint32_t)min_u64(entry->length, VHDX_MAX_LOCATOR_LENGTH),
			     .place = w->v.metadata.file_offset + entry->offset };
	struct inspect_item item = { .part = VHDX_PART_METADATA,
				     .id = STRUCTURE_vhdx_locator_header,
				     .file_offset = l.place,
				     .bytes = w->page,
				     .note_field = "locator_type" };
	struct vhdx_guid type;
	uint32_t room;
	uint16_t count;
	int status = view_read(&w->v.base.view, w->page, l.length, l.place, in->error);

	if (status < 0)
		return status;
	status = vhdx_locator_decode(&count, w->page, entry->length, l.place, &in->why);
	inspect_judged(in, l.refusal, status);
	if (l.length < vhdx_locator_header_size)
		return inspect_problems(in, item.part);
	if (status < 0) {
		room = (l.length - vhdx_locator_header_size) / vhdx_locator_entry_size;
		count = (uint16_t)min_u64(get_le16(w->page + vhdx_locator_header_key_value_count_at),
					  min_u64(room, VHDX_MAX_LOCATOR_PAIRS));
	}
	type = guid_from_windows(w->page + vhdx_locator_header_locator_type_at);
	item.note = guid_equal(&type, &vhdx_locator_type) ? "VHDX" : "unknown";
	if (!guid_equal(&type, &vhdx_locator_type))
		count = 0; /* the entries of another kind mean nothing to us */
	return inspect_structure(in, &item) == VHDX_OK ? tell_pairs(&l, count, status == VHDX_OK) : in->error->status;
}
