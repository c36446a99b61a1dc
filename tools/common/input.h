/* SPDX-License-Identifier: MIT */
/*
 * A sequential source: standard input, a FIFO, or a gzip file, which is unpacked on the way. Its first bytes can be looked at
 * before they are taken.
 */
#ifndef INPUT_H
#define INPUT_H

#include <stdbool.h>

#include "vhdx.h"

struct input;

/* Opens "-" or a path. NULL, and `error`, on failure. */
struct input *input_open(const char *path, struct vhdx_error *error);
/* Whether the bytes are packed by gzip; every other function gives them unpacked. */
bool input_is_gzip(const struct input *input);
/* The next bytes without taking them, at most `length` (up to 512), fewer at the end. Negative VHDX_E_* on failure. */
int64_t input_peek(struct input *input, void *buffer, size_t length, struct vhdx_error *error);
/* Takes bytes: fewer than `length` only at the end. Negative VHDX_E_* on failure. */
int64_t input_read(struct input *input, void *buffer, size_t length, struct vhdx_error *error);
void input_close(struct input *input);

#endif
