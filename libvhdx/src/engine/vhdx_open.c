/* SPDX-License-Identifier: MIT */
/*
 * Opens a VHDX file: identifier, headers, pending log, region table, metadata. Layer: engine. specs/vhdx.md section 3.1. The BAT is not read here.
 *
 *   identifier -> headers -> log (replayed in memory when pending) -> region table -> metadata -> geometry
 *                              everything from here on is read through the view, as it will be after replay
 */
#include "engine/salvage.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

static int load_identifier(struct vhdx_image *v, struct vhdx_error *error)
{
	uint8_t bytes[vhdx_file_identifier_creator_at + vhdx_file_identifier_creator_length];
	const uint8_t *creator = bytes + vhdx_file_identifier_creator_at;
	int status = file_read(&v->base.view.file, bytes, sizeof(bytes), VHDX_IDENTIFIER_OFFSET, error);

	if (status < 0)
		return status;
	if (!vhdx_identifier_present(bytes) && !(v->salvages && salvage_is_vhdx(v)))
		return fail_at(error, VHDX_E_NOT_IMAGE, rule_name(RULE_VHDX_010), 0, "the file does not begin with 'vhdxfile'");
	if (v->base.view.size < VHDX_HEADER_SECTION_SIZE && !v->salvages)
		return broken(error, RULE_VHDX_006, v->base.view.size,
			      "the file has %" PRIu64 " bytes, less than its header section of 1 MiB", v->base.view.size);
	utf8_from_utf16(v->creator, creator, utf16_length(creator, VHDX_CREATOR_UNITS), false);
	return VHDX_OK;
}

/* VHDX-017, VHDX-019, VHDX-037. */
static int pick_header(struct vhdx_image *v, struct vhdx_error *error)
{
	uint8_t bytes[2][vhdx_header_size];
	struct vhdx_header headers[2];
	struct vhdx_error why[2];
	bool valid[2];

	for (unsigned slot = 0; slot < 2; slot++) {
		int status = file_read(&v->base.view.file, bytes[slot], vhdx_header_size, VHDX_HEADER_OFFSET(slot), error);

		if (status < 0)
			return status;
		valid[slot] = vhdx_header_decode(&headers[slot], bytes[slot], VHDX_HEADER_OFFSET(slot), false, &why[slot]) ==
			      VHDX_OK;
	}
	v->log_is_lost = v->salvages && !valid[0] && !valid[1]; /* until one is found */
	if (!valid[0] && !valid[1] && v->lenient)
		for (unsigned slot = 0; slot < 2; slot++)
			valid[slot] = vhdx_header_decode(&headers[slot], bytes[slot], VHDX_HEADER_OFFSET(slot), true,
							 &why[slot]) == VHDX_OK;
	if (!valid[0] && !valid[1])
		return broken(error, RULE_VHDX_019, why[0].file_offset, "neither header is valid: %s; %s", why[0].message,
			      why[1].message);
	v->header_slot = !valid[0] || (valid[1] && headers[1].sequence_number > headers[0].sequence_number);
	if (valid[0] && valid[1] && headers[0].sequence_number == headers[1].sequence_number && !v->lenient &&
	    memcmp(bytes[0], bytes[1], vhdx_header_size) != 0)
		return broken(error, RULE_VHDX_037, VHDX_HEADER_OFFSET(1) + vhdx_header_sequence_number_at,
			      "both headers have sequence number %" PRIu64 " but differ", headers[0].sequence_number);
	v->header = headers[v->header_slot];
	return vhdx_header_check(&v->header, VHDX_HEADER_OFFSET(v->header_slot), error);
}

/* VHDX-096 to VHDX-106, without touching the file. */
static int replay_in_memory(struct vhdx_image *v, unsigned flags, struct vhdx_error *error)
{
	struct log_scan scan;
	int status;

	if (guid_is_zero(&v->header.log_guid))
		return VHDX_OK;
	if (flags & VHDX_OPEN_NO_REPLAY)
		return fail_at(error, VHDX_E_NEEDS_REPLAY, rule_name(RULE_VHDX_098), v->header.log_offset,
			       "a log is pending and replay is switched off");
	if (!range_fits(v->header.log_offset, v->header.log_length, v->base.view.size))
		return broken(error, RULE_VHDX_035, VHDX_HEADER_OFFSET(v->header_slot) + vhdx_header_log_offset_at,
			      "the log at 0x%" PRIx64 ", 0x%" PRIx32 " bytes, exceeds the file of %" PRIu64 " bytes",
			      v->header.log_offset, v->header.log_length, v->base.view.size);
	status = log_scan(&scan, v->base.env, &v->base.view.file, &v->header, error);
	if (status < 0)
		return status;
	v->log_entries = (unsigned)scan.active_count;
	status = log_overlay(&v->base.view, v->base.env, &scan, &v->header, v->salvages, error);
	log_scan_release(&scan, v->base.env);
	v->log_is_lost = v->log_is_lost && status < 0;
	return status;
}

