/* SPDX-License-Identifier: MIT */
/*
 * sys.h on Windows; posix.c is its twin.
 *
 * Arguments come as UTF-16 from the system and leave as UTF-8; the console is switched to UTF-8 for the time of the process. Paths
 * go to the system in the form \\?\C:\..., which has no limit of 260 characters.
 *
 * The system tells Ctrl-C, Ctrl-Break and the closing of the console to a thread of its own making. It notes them, and wakes the
 * main thread when that waits for input.
 */
#include "sys.h"

#ifdef _WIN32
#include <windows.h>

#include <fcntl.h>
#include <io.h>
#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

const char SYS_SEPARATORS[] = "/\\:";

static volatile LONG caught;  /* the event and 1; 0: none */
static volatile LONG reading; /* the main thread reads a stream */
static HANDLE main_thread;
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

static bool starts_with(const wchar_t *text, const wchar_t *start)
{
	return wcsncmp(text, start, wcslen(start)) == 0;
}

/* Behind the first `skip` characters of `path`, with `front` before them. */
static wchar_t *with_front(const wchar_t *front, const wchar_t *path, size_t skip)
{
	wchar_t *text = calloc(wcslen(front) + wcslen(path) + 1, sizeof(*text));

	if (text == NULL)
		abort();
	return wcscat(wcscpy(text, front), path + skip);
}

/* The absolute form: \\?\C:\..., \\?\UNC\server\..., and \\.\NAME of devices. */
static wchar_t *system_path(const char *path)
{
	wchar_t *wide = to_wide(path), *full, *result;
	DWORD size = starts_with(wide, L"\\\\?\\") ? 0 : GetFullPathNameW(wide, 0, NULL, NULL);

	if (size == 0)
		return wide;
	full = calloc(size, sizeof(*full));
	if (full == NULL)
		abort();
	if (GetFullPathNameW(wide, size, full, NULL) >= size)
		full[0] = L'\0'; /* the current directory became longer in between */
	free(wide);
	if (starts_with(full, L"\\\\.\\") || starts_with(full, L"\\\\?\\"))
		return full;
	result = starts_with(full, L"\\\\") ? with_front(L"\\\\?\\UNC\\", full, 2) : with_front(L"\\\\?\\", full, 0);
	free(full);
	return result;
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
	_setmode(2, _O_BINARY);
	code_page_before = GetConsoleOutputCP();
	if (code_page_before != 0 && code_page_before != CP_UTF8 && SetConsoleOutputCP(CP_UTF8))
		atexit(restore_console);
}

/* A process whose console is closed, or whose user leaves, ends when this returns; it has some seconds to clean up. */
static BOOL WINAPI note_event(DWORD event)
{
	InterlockedExchange(&caught, (LONG)event + 1);
	while (InterlockedCompareExchange(&reading, 0, 0) != 0) {
		CancelSynchronousIo(main_thread);
		Sleep(20);
	}
	if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT)
		Sleep(INFINITE);
	return TRUE;
}

void sys_catch_interrupts(void)
{
	DuplicateHandle(GetCurrentProcess(), GetCurrentThread(), GetCurrentProcess(), &main_thread, 0, FALSE,
			DUPLICATE_SAME_ACCESS);
	SetConsoleCtrlHandler(note_event, TRUE);
}

bool sys_interrupted(void)
{
	return caught != 0;
}

/* The exit status by which the system and its shells know an interrupted program. */
void sys_finish_interrupt(void)
{
	if (caught != 0)
		ExitProcess(0xC000013A); /* STATUS_CONTROL_C_EXIT */
}

/* Files that only live elsewhere (in the cloud, deduplicated) are marked like links, but are none. */
static bool is_link(HANDLE handle)
{
	FILE_ATTRIBUTE_TAG_INFO tag;

	return GetFileInformationByHandleEx(handle, FileAttributeTagInfo, &tag, sizeof(tag)) &&
	       (tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) && IsReparseTagNameSurrogate(tag.ReparseTag);
}

static enum sys_kind kind_of(HANDLE handle, struct sys_identity *out)
{
	BY_HANDLE_FILE_INFORMATION info;

	if (GetFileType(handle) != FILE_TYPE_DISK)
		return SYS_STREAM;
	if (!GetFileInformationByHandle(handle, &info))
		return SYS_BLOCK;
	out->volume = info.dwVolumeSerialNumber;
	out->file = ((uint64_t)info.nFileIndexHigh << 32) | info.nFileIndexLow;
	if (is_link(handle))
		return SYS_LINK;
	return info.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY ? SYS_OTHER : SYS_REGULAR;
}

