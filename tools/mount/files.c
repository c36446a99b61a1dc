/* SPDX-License-Identifier: MIT */
/* See files.h. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mntent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* What has a signature but is no filesystem. */
static bool is_mountable(const char *type)
{
	static const char *const others[] = { "BitLocker", "LUKS", "Linux RAID", "LVM2 PV", "swap", "ext journal", "ZFS" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (type != NULL && strcmp(type, others[i]) == 0)
			return false;
	return type != NULL;
}

static void append(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s", more);
}

static void note_candidate(char *text, size_t size, const struct content_partition *partition)
{
	char length[32], one[128];

	snprintf(one, sizeof(one), "%s%u (%s, %s)", *text ? ", " : "", partition->number,
		 partition->filesystem.type != NULL ? partition->filesystem.type : "unknown",
		 tool_format_size(partition->size, length, sizeof(length)));
	append(text, size, one);
}

static int choose_partition(struct files *files, const struct tree *tree, unsigned number)
{
	const struct content *content = &tree->content;
	const struct content_partition *chosen = NULL;
	char list[1000] = "", name[NODE_NAME_SIZE];
	unsigned candidates = 0;

	for (unsigned i = 0; i < content->listed; i++) {
		const struct content_partition *partition = &content->partitions[i];
		bool fits = number != 0 ? partition->number == number : is_mountable(partition->filesystem.type);

		if (partition->outside)
			continue;
		note_candidate(list, sizeof(list), partition);
		candidates += fits;
		chosen = fits ? partition : chosen;
	}
	if (number != 0 && candidates == 0)
		return tool_fail("there is no partition %u; there are: %s", number, *list ? list : "none");
	if (candidates == 0)
		return tool_fail("no partition holds a filesystem that is known here: %s", *list ? list : "none");
	if (candidates > 1)
		return tool_fail("more than one partition holds a filesystem; choose one with --partition: %s", list);
	snprintf(name, sizeof(name), "p%u", chosen->number);
	files->node = tree_find(tree, 0, name);
	files->type = chosen->filesystem.type;
	return TOOL_DONE;
}

int files_choose(struct files *files, const struct tree *tree, unsigned number)
{
	if (number != 0 || tree->content.listed != 0)
		return choose_partition(files, tree, number);
	files->node = tree_find(tree, 0, "disk");
	files->type = tree->content.filesystem.type;
	if (files->mount_type == NULL && !is_mountable(files->type))
		return tool_fail("no filesystem is known on this disk, and no partition%s%s", files->type != NULL ? ", but " : "",
				 files->type != NULL ? files->type : "");
	return TOOL_DONE;
}

int files_permitted(void)
{
	if (geteuid() != 0)
		return tool_fail("--fs needs root, because only root may mount a filesystem; without --fs, the disk and its "
				 "partitions are shown as "
				 "files");
	if (access("/dev/loop-control", R_OK | W_OK) != 0)
		return tool_fail("--fs needs the kernel's loop driver, and /dev/loop-control cannot be used: %s",
				 strerror(errno));
	return TOOL_DONE;
}

/* Runs a program; its exit status, or 127. */
static int run(char *const *arguments, bool silent)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		int null = silent ? open("/dev/null", O_WRONLY) : -1;

		if (null >= 0)
			(void)dup2(null, STDERR_FILENO);
		(void)dup2(STDERR_FILENO, STDOUT_FILENO);
		(void)execvp(arguments[0], arguments);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 127;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}

/* So that a copy of a mounted disk can be mounted too. */
static const char *always(const char *type)
{
	return type != NULL && strcmp(type, "XFS") == 0 ? ",nouuid" : "";
}

/* What lets a filesystem that was not unmounted be read without writing to it. */
static const char *without_journal(const char *type)
{
	static const char *const options[][2] = {
		{ "ext3", ",noload" }, { "ext4", ",noload" }, { "XFS", ",norecovery" }, { "btrfs", ",rescue=nologreplay" }
	};

	for (size_t i = 0; type != NULL && i < sizeof(options) / sizeof(options[0]); i++)
		if (strcmp(type, options[i][0]) == 0)
			return options[i][1];
	return NULL;
}

