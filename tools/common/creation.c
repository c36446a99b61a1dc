/* SPDX-License-Identifier: MIT */
/*
 * Makes the files of a request, all or none: first every file is made (under its own name, or under a temporary one when it
 * replaces another), then those with temporary names take their places, then the report is printed. An interrupt is seen by the
 * progress callback while a file is made, and once more before the first replacement; from there on the run completes.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "creation_report.h"
#include "deterministic.h"
#include "preset.h"
#include "source.h"
#include "target.h"

struct run {
	struct creation *request;
	vhdx_disk *parent;
	struct source source;
	struct progress progress;
	struct vhdx_create_options options;
	struct target *targets;
	size_t begun; /* targets that were looked at */
};

static int too_small(const struct creation *request, uint64_t least, const char *role)
{
	char size[32], other[32];

	tool_format_size(request->size, size, sizeof(size));
	tool_format_size(least, other, sizeof(other));
	return tool_fail("SIZE is %s (%" PRIu64 " bytes), less than %s's %s (%" PRIu64 " bytes)", size, request->size, role,
			 other, least);
}

/* Rounds up to whole units; false when there is no such number. */
static bool round_up(uint64_t *size, uint64_t unit)
{
	uint64_t rest = *size % unit;

	if (rest != 0 && *size > UINT64_MAX - (unit - rest))
		return false;
	*size += rest != 0 ? unit - rest : 0;
	return true;
}

/* Said, of the source (whose last sector may be a part of one), or of the parent; then what the preset makes of it. */
static int settle_size(struct run *run)
{
	const struct creation *request = run->request;
	uint64_t source_size = run->source.view.size;
	uint64_t unit = request->logical_sector_size != 0 ? request->logical_sector_size : 512;
	uint64_t wanted = request->size != 0 ? request->size : source_size;
	uint64_t *size = &run->options.size;

	if (request->parent != NULL) {
		*size = request->size;
		if (request->size != 0 && request->size < vhdx_disk_size(run->parent))
			return too_small(request, vhdx_disk_size(run->parent), "the parent");
		return TOOL_DONE;
	}
	if (request->size != 0 && request->size < source_size)
		return too_small(request, source_size, "the source");
	if (wanted == 0)
		return tool_fail("%s: the source is empty; say SIZE", request->from);
	*size = wanted;
	if (request->size != 0)
		unit = 1;
	if (request->preset != NULL && request->preset->size_unit != 0)
		unit = request->preset->size_unit;
	if (!round_up(size, unit))
		return tool_fail("%" PRIu64 " bytes cannot be rounded up to a multiple of %" PRIu64, wanted, unit);
	if (*size != wanted && !request->quiet)
		tool_warn("note: the size was rounded up from %" PRIu64 " to %" PRIu64 " bytes, a multiple of %" PRIu64, wanted,
			  *size, unit);
	return TOOL_DONE;
}

static void settle_options(struct run *run)
{
	const struct creation *request = run->request;
	struct vhdx_create_options *options = &run->options;

	options->type = (enum vhdx_type)request->type;
	options->block_size = (uint32_t)request->block_size;
	options->logical_sector_size = (uint32_t)request->logical_sector_size;
	options->physical_sector_size = (uint32_t)request->physical_sector_size;
	options->log_length = (uint32_t)request->log_length;
	options->preallocation = (enum vhdx_preallocation)request->preallocation;
	options->file_flags = request->sparse ? VHDX_FILE_SPARSE : 0;
	options->disk_id = request->disk_id;
	options->creator = request->creator;
	options->parent = run->parent;
	options->parent_relative = request->parent_relative;
	options->parent_absolute = request->parent_absolute;
	options->parent_volume = request->parent_volume;
	options->source = request->from != NULL ? &run->source.view : NULL;
	options->on_progress = progress_step;
	options->on_progress_context = &run->progress;
}

/* The options are the user's, so what the library refuses about them is a mistake in usage. */
static int create_failed(const struct run *run, const struct target *target, struct vhdx_error *error)
{
	bool usage = error->status == VHDX_E_ARGUMENT || error->status == VHDX_E_RANGE || error->status == VHDX_E_ALIGNMENT;
	int result;

	if (error->status == VHDX_E_EXISTS && !target->replaces)
		return target_exists(target);
	if (target->replaces && strcmp(error->file, target->made) == 0)
		snprintf(error->file, sizeof(error->file), "%s", target->path);
	result = tool_error(error);
	return usage && run->request->from == NULL ? TOOL_USAGE : result;
}

