/* SPDX-License-Identifier: MIT */
#include "engine/undo.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"
#include "format/undo.h"
#include "io/file.h"

enum { FRONT = 320 * 1024, BACK = 512, PAGE = 65536, SECTOR = 512, OTHERS = 32 << 20, TIMES = 16 };

/*
 * What changes whenever an image is written: the header section of a VHDX; of a VHD, its beginning and the footer at its end, which moves with every new block.
 */
static int fingerprint(const struct vhdx_file *file, uint8_t *buffer, uint64_t size, uint32_t *crc, struct vhdx_error *error)
{
	int status = file_read(file, buffer, FRONT, 0, error);

	*crc = crc32c(0, buffer, FRONT);
	if (status < 0 || size < BACK)
		return status;
	status = file_read(file, buffer, BACK, size - BACK, error);
	*crc = crc32c(*crc, buffer, BACK);
	return status;
}

/* Goes to the next record; its bytes stand at `*at` in the undo file. False behind the last one. */
static bool next_record(struct undo *u, uint64_t *at, struct undo_record *record, int *status, struct vhdx_error *error)
{
	uint8_t bytes[UNDO_RECORD];

	if (*status < 0 || *at >= u->end)
		return false;
	*status = file_read(u->undo, bytes, sizeof(bytes), *at, error);
	if (*status == VHDX_OK)
		*status = undo_record_decode(record, bytes, u->old_size, *at, error);
	*at += UNDO_RECORD;
	return *status == VHDX_OK;
}

/* Sectors that are not zeros, with their places: neither holes nor the way that the file is read in make a difference. */
static uint32_t add_sectors(uint32_t crc, const uint8_t *bytes, uint64_t place, uint64_t length)
{
	for (uint64_t part; length != 0; bytes += part, place += part, length -= part) {
		uint8_t number[8];

		part = min_u64(length, SECTOR - place % SECTOR);
		if (bytes_are_zero(bytes, (size_t)part))
			continue;
		put_le64(number, place);
		crc = crc32c(crc32c(crc, number, sizeof(number)), bytes, (size_t)part);
	}
	return crc;
}

/* A range of the file as it is. */
static int add_range(struct undo *u, uint64_t place, uint64_t end, uint32_t *crc, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (uint64_t part; status == VHDX_OK && place < end; place += part) {
		struct vhdx_file_extent extent;

		status = file_extent(u->file, &extent, place, end - place, error);
		if (status < 0)
			break;
		part = extent.length;
		if (extent.is_hole)
			continue;
		part = min_u64(part, PAGE - place % PAGE);
		status = file_read(u->file, u->buffer, (size_t)part, place, error);
		if (status == VHDX_OK)
			*crc = add_sectors(*crc, u->buffer, place, part);
	}
	return status;
}

/* What undoing would write over, as it is now: nothing else may have come there. */
static int add_records(struct undo *u, uint64_t size, uint32_t *crc, struct vhdx_error *error)
{
	struct undo_record record;
	int status = VHDX_OK;

	for (uint64_t at = UNDO_RECORDS; next_record(u, &at, &record, &status, error);) {
		status = add_range(u, record.file_offset, min_u64(record.file_offset + record.length, size), crc, error);
		at += record.is_zero ? 0 : record.length;
	}
	return status;
}

/* What stands in the front of the file and is in no record. A repair leaves it alone, so an undo file that came to no end can be told from one of another file. */
static int fingerprint_others(struct undo *u, uint32_t *crc, struct vhdx_error *error)
{
	uint8_t *touched = memory_zeroed(u->env, OTHERS / SECTOR);
	struct undo_record record;
	uint64_t size = 0;
	int status = touched == NULL ? fail_memory(error) : file_get_size(u->file, &size, error);

	size = min_u64(size, min_u64(u->old_size, OTHERS));
	*crc = 0;
	for (uint64_t at = UNDO_RECORDS; next_record(u, &at, &record, &status, error);) {
		uint64_t first = record.file_offset / SECTOR,
			 end = divide_up(min_u64(record.file_offset + record.length, size), SECTOR);

		if (first < end)
			memset(touched + first, 1, (size_t)(end - first));
		at += record.is_zero ? 0 : record.length;
	}
	for (uint64_t from = 0, end; status == VHDX_OK && from < size; from = end) {
		for (end = from; end < size && touched[end / SECTOR] == touched[from / SECTOR];)
			end = min_u64(end + SECTOR, size);
		if (touched[from / SECTOR] == 0)
			status = add_range(u, from, end, crc, error);
	}
	memory_release(u->env, touched);
	return status;
}

/* In the header. What cannot be read cannot be compared later, and is no reason to leave the rest of the file as it is. */
static int note_others(struct undo *u, struct undo_header *header, struct vhdx_error *error)
{
	int status = fingerprint_others(u, &header->others, error);

	header->knows_others = status == VHDX_OK;
	return status == VHDX_E_NO_MEMORY ? status : VHDX_OK;
}

