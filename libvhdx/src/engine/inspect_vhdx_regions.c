/* SPDX-License-Identifier: MIT */
/*
 * Inspects both region tables of a VHDX file and finds the BAT, the metadata and the places that no block may have. Layer:
 * engine.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/inspect_vhdx.h"
#include "format/vhdx_layout.h"

/* One copy of the table. */
struct copy {
	unsigned number;
	uint64_t offset;
	const uint8_t *bytes;
	uint32_t count; /* entries to show */
	bool is_valid;
	struct vhdx_error why;
};

static const uint8_t *entry_bytes(const struct copy *copy, uint32_t index)
{
	return copy->bytes + vhdx_region_table_size + (size_t)index * vhdx_region_entry_size;
}

/* Reads a copy. The entries of a copy that is not valid are worth showing when the first of them makes sense. */
static int load_copy(struct vhdx_walk *w, struct copy *copy, unsigned number, uint8_t *bytes)
{
	struct vhdx_error ignored;
	struct vhdx_region region;
	int status;

	*copy = (struct copy){ .number = number, .offset = VHDX_REGION_TABLE_OFFSET(number), .bytes = bytes };
	status = view_read(&w->v.base.view, bytes, VHDX_TABLE_SIZE, copy->offset, w->in->error);
	if (status < 0)
		return status;
	copy->is_valid = vhdx_region_table_decode(&copy->count, bytes, copy->offset, false, &copy->why) == VHDX_OK;
	if (!copy->is_valid) {
		copy->count = get_le32(bytes + vhdx_region_table_entry_count_at);
		if (copy->count == 0 || copy->count > VHDX_MAX_ENTRIES ||
		    vhdx_region_decode(&region, bytes, 0, copy->offset, &ignored) < 0)
			copy->count = 0;
	}
	return VHDX_OK;
}

/* VHDX-052. */
static bool is_repeated(const struct copy *copy, uint32_t index)
{
	for (uint32_t i = 0; i < index; i++)
		if (memcmp(entry_bytes(copy, i), entry_bytes(copy, index), vhdx_region_entry_guid_length) == 0)
			return true;
	return false;
}

static void reserve(struct vhdx_walk *w, uint64_t offset, uint64_t length)
{
	w->v.reserved[w->v.reserved_count++] = (struct range){ offset, length };
}

/* An entry of the table in use: what an open refuses, and what it is. */
static void take_entry(struct vhdx_walk *w, const struct copy *copy, uint32_t index, uint64_t place, bool *is_seen)
{
	struct inspection *in = w->in;
	struct vhdx_region region;
	struct vhdx_guid guid = guid_from_windows(entry_bytes(copy, index) + vhdx_region_entry_guid_at);
	bool is_bat = guid_equal(&guid, &vhdx_region_bat), is_metadata = guid_equal(&guid, &vhdx_region_metadata);
	bool repeated = is_repeated(copy, index);
	int status = vhdx_region_decode(&region, copy->bytes, index, copy->offset, &in->why);

	is_seen[0] = is_seen[0] || is_bat;
	is_seen[1] = is_seen[1] || is_metadata;
	inspect_judged(in, VHDX_SEVERITY_ERROR, status);
	if (repeated)
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_052, place, "the region is listed twice");
	if (status < 0 || repeated)
		return;
	if (!range_fits(region.file_offset, region.length, w->v.base.view.size))
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_061, place + vhdx_region_entry_length_at,
			       "the region at 0x%" PRIx64 ", 0x%" PRIx32 " bytes, exceeds the file of %" PRIu64 " bytes",
			       region.file_offset, region.length, w->v.base.view.size);
	reserve(w, region.file_offset, region.length);
	if (is_bat) {
		w->v.bat = region;
		w->has_bat = true;
	} else if (is_metadata) {
		w->v.metadata = region;
		w->has_metadata = true;
	} else if (region.required) {
		inspect_judged(in, VHDX_SEVERITY_ERROR,
			       unsupported(&in->why, RULE_VHDX_055, place + vhdx_region_entry_required_at,
					   "the region is required and unknown"));
	} else {
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_NONE, place, "the region is unknown, and not required");
	}
}

static int tell_entry(struct vhdx_walk *w, const struct copy *copy, uint32_t index, bool is_used, bool *is_seen)
{
	const uint8_t *bytes = entry_bytes(copy, index);
	struct vhdx_guid guid = guid_from_windows(bytes + vhdx_region_entry_guid_at);
	struct inspect_item item = { .part = VHDX_PART_REGIONS,
				     .id = STRUCTURE_vhdx_region_entry,
				     .index = index,
				     .file_offset = copy->offset + (uint64_t)(bytes - copy->bytes),
				     .bytes = bytes,
				     .note_field = "guid" };

	item.note = guid_equal(&guid, &vhdx_region_bat)        ? "BAT"
		    : guid_equal(&guid, &vhdx_region_metadata) ? "metadata"
							       : "unknown";
	if (is_used)
		take_entry(w, copy, index, item.file_offset, is_seen);
	return inspect_structure(w->in, &item);
}

