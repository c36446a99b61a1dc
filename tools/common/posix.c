/* SPDX-License-Identifier: MIT */
/*
 * sys.h on POSIX systems; win32.c is its twin.
 *
 * An interrupt is only noted. Reads of standard input may wait for ever, so they wait in steps and look at the note in between: a
 * signal that comes between the look and the wait is not lost.
 */
#include "sys.h"

#ifndef _WIN32
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/sysmacros.h>
#endif

enum { WAIT_STEP_MS = 250 };

const char SYS_SEPARATORS[] = "/";

static volatile sig_atomic_t caught;
static int problem;

void sys_begin(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
}

static void note_signal(int number)
{
	caught = number;
}

void sys_catch_interrupts(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = note_signal };
	struct sigaction before;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], &action, &before) == 0 && before.sa_handler == SIG_IGN)
			sigaction(numbers[i], &before, NULL);
	}
}

bool sys_interrupted(void)
{
	return caught != 0;
}

void sys_finish_interrupt(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	if (caught == 0)
		return;
	sigaction(caught, &action, NULL);
	raise(caught);
}

static enum sys_kind kind_of(mode_t mode)
{
	if (S_ISREG(mode))
		return SYS_REGULAR;
	if (S_ISBLK(mode))
		return SYS_BLOCK;
	if (S_ISLNK(mode))
		return SYS_LINK;
	return S_ISFIFO(mode) || S_ISCHR(mode) || S_ISSOCK(mode) ? SYS_STREAM : SYS_OTHER;
}

void sys_identify(struct sys_identity *out, const char *path, bool follow_links)
{
	struct stat status;

	memset(out, 0, sizeof(*out));
	if ((follow_links ? stat(path, &status) : lstat(path, &status)) != 0) {
		problem = errno;
		return;
	}
	out->kind = kind_of(status.st_mode);
	out->volume = (uint64_t)status.st_dev;
	out->file = (uint64_t)status.st_ino;
	out->mode = (unsigned)(status.st_mode & 0777);
}

bool sys_same(const struct sys_identity *a, const struct sys_identity *b)
{
	return a->kind != SYS_MISSING && b->kind != SYS_MISSING && a->volume == b->volume && a->file == b->file;
}

static bool succeeded(int result)
{
	if (result != 0)
		problem = errno;
	return result == 0;
}

bool sys_remove(const char *path)
{
	return succeeded(unlink(path));
}

bool sys_replace(const char *from, const char *to)
{
	return succeeded(rename(from, to));
}

bool sys_name(const char *from, const char *to)
{
	struct stat status;

	if (link(from, to) == 0)
		return sys_remove(from);
	problem = errno;
	if (problem == EEXIST || lstat(to, &status) == 0)
		return false;
	return succeeded(rename(from, to)); /* a filesystem without links */
}

bool sys_link(const char *from, const char *to)
{
	return succeeded(link(from, to));
}

void sys_sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
	int descriptor = directory == NULL ? -1 : open(directory, O_RDONLY | O_CLOEXEC);

	free(directory);
	if (descriptor < 0)
		return;
	(void)fsync(descriptor);
	close(descriptor);
}

bool sys_device_in_use(const char *path)
{
	int descriptor = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);

	if (descriptor >= 0)
		close(descriptor);
	return descriptor < 0 && errno == EBUSY;
}

/* The place of a block device in sysfs, where partitions stand inside their disks. NULL when there is none. */
static char *device_node(dev_t number)
{
	char name[64];

	snprintf(name, sizeof(name), "/sys/dev/block/%u:%u", major(number), minor(number));
	return realpath(name, NULL);
}

static bool is_inside(const char *inner, const char *outer)
{
	size_t length = strlen(outer);

	return strncmp(inner, outer, length) == 0 && (inner[length] == '\0' || inner[length] == '/');
}

