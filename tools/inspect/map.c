/* SPDX-License-Identifier: MIT */
/*
 * --map: the extents of the disk in order. Neighbours that say the same are joined: both read as zeros by the word of the same
 * level, or both hold data one after the other in the same file. Nothing is kept, however many there are. Blocks whose BAT entry
 * breaks a rule are shown as damaged; the first of them is told on stderr.
 */
#include <inttypes.h>
#include <stdio.h>

#include "inspect.h"

/* The block that cannot be told, of the level that the error is about. */
static void set_damaged(struct inspect *inspect, struct vhdx_extent *out, uint64_t offset, const struct vhdx_error *error)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	uint64_t left = vhdx_disk_size(inspect->disk) - offset, block = 0;

	if (vhdx_get_info(inspect->disk, error->level, &info, NULL) == VHDX_OK)
		block = info.block_size;
	*out = (struct vhdx_extent){ .disk_offset = offset, .level = error->level };
	out->length = block ? block - offset % block : left;
	if (out->length > left)
		out->length = left;
}

int map_next(struct inspect *inspect, struct vhdx_extent *out, uint64_t offset, struct vhdx_error *error)
{
	int status = vhdx_get_extent(inspect->disk, out, offset, vhdx_disk_size(inspect->disk) - offset, error);

	if (status != VHDX_E_DAMAGED)
		return status;
	if (!inspect->damage_told)
		inspect_raise(inspect, tool_error(error));
	inspect->damage_told = true;
	set_damaged(inspect, out, offset, error);
	return VHDX_OK;
}

static const char *kind_name(enum vhdx_extent_kind kind)
{
	switch (kind) {
	case VHDX_EXTENT_DATA: return "data";
	case VHDX_EXTENT_ZERO: return "zero";
	case VHDX_EXTENT_HOLE: return "hole";
	case VHDX_EXTENT_PARENT: return "parent";
	case VHDX_EXTENT_LOST: return "lost";
	}
	return "damaged";
}

static bool is_continued(const struct vhdx_extent *first, const struct vhdx_extent *next)
{
	if (first->kind != next->kind || first->in_memory != next->in_memory)
		return false;
	if (first->kind == VHDX_EXTENT_PARENT)
		return true;
	if (first->level != next->level)
		return false;
	return first->kind != VHDX_EXTENT_DATA || first->file_offset + first->length == next->file_offset;
}

static void show_extent(struct inspect *inspect, const struct vhdx_extent *extent)
{
	struct json *json = &inspect->json;
	bool is_data = extent->kind == VHDX_EXTENT_DATA;

	if (!inspect->as_json) {
		printf("0x%012" PRIx64 "  %15" PRIu64 "  %-7s", extent->disk_offset, extent->length, kind_name(extent->kind));
		if (extent->kind != VHDX_EXTENT_PARENT)
			printf("  %5u", extent->level);
		if (is_data)
			printf("  0x%012" PRIx64 "%s", extent->file_offset, extent->in_memory ? " and the log" : "");
		putchar('\n');
		return;
	}
	json_object(json, NULL, true);
	json_number(json, "offset", extent->disk_offset);
	json_number(json, "length", extent->length);
	json_string(json, "kind", kind_name(extent->kind));
	if (extent->kind != VHDX_EXTENT_PARENT)
		json_number(json, "level", extent->level);
	if (is_data) {
		json_number(json, "file_offset", extent->file_offset);
		json_bool(json, "in_memory", extent->in_memory);
	}
	json_close(json);
}

static void begin(struct inspect *inspect)
{
	struct json *json = inspect_section(inspect);

	if (inspect->as_json)
		json_array(json, "map", false);
	else
		fputs("disk offset              length  kind     level  file offset\n", stdout);
}

static int show_all(struct inspect *inspect, struct vhdx_error *error)
{
	uint64_t size = vhdx_disk_size(inspect->disk), offset = 0;
	struct vhdx_extent run = { .length = 0 }, next;
	int status = VHDX_OK;

	while (offset < size) {
		status = map_next(inspect, &next, offset, error);
		if (status != VHDX_OK)
			break;
		if (offset == 0)
			begin(inspect);
		offset += next.length;
		if (run.length && is_continued(&run, &next)) {
			run.length += next.length;
			continue;
		}
		if (run.length)
			show_extent(inspect, &run);
		run = next;
	}
	if (run.length)
		show_extent(inspect, &run);
	if (inspect->as_json && offset)
		json_close(&inspect->json);
	return status;
}

void map_show(struct inspect *inspect)
{
	struct vhdx_error error;

	if (show_all(inspect, &error) != VHDX_OK)
		inspect_raise(inspect, tool_error(&error));
}