/* VHDX-059. An entry that breaks another rule is not missing. */
static int judge_missing(struct vhdx_walk *w, const struct copy *copy, const bool *is_seen)
{
	int status = VHDX_OK;

	for (unsigned i = 0; status == VHDX_OK && i < 2; i++)
		if (!is_seen[i])
			status = inspect_say(w->in, VHDX_PART_REGIONS, VHDX_SEVERITY_ERROR, RULE_VHDX_059, copy->offset,
					     "the %s region is missing", i == 0 ? "BAT" : "metadata");
	return status;
}

static int tell_copy(struct vhdx_walk *w, const struct copy *copy, const struct copy *used)
{
	struct inspection *in = w->in;
	struct inspect_item item = { .part = VHDX_PART_REGIONS,
				     .id = STRUCTURE_vhdx_region_table,
				     .index = copy->number,
				     .file_offset = copy->offset,
				     .bytes = copy->bytes };
	bool is_seen[2] = { false, false }, is_used = copy->number == used->number;
	int status;

	if (!copy->is_valid) {
		in->why = copy->why;
		inspect_judged(in, used->is_valid ? VHDX_SEVERITY_WARNING : VHDX_SEVERITY_ERROR, in->why.status);
		inspect_mends(in, used->is_valid && inspect_vhdx_may_mend(w) ? VHDX_MEND_REGION_TABLE : VHDX_MEND_NONE);
	}
	status = inspect_structure(in, &item);
	for (uint32_t i = 0; status == VHDX_OK && i < copy->count; i++)
		status = tell_entry(w, copy, i, is_used, is_seen);
	if (status == VHDX_OK && is_used && (copy->is_valid || copy->count != 0))
		status = judge_missing(w, copy, is_seen);
	return status;
}

/* VHDX-032, VHDX-057. Leaves the places sorted and disjoint, as ranges_hit wants them. */
static int judge_overlap(struct vhdx_walk *w, uint64_t table_offset)
{
	struct vhdx_image *v = &w->v;
	size_t kept = 0;
	int status = VHDX_OK;

	ranges_sort(v->reserved, v->reserved_count);
	for (size_t i = 0; status == VHDX_OK && i < v->reserved_count; i++) {
		struct range *last = kept == 0 ? NULL : &v->reserved[kept - 1], next = v->reserved[i];

		if (last == NULL || last->offset + last->length <= next.offset) {
			v->reserved[kept++] = next;
			continue;
		}
		status = inspect_say(w->in, VHDX_PART_REGIONS, VHDX_SEVERITY_ERROR, RULE_VHDX_057, table_offset,
				     "the structures at 0x%" PRIx64 " and 0x%" PRIx64 " overlap", last->offset, next.offset);
		last->length = max_u64(last->length, next.offset + next.length - last->offset);
	}
	v->reserved_count = kept;
	v->reserved_end = kept == 0 ? VHDX_HEADER_SECTION_SIZE : v->reserved[kept - 1].offset + v->reserved[kept - 1].length;
	return status;
}

int inspect_vhdx_regions(struct vhdx_walk *w)
{
	struct inspection *in = w->in;
	const struct copy *used;
	struct copy copies[2];
	int status = load_copy(w, &copies[0], 0, w->page);

	if (status == VHDX_OK)
		status = load_copy(w, &copies[1], 1, w->table);
	if (status < 0)
		return status;
	/* VHDX-060; with neither valid, the one that shows more */
	used = &copies[copies[0].is_valid || (!copies[1].is_valid && copies[0].count >= copies[1].count) ? 0 : 1];
	w->v.reserved = memory_allocate(&in->env, (used->count + 1) * sizeof(*w->v.reserved));
	if (w->v.reserved == NULL)
		return fail_memory(in->error);
	for (unsigned i = 0; status == VHDX_OK && i < 2; i++)
		status = tell_copy(w, &copies[i], used);
	w->table_used = used->number;
	w->has_table = used->is_valid;
	w->has_bad_table = used->is_valid && memcmp(w->page, w->table, VHDX_TABLE_SIZE) != 0;
	w->tables_disagree = w->has_bad_table && copies[0].is_valid && copies[1].is_valid;
	if (w->has_header && w->v.header.log_length != 0)
		reserve(w, w->v.header.log_offset, w->v.header.log_length);
	return status == VHDX_OK ? judge_overlap(w, used->offset) : status;
}

int inspect_vhdx_tables(struct vhdx_walk *w)
{
	if (!w->tables_disagree)
		return VHDX_OK;
	w->has_bad_table = !w->in->has_errors;
	return inspect_say_mend(w->in, VHDX_PART_REGIONS, VHDX_SEVERITY_WARNING,
				w->has_bad_table && inspect_vhdx_may_mend(w) ? VHDX_MEND_REGION_TABLE : VHDX_MEND_NONE,
				RULE_VHDX_060, VHDX_REGION_TABLE_OFFSET(1),
				"the two region tables are valid but differ; the first one counts");
}
