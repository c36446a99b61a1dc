/* SPDX-License-Identifier: MIT */
/* vhdx-merge: the upper files of a chain into one of those below. */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "family.h"
#include "progress.h"
#include "sys.h"
#include "tool.h"

static const char HELP[] =
	"usage: vhdx-merge [options] CHILD\n"
	"\n"
	"Merges a differencing disk into its parent, or with --into several levels at once into a file further down;\n"
	"then links the children of CHILD to that file, and removes the files that were merged. May be\n"
	"interrupted at any moment and begun again: the chain can be read as before until the last file is removed.\n"
	"\n"
	"      --into FILE           the file of the chain that gets everything; else the parent of CHILD\n"
	"      --child FILE          a child of CHILD in another directory, to be linked as well; repeated\n"
	"  -k, --keep                keep the merged files\n"
	"  -n, --dry-run             only say what there is to do\n"
	"      --force               go on although other children would lose their parent\n"
	"  -q, --quiet               print nothing, show no progress\n"
	"      --progress            show progress also when standard error is no terminal\n"
	"  -h, --help                print this\n"
	"      --version             print the version\n"
	"\n"
	"How CHILD and its parents are opened:\n";

enum { OPT_PROGRESS = 1, OPT_VERSION, OPT_INTO, OPT_CHILD, OPT_FORCE };

static const struct option options[] = {
	{ "into", 1, NULL, OPT_INTO },
	{ "child", 1, NULL, OPT_CHILD },
	{ "keep", 0, NULL, 'k' },
	{ "dry-run", 0, NULL, 'n' },
	{ "force", 0, NULL, OPT_FORCE },
	{ "quiet", 0, NULL, 'q' },
	{ "progress", 0, NULL, OPT_PROGRESS },
	{ "help", 0, NULL, 'h' },
	{ "version", 0, NULL, OPT_VERSION },
	TOOL_OPEN_OPTIONS(""),
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *child;
	const char *into;
	const char **children;
	size_t child_count;
	struct tool_open open;
	struct progress progress;
	bool keep;
	bool dry_run;
	bool force;
	bool help;
	bool version;
};

/* What is known of the chain before anything is touched. */
struct chain {
	char **names;
	unsigned depth;
	unsigned into; /* the level that gets everything */
	enum vhdx_format format;
	struct vhdx_guid target_identity;
	struct family family;
};

