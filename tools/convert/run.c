/* SPDX-License-Identifier: MIT */
/*
 * Where the result is made:
 *
 *   a file            under a temporary name, which becomes the final one when the file is whole, verified and durable
 *   .gz, -            raw and fixed VHD straight into the packer or standard output, in ascending order; other images, whose front is
 *                     written last, in a temporary file first
 *   a block device    raw, over what is there; see outlet.h
 *
 * make.c makes the image itself in the first place; this file brings it where it belongs. An interrupt is seen by the progress callback, and once more before
 * a file gets its name; from there on the run completes.
 */
#include "run.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "make.h"
#include "outlet.h"
#include "sys.h"
#include "target.h"
#include "verify.h"

static int failed(struct make *make, const char *made, struct vhdx_error *error)
{
	progress_end(&make->request->progress);
	return make_failed(make, made, error);
}

static bool is_sequential(const struct make *make)
{
	return make->options.format == VHDX_FORMAT_RAW ||
	       (make->options.format == VHDX_FORMAT_VHD && make->options.type == VHDX_TYPE_FIXED);
}

/* The image itself, in ascending order. */
static int make_in_outlet(struct make *make, struct outlet *outlet)
{
	const char *name = make->request->destination;
	struct outlet_image image;
	struct vhdx_error error;
	int status;

	outlet_image_begin(&image, outlet, request_to_stdout(make->request) ? "standard output" : name);
	status = make_in_file(make, &image.file, &error);
	if (status == VHDX_OK)
		status = outlet_image_finish(&image, &error);
	return status == VHDX_OK ? TOOL_DONE : failed(make, NULL, &error);
}

/* A file that was made before. */
static int copy_to_outlet(struct make *make, struct outlet *outlet, const char *path)
{
	struct vhdx_file file = { 0 };
	struct vhdx_error error = { .status = VHDX_OK };
	int status = vhdx_file_open(&file, path, 0, &error);

	if (status == VHDX_OK)
		status = outlet_copy(outlet, &file, progress_step, &make->request->progress, &error);
	if (status == VHDX_OK)
		status = outlet->finish(outlet, &error);
	vhdx_file_close(&file);
	return status == VHDX_OK ? TOOL_DONE : failed(make, path, &error);
}

/* Beside the destination, or among the temporary files. To be freed. */
static char *temporary_name(const struct request *request)
{
	const char *directory = sys_temporary_directory();
	size_t size = strlen(directory) + 3;
	char *path, *name;

	if (!request_to_stdout(request))
		return target_name_beside(request->destination, ".tmp");
	path = tool_allocate(NULL, size);
	snprintf(path, size, "%s/x", directory);
	name = target_name_beside(path, ".tmp");
	free(path);
	return name;
}

static int make_before(struct make *make, struct outlet *outlet)
{
	char *name = temporary_name(make->request);
	int result = make_at(make, name);

	if (result == TOOL_DONE && make->request->verify)
		result = make_verify(make, name);
	if (result == TOOL_DONE)
		result = copy_to_outlet(make, outlet, name);
	sys_remove(name);
	free(name);
	return result;
}

/* In front of `next`, the packer when there is to be one. `packed` gets the digest of what was packed. */
static int make_through(struct make *make, struct outlet *next, uint64_t *packed)
{
	struct outlet_gzip *gzip = make->request->packed ? outlet_gzip_begin(next) : NULL;
	struct outlet *outlet = gzip != NULL ? outlet_gzip_as_outlet(gzip) : next;
	int result = is_sequential(make) ? make_in_outlet(make, outlet) : make_before(make, outlet);

	if (gzip != NULL)
		*packed = outlet_gzip_digest(gzip);
	outlet_gzip_end(gzip);
	return result;
}

static int verify_packed(struct make *make, const char *path, uint64_t packed)
{
	uint64_t found = 0;
	struct vhdx_error error;

	sys_forget(path);
	if (verify_unpacked(&found, path, &make->request->progress, &error) != VHDX_OK)
		return failed(make, path, &error);
	progress_end(&make->request->progress);
	return found == packed ? TOOL_DONE : tool_fail("%s: reads differently than it was written", make->request->destination);
}

static int make_packed(struct make *make, const char *path)
{
	struct vhdx_file file = { 0 };
	struct vhdx_error error;
	struct outlet_file outlet;
	uint64_t packed = 0;
	int result;

	if (vhdx_file_open(&file, path, VHDX_FILE_WRITE | VHDX_FILE_CREATE, &error) != VHDX_OK)
		return failed(make, path, &error);
	outlet_file_begin(&outlet, &file, !make->request->no_sync);
	result = make_through(make, &outlet.outlet, &packed);
	vhdx_file_close(&file);
	if (result == TOOL_DONE && make->request->verify)
		result = verify_packed(make, path, packed);
	return result;
}

