/* SPDX-License-Identifier: MIT */
/* vhdx-convert: any image or chain to raw, into a sparse file or to standard output. */
#include <getopt.h>
#include <string.h>

#include "copy.h"
#include "sys.h"
#include "target.h"
#include "tool.h"

static const char HELP[] =
	"usage: vhdx-convert [options] FILE OUT\n"
	"\n"
	"Writes the content of a virtual disk (VHDX or VHD, with its parents) as a raw file, which is sparse,\n"
	"or to standard output when OUT is -.\n"
	"\n"
	"  -f, --force               replace an existing file once the new one is whole\n"
	"  -q, --quiet               show no progress\n"
	"  --progress                show progress also when standard error is no terminal\n"
	"  -h, --help                print this\n"
	"  --version                 print the version\n"
	"\n"
	"How FILE and its parents are opened:\n"
	"  --format FORMAT           vhdx, vhd or raw; else vhdx and vhd are found by content\n";

enum { OPT_PROGRESS = 1, OPT_VERSION };

static const struct option options[] = {
	{ "force", 0, NULL, 'f' }, { "quiet", 0, NULL, 'q' },           { "progress", 0, NULL, OPT_PROGRESS },
	{ "help", 0, NULL, 'h' },  { "version", 0, NULL, OPT_VERSION }, TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *image;
	const char *out;
	struct tool_open open;
	struct progress progress;
	bool force;
	bool help;
	bool version;
};

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case 'f': request->force = true; return TOOL_DONE;
	case 'q': request->progress.quiet = true; return TOOL_DONE;
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

	while ((option = getopt_long(argc, argv, ":fqh", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (argc - optind != 2)
		return tool_usage("wants FILE and OUT");
	request->image = argv[optind];
	request->out = argv[optind + 1];
	request->progress.label = request->image;
	if (request->open.flags & VHDX_OPEN_NO_PARENTS)
		return tool_usage("--no-parents would lose what the parents hold");
	if (strcmp(request->out, "-") == 0 && sys_is_terminal(1))
		return tool_usage("standard output is a terminal");
	return TOOL_DONE;
}

static int convert_to_stream(struct request *request, vhdx_disk *disk)
{
	struct vhdx_error error;
	int status = copy_to_stream(disk, stdout, &request->progress, &error);

	progress_end(&request->progress);
	return status == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

static int make_file(struct request *request, vhdx_disk *disk, struct target *target)
{
	struct vhdx_file file = { 0 };
	struct vhdx_error error;
	int status = vhdx_file_open(&file, target->made, VHDX_FILE_WRITE | VHDX_FILE_CREATE | VHDX_FILE_SPARSE, &error);

	if (status != VHDX_OK)
		return status == VHDX_E_EXISTS ? target_exists(target) : tool_error(&error);
	target->present = true;
	status = copy_to_file(disk, &file, &request->progress, &error);
	progress_end(&request->progress);
	vhdx_file_close(&file);
	return status == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

static int convert_to_file(struct request *request, vhdx_disk *disk)
{
	struct target target;
	int result = target_begin(&target, request->out, request->force);

	sys_catch_interrupts();
	if (result == TOOL_DONE)
		result = target_refuse_chain(&target, disk, "part of the source");
	if (result == TOOL_DONE)
		result = target_refuse_used(&target);
	if (result == TOOL_DONE)
		result = make_file(request, disk, &target);
	if (result == TOOL_DONE && sys_interrupted())
		result = tool_fail("interrupted");
	if (result == TOOL_DONE)
		result = target_commit(&target);
	if (result != TOOL_DONE)
		target_abandon(&target);
	target_release(&target);
	return result;
}

static int convert(struct request *request, int argc, char **argv)
{
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
	result = strcmp(request->out, "-") == 0 ? convert_to_stream(request, disk) : convert_to_file(request, disk);
	vhdx_close(disk);
	return result;
}

int main(int argc, char **argv)
{
	struct request request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-convert", &argc, &argv);
	result = convert(&request, argc, argv);
	tool_open_release(&request.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
