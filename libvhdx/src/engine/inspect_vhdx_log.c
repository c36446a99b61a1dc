/* SPDX-License-Identifier: MIT */
/*
 * Inspects a pending log. Layer: engine. With a valid sequence every valid entry is told, and what replay would do. Without
 * one, everything in the ring that begins as an entry is told, and why it is none; to stay linear in the length of the log,
 * entries that claim more sectors than the ring has are told without what is in them.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "engine/inspect_vhdx.h"
#include "format/vhdx_layout.h"

static uint32_t ring_sectors(const struct vhdx_walk *w)
{
	return w->v.header.log_length / VHDX_LOG_SECTOR;
}

static uint64_t sector_offset(const struct vhdx_walk *w, uint64_t sector)
{
	return w->v.header.log_offset + sector % ring_sectors(w) * VHDX_LOG_SECTOR;
}

static int read_sector(struct vhdx_walk *w, uint64_t sector, uint8_t *bytes)
{
	return file_read(w->in->file, bytes, VHDX_LOG_SECTOR, sector_offset(w, sector), w->in->error);
}

static enum vhdx_mend discarding(const struct vhdx_walk *w)
{
	return inspect_vhdx_may_mend(w) ? VHDX_MEND_DISCARD_LOG : VHDX_MEND_NONE;
}

/* Scans the ring and lays the pending changes over the file, as an open does. */
int inspect_vhdx_log_find(struct vhdx_walk *w)
{
	const struct vhdx_header *h = &w->v.header;
	struct inspection *in = w->in;
	struct view *view = &w->v.base.view;
	int status;

	if (!w->has_log)
		return VHDX_OK;
	w->has_log = range_fits(h->log_offset, h->log_length, view->size);
	w->is_pending = true;
	if (!w->has_log)
		return inspect_say_mend(in, VHDX_PART_LOG, VHDX_SEVERITY_ERROR, discarding(w), RULE_VHDX_035,
					VHDX_HEADER_OFFSET(w->v.header_slot) + vhdx_header_log_offset_at,
					"the log at 0x%" PRIx64 ", 0x%" PRIx32 " bytes, exceeds the file of %" PRIu64 " bytes",
					h->log_offset, h->log_length, view->size);
	status = log_scan(&w->scan, &in->env, in->file, h, &in->why);
	w->has_sequence = status == VHDX_OK;
	if (status == VHDX_OK) {
		status = log_overlay(view, &in->env, &w->scan, h, false, &in->why);
		w->replay = in->why;
		w->replay.status = status;
	}
	in->size = view->size;
	if (status == VHDX_E_DAMAGED || status == VHDX_E_UNSUPPORTED)
		return w->has_sequence ? VHDX_OK
				       : inspect_finding(in, VHDX_PART_LOG, VHDX_SEVERITY_ERROR, discarding(w), &in->why);
	if (status < 0)
		*in->error = in->why;
	return status;
}

static int tell_descriptor(struct vhdx_walk *w, const uint8_t *bytes, uint64_t index, uint64_t place, uint64_t sequence_number,
			   bool *has_data)
{
	struct inspection *in = w->in;
	const struct vhdx_header *h = &w->v.header;
	struct vhdx_log_descriptor d;
	bool is_zero = memcmp(bytes, "zero", 4) == 0;
	struct inspect_item item = { .part = VHDX_PART_LOG,
				     .id = is_zero ? STRUCTURE_vhdx_zero_descriptor : STRUCTURE_vhdx_data_descriptor,
				     .index = index,
				     .file_offset = place,
				     .bytes = bytes };
	int status = vhdx_log_descriptor_decode(&d, bytes, sequence_number, place, &in->why);

	inspect_judged(in, VHDX_SEVERITY_WARNING, status);
	if (status == VHDX_OK && ranges_overlap(d.file_offset, d.length, h->log_offset, h->log_length))
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_093, place + vhdx_data_descriptor_file_offset_at,
			       "log descriptor for 0x%" PRIx64 " overwrites the log", d.file_offset);
	*has_data = !is_zero;
	return inspect_structure(in, &item);
}

static int tell_data_sector(struct vhdx_walk *w, const uint8_t *bytes, uint64_t index, uint64_t place, uint64_t sequence_number)
{
	struct inspection *in = w->in;
	struct inspect_item item = {
		.part = VHDX_PART_LOG, .id = STRUCTURE_vhdx_data_sector, .index = index, .file_offset = place, .bytes = bytes
	};

	inspect_judged(in, VHDX_SEVERITY_WARNING, vhdx_log_data_check(bytes, sequence_number, place, &in->why));
	return inspect_structure(in, &item);
}

