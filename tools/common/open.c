/* SPDX-License-Identifier: MIT */
/*
 * The options that every tool shares for opening an image with its parents, and the opening itself: the library's resolver
 * carries the policy, this file only collects what the user allows and what was tried.
 */
#include <stdlib.h>
#include <string.h>

#include "tool.h"

const char TOOL_OPEN_HELP[] = "  --map FROM=DIR            host directory of a Windows drive or path, as C:\\VMs=/mnt/vms\n"
			      "  --search DIR              also look for parents in DIR, known by their identity\n"
			      "  --parent-root DIR         open no parent outside DIR\n"
			      "  --parent-file FILE        take FILE as the next parent; repeat it for a chain, nearest first\n"
			      "  --no-parents              open this file alone\n"
			      "  --ignore-checksums        read structures whose checksum is wrong\n"
			      "  --ignore-parent-identity  accept a parent whose identity differs\n"
			      "  --no-replay               refuse an image with a pending log\n"
			      "  --share                   take no locks: read what somebody else may be writing\n";

/* One more element at the end of an array of the resolver, whose members are const for the library only. */
static void *grow(const void *array, size_t count, size_t element_size)
{
	return tool_allocate((void *)(uintptr_t)array, (count + 1) * element_size);
}

static int add_map(struct tool_open *open, const char *argument)
{
	struct vhdx_resolver *resolver = &open->resolver;
	const char *equals = strchr(argument, '=');
	struct vhdx_path_map *maps;
	char *from;

	if (equals == NULL || equals == argument || equals[1] == '\0')
		return tool_usage("--map wants FROM=DIR, not '%s'", argument);
	from = grow(NULL, strlen(argument), 1);
	memcpy(from, argument, (size_t)(equals - argument));
	from[equals - argument] = '\0';
	maps = grow(resolver->maps, resolver->map_count, sizeof(*maps));
	maps[resolver->map_count++] = (struct vhdx_path_map){ .from = from, .to = equals + 1 };
	resolver->maps = maps;
	return TOOL_DONE;
}

static int set_format(struct tool_open *open, const char *argument)
{
	static const enum vhdx_format formats[] = { VHDX_FORMAT_VHDX, VHDX_FORMAT_VHD, VHDX_FORMAT_RAW };
	static const char *const names[] = { "vhdx", "vhd", "raw" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(argument, names[i]) == 0) {
			open->format = formats[i];
			return TOOL_DONE;
		}
	}
	return tool_usage("the format of an image is vhdx, vhd or raw, not '%s'", argument);
}

static int add_search(struct tool_open *open, const char *argument)
{
	const char **search = grow(open->resolver.search, open->resolver.search_count, sizeof(*search));

	search[open->resolver.search_count++] = argument;
	open->resolver.search = search;
	return TOOL_DONE;
}

static int add_parent(struct tool_open *open, const char *argument)
{
	open->parents = grow(open->parents, open->parent_count, sizeof(*open->parents));
	open->parents[open->parent_count++] = argument;
	return TOOL_DONE;
}

static int set_flag(struct tool_open *open, unsigned flag)
{
	open->flags |= flag;
	if (flag == VHDX_OPEN_NO_LOCK)
		open->resolver.file_flags |= VHDX_FILE_NO_LOCK;
	return TOOL_DONE;
}

int tool_open_option(struct tool_open *open, int option, const char *argument)
{
	switch (option) {
	case TOOL_OPT_FORMAT: return set_format(open, argument);
	case TOOL_OPT_MAP: return add_map(open, argument);
	case TOOL_OPT_SEARCH: return add_search(open, argument);
	case TOOL_OPT_PARENT_ROOT: open->resolver.root = argument; return TOOL_DONE;
	case TOOL_OPT_PARENT_FILE: return add_parent(open, argument);
	case TOOL_OPT_NO_PARENTS: return set_flag(open, VHDX_OPEN_NO_PARENTS);
	case TOOL_OPT_IGNORE_CHECKSUMS: return set_flag(open, VHDX_OPEN_IGNORE_CHECKSUMS);
	case TOOL_OPT_IGNORE_PARENT_IDENTITY: return set_flag(open, VHDX_OPEN_IGNORE_PARENT_IDENTITY);
	case TOOL_OPT_NO_REPLAY: return set_flag(open, VHDX_OPEN_NO_REPLAY);
	case TOOL_OPT_FORCE_OPEN: return set_flag(open, VHDX_OPEN_NO_LOCK);
	default: return tool_usage("unknown option");
	}
}