static int take(struct request *request, int option, char **argv)
{
	switch (option) {
	case OPT_INTO: request->into = optarg; return TOOL_DONE;
	case OPT_CHILD:
		request->children = tool_allocate(request->children, (request->child_count + 1) * sizeof(*request->children));
		request->children[request->child_count++] = optarg;
		return TOOL_DONE;
	case 'k': request->keep = true; return TOOL_DONE;
	case 'n': request->dry_run = true; return TOOL_DONE;
	case OPT_FORCE: request->force = true; return TOOL_DONE;
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

	while ((option = getopt_long(argc, argv, ":knqh", options, NULL)) != -1) {
		int result = take(request, option, argv);

		if (result != TOOL_DONE)
			return result;
	}
	if (request->help || request->version)
		return TOOL_DONE;
	if (argc - optind != 1)
		return tool_usage("wants one CHILD");
	request->child = request->progress.label = argv[optind];
	if (request->open.flags & (VHDX_OPEN_NO_PARENTS | VHDX_OPEN_IGNORE_CHECKSUMS | VHDX_OPEN_NO_LOCK))
		return tool_usage("--no-parents, --ignore-checksums and --share are not for changing files");
	if (request->open.flags & VHDX_OPEN_IGNORE_PARENT_IDENTITY)
		return tool_usage("a parent with another identity may hold anything; link it first with vhdx-set --parent");
	return TOOL_DONE;
}

static int find_target(struct request *request, struct chain *chain)
{
	struct sys_identity wanted;

	chain->into = 1;
	if (request->into == NULL)
		return TOOL_DONE;
	sys_identify(&wanted, request->into, true);
	if (wanted.kind == SYS_MISSING)
		return tool_fail("%s: %s", request->into, sys_problem());
	for (; chain->into < chain->depth; chain->into++) {
		struct sys_identity file;

		sys_identify(&file, chain->names[chain->into], true);
		if (sys_same(&file, &wanted))
			return TOOL_DONE;
	}
	return tool_fail("%s is not below %s in its chain", request->into, request->child);
}

static int learn(struct request *request, struct chain *chain, vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	int result;

	chain->depth = vhdx_depth(disk);
	if (chain->depth == 1)
		return tool_fail("%s: has no parent to be merged into", request->child);
	chain->names = tool_allocate(NULL, chain->depth * sizeof(*chain->names));
	for (unsigned i = 0; i < chain->depth; i++) {
		const char *name = vhdx_level_file(disk, i)->name;

		chain->names[i] = tool_allocate(NULL, strlen(name) + 1);
		strcpy(chain->names[i], name);
	}
	result = find_target(request, chain);
	if (result != TOOL_DONE)
		return result;
	if (vhdx_get_info(disk, chain->into, &info, &error) != VHDX_OK)
		return tool_error(&error);
	if (info.format == VHDX_FORMAT_RAW)
		return tool_fail("%s: a raw file is no parent to be merged into", chain->names[chain->into]);
	chain->format = info.format;
	chain->target_identity = info.data_identity;
	family_find(&chain->family, disk, chain->into + 1, request->child, request->children, request->child_count);
	return TOOL_DONE;
}

/* Children of the child are linked to the target; those of the other files would be left without parent. */
static int check_family(const struct request *request, const struct chain *chain)
{
	int result = TOOL_DONE;

	for (size_t i = 0; i < chain->family.count; i++) {
		const struct family_child *c = &chain->family.children[i];

		if (c->level == 0 || (request->keep && c->level < chain->into))
			continue;
		if (request->force)
			tool_warn("%s: loses its parent %s", c->path, chain->names[c->level]);
		else
			result = tool_fail("%s is another child of %s and would lose its parent; merge it first, or see --force",
					   c->path, chain->names[c->level]);
	}
	return result;
}

static int open_levels(vhdx_disk **out, const struct chain *chain, unsigned first, unsigned last, unsigned flags,
		       const struct vhdx_guid *identity, struct vhdx_error *error)
{
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file *files = tool_allocate(NULL, chain->depth * sizeof(*files));
	int status = VHDX_OK;

	memset(files, 0, chain->depth * sizeof(*files));
	for (unsigned i = first + 1; status == VHDX_OK && i < last; i++)
		status = vhdx_file_open(&files[i], chain->names[i], 0, error);
	open.flags = flags | (last < chain->depth ? (unsigned)VHDX_OPEN_NO_PARENTS : 0u);
	open.parents = &files[first + 1];
	open.parent_count = last - first - 1;
	open.data_identity = identity;
	if (status == VHDX_OK)
		status = vhdx_open(out, chain->names[first], &open, error);
	for (unsigned i = first + 1; status != VHDX_OK && i < last; i++)
		vhdx_file_close(&files[i]);
	free(files);
	return status;
}

/* From now on the chain accepts the target as it is and as it will be. */
static int announce(const struct chain *chain, const struct vhdx_guid *next, struct vhdx_error *error)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	vhdx_disk *disk;
	int status, closed;

	if (chain->format != VHDX_FORMAT_VHDX)
		return VHDX_OK;
	settings.parent_identity = &chain->target_identity;
	settings.parent_identity2 = next;
	status = open_levels(&disk, chain, chain->into - 1, chain->into, VHDX_OPEN_WRITE, NULL, error);
	if (status != VHDX_OK)
		return status;
	status = vhdx_set(disk, &settings, error);
	closed = vhdx_close(disk);
	if (status == VHDX_OK && closed != VHDX_OK) {
		*error = (struct vhdx_error){ .status = status = closed };
		(void)snprintf(error->message, sizeof(error->message), "%s: closing it failed", chain->names[chain->into - 1]);
	}
	return status;
}

static int merge_content(struct request *request, const struct chain *chain, const struct vhdx_guid *next,
			 struct vhdx_merge_plan *plan, struct vhdx_guid *identity, struct vhdx_error *error)
{
	struct vhdx_merge_options how = VHDX_MERGE_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	vhdx_disk *source, *target = NULL;
	int status = open_levels(&source, chain, 0, chain->into, 0, NULL, error), closed;

	if (status != VHDX_OK)
		return status;
	how.context = &request->progress;
	how.progress = progress_step;
	status = open_levels(&target, chain, chain->into, chain->depth, VHDX_OPEN_WRITE, next, error);
	if (status == VHDX_OK)
		status = vhdx_merge(source, target, &how, plan, error);
	if (status == VHDX_OK)
		status = vhdx_get_info(target, 0, &info, error);
	*identity = info.data_identity;
	vhdx_close(source);
	closed = vhdx_close(target);
	progress_end(&request->progress);
	if (status == VHDX_OK && closed != VHDX_OK) {
		error->status = status = closed;
		(void)snprintf(error->message, sizeof(error->message), "%s: closing it failed", chain->names[chain->into]);
	}
	return status;
}

/*
 * The children of what is merged, open for writing before anything is changed: one that another program has open, or that may not be written, stops the merge while it can still
 * be done again. After the first of them is linked it could not: the others' parent would have another identity than theirs.
 */
static int hold_children(const struct chain *chain, vhdx_disk **held, struct vhdx_error *error)
{
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	int status = VHDX_OK;

	open.flags = VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS;
	for (size_t i = 0; status == VHDX_OK && i < chain->family.count; i++)
		if (chain->family.children[i].level == 0)
			status = vhdx_open(&held[i], chain->family.children[i].path, &open, error);
	return status;
}

