/* SPDX-License-Identifier: MIT */
/*
 * Where the bytes of a VHDX file are: BAT and sector bitmaps through the cache. Layer: engine. specs/vhdx.md sections 3.7 and 3.8.
 *
 * An entry is judged each time it is used; the common case (a block behind all regions and inside the file) costs two comparisons. A run goes on over the
 * following blocks while they continue it: present blocks that stand one behind the other in the file, or blocks of the same absence.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "engine/bitmap.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

static uint64_t entry_offset(const struct vhdx_image *v, uint64_t bat_index)
{
	return v->bat.file_offset + bat_index * 8;
}

static bool entry_is_cut_off(const struct vhdx_image *v, uint64_t bat_index)
{
	return v->salvages && !view_holds(&v->base.view, entry_offset(v, bat_index), 8);
}

/* The first payload block whose entry does not stand before `bat_index`. */
static uint64_t block_at_index(const struct vhdx_geometry *g, uint64_t bat_index)
{
	uint64_t stride = (UINT64_C(1) << g->chunk_shift) + 1;

	return (bat_index / stride << g->chunk_shift) + min_u64(bat_index % stride, stride - 1);
}

/* What a wrong entry hides: its block, or when it is cut off those behind it too, up to what a log knows. */
static uint64_t hidden_length(const struct vhdx_image *v, uint64_t block, uint64_t in_block)
{
	uint64_t index = vhdx_bat_index(&v->geometry, block), run;
	bool ignored;

	if (!entry_is_cut_off(v, index))
		return 0;
	run = view_overlay_run(&v->base.view, entry_offset(v, index), (v->geometry.entry_count - index) * 8, &ignored);
	return ((block_at_index(&v->geometry, index + run / 8) - block) << v->geometry.block_shift) - in_block;
}

int vhdx_load_entry(struct vhdx_image *v, uint64_t bat_index, uint64_t *entry, struct vhdx_error *error)
{
	uint8_t bytes[8];
	int status;

	if (entry_is_cut_off(v, bat_index))
		return broken(error, RULE_VHDX_061, entry_offset(v, bat_index), "the BAT is cut off before entry %" PRIu64,
			      bat_index);
	status = cache_word(v->base.cache, v->base.level, &v->base.view, entry_offset(v, bat_index), bytes, error);

	*entry = get_le64(bytes);
	return status;
}

static bool place_is_good(const struct vhdx_image *v, uint64_t offset, uint64_t length)
{
	return range_fits(offset, length, v->base.view.size) &&
	       (offset >= v->reserved_end ||
		(offset >= VHDX_HEADER_SECTION_SIZE && !ranges_hit(v->reserved, v->reserved_count, offset, length)));
}

/* Of a block of a file that was cut off, the beginning is there. */
static bool salvages_part(const struct vhdx_image *v, uint64_t offset)
{
	return v->salvages && offset < v->base.view.size && place_is_good(v, offset, v->base.view.size - offset);
}

/* Old fixed images of QEMU end with their disk, inside the last block: decision D-30. */
static uint64_t needed_length(const struct vhdx_image *v, uint64_t block)
{
	uint64_t start = block << v->geometry.block_shift;

	return min_u64(v->base.block_size, v->base.disk_size - start);
}

/* Decision D-29. Where damage is looked for, it is damage. */
static bool accepts_state_5(const struct vhdx_image *v)
{
	return v->lenient && !v->salvages;
}

int vhdx_check_payload_entry(const struct vhdx_image *v, uint64_t block, uint64_t entry, struct vhdx_error *error)
{
	uint64_t offset = vhdx_bat_file_offset(entry), place = entry_offset(v, vhdx_bat_index(&v->geometry, block));

	switch ((enum vhdx_block_state)vhdx_bat_state(entry)) {
	case BLOCK_NOT_PRESENT:
	case BLOCK_UNDEFINED:
	case BLOCK_ZERO:
	case BLOCK_UNMAPPED: return VHDX_OK;
	case BLOCK_RESERVED_4:
	case BLOCK_RESERVED_5:
		if (accepts_state_5(v) && vhdx_bat_state(entry) == BLOCK_RESERVED_5)
			return VHDX_OK;
		return broken(error, RULE_VHDX_123, place, "payload block %" PRIu64 " has the reserved state %u", block,
			      vhdx_bat_state(entry));
	case BLOCK_PARTIALLY_PRESENT:
		if (!v->parameters.has_parent)
			return broken(error, RULE_VHDX_124, place,
				      "payload block %" PRIu64 " is PARTIALLY_PRESENT in a disk without parent", block);
		break;
	case BLOCK_FULLY_PRESENT: break;
	}
	if (place_is_good(v, offset, v->base.block_size) || place_is_good(v, offset, needed_length(v, block)))
		return VHDX_OK;
	if (!range_fits(offset, needed_length(v, block), v->base.view.size) && salvages_part(v, offset))
		return VHDX_OK;
	if (offset == 0 || !range_fits(offset, needed_length(v, block), v->base.view.size))
		return broken(error, RULE_VHDX_141, place,
			      "payload block %" PRIu64 " at 0x%" PRIx64 " is not inside the file of %" PRIu64 " bytes", block,
			      offset, v->base.view.size);
	return broken(error, RULE_VHDX_121, place,
		      "payload block %" PRIu64 " at 0x%" PRIx64 " overlaps the headers, the log or a region", block, offset);
}