/* Descriptors and data sectors of an entry whose header is sound. Uses the page from the second sector on. */
static int tell_body(struct vhdx_walk *w, uint32_t sector, const struct vhdx_log_header *h)
{
	uint8_t *bytes = w->page + VHDX_LOG_SECTOR;
	uint32_t sectors = h->entry_length / VHDX_LOG_SECTOR, data = vhdx_log_descriptor_sectors(h->descriptor_count);
	uint64_t data_count = 0;
	int status = VHDX_OK;

	for (uint32_t i = 0; status == VHDX_OK && i < h->descriptor_count; i++) {
		uint64_t at = vhdx_log_descriptor_offset(i), in_sector = at % VHDX_LOG_SECTOR;
		bool has_data = false;

		if (i == 0 || in_sector == 0)
			status = read_sector(w, sector + at / VHDX_LOG_SECTOR, bytes);
		if (status == VHDX_OK)
			status = tell_descriptor(w, bytes + in_sector, i,
						 sector_offset(w, sector + at / VHDX_LOG_SECTOR) + in_sector, h->sequence_number,
						 &has_data);
		data_count += has_data;
	}
	for (uint32_t i = 0; status == VHDX_OK && data + i < sectors; i++) {
		status = read_sector(w, (uint64_t)sector + data + i, bytes);
		if (status == VHDX_OK)
			status = tell_data_sector(w, bytes, i, sector_offset(w, (uint64_t)sector + data + i), h->sequence_number);
	}
	if (status == VHDX_OK && data_count != sectors - data)
		status = inspect_say(w->in, VHDX_PART_LOG, VHDX_SEVERITY_WARNING, RULE_VHDX_069, sector_offset(w, sector),
				     "log entry has %" PRIu64 " data descriptors and %" PRIu32 " data sectors", data_count,
				     sectors - data);
	return status;
}

static void judge_offsets(struct inspection *in, const struct vhdx_log_header *h, uint64_t place)
{
	if (h->flushed_file_offset % VHDX_ALIGNMENT != 0)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_082, place + vhdx_log_entry_flushed_file_offset_at,
			       "flushed file offset 0x%" PRIx64 " is not a multiple of 1 MiB", h->flushed_file_offset);
	if (h->last_file_offset % VHDX_ALIGNMENT != 0)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_084, place + vhdx_log_entry_last_file_offset_at,
			       "last file offset 0x%" PRIx64 " is not a multiple of 1 MiB", h->last_file_offset);
}

/* An entry that the scan has found valid. */
static int tell_entry(struct vhdx_walk *w, size_t index)
{
	const struct log_entry *entry = &w->scan.entries[index];
	struct inspection *in = w->in;
	size_t order = (index + w->scan.entry_count - w->scan.first) % w->scan.entry_count;
	struct inspect_item item = { .part = VHDX_PART_LOG,
				     .id = STRUCTURE_vhdx_log_entry,
				     .index = index,
				     .file_offset = sector_offset(w, entry->sector),
				     .bytes = w->page,
				     .note_field = "sequence_number" };
	int status = read_sector(w, entry->sector, w->page);

	if (status < 0)
		return status;
	item.note = order >= w->scan.active_count       ? "not active: older than the tail, or another sequence"
		    : order + 1 == w->scan.active_count ? "active: the head of the sequence"
		    : order == 0                        ? "active: the tail of the sequence"
							: "active";
	if (order < w->scan.active_count)
		judge_offsets(in, &entry->header, item.file_offset);
	if (order + 1 == w->scan.active_count) {
		in->why = w->replay;
		if (w->replay.status < 0) {
			inspect_judged(in, VHDX_SEVERITY_ERROR, w->replay.status);
			inspect_mends(in, discarding(w));
		}
	}
	status = inspect_structure(in, &item);
	return status == VHDX_OK && inspect_wants(in, VHDX_PART_LOG) ? tell_body(w, entry->sector, &entry->header) : status;
}

