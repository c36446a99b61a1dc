/* SPDX-License-Identifier: MIT */
/*
 * --compare: whether two disks read the same, whatever their formats, types and chains. Not read is what both sides say to be
 * zeros, and what both have in the same place of the same file, as two children of one parent do. A longer disk counts as equal
 * when all that it has more is zeros; the answer says so.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inspect.h"

enum { PIECE = 1 << 20 };

struct side {
	vhdx_disk *disk; /* NULL for zeros without end */
	uint64_t size;
	struct vhdx_extent extent; /* the last one asked for */
	bool is_known;             /* who the file that holds it is, in `id` */
	unsigned id_level;
	struct vhdx_file_id id;
	uint8_t *buffer;
};

struct comparison {
	struct side sides[2];
	bool is_different;
	uint64_t offset; /* of the first difference */
	uint8_t bytes[2];
};

static bool reads_zero(const struct side *side)
{
	return side->disk == NULL || side->extent.kind == VHDX_EXTENT_ZERO || side->extent.kind == VHDX_EXTENT_HOLE;
}

/* As vhdx_get_extent, but the holes of the host's files are holes. */
static int extent_of(const struct side *side, struct vhdx_extent *extent, uint64_t offset, struct vhdx_error *error)
{
	struct vhdx_source source;

	vhdx_disk_source(&source, side->disk);
	return source.extent(source.context, extent, offset, side->size - offset, error);
}

/* Makes `extent` cover `offset`; lowers `length` to what is left of it. */
static int find(struct side *side, uint64_t offset, uint64_t *length, struct vhdx_error *error)
{
	struct vhdx_extent *extent = &side->extent;
	int status = VHDX_OK;

	if (side->disk == NULL)
		return VHDX_OK;
	if (offset - extent->disk_offset >= extent->length)
		status = extent_of(side, extent, offset, error);
	if (status == VHDX_OK && *length > extent->disk_offset + extent->length - offset)
		*length = extent->disk_offset + extent->length - offset;
	return status;
}

/* Whether the extent is data in a file that can be told from others; remembers which for the level. */
static bool know_file(struct side *side)
{
	const struct vhdx_file *file;
	struct vhdx_error error;

	if (side->disk == NULL || side->extent.kind != VHDX_EXTENT_DATA || side->extent.in_memory)
		return false;
	if (side->is_known && side->id_level == side->extent.level)
		return true;
	file = vhdx_level_file(side->disk, side->extent.level);
	side->id_level = side->extent.level;
	side->is_known = file && file->io->identity && file->io->identity(file->handle, &side->id, &error) == VHDX_OK;
	return side->is_known;
}

/* Both extents cover the offset that is compared. */
static bool is_same_place(struct comparison *comparison)
{
	struct side *a = &comparison->sides[0], *b = &comparison->sides[1];

	return know_file(a) && know_file(b) && a->id.volume == b->id.volume && a->id.file == b->id.file &&
	       a->extent.file_offset - a->extent.disk_offset == b->extent.file_offset - b->extent.disk_offset;
}

static int load(struct side *side, size_t length, uint64_t offset, struct vhdx_error *error)
{
	if (!reads_zero(side))
		return vhdx_read(side->disk, side->buffer, length, offset, error);
	memset(side->buffer, 0, length);
	return VHDX_OK;
}

static int compare_piece(struct comparison *comparison, size_t length, uint64_t offset, struct vhdx_error *error)
{
	struct side *a = &comparison->sides[0], *b = &comparison->sides[1];
	int status = load(a, length, offset, error);

	if (status == VHDX_OK)
		status = load(b, length, offset, error);
	if (status != VHDX_OK || memcmp(a->buffer, b->buffer, length) == 0)
		return status;
	for (size_t i = 0; i < length; i++)
		if (a->buffer[i] != b->buffer[i]) {
			comparison->is_different = true;
			comparison->offset = offset + i;
			comparison->bytes[0] = a->buffer[i];
			comparison->bytes[1] = b->buffer[i];
			break;
		}
	return VHDX_OK;
}

