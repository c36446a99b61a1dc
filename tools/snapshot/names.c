/* SPDX-License-Identifier: MIT */
#include "names.h"

#include <string.h>

#include "sys.h"
#include "tool.h"

enum { GUID_LENGTH = VHDX_GUID_TEXT_SIZE - 1 };

static size_t directory_length(const char *path)
{
	size_t length = strlen(path);

	while (length > 0 && !strchr(SYS_SEPARATORS, path[length - 1]))
		length--;
	return length;
}

/* Without its ending and the GUID of an earlier checkpoint. */
static size_t stem_length(const char *path)
{
	size_t directory = directory_length(path);
	const char *point = strrchr(path + directory, '.');
	size_t length = point == NULL || point == path + directory ? strlen(path) : (size_t)(point - path);
	char last[VHDX_GUID_TEXT_SIZE];
	struct vhdx_guid guid;

	if (length < directory + GUID_LENGTH + 2 || path[length - GUID_LENGTH - 1] != '_')
		return length;
	memcpy(last, path + length - GUID_LENGTH, GUID_LENGTH);
	last[GUID_LENGTH] = '\0';
	return vhdx_guid_parse(&guid, last) == VHDX_OK ? length - GUID_LENGTH - 1 : length;
}

static char *named(const char *disk, const char *ending, const struct vhdx_guid *guid)
{
	size_t stem = stem_length(disk), size = stem + VHDX_GUID_TEXT_SIZE + strlen(ending) + 2;
	char *name = tool_allocate(NULL, size), text[VHDX_GUID_TEXT_SIZE];

	vhdx_guid_format(guid, text);
	for (char *c = text; *c != '\0'; c++)
		*c = *c >= 'a' && *c <= 'f' ? (char)(*c - 'a' + 'A') : *c;
	(void)snprintf(name, size, "%.*s_%s%s", (int)stem, disk, text, ending);
	return name;
}

char *names_leaf(const char *disk, enum vhdx_format format, const struct vhdx_guid *guid)
{
	return named(disk, format == VHDX_FORMAT_VHD ? ".avhd" : ".avhdx", guid);
}

char *names_kept(const char *disk, const struct vhdx_guid *guid)
{
	const char *name = disk + directory_length(disk), *point = strrchr(name, '.');

	return named(disk, point == NULL || point == name ? "" : point, guid);
}

char *names_beside(const char *disk, const char *name)
{
	size_t directory = directory_length(disk), size = directory + strlen(name) + 1;
	char *path = tool_allocate(NULL, size);

	(void)snprintf(path, size, "%.*s%s", (int)directory, disk, name);
	return path;
}
