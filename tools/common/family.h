/* SPDX-License-Identifier: MIT */
/* Images in a directory that name another one as their parent, whatever the path they store: whom a merge concerns. */
#ifndef FAMILY_H
#define FAMILY_H

#include <stddef.h>

#include "sys.h"
#include "vhdx.h"

struct family_child {
	char *path;
	struct sys_identity file;
	unsigned level; /* of the chain, that it names */
};

struct family {
	struct family_child *children;
	size_t count;
};

/* Looks into the directory of `path`, and at the files in `more`, for images other than those of the chain that name one of its first `levels` levels. What cannot be
 * opened is passed over. */
void family_find(struct family *family, const vhdx_disk *chain, unsigned levels, const char *path, const char *const *more,
		 size_t more_count);
void family_release(struct family *family);

#endif
