/* SPDX-License-Identifier: MIT */
/* vhdx-check: says whether an image is sound, and mends what can be mended. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "salvage.h"
#include "sys.h"

static const char HELP[] =
	"usage: vhdx-check [options] FILE...\n"
	"       vhdx-check --repair [--dry-run] [--undo=PATH] [options] FILE\n"
	"       vhdx-check --restore [--undo=PATH] FILE\n"
	"       vhdx-check --salvage=OUT [options] FILE\n"
	"\n"
	"Checks every structure of VHDX and VHD images and of their parents against the rules of the formats,\n"
	"and says which broken ones can be mended without guessing.\n"
	"\n"
	"  --strict                  warnings count as damage too\n"
	"  --limit N                 show at most N findings of each file (1000)\n"
	"  --repair                  mend FILE; what is overwritten goes to an undo file first\n"
	"  -n, --dry-run             with --repair: only say what would be done\n"
	"  --undo=PATH               the undo file, else FILE.undo; an existing one is never overwritten\n"
	"  --discard-log             with --repair: throw a log away that cannot be replayed; loses content\n"
	"  --keep-space              with --repair: leave space alone that belongs to nothing\n"
	"  --restore                 put FILE back from its undo file\n"
	"  --force                   with --restore: although the file was changed since\n"
	"  --salvage=OUT             write what FILE still holds to the new image OUT (.vhdx, .vhd, else raw),\n"
	"                            and to OUT.map which bytes are present, zero and lost\n"
	"  --json                    print the result as JSON\n"
	"  -q, --quiet               print nothing but failures; the exit status tells\n"
	"  --progress                show progress also when standard error is no terminal\n"
	"  -h, --help                print this\n"
	"  --version                 print the version\n"
	"\n"
	"Exit status: 0 no errors, 1 could not be checked or mended, 2 usage, 3 errors were found and are left.\n"
	"\n"
	"How parents are found:\n"
	"  --format FORMAT           vhdx or vhd; else found by content\n";

enum {
	OPT_STRICT = 1,
	OPT_LIMIT,
	OPT_REPAIR,
	OPT_UNDO,
	OPT_DISCARD_LOG,
	OPT_KEEP_SPACE,
	OPT_RESTORE,
	OPT_FORCE,
	OPT_SALVAGE,
	OPT_JSON,
	OPT_PROGRESS,
	OPT_VERSION
};

static const struct option options[] = {
	{ "strict", 0, NULL, OPT_STRICT },
	{ "limit", 1, NULL, OPT_LIMIT },
	{ "repair", 0, NULL, OPT_REPAIR },
	{ "dry-run", 0, NULL, 'n' },
	{ "undo", 1, NULL, OPT_UNDO },
	{ "discard-log", 0, NULL, OPT_DISCARD_LOG },
	{ "keep-space", 0, NULL, OPT_KEEP_SPACE },
	{ "restore", 0, NULL, OPT_RESTORE },
	{ "force", 0, NULL, OPT_FORCE },
	{ "salvage", 1, NULL, OPT_SALVAGE },
	{ "json", 0, NULL, OPT_JSON },
	{ "quiet", 0, NULL, 'q' },
	{ "progress", 0, NULL, OPT_PROGRESS },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

static int take_limit(struct request *request, const char *text)
{
	char *end;

	request->limit = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && *end == '\0' ? TOOL_DONE : tool_usage("--limit wants a number, not '%s'", text);
}

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case OPT_STRICT: request->strict = true; return TOOL_DONE;
	case OPT_LIMIT: return take_limit(request, optarg);
	case OPT_REPAIR: request->repair = true; return TOOL_DONE;
	case 'n': request->dry_run = true; return TOOL_DONE;
	case OPT_UNDO: request->undo = optarg; return TOOL_DONE;
	case OPT_DISCARD_LOG: request->repair_flags |= VHDX_REPAIR_DISCARD_LOG; return TOOL_DONE;
	case OPT_KEEP_SPACE: request->repair_flags |= VHDX_REPAIR_KEEP_SPACE; return TOOL_DONE;
	case OPT_RESTORE: request->restore = true; return TOOL_DONE;
	case OPT_FORCE: request->force = true; return TOOL_DONE;
	case OPT_SALVAGE: request->salvage = optarg; return TOOL_DONE;
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

static int judge(const struct request *request)
{
	if (request->image_count == 0)
		return tool_usage("wants a FILE");
	if (request->repair + request->restore + (request->salvage != NULL) > 1)
		return tool_usage("--repair, --restore and --salvage exclude each other");
	if ((request->repair || request->restore || request->salvage != NULL) && request->image_count != 1)
		return tool_usage("wants one FILE");
	if (!request->repair && (request->dry_run || request->repair_flags != 0))
		return tool_usage("--dry-run, --discard-log and --keep-space belong to --repair");
	if (!request->repair && !request->restore && request->undo != NULL)
		return tool_usage("--undo belongs to --repair and --restore");
	if (request->force && !request->restore)
		return tool_usage("--force belongs to --restore");
	if ((request->repair || request->restore) && !request->dry_run && (request->open.flags & VHDX_OPEN_NO_LOCK) != 0)
		return tool_usage("--share would change what another program may be using");
	return TOOL_DONE;
}

static int parse(struct request *request, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, ":nqh", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	request->images = argv + optind;
	request->image_count = argc - optind;
	return request->help || request->version ? TOOL_DONE : judge(request);
}

/* Of several files the worst exit status counts. */
static int check_one(const struct request *request, struct json *json, char *image)
{
	struct result *r = tool_allocate(NULL, sizeof(*r));
	int result;

	memset(r, 0, sizeof(*r));
	r->image = image;
	r->info = (struct vhdx_info)VHDX_INFO_INIT;
	result = request->repair ? mend(request, r) : TOOL_DONE;
	if (result == TOOL_DONE)
		result = find(request, r);
	if (result == TOOL_DONE && request->json)
		report_json(json, request, r);
	else if (result == TOOL_DONE && !request->quiet)
		report_text(request, r);
	if (result == TOOL_DONE && is_damaged(request, r))
		result = TOOL_DAMAGED;
	find_release(r);
	free(r);
	return result;
}

