/* SPDX-License-Identifier: MIT */
/*
 * Paths of Windows; paths_posix.c is its twin. Layer: io. No path from an image is opened here; the functions only name
 * candidates.
 *
 * A path is a root and parts behind it. The root is what ".." never leaves: X:\ or X:, \, \\server\share\, \\?\X:\,
 * \\?\Volume{guid}\, \\?\UNC\server\share\. Parts are taken by their letters, as the system itself does before it looks at any
 * disk. Letter case is the filesystem's business.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "io/host.h"
#include "io/win32.h"

bool host_has_drives(void)
{
	return true;
}

/* NULL in *out when the text has no UTF-8 form: names may hold lone surrogates. */
static int to_utf8(const struct vhdx_env *env, char **out, const wchar_t *wide, struct vhdx_error *error)
{
	int size = WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, -1, NULL, 0, NULL, NULL);

	*out = NULL;
	if (size == 0)
		return VHDX_OK;
	*out = memory_allocate(env, (size_t)size);
	if (*out == NULL)
		return fail_memory(error);
	(void)WideCharToMultiByte(CP_UTF8, WC_ERR_INVALID_CHARS, wide, -1, *out, size, NULL, NULL);
	return VHDX_OK;
}

static bool is_separator(char c)
{
	return c == '\\' || c == '/';
}

/* Behind the part that begins at `at`, and behind the separator that ends it. */
static size_t skip_part(const char *path, size_t at)
{
	at += strcspn(path + at, "\\/");
	return at + is_separator(path[at]);
}

static size_t root_length(const char *path)
{
	if (is_separator(path[0]) && is_separator(path[1])) {
		if ((path[2] != '?' && path[2] != '.') || !is_separator(path[3]))
			return skip_part(path, skip_part(path, 2));
		if (_strnicmp(path + 4, "UNC", 3) == 0 && is_separator(path[7]))
			return skip_part(path, skip_part(path, 8));
		return skip_part(path, 4);
	}
	if (path[0] != '\0' && path[1] == ':')
		return is_separator(path[2]) ? 3 : 2;
	return is_separator(path[0]);
}

/* Length without separators at the end, but with the root. */
static size_t trimmed_length(const char *path, size_t length)
{
	size_t root = root_length(path);

	while (length > root && is_separator(path[length - 1]))
		length--;
	return length;
}

/* Where the last part begins; the end of the path when it is a root alone. */
static size_t last_part(const char *path)
{
	size_t root = root_length(path), at = trimmed_length(path, strlen(path));

	while (at > root && !is_separator(path[at - 1]))
		at--;
	return at;
}

/* The first `length` characters and then `tail`. */
static char *with_tail(const struct vhdx_env *env, const char *path, size_t length, const char *tail, size_t tail_length)
{
	char *text = memory_allocate(env, length + tail_length + 1);

	if (text == NULL)
		return NULL;
	memcpy(text, path, length);
	memcpy(text + length, tail, tail_length);
	text[length + tail_length] = '\0';
	return text;
}

char *host_directory(const struct vhdx_env *env, const char *path)
{
	size_t length = trimmed_length(path, last_part(path));
	bool is_current = length == 0 || (length == 2 && path[1] == ':'); /* of the process, or of a drive */

	return with_tail(env, path, length, ".", is_current);
}

/* directory\name; `name` need not end. With a colon in it, a name must not come to stand in front. */
static char *join(const struct vhdx_env *env, const char *directory, const char *name, size_t name_length)
{
	size_t length = strlen(directory);
	bool is_current = strcmp(directory, ".") == 0 && memchr(name, ':', name_length) == NULL;
	bool is_open = length != 0 && !is_separator(directory[length - 1]);
	char *base, *path;

	if (is_current)
		return with_tail(env, "", 0, name, name_length);
	base = with_tail(env, directory, length, "\\", is_open);
	if (base == NULL)
		return NULL;
	path = with_tail(env, base, length + is_open, name, name_length);
	memory_release(env, base);
	return path;
}

/* The directory above: "..", but never above the root. */
static char *climb(const struct vhdx_env *env, const char *directory)
{
	size_t at = last_part(directory), end = trimmed_length(directory, strlen(directory));

	if (end - at == 1 && directory[at] == '.')
		return with_tail(env, directory, end, ".", 1);
	if (end - at == 2 && directory[at] == '.' && directory[at + 1] == '.')
		return join(env, directory, "..", 2);
	return at == end ? memory_copy_text(env, directory) : host_directory(env, directory);
}

