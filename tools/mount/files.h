/* SPDX-License-Identifier: MIT */
/*
 * From a file of the mount to the files inside it: mount(8) with the kernel's loop driver, over the directory in which the file itself is shown.
 * So one unmount of the directory takes the filesystem away, the loop device with it, and then the server, which waited for that.
 * Layer: vhdx-mount.
 */
#ifndef FILES_H
#define FILES_H

#include "tree.h"

struct files {
	const char *directory;
	const struct node *node; /* that holds the filesystem */
	const char *type;        /* as content.h calls it; NULL when not known */
	bool write;
	const char *mount_type;    /* of the user; NULL: mount(8) finds out */
	const char *mount_options; /* of the user; NULL: none */
};

/* Chooses the file with the filesystem: partition `number`, or with 0 the only candidate. TOOL_DONE, or the exit status after a message. */
int files_choose(struct files *files, const struct tree *tree, unsigned number);
/* Whether this user may mount here. TOOL_DONE, or the exit status after a message. */
int files_permitted(void);
int files_mount(const struct files *files);
/* Unmounts what vhdx-mount has mounted on a directory, and waits until its server has closed the image. */
int files_unmount(const char *directory);
/* A lock on the directory below the mount, which lasts as long as the server. The descriptor, -1 when it cannot be had, or -2 when another
 * server has it. */
int files_lock(const char *directory);

#endif
