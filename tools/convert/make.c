/* SPDX-License-Identifier: MIT */
/* See make.h. */
#include "make.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "deterministic.h"
#include "difference.h"
#include "preset.h"
#include "sys.h"
#include "verify.h"

/* What the source is, as far as the result takes after it. */
static struct vhdx_info source_info(const struct make *make)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	if (make->source.disk != NULL)
		(void)vhdx_get_info(make->source.disk, 0, &info, NULL);
	return info;
}

/* The last sector of a source may be a part of one. False when there is no such number. */
static bool round_up(uint64_t *size, uint64_t unit)
{
	uint64_t rest = *size % unit;

	if (rest != 0 && *size > UINT64_MAX - (unit - rest))
		return false;
	*size += rest != 0 ? unit - rest : 0;
	return true;
}

static uint64_t size_unit(const struct make *make)
{
	const struct request *request = make->request;

	if (request->format == VHDX_FORMAT_RAW)
		return 1;
	if (request->preset != NULL && request->preset->size_unit != 0)
		return request->preset->size_unit;
	return make->options.logical_sector_size != 0 ? make->options.logical_sector_size : 512;
}

static int settle_size(struct make *make)
{
	const struct request *request = make->request;
	uint64_t source_size = make->source.view.size;
	uint64_t wanted = request->size != 0 ? request->size : source_size;
	uint64_t *size = &make->options.size;

	if (request->size != 0 && request->size < source_size)
		return tool_fail("--size says %" PRIu64 " bytes, fewer than the %" PRIu64 " of the source", request->size,
				 source_size);
	if (wanted == 0)
		return tool_fail("%s: the source is empty", request->source);
	*size = wanted;
	if (!round_up(size, size_unit(make)))
		return tool_fail("%" PRIu64 " bytes cannot be rounded up to a multiple of %" PRIu64, wanted, size_unit(make));
	if (make->parent != NULL && request->size == 0 && *size < vhdx_disk_size(make->parent))
		*size = vhdx_disk_size(make->parent);
	if (*size != wanted && !request->quiet)
		tool_warn("note: the size grows from %" PRIu64 " to %" PRIu64 " bytes%s", wanted, *size,
			  make->parent != NULL ? ", that of the parent or a whole number of sectors" : "");
	return TOOL_DONE;
}

static enum vhdx_type settle_type(const struct make *make, const struct vhdx_info *from)
{
	const struct request *request = make->request;

	if (request->parent != NULL)
		return VHDX_TYPE_DIFFERENCING;
	if (request->type != VHDX_TYPE_ANY || request->format == VHDX_FORMAT_RAW)
		return (enum vhdx_type)request->type;
	return request->preallocation != VHDX_PREALLOCATE_NONE ||
			       (from->type == VHDX_TYPE_FIXED && from->format != VHDX_FORMAT_RAW)
		       ? VHDX_TYPE_FIXED
		       : VHDX_TYPE_DYNAMIC;
}

/* What was not said is taken from a source that knows it. */
static void settle_shape(struct make *make)
{
	const struct request *request = make->request;
	struct vhdx_create_options *options = &make->options;
	struct vhdx_info from = source_info(make);
	bool vhdx_without_parent = request->format == VHDX_FORMAT_VHDX && request->parent == NULL;

	options->format = (enum vhdx_format)request->format;
	options->type = settle_type(make, &from);
	options->block_size = (uint32_t)request->block_size;
	options->logical_sector_size = (uint32_t)request->logical_sector_size;
	options->physical_sector_size = (uint32_t)request->physical_sector_size;
	if (options->block_size == 0 && options->type != VHDX_TYPE_FIXED && request->parent == NULL &&
	    from.format == options->format)
		options->block_size = from.block_size;
	if (vhdx_without_parent && options->logical_sector_size == 0 && from.format == VHDX_FORMAT_VHDX)
		options->logical_sector_size = from.logical_sector_size;
	if (vhdx_without_parent && options->physical_sector_size == 0 && from.format == VHDX_FORMAT_VHDX &&
	    from.physical_sector_size >= options->logical_sector_size)
		options->physical_sector_size = from.physical_sector_size;
	if (from.format == VHDX_FORMAT_VHDX && from.logical_sector_size == 4096 && request->format != VHDX_FORMAT_RAW &&
	    options->logical_sector_size != 4096 && request->parent == NULL && !request->quiet)
		tool_warn("note: sectors become 512 bytes instead of 4096; a partition table counts in sectors");
	if (from.logical_sector_size == 512 && from.format != VHDX_FORMAT_RAW && options->logical_sector_size == 4096 &&
	    !request->quiet)
		tool_warn("note: sectors become 4096 bytes instead of 512; a partition table counts in sectors");
}

