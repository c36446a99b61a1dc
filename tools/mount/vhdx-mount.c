/* SPDX-License-Identifier: MIT */
/* vhdx-mount: options, and the life of the server. */
#define FUSE_USE_VERSION 35
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files.h"
#include "serve.h"

static const char HELP[] =
	"usage: vhdx-mount [options] FILE DIR\n"
	"       vhdx-mount --unmount DIR\n"
	"\n"
	"Shows a virtual disk (VHDX or VHD, with its parents) as files in DIR: disk, its partitions p1, p2, ...,\n"
	"and the same of each parent; with --fs, the files of a filesystem on it.\n"
	"\n"
	"  -w, --write               let the disk be written; without it nothing is changed\n"
	"  --fs                      mount the filesystem, with the kernel's loop driver; needs root\n"
	"  --partition N             with --fs: the one on this partition\n"
	"  -t, --type TYPE           with --fs: its type, as mount(8) calls it\n"
	"  -o OPTIONS                options for FUSE, or with --fs for mount(8)\n"
	"  -f, --foreground          stay until unmounted\n"
	"  -u, --unmount             unmount DIR, and wait until the image is closed\n"
	"  -h, --help                print this\n"
	"  --version                 print the version\n"
	"\n"
	"How FILE and its parents are opened:\n"
	"  --format FORMAT           vhdx, vhd or raw; else vhdx and vhd are found by content\n";

enum { OPT_VERSION = 1, OPT_FS, OPT_PARTITION };

static const struct option options[] = {
	{ "write", 0, NULL, 'w' }, { "fs", 0, NULL, OPT_FS },           { "partition", 1, NULL, OPT_PARTITION },
	{ "type", 1, NULL, 't' },  { "foreground", 0, NULL, 'f' },      { "unmount", 0, NULL, 'u' },
	{ "help", 0, NULL, 'h' },  { "version", 0, NULL, OPT_VERSION }, TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *image;
	char image_path[PATH_MAX]; /* for the list of mounts */
	const char *said;          /* the directory as the user named it */
	char directory[PATH_MAX];
	const char *mount_options;
	const char *mount_type;
	unsigned partition;
	int lock; /* on the directory; the server's */
	struct tool_open open;
	bool filesystem;
	bool foreground;
	bool unmount;
	bool help;
	bool version;
};

static int set_partition(struct request *request)
{
	char *end;
	unsigned long number = strtoul(optarg, &end, 10);

	if (*optarg < '0' || *optarg > '9' || *end != '\0' || number == 0 || number > 1000)
		return tool_usage("--partition wants a number, not '%s'", optarg);
	request->partition = (unsigned)number;
	return TOOL_DONE;
}

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case 'w': request->open.flags |= VHDX_OPEN_WRITE; return TOOL_DONE;
	case 'f': request->foreground = true; return TOOL_DONE;
	case 'u': request->unmount = true; return TOOL_DONE;
	case 'o': request->mount_options = optarg; return TOOL_DONE;
	case 't': request->mount_type = optarg; return TOOL_DONE;
	case 'h': request->help = true; return TOOL_DONE;
	case OPT_FS: request->filesystem = true; return TOOL_DONE;
	case OPT_PARTITION: return set_partition(request);
	case OPT_VERSION: request->version = true; return TOOL_DONE;
	case '?':
	case ':': return tool_bad_option(option, argv);
	default: return tool_open_option(&request->open, option, optarg);
	}
}

static int check(const struct request *request)
{
	if (!request->filesystem && (request->partition != 0 || request->mount_type != NULL))
		return tool_usage("--partition and --type go with --fs");
	if (request->open.flags & VHDX_OPEN_NO_PARENTS)
		return tool_usage("--no-parents would lose what the parents hold");
	if (request->open.flags & VHDX_OPEN_WRITE && request->open.flags & VHDX_OPEN_NO_LOCK)
		return tool_usage("--share does not go with --write");
	return TOOL_DONE;
}

static int parse(struct request *request, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, ":wfuo:t:h", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (argc - optind != (request->unmount ? 1 : 2))
		return tool_usage(request->unmount ? "--unmount wants DIR" : "wants FILE and DIR");
	request->said = argv[argc - 1];
	if (request->unmount)
		return TOOL_DONE;
	request->image = argv[optind];
	if (realpath(request->said, request->directory) == NULL)
		return tool_fail("%s: %s", request->said, strerror(errno));
	return check(request);
}

/* A chain takes a descriptor for each file of each of its levels. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Commas and backslashes in the name would end the option. */
static void add_name(struct fuse_args *args, const char *name)
{
	char *text = tool_allocate(NULL, 2 * strlen(name) + 32), *p;

	p = text + sprintf(text, "-ofsname=");
	for (; *name; name++) {
		if (*name == ',' || *name == '\\')
			*p++ = '\\';
		*p++ = *name;
	}
	*p = '\0';
	(void)fuse_opt_add_arg(args, text);
	free(text);
}

static struct fuse_session *new_session(const struct request *request, struct serve *serve)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *session;

	(void)fuse_opt_add_arg(&args, tool_name);
	add_name(&args, request->image_path);
	(void)fuse_opt_add_arg(&args, "-osubtype=vhdx-mount,default_permissions");
	if (!(request->open.flags & VHDX_OPEN_WRITE))
		(void)fuse_opt_add_arg(&args, "-oro");
	if (request->mount_options != NULL && !request->filesystem) {
		(void)fuse_opt_add_arg(&args, "-o");
		(void)fuse_opt_add_arg(&args, request->mount_options);
	}
	session = serve_new(serve, &args);
	fuse_opt_free_args(&args);
	return session;
}