int host_follow(const struct vhdx_env *env, char **out, const char *directory, const char *relative, struct vhdx_error *error)
{
	char *path = memory_copy_text(env, directory);

	while (path != NULL && *relative != '\0') {
		size_t length = strcspn(relative, "\\/");

		if (length != 0 && !(length == 1 && relative[0] == '.')) {
			bool is_up = length == 2 && relative[0] == '.' && relative[1] == '.';
			char *next = is_up ? climb(env, path) : join(env, path, relative, length);

			memory_release(env, path);
			path = next;
		}
		relative += length;
		relative += strspn(relative, "\\/");
	}
	if (path == NULL)
		return fail_memory(error);
	*out = path;
	return VHDX_OK;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

struct listing {
	char **paths;
	size_t count;
};

static int add_entry(const struct vhdx_env *env, struct listing *list, const char *directory, const wchar_t *wide_name,
		     struct vhdx_error *error)
{
	char *name;
	int status = wide_name[0] == L'.' ? VHDX_OK : to_utf8(env, &name, wide_name, error);

	if (status < 0 || wide_name[0] == L'.' || name == NULL)
		return status;
	if (!memory_grow(env, (void **)&list->paths, list->count, sizeof(*list->paths)) ||
	    (list->paths[list->count] = join(env, directory, name, strlen(name))) == NULL)
		status = fail_memory(error);
	else
		list->count++;
	memory_release(env, name);
	return status;
}

static int read_directory(const struct vhdx_env *env, struct listing *list, const char *directory, struct vhdx_error *error)
{
	char *pattern = join(env, directory, "*", 1);
	wchar_t *wide = pattern == NULL ? NULL : win32_path(pattern);
	WIN32_FIND_DATAW entry;
	HANDLE entries = INVALID_HANDLE_VALUE;
	int status = VHDX_OK;

	if (pattern == NULL)
		status = fail_memory(error);
	else if (wide == NULL || (entries = FindFirstFileW(wide, &entry)) == INVALID_HANDLE_VALUE)
		status = GetLastError() == ERROR_FILE_NOT_FOUND ? VHDX_OK : fail_os(error, (int)GetLastError(), "list directory");
	if (entries != INVALID_HANDLE_VALUE) {
		do
			status = add_entry(env, list, directory, entry.cFileName, error);
		while (status == VHDX_OK && FindNextFileW(entries, &entry));
		(void)FindClose(entries);
	}
	free(wide);
	memory_release(env, pattern);
	return status;
}

int host_list(const struct vhdx_env *env, const char *directory, int (*visit)(void *context, const char *path), void *context,
	      struct vhdx_error *error)
{
	struct listing list = { NULL, 0 };
	int status = read_directory(env, &list, directory, error);

	if (list.count != 0)
		qsort(list.paths, list.count, sizeof(*list.paths), by_name);
	for (size_t i = 0; i < list.count; i++) {
		if (status == VHDX_OK)
			status = visit(context, list.paths[i]);
		memory_release(env, list.paths[i]);
	}
	memory_release(env, list.paths);
	return status;
}

int host_real_path(const struct vhdx_env *env, char **out, const char *path, struct vhdx_error *error)
{
	wchar_t *wide = win32_real_path(path);
	char *real = NULL;
	int status = wide == NULL ? fail_os(error, (int)GetLastError(), "find") : to_utf8(env, &real, wide, error);

	free(wide);
	if (status == VHDX_OK && real == NULL)
		return fail(error, VHDX_E_NOT_FOUND, "its path has no UTF-8 form");
	if (status == VHDX_OK)
		*out = real;
	return status;
}

int host_volume_path(const struct vhdx_env *env, char **out, const char *path, struct vhdx_error *error)
{
	wchar_t *wide = win32_volume_path(path);
	int status;

	*out = NULL;
	if (wide == NULL)
		return GetLastError() == ERROR_NOT_ENOUGH_MEMORY ? fail_memory(error) : VHDX_OK;
	status = to_utf8(env, out, wide, error);
	free(wide);
	return status;
}

/* Writes "..\" for each directory of `from` beyond the common part, then the rest of `to`. Both are real paths of one root. */
static char *relative_text(const struct vhdx_env *env, const char *from_directory, const char *to)
{
	size_t common = root_length(to) - 1, ups = 0, at = 0, rest;
	char *text;

	for (size_t i = common; from_directory[i] == to[i] || (from_directory[i] == '\0' && to[i] == '\\'); i++) {
		if (to[i] == '\\')
			common = i;
		if (from_directory[i] == '\0' || to[i] == '\0')
			break;
	}
	for (size_t i = common; from_directory[i] != '\0'; i++)
		if (from_directory[i] == '\\' && from_directory[i + 1] != '\0')
			ups++;
	rest = strlen(to + common + 1) + 1;
	text = memory_allocate(env, ups * 3 + rest + 2);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < ups; i++, at += 3)
		memcpy(text + at, "..\\", 3);
	if (ups == 0) {
		memcpy(text, ".\\", 2);
		at = 2;
	}
	memcpy(text + at, to + common + 1, rest);
	return text;
}

/* The root of a share may end in a separator or not. */
static bool have_same_root(const char *a, const char *b)
{
	size_t a_length = root_length(a), b_length = root_length(b);

	a_length -= a_length != 0 && is_separator(a[a_length - 1]);
	b_length -= b_length != 0 && is_separator(b[b_length - 1]);
	return a_length == b_length && _strnicmp(a, b, a_length) == 0;
}

int host_relative_path(const struct vhdx_env *env, char **out, const char *from, const char *to, struct vhdx_error *error)
{
	char *directory = host_directory(env, from), *real_from = NULL, *real_to = NULL;
	int status = directory == NULL ? fail_memory(error) : host_real_path(env, &real_from, directory, error);

	if (status == VHDX_OK)
		status = host_real_path(env, &real_to, to, error);
	if (status == VHDX_OK && !have_same_root(real_from, real_to))
		status = fail(error, VHDX_E_NOT_FOUND, "no relative path leads to another drive");
	if (status == VHDX_OK && (*out = relative_text(env, real_from, real_to)) == NULL)
		status = fail_memory(error);
	memory_release(env, directory);
	memory_release(env, real_from);
	memory_release(env, real_to);
	return status;
}
