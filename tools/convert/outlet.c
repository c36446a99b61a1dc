/* SPDX-License-Identifier: MIT */
/* See outlet.h; the packer is in gzip.c. */
#include "outlet.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sparse.h"
#include "tool.h"

enum { PIECE = 1 << 18, HEAD = 1 << 20 };

int outlet_zeros(struct outlet *outlet, uint64_t length, struct vhdx_error *error)
{
	static const unsigned char zeros[PIECE];
	int status = VHDX_OK;

	if (outlet->zeros != NULL && length != 0)
		return outlet->zeros(outlet, length, error);
	while (length > 0 && status == VHDX_OK) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		status = outlet->write(outlet, zeros, part, error);
		length -= part;
	}
	return status;
}

int outlet_copy(struct outlet *outlet, const struct vhdx_file *from,
		int (*on_progress)(void *context, uint64_t done, uint64_t total), void *context, struct vhdx_error *error)
{
	unsigned char *buffer = tool_allocate(NULL, PIECE);
	uint64_t size = 0;
	int status = from->io->get_size(from->handle, &size, error);

	for (uint64_t at = 0; status == VHDX_OK && at < size;) {
		int64_t got = from->io->read(from->handle, buffer, PIECE, at, error);

		if (got <= 0) {
			status = sparse_error(error, got < 0 ? (int)got : VHDX_E_IO, from, "cannot be read again", at);
			break;
		}
		status = outlet->write(outlet, buffer, (size_t)got, error);
		at += (uint64_t)got;
		if (status == VHDX_OK && on_progress(context, at, size) != 0)
			status = tool_cancelled(error);
	}
	free(buffer);
	return status;
}

/* One outlet for each kind of place. */

static int write_at(const struct vhdx_file *file, uint64_t *position, const unsigned char *bytes, size_t length,
		    struct vhdx_error *error)
{
	while (length > 0) {
		int64_t done;

		error->status = VHDX_OK;
		done = file->io->write(file->handle, bytes, length, *position, error);
		if (done <= 0)
			return sparse_error(error, done < 0 ? (int)done : VHDX_E_IO, file, "cannot be written", *position);
		bytes += done;
		length -= (size_t)done;
		*position += (uint64_t)done;
	}
	return VHDX_OK;
}

static int flush(const struct vhdx_file *file, struct vhdx_error *error)
{
	int status;

	error->status = VHDX_OK;
	status = file->io->flush(file->handle, error);
	return status == VHDX_OK ? status : sparse_error(error, status, file, "cannot be made durable", VHDX_NO_OFFSET);
}

static int file_write(struct outlet *outlet, const void *bytes, size_t length, struct vhdx_error *error)
{
	struct outlet_file *out = (struct outlet_file *)outlet;

	return write_at(out->file, &out->position, bytes, length, error);
}

static int file_finish(struct outlet *outlet, struct vhdx_error *error)
{
	const struct outlet_file *out = (const struct outlet_file *)outlet;

	return out->durable ? flush(out->file, error) : VHDX_OK;
}

void outlet_file_begin(struct outlet_file *out, const struct vhdx_file *file, bool durable)
{
	*out = (struct outlet_file){ .outlet = { file_write, NULL, file_finish }, .file = file, .durable = durable };
}

static int stdout_failed(struct vhdx_error *error)
{
	*error = (struct vhdx_error){
		.status = VHDX_E_IO, .os_error = errno, .file_offset = VHDX_NO_OFFSET, .file = "standard output"
	};
	snprintf(error->message, sizeof(error->message), "cannot be written: %s", strerror(errno));
	return VHDX_E_IO;
}

static int stdout_write(struct outlet *outlet, const void *bytes, size_t length, struct vhdx_error *error)
{
	(void)outlet;
	return fwrite(bytes, 1, length, stdout) == length ? VHDX_OK : stdout_failed(error);
}

static int stdout_finish(struct outlet *outlet, struct vhdx_error *error)
{
	(void)outlet;
	return fflush(stdout) == 0 ? VHDX_OK : stdout_failed(error);
}

struct outlet *outlet_stdout(void)
{
	static struct outlet outlet = { stdout_write, NULL, stdout_finish };

	return &outlet;
}

static int device_write(struct outlet *outlet, const void *bytes, size_t length, struct vhdx_error *error)
{
	struct outlet_device *out = (struct outlet_device *)outlet;
	const unsigned char *p = bytes;

	if (out->position < HEAD) {
		size_t room = HEAD - (size_t)out->position, part = length < room ? length : room;

		memcpy(out->head + out->position, p, part);
		out->position += part;
		p += part;
		length -= part;
	}
	return write_at(out->file, &out->position, p, length, error);
}

