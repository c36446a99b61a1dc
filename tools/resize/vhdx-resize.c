/* SPDX-License-Identifier: MIT */
/* vhdx-resize: another size for the disk in an image, with a look at its partitions. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "content.h"
#include "gpt_move.h"
#include "tool.h"

static const char HELP[] = "usage: vhdx-resize [options] FILE SIZE\n"
			   "       vhdx-resize [options] --to-minimum FILE\n"
			   "\n"
			   "Makes the disk in FILE larger or smaller, in place. SIZE is like 80G, or +10G, or -5G.\n"
			   "Partitions and filesystems keep their sizes; the second copy of a GPT moves to the new end.\n"
			   "A disk never becomes smaller than what its partitions need.\n"
			   "\n"
			   "      --to-minimum          as small as the partitions allow\n"
			   "      --force               cut off what lies behind the new end all the same\n"
			   "      --no-gpt              leave the copy of a GPT where it is\n"
			   "      --format FORMAT       vhdx, vhd or raw; else vhdx and vhd are found by content\n"
			   "  -n, --dry-run             only say what there is to do\n"
			   "  -q, --quiet               print nothing\n"
			   "  -h, --help                print this\n"
			   "      --version             print the version\n"
			   "\n"
			   "How the parents of a differencing disk are found:\n";

enum { OPT_VERSION = 1, OPT_MINIMUM, OPT_FORCE, OPT_NO_GPT };

static const struct option options[] = {
	{ "to-minimum", 0, NULL, OPT_MINIMUM },
	{ "force", 0, NULL, OPT_FORCE },
	{ "no-gpt", 0, NULL, OPT_NO_GPT },
	{ "dry-run", 0, NULL, 'n' },
	{ "quiet", 0, NULL, 'q' },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *image;
	const char *size_text;
	struct tool_open open;
	bool minimum;
	bool force;
	bool no_gpt;
	bool dry_run;
	bool quiet;
	bool help;
	bool version;
};

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case OPT_MINIMUM: request->minimum = true; return TOOL_DONE;
	case OPT_FORCE: request->force = true; return TOOL_DONE;
	case OPT_NO_GPT: request->no_gpt = true; return TOOL_DONE;
	case 'n': request->dry_run = true; return TOOL_DONE;
	case 'q': request->quiet = true; return TOOL_DONE;
	case 'h': request->help = true; return TOOL_DONE;
	case OPT_VERSION: request->version = true; return TOOL_DONE;
	case '?':
	case ':': return tool_bad_option(option, argv);
	default: return tool_open_option(&request->open, option, optarg);
	}
}

/* "-5G" is a size here, and getopt would take it for options: what follows FILE is looked at first. */
static int parse(struct request *request, int argc, char **argv)
{
	int option;

	if (argc > 2 && argv[argc - 1][0] == '-' && argv[argc - 1][1] >= '0' && argv[argc - 1][1] <= '9')
		request->size_text = argv[--argc];
	while ((option = getopt_long(argc, argv, ":nqh", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (request->size_text == NULL && argc - optind == 2)
		request->size_text = argv[--argc];
	if (argc - optind != 1 || request->minimum == (request->size_text != NULL))
		return tool_usage("wants FILE and a SIZE, or FILE and --to-minimum");
	if (request->open.flags & (VHDX_OPEN_NO_PARENTS | VHDX_OPEN_IGNORE_CHECKSUMS | VHDX_OPEN_NO_LOCK))
		return tool_usage("--no-parents, --ignore-checksums and --share are not for changing files");
	if (request->open.flags & VHDX_OPEN_IGNORE_PARENT_IDENTITY)
		return tool_usage(
			"a parent of another identity may hold anything; link it first, with vhdx-set --parent --any-parent");
	request->image = argv[optind];
	return TOOL_DONE;
}

struct job {
	uint64_t old_size;
	uint64_t new_size;
	uint32_t sector;
	struct content *content;
};

static int new_size(const struct request *request, struct job *job)
{
	const char *text = request->size_text;
	uint64_t size;

	if (request->minimum) {
		if (job->content->minimum_size == 0)
			return tool_fail("%s: what its partitions need cannot be told", request->image);
		size = job->content->minimum_size;
		job->new_size = (size + job->sector - 1) / job->sector * job->sector;
		if (job->new_size > job->old_size)
			job->new_size = job->old_size;
		return TOOL_DONE;
	}
	if (!tool_parse_size(text + (*text == '+' || *text == '-'), &size))
		return tool_usage("\"%s\" is no size", text);
	if (*text == '-' && size >= job->old_size)
		return tool_fail("%s: the disk has only %llu bytes", request->image, (unsigned long long)job->old_size);
	if (*text == '+' && size > UINT64_MAX - job->old_size)
		return tool_usage("\"%s\" is too large", text);
	job->new_size = *text == '+' ? job->old_size + size : *text == '-' ? job->old_size - size : size;
	return TOOL_DONE;
}

static bool has_gpt(const struct request *request, const struct job *job)
{
	const struct content *c = job->content;

	return !request->no_gpt && c->table == CONTENT_GPT && !c->gpt_damaged && !c->gpt_backup_used &&
	       job->new_size % c->sector_size == 0;
}

static int judge(const struct request *request, const struct job *job)
{
	char text[40];

	if (job->new_size >= job->old_size || request->force)
		return TOOL_DONE;
	if (job->content->minimum_size == 0)
		return tool_fail("%s: what lies behind the new end cannot be told; see --force", request->image);
	if (job->new_size < job->content->minimum_size)
		return tool_fail("%s: its partitions need %s; see --force", request->image,
				 tool_format_size(job->content->minimum_size, text, sizeof(text)));
	return TOOL_DONE;
}

static int read_disk(void *context, void *buffer, size_t length, uint64_t disk_offset)
{
	return vhdx_read(context, buffer, length, disk_offset, NULL);
}

static int learn(const struct request *request, struct job *job, vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct content_source source = { disk, read_disk, vhdx_disk_size(disk), 512 };
	struct vhdx_error error;

	if (vhdx_get_info(disk, 0, &info, &error) != VHDX_OK)
		return tool_error(&error);
	job->sector = source.sector_size = info.logical_sector_size;
	job->old_size = source.size;
	if (content_probe(job->content, &source) != 0)
		return tool_fail("%s: the start of the disk cannot be read", request->image);
	return TOOL_DONE;
}

static int change(const struct request *request, const struct job *job, vhdx_disk *disk)
{
	bool grows = job->new_size > job->old_size, gpt = has_gpt(request, job);
	struct vhdx_error error;
	int status = VHDX_OK;

	/* when it is cut off with --force, the copy may have no room any more */
	if (gpt && !grows && job->content->minimum_size != 0 && job->new_size >= job->content->minimum_size)
		status = gpt_move(disk, job->content->sector_size, job->old_size, job->new_size, &error);
	if (status == VHDX_OK)
		status = vhdx_resize(disk, job->new_size, VHDX_RESIZE_CUT, &error);
	if (status == VHDX_OK && gpt && grows)
		status = gpt_move(disk, job->content->sector_size, job->old_size, job->new_size, &error);
	return status == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

static void say(const struct request *request, const struct job *job)
{
	char old[40], new[40];

	tool_format_size(job->old_size, old, sizeof(old));
	tool_format_size(job->new_size, new, sizeof(new));
	if (!request->quiet && job->new_size == job->old_size)
		printf("%s: has %s already\n", request->image, old);
	else if (!request->quiet)
		printf("%s: %s%s, was %s\n", request->image, request->dry_run ? "would have " : "", new, old);
}

static int resize(struct request *request, struct job *job)
{
	vhdx_disk *disk;
	int result = tool_open_image(&disk, request->image, &request->open), closed;

	if (result != TOOL_DONE)
		return result;
	result = learn(request, job, disk);
	vhdx_close(disk);
	if (result == TOOL_DONE)
		result = new_size(request, job);
	if (result == TOOL_DONE)
		result = judge(request, job);
	if (result != TOOL_DONE || request->dry_run || job->new_size == job->old_size) {
		if (result == TOOL_DONE)
			say(request, job);
		return result;
	}
	request->open.flags |= VHDX_OPEN_WRITE;
	result = tool_open_image(&disk, request->image, &request->open);
	if (result != TOOL_DONE)
		return result;
	result = vhdx_disk_size(disk) == job->old_size ? change(request, job, disk)
						       : tool_fail("%s: has changed meanwhile", request->image);
	closed = vhdx_close(disk);
	if (result == TOOL_DONE && closed != VHDX_OK)
		result = tool_fail("%s: closing it failed: %s", request->image, vhdx_status_name(closed));
	if (result == TOOL_DONE)
		say(request, job);
	return result;
}

int main(int argc, char **argv)
{
	struct request request = { .open = TOOL_OPEN_INIT };
	struct job job = { .content = NULL };
	int result;

	tool_begin("vhdx-resize", &argc, &argv);
	result = parse(&request, argc, argv);
	if (result == TOOL_DONE && request.version) {
		result = tool_version();
	} else if (result == TOOL_DONE && request.help) {
		printf("%s%s", HELP, TOOL_OPEN_HELP);
	} else if (result == TOOL_DONE) {
		job.content = tool_allocate(NULL, sizeof(*job.content));
		result = resize(&request, &job);
		free(job.content);
	}
	tool_open_release(&request.open);
	return tool_end(result);
}
