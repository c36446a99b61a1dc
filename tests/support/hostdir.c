/* SPDX-License-Identifier: MIT */
#include "support/hostdir.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void hostdir_start(struct hostdir *d)
{
	const char *base = getenv("TMPDIR");
	char template[PATH_MAX], real[PATH_MAX];

	(void)snprintf(template, sizeof(template), "%s/vhdx-test-XXXXXX", base != NULL ? base : P_tmpdir);
	cr_assert(mkdtemp(template) != NULL && realpath(template, real) != NULL && strlen(real) < sizeof(d->path));
	memcpy(d->path, real, strlen(real) + 1);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

void hostdir_end(struct hostdir *d)
{
	cr_expect(nftw(d->path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0);
}

const char *hostdir_path(const struct hostdir *d, const char *name)
{
	static char paths[256][1000];
	static unsigned next;
	char *path = paths[next++ % 256];

	cr_assert((size_t)snprintf(path, sizeof(paths[0]), "%s/%s", d->path, name) < sizeof(paths[0]));
	return path;
}

void hostdir_put(const struct hostdir *d, const char *name, const struct memfile *m)
{
	static const char zeros[4096];
	int fd = open(hostdir_path(d, name), O_WRONLY | O_CREAT | O_TRUNC, 0666);
	uint64_t size = memfile_size(m);
	char buffer[4096];

	cr_assert(fd >= 0 && ftruncate(fd, (off_t)size) == 0, "%s", name);
	for (uint64_t at = 0; at < size; at += sizeof(buffer)) {
		size_t part = size - at < sizeof(buffer) ? (size_t)(size - at) : sizeof(buffer);

		memfile_read(m, at, buffer, part);
		if (memcmp(buffer, zeros, part) != 0)
			cr_assert(pwrite(fd, buffer, part, (off_t)at) == (ssize_t)part);
	}
	(void)close(fd);
}

void hostdir_set_time(const struct hostdir *d, const char *name, uint64_t seconds)
{
	struct timespec times[2] = { { .tv_sec = (time_t)seconds }, { .tv_sec = (time_t)seconds } };

	cr_assert(utimensat(AT_FDCWD, hostdir_path(d, name), times, 0) == 0);
}

void hostdir_make(const struct hostdir *d, const char *name)
{
	cr_assert(mkdir(hostdir_path(d, name), 0777) == 0, "%s", name);
}

void hostdir_link(const struct hostdir *d, const char *name, const char *target)
{
	cr_assert(symlink(target, hostdir_path(d, name)) == 0, "%s", name);
}