static int tell_replay(struct vhdx_walk *w)
{
	const struct view *view = &w->v.base.view;
	uint64_t bytes = 0, pages = 0;

	for (size_t i = 0; i < view->piece_count; i++) {
		bytes += view->pieces[i].length;
		pages += view->pieces[i].length / VHDX_LOG_SECTOR;
	}
	return inspect_say_mend(w->in, VHDX_PART_LOG, VHDX_SEVERITY_NOTE,
				inspect_vhdx_may_mend(w) ? VHDX_MEND_LOG : VHDX_MEND_NONE, RULE_NONE, w->v.header.log_offset,
				"a log is pending: of %zu valid entries %zu are active; replay would write %" PRIu64
				" pages, %" PRIu64 " bytes; the file would have %" PRIu64 " bytes",
				w->scan.entry_count, w->scan.active_count, pages, bytes, view->size);
}

/* CRC-32C of an entry around the ring, in pieces of one sector. */
static int checksum(struct vhdx_walk *w, uint32_t sector, uint32_t sectors, uint32_t *crc)
{
	uint8_t *bytes = w->page + VHDX_LOG_SECTOR;
	int status = VHDX_OK;

	*crc = 0;
	for (uint32_t i = 0; status == VHDX_OK && i < sectors; i++) {
		status = read_sector(w, (uint64_t)sector + i, bytes);
		if (i == 0)
			memset(bytes + vhdx_log_entry_checksum_at, 0, vhdx_log_entry_checksum_length);
		*crc = crc32c(*crc, bytes, VHDX_LOG_SECTOR);
	}
	return status;
}

/* A sector that begins as an entry, in w->page, and why it is no valid one. `budget` is how many sectors may still be read. */
static int tell_candidate(struct vhdx_walk *w, uint32_t sector, uint64_t index, uint32_t *budget)
{
	struct inspection *in = w->in;
	struct inspect_item item = { .part = VHDX_PART_LOG,
				     .id = STRUCTURE_vhdx_log_entry,
				     .index = index,
				     .file_offset = sector_offset(w, sector),
				     .bytes = w->page };
	struct vhdx_log_header h;
	int status = vhdx_log_header_decode(&h, w->page, w->v.header.log_length, item.file_offset, &in->why);
	bool is_sound = status == VHDX_OK, is_ours = is_sound && guid_equal(&h.log_guid, &w->v.header.log_guid), is_read;
	uint32_t crc = 0;

	inspect_judged(in, VHDX_SEVERITY_WARNING, status);
	if (is_sound && !is_ours)
		inspect_broken(in, VHDX_SEVERITY_NOTE, RULE_VHDX_079, item.file_offset + vhdx_log_entry_log_guid_at,
			       "the entry belongs to another log than the header's");
	is_read = is_ours && h.entry_length / VHDX_LOG_SECTOR <= *budget;
	status = VHDX_OK;
	if (is_read) {
		*budget -= h.entry_length / VHDX_LOG_SECTOR;
		status = checksum(w, sector, h.entry_length / VHDX_LOG_SECTOR, &crc);
		if (crc != h.checksum)
			inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_073, item.file_offset + vhdx_log_entry_checksum_at,
				       "log entry checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32, h.checksum, crc);
	}
	if (status == VHDX_OK)
		status = inspect_structure(in, &item);
	return status == VHDX_OK && is_read ? tell_body(w, sector, &h) : status;
}

static int tell_ring(struct vhdx_walk *w)
{
	uint32_t sectors = ring_sectors(w), budget = sectors, sector = 0;
	uint64_t found = 0;
	int status = VHDX_OK;

	while (status == VHDX_OK && sector < sectors) {
		uint64_t left = (uint64_t)(sectors - sector) * VHDX_LOG_SECTOR;
		uint32_t hole = (uint32_t)(file_hole(w->in->file, sector_offset(w, sector), left) / VHDX_LOG_SECTOR);

		if (hole == 0) {
			status = read_sector(w, sector, w->page);
			if (status == VHDX_OK && vhdx_log_sector_is_entry(w->page))
				status = tell_candidate(w, sector, found++, &budget);
		}
		sector += hole != 0 ? hole : 1;
	}
	return status;
}

int inspect_vhdx_log(struct vhdx_walk *w)
{
	int status = VHDX_OK;

	if (!w->has_log)
		return VHDX_OK;
	if (!w->has_sequence)
		return inspect_wants(w->in, VHDX_PART_LOG) ? tell_ring(w) : VHDX_OK;
	for (size_t i = 0; status == VHDX_OK && i < w->scan.entry_count; i++)
		status = tell_entry(w, i);
	return status == VHDX_OK && w->replay.status == VHDX_OK ? tell_replay(w) : status;
}