/* VHDX-060: the first copy when it is valid, else the second. */
static int load_region_table(struct vhdx_image *v, struct region_attempts attempts, uint8_t *table, uint32_t *count,
			     unsigned *copy, struct vhdx_error *error)
{
	struct vhdx_error first;
	int status = VHDX_OK;

	for (unsigned attempt = attempts.first; attempt < attempts.end; attempt++) {
		uint64_t offset = VHDX_REGION_TABLE_OFFSET(attempt % 2);

		status = view_read(&v->base.view, table, VHDX_TABLE_SIZE, offset, error);
		if (status < 0)
			return status;
		*copy = attempt % 2;
		status = vhdx_region_table_decode(count, table, offset, attempt >= 2, error);
		if (status == VHDX_OK)
			return status;
		if (attempt == attempts.first)
			first = *error;
	}
	*error = first;
	return status;
}

static int by_guid(const void *a, const void *b)
{
	return memcmp(((const struct vhdx_region *)a)->guid.bytes, ((const struct vhdx_region *)b)->guid.bytes, 16);
}

/* Uniqueness, and the two regions that we know: VHDX-052, VHDX-055, VHDX-056, VHDX-059. Sorts the regions. */
static int choose_regions(struct vhdx_image *v, struct vhdx_region *regions, uint32_t count, uint64_t table_offset,
			  struct vhdx_error *error)
{
	char text[VHDX_GUID_TEXT_SIZE];

	if (count > 1)
		qsort(regions, count, sizeof(*regions), by_guid);
	for (uint32_t i = 0; i < count; i++) {
		guid_text(&regions[i].guid, text);
		if (i != 0 && guid_equal(&regions[i - 1].guid, &regions[i].guid))
			return broken(error, RULE_VHDX_052, table_offset, "region {%s} is listed twice", text);
		if (guid_equal(&regions[i].guid, &vhdx_region_bat))
			v->bat = regions[i];
		else if (guid_equal(&regions[i].guid, &vhdx_region_metadata))
			v->metadata = regions[i];
		else if (regions[i].required)
			return unsupported(error, RULE_VHDX_055, table_offset, "region {%s} is required and unknown", text);
	}
	if (v->bat.length == 0 || v->metadata.length == 0)
		return broken(error, RULE_VHDX_059, table_offset, "the %s region is missing",
			      v->bat.length == 0 ? "BAT" : "metadata");
	return VHDX_OK;
}

/* The places that no block may overlap: VHDX-057, VHDX-032. */
static int reserve_places(struct vhdx_image *v, const struct vhdx_region *regions, uint32_t count, uint64_t table_offset,
			  struct vhdx_error *error)
{
	size_t n = 0, hit;

	v->reserved = memory_allocate(v->base.env, (count + 1) * sizeof(*v->reserved));
	if (v->reserved == NULL)
		return fail_memory(error);
	for (uint32_t i = 0; i < count; i++) {
		if (!range_fits(regions[i].file_offset, regions[i].length, v->base.view.size) && !v->salvages)
			return broken(error, RULE_VHDX_061, table_offset,
				      "the region at 0x%" PRIx64 ", 0x%" PRIx32 " bytes, exceeds the file of %" PRIu64 " bytes",
				      regions[i].file_offset, regions[i].length, v->base.view.size);
		v->reserved[n++] = (struct range){ regions[i].file_offset, regions[i].length };
	}
	if (v->header.log_length != 0)
		v->reserved[n++] = (struct range){ v->header.log_offset, v->header.log_length };
	ranges_sort(v->reserved, n);
	if (v->salvages)
		n = ranges_merge(v->reserved, n);
	hit = ranges_find_overlap(v->reserved, n);
	if (hit < n)
		return broken(error, RULE_VHDX_057, table_offset, "the structures at 0x%" PRIx64 " and 0x%" PRIx64 " overlap",
			      v->reserved[hit].offset, v->reserved[hit + 1].offset);
	v->reserved_count = n;
	v->reserved_end = v->reserved[n - 1].offset + v->reserved[n - 1].length;
	return VHDX_OK;
}

