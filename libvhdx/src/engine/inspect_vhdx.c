/* SPDX-License-Identifier: MIT */
/* Inspects the header section of a VHDX file and leads the walk through the rest. Layer: engine. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/inspect_vhdx.h"
#include "format/vhdx_layout.h"

static int tell_identifier(struct vhdx_walk *w)
{
	struct inspection *in = w->in;
	struct inspect_item item = { .part = VHDX_PART_HEADERS, .id = STRUCTURE_vhdx_file_identifier, .bytes = w->page };
	uint64_t size = w->v.base.view.size;
	int status = file_read(in->file, w->page, vhdx_file_identifier_size, VHDX_IDENTIFIER_OFFSET, in->error);

	if (status < 0)
		return status;
	w->is_identified = vhdx_identifier_present(w->page) && size >= VHDX_HEADER_SECTION_SIZE;
	if (!vhdx_identifier_present(w->page))
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_010, 0, "the file does not begin with 'vhdxfile'");
	if (size < VHDX_HEADER_SECTION_SIZE)
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_006, size,
			       "the file has %" PRIu64 " bytes, less than its header section of 1 MiB", size);
	if (!bytes_are_zero(w->page + vhdx_file_identifier_reserved_at, vhdx_file_identifier_reserved_length))
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_NONE, vhdx_file_identifier_reserved_at,
			       "the bytes behind the creator text, which have no meaning, are not all zero");
	return inspect_structure(in, &item);
}

/* One of the two headers. */
struct slot {
	uint8_t bytes[vhdx_header_size];
	struct vhdx_header header;
	bool is_valid;
	const char *note;
	struct vhdx_error why;
};

static int load_slot(struct vhdx_walk *w, struct slot *slot, unsigned number)
{
	int status = file_read(w->in->file, slot->bytes, vhdx_header_size, VHDX_HEADER_OFFSET(number), w->in->error);

	if (status < 0)
		return status;
	slot->is_valid = vhdx_header_decode(&slot->header, slot->bytes, VHDX_HEADER_OFFSET(number), false, &slot->why) == VHDX_OK;
	slot->note = slot->is_valid ? "not current" : "not valid";
	return VHDX_OK;
}

/* VHDX-017, VHDX-019, VHDX-037: chooses as an open does, and says why. */
static int choose(struct vhdx_walk *w, struct slot *slots)
{
	struct inspection *in = w->in;
	bool both = slots[0].is_valid && slots[1].is_valid;
	bool equal = both && slots[0].header.sequence_number == slots[1].header.sequence_number;

	w->has_header = slots[0].is_valid || slots[1].is_valid;
	w->has_bad_header = w->has_header && !both;
	if (!w->has_header)
		return inspect_say(in, VHDX_PART_HEADERS, VHDX_SEVERITY_ERROR, RULE_VHDX_019, slots[0].why.file_offset,
				   "neither header is valid: %s; %s", slots[0].why.message, slots[1].why.message);
	w->v.header_slot = !slots[0].is_valid ||
			   (slots[1].is_valid && slots[1].header.sequence_number > slots[0].header.sequence_number);
	w->v.header = slots[w->v.header_slot].header;
	w->is_usable = vhdx_header_check(&w->v.header, 0, &in->why) == VHDX_OK;
	slots[w->v.header_slot].note = equal  ? "current: the first of two equal ones"
				       : both ? "current: the greater one"
					      : "current: the only valid header";
	if (!equal)
		return VHDX_OK;
	if (memcmp(slots[0].bytes, slots[1].bytes, vhdx_header_size) != 0) {
		w->is_usable = false;
		return inspect_say(in, VHDX_PART_HEADERS, VHDX_SEVERITY_ERROR, RULE_VHDX_037,
				   VHDX_HEADER_OFFSET(1) + vhdx_header_sequence_number_at,
				   "both headers have sequence number %" PRIu64 " but differ", slots[0].header.sequence_number);
	}
	return inspect_say(in, VHDX_PART_HEADERS, VHDX_SEVERITY_NOTE, RULE_VHDX_037,
			   VHDX_HEADER_OFFSET(1) + vhdx_header_sequence_number_at,
			   "both headers are identical, with sequence number %" PRIu64, slots[0].header.sequence_number);
}

