/* SPDX-License-Identifier: MIT */
/*
 * Lays out a new VHDX. Layer: engine. specs/vhdx.md section 3.18.
 *
 *   0      identifier, headers, region tables
 *   1 MiB  log | metadata 1 MiB | BAT | payload blocks in disk order
 *
 * Only pages that hold something are written; the rest are holes that read as zeros, which is what an absent block, an empty log and the tail of a region
 * table are. Everything but the identifier is flushed before the identifier is written (W10): two flushes in all.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/create.h"
#include "engine/vhdx_image.h"
#include "format/fields.h"
#include "format/vhdx_header.h"
#include "format/vhdx_layout.h"
#include "format/vhdx_locator.h"

enum { PAGE = 4096, BAT_WINDOW = 65536, METADATA_LENGTH = 1 << 20 };

struct layout {
	struct creation *c;
	struct vhdx_parameters parameters;
	struct vhdx_geometry geometry;
	struct vhdx_region regions[2]; /* BAT, metadata */
	uint64_t payload_offset;
	uint64_t next_block_offset;
	/* the part of the BAT being written: entries come in ascending order */
	uint8_t *window;
	uint64_t window_index; /* first entry in it */
	bool window_dirty;
	struct vhdx_guid ids[3]; /* fresh: FileWriteGuid, DataWriteGuid, Virtual Disk ID */
};

static void plan(struct layout *l)
{
	const struct vhdx_create_options *o = &l->c->options;
	uint64_t bat_length;

	l->parameters = (struct vhdx_parameters){
		.block_size = o->block_size,
		.leave_block_allocated = o->type == VHDX_TYPE_FIXED,
		.has_parent = o->type == VHDX_TYPE_DIFFERENCING,
		.virtual_disk_size = o->size,
		.logical_sector_size = o->logical_sector_size,
		.physical_sector_size = o->physical_sector_size,
		.virtual_disk_id = o->disk_id,
	};
	l->geometry = vhdx_geometry(o->size, o->block_size, o->logical_sector_size, l->parameters.has_parent);
	bat_length = round_up(l->geometry.entry_count * 8, MIB); /* at most 513 MiB */
	l->regions[1] = (struct vhdx_region){ vhdx_region_metadata, VHDX_HEADER_SECTION_SIZE + o->log_length, METADATA_LENGTH,
					      true };
	l->regions[0] = (struct vhdx_region){ vhdx_region_bat, l->regions[1].file_offset + METADATA_LENGTH, (uint32_t)bat_length,
					      true };
	l->payload_offset = l->regions[0].file_offset + bat_length;
	l->next_block_offset = l->payload_offset;
}

static int flush_window(struct layout *l, struct vhdx_error *error)
{
	uint64_t count = min_u64(BAT_WINDOW / 8, l->geometry.entry_count - l->window_index);
	int status = VHDX_OK;

	if (l->window_dirty)
		status = file_write(l->c->file, l->window, (size_t)round_up(count * 8, PAGE),
				    l->regions[0].file_offset + l->window_index * 8, error);
	l->window_dirty = false;
	memset(l->window, 0, BAT_WINDOW);
	return status;
}

static int set_entry(struct layout *l, uint64_t block, uint64_t file_offset, struct vhdx_error *error)
{
	uint64_t index = vhdx_bat_index(&l->geometry, block), first = round_down(index, BAT_WINDOW / 8);

	if (first != l->window_index) {
		int status = flush_window(l, error);

		if (status < 0)
			return status;
		l->window_index = first;
	}
	put_le64(l->window + (index - first) * 8, file_offset | BLOCK_FULLY_PRESENT);
	l->window_dirty = true;
	return VHDX_OK;
}

static int place_dynamic(void *context, uint64_t block, uint64_t *file_offset, struct vhdx_error *error)
{
	struct layout *l = context;

	*file_offset = l->next_block_offset;
	l->next_block_offset += l->parameters.block_size;
	return set_entry(l, block, *file_offset, error);
}

static int place_fixed(void *context, uint64_t block, uint64_t *file_offset, struct vhdx_error *error)
{
	const struct layout *l = context;

	(void)error;
	*file_offset = l->payload_offset + block * l->parameters.block_size;
	return VHDX_OK;
}

