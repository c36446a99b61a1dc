/* SPDX-License-Identifier: MIT */
#include "print.h"

#include <string.h>

#include "json.h"

static const char *const state_names[] = { "none", "good", "moved", "changed", "lost" };

enum { MOST_DEPTH = 512 };

static void print_line(const struct forest *forest, const struct tree *t)
{
	char size[40], guid[VHDX_GUID_TEXT_SIZE];

	printf("%s", t->path);
	if (t->problem != NULL) {
		printf("  BROKEN: %s\n", t->problem);
		return;
	}
	printf("  %s %s, %s", vhdx_format_name(t->info.format), vhdx_type_name(t->info.type),
	       tool_format_size(t->info.virtual_size, size, sizeof(size)));
	vhdx_guid_format(&t->info.parent_identity, guid);
	switch (t->state) {
	case LINK_NONE:
	case LINK_GOOD: break;
	case LINK_MOVED:
		printf("  MOVED: its parent is stored as %s and is %s%s", t->stored == NULL ? "nothing" : t->stored,
		       t->parent == FOREST_NONE ? "itself" : forest->trees[t->parent].path,
		       t->several ? " (or a copy of it)" : "");
		break;
	case LINK_CHANGED:
		printf("  CHANGED PARENT: %s is not {%s} (any more)", t->stored == NULL ? "what is stored" : t->stored, guid);
		break;
	case LINK_LOST: printf("  LOST PARENT: %s {%s}", t->stored == NULL ? "" : t->stored, guid); break;
	}
	printf("%s\n", t->in_cycle ? "  CYCLE" : "");
}

static size_t next_child(const struct forest *forest, size_t parent, size_t from)
{
	while (from < forest->count && (forest->trees[from].parent != parent || from == parent))
		from++;
	return from;
}

/* Without recursion: the path from the root to the line being printed. */
static void print_below(const struct forest *forest, size_t root)
{
	size_t path[MOST_DEPTH] = { root }, depth = 1, at = next_child(forest, root, 0);

	while (depth != 0) {
		if (at == forest->count || depth == MOST_DEPTH) {
			depth--;
			at = depth == 0 ? 0 : next_child(forest, path[depth - 1], path[depth] + 1);
			continue;
		}
		for (size_t i = 1; i < depth; i++)
			printf("%s", next_child(forest, path[i - 1], path[i] + 1) < forest->count ? "|   " : "    ");
		printf("%s", next_child(forest, path[depth - 1], at + 1) < forest->count ? "|-- " : "`-- ");
		print_line(forest, &forest->trees[at]);
		path[depth++] = at;
		at = next_child(forest, at, 0);
	}
}

void print_text(const struct forest *forest)
{
	for (size_t i = 0; i < forest->count; i++)
		if (forest->trees[i].parent == FOREST_NONE) {
			print_line(forest, &forest->trees[i]);
			print_below(forest, i);
		}
}

static void guid_member(struct json *json, const char *key, const struct vhdx_guid *guid)
{
	char text[VHDX_GUID_TEXT_SIZE];

	vhdx_guid_format(guid, text);
	json_string(json, key, text);
}

void print_json(const struct forest *forest)
{
	struct json json;

	json_begin(&json, stdout);
	json_array(&json, NULL, false);
	for (size_t i = 0; i < forest->count; i++) {
		const struct tree *t = &forest->trees[i];

		json_object(&json, NULL, false);
		json_string(&json, "path", t->path);
		if (t->problem != NULL) {
			json_string(&json, "problem", t->problem);
			json_close(&json);
			continue;
		}
		json_string(&json, "format", vhdx_format_name(t->info.format));
		json_string(&json, "type", vhdx_type_name(t->info.type));
		json_number(&json, "virtual_size", t->info.virtual_size);
		json_number(&json, "file_size", t->info.file_size);
		guid_member(&json, "identity", &t->info.data_identity);
		if (t->info.type == VHDX_TYPE_DIFFERENCING) {
			guid_member(&json, "parent_identity", &t->info.parent_identity);
			json_string(&json, "stored_path", t->stored);
			json_string(&json, "link", state_names[t->state]);
			json_string(&json, "parent", t->parent == FOREST_NONE ? NULL : forest->trees[t->parent].path);
		}
		json_close(&json);
	}
	json_close(&json);
	json_end(&json);
}

static void dot_text(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

void print_dot(const struct forest *forest)
{
	printf("digraph chains {\n\trankdir=BT;\n\tnode [shape=box];\n");
	for (size_t i = 0; i < forest->count; i++) {
		const struct tree *t = &forest->trees[i];

		printf("\tn%zu [label=", i);
		dot_text(t->path);
		printf("%s];\n", t->problem != NULL || t->state >= LINK_CHANGED ? ", color=red" : "");
		if (t->parent != FOREST_NONE)
			printf("\tn%zu -> n%zu%s;\n", i, t->parent,
			       t->state == LINK_MOVED ? " [style=dashed, label=\"moved\"]" : "");
	}
	printf("}\n");
}
