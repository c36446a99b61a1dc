/* SPDX-License-Identifier: MIT */
/*
 * The ready-made resolver of parent paths and its policy: design section 7, decisions D-05 and D-46. Layer: engine.
 *
 *   relative, name     below or beside the child's directory; never with a drive, a server or a root in it
 *   absolute, volume   only through a map of the user; on systems with drives also X:\... and \\?\Volume{guid}\...
 *   URL                its path, as an absolute one
 *   search directory   every image file in it, known by identity
 *
 * Nothing here judges whether a candidate is the parent; it only decides what may be opened.
 */
#include <string.h>

#include "base/error.h"
#include "engine/chain.h"
#include "io/host.h"

struct context {
	const struct vhdx_resolver *resolver;
	const struct vhdx_env *env;
	struct vhdx_parent_request *request;
	struct vhdx_error *error;
};

static bool is_separator(char c)
{
	return c == '\\' || c == '/';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_same_character(char a, char b)
{
	return lower(a) == lower(b) || (is_separator(a) && is_separator(b));
}

/* Skips the \\?\ or \\.\ in front of a path, unless it is \\?\UNC\ or \\?\Volume{...}. */
static const char *strip_prefix(const char *path)
{
	if (strlen(path) >= 6 && is_separator(path[0]) && is_separator(path[1]) && path[2] == '?' && is_separator(path[3]) &&
	    path[5] == ':')
		return path + 4;
	return path;
}

/* Opens and offers one host path: 1 accepted, 0 go on, negative stop. */
static int try_path(struct context *c, const char *path, bool quiet)
{
	struct parent_search *s = c->request->internal;
	struct vhdx_file file;
	int status = host_open_below(&file, path, c->resolver->root, c->resolver->file_flags, c->error);

	s->quiet = quiet;
	if (status == VHDX_OK)
		return parent_offer(c->request, &file, c->error);
	if (status == VHDX_E_NO_MEMORY)
		return status;
	if (!quiet)
		parent_note(c->request, path, status, c->error->message);
	return 0;
}

static int try_below(struct context *c, const char *directory, const char *relative)
{
	char *path = NULL;
	int status = host_follow(c->env, &path, directory, relative, c->error);

	if (status == VHDX_OK)
		status = try_path(c, path, false);
	memory_release(c->env, path);
	return status;
}

static int refuse(struct context *c, const char *path, const char *reason)
{
	parent_note(c->request, path, VHDX_E_DENIED, reason);
	return 0;
}

static int try_relative(struct context *c, const char *stored, const char *relative)
{
	char *directory;
	int status;

	if (relative[0] == '\0' || is_separator(relative[0]) || relative[1] == ':')
		return refuse(c, stored, "a path that is not relative stands where a relative one belongs");
	if (c->request->child == NULL)
		return refuse(c, stored, "the child has no file name that it could be relative to");
	directory = host_directory(c->env, c->request->child);
	if (directory == NULL)
		return fail_memory(c->error);
	status = try_below(c, directory, relative);
	memory_release(c->env, directory);
	return status;
}

static bool has_parent_part(const char *path)
{
	for (const char *p = path; *p != '\0'; p += strspn(p, "\\/")) {
		size_t length = strcspn(p, "\\/");

		if (length == 2 && p[0] == '.' && p[1] == '.')
			return true;
		p += length;
	}
	return false;
}

/* Length of `from` when it begins `path` and ends at the end of a part; 0 when not. */
static size_t map_length(const char *from, const char *path)
{
	size_t length = strlen(from);

	while (length != 0 && is_separator(from[length - 1]))
		length--;
	for (size_t i = 0; i < length; i++)
		if (!is_same_character(from[i], path[i]))
			return 0;
	return path[length] == '\0' || is_separator(path[length]) ? length : 0;
}

/* \\?\Volume{guid}\... : a volume of this machine. */
static bool is_on_volume(const char *path)
{
	static const char prefix[] = "\\\\?\\volume{";
	size_t at = 0;

	while (prefix[at] != '\0') {
		if (!is_same_character(prefix[at], path[at]))
			return false;
		at++;
	}
	at += strspn(path + at, "0123456789abcdefABCDEF-");
	return path[at] == '}' && is_separator(path[at + 1]) && path[at + 2] != '\0';
}

static int try_absolute(struct context *c, const char *stored)
{
	const char *path = strip_prefix(stored);

	if (has_parent_part(path))
		return refuse(c, stored, "an absolute path with '..' in it");
	for (size_t i = 0; i < c->resolver->map_count; i++) {
		const struct vhdx_path_map *map = &c->resolver->maps[i];
		size_t length = map_length(strip_prefix(map->from), path);

		if (length != 0)
			return try_below(c, map->to, path + length);
	}
	if (host_has_drives() && ((path[0] != '\0' && path[1] == ':' && is_separator(path[2])) || is_on_volume(path)))
		return try_path(c, path, false);
	if (is_separator(path[0]) && is_separator(path[1]) && path[2] != '?')
		return refuse(c, stored, "a network or device path is never opened");
	return refuse(c, stored, "an absolute path is opened only through a map (--map)");
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10 : -1;
}

/* file://host/path with %XX, as MacX locators have it. */
static int try_url(struct context *c, const char *stored)
{
	const char *p = strncmp(stored, "file://", 7) == 0 ? strchr(stored + 7, '/') : NULL;
	char *path, *out;
	int status;

	if (p == NULL)
		return refuse(c, stored, "not a file:// address");
	path = out = memory_allocate(c->env, strlen(p) + 1);
	if (path == NULL)
		return fail_memory(c->error);
	for (; *p != '\0'; p++) {
		int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;

		*out++ = low >= 0 ? (char)(high * 16 + low) : *p;
		p += low >= 0 ? 2 : 0;
	}
	*out = '\0';
	status = try_absolute(c, path);
	memory_release(c->env, path);
	return status;
}

/* VHD names may hold a whole path of another machine; only the last part is looked for, beside the child. */
static int try_name(struct context *c, const char *stored)
{
	const char *name = stored;

	for (const char *p = stored; *p != '\0'; p++)
		if (is_separator(*p))
			name = p + 1;
	return try_relative(c, stored, name);
}

static bool has_image_extension(const char *path)
{
	static const char *const extensions[] = { ".vhdx", ".avhdx", ".vhd", ".avhd" };
	size_t length = strlen(path);

	for (unsigned i = 0; i < 4; i++) {
		size_t n = strlen(extensions[i]), at = 0;

		while (length > n && at < n && lower(path[length - n + at]) == extensions[i][at])
			at++;
		if (at == n)
			return true;
	}
	return false;
}

static int visit(void *context, const char *path)
{
	return has_image_extension(path) ? try_path(context, path, true) : 0;
}

static int search(struct context *c, const char *directory)
{
	char reason[200];
	int status = host_list(c->env, directory, visit, c, c->error);

	if (status == 0)
		parent_note(c->request, directory, VHDX_E_NOT_FOUND, "no image in this directory has the identity of the parent");
	if (status < 0 && status != VHDX_E_NO_MEMORY) {
		format_text(reason, sizeof(reason), "%s", c->error->message);
		parent_note(c->request, directory, status, reason);
		status = 0;
	}
	return status;
}

int resolver_open_parent(const struct vhdx_resolver *resolver, const struct vhdx_env *env, struct vhdx_parent_request *request,
			 struct vhdx_error *error)
{
	struct context c = { resolver, env, request, error };
	int status = 0;

	for (size_t i = 0; status == 0 && i < request->path_count; i++) {
		const char *text = request->paths[i].text;

		switch (request->paths[i].kind) {
		case VHDX_PATH_RELATIVE: status = try_relative(&c, text, text); break;
		case VHDX_PATH_NAME: status = try_name(&c, text); break;
		case VHDX_PATH_VOLUME:
		case VHDX_PATH_ABSOLUTE: status = try_absolute(&c, text); break;
		case VHDX_PATH_URL: status = try_url(&c, text); break;
		}
	}
	for (size_t i = 0; status == 0 && i < resolver->search_count; i++)
		status = search(&c, resolver->search[i]);
	return status < 0 ? status : VHDX_OK;
}