int vhdx_check_bitmap_entry(const struct vhdx_image *v, uint64_t bat_index, uint64_t entry, struct vhdx_error *error)
{
	uint64_t offset = vhdx_bat_file_offset(entry), place = entry_offset(v, bat_index);

	if (vhdx_bat_state(entry) != BITMAP_PRESENT)
		return broken(error, RULE_VHDX_136, place,
			      "a partially present block needs sector bitmap entry %" PRIu64 ", whose state is %u", bat_index,
			      vhdx_bat_state(entry));
	if (offset == 0 || !range_fits(offset, VHDX_BITMAP_BLOCK_SIZE, v->base.view.size) ||
	    (v->salvages && !view_holds(&v->base.view, offset, VHDX_BITMAP_BLOCK_SIZE)))
		return broken(error, RULE_VHDX_141, place,
			      "the sector bitmap block at 0x%" PRIx64 " is not inside the file of %" PRIu64 " bytes", offset,
			      v->base.view.size);
	if (!place_is_good(v, offset, VHDX_BITMAP_BLOCK_SIZE))
		return broken(error, RULE_VHDX_121, place,
			      "the sector bitmap block at 0x%" PRIx64 " overlaps the headers, the log or a region", offset);
	return VHDX_OK;
}

static int map_partial(struct vhdx_image *v, uint64_t block, uint64_t entry, uint64_t in_block, uint64_t length,
		       struct mapping *out, struct vhdx_error *error)
{
	const struct vhdx_geometry *g = &v->geometry;
	struct bitmap bitmap = { v->base.cache, &v->base.view, v->base.level, 0, false };
	uint64_t sector_size = v->base.logical_sector_size, in_sector = in_block % sector_size;
	uint64_t bat_index = vhdx_bitmap_bat_index(g, block), bitmap_entry, run;
	bool here;
	int status = vhdx_load_entry(v, bat_index, &bitmap_entry, error);

	if (status == VHDX_OK)
		status = vhdx_check_bitmap_entry(v, bat_index, bitmap_entry, error);
	if (status < 0)
		return status;
	bitmap.file_offset = vhdx_bat_file_offset(bitmap_entry);
	length = min_u64(length, v->base.block_size - in_block);
	status = bitmap_run(&bitmap, vhdx_bitmap_first_bit(g, block) + (in_block >> g->sector_shift),
			    divide_up(in_sector + length, sector_size), &here, &run, error);
	if (status < 0)
		return status;
	out->kind = here ? MAP_DATA : MAP_ABSENT;
	out->length = min_u64(length, run * sector_size - in_sector);
	out->file_offset = vhdx_bat_file_offset(entry) + in_block;
	return VHDX_OK;
}

static bool reads_as_zero(unsigned state)
{
	return state == BLOCK_ZERO || state == BLOCK_UNDEFINED || state == BLOCK_UNMAPPED || state == BLOCK_RESERVED_5;
}

/*
 * In a long run of absent blocks: how many blocks from `block` on have their BAT entries in a hole of the file, which is NOT_PRESENT. Asked only at the start of
 * a page that is not in the cache, so that walking an empty disk of 64 TiB costs a few questions instead of 131,000 reads.
 */
static uint64_t blocks_in_hole(struct vhdx_image *v, uint64_t block)
{
	const struct vhdx_geometry *g = &v->geometry;
	uint64_t index = vhdx_bat_index(g, block), offset = entry_offset(v, index);
	uint64_t end;

	if (v->writer != NULL || offset % CACHE_PAGE > 8 || offset >= v->base.view.held ||
	    cache_has(v->base.cache, v->base.level, offset))
		return 0;
	end = index + view_hole(&v->base.view, offset, min_u64((g->entry_count - index) * 8, v->base.view.held - offset)) / 8;
	end = block_at_index(g, end);
	return end > block ? end - block : 0;
}

