/* SPDX-License-Identifier: MIT */
/* In the build for the memory sanitizer: what these calls fill in is known afterwards. Linked with --wrap. */
#include <sanitizer/msan_interface.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

int __real_fstat64(int fd, struct stat *st);
int __real_stat64(const char *path, struct stat *st);
int __real_lstat64(const char *path, struct stat *st);
int __real_fstatat64(int fd, const char *path, struct stat *st, int flags);
int __real_getentropy(void *buffer, size_t length);
ssize_t __real_pread64(int fd, void *buffer, size_t length, off_t offset);
int __wrap_fstat64(int fd, struct stat *st);
int __wrap_stat64(const char *path, struct stat *st);
int __wrap_lstat64(const char *path, struct stat *st);
int __wrap_fstatat64(int fd, const char *path, struct stat *st, int flags);
int __wrap_getentropy(void *buffer, size_t length);
ssize_t __wrap_pread64(int fd, void *buffer, size_t length, off_t offset);

static int known(int result, struct stat *st)
{
	__msan_unpoison(st, sizeof(*st));
	return result;
}

int __wrap_fstat64(int fd, struct stat *st)
{
	return known(__real_fstat64(fd, st), st);
}

int __wrap_stat64(const char *path, struct stat *st)
{
	return known(__real_stat64(path, st), st);
}

int __wrap_lstat64(const char *path, struct stat *st)
{
	return known(__real_lstat64(path, st), st);
}

int __wrap_fstatat64(int fd, const char *path, struct stat *st, int flags)
{
	return known(__real_fstatat64(fd, path, st, flags), st);
}

ssize_t __wrap_pread64(int fd, void *buffer, size_t length, off_t offset)
{
	ssize_t done = __real_pread64(fd, buffer, length, offset);

	if (done > 0)
		__msan_unpoison(buffer, (size_t)done);
	return done;
}

int __wrap_getentropy(void *buffer, size_t length)
{
	__msan_unpoison(buffer, length);
	return __real_getentropy(buffer, length);
}