static int check_all(const struct request *request)
{
	struct json *json = tool_allocate(NULL, sizeof(*json));
	int worst = TOOL_DONE;

	if (request->json) {
		json_begin(json, stdout);
		json_object(json, NULL, false);
		json_array(json, "files", false);
	}
	for (int i = 0; i < request->image_count; i++) {
		int result = check_one(request, json, request->images[i]);

		worst = worst == TOOL_FAILED || result == TOOL_DONE ? worst : result;
	}
	if (request->json && (worst != TOOL_FAILED || request->image_count > 1)) {
		json_close(json);
		json_close(json);
		json_end(json);
	}
	free(json);
	return worst;
}

static int run(struct request *request, int argc, char **argv)
{
	int result = parse(request, argc, argv);

	if (result != TOOL_DONE)
		return result;
	if (request->version)
		return tool_version();
	if (request->help) {
		printf("%s%s", HELP, TOOL_OPEN_HELP);
		return TOOL_DONE;
	}
	sys_catch_interrupts();
	if (request->salvage != NULL)
		return salvage(request, request->images[0]);
	return request->restore ? restore(request, request->images[0]) : check_all(request);
}

int main(int argc, char **argv)
{
	static struct request request = { .open = TOOL_OPEN_INIT, .limit = CHECK_LIMIT };
	int result;

	tool_begin("vhdx-check", &argc, &argv);
	result = run(&request, argc, argv);
	tool_open_release(&request.open);
	if (result == TOOL_FAILED)
		sys_finish_interrupt();
	return tool_end(result);
}
