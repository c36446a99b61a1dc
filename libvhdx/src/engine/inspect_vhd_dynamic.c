/* SPDX-License-Identifier: MIT */
/* Inspects the dynamic disk header of a VHD file with its parent locators. Layer: engine. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/inspect_vhd.h"

static const struct {
	uint32_t code;
	bool is_tried; /* by an open that looks for the parent: VHD-086 */
	bool is_utf16;
} codes[] = {
	{ VHD_CODE_W2RU, true, true },  { VHD_CODE_W2KU, true, true },  { VHD_CODE_MACX, true, false },
	{ VHD_CODE_WI2R, true, false }, { VHD_CODE_WI2K, true, false }, { VHD_CODE_MAC, false, false },
};
enum { CODES = sizeof(codes) / sizeof(codes[0]) };

static bool is_differencing(const struct vhd_walk *w)
{
	return w->footer.disk_type == VHD_DISK_DIFFERENCING;
}

/* The path that a locator points at. */
static int tell_path(struct vhd_walk *w, const struct inspect_item *item, const struct vhd_locator *l, bool is_utf16)
{
	struct inspection *in = w->in;
	struct vhdx_field field = { .name = "path",
				    .meaning = "Where the parent is",
				    .file_offset = l->data_offset,
				    .length = l->data_length,
				    .value = in->text };
	uint8_t *bytes;
	int status;

	if (!inspect_wants_fields(in, item->part))
		return VHDX_OK;
	bytes = memory_allocate(&in->env, l->data_length);
	if (bytes == NULL)
		return fail_memory(in->error);
	status = file_read(in->file, bytes, l->data_length, l->data_offset, in->error);
	if (status == VHDX_OK) {
		field.bytes = bytes;
		if (is_utf16)
			utf8_from_utf16(in->text, bytes, utf16_length(bytes, l->data_length / 2), false);
		else
			format_text(in->text, INSPECT_TEXT_SIZE, "%.*s", (int)l->data_length, (const char *)bytes);
		status = inspect_field(in, item, &field);
	}
	memory_release(&in->env, bytes);
	return status;
}

static int tell_locator(struct vhd_walk *w, unsigned slot, const uint8_t *bytes, bool *has_path)
{
	struct inspection *in = w->in;
	const struct vhd_locator *l = &w->dynamic.locators[slot];
	struct inspect_item item = { .part = VHDX_PART_METADATA,
				     .id = STRUCTURE_vhd_locator_entry,
				     .index = slot,
				     .file_offset = w->dynamic_offset + vhd_dynamic_header_parent_locator_entries_at +
						    (uint64_t)slot * vhd_locator_entry_size,
				     .bytes = bytes };
	unsigned known = 0;
	bool is_utf16, is_tried, fits;
	int status;

	while (known < CODES && codes[known].code != l->platform_code)
		known++;
	is_utf16 = known < CODES && codes[known].is_utf16;
	is_tried = known < CODES && codes[known].is_tried && is_differencing(w);
	fits = l->data_length <= VHD_MAX_LOCATOR_LENGTH && range_fits(l->data_offset, l->data_length, in->size) &&
	       !(is_utf16 && l->data_length % 2 != 0);
	if (known == CODES)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_NONE, item.file_offset, "the platform code is not a known one");
	if (l->data_length != 0 && !fits)
		inspect_broken(in, is_tried ? VHDX_SEVERITY_ERROR : VHDX_SEVERITY_WARNING, RULE_VHD_056,
			       item.file_offset + vhd_locator_entry_platform_data_length_at,
			       "the parent locator at 0x%" PRIx64 ", %" PRIu32
			       " bytes, is outside the file or has an impossible length",
			       l->data_offset, l->data_length);
	if ((uint64_t)l->data_space * VHD_SECTOR < l->data_length)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_054, item.file_offset + vhd_locator_entry_platform_data_space_at,
			       "the space of %" PRIu32 " is too small for %" PRIu32 " bytes, even counted in sectors",
			       l->data_space, l->data_length);
	*has_path = *has_path || (is_tried && l->data_length != 0);
	status = inspect_fields(in, &item);
	if (status == VHDX_OK && fits && l->data_length != 0) {
		status = tell_path(w, &item, l, is_utf16);
		w->structures_end = max_u64(w->structures_end, l->data_offset + l->data_length);
	}
	return status == VHDX_OK ? inspect_problems(in, item.part) : status;
}

/* All slots that are not free. */
static int tell_locators(struct vhd_walk *w, const uint8_t *header)
{
	uint64_t name_at = w->dynamic_offset + vhd_dynamic_header_parent_unicode_name_at;
	bool has_path = utf16_length(w->dynamic.parent_name, VHD_NAME_UNITS) != 0;
	int status = VHDX_OK;

	for (unsigned slot = 0; status == VHDX_OK && slot < VHD_LOCATOR_COUNT; slot++) {
		const uint8_t *bytes = header + vhd_dynamic_header_parent_locator_entries_at +
				       (size_t)slot * vhd_locator_entry_size;

		if (!bytes_are_zero(bytes, vhd_locator_entry_size))
			status = tell_locator(w, slot, bytes, &has_path);
	}
	if (status == VHDX_OK && is_differencing(w) && !has_path)
		status = inspect_say(w->in, VHDX_PART_METADATA, VHDX_SEVERITY_WARNING, RULE_VHD_084, name_at,
				     "the disk has a parent but no path to it");
	return status;
}

