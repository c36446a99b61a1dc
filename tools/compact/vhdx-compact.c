/* SPDX-License-Identifier: MIT */
/* vhdx-compact: makes the file of a disk smaller. */
#include <getopt.h>
#include <string.h>

#include "compact.h"
#include "sys.h"

static const char HELP[] = "usage: vhdx-compact [options] FILE\n"
			   "\n"
			   "Makes the file of a dynamic or differencing disk (VHDX or VHD) smaller: frees blocks that the\n"
			   "filesystems on the disk do not use, that hold zeros, or what the parent holds, and moves the others\n"
			   "down. Understands ext2, ext3, ext4, FAT, exFAT and NTFS, mounts nothing.\n"
			   "\n"
			   "  -n, --estimate            change nothing, say what would be done\n"
			   "  --no-filesystems          look into no filesystem: the content of the disk stays as it is\n"
			   "  --no-zeros                do not look for blocks of zeros\n"
			   "  --no-equal                do not compare blocks with the parent\n"
			   "  --no-move                 move no blocks: what is free becomes holes of the host's file\n"
			   "  --defrag                  put the blocks into the order of the disk\n"
			   "  --punch                   zeros inside the blocks that stay become holes; of a fixed disk too\n"
			   "  --json                    print the result as JSON\n"
			   "  -q, --quiet               print nothing but errors\n"
			   "  --progress                show progress also when standard error is no terminal\n"
			   "  -h, --help                print this\n"
			   "  --version                 print the version\n"
			   "\n"
			   "How FILE and its parents are opened:\n"
			   "  --format FORMAT           vhdx or vhd; else found by content\n";

enum {
	OPT_NO_FILESYSTEMS = 1,
	OPT_NO_ZEROS,
	OPT_NO_EQUAL,
	OPT_NO_MOVE,
	OPT_DEFRAG,
	OPT_PUNCH,
	OPT_JSON,
	OPT_PROGRESS,
	OPT_VERSION
};

static const struct option options[] = {
	{ "estimate", 0, NULL, 'n' },
	{ "no-filesystems", 0, NULL, OPT_NO_FILESYSTEMS },
	{ "no-zeros", 0, NULL, OPT_NO_ZEROS },
	{ "no-equal", 0, NULL, OPT_NO_EQUAL },
	{ "no-move", 0, NULL, OPT_NO_MOVE },
	{ "defrag", 0, NULL, OPT_DEFRAG },
	{ "punch", 0, NULL, OPT_PUNCH },
	{ "json", 0, NULL, OPT_JSON },
	{ "quiet", 0, NULL, 'q' },
	{ "progress", 0, NULL, OPT_PROGRESS },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case 'n': request->flags |= VHDX_COMPACT_ESTIMATE; return TOOL_DONE;
	case OPT_NO_FILESYSTEMS: request->no_filesystems = true; return TOOL_DONE;
	case OPT_NO_ZEROS: request->flags |= VHDX_COMPACT_KEEP_ZEROS; return TOOL_DONE;
	case OPT_NO_EQUAL: request->flags |= VHDX_COMPACT_KEEP_EQUAL; return TOOL_DONE;
	case OPT_NO_MOVE: request->flags |= VHDX_COMPACT_KEEP_PLACES; return TOOL_DONE;
	case OPT_DEFRAG: request->flags |= VHDX_COMPACT_DEFRAG; return TOOL_DONE;
	case OPT_PUNCH: request->flags |= VHDX_COMPACT_PUNCH; return TOOL_DONE;
	case OPT_JSON: request->json = true; return TOOL_DONE;
	case 'q': request->quiet = request->progress.quiet = true; return TOOL_DONE;
	case OPT_PROGRESS: request->progress.always = true; return TOOL_DONE;
	case 'h': request->help = true; return TOOL_DONE;
	case OPT_VERSION: request->version = true; return TOOL_DONE;
	case '?':
	case ':': return tool_bad_option(option, argv);
	default: return tool_open_option(&request->open, option, optarg);
	}
}

static int parse(struct request *request, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, ":nqh", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (argc - optind != 1)
		return tool_usage("wants one FILE");
	if ((request->flags & VHDX_COMPACT_DEFRAG) != 0 && (request->flags & VHDX_COMPACT_KEEP_PLACES) != 0)
		return tool_usage("--defrag and --no-move exclude each other");
	request->image = request->progress.label = argv[optind];
	if ((request->flags & VHDX_COMPACT_ESTIMATE) != 0)
		return TOOL_DONE;
	if ((request->open.flags & VHDX_OPEN_IGNORE_PARENT_IDENTITY) != 0)
		return tool_usage(
			"a parent of another identity may hold anything; link it first, with vhdx-set --parent --any-parent");
	if ((request->open.flags & VHDX_OPEN_NO_LOCK) != 0)
		return tool_usage("--share would change what another program may be using");
	request->open.flags |= VHDX_OPEN_WRITE;
	return TOOL_DONE;
}

static int compact(struct request *request, vhdx_disk *disk, struct outcome *o)
{
	struct vhdx_compact_options how = VHDX_COMPACT_OPTIONS_INIT;
	struct vhdx_error error;
	int status = vhdx_get_info(disk, 0, &o->info, &error);

	/* without its parents a child shows only a part of its filesystems */
	if (status == VHDX_OK && !request->no_filesystems && (request->open.flags & VHDX_OPEN_NO_PARENTS) == 0)
		status = unused_find(&o->unused, disk, &error);
	report_notes(request, &o->unused);
	how.flags = request->flags;
	how.result = &o->result;
	how.on_progress = progress_step;
	how.on_progress_context = &request->progress;
	how.is_unused = o->unused.blocks != NULL ? unused_block : NULL;
	how.is_unused_context = &o->unused;
	if (status == VHDX_OK)
		status = vhdx_compact(disk, &how, &error);
	progress_end(&request->progress);
	if (status == VHDX_E_CANCELLED)
		return tool_fail("%s: interrupted; what is done stays done", request->image);
	return status == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

/* The file becomes shorter when it is closed. */
static int finish(const struct request *request, vhdx_disk *disk, int result)
{
	int status = vhdx_close(disk);

	if (status == VHDX_OK || result != TOOL_DONE)
		return result;
	return tool_fail("%s: cannot be closed in order: %s; nothing is lost", request->image, vhdx_status_name(status));
}

static int run(struct request *request, int argc, char **argv)
{
	struct outcome outcome = { .info = VHDX_INFO_INIT, .result = VHDX_COMPACT_RESULT_INIT };
	int result = parse(request, argc, argv);
	vhdx_disk *disk;

	if (result != TOOL_DONE)
		return result;
	if (request->version)
		return tool_version();
	if (request->help) {
		printf("%s%s", HELP, TOOL_OPEN_HELP);
		return TOOL_DONE;
	}
	result = tool_open_image(&disk, request->image, &request->open);
	if (result != TOOL_DONE)
		return result;
	sys_catch_interrupts();
	result = compact(request, disk, &outcome);
	result = finish(request, disk, result);
	if (result == TOOL_DONE)
		report(request, &outcome);
	unused_release(&outcome.unused);
	return result;
}

int main(int argc, char **argv)
{
	static struct request request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-compact", &argc, &argv);
	result = run(&request, argc, argv);
	tool_open_release(&request.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