static int write_payload(struct layout *l, struct vhdx_error *error)
{
	struct block_sink sink = { l->parameters.block_size, place_dynamic, l };
	uint64_t length = l->geometry.block_count << l->geometry.block_shift;
	int status = VHDX_OK;

	if (l->c->options.type == VHDX_TYPE_FIXED) {
		sink.place = place_fixed;
		for (uint64_t block = 0; status == VHDX_OK && block < l->geometry.block_count; block++)
			status = set_entry(l, block, l->payload_offset + block * l->parameters.block_size, error);
		if (status == VHDX_OK)
			status = file_set_size(l->c->file, l->payload_offset + length, error);
		if (status == VHDX_OK)
			status = create_preallocate(l->c, l->payload_offset, length, error);
		l->next_block_offset = l->payload_offset + length;
	}
	if (status == VHDX_OK)
		status = create_fill(l->c, &sink, error);
	return status == VHDX_OK ? flush_window(l, error) : status;
}

/* A metadata region being put together: the table in front, items from 64 KiB on. */
struct metadata {
	uint8_t *bytes;
	uint32_t end; /* of the last item */
	uint16_t count;
};

/* Takes id and flags from `like`, and appends the value. */
static int add_item(struct metadata *m, const struct vhdx_metadata_entry *like, const uint8_t *value, uint32_t length,
		    struct vhdx_error *error)
{
	struct vhdx_metadata_entry entry = *like;

	if (m->count == VHDX_MAX_ENTRIES || length > METADATA_LENGTH - m->end)
		return fail(error, VHDX_E_UNSUPPORTED, "the metadata items of the parent do not fit 1 MiB");
	entry.offset = length != 0 ? m->end : 0;
	entry.length = length;
	vhdx_metadata_entry_encode(m->bytes + vhdx_metadata_table_size + (size_t)m->count++ * vhdx_metadata_entry_size, &entry);
	memcpy(m->bytes + m->end, value, length);
	m->end += length;
	return VHDX_OK;
}

static int add_fixed_items(struct layout *l, struct metadata *m, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (unsigned item = 0; status == VHDX_OK && item < ITEM_PARENT_LOCATOR; item++) {
		struct vhdx_metadata_entry like = { .item_id = vhdx_item_ids[item],
						    .is_virtual_disk = item != ITEM_FILE_PARAMETERS,
						    .is_required = true };
		uint8_t value[16] = { 0 };

		vhdx_item_encode(value, (enum vhdx_item)item, &l->parameters);
		status = add_item(m, &like, value, vhdx_item_lengths[item], error);
	}
	return status;
}

static int add_locator(struct layout *l, struct metadata *m, struct vhdx_error *error)
{
	const struct vhdx_create_options *o = &l->c->options;
	const struct vhdx_locator_text paths[] = { { "relative_path", o->parent_relative },
						   { "volume_path", o->parent_volume },
						   { "absolute_win32_path", o->parent_absolute } };
	const struct vhdx_metadata_entry like = { .item_id = vhdx_item_ids[ITEM_PARENT_LOCATOR], .is_required = true };
	struct vhdx_locator_text pairs[4];
	char linkage[VHDX_GUID_TEXT_SIZE + 2], guid[VHDX_GUID_TEXT_SIZE];
	uint16_t count = 0;
	uint8_t *item;
	size_t length;
	int status;

	guid_text(&l->c->parent->data_identity, guid);
	format_text(linkage, sizeof(linkage), "{%s}", guid); /* VHDX-181, VHDX-182 */
	pairs[count++] = (struct vhdx_locator_text){ "parent_linkage", linkage };
	for (unsigned i = 0; i < 3; i++)
		if (paths[i].value != NULL)
			pairs[count++] = paths[i];
	item = memory_allocate(&l->c->env, VHDX_MAX_LOCATOR_LENGTH);
	if (item == NULL)
		return fail_memory(error);
	length = vhdx_locator_encode(item, VHDX_MAX_LOCATOR_LENGTH, pairs, count);
	status = length == 0 ? fail(error, VHDX_E_ARGUMENT, "a path to the parent is empty, too long or not UTF-8")
			     : add_item(m, &like, item, (uint32_t)length, error);
	memory_release(&l->c->env, item);
	return status;
}

static int inherit_item(void *context, const struct vhdx_metadata_entry *entry, const uint8_t *value, struct vhdx_error *error)
{
	return add_item(context, entry, value, entry->length, error);
}

