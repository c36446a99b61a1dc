/* SPDX-License-Identifier: MIT */
/* What goes with what on the command line: everything that can be refused before a file is opened. */
#include <string.h>

#include "creation.h"
#include "deterministic.h"
#include "name.h"
#include "preset.h"
#include "request.h"
#include "sys.h"

bool request_to_stdout(const struct request *request)
{
	return strcmp(request->destination, "-") == 0;
}

static bool is_device(const char *path)
{
	struct sys_identity found;

	sys_identify(&found, path, true);
	return found.kind == SYS_BLOCK;
}

/* By --format, the preset, or the name; raw for standard output and devices. */
static int settle_format(struct request *request)
{
	const char *path = request->destination;
	enum vhdx_format named;

	request->packed = name_has_extension(path, ".gz");
	named = request->packed ? name_format_packed(path) : name_format(path);
	if (named == VHDX_FORMAT_ANY && name_is_raw(path, request->packed ? ".gz" : ""))
		named = VHDX_FORMAT_RAW;
	if (request->format == VHDX_FORMAT_ANY && named == VHDX_FORMAT_ANY && request->preset != NULL)
		request->format = (int)request->preset->format;
	else if (request->format == VHDX_FORMAT_ANY && named == VHDX_FORMAT_ANY &&
		 (request_to_stdout(request) || is_device(path)))
		request->format = VHDX_FORMAT_RAW;
	else if (request->format == VHDX_FORMAT_ANY)
		request->format = (int)named;
	if (request->format == VHDX_FORMAT_ANY)
		return tool_usage("%s: the name does not tell the format (.vhdx .avhdx .vhd .avhd .raw .img ...); say --format",
				  path);
	if (named != VHDX_FORMAT_ANY && named != (enum vhdx_format)request->format && !request->quiet)
		tool_warn("%s: is made as %s, but others go by the name", path,
			  vhdx_format_name((enum vhdx_format)request->format));
	return TOOL_DONE;
}

static int check_preset(struct request *request)
{
	const struct preset *preset = request->preset;

	if (preset == NULL)
		return TOOL_DONE;
	if ((enum vhdx_format)request->format != preset->format)
		return tool_usage("%s: --preset %s makes %s, not %s: %s", request->destination, preset->name,
				  vhdx_format_name(preset->format), vhdx_format_name((enum vhdx_format)request->format),
				  preset->because);
	if (request->type == VHDX_TYPE_ANY)
		request->type = (int)preset->type;
	if (request->block_size == 0 && request->type != VHDX_TYPE_FIXED)
		request->block_size = preset->block_size;
	if (request->logical_sector_size == 0)
		request->logical_sector_size = preset->logical_sector_size;
	if (request->physical_sector_size == 0)
		request->physical_sector_size = preset->physical_sector_size;
	return TOOL_DONE;
}

static int check_parent(const struct request *request)
{
	bool texts = request->parent_relative != NULL || request->parent_absolute != NULL || request->parent_volume != NULL;
	int result = creation_check_parent(request->type, request->preset, request->parent, texts);

	if (result != TOOL_DONE || request->parent == NULL)
		return result;
	if (request->format == VHDX_FORMAT_RAW)
		return tool_usage("a raw file has no --parent");
	if (!texts && (request_to_stdout(request) || request->packed))
		return tool_usage("no path leads from there to the parent; say --parent-relative or --parent-absolute");
	return TOOL_DONE;
}

static int check_format(const struct request *request)
{
	bool has_type = request->type != VHDX_TYPE_ANY && request->type != VHDX_TYPE_FIXED;

	if (request->format == VHDX_FORMAT_RAW &&
	    (has_type || request->block_size != 0 || request->logical_sector_size != 0 || request->physical_sector_size != 0 ||
	     request->log_length != 0 || request->creator != NULL || request->id != NULL))
		return tool_usage("a raw file has no type, blocks, sectors, log, creator or identifier to choose");
	if (request->format != VHDX_FORMAT_VHD)
		return TOOL_DONE;
	if (request->creator != NULL)
		return tool_usage("VHD has no room for a --creator text");
	if (request->log_length != 0)
		return tool_usage("VHD has no log, --log-size is for VHDX");
	if (request->logical_sector_size > 512 || request->physical_sector_size > 512)
		return tool_usage("VHD has sectors of 512 bytes only");
	return TOOL_DONE;
}

static int check_run(struct request *request)
{
	bool fixed = request->type == VHDX_TYPE_FIXED || request->type == VHDX_TYPE_ANY; /* ANY: it may become that */

	if (request->open.flags & VHDX_OPEN_NO_PARENTS)
		return tool_usage("--no-parents would lose what the parents hold");
	if (request->preallocation != VHDX_PREALLOCATE_NONE && request->format != VHDX_FORMAT_RAW && !fixed)
		return tool_usage("--preallocate is for fixed disks");
	if (request_to_stdout(request) && sys_is_terminal(1))
		return tool_usage("standard output is a terminal");
	if (request_to_stdout(request) && request->verify)
		return tool_usage("what went to standard output cannot be read again for --verify");
	if (request->preallocation != VHDX_PREALLOCATE_NONE && (request_to_stdout(request) || request->packed))
		return tool_usage("--preallocate is for files");
	return request->deterministic ? deterministic_time(&request->now) : TOOL_DONE;
}

int request_check(struct request *request)
{
	int result = TOOL_DONE;

	if (request->id != NULL && vhdx_guid_parse(&request->disk_id, request->id) != VHDX_OK)
		return tool_usage("--id wants a GUID, not '%s'", request->id);
	if (request->preset_name != NULL) {
		request->preset = preset_find(request->preset_name);
		if (request->preset == NULL)
			return tool_usage("--preset is azure, wsl, hyperv or linux, not '%s'", request->preset_name);
	}
	result = settle_format(request);
	if (result == TOOL_DONE)
		result = check_preset(request);
	if (result == TOOL_DONE)
		result = check_parent(request);
	if (result == TOOL_DONE)
		result = check_format(request);
	return result == TOOL_DONE ? check_run(request) : result;
}
