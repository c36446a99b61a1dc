/* SPDX-License-Identifier: MIT */
/* A sequential source laid down in a temporary sparse file beside the target, for when its size or its end must be known first.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include "input.h"
#include "progress.h"

struct spool {
	struct vhdx_file file;
	bool owned; /* `file` belongs to a disk */
	char *left; /* its name, where an open file cannot be removed */
};

/* Takes all of `input`. The file has no name any more when this returns, where the host allows that. */
int spool_fill(struct spool *spool, const char *target, struct input *input, struct progress *progress, struct vhdx_error *error);
void spool_release(struct spool *spool);

#endif
