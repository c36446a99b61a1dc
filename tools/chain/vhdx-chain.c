/* SPDX-License-Identifier: MIT */
/* vhdx-chain: who is whose parent, what has moved, and how to link it again. */
#include <getopt.h>
#include <string.h>

#include "print.h"

static const char HELP[] =
	"usage: vhdx-chain [options] DIR|FILE...\n"
	"\n"
	"Looks at all images (.vhdx, .avhdx, .vhd, .avhd) below the directories, and draws who is whose parent: by the\n"
	"stored paths, and where those fail by identity, which tells a parent that was moved from one that is lost.\n"
	"\n"
	"      --relink              store the right path in each image whose parent has moved\n"
	"      --json, --dot         print JSON, or a graph for Graphviz\n"
	"      --map FROM=DIR        take DIR for the Windows drive or path FROM\n"
	"      --parent-root DIR     open no parent outside DIR\n"
	"  -h, --help                print this\n"
	"      --version             print the version\n"
	"\n"
	"The exit status is 0 when every image opens with all its parents, else 1, or 3 when one is broken.\n";

enum { OPT_VERSION = 1, OPT_RELINK, OPT_JSON, OPT_DOT };

static const struct option options[] = {
	{ "relink", 0, NULL, OPT_RELINK },
	{ "json", 0, NULL, OPT_JSON },
	{ "dot", 0, NULL, OPT_DOT },
	{ "map", 1, NULL, TOOL_OPT_MAP },
	{ "parent-root", 1, NULL, TOOL_OPT_PARENT_ROOT },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

struct request {
	struct tool_open open;
	void (*print)(const struct forest *forest);
	bool relink;
	bool help;
	bool version;
};

static int parse(struct request *request, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		int result = TOOL_DONE;

		switch (option) {
		case OPT_RELINK: request->relink = true; break;
		case OPT_JSON: request->print = print_json; break;
		case OPT_DOT: request->print = print_dot; break;
		case 'h': request->help = true; break;
		case OPT_VERSION: request->version = true; break;
		case '?':
		case ':': return tool_bad_option(option, argv);
		default: result = tool_open_option(&request->open, option, optarg);
		}
		if (result != TOOL_DONE)
			return result;
	}
	return optind < argc || request->help || request->version ? TOOL_DONE : tool_usage("wants a directory or a file");
}

static int relink_one(const struct forest *forest, struct tree *tree)
{
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int status, closed;

	if (tree->several) {
		tool_warn("%s: several files are its parent by their identity; choose with vhdx-set --parent", tree->path);
		return TOOL_FAILED;
	}
	open.flags = VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS;
	settings.parent_file = forest->trees[tree->parent].path;
	status = vhdx_open(&disk, tree->path, &open, &error);
	if (status != VHDX_OK)
		return tool_error(&error);
	status = vhdx_set(disk, &settings, &error);
	closed = vhdx_close(disk);
	if (status != VHDX_OK)
		return tool_error(&error);
	if (closed != VHDX_OK)
		return tool_fail("%s: closing it failed: %s", tree->path, vhdx_status_name(closed));
	tree->state = LINK_GOOD;
	return TOOL_DONE;
}

static int judge(const struct forest *forest)
{
	int result = TOOL_DONE;

	for (size_t i = 0; i < forest->count; i++) {
		const struct tree *t = &forest->trees[i];

		if (t->problem != NULL)
			return TOOL_DAMAGED;
		if (t->state > LINK_GOOD || t->in_cycle)
			result = TOOL_FAILED;
	}
	return result;
}

static int scan(struct request *request, char **paths, int count)
{
	struct forest forest = { .trees = NULL };
	int result;

	for (int i = 0; i < count; i++)
		forest_add(&forest, paths[i]);
	if (forest.unreadable != NULL) {
		result = tool_fail("%s: cannot be read: %s", forest.unreadable, sys_problem());
		forest_release(&forest);
		return result;
	}
	forest_link(&forest, &request->open);
	for (size_t i = 0; request->relink && i < forest.count; i++)
		if (forest.trees[i].state == LINK_MOVED && !forest.trees[i].in_cycle)
			(void)relink_one(&forest, &forest.trees[i]);
	request->print(&forest);
	result = judge(&forest);
	forest_release(&forest);
	return result;
}

int main(int argc, char **argv)
{
	struct request request = { .open = TOOL_OPEN_INIT, .print = print_text };
	int result;

	tool_begin("vhdx-chain", &argc, &argv);
	result = parse(&request, argc, argv);
	if (result == TOOL_DONE && request.version)
		result = tool_version();
	else if (result == TOOL_DONE && request.help)
		printf("%s", HELP);
	else if (result == TOOL_DONE)
		result = scan(&request, argv + optind, argc - optind);
	tool_open_release(&request.open);
	return tool_end(result);
}