void tool_open_release(struct tool_open *open)
{
	for (size_t i = 0; i < open->resolver.map_count; i++)
		free((void *)(uintptr_t)open->resolver.maps[i].from);
	free((void *)(uintptr_t)open->resolver.maps);
	free((void *)(uintptr_t)open->resolver.search);
	free(open->parents);
	free(open->attempts);
	*open = (struct tool_open)TOOL_OPEN_INIT;
}

/* Adds "PATH: accepted" or "PATH: REASON" as a line to `attempts`. */
static void note_attempt(void *context, const struct vhdx_parent_attempt *attempt)
{
	struct tool_open *open = context;
	const char *reason = attempt->status == VHDX_OK ? "accepted" : attempt->reason;
	size_t before = open->attempts == NULL ? 0 : strlen(open->attempts);
	size_t size;
	char *text;

	if (*reason == '\0')
		reason = vhdx_status_name(attempt->status);
	size = strlen(attempt->path) + strlen(reason) + 4;
	text = realloc(open->attempts, before + size);
	if (text == NULL)
		return;
	snprintf(text + before, size, "%s: %s", attempt->path, reason);
	tool_clean(text + before);
	strcat(text + before, "\n");
	open->attempts = text;
}

static int open_parents(struct vhdx_file *files, const struct tool_open *open, struct vhdx_error *error)
{
	unsigned flags = open->flags & VHDX_OPEN_NO_LOCK ? VHDX_FILE_NO_LOCK : 0;
	int status = VHDX_OK;

	for (size_t i = 0; i < open->parent_count && status == VHDX_OK; i++)
		status = vhdx_file_open(&files[i], open->parents[i], flags, error);
	return status;
}

/* Opens `path`, or `file` when there is one. */
static int open_chain(vhdx_disk **out, const char *path, const struct vhdx_file *file, struct tool_open *open,
		      struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file *files = grow(NULL, open->parent_count, sizeof(*files));
	int status;

	memset(files, 0, (open->parent_count + 1) * sizeof(*files));
	free(open->attempts);
	open->attempts = grow(NULL, 0, 1);
	open->attempts[0] = '\0';
	options.flags = open->flags;
	options.format = open->format;
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = &open->resolver;
	options.parents = files;
	options.parent_count = open->parent_count;
	options.on_attempt = note_attempt;
	options.on_attempt_context = open;
	status = open_parents(files, open, error);
	if (status == VHDX_OK)
		status = file != NULL ? vhdx_open_file(out, file, &options, error) : vhdx_open(out, path, &options, error);
	for (size_t i = 0; status != VHDX_OK && i < open->parent_count; i++)
		vhdx_file_close(&files[i]);
	free(files);
	return status;
}

int tool_try_open(vhdx_disk **out, const char *path, struct tool_open *open, struct vhdx_error *error)
{
	return open_chain(out, path, NULL, open, error);
}

int tool_try_open_file(vhdx_disk **out, const struct vhdx_file *file, struct tool_open *open, struct vhdx_error *error)
{
	return open_chain(out, NULL, file, open, error);
}

int tool_open_failed(const struct tool_open *open, const struct vhdx_error *error)
{
	int result = tool_error(error);
	const char *line = open->attempts;

	while (line != NULL && *line) {
		size_t length = strcspn(line, "\n");

		fprintf(stderr, "  %.*s\n", (int)length, line);
		line += length + 1;
	}
	return result;
}

int tool_open_image(vhdx_disk **out, const char *path, struct tool_open *open)
{
	struct vhdx_error error;

	if (tool_try_open(out, path, open, &error) == VHDX_OK)
		return TOOL_DONE;
	return tool_open_failed(open, &error);
}