static int tell_slot(struct vhdx_walk *w, const struct slot *slot, unsigned number)
{
	struct inspection *in = w->in;
	struct inspect_item item = { .part = VHDX_PART_HEADERS,
				     .id = STRUCTURE_vhdx_header,
				     .index = number,
				     .file_offset = VHDX_HEADER_OFFSET(number),
				     .bytes = slot->bytes,
				     .note_field = "sequence_number",
				     .note = slot->note };

	if (!slot->is_valid) {
		in->why = slot->why;
		inspect_judged(in, w->has_header ? VHDX_SEVERITY_WARNING : VHDX_SEVERITY_ERROR, in->why.status);
		inspect_mends(in, inspect_vhdx_may_mend(w) ? VHDX_MEND_HEADER : VHDX_MEND_NONE);
	} else if (w->has_header && w->v.header_slot == number) {
		struct vhdx_header header = slot->header;
		int status = vhdx_header_check(&header, item.file_offset, &in->why);

		inspect_judged(in, VHDX_SEVERITY_ERROR, status);
		w->has_log = status == VHDX_OK && !guid_is_zero(&header.log_guid);
		if (status == VHDX_OK && !w->has_log && !range_fits(header.log_offset, header.log_length, w->v.base.view.size))
			inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_035, item.file_offset + vhdx_header_log_offset_at,
				       "the log at 0x%" PRIx64 ", which is empty, exceeds the file of %" PRIu64 " bytes",
				       header.log_offset, w->v.base.view.size);
		if (status < 0 && header.version == 1)
			w->v.header.log_length = 0; /* a place that makes no sense is no place */
	}
	return inspect_structure(in, &item);
}

static int tell_headers(struct vhdx_walk *w)
{
	struct slot *slots = memory_zeroed(&w->in->env, 2 * sizeof(*slots));
	int status = slots == NULL ? fail_memory(w->in->error) : VHDX_OK;

	for (unsigned i = 0; status == VHDX_OK && i < 2; i++)
		status = load_slot(w, &slots[i], i);
	if (status == VHDX_OK)
		status = choose(w, slots);
	for (unsigned i = 0; status == VHDX_OK && i < 2; i++)
		status = tell_slot(w, &slots[i], i);
	memory_release(&w->in->env, slots);
	return status;
}

static int walk(struct vhdx_walk *w)
{
	struct inspection *in = w->in;
	int status = tell_identifier(w);

	if (status == VHDX_OK)
		status = tell_headers(w);
	if (status < 0 || (w->has_header && w->v.header.version != 1)) /* VHDX-029 */
		return status;
	status = inspect_vhdx_log_find(w);
	if (status == VHDX_OK)
		status = inspect_vhdx_regions(w);
	if (status == VHDX_OK)
		status = inspect_vhdx_log(w);
	if (status == VHDX_OK && w->has_metadata)
		status = inspect_vhdx_metadata(w);
	if (status == VHDX_OK && w->has_bat && w->has_parameters)
		status = inspect_vhdx_bat(w);
	if (status == VHDX_OK)
		status = inspect_vhdx_tables(w);
	return status == VHDX_OK && in->follow != NULL ? in->follow->vhdx(in->follow, w) : status;
}

int inspect_vhdx(struct inspection *in)
{
	struct vhdx_walk *w = memory_zeroed(&in->env, sizeof(*w));
	int status;

	if (w == NULL)
		return fail_memory(in->error);
	w->in = in;
	w->v.base.env = &in->env;
	w->v.base.view.file = *in->file;
	w->page = memory_allocate(&in->env, INSPECT_PAGE);
	w->table = memory_allocate(&in->env, INSPECT_PAGE);
	w->v.base.view.size = in->size;
	status = w->page == NULL || w->table == NULL ? fail_memory(in->error) : walk(w);
	log_scan_release(&w->scan, &in->env);
	memory_release(&in->env, w->v.base.view.pieces);
	memory_release(&in->env, w->v.reserved);
	memory_release(&in->env, w->table);
	memory_release(&in->env, w->page);
	memory_release(&in->env, w);
	return status;
}