static int run_mount(const struct files *files, const char *more, bool silent)
{
	char source[PATH_MAX + NODE_NAME_SIZE + 2], options[2000];
	char *arguments[12], **next = arguments;
	char program[] = "mount", dash_o[] = "-o", type[] = "-t", end[] = "--";

	snprintf(source, sizeof(source), "%s/%s", files->directory, files->node->name);
	snprintf(options, sizeof(options), "loop,%s%s%s%s%s", files->write ? "rw" : "ro", always(files->type), more,
		 files->mount_options != NULL ? "," : "", files->mount_options != NULL ? files->mount_options : "");
	*next++ = program;
	*next++ = dash_o;
	*next++ = options;
	if (files->mount_type != NULL) {
		*next++ = type;
		*next++ = (char *)(uintptr_t)files->mount_type;
	}
	*next++ = end;
	*next++ = source;
	*next++ = (char *)(uintptr_t)files->directory;
	*next = NULL;
	return run(arguments, silent);
}

int files_mount(const struct files *files)
{
	const char *fallback = files->write ? NULL : without_journal(files->type);

	if (run_mount(files, "", fallback != NULL) == 0)
		return TOOL_DONE;
	if (fallback == NULL)
		return tool_fail("mount(8) failed, see above");
	if (run_mount(files, fallback, false) != 0)
		return tool_fail("mount(8) failed, see above");
	tool_warn("the filesystem was not unmounted cleanly and is shown without replaying its journal; --write replays it");
	return TOOL_DONE;
}

/* Whether a server of ours is mounted on the directory, and whether it is what one sees there: the last entry of a directory is on top. */
static void look(const char *directory, bool *ours, bool *on_top)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	struct mntent *mount;

	*ours = *on_top = false;
	while (mounts != NULL && (mount = getmntent(mounts)) != NULL) {
		if (strcmp(mount->mnt_dir, directory) != 0)
			continue;
		*on_top = strcmp(mount->mnt_type, "fuse.vhdx-mount") == 0;
		*ours |= *on_top;
	}
	if (mounts != NULL)
		(void)endmntent(mounts);
}

static void wait_a_moment(void)
{
	const struct timespec moment = { .tv_nsec = 5 * 1000 * 1000 };

	(void)nanosleep(&moment, NULL);
}

/* Goes on when the server has ended: its lock is gone then. */
static void wait_for_server(const char *directory)
{
	int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (descriptor < 0)
		return;
	(void)flock(descriptor, LOCK_SH);
	(void)close(descriptor);
}

/* As the list of mounts names it. A directory whose server was killed cannot be looked at, but its name can be completed. */
static bool full_name(char out[PATH_MAX], const char *directory)
{
	char here[PATH_MAX];
	size_t length;

	if (realpath(directory, out) != NULL)
		return true;
	if (errno != ENOTCONN || getcwd(here, sizeof(here)) == NULL)
		return false;
	length = (size_t)snprintf(out, PATH_MAX, "%s%s%s", *directory == '/' ? "" : here, *directory == '/' ? "" : "/",
				  directory);
	for (; length > 1 && length < PATH_MAX && out[length - 1] == '/'; length--)
		out[length - 1] = '\0';
	return length < PATH_MAX;
}

int files_unmount(const char *directory)
{
	char real[PATH_MAX], fusermount[] = "fusermount3", umount[] = "umount", quiet[] = "-u", end[] = "--";
	char *as_user[] = { fusermount, quiet, end, real, NULL }, *as_root[] = { umount, end, real, NULL };
	bool ours, on_top;

	if (!full_name(real, directory))
		return tool_fail("%s: %s", directory, strerror(errno));
	look(real, &ours, &on_top);
	if (!ours)
		return tool_fail("%s: nothing of vhdx-mount is mounted there", directory);
	if (run(on_top && geteuid() != 0 ? as_user : as_root, false) != 0)
		return tool_fail("%s: it could not be unmounted, see above", directory);
	/* behind a filesystem the server unmounts itself */
	for (look(real, &ours, &on_top); ours && !on_top; look(real, &ours, &on_top))
		wait_a_moment();
	for (; ours; look(real, &ours, &on_top))
		wait_a_moment();
	wait_for_server(real);
	return TOOL_DONE;
}

int files_lock(const char *directory)
{
	bool ours, on_top;
	int descriptor;

	look(directory, &ours, &on_top);
	if (ours)
		return -2;
	descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor < 0 || flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return descriptor;
	(void)close(descriptor);
	return -2;
}
