/* SPDX-License-Identifier: MIT */
/* See win32.h. Layer: io. */
#include "io/win32.h"

#include <stdlib.h>
#include <string.h>

static wchar_t *allocate_wide(size_t length)
{
	wchar_t *text = malloc((length + 1) * sizeof(*text));

	if (text == NULL)
		SetLastError(ERROR_NOT_ENOUGH_MEMORY);
	return text;
}

static wchar_t *to_wide(const char *text)
{
	int size = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
	wchar_t *wide = size == 0 ? NULL : allocate_wide((size_t)size);

	if (wide != NULL)
		(void)MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, wide, size);
	return wide;
}

static bool is_prefixed(const wchar_t *path)
{
	return wcsncmp(path, L"\\\\?\\", 4) == 0;
}

static wchar_t *concatenate(const wchar_t *first, const wchar_t *second)
{
	wchar_t *text = allocate_wide(wcslen(first) + wcslen(second));

	if (text != NULL)
		wcscat(wcscpy(text, first), second);
	return text;
}

/* Fails when another thread makes the current directory longer in between. */
static wchar_t *full_path(const wchar_t *wide)
{
	DWORD size = GetFullPathNameW(wide, 0, NULL, NULL), length;
	wchar_t *full = size == 0 ? NULL : allocate_wide(size);

	if (full == NULL)
		return NULL;
	length = GetFullPathNameW(wide, size, full, NULL);
	if (length != 0 && length < size)
		return full;
	free(full);
	return NULL;
}

wchar_t *win32_path(const char *path)
{
	wchar_t *wide = to_wide(path), *full, *prefixed;

	if (wide == NULL || is_prefixed(wide))
		return wide;
	full = full_path(wide);
	free(wide);
	if (full == NULL || is_prefixed(full))
		return full;
	if (wcsncmp(full, L"\\\\.\\", 4) == 0)
		prefixed = concatenate(L"\\\\?\\", full + 4);
	else if (wcsncmp(full, L"\\\\", 2) == 0)
		prefixed = concatenate(L"\\\\?\\UNC\\", full + 2);
	else
		prefixed = concatenate(L"\\\\?\\", full);
	free(full);
	return prefixed;
}

bool win32_names_device(const wchar_t *path)
{
	const wchar_t *name = path + 4;

	if (name[0] != L'\0' && name[1] == L':' && name[2] == L'\\')
		return false;
	if (_wcsnicmp(name, L"Volume{", 7) == 0 && wcschr(name, L'\\') != NULL)
		return false;
	return _wcsnicmp(name, L"UNC\\", 4) != 0;
}

static wchar_t *final_path(HANDLE handle, DWORD kind)
{
	DWORD size = GetFinalPathNameByHandleW(handle, NULL, 0, kind), length;
	wchar_t *path = size == 0 ? NULL : allocate_wide(size);

	if (path == NULL)
		return NULL;
	length = GetFinalPathNameByHandleW(handle, path, size + 1, kind);
	if (length != 0 && length <= size)
		return path;
	free(path);
	return NULL;
}

wchar_t *win32_final_path(HANDLE handle)
{
	wchar_t *path = final_path(handle, VOLUME_NAME_DOS);

	return path != NULL ? path : final_path(handle, VOLUME_NAME_GUID); /* a volume need not have a letter */
}

/* A handle to ask for names with, of a file that others may have open. */
static HANDLE open_to_look(const wchar_t *wide)
{
	const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;

	return CreateFileW(wide, FILE_READ_ATTRIBUTES, share, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
}

static void free_keeping_error(wchar_t *text)
{
	DWORD problem = GetLastError();

	free(text);
	SetLastError(problem);
}

wchar_t *win32_real_path(const char *path)
{
	wchar_t *wide = win32_path(path), *real;
	HANDLE handle = wide == NULL ? INVALID_HANDLE_VALUE : open_to_look(wide);

	if (handle == INVALID_HANDLE_VALUE) {
		free_keeping_error(wide);
		return NULL;
	}
	real = win32_final_path(handle);
	(void)CloseHandle(handle);
	if (real == NULL)
		return wide;
	free(wide);
	return real;
}

wchar_t *win32_volume_path(const char *path)
{
	wchar_t *wide = win32_path(path), *real = NULL;
	HANDLE handle = wide == NULL ? INVALID_HANDLE_VALUE : open_to_look(wide);

	if (handle != INVALID_HANDLE_VALUE) {
		real = final_path(handle, VOLUME_NAME_GUID);
		(void)CloseHandle(handle);
	}
	free_keeping_error(wide);
	return real;
}
