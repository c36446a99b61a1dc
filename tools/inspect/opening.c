/* SPDX-License-Identifier: MIT */
/*
 * Opening the image. A chain that is broken is told on stderr, and then the first file is opened alone, so that the questions
 * that need no parent are still answered; what was tried is gathered once more, as data, for --chain.
 */
#include <stdlib.h>
#include <string.h>

#include "inspect.h"

static char *copy(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(tool_allocate(NULL, size), text, size);
}

static void keep_attempt(void *context, const struct vhdx_parent_attempt *attempt)
{
	struct inspect *inspect = context;

	inspect->attempts = tool_allocate(inspect->attempts, (inspect->attempt_count + 1) * sizeof(*inspect->attempts));
	inspect->attempts[inspect->attempt_count++] = (struct attempt){
		.child_level = attempt->child_level,
		.status = attempt->status,
		.path = copy(attempt->path),
		.reason = copy(attempt->reason),
	};
}

/* Opens the explicit parents; a NULL in place of the array when one cannot be opened or there is none. */
static struct vhdx_file *open_parents(const struct tool_open *open)
{
	struct vhdx_file *files = NULL;
	unsigned flags = open->flags & VHDX_OPEN_NO_LOCK ? VHDX_FILE_NO_LOCK : 0;

	if (open->parent_count == 0)
		return NULL;
	files = tool_allocate(NULL, open->parent_count * sizeof(*files));
	memset(files, 0, open->parent_count * sizeof(*files));
	for (size_t i = 0; i < open->parent_count; i++)
		if (vhdx_file_open(&files[i], open->parents[i], flags, NULL) != VHDX_OK)
			break;
	return files;
}

/* Goes through the chain again and keeps what is tried. */
static void collect_attempts(struct inspect *inspect)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct tool_open *open = &inspect->open;
	vhdx_disk *disk = NULL;

	options.flags = open->flags;
	options.format = open->format;
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = &open->resolver;
	options.parents = open_parents(open);
	options.parent_count = open->parent_count;
	options.on_attempt = keep_attempt;
	options.on_attempt_context = inspect;
	if (vhdx_open(&disk, inspect->path, &options, NULL) != VHDX_OK)
		for (size_t i = 0; i < open->parent_count; i++)
			vhdx_file_close(&options.parents[i]);
	free(options.parents);
	vhdx_close(disk);
}

static bool open_alone(struct inspect *inspect)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;

	options.flags = inspect->open.flags | VHDX_OPEN_NO_PARENTS;
	options.format = inspect->open.format;
	if (vhdx_open(&inspect->disk, inspect->path, &options, NULL) != VHDX_OK)
		return false;
	inspect->alone = vhdx_get_info(inspect->disk, 0, &info, NULL) == VHDX_OK && info.type == VHDX_TYPE_DIFFERENCING;
	if (!inspect->alone) {
		vhdx_close(inspect->disk);
		inspect->disk = NULL;
	}
	return inspect->alone;
}

void inspect_open(struct inspect *inspect)
{
	struct vhdx_error error;

	if (tool_try_open(&inspect->disk, inspect->path, &inspect->open, &error) == VHDX_OK)
		return;
	inspect->disk = NULL;
	inspect_raise(inspect, tool_open_failed(&inspect->open, &error));
	if (open_alone(inspect))
		collect_attempts(inspect);
	if (error.status == VHDX_E_DAMAGED && !(inspect->questions & ASK_FIELDS))
		tool_warn("try %s --all %s", tool_name, error.level && error.file[0] ? error.file : inspect->path);
}
