/* SPDX-License-Identifier: MIT */
/*
 * What every vhdx-* tool has in common: exit statuses, messages, sizes, standard options, opening an image with its parents.
 *
 * Manner of all tools: results go to standard output and only when the run succeeds as far as it prints; messages are one line each on
 * standard error, "vhdx-inspect: disk.vhdx: at 0x10042: VHDX-029: header version is 2, not 1". Exit status 0 done, 1 failed,
 * 2 usage, 3 damaged.
 */
#ifndef TOOL_H
#define TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vhdx.h"

enum tool_exit { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_USAGE = 2, TOOL_DAMAGED = 3 };

#if defined(__MINGW32__)
#define TOOL_PRINTF(text, first) __attribute__((__format__(__gnu_printf__, text, first)))
#elif defined(__GNUC__)
#define TOOL_PRINTF(text, first) __attribute__((__format__(__printf__, text, first)))
#else
#define TOOL_PRINTF(text, first)
#endif

/* Call first: remembers the name for messages, makes arguments UTF-8 on Windows, puts standard output in binary mode. */
void tool_begin(const char *name, int *argc, char ***argv);
extern const char *tool_name;

/* "NAME: text" on standard error. tool_fail returns TOOL_FAILED, tool_usage TOOL_USAGE (and adds how to get help). */
int tool_fail(const char *format, ...) TOOL_PRINTF(1, 2);
int tool_usage(const char *format, ...) TOOL_PRINTF(1, 2);
void tool_warn(const char *format, ...) TOOL_PRINTF(1, 2);
/* Prints the error and returns the exit status that its status calls for: TOOL_DAMAGED, or TOOL_FAILED. */
int tool_error(const struct vhdx_error *error);
/* Says what is wrong with the last word that getopt_long looked at, when it returned '?' or ':' (option texts start with ':'). */
int tool_bad_option(int result, char **argv);
/* Fills `error` for a run that was interrupted; returns VHDX_E_CANCELLED. */
int tool_cancelled(struct vhdx_error *error);
/* Replaces control characters by '?', so that a text out of an image can be shown. Returns `text`. */
char *tool_clean(char *text);
/* Prints "NAME (libvhdx) VERSION" for --version. */
int tool_version(void);
/* Flushes standard output; turns a write error (full disk, closed pipe) into TOOL_FAILED when `status` is TOOL_DONE. */
int tool_end(int status);

/* realloc that ends the process with a message instead of returning NULL; for small things. */
void *tool_allocate(void *old, size_t size);

/* "64G", "64GiB", "10MB" (powers of ten), "512", "0x200", "1.5T". False on rubbish, overflow, or a fraction of a byte. */
bool tool_parse_size(const char *text, uint64_t *size);
/* "64 GiB", "1.5 TiB", "512 bytes": exact when a short form is exact, else rounded to 3 digits. Returns `text`. */
char *tool_format_size(uint64_t size, char *text, size_t text_size);

/* What the options shared by every tool that opens a chain collect (see TOOL_OPEN_HELP). */
struct tool_open {
	struct vhdx_resolver resolver;
	unsigned flags; /* vhdx_open_flags */
	enum vhdx_format format;
	const char **parents; /* --parent-file, nearest first */
	size_t parent_count;
	/* set by tool_open_image */
	char *attempts; /* one line per candidate tried, "" when none */
};
#define TOOL_OPEN_INIT                                                                                                           \
	{                                                                                                                        \
		.resolver = VHDX_RESOLVER_INIT                                                                                   \
	}

/* getopt_long entries of those options; values from TOOL_OPEN_FIRST on. */
enum {
	TOOL_OPEN_FIRST = 0x1000,
	TOOL_OPT_FORMAT = TOOL_OPEN_FIRST,
	TOOL_OPT_MAP,
	TOOL_OPT_SEARCH,
	TOOL_OPT_PARENT_ROOT,
	TOOL_OPT_PARENT_FILE,
	TOOL_OPT_NO_PARENTS,
	TOOL_OPT_IGNORE_CHECKSUMS,
	TOOL_OPT_IGNORE_PARENT_IDENTITY,
	TOOL_OPT_NO_REPLAY,
	TOOL_OPT_FORCE_OPEN
};
#define TOOL_OPEN_OPTIONS(prefix)                                                                                                \
	{ prefix "format", 1, NULL, TOOL_OPT_FORMAT }, { "map", 1, NULL, TOOL_OPT_MAP }, { "search", 1, NULL, TOOL_OPT_SEARCH }, \
		{ "parent-root", 1, NULL, TOOL_OPT_PARENT_ROOT }, { "parent-file", 1, NULL, TOOL_OPT_PARENT_FILE },              \
		{ "no-parents", 0, NULL, TOOL_OPT_NO_PARENTS }, { "ignore-checksums", 0, NULL, TOOL_OPT_IGNORE_CHECKSUMS },      \
		{ "ignore-parent-identity", 0, NULL, TOOL_OPT_IGNORE_PARENT_IDENTITY },                                          \
		{ "no-replay", 0, NULL, TOOL_OPT_NO_REPLAY },                                                                    \
	{                                                                                                                        \
		"share", 0, NULL, TOOL_OPT_FORCE_OPEN                                                                            \
	}
extern const char TOOL_OPEN_HELP[];
/* Takes one of the options above. TOOL_DONE, or the exit status after a message. */
int tool_open_option(struct tool_open *open, int option, const char *argument);
void tool_open_release(struct tool_open *open);
/* Opens and collects what was tried, without a word; returns a VHDX_E_* status. tool_open_failed says it afterwards. */
int tool_try_open(vhdx_disk **out, const char *path, struct tool_open *open, struct vhdx_error *error);
/* The same over a file, which belongs to the disk on success. */
int tool_try_open_file(vhdx_disk **out, const struct vhdx_file *file, struct tool_open *open, struct vhdx_error *error);
/* Prints the error and one indented line per candidate for a parent; returns the exit status. */
int tool_open_failed(const struct tool_open *open, const struct vhdx_error *error);
/* Opens and collects what was tried; on failure says why, with one indented line per candidate tried, and returns the exit status. */
int tool_open_image(vhdx_disk **out, const char *path, struct tool_open *open);

#endif