static int link_children(const struct chain *chain, vhdx_disk **held, const struct vhdx_guid *identity, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (size_t i = 0; status == VHDX_OK && i < chain->family.count; i++) {
		struct vhdx_settings settings = VHDX_SETTINGS_INIT;
		vhdx_disk *disk = held[i];

		if (disk == NULL)
			continue;
		held[i] = NULL;
		settings.parent_file = chain->names[chain->into];
		settings.parent_identity = identity;
		status = vhdx_set(disk, &settings, error);
		if (vhdx_close(disk) != VHDX_OK && status == VHDX_OK) {
			error->status = status = VHDX_E_IO;
			(void)snprintf(error->message, sizeof(error->message), "%s: closing it failed",
				       chain->family.children[i].path);
		}
	}
	return status;
}

static int remove_merged(const struct chain *chain)
{
	for (unsigned i = 0; i < chain->into; i++)
		if (!sys_remove(chain->names[i]))
			return tool_fail("%s: merged, but cannot be removed: %s", chain->names[i], sys_problem());
	return TOOL_DONE;
}

static void say(const struct request *request, const struct chain *chain, const struct vhdx_merge_plan *plan)
{
	char data[40], space[40];

	if (request->progress.quiet)
		return;
	tool_format_size(plan->copy_bytes, data, sizeof(data));
	tool_format_size(plan->space_bytes, space, sizeof(space));
	printf("%s: %s %s of data from %u file%s, up to %s of new blocks\n", chain->names[chain->into],
	       request->dry_run ? "would get" : "got", data, chain->into, chain->into == 1 ? "" : "s", space);
	for (size_t i = 0; i < chain->family.count; i++)
		if (chain->family.children[i].level == 0)
			printf("%s: %s linked to it\n", chain->family.children[i].path, request->dry_run ? "would be" : "is");
	for (unsigned i = 0; !request->keep && i < chain->into; i++)
		printf("%s: %s removed\n", chain->names[i], request->dry_run ? "would be" : "is");
}

static int plan_only(const struct request *request, const struct chain *chain)
{
	struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
	vhdx_disk *source, *target = NULL;
	struct vhdx_error error;
	int status = open_levels(&source, chain, 0, chain->into, 0, NULL, &error);

	if (status != VHDX_OK)
		return tool_error(&error);
	status = open_levels(&target, chain, chain->into, chain->depth, 0, NULL, &error);
	if (status == VHDX_OK)
		status = vhdx_plan_merge(source, target, &plan, &error);
	vhdx_close(source);
	vhdx_close(target);
	if (status != VHDX_OK)
		return tool_error(&error);
	say(request, chain, &plan);
	return TOOL_DONE;
}

static int merge(struct request *request, const struct chain *chain)
{
	struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
	struct vhdx_guid next, identity;
	struct vhdx_error error;
	vhdx_disk **held = tool_allocate(NULL, (chain->family.count + 1) * sizeof(vhdx_disk *));
	int status = vhdx_guid_random(&next, &error), result;

	memset(held, 0, (chain->family.count + 1) * sizeof(vhdx_disk *));
	sys_catch_interrupts();
	if (status == VHDX_OK)
		status = hold_children(chain, held, &error);
	if (status == VHDX_OK)
		status = announce(chain, &next, &error);
	if (status == VHDX_OK)
		status = merge_content(request, chain, &next, &plan, &identity, &error);
	if (status == VHDX_OK)
		status = link_children(chain, held, &identity, &error);
	for (size_t i = 0; i < chain->family.count; i++)
		vhdx_close(held[i]);
	free(held);
	if (status != VHDX_OK)
		return tool_error(&error);
	result = request->keep ? TOOL_DONE : remove_merged(chain);
	if (result == TOOL_DONE)
		say(request, chain, &plan);
	return result;
}

static int run(struct request *request, int argc, char **argv)
{
	struct chain chain = { .names = NULL };
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
	result = tool_open_image(&disk, request->child, &request->open);
	if (result != TOOL_DONE)
		return result;
	result = learn(request, &chain, disk);
	vhdx_close(disk);
	if (result == TOOL_DONE)
		result = check_family(request, &chain);
	if (result == TOOL_DONE)
		result = request->dry_run ? plan_only(request, &chain) : merge(request, &chain);
	for (unsigned i = 0; chain.names != NULL && i < chain.depth; i++)
		free(chain.names[i]);
	free(chain.names);
	family_release(&chain.family);
	return result;
}

int main(int argc, char **argv)
{
	struct request request = { .open = TOOL_OPEN_INIT };
	int result;

	tool_begin("vhdx-merge", &argc, &argv);
	result = run(&request, argc, argv);
	free(request.children);
	tool_open_release(&request.open);
	if (result != TOOL_DONE)
		sys_finish_interrupt();
	return tool_end(result);
}
