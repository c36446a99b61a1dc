/* SPDX-License-Identifier: MIT */
/*
 * Two steps, each linear in the length of the log, for any content:
 *
 *  1. Each sector that begins with 'loge' may begin an entry: header, LogGuid, checksum over its sectors around the end of the ring, descriptors, data
 *     sectors are checked. The other sectors of a valid entry begin with 'desc' or 'data', so there is no other one inside, and the search goes on
 *     behind it; and the check of an invalid one ends at the next 'loge' at the latest. What is read grows from one sector on, so nearly nothing
 *     is read twice.
 *  2. Link entries that follow each other without a gap in place and sequence number. Each maximal run is a sequence, valid when the Tail of its last
 *     entry names an entry of the run (VHDX-100). The one with the highest sequence number is active (VHDX-101). It starts at that tail (VHDX-107).
 */
#include "engine/log_scan.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "base/guid.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

enum { CHUNK_SECTORS = 16, MAX_PIECES = 1 << 18, MAX_ENTRIES = 1 << 19 }; /* 2^19 entries need a log of 4 GiB */

struct ring {
	const struct vhdx_env *env;
	const struct vhdx_file *file;
	const struct vhdx_header *header;
	uint32_t sectors;
	uint8_t *chunk; /* CHUNK_SECTORS sectors */
};

static uint64_t sector_offset(const struct ring *ring, uint32_t sector)
{
	return ring->header->log_offset + (uint64_t)(sector % ring->sectors) * VHDX_LOG_SECTOR;
}

/* Reads up to `count` sectors that stand in one piece from `sector` on; returns how many, or a status. */
static int64_t read_sectors(const struct ring *ring, uint32_t sector, uint32_t count, struct vhdx_error *error)
{
	uint32_t at = sector % ring->sectors;
	uint32_t part = (uint32_t)min_u64(min_u64(count, CHUNK_SECTORS), ring->sectors - at);
	int status = file_read(ring->file, ring->chunk, (size_t)part * VHDX_LOG_SECTOR, sector_offset(ring, at), error);

	return status < 0 ? status : (int64_t)part;
}

/* Checks the descriptors that stand in one descriptor sector of an entry and counts those that carry data. */
static int check_descriptors(const struct ring *ring, const struct vhdx_log_header *h, const uint8_t *sector,
			     uint32_t sector_index, uint32_t *data_count, struct vhdx_error *error)
{
	uint32_t slot = sector_index == 0 ? vhdx_log_entry_size : 0;
	uint32_t index = sector_index == 0 ? 0 : 126 + (sector_index - 1) * 128;

	for (; slot < VHDX_LOG_SECTOR && index < h->descriptor_count; slot += vhdx_data_descriptor_size, index++) {
		struct vhdx_log_descriptor d;
		int status = vhdx_log_descriptor_decode(&d, sector + slot, h->sequence_number, 0, error);

		if (status < 0)
			return status;
		if (ranges_overlap(d.file_offset, d.length, ring->header->log_offset, ring->header->log_length))
			return broken(error, RULE_VHDX_093, 0, "log descriptor for 0x%" PRIx64 " overwrites the log",
				      d.file_offset);
		*data_count += d.is_zero ? 0 : 1;
	}
	return VHDX_OK;
}

