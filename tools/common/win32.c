/* SPDX-License-Identifier: MIT */
/*
 * sys.h on Windows; posix.c is its twin.
 *
 * Arguments come as UTF-16 from the system and leave as UTF-8; the console is switched to UTF-8 for the time of the process. An
 * interrupt is noted by the C library's handler thread.
 */
#include "sys.h"

#ifdef _WIN32
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char SYS_SEPARATORS[] = "/\\:";

static volatile sig_atomic_t caught;
static DWORD problem;
static UINT code_page_before;

static wchar_t *to_wide(const char *text)
{
	int length = MultiByteToWideChar(CP_UTF8, 0, text, -1, NULL, 0);
	wchar_t *wide = calloc((size_t)length + 1, sizeof(*wide));

	if (wide == NULL)
		abort();
	MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, length);
	return wide;
}

static char *to_utf8(const wchar_t *wide)
{
	int length = WideCharToMultiByte(CP_UTF8, 0, wide, -1, NULL, 0, NULL, NULL);
	char *text = calloc((size_t)length + 1, 1);

	if (text == NULL)
		abort();
	WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, length, NULL, NULL);
	return text;
}

static void restore_console(void)
{
	SetConsoleOutputCP(code_page_before);
}

void sys_begin(int *argc, char ***argv)
{
	int count = 0;
	wchar_t **wide = CommandLineToArgvW(GetCommandLineW(), &count);
	char **converted = calloc((size_t)count + 1, sizeof(*converted));

	if (wide != NULL && converted != NULL) {
		for (int i = 0; i < count; i++)
			converted[i] = to_utf8(wide[i]);
		*argc = count;
		*argv = converted;
	}
	LocalFree(wide);
	_setmode(0, _O_BINARY);
	_setmode(1, _O_BINARY);
	code_page_before = GetConsoleOutputCP();
	if (code_page_before != 0 && code_page_before != CP_UTF8 && SetConsoleOutputCP(CP_UTF8))
		atexit(restore_console);
}

static void note_signal(int number)
{
	caught = number;
	signal(number, note_signal);
}

void sys_catch_interrupts(void)
{
	signal(SIGINT, note_signal);
	signal(SIGTERM, note_signal);
	signal(SIGBREAK, note_signal);
}

bool sys_interrupted(void)
{
	return caught != 0;
}

void sys_finish_interrupt(void)
{
	if (caught == 0)
		return;
	signal(caught, SIG_DFL);
	raise(caught);
}

static enum sys_kind kind_of(HANDLE handle, const BY_HANDLE_FILE_INFORMATION *info)
{
	if (GetFileType(handle) != FILE_TYPE_DISK)
		return SYS_STREAM;
	if (info->dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT)
		return SYS_LINK;
	return info->dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? SYS_OTHER : SYS_REGULAR;
}

void sys_identify(struct sys_identity *out, const char *path, bool follow_links)
{
	DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | (follow_links ? 0 : FILE_FLAG_OPEN_REPARSE_POINT);
	DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	BY_HANDLE_FILE_INFORMATION info = { 0 };
	wchar_t *wide;
	HANDLE handle;

	memset(out, 0, sizeof(*out));
	if (strncmp(path, "\\\\.\\", 4) == 0) {
		out->kind = strncmp(path + 4, "pipe\\", 5) == 0 ? SYS_STREAM : SYS_BLOCK;
		return;
	}
	wide = to_wide(path);
	handle = CreateFileW(wide, FILE_READ_ATTRIBUTES, share, NULL, OPEN_EXISTING, flags, NULL);
	free(wide);
	if (handle == INVALID_HANDLE_VALUE) {
		problem = GetLastError();
		return;
	}
	GetFileInformationByHandle(handle, &info);
	out->kind = kind_of(handle, &info);
	out->volume = info.dwVolumeSerialNumber;
	out->file = ((uint64_t)info.nFileIndexHigh << 32) | info.nFileIndexLow;
	CloseHandle(handle);
}

bool sys_same(const struct sys_identity *a, const struct sys_identity *b)
{
	return a->kind != SYS_MISSING && b->kind != SYS_MISSING && a->volume == b->volume && a->file == b->file;
}

static bool succeeded(BOOL result)
{
	if (!result)
		problem = GetLastError();
	return result != 0;
}

bool sys_remove(const char *path)
{
	wchar_t *wide = to_wide(path);
	bool done = succeeded(DeleteFileW(wide));

	free(wide);
	return done;
}

bool sys_replace(const char *from, const char *to)
{
	wchar_t *wide_from = to_wide(from);
	wchar_t *wide_to = to_wide(to);
	bool done = succeeded(MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH));

	free(wide_from);
	free(wide_to);
	return done;
}

bool sys_list(const char *directory, void (*visit)(void *context, const char *path), void *context)
{
	size_t size = strlen(directory) + 3;
	char *pattern = malloc(size);
	WIN32_FIND_DATAW found;
	wchar_t *wide;
	HANDLE search;

	if (pattern == NULL)
		abort();
	(void)snprintf(pattern, size, "%s/*", directory);
	wide = to_wide(pattern);
	search = FindFirstFileW(wide, &found);
	problem = GetLastError();
	free(wide);
	free(pattern);
	if (search == INVALID_HANDLE_VALUE)
		return false;
	do {
		char *name = to_utf8(found.cFileName), *path;

		size = strlen(directory) + strlen(name) + 2;
		path = malloc(size);
		if (path == NULL)
			abort();
		(void)snprintf(path, size, "%s/%s", directory, name);
		visit(context, path);
		free(path);
		free(name);
	} while (FindNextFileW(search, &found));
	FindClose(search);
	return true;
}

void sys_limit_mode(unsigned mode)
{
	(void)mode;
}

void sys_set_mode(const char *path, unsigned mode)
{
	(void)path;
	(void)mode;
}

const char *sys_problem(void)
{
	static char text[400];
	wchar_t wide[200] = L"";
	DWORD flags = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;

	FormatMessageW(flags, NULL, problem, 0, wide, 199, NULL);
	if (WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int)sizeof(text), NULL, NULL) <= 1)
		snprintf(text, sizeof(text), "Windows error %lu", (unsigned long)problem);
	return text;
}

unsigned long sys_process_id(void)
{
	return GetCurrentProcessId();
}

bool sys_is_terminal(int descriptor)
{
	return _isatty(descriptor) != 0;
}

int sys_open_stream(const char *path)
{
	wchar_t *wide;
	int descriptor;

	if (strcmp(path, "-") == 0)
		return 0;
	wide = to_wide(path);
	descriptor = _wopen(wide, _O_RDONLY | _O_BINARY | _O_SEQUENTIAL);
	problem = GetLastError();
	free(wide);
	return descriptor;
}

int64_t sys_read_stream(int descriptor, void *buffer, size_t length)
{
	int got;

	if (caught != 0)
		return SYS_READ_INTERRUPTED;
	got = _read(descriptor, buffer, length > 1u << 20 ? 1u << 20 : (unsigned)length);
	if (caught != 0)
		return SYS_READ_INTERRUPTED;
	if (got < 0)
		problem = GetLastError();
	return got;
}

void sys_close_stream(int descriptor)
{
	if (descriptor > 0)
		_close(descriptor);
}
#endif
