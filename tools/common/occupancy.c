/* SPDX-License-Identifier: MIT */
/*
 * What a file costs its host: see occupancy.h. One stat on POSIX systems, which do not ask for the attributes of NTFS: each
 * driver tells them in its own way, and the overview has no system call to spare for that.
 */
#include "occupancy.h"

#include <string.h>

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
		out->attributes_known = true;
		out->sparse = data.dwFileAttributes & FILE_ATTRIBUTE_SPARSE_FILE;
		out->compressed = data.dwFileAttributes & FILE_ATTRIBUTE_COMPRESSED;
		out->encrypted = data.dwFileAttributes & FILE_ATTRIBUTE_ENCRYPTED;
	}
	free(wide);
}
#else
#include <sys/stat.h>

void occupancy_of(struct occupancy *out, const char *path)
{
	struct stat status;

	memset(out, 0, sizeof(*out));
	if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
		return;
	out->known = true;
	out->size = (uint64_t)status.st_size;
	out->allocated = (uint64_t)status.st_blocks * 512;
}
#endif