/* Everything behind the first checks of the header. Any break means only that this is no entry. */
static int check_entry(const struct ring *ring, const struct log_entry *entry, struct vhdx_error *error)
{
	static const uint8_t no_checksum[4];
	const struct vhdx_log_header *h = &entry->header;
	uint32_t descriptor_sectors = vhdx_log_descriptor_sectors(h->descriptor_count);
	uint32_t data_count = 0, crc = 0, done = 0;

	while (done < entry->sector_count) {
		/* never more than was good so far: what breaks off early has cost little */
		int64_t part = read_sectors(ring, entry->sector + done, (uint32_t)min_u64(entry->sector_count - done, done + 1),
					    error);

		if (part < 0)
			return (int)part;
		if (done == 0)
			memcpy(ring->chunk + vhdx_log_entry_checksum_at, no_checksum, 4);
		crc = crc32c(crc, ring->chunk, (size_t)part * VHDX_LOG_SECTOR);
		for (uint32_t i = 0; i < (uint32_t)part; i++) {
			const uint8_t *sector = ring->chunk + (size_t)i * VHDX_LOG_SECTOR;
			int status = done + i < descriptor_sectors
					     ? check_descriptors(ring, h, sector, done + i, &data_count, error)
					     : vhdx_log_data_check(sector, h->sequence_number, 0, error);

			if (status < 0)
				return status;
		}
		done += (uint32_t)part;
	}
	if (crc != h->checksum)
		return broken(error, RULE_VHDX_073, 0, "log entry checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32, h->checksum,
			      crc);
	if (data_count != entry->sector_count - descriptor_sectors)
		return broken(error, RULE_VHDX_069, 0, "log entry has %" PRIu32 " data descriptors and %" PRIu32 " data sectors",
			      data_count, entry->sector_count - descriptor_sectors);
	return VHDX_OK;
}

/* 1 when an entry begins at `sector`, 0 when not, negative when it cannot be read. */
static int decode_candidate(const struct ring *ring, uint32_t sector, struct log_entry *out, struct vhdx_error *error)
{
	int64_t part = read_sectors(ring, sector, 1, error);
	int status;

	if (part < 0)
		return (int)part;
	out->sector = sector;
	status = vhdx_log_header_decode(&out->header, ring->chunk, ring->header->log_length, 0, error);
	if (status < 0)
		return 0;
	out->sector_count = out->header.entry_length / VHDX_LOG_SECTOR;
	if (!guid_equal(&out->header.log_guid, &ring->header->log_guid) || out->sector_count > ring->sectors)
		return 0;
	status = check_entry(ring, out, error);
	return status == VHDX_OK ? 1 : status == VHDX_E_DAMAGED ? 0 : status;
}

/* Sectors from `sector` on, at most `reach`, that hold no beginning of an entry, and whether one follows them. */
static int64_t skip_sectors(const struct ring *ring, uint32_t sector, uint32_t reach, bool *is_candidate,
			    struct vhdx_error *error)
{
	uint64_t left = (uint64_t)(ring->sectors - sector) * VHDX_LOG_SECTOR;
	uint64_t hole = file_hole(ring->file, sector_offset(ring, sector), left) / VHDX_LOG_SECTOR;
	int64_t part = hole != 0 ? (int64_t)hole : read_sectors(ring, sector, reach, error);

	*is_candidate = false;
	for (int64_t i = 0; hole == 0 && i < part; i++) {
		*is_candidate = vhdx_log_sector_is_entry(ring->chunk + (size_t)i * VHDX_LOG_SECTOR);
		if (*is_candidate)
			return i;
	}
	return part;
}

/* Adds the entry at `sector`, if there is one. Returns how many sectors are done with, or a status. */
static int64_t take_candidate(const struct ring *ring, struct log_scan *scan, uint32_t sector, struct vhdx_error *error)
{
	struct log_entry entry;
	int status = decode_candidate(ring, sector, &entry, error);

	if (status != 1)
		return status < 0 ? status : 1;
	if (scan->entry_count == MAX_ENTRIES)
		return unsupported(error, RULE_VHDX_111, ring->header->log_offset, "the log has more than %d entries",
				   MAX_ENTRIES);
	if (!memory_grow(ring->env, (void **)&scan->entries, scan->entry_count, sizeof(*scan->entries)))
		return fail_memory(error);
	scan->entries[scan->entry_count++] = entry;
	return entry.sector_count;
}

