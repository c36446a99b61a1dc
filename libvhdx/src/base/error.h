/* SPDX-License-Identifier: MIT */
/*
 * Filling a struct vhdx_error. Layer: base. Inside the library an error pointer is never NULL; the api layer sees to that. An error is
 * set once, where it is best known; callers up the stack add the file and the level (error_in_file), never a second message.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdarg.h>

#include "vhdx.h"

#if defined(__clang__)
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#elif defined(__GNUC__)
#define PRINTF_LIKE(text, first) __attribute__((format(gnu_printf, text, first)))
#else
#define PRINTF_LIKE(text, first)
#endif

/* Both return `status`. */
int fail(struct vhdx_error *error, int status, const char *format, ...) PRINTF_LIKE(3, 4);
int fail_at(struct vhdx_error *error, int status, const char *rule, uint64_t file_offset, const char *format, ...)
	PRINTF_LIKE(5, 6);
/* A failed system call: picks the status from errno or GetLastError, and appends its text to `what`. */
int fail_os(struct vhdx_error *error, int os_error, const char *what);
int fail_memory(struct vhdx_error *error);
/* Adds the file to an error that has none yet, and the level, which the io layer does not know; returns error->status. */
int error_in_file(struct vhdx_error *error, const char *file, unsigned level);

/* For calls into the caller's code, which may tell a whole error, an os_error, or nothing but its status. It gets a blank error of its own. */
static inline void error_clear(struct vhdx_error *told)
{
	told->status = VHDX_OK;
	told->os_error = 0;
	told->level = 0;
	told->rule[0] = '\0';
	told->file_offset = VHDX_NO_OFFSET;
	told->file[0] = '\0';
	told->message[0] = '\0';
}

/* When such a call has failed with `status`, what it told goes into `error`, or `message` when that was nothing. Returns `status`. */
int error_take(struct vhdx_error *error, const struct vhdx_error *told, int status, const char *message);

/* Control characters become question marks: names out of a file shall not command the terminal that a message is shown on. */
void text_make_printable(char *text);

/* snprintf with C99 semantics on every system. */
int format_text(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

#endif
