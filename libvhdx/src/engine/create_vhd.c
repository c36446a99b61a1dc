/* SPDX-License-Identifier: MIT */
/*
 * Lays out a new VHD. Layer: engine. specs/vhd.md sections 1.1 and 3.10.
 *
 *   fixed     data | footer
 *   others    footer copy | dynamic header | locators | BAT | blocks (bitmap, data) | footer
 *
 * Data of blocks begins at multiples of 4 KiB and the file ends at one (decision D-38). Both footers are written last, behind a flush: a file without them is no VHD.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/utf.h"
#include "engine/create.h"
#include "format/fields.h"
#include "format/vhd_dynamic.h"
#include "format/vhd_footer.h"

enum { ALIGN = 4096, BAT_WINDOW = 65536, LOCATORS_OFFSET = 4096 };

struct layout {
	struct creation *c;
	struct vhd_footer footer;
	struct vhd_dynamic header;
	uint32_t bitmap_size;
	uint64_t table_end; /* of the padded BAT */
	uint64_t next_end;  /* end of the last block, or of the BAT */
	uint8_t *bitmap;    /* all ones */
	uint8_t *window;    /* the part of the BAT being written */
	uint64_t window_index;
	bool window_dirty;
};

static int start_footer(struct layout *l, struct vhdx_error *error)
{
	const struct vhdx_create_options *o = &l->c->options;
	uint64_t now = l->c->env.now(l->c->env.context);

	l->footer = (struct vhd_footer){
		.file_format_version = 0x00010000,
		.data_offset = o->type == VHDX_TYPE_FIXED ? VHD_NO_OFFSET : vhd_footer_size,
		.time_stamp = now < VHD_TIME_ZERO ? 0 : (uint32_t)(now - VHD_TIME_ZERO),
		.creator_application = { 'w', 'i', 'n', ' ' }, /* decision D-34 */
		.creator_version = 0x000A0000,
		.creator_host_os = VHD_CODE_WI2K,
		.original_size = o->size,
		.current_size = o->size,
		.geometry = vhd_geometry_of(o->size),
		.disk_type = (uint32_t)o->type,
		.unique_id = o->disk_id,
	};
	return guid_is_zero(&o->disk_id) ? env_random_guids(&l->c->env, &l->footer.unique_id, 1, error) : VHDX_OK;
}

/*
 * The footers, behind a flush of everything else (W10). In front the dynamic header comes with the footer, and after the one at the end: a creation that is
 * interrupted between the two has left a footer that leads to no header.
 */
static int finish(struct layout *l, uint64_t footer_offset, bool front, struct vhdx_error *error)
{
	uint8_t bytes[vhd_footer_size + vhd_dynamic_header_size];
	int status = create_flush(l->c, error);

	if (status == VHDX_OK)
		status = start_footer(l, error);
	vhd_footer_encode(bytes, &l->footer);
	if (status == VHDX_OK)
		status = file_write(l->c->file, bytes, vhd_footer_size, footer_offset, error);
	if (front)
		vhd_dynamic_encode(bytes + vhd_footer_size, &l->header);
	if (status == VHDX_OK && front)
		status = file_write(l->c->file, bytes, sizeof(bytes), 0, error);
	return status == VHDX_OK ? create_flush(l->c, error) : status;
}

/* The disk is one block at the start of the file. */
static int place_fixed(void *context, uint64_t block, uint64_t *file_offset, struct vhdx_error *error)
{
	(void)context;
	(void)block;
	(void)error;
	*file_offset = 0;
	return VHDX_OK;
}

static int create_fixed(struct layout *l, struct vhdx_error *error)
{
	struct block_sink sink = { UINT64_C(1) << 63, place_fixed, l };
	uint64_t size = l->c->options.size;
	int status = file_set_size(l->c->file, size + vhd_footer_size, error);

	if (status == VHDX_OK)
		status = create_preallocate(l->c, 0, size, error);
	if (status == VHDX_OK)
		status = create_fill(l->c, &sink, error);
	return status == VHDX_OK ? finish(l, size, false, error) : status;
}

/* Writes one locator's text at `*offset` and fills its slot: VHD-054, VHD-084. */
static int add_locator(struct layout *l, unsigned slot, uint32_t code, const char *text, uint64_t *offset,
		       struct vhdx_error *error)
{
	size_t units = utf16_from_utf8(NULL, VHD_MAX_LOCATOR_LENGTH / 2, text, false);
	uint8_t *bytes;
	uint32_t space;
	int status;

	if (units == 0 || units == SIZE_MAX)
		return fail(error, VHDX_E_ARGUMENT, "a path to the parent is empty, too long or not UTF-8");
	space = (uint32_t)round_up(units * 2, VHD_SECTOR);
	bytes = memory_zeroed(&l->c->env, space);
	if (bytes == NULL)
		return fail_memory(error);
	(void)utf16_from_utf8(bytes, units, text, false);
	status = file_write(l->c->file, bytes, space, *offset, error);
	memory_release(&l->c->env, bytes);
	l->header.locators[slot] = (struct vhd_locator){ code, space, (uint32_t)(units * 2), *offset };
	*offset += space;
	return status;
}

/* The name is the absolute path when it fits, as Windows has it, else the last part: VHD-051, VHD-052. */
static int set_parent_name(struct layout *l, const char *absolute, const char *relative, struct vhdx_error *error)
{
	const char *name = absolute != NULL ? absolute : relative;

	if (absolute == NULL || utf16_from_utf8(NULL, VHD_NAME_UNITS, absolute, true) == SIZE_MAX)
		for (const char *p = name; *p != '\0'; p++)
			if (*p == '\\' || *p == '/')
				name = p + 1;
	if (utf16_from_utf8(l->header.parent_name, VHD_NAME_UNITS, name, true) == SIZE_MAX)
		return fail(error, VHDX_E_ARGUMENT,
			    "the name of the parent is not UTF-8, or longer than the %d code units of a VHD", VHD_NAME_UNITS);
	return VHDX_OK;
}

