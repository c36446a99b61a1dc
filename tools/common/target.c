/* SPDX-License-Identifier: MIT */
/* See target.h. */
#include "target.h"

#include <stdlib.h>
#include <string.h>

/* Length of the directory part of a path, with its last separator. */
static size_t directory_length(const char *path)
{
	size_t length = strlen(path);

	while (length > 0 && !strchr(SYS_SEPARATORS, path[length - 1]))
		length--;
	return length;
}

char *target_name_beside(const char *path, const char *ending)
{
	size_t directory = directory_length(path);
	size_t size = directory + strlen(tool_name) + strlen(ending) + 60;
	char *name = tool_allocate(NULL, size);
	struct sys_identity found;
	unsigned attempt = 0;

	do {
		snprintf(name, size, "%.*s.%s-%lu-%u%s", (int)directory, path, tool_name, sys_process_id(), attempt++, ending);
		sys_identify(&found, name, false);
	} while (found.kind != SYS_MISSING && attempt < 1000);
	return name;
}

/* With its point, "" when there is none. */
static const char *ending_of(const char *path)
{
	const char *ending = strrchr(path + directory_length(path), '.');

	return ending != NULL ? ending : "";
}

static int name_replacement(struct target *target)
{
	if (target->before.kind == SYS_LINK)
		return tool_fail("%s: is a symbolic link; --force replaces regular files only", target->path);
	if (target->before.kind != SYS_REGULAR)
		return tool_fail("%s: is not a regular file; --force replaces regular files only", target->path);
	target->made = target_name_beside(target->path, ending_of(target->path));
	target->replaces = true;
	sys_limit_mode(target->before.mode);
	return TOOL_DONE;
}

int target_begin(struct target *target, const char *path, bool force)
{
	*target = (struct target){ .path = path };
	if (force)
		sys_identify(&target->before, path, false);
	if (target->before.kind != SYS_MISSING)
		return name_replacement(target);
	if (force)
		sys_limit_mode(0777);
	target->made = tool_allocate(NULL, strlen(path) + 1);
	strcpy(target->made, path);
	return TOOL_DONE;
}

int target_begin_hidden(struct target *target, const char *path, bool force)
{
	int result = target_begin(target, path, force);

	if (result != TOOL_DONE || target->replaces)
		return result;
	sys_identify(&target->before, path, false);
	if (target->before.kind != SYS_MISSING)
		return target_exists(target);
	free(target->made);
	target->made = target_name_beside(path, ending_of(path));
	target->hidden = true;
	return TOOL_DONE;
}

int target_exists(const struct target *target)
{
	return tool_fail("%s: exists already; --force replaces it", target->path);
}

int target_refuse(const struct target *target, const char *path, const char *role)
{
	struct sys_identity other;

	if (!target->replaces)
		return TOOL_DONE;
	sys_identify(&other, path, true);
	if (!sys_same(&target->before, &other))
		return TOOL_DONE;
	return tool_fail("%s: is %s, and is not overwritten", target->path, role);
}

int target_refuse_chain(const struct target *target, const vhdx_disk *disk, const char *role)
{
	int result = TOOL_DONE;

	for (unsigned level = 0; target->replaces && result == TOOL_DONE && level < vhdx_depth(disk); level++) {
		const struct vhdx_file *file = vhdx_level_file(disk, level);

		if (file != NULL && file->name != NULL)
			result = target_refuse(target, file->name, role);
	}
	return result;
}

int target_refuse_used(const struct target *target)
{
	struct vhdx_file file = { 0 };
	struct vhdx_error error;
	int status = VHDX_OK;

	if (target->replaces)
		status = vhdx_file_open(&file, target->path, VHDX_FILE_WRITE, &error);
	if (target->replaces && status == VHDX_OK)
		vhdx_file_close(&file);
	return status == VHDX_E_LOCKED ? tool_error(&error) : TOOL_DONE;
}

static int commit_hidden(struct target *target)
{
	struct sys_identity found;
	int result;

	if (sys_name(target->made, target->path)) {
		target->present = false;
		return TOOL_DONE;
	}
	sys_identify(&found, target->path, false);
	result = found.kind != SYS_MISSING ? target_exists(target)
					   : tool_fail("%s: cannot be given its name: %s", target->path, sys_problem());
	target_abandon(target);
	return result;
}

int target_commit(struct target *target)
{
	int result;

	if (target->hidden)
		return commit_hidden(target);
	if (!target->replaces)
		return TOOL_DONE;
	sys_set_mode(target->made, target->before.mode);
	if (sys_replace(target->made, target->path)) {
		target->present = false;
		return TOOL_DONE;
	}
	result = tool_fail("%s: cannot be replaced: %s", target->path, sys_problem());
	target_abandon(target);
	return result;
}

void target_abandon(struct target *target)
{
	if (target->present && !sys_remove(target->made))
		tool_warn("%s: cannot be removed again: %s", target->made, sys_problem());
	target->present = false;
}

void target_release(struct target *target)
{
	free(target->made);
	target->made = NULL;
}
