/* SPDX-License-Identifier: MIT */
#if defined(_WIN32)
#define __USE_MINGW_ANSI_STDIO 1
#endif
#include "base/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(_WIN32)
#include <windows.h>
#endif

int format_text(char *text, size_t size, const char *format, ...)
{
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, size, format, args);
	va_end(args);
	return length;
}

void text_make_printable(char *text)
{
	for (uint8_t *p = (uint8_t *)text; *p != '\0'; p++) {
		if (*p < ' ' || *p == 0x7F)
			*p = '?';
		if (*p == 0xC2 && p[1] >= 0x80 && p[1] < 0xA0) /* U+0080 to U+009F */
			p[0] = p[1] = '?';
	}
}

static void start(struct vhdx_error *error, int status, const char *rule, uint64_t file_offset)
{
	error->status = status;
	error->os_error = 0;
	error->level = 0;
	error->file[0] = '\0';
	error->file_offset = file_offset;
	format_text(error->rule, sizeof(error->rule), "%s", rule);
}

int fail(struct vhdx_error *error, int status, const char *format, ...)
{
	va_list args;

	start(error, status, "", VHDX_NO_OFFSET);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	text_make_printable(error->message);
	return status;
}

int fail_at(struct vhdx_error *error, int status, const char *rule, uint64_t file_offset, const char *format, ...)
{
	va_list args;

	start(error, status, rule, file_offset);
	va_start(args, format);
	vsnprintf(error->message, sizeof(error->message), format, args);
	va_end(args);
	text_make_printable(error->message);
	return status;
}

int fail_memory(struct vhdx_error *error)
{
	return fail(error, VHDX_E_NO_MEMORY, "out of memory");
}

#if defined(_WIN32)
enum { QUOTA_EXCEEDED = 1295 }; /* ERROR_DISK_QUOTA_EXCEEDED, which MinGW has not */

static int status_of(int os_error)
{
	switch (os_error) {
	case ERROR_FILE_NOT_FOUND:
	case ERROR_PATH_NOT_FOUND:
	case ERROR_INVALID_NAME:
	case ERROR_BAD_PATHNAME:
	case ERROR_DIRECTORY:
	case ERROR_FILENAME_EXCED_RANGE:
	case ERROR_NO_UNICODE_TRANSLATION:
	case ERROR_INVALID_DRIVE:
	case ERROR_BAD_NETPATH:
	case ERROR_BAD_NET_NAME: return VHDX_E_NOT_FOUND;
	case ERROR_FILE_EXISTS:
	case ERROR_ALREADY_EXISTS: return VHDX_E_EXISTS;
	case ERROR_ACCESS_DENIED:
	case ERROR_CANT_RESOLVE_FILENAME: return VHDX_E_DENIED;
	case ERROR_SHARING_VIOLATION:
	case ERROR_LOCK_VIOLATION: return VHDX_E_LOCKED;
	case ERROR_DISK_FULL:
	case ERROR_HANDLE_DISK_FULL:
	case ERROR_FILE_TOO_LARGE:
	case QUOTA_EXCEEDED: return VHDX_E_NO_SPACE;
	case ERROR_NOT_ENOUGH_MEMORY:
	case ERROR_OUTOFMEMORY: return VHDX_E_NO_MEMORY;
	case ERROR_WRITE_PROTECT: return VHDX_E_READ_ONLY;
	default: return VHDX_E_IO;
	}
}

static void describe(int os_error, char *text, size_t size)
{
	wchar_t wide[200];
	DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
	DWORD length = FormatMessageW(flags, NULL, (DWORD)os_error, 0, wide, 200, NULL);

	while (length > 0 && (wide[length - 1] == L' ' || wide[length - 1] == L'.'))
		length--;
	length = (DWORD)WideCharToMultiByte(CP_UTF8, 0, wide, (int)length, text, (int)size - 1, NULL, NULL);
	text[length] = '\0';
	if (length == 0)
		format_text(text, size, "Windows error %d", os_error);
}
#else
static int status_of(int os_error)
{
	switch (os_error) {
	case ENOENT:
	case ENOTDIR:
	case ENAMETOOLONG: return VHDX_E_NOT_FOUND;
	case EEXIST: return VHDX_E_EXISTS;
	case EACCES:
	case EPERM:
	case ELOOP: return VHDX_E_DENIED;
	case ENOSPC:
	case EDQUOT:
	case EFBIG: return VHDX_E_NO_SPACE;
	case ENOMEM: return VHDX_E_NO_MEMORY;
	case EROFS: return VHDX_E_READ_ONLY;
	default: return VHDX_E_IO;
	}
}

static void describe(int os_error, char *text, size_t size)
{
	format_text(text, size, "%s", strerror(os_error));
}
#endif

int fail_os(struct vhdx_error *error, int os_error, const char *what)
{
	char text[200];

	describe(os_error, text, sizeof(text));
	fail(error, status_of(os_error), "%s: %s", what, text);
	error->os_error = os_error;
	return error->status;
}

int error_in_file(struct vhdx_error *error, const char *file, unsigned level)
{
	size_t length;

	if (error->level == 0)
		error->level = level;
	if (error->file[0] != '\0' || file == NULL)
		return error->status;
	length = strlen(file);
	if (length < sizeof(error->file))
		memcpy(error->file, file, length + 1);
	else
		format_text(error->file, sizeof(error->file), "...%s", file + length - (sizeof(error->file) - 4));
	return error->status;
}

int error_take(struct vhdx_error *error, const struct vhdx_error *told, int status, const char *message)
{
	if (told->status == status && told->message[0] != '\0') {
		*error = *told;
		return status;
	}
	fail(error, status, "%s", message);
	error->os_error = told->os_error;
	return status;
}
