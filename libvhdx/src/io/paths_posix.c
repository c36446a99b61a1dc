/* SPDX-License-Identifier: MIT */
/*
 * Paths of a POSIX system: following Windows paths part by part, listing directories, relative paths between files. Layer: io. No path from an image is
 * opened here; the functions only name candidates.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "io/host.h"

bool host_has_drives(void)
{
	return false;
}

int host_volume_path(const struct vhdx_env *env, char **out, const char *path, struct vhdx_error *error)
{
	(void)env;
	(void)path;
	(void)error;
	*out = NULL;
	return VHDX_OK;
}

char *host_directory(const struct vhdx_env *env, const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t length = slash == NULL ? 1 : slash == path ? 1 : (size_t)(slash - path);
	char *directory = memory_allocate(env, length + 1);

	if (directory != NULL) {
		memcpy(directory, slash == NULL ? "." : path, length);
		directory[length] = '\0';
	}
	return directory;
}

/* directory/name; `name` need not end. */
static char *join(const struct vhdx_env *env, const char *directory, const char *name, size_t name_length)
{
	size_t length = strlen(directory);
	char *path;

	if (strcmp(directory, ".") == 0)
		length = 0;
	path = memory_allocate(env, length + name_length + 2);
	if (path == NULL)
		return NULL;
	memcpy(path, directory, length);
	if (length != 0 && path[length - 1] != '/')
		path[length++] = '/';
	memcpy(path + length, name, name_length);
	path[length + name_length] = '\0';
	return path;
}

/* An entry of `directory` that equals `name` but for case; NULL when there is none or more than one. */
static char *find_without_case(const struct vhdx_env *env, const char *directory, const char *name, size_t length)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	char *found = NULL;
	unsigned count = 0;

	if (entries == NULL)
		return NULL;
	while ((entry = readdir(entries)) != NULL)
		if (strlen(entry->d_name) == length && strncasecmp(entry->d_name, name, length) == 0 && count++ == 0)
			found = join(env, directory, entry->d_name, length);
	(void)closedir(entries);
	if (count > 1) {
		memory_release(env, found);
		found = NULL;
	}
	return found;
}

static char *follow_part(const struct vhdx_env *env, const char *directory, const char *part, size_t length)
{
	char *exact = join(env, directory, part, length);
	struct stat st;
	char *other;

	if (exact == NULL || lstat(exact, &st) == 0 || errno != ENOENT)
		return exact;
	other = find_without_case(env, directory, part, length);
	if (other == NULL)
		return exact;
	memory_release(env, exact);
	return other;
}

int host_follow(const struct vhdx_env *env, char **out, const char *directory, const char *relative, struct vhdx_error *error)
{
	char *path = memory_copy_text(env, directory);

	while (path != NULL && *relative != '\0') {
		size_t length = strcspn(relative, "\\/");

		if (length != 0 && !(length == 1 && relative[0] == '.')) {
			char *next = follow_part(env, path, relative, length);

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

int host_list(const struct vhdx_env *env, const char *directory, int (*visit)(void *context, const char *path), void *context,
	      struct vhdx_error *error)
{
	DIR *entries = opendir(directory);
	const struct dirent *entry;
	char **paths = NULL;
	size_t count = 0;
	int status = VHDX_OK;

	if (entries == NULL)
		return fail_os(error, errno, "list directory");
	while (status == VHDX_OK && (entry = readdir(entries)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (!memory_grow(env, (void **)&paths, count, sizeof(*paths)) ||
		    (paths[count] = join(env, directory, entry->d_name, strlen(entry->d_name))) == NULL)
			status = fail_memory(error);
		else
			count++;
	}
	(void)closedir(entries);
	if (count != 0)
		qsort(paths, count, sizeof(*paths), by_name);
	for (size_t i = 0; i < count; i++) {
		if (status == VHDX_OK)
			status = visit(context, paths[i]);
		memory_release(env, paths[i]);
	}
	memory_release(env, paths);
	return status;
}

int host_real_path(const struct vhdx_env *env, char **out, const char *path, struct vhdx_error *error)
{
	char *real = realpath(path, NULL);

	if (real == NULL)
		return fail_os(error, errno, "find");
	*out = memory_copy_text(env, real);
	free(real);
	return *out != NULL ? VHDX_OK : fail_memory(error);
}

/* Writes "..\" for each directory of `from` beyond the common part, then the rest of `to`. Both are real paths. */
static char *relative_text(const struct vhdx_env *env, const char *from_directory, const char *to)
{
	size_t common = 0, ups = 0, at = 0;
	char *text;

	for (size_t i = 0; from_directory[i] == to[i] || (from_directory[i] == '\0' && to[i] == '/'); i++) {
		if (to[i] == '/' && (from_directory[i] == '/' || from_directory[i] == '\0'))
			common = i;
		if (from_directory[i] == '\0' || to[i] == '\0')
			break;
	}
	for (size_t i = common; from_directory[i] != '\0'; i++)
		if (from_directory[i] == '/' && from_directory[i + 1] != '\0')
			ups++;
	text = memory_allocate(env, ups * 3 + strlen(to) + 3);
	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < ups; i++, at += 3)
		memcpy(text + at, "..\\", 3);
	if (ups == 0) {
		memcpy(text, ".\\", 2);
		at = 2;
	}
	for (to += common + 1; *to != '\0'; to++)
		text[at++] = *to == '/' ? '\\' : *to;
	text[at] = '\0';
	return text;
}

int host_relative_path(const struct vhdx_env *env, char **out, const char *from, const char *to, struct vhdx_error *error)
{
	char *directory = host_directory(env, from), *real_from = NULL, *real_to = NULL;
	int status = directory == NULL ? fail_memory(error) : host_real_path(env, &real_from, directory, error);

	if (status == VHDX_OK)
		status = host_real_path(env, &real_to, to, error);
	if (status == VHDX_OK && strchr(real_to, '\\') != NULL)
		status = fail(error, VHDX_E_NOT_FOUND, "a path with a backslash in it has no Windows form");
	if (status == VHDX_OK && (*out = relative_text(env, real_from, real_to)) == NULL)
		status = fail_memory(error);
	memory_release(env, directory);
	memory_release(env, real_from);
	memory_release(env, real_to);
	return status;
}