/* Opening a pipe would take the place of its reader, and a drive may only be opened by administrators. */
static enum sys_kind kind_of_name(const wchar_t *wide)
{
	if (!starts_with(wide, L"\\\\.\\"))
		return SYS_MISSING;
	return _wcsnicmp(wide + 4, L"pipe\\", 5) == 0 ? SYS_STREAM : SYS_BLOCK;
}

void sys_identify(struct sys_identity *out, const char *path, bool follow_links)
{
	DWORD flags = FILE_FLAG_BACKUP_SEMANTICS | (follow_links ? 0 : FILE_FLAG_OPEN_REPARSE_POINT);
	DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
	wchar_t *wide = system_path(path);
	HANDLE handle = INVALID_HANDLE_VALUE;

	memset(out, 0, sizeof(*out));
	out->kind = kind_of_name(wide);
	if (out->kind != SYS_STREAM)
		handle = CreateFileW(wide, FILE_READ_ATTRIBUTES, share, NULL, OPEN_EXISTING, flags, NULL);
	problem = GetLastError();
	if (handle != INVALID_HANDLE_VALUE) {
		out->kind = kind_of(handle, out);
		CloseHandle(handle);
	}
	free(wide);
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
	wchar_t *wide = system_path(path);
	bool done = succeeded(DeleteFileW(wide));

	free(wide);
	return done;
}

bool sys_replace(const char *from, const char *to)
{
	wchar_t *wide_from = system_path(from);
	wchar_t *wide_to = system_path(to);
	bool done = succeeded(MoveFileExW(wide_from, wide_to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH));

	free(wide_from);
	free(wide_to);
	return done;
}

bool sys_name(const char *from, const char *to)
{
	wchar_t *wide_from = to_wide(from);
	wchar_t *wide_to = to_wide(to);
	bool done = succeeded(MoveFileExW(wide_from, wide_to, MOVEFILE_WRITE_THROUGH));

	free(wide_from);
	free(wide_to);
	return done;
}

bool sys_link(const char *from, const char *to)
{
	wchar_t *wide_from = to_wide(from);
	wchar_t *wide_to = to_wide(to);
	bool done = succeeded(CreateHardLinkW(wide_to, wide_from, NULL));

	free(wide_from);
	free(wide_to);
	return done;
}

void sys_sync_directory(const char *path)
{
	(void)path; /* names are written through */
}

bool sys_device_in_use(const char *path)
{
	(void)path; /* Windows refuses writes to a volume in use itself */
	return false;
}

bool sys_device_holds(const char *device, const char *path)
{
	(void)device;
	(void)path;
	return false;
}

const char *sys_temporary_directory(void)
{
	static char text[3 * MAX_PATH + 4];
	wchar_t wide[MAX_PATH + 2] = L"";
	DWORD length = GetTempPathW(MAX_PATH + 1, wide);

	if (length == 0 || length > MAX_PATH ||
	    WideCharToMultiByte(CP_UTF8, 0, wide, -1, text, (int)sizeof(text), NULL, NULL) <= 1)
		return ".";
	text[strlen(text) - 1] = '\0'; /* ends in a separator */
	return text;
}

void sys_ignore_broken_pipes(void)
{
}

void sys_forget(const char *path)
{
	(void)path;
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
	wide = system_path(pattern);
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

bool sys_is_open(int descriptor)
{
	return descriptor >= 0 && descriptor <= 2;
}

void sys_tell(int descriptor, const char *text, size_t length)
{
	(void)_write(descriptor, text, (unsigned)length);
}

double sys_seconds(void)
{
	return (double)GetTickCount64() / 1000;
}

int sys_open_stream(const char *path)
{
	wchar_t *wide;
	int descriptor;

	if (strcmp(path, "-") == 0)
		return 0;
	wide = system_path(path);
	descriptor = _wopen(wide, _O_RDONLY | _O_BINARY | _O_SEQUENTIAL);
	problem = GetLastError();
	free(wide);
	return descriptor;
}

/* An interrupt that comes between the first look and the read keeps cancelling until there is something to cancel. */
int64_t sys_read_stream(int descriptor, void *buffer, size_t length)
{
	int got = -1;

	InterlockedExchange(&reading, 1);
	if (caught == 0)
		got = _read(descriptor, buffer, length > 1u << 20 ? 1u << 20 : (unsigned)length);
	if (got < 0)
		problem = GetLastError();
	InterlockedExchange(&reading, 0);
	return caught != 0 ? SYS_READ_INTERRUPTED : got;
}

void sys_close_stream(int descriptor)
{
	if (descriptor > 0)
		_close(descriptor);
}
#endif
