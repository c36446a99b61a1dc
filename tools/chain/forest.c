/* SPDX-License-Identifier: MIT */
#include "forest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_DEPTH = 64 };

static char *copy(const char *text)
{
	char *own = tool_allocate(NULL, strlen(text) + 1);

	return strcpy(own, text);
}

static bool is_image_name(const char *path)
{
	static const char *const endings[] = { ".vhdx", ".avhdx", ".vhd", ".avhd", ".vhds" };
	size_t length = strlen(path);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		size_t ending = strlen(endings[i]);

		if (length > ending && strcasecmp(path + length - ending, endings[i]) == 0)
			return true;
	}
	return false;
}

static int open_alone(vhdx_disk **disk, const char *path, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;

	options.flags = VHDX_OPEN_NO_PARENTS | VHDX_OPEN_NO_LOCK;
	return vhdx_open(disk, path, &options, error);
}

static void add_file(struct forest *forest, const char *path, const struct sys_identity *file)
{
	struct tree tree = { .file = *file, .info = VHDX_INFO_INIT, .parent = FOREST_NONE, .changed = FOREST_NONE };
	const struct vhdx_parent_path *paths;
	struct vhdx_error error;
	vhdx_disk *disk;
	size_t count;

	for (size_t i = 0; i < forest->count; i++)
		if (sys_same(&forest->trees[i].file, file))
			return;
	tree.path = copy(path);
	if (open_alone(&disk, path, &error) == VHDX_OK) {
		(void)vhdx_get_info(disk, 0, &tree.info, NULL);
		tree.info.file_name = NULL;
		paths = vhdx_parent_paths(disk, 0, &count);
		tree.stored = count == 0 ? NULL : tool_clean(copy(paths[0].text));
		vhdx_close(disk);
	} else {
		tree.problem = tool_clean(copy(error.message));
	}
	if (forest->count == forest->capacity) {
		forest->capacity = forest->capacity == 0 ? 64 : forest->capacity * 2;
		forest->trees = tool_allocate(forest->trees, forest->capacity * sizeof(tree));
	}
	forest->trees[forest->count++] = tree;
}

struct visit {
	struct forest *forest;
	unsigned depth;
};

static void look(void *context, const char *path)
{
	struct visit *v = context, below = { v->forest, v->depth + 1 };
	const char *name = strrchr(path, '/');
	struct sys_identity file;

	name = name == NULL ? path : name + 1;
	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return;
	sys_identify(&file, path, false);
	if (file.kind == SYS_REGULAR && is_image_name(path))
		add_file(v->forest, path, &file);
	else if (file.kind == SYS_OTHER && v->depth < MOST_DEPTH)
		(void)sys_list(path, look, &below);
}

void forest_add(struct forest *forest, const char *path)
{
	struct visit visit = { forest, 0 };
	struct sys_identity file;

	sys_identify(&file, path, true);
	if (file.kind == SYS_REGULAR)
		add_file(forest, path, &file);
	else if (!sys_list(path, look, &visit) && forest->unreadable == NULL)
		forest->unreadable = copy(path);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct tree *)a)->path, ((const struct tree *)b)->path);
}

/* Whom the stored paths lead to, whether it is the right one or not: the first candidate that could be opened. */
struct led {
	struct sys_identity file;
	bool accepted;
};

static void note(void *context, const struct vhdx_parent_attempt *attempt)
{
	struct led *led = context;

	if (attempt->child_level != 0 || led->accepted)
		return;
	if (attempt->status == VHDX_OK || (led->file.kind == SYS_MISSING && attempt->status == VHDX_E_PARENT_MISMATCH))
		sys_identify(&led->file, attempt->path, true);
	led->accepted = attempt->status == VHDX_OK;
}

static struct led follow(const struct tree *tree, struct tool_open *open)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct led led = { .accepted = false };
	vhdx_disk *disk;

	options.flags = VHDX_OPEN_NO_LOCK;
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = &open->resolver;
	options.on_attempt = note;
	options.on_attempt_context = &led;
	if (vhdx_open(&disk, tree->path, &options, NULL) == VHDX_OK)
		vhdx_close(disk);
	return led;
}

static size_t find_file(const struct forest *forest, const struct sys_identity *file)
{
	for (size_t i = 0; i < forest->count; i++)
		if (sys_same(&forest->trees[i].file, file))
			return i;
	return FOREST_NONE;
}

/* The one whose identity the child names. */
static size_t find_parent(const struct forest *forest, const struct tree *child, bool *several)
{
	size_t found = FOREST_NONE;

	for (size_t i = 0; i < forest->count; i++) {
		const struct tree *t = &forest->trees[i];

		if (t == child || t->problem != NULL || t->info.format != child->info.format ||
		    memcmp(&t->info.data_identity, &child->info.parent_identity, sizeof(t->info.data_identity)) != 0)
			continue;
		*several = found != FOREST_NONE;
		found = found == FOREST_NONE ? i : found;
	}
	return found;
}

static void link_one(struct forest *forest, struct tree *tree, struct tool_open *open)
{
	struct led led = follow(tree, open);
	size_t leads_to = find_file(forest, &led.file);

	if (led.accepted) {
		tree->state = LINK_GOOD;
		tree->parent = leads_to;
		return;
	}
	tree->parent = find_parent(forest, tree, &tree->several);
	tree->changed = leads_to;
	tree->state = tree->parent != FOREST_NONE ? LINK_MOVED : led.file.kind != SYS_MISSING ? LINK_CHANGED : LINK_LOST;
}

/* Who is his own ancestor is nobody's child in what is drawn. */
static void break_cycles(struct forest *forest)
{
	for (size_t i = 0; i < forest->count; i++) {
		size_t at = forest->trees[i].parent, steps = 0;

		while (at != FOREST_NONE && at != i && steps++ < forest->count)
			at = forest->trees[at].parent;
		if (at == i) {
			forest->trees[i].in_cycle = true;
			forest->trees[i].parent = FOREST_NONE;
		}
	}
}

void forest_link(struct forest *forest, struct tool_open *open)
{
	if (forest->count > 1)
		qsort(forest->trees, forest->count, sizeof(*forest->trees), by_path);
	for (size_t i = 0; i < forest->count; i++) {
		struct tree *tree = &forest->trees[i];

		if (tree->problem == NULL && tree->info.type == VHDX_TYPE_DIFFERENCING)
			link_one(forest, tree, open);
	}
	break_cycles(forest);
}

void forest_release(struct forest *forest)
{
	for (size_t i = 0; i < forest->count; i++) {
		free(forest->trees[i].path);
		free(forest->trees[i].stored);
		free(forest->trees[i].problem);
	}
	free(forest->trees);
	free(forest->unreadable);
}
