/* SPDX-License-Identifier: MIT */
/*
 * What the library asks of the operating system beside the I/O table. Layer: io. Implemented twice: host_posix.c, host_win32.c.
 * Texts returned in `char **` come from `env` and are the caller's.
 */
#ifndef IO_HOST_H
#define IO_HOST_H

#include <stdbool.h>

#include "base/memory.h"

/* The I/O table of host files. */
extern const struct vhdx_io host_io;

int host_open(struct vhdx_file *out, const char *path, unsigned flags, struct vhdx_error *error);
int host_remove(const char *path);
/* Seconds since 1970 of the last modification of a file opened by host_open; false when unknown. */
bool host_modified(const struct vhdx_file *file, uint64_t *seconds);
/* Whether holes can be told and made in a file, by whatever table: on Windows only in sparse ones. */
bool host_makes_holes(const struct vhdx_file *file);

/* The directory that holds `path`, "." when it names none. */
char *host_directory(const struct vhdx_env *env, const char *path);
/*
 * Follows `relative` ('\' or '/' between its parts, "." and ".." allowed) from `directory`. A part that does not exist under its exact name is
 * looked for without regard to case. The result may name a file that does not exist.
 */
int host_follow(const struct vhdx_env *env, char **out, const char *directory, const char *relative, struct vhdx_error *error);
/* Opens `path` for reading as a regular file; with `root`, only when it lies below that directory after all links are followed. */
int host_open_below(struct vhdx_file *out, const char *path, const char *root, unsigned flags, struct vhdx_error *error);
/* Calls `visit` with the full path of each entry of a directory, in order of name, until it returns non-zero; returns that. */
int host_list(const struct vhdx_env *env, const char *directory, int (*visit)(void *context, const char *path), void *context,
	      struct vhdx_error *error);
/* Absolute path without links; VHDX_E_NOT_FOUND when the file does not exist. */
int host_real_path(const struct vhdx_env *env, char **out, const char *path, struct vhdx_error *error);
/* The same by its volume, \\?\Volume{guid}\...; NULL in `*out` when there is none, as on systems without drives. */
int host_volume_path(const struct vhdx_env *env, char **out, const char *path, struct vhdx_error *error);
/* The path from the directory of `from` to `to` in Windows form (".\\parent.vhdx", "..\\base\\p.vhdx"); VHDX_E_NOT_FOUND when there is none
 * (another drive). `from` need not exist, its directory must. */
int host_relative_path(const struct vhdx_env *env, char **out, const char *from, const char *to, struct vhdx_error *error);
/* True on systems where an absolute Windows path names a local file as it stands. */
bool host_has_drives(void);

#endif