static int write_metadata(struct layout *l, struct vhdx_error *error)
{
	struct metadata m = { .end = VHDX_TABLE_SIZE, .bytes = memory_allocate(&l->c->env, METADATA_LENGTH) };
	uint64_t offset = l->regions[1].file_offset;
	int status;

	if (m.bytes == NULL)
		return fail_memory(error);
	memset(m.bytes, 0, VHDX_TABLE_SIZE);
	status = add_fixed_items(l, &m, error);
	if (status == VHDX_OK && l->c->parent != NULL)
		status = add_locator(l, &m, error);
	if (status == VHDX_OK && l->c->parent != NULL) /* VHDX-154 */
		status = vhdx_visit_virtual_disk_items((struct vhdx_image *)(uintptr_t)l->c->parent, inherit_item, &m, error);
	memset(m.bytes + m.end, 0, (size_t)round_up(m.end, PAGE) - m.end);
	if (status == VHDX_OK) {
		size_t table = vhdx_metadata_table_size + (size_t)m.count * vhdx_metadata_entry_size;

		vhdx_metadata_table_encode(m.bytes, m.count);
		status = file_write(l->c->file, m.bytes, (size_t)round_up(table, PAGE), offset, error);
	}
	if (status == VHDX_OK)
		status = file_write(l->c->file, m.bytes + VHDX_TABLE_SIZE, (size_t)round_up(m.end - VHDX_TABLE_SIZE, PAGE),
				    offset + VHDX_TABLE_SIZE, error);
	memory_release(&l->c->env, m.bytes);
	return status;
}

static int write_headers(struct layout *l, struct vhdx_error *error)
{
	struct vhdx_header header = { .version = 1,
				      .log_length = l->c->options.log_length,
				      .log_offset = VHDX_HEADER_SECTION_SIZE,
				      .file_write_guid = l->ids[0],
				      .data_write_guid = l->ids[1] };
	uint8_t *table = memory_zeroed(&l->c->env, VHDX_TABLE_SIZE), page[vhdx_header_size];
	int status = table == NULL ? fail_memory(error) : VHDX_OK;

	for (unsigned slot = 0; status == VHDX_OK && slot < 2; slot++) {
		header.sequence_number = slot + 1;
		vhdx_header_encode(page, &header);
		status = file_write(l->c->file, page, sizeof(page), VHDX_HEADER_OFFSET(slot), error);
	}
	if (status == VHDX_OK)
		vhdx_region_table_encode(table, l->regions, 2);
	for (unsigned copy = 0; status == VHDX_OK && copy < 2; copy++)
		status = file_write(l->c->file, table, PAGE, VHDX_REGION_TABLE_OFFSET(copy), error);
	memory_release(&l->c->env, table);
	return status;
}

static int write_identifier(struct layout *l, struct vhdx_error *error)
{
	uint8_t *bytes = memory_allocate(&l->c->env, vhdx_file_identifier_size);
	int status;

	if (bytes == NULL)
		return fail_memory(error);
	vhdx_identifier_encode(bytes, l->c->options.creator);
	status = file_write(l->c->file, bytes, PAGE, VHDX_IDENTIFIER_OFFSET, error);
	memory_release(&l->c->env, bytes);
	return status;
}

/* After the content, so that identifiers may depend on it. VHDX-168: a child has its parent's disk id. */
static int choose_ids(struct layout *l, struct vhdx_error *error)
{
	int status = env_random_guids(&l->c->env, l->ids, 3, error);

	if (!guid_is_zero(&l->parameters.virtual_disk_id))
		return status;
	l->parameters.virtual_disk_id = l->c->parent == NULL
						? l->ids[2]
						: ((const struct vhdx_image *)l->c->parent)->parameters.virtual_disk_id;
	return status;
}

int create_vhdx(struct creation *c, struct vhdx_error *error)
{
	struct layout l = { .c = c };
	int status;

	plan(&l);
	l.window = memory_zeroed(&c->env, BAT_WINDOW);
	status = l.window == NULL ? fail_memory(error) : file_set_size(c->file, l.payload_offset, error);
	if (status == VHDX_OK)
		status = write_payload(&l, error);
	if (status == VHDX_OK &&
	    l.next_block_offset != l.payload_offset) /* the last block may end in zeros that were not written */
		status = file_set_size(c->file, l.next_block_offset, error);
	if (status == VHDX_OK)
		status = choose_ids(&l, error);
	if (status == VHDX_OK)
		status = write_metadata(&l, error);
	if (status == VHDX_OK)
		status = write_headers(&l, error);
	if (status == VHDX_OK)
		status = create_flush(c, error);
	if (status == VHDX_OK)
		status = write_identifier(&l, error);
	if (status == VHDX_OK)
		status = create_flush(c, error);
	memory_release(&c->env, l.window);
	return status;
}