/* What the header may break without being refused: VHD-038 to VHD-049. */
static void judge_header(struct vhd_walk *w, const uint8_t *bytes)
{
	struct inspection *in = w->in;
	uint64_t place = w->dynamic_offset, unused = get_be64(bytes + vhd_dynamic_header_data_offset_at);
	bool has_parent_id = !guid_is_zero(&w->dynamic.parent_unique_id);

	if (unused != VHD_NO_OFFSET)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_038, place + vhd_dynamic_header_data_offset_at,
			       "data offset of the dynamic header is 0x%" PRIx64 ", not 64 one bits", unused);
	if (w->dynamic.header_version != 0x00010000)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_041, place + vhd_dynamic_header_header_version_at,
			       "dynamic header version is 0x%08" PRIx32 ", not 0x00010000", w->dynamic.header_version);
	if (is_differencing(w) && !has_parent_id)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_049, place + vhd_dynamic_header_parent_unique_id_at,
			       "the disk has a parent but its parent unique id is zero");
	if (w->footer.disk_type == VHD_DISK_DYNAMIC && has_parent_id)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHD_048, place + vhd_dynamic_header_parent_unique_id_at,
			       "the parent unique id of a dynamic disk is not zero");
}

/* Where the BAT is and whether it covers the disk: VHD-040, VHD-042, VHD-043. */
static void judge_table(struct vhd_walk *w)
{
	struct inspection *in = w->in;
	const struct vhd_dynamic *h = &w->dynamic;
	uint64_t place = w->dynamic_offset, length = (uint64_t)h->max_table_entries * 4;
	bool fits = range_fits(h->table_offset, length, in->size) && h->table_offset >= VHD_SECTOR &&
		    !ranges_overlap(h->table_offset, length, place, vhd_dynamic_header_size);

	w->block_count = w->footer.current_size != 0 ? divide_up(w->footer.current_size, h->block_size) : h->max_table_entries;
	if (h->max_table_entries < w->block_count)
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHD_043, place + vhd_dynamic_header_max_table_entries_at,
			       "the BAT has %" PRIu32 " entries, the disk needs %" PRIu64, h->max_table_entries, w->block_count);
	if (h->max_table_entries > w->block_count)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHD_042, place + vhd_dynamic_header_max_table_entries_at,
			       "the BAT has %" PRIu32 " entries, the disk needs only %" PRIu64, h->max_table_entries,
			       w->block_count);
	if (!fits)
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHD_040, place + vhd_dynamic_header_table_offset_at,
			       "the BAT at 0x%" PRIx64 ", %" PRIu64 " bytes, is outside the file or overlaps the header",
			       h->table_offset, length);
	w->block_count = min_u64(w->block_count, h->max_table_entries);
	w->has_bat = fits;
	w->structures_end = max_u64(place + vhd_dynamic_header_size, fits ? h->table_offset + length : 0);
}

static int tell_header(struct vhd_walk *w, const uint8_t *bytes)
{
	struct inspection *in = w->in;
	struct inspect_item item = {
		.part = VHDX_PART_HEADERS, .id = STRUCTURE_vhd_dynamic_header, .file_offset = w->dynamic_offset, .bytes = bytes
	};
	struct vhdx_error ignored;
	int status = vhd_dynamic_decode(&w->dynamic, bytes, w->dynamic_offset, false, &in->why);

	inspect_judged(in, VHDX_SEVERITY_ERROR, status);
	if (status < 0 && vhd_dynamic_decode(&w->dynamic, bytes, 0, true, &ignored) < 0)
		return inspect_structure(in, &item);
	judge_header(w, bytes);
	judge_table(w);
	status = inspect_structure(in, &item);
	return status == VHDX_OK ? tell_locators(w, bytes) : status;
}

int inspect_vhd_dynamic(struct vhd_walk *w)
{
	struct inspection *in = w->in;
	uint8_t bytes[vhd_dynamic_header_size];
	bool is_guess = w->footer.disk_type == 0; /* no footer says where the header is */
	int status;

	if (is_guess)
		w->footer.data_offset = VHD_SECTOR;
	if (!inspect_vhd_has_dynamic(in, &w->footer)) /* told with the footer */
		return VHDX_OK;
	w->dynamic_offset = w->footer.data_offset;
	status = file_read(in->file, bytes, sizeof(bytes), w->dynamic_offset, in->error);
	if (status < 0 || (is_guess && memcmp(bytes, "cxsparse", 8) != 0))
		return status;
	return tell_header(w, bytes);
}
