/* SPDX-License-Identifier: MIT */
/*
 * The files that a mount shows. Layer: vhdx-mount.
 *
 *     disk           the whole virtual disk, as the chain of files gives it
 *     p1 p2 ...      its partitions, by the numbers that Linux gives them
 *     parent1/       disk, p1, ... of the chain from the first parent on, and so for each further level
 *
 * The tree is made before the first request and never changes; only counters do. The partition table is read once.
 */
#ifndef TREE_H
#define TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"
#include "tool.h"

enum { NODE_NAME_SIZE = 24 };

struct node {
	char name[NODE_NAME_SIZE];
	size_t parent;   /* index of the directory it is in */
	vhdx_disk *disk; /* NULL: a directory */
	uint64_t offset; /* of the file in the disk */
	uint64_t size;
	uint64_t
		allocated; /* what it may hold that is no hole, when it was opened: copying programs look for holes when that is less than the size */
	bool writable;
};

struct tree {
	struct node *nodes; /* the first is the root */
	size_t count;
	vhdx_disk **disks; /* one for each level; the first is the one asked for */
	size_t disk_count;
	struct content content; /* of the first */
	int64_t time;           /* shown with all files */
};

/* Opens `path` and every level behind it. TOOL_DONE, or the exit status after a message. */
int tree_open(struct tree *tree, const char *path, struct tool_open *open);
/* The file of that name in a directory; NULL when there is none. */
const struct node *tree_find(const struct tree *tree, size_t directory, const char *name);
/* Closes all disks; the status of the one that may have been written. */
int tree_close(struct tree *tree);

#endif