static int compare_range(struct comparison *comparison, uint64_t offset, uint64_t end, struct vhdx_error *error)
{
	int status = VHDX_OK;

	while (offset < end && status == VHDX_OK && !comparison->is_different) {
		uint64_t length = end - offset;

		status = find(&comparison->sides[0], offset, &length, error);
		if (status == VHDX_OK)
			status = find(&comparison->sides[1], offset, &length, error);
		if (status != VHDX_OK)
			break;
		if (!(reads_zero(&comparison->sides[0]) && reads_zero(&comparison->sides[1])) && !is_same_place(comparison)) {
			length = length < PIECE ? length : PIECE;
			status = compare_piece(comparison, (size_t)length, offset, error);
		}
		offset += length;
	}
	return status;
}

/* The common part, then what the longer one has more against zeros. */
static int compare_disks(struct comparison *comparison, struct vhdx_error *error)
{
	struct side *a = &comparison->sides[0], *b = &comparison->sides[1];
	uint64_t common = a->size < b->size ? a->size : b->size;
	int status = compare_range(comparison, 0, common, error);

	if (status != VHDX_OK || comparison->is_different || a->size == b->size)
		return status;
	(a->size > b->size ? b : a)->disk = NULL;
	return compare_range(comparison, common, a->size + b->size - common, error);
}

static void say(struct inspect *inspect, const struct comparison *comparison)
{
	const struct side *a = &comparison->sides[0], *b = &comparison->sides[1];
	uint64_t common = a->size < b->size ? a->size : b->size;

	inspect_section(inspect);
	if (comparison->is_different && comparison->offset >= common)
		printf("different: sizes %" PRIu64 " and %" PRIu64
		       ", and beyond the end of the shorter, at disk offset 0x%" PRIx64 ", the longer is not zero\n",
		       a->size, b->size, comparison->offset);
	else if (comparison->is_different)
		printf("different: at disk offset 0x%" PRIx64 ", 0x%02x in %s, 0x%02x in %s\n", comparison->offset,
		       comparison->bytes[0], text_clean(inspect->path).text, comparison->bytes[1],
		       text_clean(inspect->other).text);
	else if (a->size != b->size)
		printf("identical, but of sizes %" PRIu64 " and %" PRIu64 ": the rest of the longer is zero\n", a->size, b->size);
	else
		puts("identical");
}

static void say_json(struct inspect *inspect, const struct comparison *comparison)
{
	struct json *json = inspect_section(inspect);

	json_object(json, "compare", true);
	json_string(json, "other", inspect->other);
	json_bool(json, "identical", !comparison->is_different);
	json_number(json, "size", comparison->sides[0].size);
	json_number(json, "other_size", comparison->sides[1].size);
	if (comparison->is_different) {
		json_number(json, "offset", comparison->offset);
		json_number(json, "byte", comparison->bytes[0]);
		json_number(json, "other_byte", comparison->bytes[1]);
	}
	json_close(json);
}

/* The other side is opened with the same permissions, but explicit parents are the first side's. */
static vhdx_disk *open_other(struct inspect *inspect)
{
	struct tool_open open = inspect->open;
	vhdx_disk *disk = NULL;

	open.format = inspect->other_format;
	open.parents = NULL;
	open.parent_count = 0;
	open.attempts = NULL;
	inspect_raise(inspect, tool_open_image(&disk, inspect->other, &open));
	free(open.attempts);
	return disk;
}

void compare_show(struct inspect *inspect)
{
	vhdx_disk *other = open_other(inspect);
	struct comparison comparison = { .sides = { { .disk = inspect->disk }, { .disk = other } } };
	struct vhdx_error error;
	int status;

	if (other == NULL)
		return;
	for (int i = 0; i < 2; i++) {
		comparison.sides[i].size = vhdx_disk_size(comparison.sides[i].disk);
		comparison.sides[i].buffer = tool_allocate(NULL, PIECE);
	}
	status = compare_disks(&comparison, &error);
	if (status != VHDX_OK)
		inspect_raise(inspect, tool_error(&error));
	else if (inspect->as_json)
		say_json(inspect, &comparison);
	else
		say(inspect, &comparison);
	if (comparison.is_different)
		inspect_raise(inspect, TOOL_FAILED);
	for (int i = 0; i < 2; i++)
		free(comparison.sides[i].buffer);
	vhdx_close(other);
}