/*
 * Signals that end programs end the server of plain files, which then unmounts. Below a mounted filesystem it must not end: what the kernel has not
 * written yet would be lost. There they are ignored, and the kernel is asked not to wait for writes to this process on behalf of it.
 */
static void prepare_server(const struct request *request, struct serve *serve)
{
	if (!request->filesystem) {
		(void)fuse_set_signal_handlers(serve->session);
		return;
	}
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
#ifdef PR_SET_IO_FLUSHER
	(void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
#endif
}

static void go_into_background(void)
{
	int null = open("/dev/null", O_RDWR);

	(void)setsid();
	(void)chdir("/");
	for (int i = 0; null >= 0 && i < 3; i++)
		(void)dup2(null, i);
	if (null > 2)
		(void)close(null);
}

static int close_tree(struct serve *serve)
{
	int status = tree_close(serve->tree);
	struct vhdx_error error = { .status = status, .file_offset = VHDX_NO_OFFSET };

	if (status == VHDX_OK)
		return TOOL_DONE;
	snprintf(error.message, sizeof(error.message), "closing the image failed (%s); what was flushed is safe",
		 vhdx_status_name(status));
	serve_report(serve, &error);
	return TOOL_FAILED;
}

/* Until unmounted. */
static int serve_until_unmounted(const struct request *request, struct serve *serve)
{
	int result = TOOL_DONE;

	serve->in_background = !request->foreground;
	if (serve->in_background)
		go_into_background();
	prepare_server(request, serve);
	if (serve_run(serve) < 0)
		result = TOOL_FAILED;
	fuse_session_unmount(serve->session);
	fuse_session_destroy(serve->session);
	result = close_tree(serve) == TOOL_DONE ? result : TOOL_FAILED;
	(void)close(request->lock); /* who unmounts waits for this, in start() too */
	return result;
}

/* In the process beside the server: everything is there when it returns. */
static int finish_mount(const struct request *request, struct files *files, struct serve *serve)
{
	int result;

	(void)close(request->lock); /* or it would outlive the server */
	result = request->filesystem ? files_mount(files) : TOOL_DONE;
	atomic_store(serve->ends_with_last_file, request->filesystem && result == TOOL_DONE);
	if (result != TOOL_DONE)
		(void)files_unmount(request->directory);
	return result;
}

/* The server is the child in the background, else the parent; the other one finishes the mount. */
static int start(const struct request *request, struct files *files, struct serve *serve)
{
	pid_t child = fork();
	bool is_server = request->foreground ? child > 0 : child == 0;
	int result, status = 0;

	if (child < 0) {
		fuse_session_unmount(serve->session);
		return tool_fail("cannot start the server: %s", strerror(errno));
	}
	if (!is_server) {
		result = finish_mount(request, files, serve);
		if (request->foreground)
			_exit(result);
		return result;
	}
	result = serve_until_unmounted(request, serve);
	if (request->foreground && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) != TOOL_DONE)
		return WEXITSTATUS(status);
	if (!request->foreground)
		_exit(result);
	return result;
}

static int mount_tree(struct request *request, struct files *files, struct serve *serve)
{
	if (request->filesystem) {
		int result = files_choose(files, serve->tree, request->partition);

		if (result != TOOL_DONE)
			return result;
	}
	request->lock = files_lock(request->directory);
	if (request->lock == -2)
		return tool_fail("%s: another vhdx-mount serves there", request->directory);
	serve->ends_with_last_file = mmap(NULL, sizeof(atomic_bool), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (serve->ends_with_last_file == MAP_FAILED)
		return tool_fail("out of memory");
	if (new_session(request, serve) == NULL)
		return tool_usage("FUSE does not take these options");
	if (fuse_session_mount(serve->session, request->directory) != 0)
		return tool_fail("%s: FUSE cannot mount there, see above", request->directory);
	return start(request, files, serve);
}

static int mount_image(struct request *request)
{
	struct tree *tree = tool_allocate(NULL, sizeof(*tree));
	struct files files = { .directory = request->directory,
			       .write = (request->open.flags & VHDX_OPEN_WRITE) != 0,
			       .mount_type = request->mount_type,
			       .mount_options = request->mount_options };
	struct serve serve = { .tree = tree };
	int result = request->filesystem ? files_permitted() : TOOL_DONE;

	if (result == TOOL_DONE && access("/dev/fuse", F_OK) != 0)
		result = tool_fail("there is no FUSE here: /dev/fuse: %s", strerror(errno));
	raise_limit();
	if (result == TOOL_DONE)
		result = tree_open(tree, request->image, &request->open);
	if (result != TOOL_DONE)
		return result;
	if (realpath(request->image, request->image_path) == NULL)
		snprintf(request->image_path, sizeof(request->image_path), "%s", request->image);
	return mount_tree(request, &files, &serve);
}

int main(int argc, char **argv)
{
	static struct request request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-mount", &argc, &argv);
	result = parse(&request, argc, argv);
	if (result != TOOL_DONE)
		return result;
	if (request.version)
		return tool_version();
	if (request.help) {
		printf("%s%s", HELP, TOOL_OPEN_HELP);
		return tool_end(TOOL_DONE);
	}
	return tool_end(request.unmount ? files_unmount(request.said) : mount_image(&request));
}