int undo_begin(struct undo *u, struct vhdx_error *error)
{
	int status = file_get_size(u->file, &u->old_size, error);

	u->end = UNDO_RECORDS;
	u->buffer = memory_allocate(u->env, UNDO_RECORD + UNDO_MOST);
	return status == VHDX_OK && u->buffer == NULL ? fail_memory(error) : status;
}

static int put_record(struct undo *u, struct undo_record *record, struct vhdx_error *error)
{
	size_t length = UNDO_RECORD + (record->is_zero ? 0 : (size_t)record->length);
	int status;

	undo_record_encode(u->buffer, record);
	status = file_write(u->undo, u->buffer, length, u->end, error);
	u->end += length;
	return status;
}

static int save_piece(struct undo *u, uint64_t file_offset, uint64_t length, bool is_hole, struct vhdx_error *error)
{
	struct undo_record record = { file_offset, length, is_hole, 0 };

	if (!is_hole) {
		int status = file_read(u->file, u->buffer + UNDO_RECORD, (size_t)length, file_offset, error);

		if (status < 0)
			return status;
		record.is_zero = bytes_are_zero(u->buffer + UNDO_RECORD, (size_t)length);
		record.checksum = record.is_zero ? 0 : crc32c(0, u->buffer + UNDO_RECORD, (size_t)length);
	}
	return put_record(u, &record, error);
}

int undo_save(struct undo *u, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	uint64_t end = file_offset >= u->old_size ? file_offset : file_offset + min_u64(length, u->old_size - file_offset);
	int status = VHDX_OK;

	while (u->undo != NULL && status == VHDX_OK && file_offset < end) {
		struct vhdx_file_extent extent;
		uint64_t part;

		status = file_extent(u->file, &extent, file_offset, end - file_offset, error);
		if (status < 0)
			break;
		part = extent.is_hole ? extent.length : min_u64(extent.length, UNDO_MOST);
		status = save_piece(u, file_offset, part, extent.is_hole != 0, error);
		file_offset += part;
		u->done += part;
		if (status == VHDX_OK && u->on_progress != NULL &&
		    u->on_progress(u->context, min_u64(u->done, u->total), u->total) != 0)
			status = fail(error, VHDX_E_CANCELLED, "the caller stopped the repair before it had begun");
	}
	return status;
}

static int put_block(struct undo *u, uint64_t place, struct vhdx_error *error)
{
	int status = file_write(u->undo, u->buffer, UNDO_BLOCK, place, error);

	return status == VHDX_OK ? file_flush(u->undo, error) : status;
}

int undo_seal(struct undo *u, struct vhdx_error *error)
{
	struct undo_header header = { .old_size = u->old_size, .end = u->end };
	int status;

	if (u->undo == NULL)
		return VHDX_OK;
	memset(u->buffer, 0, UNDO_RECORDS); /* takes the room that undo_finish needs */
	status = file_write(u->undo, u->buffer, UNDO_RECORDS, 0, error);
	if (status == VHDX_OK)
		status = file_flush(u->undo, error);
	if (status == VHDX_OK)
		status = note_others(u, &header, error);
	undo_header_encode(u->buffer, &header);
	return status == VHDX_OK ? put_block(u, 0, error) : status;
}

int undo_finish(struct undo *u, struct vhdx_error *error)
{
	struct undo_done done;
	int status;

	if (u->undo == NULL)
		return VHDX_OK;
	status = file_get_size(u->file, &done.new_size, error);
	if (status == VHDX_OK)
		status = fingerprint(u->file, u->buffer, done.new_size, &done.fingerprint, error);
	if (status == VHDX_OK)
		status = add_records(u, done.new_size, &done.fingerprint, error);
	if (status < 0)
		return status;
	undo_done_encode(u->buffer, &done);
	return put_block(u, UNDO_DONE, error);
}

void undo_release(struct undo *u)
{
	memory_release(u->env, u->buffer);
	u->buffer = NULL;
}

/* Reads record after record, and with `apply` puts their bytes back. */
static int pass_over(struct undo *u, bool apply, struct vhdx_error *error)
{
	int status = VHDX_OK;

	struct undo_record record;

	for (uint64_t at = UNDO_RECORDS; next_record(u, &at, &record, &status, error);) {
		uint8_t *bytes = u->buffer + UNDO_RECORD;

		if (record.is_zero) {
			if (apply && !file_try_punch(u->file, record.file_offset, record.length))
				status = file_zero(u->file, record.file_offset, record.length, error);
			continue;
		}
		status = file_read(u->undo, bytes, (size_t)record.length, at, error);
		if (status == VHDX_OK && crc32c(0, bytes, (size_t)record.length) != record.checksum)
			status = fail_at(error, VHDX_E_DAMAGED, "", at, "the bytes of a record of the undo file are damaged");
		if (status == VHDX_OK && apply)
			status = file_write(u->file, bytes, (size_t)record.length, record.file_offset, error);
		at += record.length;
	}
	return status;
}

