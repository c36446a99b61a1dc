/* SPDX-License-Identifier: MIT */
/*
 * What a file costs its host: see occupancy.h. One stat on POSIX systems; on Linux one more call for a file with holes, because
 * the NTFS drivers tell its attributes as an extended attribute.
 */
#include "occupancy.h"

#include <string.h>

enum { NTFS_SPARSE = 0x200, NTFS_COMPRESSED = 0x800, NTFS_ENCRYPTED = 0x4000 };

static void set_attributes(struct occupancy *out, uint32_t attributes)
{
	out->attributes_known = true;
	out->sparse = attributes & NTFS_SPARSE;
	out->compressed = attributes & NTFS_COMPRESSED;
	out->encrypted = attributes & NTFS_ENCRYPTED;
}

#ifdef _WIN32
#include <windows.h>

#include <stdlib.h>

void occupancy_of(struct occupancy *out, const char *path)
{
	int length = MultiByteToWideChar(CP_UTF8, 0, path, -1, NULL, 0);
	wchar_t *wide = calloc((size_t)length + 1, sizeof(*wide));
	WIN32_FILE_ATTRIBUTE_DATA data;
	DWORD high = 0, low;

	memset(out, 0, sizeof(*out));
	if (wide && MultiByteToWideChar(CP_UTF8, 0, path, -1, wide, length) > 0 &&
	    GetFileAttributesExW(wide, GetFileExInfoStandard, &data) && !(data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)) {
		out->known = true;
		out->size = (uint64_t)data.nFileSizeHigh << 32 | data.nFileSizeLow;
		low = GetCompressedFileSizeW(wide, &high);
		out->allocated = low == INVALID_FILE_SIZE && GetLastError() ? out->size : (uint64_t)high << 32 | low;
		set_attributes(out, data.dwFileAttributes);
	}
	free(wide);
}
#else
#include <sys/stat.h>
#ifdef __linux__
#include <sys/xattr.h>
#endif

static void read_attributes(struct occupancy *out, const char *path)
{
#ifdef __linux__
	uint32_t attributes;

	if (getxattr(path, "system.ntfs_attrib", &attributes, sizeof(attributes)) == (ssize_t)sizeof(attributes))
		set_attributes(out, attributes);
#else
	(void)out;
	(void)path;
	(void)set_attributes;
#endif
}

void occupancy_of(struct occupancy *out, const char *path)
{
	struct stat status;

	memset(out, 0, sizeof(*out));
	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return;
	out->known = true;
	out->size = (uint64_t)status.st_size;
	out->allocated = (uint64_t)status.st_blocks * 512;
	if (out->allocated < out->size)
		read_attributes(out, path);
}
#endif
