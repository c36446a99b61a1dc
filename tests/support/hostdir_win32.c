/* SPDX-License-Identifier: MIT */
/* hostdir.h on Windows; hostdir.c is its twin. */
#include "support/hostdir.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

void hostdir_start(struct hostdir *d)
{
	static unsigned number;
	char base[MAX_PATH + 1];
	BOOL made;

	cr_assert(GetTempPathA(sizeof(base), base) != 0);
	do {
		cr_assert((size_t)snprintf(d->path, sizeof(d->path), "%svhdx-test-%lu-%u", base, GetCurrentProcessId(),
					   number++) < sizeof(d->path));
		made = CreateDirectoryA(d->path, NULL);
	} while (!made && GetLastError() == ERROR_ALREADY_EXISTS); /* left behind by a test that failed */
	cr_assert(made, "%s", d->path);
}

static void remove_tree(const char *path)
{
	char name[2000];
	WIN32_FIND_DATAA entry;
	HANDLE entries;

	(void)snprintf(name, sizeof(name), "%s/*", path);
	entries = FindFirstFileA(name, &entry);
	cr_assert(entries != INVALID_HANDLE_VALUE, "%s", path);
	do {
		(void)snprintf(name, sizeof(name), "%s/%s", path, entry.cFileName);
		if (strcmp(entry.cFileName, ".") == 0 || strcmp(entry.cFileName, "..") == 0)
			continue;
		if (entry.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
			remove_tree(name);
		else
			cr_expect(DeleteFileA(name), "%s is still open", name);
	} while (FindNextFileA(entries, &entry));
	(void)FindClose(entries);
	cr_expect(RemoveDirectoryA(path), "%s", path);
}

void hostdir_end(struct hostdir *d)
{
	remove_tree(d->path);
}

const char *hostdir_path(const struct hostdir *d, const char *name)
{
	static char paths[256][1000];
	static unsigned next;
	char *path = paths[next++ % 256];

	cr_assert((size_t)snprintf(path, sizeof(paths[0]), "%s/%s", d->path, name) < sizeof(paths[0]));
	return path;
}

void hostdir_put(const struct hostdir *d, const char *name, const struct memfile *m)
{
	HANDLE file = CreateFileA(hostdir_path(d, name), GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	LARGE_INTEGER end = { .QuadPart = (LONGLONG)memfile_size(m) }, position = { .QuadPart = 0 };
	static const char zeros[4096];
	char buffer[4096];
	DWORD done;

	cr_assert(file != INVALID_HANDLE_VALUE && SetFilePointerEx(file, end, NULL, FILE_BEGIN) && SetEndOfFile(file), "%s",
		  name);
	for (; position.QuadPart < end.QuadPart; position.QuadPart += (LONGLONG)sizeof(buffer)) {
		LONGLONG rest = end.QuadPart - position.QuadPart;
		DWORD part = rest < (LONGLONG)sizeof(buffer) ? (DWORD)rest : (DWORD)sizeof(buffer);

		memfile_read(m, (uint64_t)position.QuadPart, buffer, part);
		if (memcmp(buffer, zeros, part) == 0)
			continue;
		cr_assert(SetFilePointerEx(file, position, NULL, FILE_BEGIN) && WriteFile(file, buffer, part, &done, NULL));
	}
	(void)CloseHandle(file);
}

void hostdir_set_time(const struct hostdir *d, const char *name, uint64_t seconds)
{
	const uint64_t since_1601 = (seconds + UINT64_C(11644473600)) * 10000000;
	const FILETIME time = { (DWORD)since_1601, (DWORD)(since_1601 >> 32) };
	HANDLE file = CreateFileA(hostdir_path(d, name), FILE_WRITE_ATTRIBUTES, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);

	cr_assert(file != INVALID_HANDLE_VALUE && SetFileTime(file, NULL, NULL, &time));
	(void)CloseHandle(file);
}

void hostdir_make(const struct hostdir *d, const char *name)
{
	cr_assert(CreateDirectoryA(hostdir_path(d, name), NULL), "%s", name);
}

/* Needs a privilege that a test may not have. */
void hostdir_link(const struct hostdir *d, const char *name, const char *target)
{
	(void)d;
	cr_assert_fail("no link %s -> %s on Windows", name, target);
}
