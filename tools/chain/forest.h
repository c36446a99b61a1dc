/* SPDX-License-Identifier: MIT */
/* All images below some directories, and who is whose parent by identity, wherever the files are now. */
#ifndef FOREST_H
#define FOREST_H

#include <stdbool.h>
#include <stddef.h>

#include "sys.h"
#include "tool.h"

enum link_state {
	LINK_NONE,    /* no parent */
	LINK_GOOD,    /* the stored path leads to it */
	LINK_MOVED,   /* it is elsewhere: by its identity, it is `parent` */
	LINK_CHANGED, /* the stored path leads to a file that is not the parent, or not any more */
	LINK_LOST     /* nowhere */
};

struct tree {
	char *path;
	struct sys_identity file;
	struct vhdx_info info;
	char *stored;  /* first stored parent path, or NULL */
	char *problem; /* it is an image by its name, but does not open: why */
	enum link_state state;
	size_t parent;  /* index, or FOREST_NONE */
	size_t changed; /* LINK_CHANGED: the file that the path leads to, or FOREST_NONE */
	bool several;   /* more than one file has the parent's identity: copies */
	bool in_cycle;
};
#define FOREST_NONE ((size_t)-1)

struct forest {
	struct tree *trees;
	size_t count;
	size_t capacity;
	char *unreadable; /* a directory that could not be read, or NULL */
};

/* `path` is a directory, with all below it, or a file. Links are not followed into directories. */
void forest_add(struct forest *forest, const char *path);
/* After all are added: sorts by path and finds the parents. `resolver` follows stored paths. */
void forest_link(struct forest *forest, struct tool_open *open);
void forest_release(struct forest *forest);

#endif