static int find_entries(const struct ring *ring, struct log_scan *scan, struct vhdx_error *error)
{
	uint32_t sector = 0, reach = 1;

	while (sector < ring->sectors) {
		bool is_candidate;
		int64_t done = skip_sectors(ring, sector, reach, &is_candidate, error);

		reach = reach < CHUNK_SECTORS ? reach * 2 : reach;
		if (done >= 0 && is_candidate) {
			sector += (uint32_t)done;
			done = take_candidate(ring, scan, sector, error);
			reach = 1;
		}
		if (done < 0)
			return (int)done;
		sector += (uint32_t)done;
	}
	return VHDX_OK;
}

static bool follows(const struct ring *ring, const struct log_entry *a, const struct log_entry *b)
{
	return (a->sector + a->sector_count) % ring->sectors == b->sector && a->header.sequence_number != UINT64_MAX &&
	       b->header.sequence_number == a->header.sequence_number + 1;
}

/* Judges the run of `length` entries from `start` on; keeps it when it is the newest so far. */
static void judge_run(struct log_scan *scan, size_t start, size_t length)
{
	const struct log_entry *head = &scan->entries[(start + length - 1) % scan->entry_count];
	const struct log_entry *best = scan->active_count == 0
					       ? NULL
					       : &scan->entries[(scan->first + scan->active_count - 1) % scan->entry_count];

	if (best != NULL && best->header.sequence_number >= head->header.sequence_number)
		return;
	for (size_t i = 0; i < length; i++) {
		if (scan->entries[(start + i) % scan->entry_count].sector != head->header.tail / VHDX_LOG_SECTOR)
			continue;
		scan->first = (start + i) % scan->entry_count;
		scan->active_count = length - i;
		return;
	}
}

static void find_sequence(const struct ring *ring, struct log_scan *scan)
{
	size_t count = scan->entry_count;

	for (size_t start = 0; start < count; start++) {
		size_t before = (start + count - 1) % count, length = 1;

		if (count > 1 && follows(ring, &scan->entries[before], &scan->entries[start]))
			continue; /* not the beginning of a run */
		while (length < count &&
		       follows(ring, &scan->entries[(start + length - 1) % count], &scan->entries[(start + length) % count]))
			length++;
		judge_run(scan, start, length);
	}
}

static int scan_ring(const struct ring *ring, struct log_scan *scan, struct vhdx_error *error)
{
	int status = find_entries(ring, scan, error);

	if (status < 0)
		return status;
	find_sequence(ring, scan);
	if (scan->active_count == 0)
		return broken(error, RULE_VHDX_102, ring->header->log_offset,
			      "a log is pending (LogGuid is set) but holds no valid sequence of entries");
	return VHDX_OK;
}

int log_scan(struct log_scan *out, const struct vhdx_env *env, const struct vhdx_file *file, const struct vhdx_header *header,
	     struct vhdx_error *error)
{
	struct ring ring = { .env = env, .file = file, .header = header, .sectors = header->log_length / VHDX_LOG_SECTOR };
	struct log_scan scan = { .entries = NULL };
	int status;

	ring.chunk = memory_allocate(env, CHUNK_SECTORS * VHDX_LOG_SECTOR);
	status = ring.chunk == NULL ? fail_memory(error) : scan_ring(&ring, &scan, error);
	memory_release(env, ring.chunk);
	if (status < 0) {
		log_scan_release(&scan, env);
		return status;
	}
	*out = scan;
	return VHDX_OK;
}

void log_scan_release(struct log_scan *scan, const struct vhdx_env *env)
{
	memory_release(env, scan->entries);
	scan->entries = NULL;
}

struct collection {
	struct overlay_piece *pieces;
	size_t count;
	uint64_t end; /* largest end of a piece */
};

