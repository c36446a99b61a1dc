/* SPDX-License-Identifier: MIT */
/*
 * What goes with what on the command line: everything that can be refused before a file is touched. Explicit options win over the
 * preset, but not over its format.
 */
#include <string.h>

#include "creation.h"
#include "deterministic.h"
#include "name.h"
#include "preset.h"

enum vhdx_format creation_format(const struct creation *request, const char *file)
{
	enum vhdx_format named = name_format(file);

	if (request->format != VHDX_FORMAT_ANY)
		return (enum vhdx_format)request->format;
	return named == VHDX_FORMAT_ANY && request->preset != NULL ? request->preset->format : named;
}

static int check_operands(struct creation *request)
{
	if (request->file_count == 0)
		return tool_usage("no FILE to create");
	if (request->parent == NULL && request->file_count == 2 && request->size_text == NULL)
		return tool_usage("'%s' is not a size", request->files[1]);
	if (request->parent == NULL && request->file_count > 1)
		return tool_usage("several files are made only with --parent");
	if (request->size_text != NULL && (!tool_parse_size(request->size_text, &request->size) || request->size == 0))
		return tool_usage("'%s' is not a size", request->size_text);
	if (request->size_text == NULL && request->parent == NULL && request->from == NULL)
		return tool_usage("no SIZE: say it, or --from or --parent");
	return TOOL_DONE;
}

int creation_check_parent(int type, const struct preset *preset, const char *parent, bool texts)
{
	if (parent == NULL) {
		if (type == VHDX_TYPE_DIFFERENCING)
			return tool_usage("a differencing disk needs --parent");
		return texts ? tool_usage("--parent-relative, --parent-absolute and --parent-volume need --parent") : TOOL_DONE;
	}
	if (type != VHDX_TYPE_ANY && type != VHDX_TYPE_DIFFERENCING)
		return tool_usage("--parent makes differencing disks, not %s ones", vhdx_type_name((enum vhdx_type)type));
	return preset != NULL ? tool_usage("--preset is for disks without a parent") : TOOL_DONE;
}

static int check_parent(const struct creation *request)
{
	bool texts = request->parent_relative != NULL || request->parent_absolute != NULL || request->parent_volume != NULL;
	int result = creation_check_parent(request->type, request->preset, request->parent, texts);

	if (result != TOOL_DONE || request->parent == NULL)
		return result;
	if (request->from != NULL)
		return tool_usage("--from and --parent exclude each other");
	if (request->open.format != VHDX_FORMAT_ANY)
		return tool_usage("--from-format is for --from; a parent has the format of its child");
	return TOOL_DONE;
}

/* Options that one of the formats does not have. */
static int check_format(const struct creation *request, const char *file)
{
	enum vhdx_format format = creation_format(request, file);
	enum vhdx_format named = name_format(file);

	if (format == VHDX_FORMAT_ANY)
		return tool_usage("%s: the name does not tell the format (.vhdx .avhdx .vhd .avhd); say --format", file);
	if (request->preset != NULL && format != request->preset->format)
		return tool_usage("%s: --preset %s makes %s, not %s: %s", file, request->preset->name,
				  vhdx_format_name(request->preset->format), vhdx_format_name(format), request->preset->because);
	if (named != VHDX_FORMAT_ANY && format != named && !request->quiet)
		tool_warn("%s: is made as %s, but Windows goes by the name", file, vhdx_format_name(format));
	if (format != VHDX_FORMAT_VHD)
		return TOOL_DONE;
	if (request->creator != NULL)
		return tool_usage("%s: VHD has no room for a --creator text", file);
	if (request->log_length != 0)
		return tool_usage("%s: VHD has no log, --log-size is for VHDX", file);
	if (request->logical_sector_size > 512 || request->physical_sector_size > 512)
		return tool_usage("%s: VHD has sectors of 512 bytes only", file);
	if (request->id != NULL && request->file_count > 1)
		return tool_usage("%s: several VHD files cannot share one --id", file);
	return TOOL_DONE;
}

static int check_formats(const struct creation *request)
{
	int result = TOOL_DONE;

	for (size_t i = 0; i < request->file_count && result == TOOL_DONE; i++)
		result = check_format(request, request->files[i]);
	return result;
}

static void apply_preset(struct creation *request)
{
	const struct preset *preset = request->preset;

	if (preset == NULL)
		return;
	request->format = (int)preset->format;
	if (request->type == VHDX_TYPE_ANY)
		request->type = (int)preset->type;
	if (request->block_size == 0 && request->type != VHDX_TYPE_FIXED)
		request->block_size = preset->block_size;
	if (request->logical_sector_size == 0)
		request->logical_sector_size = preset->logical_sector_size;
	if (request->physical_sector_size == 0)
		request->physical_sector_size = preset->physical_sector_size;
	if (preset->type == VHDX_TYPE_FIXED && request->type != VHDX_TYPE_FIXED && !request->quiet)
		tool_warn("--type wins over --preset %s, but %s", preset->name, preset->because);
}

static int check_values(struct creation *request)
{
	if (request->id != NULL && vhdx_guid_parse(&request->disk_id, request->id) != VHDX_OK)
		return tool_usage("--id wants a GUID, not '%s'", request->id);
	if (request->preset_name != NULL) {
		request->preset = preset_find(request->preset_name);
		if (request->preset == NULL)
			return tool_usage("--preset is azure, wsl, hyperv or linux, not '%s'", request->preset_name);
	}
	if (request->from != NULL && request->open.flags & VHDX_OPEN_NO_PARENTS)
		return tool_usage("--no-parents would lose what the parents of the source hold");
	if (request->from == NULL && request->open.format != VHDX_FORMAT_ANY)
		return tool_usage("--from-format needs --from");
	return request->deterministic ? deterministic_time(&request->now) : TOOL_DONE;
}

static int check_type(const struct creation *request)
{
	enum vhdx_type type = (enum vhdx_type)request->type;

	if (request->preallocation != VHDX_PREALLOCATE_NONE && type != VHDX_TYPE_FIXED)
		return tool_usage("--preallocate is for --type fixed");
	if (request->preallocation != VHDX_PREALLOCATE_NONE && request->sparse)
		return tool_usage("--preallocate and --sparse exclude each other");
	return TOOL_DONE;
}

int creation_check(struct creation *request)
{
	int result = check_operands(request);

	if (result == TOOL_DONE)
		result = check_values(request);
	if (result == TOOL_DONE)
		result = check_parent(request);
	if (result == TOOL_DONE)
		result = check_formats(request);
	if (result != TOOL_DONE)
		return result;
	apply_preset(request);
	return check_type(request);
}
