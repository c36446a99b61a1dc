/* SPDX-License-Identifier: MIT */
/* See creation_report.h. */
#include "creation_report.h"

#include "json.h"

static enum vhdx_type type_made(const struct creation *request)
{
	if (request->parent != NULL)
		return VHDX_TYPE_DIFFERENCING;
	return request->type == VHDX_TYPE_ANY ? VHDX_TYPE_DYNAMIC : (enum vhdx_type)request->type;
}

void creation_report_line(const struct creation *request, const char *file, uint64_t size)
{
	const char *format = vhdx_format_name(creation_format(request, file));
	char text[32];

	tool_format_size(size, text, sizeof(text));
	printf("%s: %s %s, %s", file, format, vhdx_type_name(type_made(request)), text);
	if (request->parent != NULL)
		printf(", parent %s", request->parent);
	putchar('\n');
}

static void put_guid(struct json *json, const char *key, const struct vhdx_guid *guid)
{
	char text[VHDX_GUID_TEXT_SIZE];

	vhdx_guid_format(guid, text);
	json_string(json, key, text);
}

int creation_report_json(const struct creation *request, const char *file)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	struct json json;
	vhdx_disk *disk;

	options.flags = VHDX_OPEN_NO_PARENTS;
	options.format = creation_format(request, file);
	if (vhdx_open(&disk, file, &options, &error) != VHDX_OK)
		return tool_error(&error);
	if (vhdx_get_info(disk, 0, &info, &error) != VHDX_OK) {
		vhdx_close(disk);
		return tool_error(&error);
	}
	json_begin(&json, stdout);
	json_object(&json, NULL, true);
	json_string(&json, "file", file);
	json_string(&json, "format", vhdx_format_name(info.format));
	json_string(&json, "type", vhdx_type_name(info.type));
	json_number(&json, "virtual_size", info.virtual_size);
	json_number(&json, "file_size", info.file_size);
	json_number(&json, "block_size", info.block_size);
	json_number(&json, "logical_sector_size", info.logical_sector_size);
	json_number(&json, "physical_sector_size", info.physical_sector_size);
	if (info.format == VHDX_FORMAT_VHDX)
		json_number(&json, "log_length", info.log_length);
	json_string(&json, "creator", info.creator);
	put_guid(&json, "disk_id", &info.disk_id);
	put_guid(&json, "data_identity", &info.data_identity);
	json_string(&json, "parent", request->parent);
	json_end(&json);
	vhdx_close(disk);
	return TOOL_DONE;
}
