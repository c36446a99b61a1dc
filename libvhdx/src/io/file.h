/* SPDX-License-Identifier: MIT */
/*
 * Calls through a struct vhdx_file: short transfers are continued, optional functions that are missing get their fallback, errors get the name of the
 * file. Layer: io.
 */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <stdbool.h>

#include "vhdx.h"

/* Reads until `length` bytes or the end of the file; what lies beyond the end becomes zeros. */
int file_read(const struct vhdx_file *file, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error);
int file_write(const struct vhdx_file *file, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error);
int file_flush(const struct vhdx_file *file, struct vhdx_error *error);
int file_get_size(const struct vhdx_file *file, uint64_t *size, struct vhdx_error *error);
int file_set_size(const struct vhdx_file *file, uint64_t size, struct vhdx_error *error);
/* Without the optional function: writes zeros. */
int file_zero(const struct vhdx_file *file, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
/* Without the optional function: does nothing. Promises nothing either: only a flush does. */
void file_flush_soon(const struct vhdx_file *file, uint64_t file_offset, uint64_t length);
/* Without the optional function, or when the file cannot: does nothing. */
int file_punch(const struct vhdx_file *file, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
/* The same as a favour: false when the range is as it was, or partly zeros, for whatever reason. */
bool file_try_punch(const struct vhdx_file *file, uint64_t file_offset, uint64_t length);
/* Without the optional function: does nothing. */
int file_reserve(const struct vhdx_file *file, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
/* Bytes from `file_offset` on that are known to be a hole, at most `length`; 0 when there is data or nothing is known. */
uint64_t file_hole(const struct vhdx_file *file, uint64_t file_offset, uint64_t length);
/* Like the table's function; `length` is cut to what the answer covers, and is never 0 on success. */
int file_extent(const struct vhdx_file *file, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		struct vhdx_error *error);

/* Who a file is, as far as its table can tell. */
struct file_identity {
	const struct vhdx_io *io; /* NULL: unknown */
	struct vhdx_file_id id;
};
struct file_identity file_identify(const struct vhdx_file *file);
/* True only when both are known. */
bool file_identity_equal(const struct file_identity *a, const struct file_identity *b);

#endif
