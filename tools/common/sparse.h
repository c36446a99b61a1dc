/* SPDX-License-Identifier: MIT */
/* Writing into a fresh file, whose unwritten parts read as zeros, without writing zeros. */
#ifndef SPARSE_H
#define SPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhdx.h"

enum { SPARSE_PIECE = 4096 };

bool sparse_is_zero(const void *data, size_t length);
/* Fills `error` for a failed call of a file's I/O table; `what` as in "cannot be written". Returns `status`. */
int sparse_error(struct vhdx_error *error, int status, const struct vhdx_file *file, const char *what, uint64_t file_offset);
/* Writes all pieces of `data` that hold anything but zeros; they end at multiples of SPARSE_PIECE in the file. */
int sparse_write(const struct vhdx_file *file, const void *data, size_t length, uint64_t file_offset, struct vhdx_error *error);

#endif