/* Adds the pieces of one valid entry. */
static int collect_entry(const struct ring *ring, const struct log_entry *entry, struct collection *c, struct vhdx_error *error)
{
	uint32_t descriptor_sectors = vhdx_log_descriptor_sectors(entry->header.descriptor_count);
	uint32_t data_index = descriptor_sectors;

	for (uint32_t i = 0; i < entry->header.descriptor_count; i++) {
		uint64_t at = vhdx_log_descriptor_offset(i);
		struct vhdx_log_descriptor d;
		struct overlay_piece *piece;
		int status;

		if (i == 0 || at % VHDX_LOG_SECTOR == 0) {
			int64_t part = read_sectors(ring, entry->sector + (uint32_t)(at / VHDX_LOG_SECTOR), 1, error);

			if (part < 0)
				return (int)part;
		}
		status = vhdx_log_descriptor_decode(&d, ring->chunk + at % VHDX_LOG_SECTOR, entry->header.sequence_number, 0,
						    error);
		if (status < 0)
			return status;
		if (c->count == MAX_PIECES)
			return unsupported(error, RULE_VHDX_111, ring->header->log_offset,
					   "the pending log has more than %d descriptors", MAX_PIECES);
		if (!memory_grow(ring->env, (void **)&c->pieces, c->count, sizeof(*c->pieces)))
			return fail_memory(error);
		piece = &c->pieces[c->count++];
		*piece = (struct overlay_piece){ .file_offset = d.file_offset, .length = d.length };
		c->end = max_u64(c->end, d.file_offset + d.length);
		if (d.is_zero)
			continue;
		piece->data_offset = sector_offset(ring, entry->sector + data_index++);
		memcpy(piece->leading_bytes, d.leading_bytes, sizeof(d.leading_bytes));
		memcpy(piece->trailing_bytes, d.trailing_bytes, sizeof(d.trailing_bytes));
	}
	return VHDX_OK;
}

/* Of a file that was cut off, salvage takes what the log holds all the same; `held` says what the file itself still knows. */
static int check_sizes(struct view *view, const struct log_entry *head, uint64_t end, const struct vhdx_header *header,
		       bool salvages, struct vhdx_error *error)
{
	uint64_t place = header->log_offset + (uint64_t)head->sector * VHDX_LOG_SECTOR;
	int status = view_load_size(view, error);
	bool is_cut;

	if (status < 0)
		return status;
	is_cut = view->size < head->header.flushed_file_offset;
	if (is_cut && !salvages)
		return broken(error, RULE_VHDX_103, place + vhdx_log_entry_flushed_file_offset_at,
			      "the file is truncated: it has %" PRIu64 " bytes, its log says at least %" PRIu64, view->size,
			      head->header.flushed_file_offset);
	if (head->header.last_file_offset > INT64_MAX)
		return broken(error, RULE_VHDX_106, place + vhdx_log_entry_last_file_offset_at,
			      "the log says that the file has 0x%" PRIx64 " bytes", head->header.last_file_offset);
	view->size = max_u64(view->size, max_u64(head->header.last_file_offset, end));
	if (!is_cut)
		view->held = view->size;
	return VHDX_OK;
}

int log_overlay(struct view *view, const struct vhdx_env *env, const struct log_scan *scan, const struct vhdx_header *header,
		bool salvages, struct vhdx_error *error)
{
	struct ring ring = { .env = env, .file = &view->file, .header = header, .sectors = header->log_length / VHDX_LOG_SECTOR };
	struct collection c = { .pieces = NULL };
	int status = VHDX_OK;

	ring.chunk = memory_allocate(env, CHUNK_SECTORS * VHDX_LOG_SECTOR);
	if (ring.chunk == NULL)
		return fail_memory(error);
	for (size_t i = 0; status == VHDX_OK && i < scan->active_count; i++)
		status = collect_entry(&ring, &scan->entries[(scan->first + i) % scan->entry_count], &c, error);
	if (status == VHDX_OK)
		status = check_sizes(view, &scan->entries[(scan->first + scan->active_count - 1) % scan->entry_count], c.end,
				     header, salvages, error);
	if (status == VHDX_OK)
		status = overlay_flatten(env, &view->pieces, &view->piece_count, c.pieces, c.count, error);
	memory_release(env, ring.chunk);
	memory_release(env, c.pieces);
	return status;
}
