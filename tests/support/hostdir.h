/* SPDX-License-Identifier: MIT */
/*
 * A directory of the host for one test, with what it needs in it. Layer: tests/support. It lies where temporary files lie; hostdir_end removes it and
 * everything below. Anything that goes wrong fails the test.
 */
#ifndef SUPPORT_HOSTDIR_H
#define SUPPORT_HOSTDIR_H

#include "support/memfile.h"

struct hostdir {
	char path[200]; /* real, without links */
};

void hostdir_start(struct hostdir *d);
void hostdir_end(struct hostdir *d);
/* The path of something in it; lives until 256 more were asked for. `name` may have directories in it. */
const char *hostdir_path(const struct hostdir *d, const char *name);
/* A file with the bytes of a memory file; holes stay holes. */
void hostdir_put(const struct hostdir *d, const char *name, const struct memfile *m);
/* When it was last modified, in seconds since 1970. */
void hostdir_set_time(const struct hostdir *d, const char *name, uint64_t seconds);
void hostdir_make(const struct hostdir *d, const char *name);
void hostdir_link(const struct hostdir *d, const char *name, const char *target);

#endif
