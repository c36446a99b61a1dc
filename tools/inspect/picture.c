/* SPDX-License-Identifier: MIT */
/*
 * --picture: the disk as up to 16 lines of 64 characters, each an equal share of it, a power of two in bytes. A character tells
 * how much of its share is data; on a terminal its colour tells the level that holds most of it. One pass over the extents, one
 * cell kept.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/sys.h"
#include "inspect.h"

enum { COLUMNS = 64, LINES = 16, LEVELS = 8, SHADES = 8 };

struct cell {
	uint64_t data;
	uint64_t zero;
	uint64_t parent;
	uint64_t damaged;
	uint64_t by_level[LEVELS]; /* deeper levels count as the last */
};

struct picture {
	struct inspect *inspect;
	uint64_t size;
	uint64_t cell_size;
	uint64_t cell_index; /* of `cell` */
	struct cell cell;
	bool has_parent; /* something is in a parent that is not open */
	bool has_colour;
	unsigned colour; /* in effect; LEVELS for none */
	const char *const *shades;
};

static const char *const ascii_shades[SHADES] = { ":", "-", "=", "+", "*", "#", "%", "@" };
static const char *const block_shades[SHADES] = {
	"\u2591", "\u2591", "\u2592", "\u2592", "\u2593", "\u2593", "\u2593", "\u2588"
};

static bool has_utf8(void)
{
	static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strstr(value, "UTF-8") || strstr(value, "utf8") || strstr(value, "utf-8");
	}
	return false;
}

static unsigned main_level(const struct cell *cell)
{
	unsigned level = 0;

	for (unsigned i = 1; i < LEVELS; i++)
		if (cell->by_level[i] > cell->by_level[level])
			level = i;
	return level;
}

/* `length` is the cell's share of the disk; the last one may be smaller. */
static const char *shade(const struct picture *picture, uint64_t length)
{
	const struct cell *cell = &picture->cell;
	uint64_t eighths = cell->data / (length / SHADES ? length / SHADES : 1);

	if (cell->damaged)
		return "!";
	if (cell->data)
		return picture->shades[cell->data == length ? SHADES - 1 : eighths < SHADES - 1 ? eighths : SHADES - 2];
	if (cell->parent)
		return "?";
	return cell->zero ? "." : " ";
}

static void set_colour(struct picture *picture, unsigned colour)
{
	if (!picture->has_colour || colour == picture->colour)
		return;
	picture->colour = colour;
	if (colour == LEVELS)
		fputs("\033[0m", stdout);
	else
		printf("\033[3%um", colour == LEVELS - 1 ? 0 : colour + 1);
}

static void begin(struct picture *picture)
{
	struct json *json = inspect_section(picture->inspect);

	if (!picture->inspect->as_json)
		return;
	json_object(json, "picture", false);
	json_number(json, "cell_size", picture->cell_size);
	json_array(json, "data_bytes", true);
}

static void show_cell(struct picture *picture)
{
	struct json *json = &picture->inspect->json;
	uint64_t offset = picture->cell_index * picture->cell_size;
	uint64_t length = picture->size - offset < picture->cell_size ? picture->size - offset : picture->cell_size;

	if (picture->cell_index == 0)
		begin(picture);
	if (picture->inspect->as_json) {
		json_number(json, NULL, picture->cell.data);
		return;
	}
	if (picture->cell_index % COLUMNS == 0)
		printf("0x%012" PRIx64 " |", offset);
	if (picture->cell.data)
		set_colour(picture, main_level(&picture->cell));
	fputs(shade(picture, length), stdout);
	if (picture->cell_index % COLUMNS == COLUMNS - 1 || offset + length == picture->size) {
		set_colour(picture, LEVELS);
		fputs("|\n", stdout);
	}
}

/* Spreads an extent over the cells it lies in, and shows those that it completes. */
static void add_extent(struct picture *picture, const struct vhdx_extent *extent)
{
	uint64_t offset = extent->disk_offset, end = offset + extent->length;

	while (offset < end) {
		uint64_t cell_end = (picture->cell_index + 1) * picture->cell_size;
		uint64_t length = (end < cell_end ? end : cell_end) - offset;

		if (extent->kind == VHDX_EXTENT_DATA) {
			picture->cell.data += length;
			picture->cell.by_level[extent->level < LEVELS ? extent->level : LEVELS - 1] += length;
		} else if (extent->kind == VHDX_EXTENT_ZERO) {
			picture->cell.zero += length;
		} else if (extent->kind == VHDX_EXTENT_PARENT) {
			picture->cell.parent += length;
			picture->has_parent = true;
		} else if (extent->kind != VHDX_EXTENT_HOLE) {
			picture->cell.damaged += length;
		}
		offset += length;
		if (offset == cell_end || offset == picture->size) {
			show_cell(picture);
			memset(&picture->cell, 0, sizeof(picture->cell));
			picture->cell_index++;
		}
	}
}

static int draw(struct picture *picture, struct vhdx_error *error)
{
	struct vhdx_extent extent;

	for (uint64_t offset = 0; offset < picture->size; offset += extent.length) {
		int status = map_next(picture->inspect, &extent, offset, error);

		if (status != VHDX_OK)
			return status;
		add_extent(picture, &extent);
	}
	return VHDX_OK;
}

static void show_legend(const struct picture *picture)
{
	printf("one character is %s: blank hole, . zero%s%s, %s to %s data, from a little to all\n",
	       text_size(picture->cell_size).text, picture->has_parent ? ", ? in a parent" : "",
	       picture->inspect->damage_told ? ", ! damaged" : "", picture->shades[0], picture->shades[SHADES - 1]);
	if (!picture->has_colour)
		return;
	fputs("level", stdout);
	for (unsigned level = 0; level < LEVELS - 1 && level < vhdx_depth(picture->inspect->disk); level++)
		printf(" \033[3%um%u\033[0m", level + 1, level);
	putchar('\n');
}

void picture_show(struct inspect *inspect)
{
	struct picture picture = {
		.inspect = inspect, .size = vhdx_disk_size(inspect->disk), .cell_size = 512, .colour = LEVELS
	};
	bool is_terminal = !inspect->as_json && sys_is_terminal(1);
	const char *no_colour = getenv("NO_COLOR");
	struct vhdx_error error;
	int status;

	while (picture.cell_size < UINT64_C(1) << 62 && picture.size / picture.cell_size >= COLUMNS * LINES)
		picture.cell_size *= 2;
	picture.has_colour = is_terminal && !(no_colour && *no_colour);
	picture.shades = is_terminal && has_utf8() ? block_shades : ascii_shades;
	status = draw(&picture, &error);
	if (inspect->as_json && picture.cell_index) {
		json_close(&inspect->json);
		json_close(&inspect->json);
	}
	if (status != VHDX_OK)
		inspect_raise(inspect, tool_error(&error));
	else if (!inspect->as_json)
		show_legend(&picture);
}