/* Lengthens a run that reaches the end of its block. `entry` is that of the last block in it. */
static int extend(struct vhdx_image *v, uint64_t block, uint64_t entry, uint64_t wanted, struct mapping *out,
		  struct vhdx_error *error)
{
	uint64_t many = (uint64_t)CACHE_WORDS << v->geometry.block_shift;

	while (out->length < wanted) {
		unsigned state;
		uint64_t next;
		int status;

		block++;
		if (out->kind == MAP_ABSENT && wanted - out->length > many) {
			uint64_t skip = blocks_in_hole(v, block);

			if (skip != 0) {
				out->length = min_u64(wanted, out->length + (skip << v->geometry.block_shift));
				block += skip - 1;
				continue;
			}
		}
		status = vhdx_load_entry(v, vhdx_bat_index(&v->geometry, block), &next, error);
		if (status < 0)
			return status == VHDX_E_DAMAGED ? VHDX_OK : status; /* told when it is asked for */
		state = vhdx_bat_state(next);
		if (out->kind == MAP_DATA) {
			if (next != entry + v->base.block_size || vhdx_check_payload_entry(v, block, next, error) < 0)
				break;
		} else if (out->kind == MAP_ZERO ? !reads_as_zero(state) || (state == BLOCK_RESERVED_5 && !accepts_state_5(v))
						 : state != BLOCK_NOT_PRESENT) {
			break;
		}
		entry = next;
		out->length = min_u64(wanted, out->length + v->base.block_size);
	}
	return VHDX_OK;
}

static int vhdx_map(struct image *base, uint64_t disk_offset, uint64_t length, struct mapping *out, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)base;
	uint64_t block = disk_offset >> v->geometry.block_shift;
	uint64_t in_block = disk_offset & (base->block_size - 1), entry;
	unsigned state;
	int status = vhdx_load_entry(v, vhdx_bat_index(&v->geometry, block), &entry, error);

	if (status == VHDX_OK)
		status = vhdx_check_payload_entry(v, block, entry, error);
	if (status < 0) {
		out->length = hidden_length(v, block, in_block);
		return status;
	}
	state = vhdx_bat_state(entry);
	if (state == BLOCK_PARTIALLY_PRESENT)
		return map_partial(v, block, entry, in_block, length, out, error);
	out->kind = state == BLOCK_FULLY_PRESENT ? MAP_DATA : reads_as_zero(state) ? MAP_ZERO : MAP_ABSENT;
	out->length = min_u64(length, base->block_size - in_block);
	out->file_offset = vhdx_bat_file_offset(entry) + in_block;
	return out->length < length ? extend(v, block, entry, length, out, error) : VHDX_OK;
}

static void vhdx_fill_info(const struct image *base, struct vhdx_info *info)
{
	const struct vhdx_image *v = (const struct vhdx_image *)base;

	info->disk_id = v->parameters.virtual_disk_id;
	info->file_write_guid = v->header.file_write_guid;
	format_text(info->creator, sizeof(info->creator), "%s", v->creator);
	info->log_state = v->log_is_lost ? VHDX_LOG_LOST : v->log_entries != 0 ? VHDX_LOG_REPLAYED_IN_MEMORY : VHDX_LOG_CLEAN;
	info->log_offset = v->header.log_offset;
	info->log_length = v->header.log_length;
	info->log_entries = v->log_entries;
	info->sequence_number = v->header.sequence_number;
	info->block_count = v->geometry.block_count;
	info->bat_offset = v->bat.file_offset;
	info->bat_is_guessed = v->bat_is_guessed;
}

static void vhdx_image_release(struct image *base)
{
	struct vhdx_image *v = (struct vhdx_image *)base;

	vhdx_writer_release(v->writer);
	memory_release(base->env, v->reserved);
	memory_release(base->env, v);
}

const struct image_ops vhdx_image_ops = {
	.map = vhdx_map,
	.info = vhdx_fill_info,
	.usage = vhdx_usage,
	.release = vhdx_image_release,
	.start = vhdx_writer_start,
	.write = vhdx_write_block,
	.discard = vhdx_discard_block,
	.flush = vhdx_commit,
	.finish = vhdx_writer_finish,
	.resize = vhdx_resize_image,
	.set = vhdx_set_image,
	.reserve = vhdx_reserve,
	.check_items = vhdx_check_items,
	.take_items = vhdx_take_items,
	.compact = vhdx_compact_image,
	.user_items = vhdx_user_items,
	.set_user_item = vhdx_set_user_item,
};
