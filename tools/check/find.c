/* SPDX-License-Identifier: MIT */
/* What is found in a file, and in its parents as far as they can be opened. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

struct walk {
	const struct request *request;
	struct result *result;
	unsigned level;
};

static void copy_text(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text);
	tool_clean(out);
}

static void add(struct walk *walk, const struct vhdx_finding *found)
{
	struct result *r = walk->result;
	bool ours = walk->level == 0, by_force = found->mend == VHDX_MEND_DISCARD_LOG;
	struct finding *f;

	r->counts[found->severity]++;
	r->mendable += ours && found->mend != VHDX_MEND_NONE && !by_force;
	r->discardable += ours && by_force;
	r->beyond_repair += found->severity == VHDX_SEVERITY_ERROR && found->mend == VHDX_MEND_NONE;
	if (r->finding_count >= walk->request->limit)
		return;
	r->findings = tool_allocate(r->findings, (r->finding_count + 1) * sizeof(*r->findings));
	f = &r->findings[r->finding_count++];
	*f = (struct finding){ .level = walk->level,
			       .severity = found->severity,
			       .mend = ours ? found->mend : VHDX_MEND_NONE,
			       .file_offset = found->file_offset };
	copy_text(f->rule, sizeof(f->rule), found->rule);
	copy_text(f->message, sizeof(f->message), found->message);
}

static int on_finding(void *context, const struct vhdx_finding *found)
{
	add(context, found);
	return 0;
}

static void say(struct walk *walk, enum vhdx_severity severity, const char *rule, const char *message)
{
	struct vhdx_finding found = { severity, rule, VHDX_NO_OFFSET, message, VHDX_MEND_NONE };

	add(walk, &found);
}

static int inspect(struct walk *walk, const struct vhdx_file *file)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_error error;

	options.context = walk;
	options.on_finding = on_finding;
	return vhdx_inspect(file, &options, &error) == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

static int inspect_image(struct walk *walk)
{
	unsigned flags = (walk->request->open.flags & VHDX_OPEN_NO_LOCK) != 0 ? VHDX_FILE_NO_LOCK : 0;
	struct vhdx_error error;
	struct vhdx_file file;
	int result;

	if (vhdx_file_open(&file, walk->result->image, flags, &error) != VHDX_OK)
		return tool_error(&error);
	result = inspect(walk, &file);
	vhdx_file_close(&file);
	return result;
}

/* Paths that name no parent, or not the parent, beside one that does. */
static void say_attempts(struct walk *walk, const char *attempts)
{
	char message[CHECK_MESSAGE];

	for (const char *line = attempts; line != NULL && *line != '\0';) {
		int length = (int)strcspn(line, "\n");

		if (length < 10 || memcmp(line + length - 10, ": accepted", 10) != 0) {
			snprintf(message, sizeof(message), "a stored path does not lead to the parent: %.*s", length, line);
			say(walk, VHDX_SEVERITY_NOTE, "", message);
		}
		line += length + (line[length] == '\n');
	}
}

/* What a child and its parent say of each other, which the library has judged when it opened them. */
static void say_links(struct walk *walk, vhdx_disk *disk)
{
	struct vhdx_info child = VHDX_INFO_INIT, parent = VHDX_INFO_INIT;

	for (unsigned level = 0; level + 1 < vhdx_depth(disk); level++) {
		if (vhdx_get_info(disk, level, &child, NULL) != VHDX_OK ||
		    vhdx_get_info(disk, level + 1, &parent, NULL) != VHDX_OK)
			continue;
		walk->level = level;
		if (child.parent_time_stamp_differs)
			say(walk, VHDX_SEVERITY_NOTE, "VHD-081",
			    "the parent was modified at another time than the child says; only its identity is certain");
		if (memcmp(&child.parent_identity, &parent.data_identity, sizeof(parent.data_identity)) != 0 &&
		    (walk->request->open.flags & VHDX_OPEN_IGNORE_PARENT_IDENTITY) != 0)
			say(walk, VHDX_SEVERITY_WARNING, "",
			    "the parent is not the one that the child knows, or was changed since");
		if (parent.virtual_size > child.virtual_size)
			say(walk, VHDX_SEVERITY_NOTE, "", "the parent is longer than the child, which shows only its beginning");
	}
}

static int look_at_chain(struct walk *walk, vhdx_disk *disk)
{
	struct result *r = walk->result;
	struct vhdx_info info = VHDX_INFO_INIT;
	int result = TOOL_DONE;

	r->depth = vhdx_depth(disk);
	r->names = tool_allocate(NULL, r->depth * sizeof(*r->names));
	for (unsigned level = 0; level < r->depth; level++) {
		const char *name = vhdx_get_info(disk, level, &info, NULL) == VHDX_OK && info.file_name != NULL ? info.file_name
														: "?";

		r->names[level] = tool_allocate(NULL, strlen(name) + 1);
		memcpy(r->names[level], name, strlen(name) + 1);
		if (level == 0)
			r->info = info;
	}
	r->info.file_name = NULL; /* the disk's */
	r->chain_is_whole = info.type != VHDX_TYPE_DIFFERENCING;
	for (unsigned level = 1; result == TOOL_DONE && level < r->depth; level++) {
		walk->level = level;
		result = inspect(walk, vhdx_level_file(disk, level));
	}
	say_links(walk, disk);
	return result;
}

static void say_failure(struct walk *walk, const struct vhdx_error *error)
{
	char text[1400];

	if (error->level == 0 && walk->result->counts[VHDX_SEVERITY_ERROR] != 0 &&
	    (error->status == VHDX_E_DAMAGED || error->status == VHDX_E_UNSUPPORTED || error->status == VHDX_E_NOT_IMAGE))
		return; /* has been told */
	walk->level = 0;
	if (error->level == 0)
		snprintf(text, sizeof(text), "%s", error->message);
	else
		snprintf(text, sizeof(text), "a file that it needs cannot be used: %s: %s", error->file, error->message);
	say(walk, VHDX_SEVERITY_ERROR, error->rule, text);
}

int find(const struct request *request, struct result *result)
{
	struct walk walk = { request, result, 0 };
	struct tool_open open = request->open;
	struct vhdx_error error;
	vhdx_disk *disk;
	int status = inspect_image(&walk);

	if (status != TOOL_DONE)
		return status;
	open.attempts = NULL;
	if (tool_try_open(&disk, result->image, &open, &error) != VHDX_OK) {
		say_failure(&walk, &error);
		free(open.attempts);
		return TOOL_DONE;
	}
	say_attempts(&walk, open.attempts);
	free(open.attempts);
	status = look_at_chain(&walk, disk);
	(void)vhdx_close(disk);
	return status;
}

void find_release(struct result *result)
{
	for (unsigned level = 0; level < result->depth; level++)
		free(result->names[level]);
	free(result->names);
	free(result->findings);
	free(result->undo);
}
