/* SPDX-License-Identifier: MIT */
/*
 * FUSE over a tree of files: answers the kernel's requests from several threads at once. Layer: vhdx-mount.
 *
 * Of an image open for writing the kernel caches nothing: a partition and the whole disk are the same bytes under two names, and what is behind a
 * returned write is then in the library, where fsync makes it durable. Of an image open for reading it may keep all.
 *
 * A file behaves as a block device does: its size never changes, and truncating it does nothing. Punching a hole writes zeros and gives back what
 * space it can.
 */
#ifndef SERVE_H
#define SERVE_H

#include "tree.h"

struct fuse_args;
struct fuse_session;

struct serve {
	struct tree *tree;
	struct fuse_session *session;
	atomic_uint open_files;
	/* Shared with the process that mounts a filesystem out of one of the files. From then on, the last close of a file ends the session: that was the
	 * kernel's loop driver, or a filesystem's own program. */
	atomic_bool *ends_with_last_file;
	bool in_background; /* messages go to the system's log */
};

struct fuse_session *serve_new(struct serve *serve, struct fuse_args *args);
/* Answers until unmounted. 0, or negative when FUSE failed. */
int serve_run(struct serve *serve);
/* Says what is wrong, where somebody may read it. */
void serve_report(const struct serve *serve, const struct vhdx_error *error);

#endif