/* A repair saves few places more than once, so that records without end for the same ones are no work of a repair. */
static int check_records(struct undo *u, struct vhdx_error *error)
{
	uint64_t left = u->old_size > UINT64_MAX / TIMES ? UINT64_MAX : u->old_size * TIMES;
	struct undo_record record;
	int status = VHDX_OK;

	for (uint64_t at = UNDO_RECORDS; next_record(u, &at, &record, &status, error);) {
		if (record.length > left)
			return fail_at(error, VHDX_E_DAMAGED, "", at - UNDO_RECORD,
				       "the undo file has more than %d times the size of the file", TIMES);
		left -= record.length;
		at += record.is_zero ? 0 : record.length;
	}
	return status;
}

/* Whether the file is what the repair left, or putting back has begun already. */
static int check_state(struct undo *u, const struct undo_header *header, struct vhdx_error *error)
{
	struct undo_done done;
	uint8_t block[UNDO_BLOCK];
	uint64_t size = 0;
	uint32_t crc = 0;
	int status = header->knows_others ? fingerprint_others(u, &crc, error) : VHDX_OK;

	if (status == VHDX_OK && header->knows_others && crc != header->others)
		return fail(error, VHDX_E_ARGUMENT, "the file was changed after its repair, or is another one");
	if (status == VHDX_OK)
		status = file_read(u->undo, block, sizeof(block), UNDO_BEGUN, error);
	if (status < 0 || undo_begun_present(block))
		return status;
	crc = 0;
	status = file_read(u->undo, block, sizeof(block), UNDO_DONE, error);
	if (status < 0 || bytes_are_zero(block, sizeof(block))) /* a crash in the middle of the repair */
		return status;
	if (!undo_done_decode(&done, block))
		return fail_at(error, VHDX_E_DAMAGED, "", UNDO_DONE,
			       "the undo file is damaged where it says what the repair has left");
	status = file_get_size(u->file, &size, error);
	if (status == VHDX_OK)
		status = fingerprint(u->file, u->buffer, size, &crc, error);
	if (status == VHDX_OK)
		status = add_records(u, size, &crc, error);
	if (status == VHDX_OK && (size != done.new_size || crc != done.fingerprint))
		status = fail(error, VHDX_E_ARGUMENT, "the file was changed after its repair, or is another one");
	return status;
}

/* A file that was changed since and was put back for all that is the one that it may be put back to again. */
static int renew_header(struct undo *u, struct undo_header *header, struct vhdx_error *error)
{
	struct undo_header old = *header;
	int status = note_others(u, header, error);

	if (status < 0 || (old.knows_others == header->knows_others && old.others == header->others))
		return status;
	undo_header_encode(u->buffer, header);
	return put_block(u, 0, error);
}

static int put_back(struct undo *u, struct undo_header *header, struct vhdx_error *error)
{
	uint64_t size;
	int status;

	undo_begun_encode(u->buffer);
	status = put_block(u, UNDO_BEGUN, error);
	if (status == VHDX_OK)
		status = file_get_size(u->file, &size, error);
	if (status == VHDX_OK && size != u->old_size)
		status = file_set_size(u->file, u->old_size, error);
	if (status == VHDX_OK)
		status = pass_over(u, true, error);
	if (status == VHDX_OK)
		status = file_flush(u->file, error);
	/* from now on a file that is another one than this has been changed since */
	if (status == VHDX_OK)
		status = renew_header(u, header, error);
	if (status == VHDX_OK)
		status = undo_finish(u, error);
	memset(u->buffer, 0, UNDO_BLOCK);
	return status == VHDX_OK ? put_block(u, UNDO_BEGUN, error) : status;
}

int undo_restore(const struct vhdx_file *file, const struct vhdx_file *undo, unsigned flags, const struct vhdx_env *env,
		 struct vhdx_error *error)
{
	struct undo u = { .env = env, .file = file, .undo = undo };
	struct undo_header header;
	int status = undo_begin(&u, error);

	if (status == VHDX_OK)
		status = file_read(undo, u.buffer, UNDO_BLOCK, 0, error);
	if (status == VHDX_OK)
		status = undo_header_decode(&header, u.buffer, error);
	if (status == VHDX_OK) {
		u.old_size = header.old_size;
		u.end = header.end;
		status = check_records(&u, error);
	}
	if (status == VHDX_OK && (flags & VHDX_UNDO_CHANGED) == 0)
		status = check_state(&u, &header, error);
	if (status == VHDX_OK)
		status = pass_over(&u, false, error);
	if (status == VHDX_OK)
		status = put_back(&u, &header, error);
	undo_release(&u);
	return status;
}