/* By discarding, by the command for zeros, or by writing them. */
static int clear(const struct vhdx_file *file, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	static const unsigned char zeros[PIECE];
	int (*const means[])(void *, uint64_t, uint64_t, struct vhdx_error *) = { file->io->punch, file->io->zero };
	int status = VHDX_OK;

	for (size_t i = 0; i < sizeof(means) / sizeof(means[0]); i++) {
		status = means[i] != NULL ? means[i](file->handle, offset, length, error) : VHDX_E_UNSUPPORTED;
		if (status == VHDX_OK)
			return status;
	}
	status = VHDX_OK;
	while (length > 0 && status == VHDX_OK) {
		size_t part = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

		status = write_at(file, &offset, zeros, part, error);
		length -= part;
	}
	return status;
}

static int device_zeros(struct outlet *outlet, uint64_t length, struct vhdx_error *error)
{
	enum { AT_ONCE = 1 << 30 };
	struct outlet_device *out = (struct outlet_device *)outlet;
	int status = VHDX_OK;

	if (out->position < HEAD) { /* `head` is zeros */
		uint64_t part = HEAD - out->position < length ? HEAD - out->position : length;

		out->position += part;
		length -= part;
	}
	while (length > 0 && status == VHDX_OK) {
		uint64_t part = length < AT_ONCE ? length : AT_ONCE;

		status = clear(out->file, out->position, part, error);
		out->position += part;
		length -= part;
	}
	return status;
}

static int device_finish(struct outlet *outlet, struct vhdx_error *error)
{
	struct outlet_device *out = (struct outlet_device *)outlet;
	size_t length = out->position < HEAD ? (size_t)out->position : HEAD;
	uint64_t start = 0;
	int status = flush(out->file, error);

	if (status == VHDX_OK)
		status = write_at(out->file, &start, out->head, length, error);
	return status == VHDX_OK ? flush(out->file, error) : status;
}

int outlet_device_begin(struct outlet_device *out, const struct vhdx_file *file, struct vhdx_error *error)
{
	uint64_t start = 0, size = 0;
	int status = file->io->get_size(file->handle, &size, error);

	*out = (struct outlet_device){ .outlet = { device_write, device_zeros, device_finish }, .file = file };
	out->head = tool_allocate(NULL, HEAD);
	memset(out->head, 0, HEAD);
	if (status == VHDX_OK)
		status = write_at(file, &start, out->head, size < HEAD ? (size_t)size : HEAD, error);
	return status == VHDX_OK ? flush(file, error) : status;
}

void outlet_device_end(struct outlet_device *out)
{
	free(out->head);
	out->head = NULL;
}

/* The file that stands for an outlet. */

static int64_t image_write(void *handle, const void *bytes, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct outlet_image *image = handle;
	int status;

	if (file_offset < image->position) {
		*error = (struct vhdx_error){ .status = VHDX_E_UNSUPPORTED,
					      .file_offset = file_offset,
					      .message = "cannot be written out of order" };
		return VHDX_E_UNSUPPORTED;
	}
	status = outlet_zeros(image->outlet, file_offset - image->position, error);
	if (status == VHDX_OK)
		status = image->outlet->write(image->outlet, bytes, length, error);
	image->position = file_offset + length;
	return status == VHDX_OK ? (int64_t)length : status;
}

static int image_flush(void *handle, struct vhdx_error *error)
{
	(void)handle;
	(void)error;
	return VHDX_OK; /* outlet_image_finish does */
}

static int image_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	const struct outlet_image *image = handle;

	(void)error;
	*size = image->size;
	return VHDX_OK;
}

static int image_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	struct outlet_image *image = handle;

	(void)error;
	image->size = size;
	return VHDX_OK;
}

void outlet_image_begin(struct outlet_image *image, struct outlet *outlet, const char *name)
{
	*image = (struct outlet_image){
		.file = { &image->io, image, name },
		.io = { .struct_size = sizeof(struct vhdx_io),
			.write = image_write,
			.flush = image_flush,
			.get_size = image_get_size,
			.set_size = image_set_size },
		.outlet = outlet,
	};
}

int outlet_image_finish(struct outlet_image *image, struct vhdx_error *error)
{
	uint64_t rest = image->size > image->position ? image->size - image->position : 0;
	int status = outlet_zeros(image->outlet, rest, error);

	return status == VHDX_OK ? image->outlet->finish(image->outlet, error) : status;
}
