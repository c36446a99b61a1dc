/* SPDX-License-Identifier: MIT */
/*
 * The overview: gathers what it says before a word of it is printed. Costs one pass over the BAT of the file, one stat, one read
 * of the start of the disk and one or two per partition.
 */
#include "inspect.h"

struct content_reader {
	vhdx_disk *disk;
	int status;
};

static int read_content(void *context, void *buffer, size_t length, uint64_t disk_offset)
{
	struct content_reader *reader = context;
	int status = vhdx_read(reader->disk, buffer, length, disk_offset, NULL);

	if (status != VHDX_OK && reader->status != VHDX_E_DAMAGED)
		reader->status = status;
	return status;
}

/* Damage below a partition is noted like damage at the start: `status` of the reader is the worst. */
static void look_inside(struct inspect *inspect, struct overview *out)
{
	struct content_reader reader = { .disk = inspect->disk };
	struct content_source source = {
		.context = &reader,
		.read = read_content,
		.size = out->info.virtual_size,
		.sector_size = out->info.logical_sector_size,
	};

	out->content_status = content_probe(&out->content, &source);
	if (reader.status == VHDX_E_DAMAGED)
		inspect_raise(inspect, TOOL_DAMAGED);
	else if (reader.status != VHDX_OK && !(inspect->open.flags & VHDX_OPEN_NO_PARENTS) && !inspect->alone)
		inspect_raise(inspect, TOOL_FAILED);
}

static int gather(struct inspect *inspect, struct overview *out, struct vhdx_error *error)
{
	int status;

	out->info = (struct vhdx_info)VHDX_INFO_INIT;
	out->usage = (struct vhdx_usage)VHDX_USAGE_INIT;
	status = vhdx_get_info(inspect->disk, 0, &out->info, error);
	if (status == VHDX_OK)
		status = vhdx_get_usage(inspect->disk, 0, &out->usage, error);
	if (status == VHDX_OK)
		status = items_gather(inspect, out, error);
	if (status != VHDX_OK)
		return status;
	if (out->usage.blocks_damaged)
		inspect_raise(inspect, TOOL_DAMAGED);
	out->depth = vhdx_depth(inspect->disk);
	out->is_complete = !inspect->alone && (out->depth > 1 || out->info.type != VHDX_TYPE_DIFFERENCING);
	occupancy_of(&out->occupancy, inspect->path);
	pieces_of(&out->pieces, inspect->path);
	look_inside(inspect, out);
	attach_judge(inspect, out);
	return VHDX_OK;
}

void overview_show(struct inspect *inspect)
{
	static struct overview overview;
	struct vhdx_error error;

	if (gather(inspect, &overview, &error) != VHDX_OK)
		inspect_raise(inspect, tool_error(&error));
	else if (inspect->as_json)
		overview_json(inspect, &overview);
	else
		overview_text(inspect, &overview);
}