static void settle_options(struct make *make)
{
	struct request *request = make->request;
	struct vhdx_create_options *options = &make->options;

	options->log_length = (uint32_t)request->log_length;
	options->preallocation = (enum vhdx_preallocation)request->preallocation;
	options->disk_id = request->disk_id;
	options->creator = request->creator;
	options->parent = make->parent;
	options->parent_relative = request->parent_relative;
	options->parent_absolute = request->parent_absolute;
	options->parent_volume = request->parent_volume;
	options->source = make->parent == NULL ? &make->source.view : NULL;
	options->no_flush = request->no_sync;
	options->file_flags = request->format == VHDX_FORMAT_RAW && options->preallocation == VHDX_PREALLOCATE_NONE
				      ? VHDX_FILE_SPARSE
				      : 0;
	options->on_progress = progress_step;
	options->on_progress_context = &request->progress;
}

/* The source is read once only, or shall tell its content while it is: both stand between it and the reader. */
static void settle_source(struct make *make)
{
	const struct request *request = make->request;
	const struct vhdx_source *view = &make->source.view;

	if (request->verify && make->source.disk == NULL) {
		make->seen = verify_begin();
		view = verify_tee(make->seen, view);
	}
	if (request->deterministic) {
		make->deterministic = deterministic_begin(&make->options, request->now, request->destination);
		make->options.env = deterministic_env(make->deterministic);
		if (make->parent == NULL)
			view = deterministic_source(make->deterministic, view);
	}
	if (view != &make->source.view)
		make->source.view = *view;
}

/* The parent has the format of its child, whatever the source is. */
static int open_parent(struct make *make)
{
	struct request *request = make->request;
	struct tool_open open = request->open;
	int result;

	open.format = VHDX_FORMAT_ANY;
	open.parent_count = 0;
	open.attempts = NULL;
	result = tool_open_image(&make->parent, request->parent, &open);
	free(open.attempts);
	return result;
}

int make_begin(struct make *make, struct request *request)
{
	struct source_request from = { .path = request->source, .size = request->size, .open = &request->open };
	char *beside = NULL;
	int result;

	if (request->deterministic && request->parent != NULL)
		from.size = 0; /* the content is needed twice: no stream */
	*make = (struct make){ .request = request, .options = VHDX_CREATE_OPTIONS_INIT };
	request->open.flags |= VHDX_OPEN_SEQUENTIAL;
	request->progress.label = request->source;
	request->progress.quiet = request->quiet;
	sys_catch_interrupts();
	if (request_to_stdout(request)) {
		size_t size = strlen(sys_temporary_directory()) + 3;

		beside = tool_allocate(NULL, size);
		snprintf(beside, size, "%s/x", sys_temporary_directory());
	}
	from.beside = beside != NULL ? beside : request->destination;
	result = source_open(&make->source, &from, &request->progress);
	free(beside);
	if (result == TOOL_DONE && request->parent != NULL)
		result = open_parent(make);
	if (result == TOOL_DONE) {
		settle_shape(make);
		result = settle_size(make);
	}
	if (result == TOOL_DONE) {
		settle_options(make);
		settle_source(make);
	}
	return result;
}

void make_end(struct make *make)
{
	deterministic_end(make->deterministic);
	verify_end(make->seen);
	source_close(&make->source);
	vhdx_close(make->parent);
}

int make_failed(const struct make *make, const char *made, struct vhdx_error *error)
{
	if (made != NULL && strcmp(error->file, made) == 0)
		snprintf(error->file, sizeof(error->file), "%s", make->request->destination);
	return tool_error(error);
}

int make_in_file(struct make *make, const struct vhdx_file *file, struct vhdx_error *error)
{
	int status = vhdx_create_file(file, &make->options, error);

	progress_end(&make->request->progress);
	return status;
}