int vhdx_load_regions(struct vhdx_image *v, struct region_attempts attempts, struct vhdx_error *error)
{
	uint8_t *table = memory_allocate(v->base.env, VHDX_TABLE_SIZE);
	struct vhdx_region *regions = NULL;
	uint64_t table_offset = 0;
	uint32_t count = 0;
	unsigned copy = 0;
	int status = table == NULL ? fail_memory(error) : load_region_table(v, attempts, table, &count, &copy, error);

	if (status == VHDX_OK) {
		table_offset = VHDX_REGION_TABLE_OFFSET(copy);
		regions = memory_allocate(v->base.env, count * sizeof(*regions));
		if (regions == NULL)
			status = fail_memory(error);
	}
	for (uint32_t i = 0; status == VHDX_OK && i < count; i++)
		status = vhdx_region_decode(&regions[i], table, i, table_offset, error);
	if (status == VHDX_OK)
		status = choose_regions(v, regions, count, table_offset, error);
	if (status == VHDX_OK)
		status = reserve_places(v, regions, count, table_offset, error);
	memory_release(v->base.env, regions);
	memory_release(v->base.env, table);
	return status;
}

static int set_geometry(struct vhdx_image *v, struct vhdx_error *error)
{
	const struct vhdx_parameters *p = &v->parameters;
	struct image *base = &v->base;

	base->format = VHDX_FORMAT_VHDX;
	base->type = p->has_parent ? VHDX_TYPE_DIFFERENCING : p->leave_block_allocated ? VHDX_TYPE_FIXED : VHDX_TYPE_DYNAMIC;
	base->disk_size = p->virtual_disk_size;
	base->block_size = p->block_size;
	base->logical_sector_size = p->logical_sector_size;
	base->physical_sector_size = p->physical_sector_size;
	base->data_identity = v->header.data_write_guid;
	v->geometry = vhdx_geometry(p->virtual_disk_size, p->block_size, p->logical_sector_size, p->has_parent);
	if (v->geometry.entry_count * 8 > v->bat.length)
		return broken(error, RULE_VHDX_118, v->bat.file_offset,
			      "the BAT region of 0x%" PRIx32 " bytes cannot hold %" PRIu64 " entries", v->bat.length,
			      v->geometry.entry_count);
	return VHDX_OK;
}

int vhdx_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error)
{
	struct vhdx_image *v = memory_zeroed(request->env, sizeof(*v));
	struct region_attempts attempts = { 0, request->flags & VHDX_OPEN_IGNORE_CHECKSUMS ? 4 : 2 };
	int status;

	if (v == NULL)
		return fail_memory(error);
	v->base.ops = &vhdx_image_ops;
	v->base.env = request->env;
	v->base.cache = request->cache;
	v->base.view.file = *request->file;
	v->base.level = request->level;
	v->lenient = (request->flags & VHDX_OPEN_IGNORE_CHECKSUMS) != 0;
	v->salvages = (request->flags & VHDX_OPEN_SALVAGE) != 0;
	v->lenient = v->lenient || v->salvages;
	if (v->salvages)
		attempts.end = 2; /* salvage.c judges the others */
	status = view_load_size(&v->base.view, error);
	if (status == VHDX_OK)
		status = load_identifier(v, error);
	if (status == VHDX_OK)
		status = salvage_header(v, pick_header(v, error));
	if (status == VHDX_OK)
		status = salvage_log(v, replay_in_memory(v, request->flags, error));
	if (status == VHDX_OK)
		status = salvage_regions(v, vhdx_load_regions(v, attempts, error), error);
	if (status == VHDX_OK)
		status = vhdx_load_metadata(v, error);
	if (status == VHDX_OK)
		status = salvage_bat(v, error);
	if (status == VHDX_OK)
		status = set_geometry(v, error);
	if (status < 0) {
		image_release(&v->base);
		return status;
	}
	*out = &v->base;
	return VHDX_OK;
}