static int make_file(struct run *run, struct target *target)
{
	struct vhdx_create_options options = run->options;
	struct deterministic *deterministic = NULL;
	struct vhdx_error error;
	int status;

	options.format = creation_format(run->request, target->path);
	if (run->request->deterministic) {
		deterministic = deterministic_begin(&options, run->request->now, target->path);
		options.env = deterministic_env(deterministic);
		if (options.source != NULL)
			options.source = deterministic_source(deterministic, options.source);
	}
	run->progress.label = target->path;
	status = vhdx_create(target->made, &options, &error);
	progress_end(&run->progress);
	deterministic_end(deterministic);
	target->present = status == VHDX_OK;
	return status == VHDX_OK ? TOOL_DONE : create_failed(run, target, &error);
}

static int refuse_files_in_use(struct run *run, const struct target *target)
{
	int result = TOOL_DONE;

	if (run->request->over_parent)
		return TOOL_DONE;
	if (run->request->from != NULL && strcmp(run->request->from, "-") != 0)
		result = target_refuse(target, run->request->from, "the source");
	if (result == TOOL_DONE && run->source.disk != NULL)
		result = target_refuse_chain(target, run->source.disk, "part of the source");
	if (result == TOOL_DONE && run->parent != NULL)
		result = target_refuse_chain(target, run->parent, "the parent or one of its parents");
	for (size_t i = 0; result == TOOL_DONE && i + 1 < run->begun; i++) {
		if (sys_same(&target->before, &run->targets[i].before))
			result = tool_fail("%s: is named twice", target->path);
	}
	return result == TOOL_DONE ? target_refuse_used(target) : result;
}

static int make_files(struct run *run)
{
	const struct creation *request = run->request;
	int result = TOOL_DONE;

	for (size_t i = 0; i < request->file_count && result == TOOL_DONE; i++) {
		struct target *target = &run->targets[i];

		result = target_begin(target, request->files[i], request->force);
		run->begun++;
		if (result == TOOL_DONE)
			result = refuse_files_in_use(run, target);
		if (result == TOOL_DONE)
			result = make_file(run, target);
	}
	if (result == TOOL_DONE && sys_interrupted())
		result = tool_fail("interrupted");
	if (request->over_parent) { /* Windows replaces no file that is open */
		vhdx_close(run->parent);
		run->parent = NULL;
	}
	for (size_t i = 0; i < request->file_count && result == TOOL_DONE; i++)
		result = target_commit(&run->targets[i]);
	return result;
}

static int open_inputs(struct run *run)
{
	struct creation *request = run->request;
	struct source_request from;

	if (request->parent != NULL)
		return tool_open_image(&run->parent, request->parent, &request->open);
	from = (struct source_request){
		.path = request->from,
		.size = request->size,
		.open = &request->open,
		.beside = request->files[0],
		.guess_raw = true,
	};
	return request->from != NULL ? source_open(&run->source, &from, &run->progress) : TOOL_DONE;
}

static int report(const struct run *run)
{
	const struct creation *request = run->request;
	uint64_t size = run->options.size != 0 ? run->options.size : vhdx_disk_size(run->parent);
	int result = TOOL_DONE;

	for (size_t i = 0; i < request->file_count && result == TOOL_DONE; i++) {
		if (request->json)
			result = creation_report_json(request, request->files[i]);
		else if (!request->quiet)
			creation_report_line(request, request->files[i], size);
	}
	return result;
}

int creation_run(struct creation *request)
{
	struct run run = { .request = request, .options = VHDX_CREATE_OPTIONS_INIT };
	int result;

	run.progress = (struct progress){ .label = request->from, .quiet = request->quiet, .always = request->progress };
	run.targets = tool_allocate(NULL, request->file_count * sizeof(*run.targets));
	result = open_inputs(&run);
	if (result == TOOL_DONE)
		result = settle_size(&run);
	if (result == TOOL_DONE) {
		settle_options(&run);
		result = make_files(&run);
	}
	for (size_t i = 0; i < run.begun; i++) {
		if (result != TOOL_DONE)
			target_abandon(&run.targets[i]);
		target_release(&run.targets[i]);
	}
	if (result == TOOL_DONE)
		result = report(&run);
	free(run.targets);
	source_close(&run.source);
	vhdx_close(run.parent);
	return result;
}