static int write_locators(struct layout *l, uint64_t *end, struct vhdx_error *error)
{
	const struct vhdx_create_options *o = &l->c->options;
	int status = VHDX_OK;

	*end = LOCATORS_OFFSET;
	l->header.parent_unique_id = l->c->parent->data_identity;
	if (o->parent_relative == NULL && o->parent_absolute == NULL)
		return fail(error, VHDX_E_ARGUMENT,
			    "a VHD child stores a relative or an absolute path to its parent, not a volume path alone");
	status = set_parent_name(l, o->parent_absolute, o->parent_relative, error);
	if (status == VHDX_OK && o->parent_absolute != NULL)
		status = add_locator(l, 0, VHD_CODE_W2KU, o->parent_absolute, end, error);
	if (status == VHDX_OK && o->parent_relative != NULL)
		status = add_locator(l, 1, VHD_CODE_W2RU, o->parent_relative, end, error);
	return status;
}

static int flush_window(struct layout *l, struct vhdx_error *error)
{
	uint64_t at = l->header.table_offset + l->window_index * 4;
	int status = VHDX_OK;

	if (l->window_dirty)
		status = file_write(l->c->file, l->window, (size_t)min_u64(BAT_WINDOW, l->table_end - at), at, error);
	l->window_dirty = false;
	memset(l->window, 0xFF, BAT_WINDOW); /* VHD-060 */
	return status;
}

/* Every part of the BAT is written, allocated or not. */
static int move_window(struct layout *l, uint64_t index, struct vhdx_error *error)
{
	int status = VHDX_OK;

	while (status == VHDX_OK && l->window_index + BAT_WINDOW / 4 <= index) {
		status = flush_window(l, error);
		l->window_index += BAT_WINDOW / 4;
		l->window_dirty = true;
	}
	return status;
}

static uint64_t footer_place(uint64_t end)
{
	return round_up(end + vhd_footer_size, ALIGN) - vhd_footer_size;
}

static int place_block(void *context, uint64_t block, uint64_t *file_offset, struct vhdx_error *error)
{
	struct layout *l = context;
	uint64_t data = round_up(l->next_end + l->bitmap_size, ALIGN), position = data - l->bitmap_size;
	int status = move_window(l, block, error);

	if (status == VHDX_OK && position / VHD_SECTOR >= VHD_UNALLOCATED)
		status = fail(error, VHDX_E_NO_SPACE, "the file would exceed 2 TiB, which a VHD cannot address");
	if (status ==
	    VHDX_OK) /* a block may end with what looks like a footer: the file does not end with it, for the case that it ends here */
		status = file_set_size(l->c->file, footer_place(data + l->header.block_size) + vhd_footer_size, error);
	if (status == VHDX_OK)
		status = file_write(l->c->file, l->bitmap, l->bitmap_size, position, error);
	if (status < 0)
		return status;
	put_be32(l->window + (block - l->window_index) * 4, (uint32_t)(position / VHD_SECTOR));
	l->window_dirty = true;
	l->next_end = data + l->header.block_size;
	*file_offset = data;
	return VHDX_OK;
}

static int create_blocks(struct layout *l, struct vhdx_error *error)
{
	struct block_sink sink = { l->header.block_size, place_block, l };
	uint64_t footer_offset;
	int status = file_set_size(l->c->file, l->table_end, error);

	if (status == VHDX_OK)
		status = create_fill(l->c, &sink, error);
	if (status == VHDX_OK)
		status = move_window(l, l->header.max_table_entries - 1, error);
	if (status == VHDX_OK)
		status = flush_window(l, error);
	footer_offset = footer_place(l->next_end);
	if (status == VHDX_OK)
		status = file_set_size(l->c->file, footer_offset + vhd_footer_size, error);
	return status == VHDX_OK ? finish(l, footer_offset, true, error) : status;
}

static int create_dynamic(struct layout *l, struct vhdx_error *error)
{
	const struct vhdx_create_options *o = &l->c->options;
	uint64_t table_offset = vhd_footer_size + vhd_dynamic_header_size;
	int status = VHDX_OK;

	l->header.header_version = 0x00010000;
	l->header.block_size = o->block_size;
	l->header.max_table_entries = (uint32_t)divide_up(o->size, o->block_size); /* at most 2^32 - 2^24 sectors */
	if (o->type == VHDX_TYPE_DIFFERENCING)
		status = write_locators(l, &table_offset, error);
	l->header.table_offset = table_offset;
	l->table_end = table_offset + round_up((uint64_t)l->header.max_table_entries * 4, VHD_SECTOR);
	l->next_end = l->table_end;
	l->bitmap_size = vhd_bitmap_size(o->block_size);
	l->bitmap = memory_allocate(&l->c->env, l->bitmap_size);
	l->window = memory_allocate(&l->c->env, BAT_WINDOW);
	if (l->bitmap == NULL || l->window == NULL)
		return fail_memory(error);
	memset(l->bitmap, 0xFF, l->bitmap_size); /* VHD-067 */
	memset(l->window, 0xFF, BAT_WINDOW);
	l->window_dirty = true;
	return status == VHDX_OK ? create_blocks(l, error) : status;
}

int create_vhd(struct creation *c, struct vhdx_error *error)
{
	struct layout l = { .c = c };
	int status = c->options.type == VHDX_TYPE_FIXED ? create_fixed(&l, error) : create_dynamic(&l, error);

	memory_release(&c->env, l.bitmap);
	memory_release(&c->env, l.window);
	return status;
}