/* How a result is opened: with the parent that it was made for. */
static int open_result(const struct make *make, vhdx_disk **disk, const char *path, unsigned flags, struct vhdx_error *error)
{
	const struct request *request = make->request;
	struct tool_open open = request->open;
	const char *parent = request->parent;
	int status;

	open.flags |= flags;
	open.format = make->options.format;
	open.parents = &parent;
	open.parent_count = parent != NULL && !(flags & VHDX_OPEN_NO_PARENTS) ? 1 : 0;
	open.attempts = NULL;
	status = tool_try_open(disk, path, &open, error);
	free(open.attempts);
	return status;
}

static int no_flush(void *handle, struct vhdx_error *error)
{
	(void)handle;
	(void)error;
	return VHDX_OK;
}

/* The new child for writing; `io` must live as long as the disk. Only whole sectors will be written, so nobody asks the parent. */
static int open_child(const struct make *make, vhdx_disk **child, const char *path, struct vhdx_io *io, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = { 0 };
	int status = vhdx_file_open(&file, path, VHDX_FILE_WRITE, error);

	if (status != VHDX_OK)
		return status;
	*io = *file.io;
	if (make->request->no_sync)
		io->flush = no_flush;
	file.io = io;
	options.flags = VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS | VHDX_OPEN_SEQUENTIAL;
	options.format = make->options.format;
	options.env = make->options.env;
	status = vhdx_open_file(child, &file, &options, error);
	if (status != VHDX_OK)
		vhdx_file_close(&file);
	return status;
}

/* A differencing disk is made empty, and then written like any other. */
static int write_difference(struct make *make, const char *path, struct vhdx_error *error)
{
	struct difference difference = { .parent = make->parent,
					 .source = &make->source.view,
					 .on_progress = progress_step,
					 .on_progress_context = &make->request->progress };
	struct vhdx_io io;
	int status = open_child(make, &difference.child, path, &io, error), closed;

	if (status != VHDX_OK)
		return status;
	status = difference_write(&difference, error);
	if (status == VHDX_OK)
		status = vhdx_flush(difference.child, error);
	closed = vhdx_close(difference.child);
	if (status == VHDX_OK && closed != VHDX_OK) {
		*error = (struct vhdx_error){ .status = closed,
					      .file_offset = VHDX_NO_OFFSET,
					      .message = "could not be completed" };
		snprintf(error->file, sizeof(error->file), "%s", path);
		status = closed;
	}
	return status;
}

int make_at(struct make *make, const char *path)
{
	struct vhdx_error error;
	int status = VHDX_OK;

	if (make->deterministic != NULL && make->parent != NULL)
		status = deterministic_content(make->deterministic, &make->source.view, &error);
	if (status == VHDX_OK)
		status = vhdx_create(path, &make->options, &error);
	if (status == VHDX_OK && make->parent != NULL)
		status = write_difference(make, path, &error);
	progress_end(&make->request->progress);
	return status == VHDX_OK ? TOOL_DONE : make_failed(make, path, &error);
}

int make_verify(struct make *make, const char *path)
{
	struct progress *progress = &make->request->progress;
	struct verify *found = verify_begin(), *wanted = make->seen;
	struct vhdx_source result;
	struct vhdx_error error;
	vhdx_disk *disk = NULL;
	bool equal;
	int status = VHDX_OK;

	if (wanted == NULL) {
		wanted = verify_begin();
		status = verify_add(wanted, &make->source.view, progress, &error);
	}
	sys_forget(path);
	if (status == VHDX_OK)
		status = open_result(make, &disk, path, 0, &error);
	if (status == VHDX_OK) {
		vhdx_disk_source(&result, disk);
		if (result.size > make->options.size) /* a device */
			result.size = make->options.size;
		status = verify_add(found, &result, progress, &error);
	}
	progress_end(progress);
	equal = status == VHDX_OK && verify_equal(wanted, found);
	vhdx_close(disk);
	verify_end(found);
	if (wanted != make->seen)
		verify_end(wanted);
	if (status != VHDX_OK)
		return make_failed(make, path, &error);
	return equal ? TOOL_DONE : tool_fail("%s: reads differently than %s", make->request->destination, make->request->source);
}
