/* SPDX-License-Identifier: MIT */
/*
 * See stream.h. The library reads in ascending order and leaves out only what was reported as a hole, which is everything after
 * the end of the input, once that has been seen.
 */
#include "stream.h"

#include <stdio.h>
#include <string.h>

enum { STEP = 1 << 20 };

static int failed(const struct stream *stream, struct vhdx_error *error, int status, const char *message)
{
	*error = (struct vhdx_error){ .status = status, .file_offset = stream->position };
	snprintf(error->file, sizeof(error->file), "%s", stream->name);
	snprintf(error->message, sizeof(error->message), "%s", message);
	return status;
}

static void keep_tail(struct stream *stream, const unsigned char *data, size_t length)
{
	if (length >= sizeof(stream->tail)) {
		memcpy(stream->tail, data + length - sizeof(stream->tail), sizeof(stream->tail));
		return;
	}
	memmove(stream->tail, stream->tail + length, sizeof(stream->tail) - length);
	memcpy(stream->tail + sizeof(stream->tail) - length, data, length);
}

static int note_end(struct stream *stream, struct vhdx_error *error)
{
	stream->ended = true;
	if (stream->refuse_vhd && memcmp(stream->tail, "conectix", 8) == 0)
		return failed(stream, error, VHDX_E_ARGUMENT,
			      "ends with the footer of a fixed VHD; say --from-format vhd, or raw");
	return VHDX_OK;
}

/* The disk is full: nothing may follow. */
static int check_end(struct stream *stream, struct vhdx_error *error)
{
	unsigned char byte;
	int64_t got = input_read(stream->input, &byte, 1, error);

	if (got < 0)
		return (int)got;
	if (got > 0)
		return failed(stream, error, VHDX_E_RANGE, "holds more than SIZE says");
	return note_end(stream, error);
}

static int read_stream(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct stream *stream = context;
	int64_t got = 0;

	if (!stream->ended) {
		if (disk_offset != stream->position)
			return failed(stream, error, VHDX_E_ARGUMENT, "cannot be read out of order");
		got = input_read(stream->input, buffer, length, error);
		if (got < 0)
			return (int)got;
		stream->position += (uint64_t)got;
		keep_tail(stream, buffer, (size_t)got);
	}
	memset((unsigned char *)buffer + got, 0, length - (size_t)got);
	if (!stream->ended && (size_t)got < length)
		return note_end(stream, error);
	return !stream->ended && stream->position == stream->size ? check_end(stream, error) : VHDX_OK;
}

static int stream_extent(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct stream *stream = context;

	(void)error;
	*out = (struct vhdx_extent){ .disk_offset = disk_offset, .length = length, .kind = VHDX_EXTENT_HOLE };
	if (stream->ended)
		return VHDX_OK;
	out->kind = VHDX_EXTENT_DATA;
	if (length > STEP)
		out->length = STEP;
	return VHDX_OK;
}

void stream_source(struct vhdx_source *source, struct stream *stream)
{
	*source = (struct vhdx_source){ .context = stream, .size = stream->size, .read = read_stream, .extent = stream_extent };
}
