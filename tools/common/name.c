/* SPDX-License-Identifier: MIT */
/* See name.h. */
#include "name.h"

#include <stdio.h>
#include <string.h>

bool name_has_extension(const char *path, const char *extension)
{
	size_t length = strlen(path);
	size_t wanted = strlen(extension);

	if (length <= wanted)
		return false;
	for (size_t i = 0; i < wanted; i++) {
		char c = path[length - wanted + i];

		if ((c >= 'A' && c <= 'Z' ? c + 0x20 : c) != extension[i])
			return false;
	}
	return true;
}

enum vhdx_format name_format(const char *path)
{
	if (name_has_extension(path, ".vhdx") || name_has_extension(path, ".avhdx"))
		return VHDX_FORMAT_VHDX;
	if (name_has_extension(path, ".vhd") || name_has_extension(path, ".avhd"))
		return VHDX_FORMAT_VHD;
	return VHDX_FORMAT_ANY;
}

enum vhdx_format name_format_packed(const char *path)
{
	if (name_has_extension(path, ".vhdx.gz") || name_has_extension(path, ".avhdx.gz"))
		return VHDX_FORMAT_VHDX;
	if (name_has_extension(path, ".vhd.gz") || name_has_extension(path, ".avhd.gz"))
		return VHDX_FORMAT_VHD;
	return VHDX_FORMAT_ANY;
}

bool name_is_raw(const char *path, const char *packing)
{
	static const char *const endings[] = { ".raw", ".img", ".bin", ".dd", ".iso" };
	char ending[16];

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(ending, sizeof(ending), "%s%s", endings[i], packing);
		if (name_has_extension(path, ending))
			return true;
	}
	return false;
}
