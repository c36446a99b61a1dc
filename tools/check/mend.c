/* SPDX-License-Identifier: MIT */
/*
 * --repair and --restore. Before the file is changed, what will be overwritten is in an undo file, durably, its name too. A repair that fails is taken back at once; its undo
 * file goes then, and stays when even that fails.
 */
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "sys.h"

static char *undo_path(const struct request *request, const char *image)
{
	const char *given = request->undo;
	size_t size = strlen(given != NULL ? given : image) + 6;
	char *path = tool_allocate(NULL, size);

	snprintf(path, size, "%s%s", given != NULL ? given : image, given != NULL ? "" : ".undo");
	return path;
}

static int note_step(void *context, const struct vhdx_repair_step *step)
{
	struct result *r = context;
	struct step *s = &r->steps[r->step_count];

	if (r->step_count == CHECK_STEPS)
		return 0;
	r->step_count++;
	*s = (struct step){ .mend = step->mend, .file_offset = step->file_offset, .length = step->length };
	snprintf(s->rule, sizeof(s->rule), "%s", step->rule);
	snprintf(s->message, sizeof(s->message), "%s", step->message);
	return 0;
}

static int plan(const struct request *request, struct result *result, const struct vhdx_file *file)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct vhdx_error error;

	options.flags = request->repair_flags | VHDX_REPAIR_DRY_RUN;
	options.context = result;
	options.on_step = note_step;
	return vhdx_repair(file, &options, &error) == VHDX_OK ? TOOL_DONE : tool_error(&error);
}

/* Says why, and takes back what was done. */
static int take_back(const struct vhdx_file *file, struct vhdx_file *undo, const char *undo_name, const struct vhdx_error *error)
{
	int result = error->status == VHDX_E_CANCELLED ? tool_fail("%s: interrupted; nothing was changed", file->name)
						       : tool_error(error);
	struct vhdx_error why;
	int status = vhdx_undo(file, undo, VHDX_UNDO_CHANGED, NULL, &why);

	if (status != VHDX_OK && status != VHDX_E_NOT_IMAGE) {
		tool_warn("%s: the repair failed half-way; try again, or put the file back with --restore --undo=%s", file->name,
			  undo_name);
		return result;
	}
	vhdx_file_close(undo);
	*undo = (struct vhdx_file){ 0 };
	(void)sys_remove(undo_name);
	return result;
}

static int repair(const struct request *request, struct result *result, const struct vhdx_file *file, struct vhdx_file *undo)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct progress progress = request->progress;
	struct vhdx_error error;
	int status;

	progress.label = result->image;
	options.flags = request->repair_flags;
	options.undo = undo;
	options.on_progress = progress_step;
	options.context = &progress;
	sys_sync_directory(result->undo);
	status = vhdx_repair(file, &options, &error);
	progress_end(&progress);
	if (status != VHDX_OK)
		return take_back(file, undo, result->undo, &error);
	result->is_mended = true;
	return TOOL_DONE;
}

static int repair_with_undo(const struct request *request, struct result *result, const struct vhdx_file *file)
{
	struct vhdx_error error;
	struct vhdx_file undo;
	int status;

	result->undo = undo_path(request, result->image);
	status = vhdx_file_open(&undo, result->undo, VHDX_FILE_CREATE | VHDX_FILE_WRITE, &error);
	if (status == VHDX_E_EXISTS)
		return tool_fail("%s: exists; an earlier repair of %s may need it: --restore, or name another with --undo",
				 result->undo, result->image);
	if (status != VHDX_OK)
		return tool_error(&error);
	status = repair(request, result, file, &undo);
	vhdx_file_close(&undo);
	return status;
}

int mend(const struct request *request, struct result *result)
{
	struct vhdx_error error;
	struct vhdx_file file;
	int status;

	if (vhdx_file_open(&file, result->image, request->dry_run ? 0 : VHDX_FILE_WRITE, &error) != VHDX_OK)
		return tool_error(&error);
	status = plan(request, result, &file);
	if (status == TOOL_DONE && result->step_count != 0 && !request->dry_run)
		status = repair_with_undo(request, result, &file);
	vhdx_file_close(&file);
	return status;
}

int restore(const struct request *request, const char *image)
{
	char *undo_name = undo_path(request, image);
	struct vhdx_error error;
	struct vhdx_file file, undo;
	int result = TOOL_DONE;

	if (vhdx_file_open(&undo, undo_name, VHDX_FILE_WRITE | VHDX_FILE_REGULAR, &error) != VHDX_OK) {
		free(undo_name);
		return tool_error(&error);
	}
	if (vhdx_file_open(&file, image, VHDX_FILE_WRITE, &error) != VHDX_OK) {
		result = tool_error(&error);
	} else {
		if (vhdx_undo(&file, &undo, request->force ? VHDX_UNDO_CHANGED : 0, NULL, &error) != VHDX_OK)
			result = tool_error(&error);
		vhdx_file_close(&file);
	}
	vhdx_file_close(&undo);
	if (result == TOOL_DONE && !request->quiet)
		printf("%s: put back as it was; %s is not needed any more\n", image, undo_name);
	free(undo_name);
	return result;
}
