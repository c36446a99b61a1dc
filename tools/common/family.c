/* SPDX-License-Identifier: MIT */
#include "family.h"

#include <stdlib.h>
#include <string.h>

#include "tool.h"

struct search {
	struct family *family;
	const vhdx_disk *chain;
	unsigned levels;
};

static bool is_known(const struct search *s, const struct sys_identity *file)
{
	for (size_t i = 0; i < s->family->count; i++)
		if (sys_same(&s->family->children[i].file, file))
			return true;
	for (unsigned level = 0; level < vhdx_depth(s->chain); level++) {
		struct sys_identity own;

		sys_identify(&own, vhdx_level_file(s->chain, level)->name, true);
		if (sys_same(&own, file))
			return true;
	}
	return false;
}

/* The first level whose identity it names; `levels` when there is none. */
static unsigned level_named(const struct search *s, vhdx_disk *disk)
{
	struct vhdx_info child = VHDX_INFO_INIT;
	unsigned level = 0;

	if (vhdx_get_info(disk, 0, &child, NULL) != VHDX_OK || child.type != VHDX_TYPE_DIFFERENCING)
		return s->levels;
	for (; level < s->levels; level++) {
		struct vhdx_info info = VHDX_INFO_INIT;

		if (vhdx_get_info(s->chain, level, &info, NULL) == VHDX_OK && info.format == child.format &&
		    memcmp(&info.data_identity, &child.parent_identity, sizeof(info.data_identity)) == 0)
			break;
	}
	return level;
}

static void look_at(void *context, const char *path)
{
	struct search *s = context;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct family_child child = { .level = s->levels };
	vhdx_disk *disk;

	sys_identify(&child.file, path, true);
	if (child.file.kind != SYS_REGULAR || is_known(s, &child.file))
		return;
	options.flags = VHDX_OPEN_NO_PARENTS | VHDX_OPEN_NO_LOCK;
	if (vhdx_open(&disk, path, &options, NULL) != VHDX_OK)
		return;
	child.level = level_named(s, disk);
	vhdx_close(disk);
	if (child.level == s->levels)
		return;
	child.path = tool_allocate(NULL, strlen(path) + 1);
	strcpy(child.path, path);
	s->family->children = tool_allocate(s->family->children, (s->family->count + 1) * sizeof(child));
	s->family->children[s->family->count++] = child;
}

static void look_at_image(void *context, const char *path)
{
	if (tool_is_image_name(path))
		look_at(context, path);
}

static char *directory_of(const char *path)
{
	char *directory = tool_allocate(NULL, strlen(path) + 2);
	size_t end = strlen(path);

	strcpy(directory, path);
	while (end != 0 && strchr(SYS_SEPARATORS, directory[end - 1]) == NULL)
		end--;
	strcpy(directory + end, ".");
	return directory;
}

/* Whether a file above `level` lies there too. */
static bool is_seen(const vhdx_disk *chain, unsigned level, const char *directory)
{
	bool found = false;

	while (level-- > 0 && !found) {
		char *other = directory_of(vhdx_level_file(chain, level)->name);

		found = strcmp(other, directory) == 0;
		free(other);
	}
	return found;
}

void family_find(struct family *family, const vhdx_disk *chain, unsigned levels, const char *path, const char *const *more,
		 size_t more_count)
{
	struct search s = { family, chain, levels };
	char *directory = directory_of(path);

	*family = (struct family){ NULL, 0 };
	for (size_t i = 0; i < more_count; i++)
		look_at(&s, more[i]);
	(void)sys_list(directory, look_at_image, &s);
	for (unsigned level = 0; level < levels; level++) {
		char *other = directory_of(vhdx_level_file(chain, level)->name);

		if (strcmp(other, directory) != 0 && !is_seen(chain, level, other))
			(void)sys_list(other, look_at_image, &s);
		free(other);
	}
	free(directory);
}

void family_release(struct family *family)
{
	for (size_t i = 0; i < family->count; i++)
		free(family->children[i].path);
	free(family->children);
}