/* What must not be replaced, because it is read. */
static int refuse_files_in_use(struct make *make, const struct target *target)
{
	int result = TOOL_DONE;

	if (strcmp(make->request->source, "-") != 0)
		result = target_refuse(target, make->request->source, "part of the source");
	if (result == TOOL_DONE && make->source.disk != NULL)
		result = target_refuse_chain(target, make->source.disk, "part of the source");
	if (result == TOOL_DONE && make->parent != NULL)
		result = target_refuse_chain(target, make->parent, "the parent or one of its parents");
	return result == TOOL_DONE ? target_refuse_used(target) : result;
}

/* What failed may have removed its file itself. */
static void abandon(struct target *target)
{
	struct sys_identity found;

	sys_identify(&found, target->made, false);
	target->present = target->present && found.kind != SYS_MISSING;
	target_abandon(target);
}

static int convert_to_file(struct make *make)
{
	struct request *request = make->request;
	struct target target;
	int result = target_begin_hidden(&target, request->destination, request->force);

	if (result == TOOL_DONE)
		result = refuse_files_in_use(make, &target);
	if (result == TOOL_DONE) {
		target.present = true;
		result = request->packed ? make_packed(make, target.made) : make_at(make, target.made);
	}
	if (result == TOOL_DONE && request->verify && !request->packed)
		result = make_verify(make, target.made);
	if (result == TOOL_DONE && sys_interrupted())
		result = tool_fail("interrupted");
	if (result == TOOL_DONE)
		result = target_commit(&target);
	if (result == TOOL_DONE && !request->no_sync)
		sys_sync_directory(request->destination);
	if (result != TOOL_DONE)
		abandon(&target);
	target_release(&target);
	return result;
}

/* What is read must not be what is written over. */
static int refuse_sources(const struct make *make)
{
	const struct request *request = make->request;
	bool holds = sys_device_holds(request->destination, request->source);

	for (unsigned level = 0; make->source.disk != NULL && level < vhdx_depth(make->source.disk); level++) {
		const struct vhdx_file *file = vhdx_level_file(make->source.disk, level);

		holds = holds || (file != NULL && file->name != NULL && sys_device_holds(request->destination, file->name));
	}
	return holds ? tool_fail("%s: holds a part of the source, and is not overwritten", request->destination) : TOOL_DONE;
}

static int check_device(const struct make *make, const struct vhdx_file *file)
{
	const struct request *request = make->request;
	struct vhdx_error error;
	uint64_t size;

	if (file->io->get_size(file->handle, &size, &error) != VHDX_OK)
		return tool_error(&error);
	if (size < make->options.size)
		return tool_fail("%s: has %" PRIu64 " bytes, fewer than the %" PRIu64 " of the disk", request->destination, size,
				 make->options.size);
	return TOOL_DONE;
}

static int fill_device(struct make *make, const struct vhdx_file *file)
{
	struct outlet_device outlet;
	struct vhdx_error error = { .status = VHDX_OK };
	int result = outlet_device_begin(&outlet, file, &error) == VHDX_OK ? make_in_outlet(make, &outlet.outlet)
									   : failed(make, make->request->destination, &error);

	outlet_device_end(&outlet);
	return result;
}

static int convert_to_device(struct make *make)
{
	const struct request *request = make->request;
	struct vhdx_file file = { 0 };
	struct vhdx_error error;
	int result;

	if (make->options.format != VHDX_FORMAT_RAW)
		return tool_fail("%s: is a block device, which takes raw content only", request->destination);
	if (!request->force)
		return tool_fail("%s: is a block device; --force overwrites it", request->destination);
	if (sys_device_in_use(request->destination))
		return tool_fail("%s: is mounted, or otherwise in use", request->destination);
	result = refuse_sources(make);
	if (result != TOOL_DONE)
		return result;
	if (vhdx_file_open(&file, request->destination, VHDX_FILE_WRITE, &error) != VHDX_OK)
		return tool_error(&error);
	result = check_device(make, &file);
	if (result == TOOL_DONE)
		result = fill_device(make, &file);
	vhdx_file_close(&file);
	if (result == TOOL_DONE && request->verify)
		result = make_verify(make, request->destination);
	return result;
}

int run_convert(struct request *request)
{
	struct make make;
	struct sys_identity found = { .kind = SYS_MISSING };
	uint64_t packed;
	int result = make_begin(&make, request);

	if (!request_to_stdout(request)) {
		sys_identify(&found, request->destination, true);
		if (request->progress.tells)
			sys_ignore_broken_pipes();
	}
	sys_catch_interrupts();
	if (result == TOOL_DONE && request_to_stdout(request))
		result = make_through(&make, outlet_stdout(), &packed);
	else if (result == TOOL_DONE && found.kind == SYS_BLOCK)
		result = convert_to_device(&make);
	else if (result == TOOL_DONE)
		result = convert_to_file(&make);
	if (result == TOOL_DONE)
		progress_whole(&request->progress);
	make_end(&make);
	return result;
}
