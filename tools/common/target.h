/* SPDX-License-Identifier: MIT */
/*
 * The file that a tool makes, and the care taken not to lose another.
 *
 * Without force a new file is made under its own name, and an existing one makes that fail. With force an existing regular file
 * is replaced: the new one is made under a temporary name beside it and takes its place when it is whole. Whatever fails before
 * leaves the old file as it was and nothing else. A hidden one is always made so, for files that would look whole before they are.
 */
#ifndef TARGET_H
#define TARGET_H

#include "sys.h"
#include "tool.h"

struct target {
	const char *path;           /* what the user asked for */
	char *made;                 /* where it is made: the same, or a temporary name */
	bool replaces;              /* `made` is temporary and takes the place of `path` in the end */
	bool hidden;                /* `made` is temporary and gets the name `path` in the end, if that is still free */
	bool present;               /* the caller has made the file: target_abandon removes it */
	struct sys_identity before; /* what stood at `path`; looked at with force only */
};

/* Finds the name; TOOL_DONE, or the exit status after a message. */
int target_begin(struct target *target, const char *path, bool force);
/* The same, under a temporary name in any case. */
int target_begin_hidden(struct target *target, const char *path, bool force);
/* Says so when making it failed with VHDX_E_EXISTS. Returns TOOL_FAILED. */
int target_exists(const struct target *target);
/* Fails when the target would replace `path`; `role` says what that is ("the source"). */
int target_refuse(const struct target *target, const char *path, const char *role);
/* The same for every file of a chain. */
int target_refuse_chain(const struct target *target, const vhdx_disk *disk, const char *role);
/* Fails when the target would replace a file that somebody has open, perhaps as a parent. To be called last, for it would meet
 * what this process has open itself. */
int target_refuse_used(const struct target *target);
/* A name beside `path` for a file of short life, with the given ending. To be freed. */
char *target_name_beside(const char *path, const char *ending);
/* Puts a finished file in its place; when that fails it is removed. */
int target_commit(struct target *target);
/* Removes the file, when it is there. */
void target_abandon(struct target *target);
void target_release(struct target *target);

#endif