/* Of the device at `node`, or of the disk that it is a partition of. */
static bool is_backed_by(const char *node, const struct stat *file)
{
	bool found = false;

	for (unsigned up = 0; up < 2 && !found; up++) {
		char name[4096], backing[4096] = "";
		struct stat status;
		FILE *stream;

		if (snprintf(name, sizeof(name), "%s%s/loop/backing_file", node, up == 0 ? "" : "/..") >= (int)sizeof(name))
			return false;
		stream = fopen(name, "re");
		if (stream == NULL)
			continue;
		if (fgets(backing, sizeof(backing), stream) != NULL)
			backing[strcspn(backing, "\n")] = '\0';
		fclose(stream);
		found = stat(backing, &status) == 0 && status.st_dev == file->st_dev && status.st_ino == file->st_ino;
	}
	return found;
}

bool sys_device_holds(const char *device, const char *path)
{
	struct stat own, other;
	char *node, *second;
	bool holds;

	if (stat(device, &own) != 0 || stat(path, &other) != 0 || !S_ISBLK(own.st_mode))
		return false;
	if (S_ISBLK(other.st_mode) && own.st_rdev == other.st_rdev)
		return true;
	node = device_node(own.st_rdev);
	second = S_ISBLK(other.st_mode) ? device_node(other.st_rdev) : NULL;
	holds = node != NULL &&
		(second != NULL ? is_inside(node, second) || is_inside(second, node) : is_backed_by(node, &other));
	free(node);
	free(second);
	return holds;
}

const char *sys_temporary_directory(void)
{
	const char *said = getenv("TMPDIR");

	return said != NULL && *said != '\0' ? said : "/tmp";
}

void sys_ignore_broken_pipes(void)
{
	struct sigaction action = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &action, NULL);
}

void sys_forget(const char *path)
{
#if defined(POSIX_FADV_DONTNEED)
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (descriptor < 0)
		return;
	(void)posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
	close(descriptor);
#else
	(void)path;
#endif
}

bool sys_list(const char *directory, void (*visit)(void *context, const char *path), void *context)
{
	DIR *open = opendir(directory);
	struct dirent *entry;

	if (open == NULL) {
		problem = errno;
		return false;
	}
	while ((entry = readdir(open)) != NULL) {
		size_t size = strlen(directory) + strlen(entry->d_name) + 2;
		char *path = malloc(size);

		if (path == NULL)
			break;
		(void)snprintf(path, size, "%s/%s", directory, entry->d_name);
		visit(context, path);
		free(path);
	}
	closedir(open);
	return true;
}

void sys_limit_mode(unsigned mode)
{
	static bool known;
	static mode_t original;

	if (!known)
		original = umask(0077);
	known = true;
	umask(original | (mode_t)(~mode & 0777));
}

void sys_set_mode(const char *path, unsigned mode)
{
	succeeded(chmod(path, (mode_t)mode));
}

const char *sys_problem(void)
{
	return strerror(problem);
}

unsigned long sys_process_id(void)
{
	return (unsigned long)getpid();
}

bool sys_is_terminal(int descriptor)
{
	return isatty(descriptor) == 1;
}

bool sys_is_open(int descriptor)
{
	return fcntl(descriptor, F_GETFD) >= 0;
}

void sys_tell(int descriptor, const char *text, size_t length)
{
	while (length > 0) {
		ssize_t done = write(descriptor, text, length);

		if (done <= 0)
			return;
		text += done;
		length -= (size_t)done;
	}
}

double sys_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int sys_open_stream(const char *path)
{
	int descriptor = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	problem = errno;
	return descriptor;
}

int64_t sys_read_stream(int descriptor, void *buffer, size_t length)
{
	struct pollfd wait = { .fd = descriptor, .events = POLLIN };

	for (;;) {
		ssize_t got;

		if (caught != 0)
			return SYS_READ_INTERRUPTED;
		if (poll(&wait, 1, WAIT_STEP_MS) == 0)
			continue;
		got = caught != 0 ? -1 : read(descriptor, buffer, length);
		if (got >= 0)
			return got;
		if (errno != EINTR && caught == 0) {
			problem = errno;
			return -1;
		}
	}
}

void sys_close_stream(int descriptor)
{
	if (descriptor > STDIN_FILENO)
		close(descriptor);
}
#endif
