/* SPDX-License-Identifier: MIT */
/*
 * See copy.h. Walks the extents of the disk: data is read in pieces of at most 1 MiB that end at multiples of 1 MiB, the rest is
 * never read. The two outputs differ in two functions.
 */
#include "copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sparse.h"
#include "tool.h"

enum { PIECE = 1 << 20 };

struct output {
	const struct vhdx_file *file;
	FILE *stream;
	int (*data)(struct output *output, const void *data, size_t length, uint64_t offset, struct vhdx_error *error);
	int (*zeros)(struct output *output, uint64_t length, struct vhdx_error *error);
};

static int file_data(struct output *output, const void *data, size_t length, uint64_t offset, struct vhdx_error *error)
{
	return sparse_write(output->file, data, length, offset, error);
}

static int file_zeros(struct output *output, uint64_t length, struct vhdx_error *error)
{
	(void)output;
	(void)length;
	(void)error;
	return VHDX_OK;
}

static int stream_data(struct output *output, const void *data, size_t length, uint64_t offset, struct vhdx_error *error)
{
	if (fwrite(data, 1, length, output->stream) == length)
		return VHDX_OK;
	*error = (struct vhdx_error){ .status = VHDX_E_IO, .os_error = errno, .file_offset = offset, .file = "standard output" };
	snprintf(error->message, sizeof(error->message), "cannot be written: %s", strerror(errno));
	return VHDX_E_IO;
}

static int stream_zeros(struct output *output, uint64_t length, struct vhdx_error *error)
{
	static const unsigned char zeros[PIECE];
	int status = VHDX_OK;

	while (length > 0 && status == VHDX_OK) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		status = stream_data(output, zeros, part, VHDX_NO_OFFSET, error);
		length -= part;
	}
	return status;
}

static int cancelled(struct vhdx_error *error)
{
	*error = (struct vhdx_error){ .status = VHDX_E_CANCELLED, .file_offset = VHDX_NO_OFFSET, .message = "interrupted" };
	return VHDX_E_CANCELLED;
}

/* One run of data, read piece by piece. */
static int copy_data(vhdx_disk *disk, struct output *output, void *buffer, const struct vhdx_extent *extent,
		     struct progress *progress, struct vhdx_error *error)
{
	uint64_t end = extent->disk_offset + extent->length;
	int status = VHDX_OK;

	for (uint64_t at = extent->disk_offset; at < end && status == VHDX_OK;) {
		uint64_t length = PIECE - at % PIECE;

		if (length > end - at)
			length = end - at;
		status = vhdx_read(disk, buffer, (size_t)length, at, error);
		if (status == VHDX_OK)
			status = output->data(output, buffer, (size_t)length, at, error);
		at += length;
		if (status == VHDX_OK && progress_step(progress, at, vhdx_disk_size(disk)) != 0)
			status = cancelled(error);
	}
	return status;
}

static int copy(vhdx_disk *disk, struct output *output, struct progress *progress, struct vhdx_error *error)
{
	uint64_t size = vhdx_disk_size(disk);
	unsigned char *buffer = tool_allocate(NULL, PIECE);
	struct vhdx_extent extent = { 0 };
	int status = VHDX_OK;

	for (uint64_t at = 0; at < size && status == VHDX_OK; at += extent.length) {
		status = vhdx_get_extent(disk, &extent, at, size - at, error);
		if (status == VHDX_OK && (extent.kind == VHDX_EXTENT_ZERO || extent.kind == VHDX_EXTENT_HOLE))
			status = output->zeros(output, extent.length, error);
		else if (status == VHDX_OK)
			status = copy_data(disk, output, buffer, &extent, progress, error);
		if (status == VHDX_OK && progress_step(progress, at + extent.length, size) != 0)
			status = cancelled(error);
	}
	free(buffer);
	return status;
}

int copy_to_file(vhdx_disk *disk, const struct vhdx_file *file, struct progress *progress, struct vhdx_error *error)
{
	struct output output = { .file = file, .data = file_data, .zeros = file_zeros };
	uint64_t size = vhdx_disk_size(disk);
	int status = copy(disk, &output, progress, error);

	if (status != VHDX_OK)
		return status;
	error->status = VHDX_OK;
	status = file->io->set_size(file->handle, size, error);
	if (status != VHDX_OK)
		return sparse_error(error, status, file, "cannot be grown", size);
	status = file->io->flush(file->handle, error);
	return status == VHDX_OK ? status : sparse_error(error, status, file, "cannot be made durable", VHDX_NO_OFFSET);
}

int copy_to_stream(vhdx_disk *disk, FILE *stream, struct progress *progress, struct vhdx_error *error)
{
	struct output output = { .stream = stream, .data = stream_data, .zeros = stream_zeros };

	return copy(disk, &output, progress, error);
}
