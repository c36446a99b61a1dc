/* SPDX-License-Identifier: MIT */
/*
 * Paths between UTF-8 and Windows, for host_win32.c and paths_win32.c alone. Layer: io.
 *
 * The system is only given absolute paths that begin with \\?\ : they have no limit of 260 characters. Results come from malloc;
 * NULL means failure, and GetLastError() tells which.
 */
#ifndef IO_WIN32_H
#define IO_WIN32_H

#ifndef _WIN32_WINNT
#define _WIN32_WINNT 0x0A00
#endif
#include <windows.h>
#include <winioctl.h>

#include <stdbool.h>

/* The absolute form of `path`, which is resolved by its letters: "." and ".." are gone, unless the path came with \\?\ itself. */
wchar_t *win32_path(const char *path);
/* Whether a result of win32_path is in the place of devices: a drive as a whole, a pipe, NUL, COM1. */
bool win32_names_device(const wchar_t *path);
/* Where an open file really is, after all links. */
wchar_t *win32_final_path(HANDLE handle);
/* The same of a file or directory that need not be open; by its letters where the filesystem cannot tell (some RAM disks). */
wchar_t *win32_real_path(const char *path);
/* The same as \\?\Volume{guid}\... */
wchar_t *win32_volume_path(const char *path);

#endif
