/* SPDX-License-Identifier: MIT */
/*
 * Failures of the host for tests of the programs, put before the C library by LD_PRELOAD. BADIO says which, as "CALL N WHAT":
 *
 *   CALL   pread, pwrite, fdatasync, ftruncate or link
 *   N      the n-th one fails, and with a "+" after it all later ones too
 *   WHAT   an error number, or for pwrite "flip": it works, but another byte reaches the file
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_ulong calls;

/* The error number of this call; 0 when it shall work, -1 to flip. */
static int judge(const char *name)
{
	const char *plan = getenv("BADIO");
	char call[16], what[16];
	unsigned long n, now;
	char *end;

	if (plan == NULL || sscanf(plan, "%15s", call) != 1 || strcmp(call, name) != 0)
		return 0;
	n = strtoul(plan + strlen(call), &end, 10);
	now = atomic_fetch_add(&calls, 1) + 1;
	if (*end == '+' ? now < n : now != n)
		return 0;
	if (sscanf(end + (*end == '+'), "%15s", what) != 1)
		return EIO;
	return strcmp(what, "flip") == 0 ? -1 : atoi(what);
}

static void *original(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (found == NULL)
		abort();
	return found;
}

static bool fails(const char *name)
{
	int problem = judge(name);

	if (problem > 0)
		errno = problem;
	return problem > 0;
}

ssize_t pread64(int fd, void *buffer, size_t length, off64_t offset)
{
	ssize_t (*call)(int, void *, size_t, off64_t);

	*(void **)&call = original("pread64");
	return fails("pread") ? -1 : call(fd, buffer, length, offset);
}

ssize_t pwrite64(int fd, const void *buffer, size_t length, off64_t offset)
{
	ssize_t (*call)(int, const void *, size_t, off64_t);
	int problem = judge("pwrite");
	char *copy;
	ssize_t done;

	*(void **)&call = original("pwrite64");
	if (problem == 0)
		return call(fd, buffer, length, offset);
	if (problem > 0) {
		errno = problem;
		return -1;
	}
	copy = malloc(length);
	if (copy == NULL)
		return -1;
	memcpy(copy, buffer, length);
	copy[length / 2] ^= 1;
	done = call(fd, copy, length, offset);
	free(copy);
	return done;
}

int fdatasync(int fd)
{
	int (*call)(int);

	*(void **)&call = original("fdatasync");
	return fails("fdatasync") ? -1 : call(fd);
}

int ftruncate64(int fd, off64_t size)
{
	int (*call)(int, off64_t);

	*(void **)&call = original("ftruncate64");
	return fails("ftruncate") ? -1 : call(fd, size);
}

int link(const char *from, const char *to)
{
	int (*call)(const char *, const char *);

	*(void **)&call = original("link");
	return fails("link") ? -1 : call(from, to);
}
