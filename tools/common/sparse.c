/* SPDX-License-Identifier: MIT */
/* See sparse.h. Neighbouring pieces with data go out in one call. */
#include "sparse.h"

#include <stdio.h>
#include <string.h>

bool sparse_is_zero(const void *data, size_t length)
{
	const unsigned char *bytes = data;

	/* When the first bytes are zero and every byte equals the one 16 before it, all are. */
	for (size_t i = 0; i < 16; i++) {
		if (i == length)
			return true;
		if (bytes[i] != 0)
			return false;
	}
	return memcmp(bytes, bytes + 16, length - 16) == 0;
}

int sparse_error(struct vhdx_error *error, int status, const struct vhdx_file *file, const char *what, uint64_t file_offset)
{
	if (error->status != status) {
		*error = (struct vhdx_error){ .status = status };
		snprintf(error->message, sizeof(error->message), "%s: %s", what, vhdx_status_name(status));
	}
	error->file_offset = file_offset;
	snprintf(error->file, sizeof(error->file), "%s", file->name != NULL ? file->name : "");
	return status;
}

static int write_all(const struct vhdx_file *file, const unsigned char *data, size_t length, uint64_t offset,
		     struct vhdx_error *error)
{
	while (length > 0) {
		int64_t written;

		error->status = VHDX_OK;
		written = file->io->write(file->handle, data, length, offset, error);
		if (written <= 0)
			return sparse_error(error, written < 0 ? (int)written : VHDX_E_IO, file, "cannot be written", offset);
		data += written;
		length -= (size_t)written;
		offset += (uint64_t)written;
	}
	return VHDX_OK;
}

/* From `at` to the end of its piece, or of the data. */
static size_t piece_length(uint64_t file_offset, size_t length, size_t at)
{
	size_t rest = SPARSE_PIECE - (size_t)((file_offset + at) % SPARSE_PIECE);

	return length - at < rest ? length - at : rest;
}

int sparse_write(const struct vhdx_file *file, const void *data, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	const unsigned char *bytes = data;
	int status = VHDX_OK;
	size_t at = 0;

	while (at < length && status == VHDX_OK) {
		size_t piece, end;

		for (; at < length; at += piece) {
			piece = piece_length(file_offset, length, at);
			if (!sparse_is_zero(bytes + at, piece))
				break;
		}
		for (end = at; end < length; end += piece) {
			piece = piece_length(file_offset, length, end);
			if (sparse_is_zero(bytes + end, piece))
				break;
		}
		if (end > at)
			status = write_all(file, bytes + at, end - at, file_offset + at, error);
		at = end;
	}
	return status;
}
