/* SPDX-License-Identifier: MIT */
/*
 * See source.h.
 *
 * What a source is:
 *   block device, or a file named .raw .img .bin .dd .iso   raw, whatever its bytes look like (they may be a guest's)
 *   other regular file                                      unpacked when it begins as gzip; VHDX or VHD by content, else raw
 *                                                           where that may be guessed
 *   standard input, FIFO                                    the same
 * and --from-format says it instead. Sequential ones are streamed when they are raw and SIZE is known, and laid down first
 * otherwise.
 */
#include "source.h"

#include <string.h>

#include "name.h"
#include "sys.h"

static int try_open(struct source *source, const char *path, const struct vhdx_file *file, struct tool_open *open,
		    struct vhdx_error *error)
{
	if (file != NULL)
		return tool_try_open_file(&source->disk, file, open, error);
	return tool_try_open(&source->disk, path, open, error);
}

/* Opens a path, or a spooled copy, as what --from-format says; else as what the library recognises, else as raw. */
static int open_by_content(struct source *source, const char *path, const struct vhdx_file *file, struct tool_open *open,
			   bool guess_raw)
{
	struct vhdx_error error;
	int status = try_open(source, path, file, open, &error);

	if (status == VHDX_E_NOT_IMAGE && open->format == VHDX_FORMAT_ANY && guess_raw) {
		open->format = VHDX_FORMAT_RAW;
		status = try_open(source, path, file, open, &error);
		open->format = VHDX_FORMAT_ANY;
	}
	if (status != VHDX_OK)
		return tool_open_failed(open, &error);
	vhdx_disk_source(&source->view, source->disk);
	return TOOL_DONE;
}

static int open_raw(struct source *source, const char *path, struct tool_open *open)
{
	enum vhdx_format said = open->format;
	int result;

	if (said == VHDX_FORMAT_ANY)
		open->format = VHDX_FORMAT_RAW;
	result = open_by_content(source, path, NULL, open, true);
	open->format = said;
	return result;
}

static int spool(struct source *source, const struct source_request *request, struct progress *progress)
{
	struct vhdx_file renamed;
	struct vhdx_error error;
	int result;

	if (spool_fill(&source->spool, request->beside, source->input, progress, &error) != VHDX_OK) {
		progress_end(progress);
		return tool_error(&error);
	}
	progress_end(progress);
	/* Parents of what came packed are relative to where the packed file is. */
	renamed = source->spool.file;
	renamed.name = request->path;
	result = open_by_content(source, NULL, &renamed, request->open,
				 request->guess_raw || name_format_packed(request->path) == VHDX_FORMAT_ANY);
	if (result == TOOL_DONE)
		source->spool.owned = true;
	return result;
}

/* Whether the input is raw as far as can be told from its beginning; negative after a failure. */
static int begins_as_raw(struct source *source, const struct source_request *request, struct vhdx_error *error)
{
	char magic[8] = "";
	int64_t got;

	if (request->open->format != VHDX_FORMAT_ANY)
		return request->open->format == VHDX_FORMAT_RAW;
	if (name_is_raw(request->path, ".gz"))
		return true;
	got = input_peek(source->input, magic, sizeof(magic), error);
	if (got < 0)
		return (int)got;
	source->stream.refuse_vhd = true;
	return memcmp(magic, "vhdxfile", 8) != 0 && memcmp(magic, "conectix", 8) != 0;
}

static int open_sequential(struct source *source, const struct source_request *request, struct progress *progress)
{
	struct vhdx_error error;
	int raw = begins_as_raw(source, request, &error);

	if (raw < 0)
		return tool_error(&error);
	if (!raw || request->size == 0)
		return spool(source, request, progress);
	source->stream.input = source->input;
	source->stream.name = strcmp(request->path, "-") == 0 ? "standard input" : request->path;
	source->stream.size = request->size;
	stream_source(&source->view, &source->stream);
	return TOOL_DONE;
}

/* A regular file that is not named as raw: packed or not? */
static int open_file(struct source *source, const struct source_request *request, struct progress *progress)
{
	struct vhdx_error error;

	source->input = input_open(request->path, &error);
	if (source->input == NULL)
		return tool_error(&error);
	if (input_is_gzip(source->input))
		return open_sequential(source, request, progress);
	input_close(source->input);
	source->input = NULL;
	return open_by_content(source, request->path, NULL, request->open, request->guess_raw);
}

int source_open(struct source *source, const struct source_request *request, struct progress *progress)
{
	struct sys_identity found = { .kind = SYS_STREAM };
	struct vhdx_error error;

	if (strcmp(request->path, "-") != 0)
		sys_identify(&found, request->path, true);
	if (found.kind == SYS_REGULAR && !name_is_raw(request->path, ""))
		return open_file(source, request, progress);
	if (found.kind != SYS_STREAM)
		return open_raw(source, request->path, request->open);
	source->input = input_open(request->path, &error);
	if (source->input == NULL)
		return tool_error(&error);
	return open_sequential(source, request, progress);
}

void source_close(struct source *source)
{
	vhdx_close(source->disk);
	input_close(source->input);
	spool_release(&source->spool);
	*source = (struct source){ 0 };
}
