/* SPDX-License-Identifier: MIT */
#include "io/file.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"

static int named(const struct vhdx_file *file, int status, const struct vhdx_error *told, struct vhdx_error *error)
{
	(void)error_take(error, told, status, "input or output failed");
	return error_in_file(error, file->name, 0);
}

int file_read(const struct vhdx_file *file, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct vhdx_error told;
	uint8_t *p = buffer;

	error_clear(&told);
	while (length != 0) {
		int64_t done = file->io->read(file->handle, p, length, file_offset, &told);

		if (done < 0)
			return named(file, (int)done, &told, error);
		if (done == 0) {
			memset(p, 0, length);
			break;
		}
		if ((uint64_t)done > length)
			return fail(error, VHDX_E_ARGUMENT, "the I/O table read more than it was asked for");
		p += done;
		length -= (size_t)done;
		file_offset += (uint64_t)done;
	}
	return VHDX_OK;
}

int file_write(const struct vhdx_file *file, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	const uint8_t *p = buffer;
	struct vhdx_error told;

	error_clear(&told);
	while (length != 0) {
		int64_t done = file->io->write(file->handle, p, length, file_offset, &told);

		if (done < 0)
			return named(file, (int)done, &told, error);
		if (done == 0 || (uint64_t)done > length) {
			fail_at(error, VHDX_E_IO, "", file_offset, "a write moved nothing");
			return error_in_file(error, file->name, 0);
		}
		p += done;
		length -= (size_t)done;
		file_offset += (uint64_t)done;
	}
	return VHDX_OK;
}

int file_flush(const struct vhdx_file *file, struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	error_clear(&told);
	status = file->io->flush(file->handle, &told);
	return status < 0 ? named(file, status, &told, error) : VHDX_OK;
}

void file_flush_soon(const struct vhdx_file *file, uint64_t file_offset, uint64_t length)
{
	if (file->io->struct_size >= sizeof(struct vhdx_io) && file->io->flush_soon != NULL)
		file->io->flush_soon(file->handle, file_offset, length);
}

int file_get_size(const struct vhdx_file *file, uint64_t *size, struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	error_clear(&told);
	status = file->io->get_size(file->handle, size, &told);
	return status < 0 ? named(file, status, &told, error) : VHDX_OK;
}

int file_set_size(const struct vhdx_file *file, uint64_t size, struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	error_clear(&told);
	status = file->io->set_size(file->handle, size, &told);
	return status < 0 ? named(file, status, &told, error) : VHDX_OK;
}

int file_zero(const struct vhdx_file *file, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	static const uint8_t zeros[65536];

	if (file->io->zero != NULL) {
		struct vhdx_error told;
		int status;

		error_clear(&told);
		status = file->io->zero(file->handle, file_offset, length, &told);
		if (status != VHDX_E_UNSUPPORTED)
			return status < 0 ? named(file, status, &told, error) : VHDX_OK;
	}
	while (length != 0) {
		size_t part = (size_t)min_u64(length, sizeof(zeros));
		int status = file_write(file, zeros, part, file_offset, error);

		if (status < 0)
			return status;
		file_offset += part;
		length -= part;
	}
	return VHDX_OK;
}

int file_punch(const struct vhdx_file *file, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	error_clear(&told);
	status = file->io->punch == NULL ? VHDX_OK : file->io->punch(file->handle, file_offset, length, &told);
	return status < 0 && status != VHDX_E_UNSUPPORTED ? named(file, status, &told, error) : VHDX_OK;
}

bool file_try_punch(const struct vhdx_file *file, uint64_t file_offset, uint64_t length)
{
	struct vhdx_error ignored;

	error_clear(&ignored);
	return file->io->punch != NULL && file->io->punch(file->handle, file_offset, length, &ignored) == VHDX_OK;
}

int file_reserve(const struct vhdx_file *file, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	error_clear(&told);
	status = file->io->reserve == NULL ? VHDX_OK : file->io->reserve(file->handle, file_offset, length, &told);
	return status < 0 ? named(file, status, &told, error) : VHDX_OK;
}

int file_extent(const struct vhdx_file *file, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	*extent = (struct vhdx_file_extent){ .length = length, .is_hole = 0 };
	if (file->io->extent == NULL)
		return VHDX_OK;
	error_clear(&told);
	status = file->io->extent(file->handle, extent, file_offset, length, &told);
	if (status < 0)
		return named(file, status, &told, error);
	if (extent->length == 0 || extent->length > length)
		*extent = (struct vhdx_file_extent){ .length = length, .is_hole = 0 };
	return VHDX_OK;
}

uint64_t file_hole(const struct vhdx_file *file, uint64_t file_offset, uint64_t length)
{
	struct vhdx_file_extent extent;
	struct vhdx_error ignored;

	if (file_extent(file, &extent, file_offset, length, &ignored) < 0)
		return 0;
	return extent.is_hole ? extent.length : 0;
}

struct file_identity file_identify(const struct vhdx_file *file)
{
	struct file_identity identity = { .io = file->io };
	struct vhdx_error ignored;

	if (file->io->identity == NULL || file->io->identity(file->handle, &identity.id, &ignored) < 0)
		identity.io = NULL;
	return identity;
}

bool file_identity_equal(const struct file_identity *a, const struct file_identity *b)
{
	return a->io != NULL && a->io == b->io && a->id.volume == b->id.volume && a->id.file == b->id.file;
}
