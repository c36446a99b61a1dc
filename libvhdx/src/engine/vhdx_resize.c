/* SPDX-License-Identifier: MIT */
/*
 * Another size for the disk in a VHDX file. Layer: engine. The disk belongs to the caller alone.
 *
 * What makes the new size true is one log entry: the item Virtual Disk Size, and the region tables when the BAT moves. Everything that must be there before (a larger
 * BAT, zeros behind the old end, blocks of a fixed disk) goes to where the old disk does not reach; what the smaller disk does not reach any more is
 * freed afterwards. So a crash leaves the old disk or the new one.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/block_bits.h"
#include "engine/vhdx_edit.h"
#include "format/vhdx_layout.h"

enum { COPY = 1 << 20 };

struct resize {
	struct vhdx_writer *w;
	struct vhdx_image *v;
	uint64_t size;
	struct vhdx_parameters parameters; /* of the new disk */
	struct vhdx_geometry geometry;
	struct vhdx_region bat;
	uint64_t old_blocks;
};

/* In a partly present block the bits of what is added say that it is there: zeros, and not what a parent holds. */
static int show_tail(const struct resize *r, uint64_t block, uint64_t end, struct vhdx_error *error)
{
	const struct vhdx_geometry *g = &r->v->geometry;
	uint64_t bat_index = vhdx_bitmap_bat_index(g, block), entry;
	struct block_bits b = { .count = UINT64_C(1) << (g->block_shift - g->sector_shift) };
	int status = vhdx_load_entry(r->v, bat_index, &entry, error);

	if (status == VHDX_OK)
		status = vhdx_check_bitmap_entry(r->v, bat_index, entry, error);
	if (status == VHDX_OK)
		status = vhdx_lock_change(r->w, r->w->max_change, error);
	if (status < 0)
		return status;
	b.file_offset = vhdx_bat_file_offset(entry) + vhdx_bitmap_first_bit(g, block) / 8;
	b.in_disk = b.last = b.count;
	b.first = end >> g->sector_shift;
	status = block_bits_set(&r->w->pages, &b, false, error);
	r->w->data_before_entry = true;
	vhdx_unlock_change(r->w);
	return status;
}

/* The part of the last block behind the end of the disk holds whatever was written there: it becomes zeros before it becomes part of the disk. */
static int clear_tail(const struct resize *r, struct vhdx_error *error)
{
	const struct vhdx_image *v = r->v;
	uint64_t block = v->geometry.block_count - 1, end = v->base.disk_size & (v->base.block_size - 1), entry;
	unsigned state;
	int status;

	if (end == 0)
		return VHDX_OK;
	status = vhdx_load_entry(r->v, vhdx_bat_index(&v->geometry, block), &entry, error);
	if (status == VHDX_OK)
		status = vhdx_check_payload_entry(v, block, entry, error);
	state = vhdx_bat_state(entry);
	if (status < 0 || (state != BLOCK_FULLY_PRESENT && state != BLOCK_PARTIALLY_PRESENT))
		return status;
	/* an old fixed image of QEMU ends inside its last block: decision D-30 */
	if (v->base.view.size < vhdx_bat_file_offset(entry) + v->base.block_size)
		return unsupported(error, RULE_VHDX_141, v->bat.file_offset + vhdx_bat_index(&v->geometry, block) * 8,
				   "the file ends inside the last block; convert the disk to make it larger");
	status = writing_put(&r->v->base, NULL, v->base.block_size - end, vhdx_bat_file_offset(entry) + end, error);
	if (status == VHDX_OK && state == BLOCK_PARTIALLY_PRESENT)
		status = show_tail(r, block, end, error);
	return status;
}

/* Copies what the BAT holds, and zeros behind it, to a new place that nothing names yet. */
static int copy_bat(struct resize *r, struct vhdx_error *error)
{
	struct vhdx_image *v = r->v;
	uint64_t length = round_up(r->geometry.entry_count * 8, MIB), used = v->geometry.entry_count * 8, place;
	uint8_t *bytes;
	bool is_zero;
	int status;

	if (length > UINT32_MAX)
		return fail(error, VHDX_E_UNSUPPORTED, "the BAT would be too large");
	status = vhdx_allocate(r->w, length, &place, &is_zero, error);
	if (status < 0)
		return status;
	r->bat.file_offset = place;
	r->bat.length = (uint32_t)length;
	bytes = memory_allocate(v->base.env, COPY);
	status = bytes == NULL ? fail_memory(error) : VHDX_OK;
	for (uint64_t at = 0; status == VHDX_OK && at < used; at += COPY) {
		size_t part = (size_t)min_u64(COPY, used - at);

		status = view_read(&v->base.view, bytes, part, v->bat.file_offset + at, error);
		if (status == VHDX_OK)
			status = writing_put(&v->base, bytes, part, place + at, error);
	}
	if (status == VHDX_OK && !is_zero)
		status = writing_put(&v->base, NULL, length - used, place + used, error);
	memory_release(v->base.env, bytes);
	if (status < 0)
		vhdx_cancel(r->w, place, length);
	return status;
}

static uint64_t entry_place(const struct resize *r, uint64_t bat_index)
{
	return r->bat.file_offset + bat_index * 8;
}

/* Whole pages of BAT entries between two indexes, changed by `change`. Entries that it leaves alone cost no log. */
static int change_entries(struct resize *r, uint64_t from, uint64_t to,
			  int (*change)(struct resize *r, uint64_t bat_index, uint64_t *entry, struct vhdx_error *error),
			  struct vhdx_error *error)
{
	uint8_t page[CACHE_PAGE];
	int status = VHDX_OK;

	while (status == VHDX_OK && from < to) {
		uint64_t place = entry_place(r, from), count = min_u64(to - from, (CACHE_PAGE - place % CACHE_PAGE) / 8);
		struct edit edit = { place, page, (size_t)count * 8 };
		bool changed = false;

		status = view_read(&r->v->base.view, page, edit.length, place, error);
		for (uint64_t i = 0; status == VHDX_OK && i < count; i++) {
			uint64_t old = get_le64(page + i * 8), entry = old;

			status = change(r, from + i, &entry, error);
			put_le64(page + i * 8, entry);
			changed |= entry != old;
		}
		if (status == VHDX_OK && changed)
			status = vhdx_edit(r->w, &edit, 1, error);
		from += count;
	}
	return status;
}

/* A new block reads as zeros, whatever a longer parent holds. In a fixed disk it has its place: VHDX-163. */
static int new_entry(struct resize *r, uint64_t bat_index, uint64_t *entry, struct vhdx_error *error)
{
	struct vhdx_image *v = r->v;
	uint64_t place;
	bool is_zero;
	int status;

	if (vhdx_is_bitmap_index(&r->geometry, bat_index)) {
		*entry = bat_index < v->geometry.entry_count ? *entry : 0; /* of the last chunk, which goes on */
		return VHDX_OK;
	}
	*entry = BLOCK_NOT_PRESENT;
	if (v->base.type == VHDX_TYPE_DIFFERENCING && v->base.parent_is_longer)
		*entry = BLOCK_ZERO;
	if (v->base.type != VHDX_TYPE_FIXED)
		return VHDX_OK;
	status = vhdx_allocate(r->w, v->base.block_size, &place, &is_zero, error);
	if (status == VHDX_OK && !is_zero)
		status = writing_put(&v->base, NULL, v->base.block_size, place, error);
	*entry = place | BLOCK_FULLY_PRESENT;
	return status;
}

/*
 * The BAT keeps its place: a block or bitmap block behind the end of the disk is freed. Not so what stands in the entries of a last chunk behind the old end: they
 * belong to no block, nobody has judged where they point, and that can be the headers.
 */
static int drop_entry(struct resize *r, uint64_t bat_index, uint64_t *entry, struct vhdx_error *error)
{
	struct vhdx_image *v = r->v;
	bool is_bitmap = vhdx_is_bitmap_index(&r->geometry, bat_index);
	unsigned state = vhdx_bat_state(*entry);
	uint64_t length = is_bitmap ? VHDX_BITMAP_BLOCK_SIZE : v->base.block_size;
	bool present = is_bitmap ? v->parameters.has_parent && state == BITMAP_PRESENT
				 : (state == BLOCK_FULLY_PRESENT || state == BLOCK_PARTIALLY_PRESENT) &&
					   vhdx_bat_block(&r->geometry, bat_index) < r->old_blocks;
	int status = VHDX_OK;

	if (is_bitmap && bat_index < r->geometry.entry_count) /* of the last chunk that stays */
		return VHDX_OK;
	if (present) {
		mutex_lock(&v->base.cache->fill);
		status = space_leave(&r->w->space, vhdx_bat_file_offset(*entry), length, error);
		mutex_unlock(&v->base.cache->fill);
	}
	*entry = 0;
	return status;
}

static struct vhdx_metadata_entry size_item(void)
{
	return (struct vhdx_metadata_entry){ .item_id = vhdx_item_ids[ITEM_VIRTUAL_DISK_SIZE],
					     .is_virtual_disk = true,
					     .is_required = true };
}

/* The one log entry. */
static int switch_size(struct resize *r, struct vhdx_error *error)
{
	struct vhdx_image *v = r->v;
	struct vhdx_metadata_entry like = size_item();
	uint8_t value[8], *table = NULL;
	struct edit tables[2];
	size_t count = 0;
	int status = VHDX_OK;

	vhdx_item_encode(value, ITEM_VIRTUAL_DISK_SIZE, &r->parameters);
	if (r->bat.file_offset != v->bat.file_offset) {
		table = memory_allocate(v->base.env, VHDX_TABLE_SIZE);
		status = table == NULL ? fail_memory(error) : vhdx_edit_region(r->w, &r->bat, table, tables, error);
		count = 2;
	}
	if (status == VHDX_OK)
		status = vhdx_edit_item(r->w, &like, value, sizeof(value), tables, count, error);
	memory_release(v->base.env, table);
	return status == VHDX_OK ? vhdx_settle_edits(r->w, error) : status;
}

/* What readers and writers go by from now on. */
static void take_over(struct resize *r)
{
	struct vhdx_image *v = r->v;
	struct vhdx_region old = v->bat;

	v->parameters = r->parameters;
	v->base.disk_size = r->size;
	v->geometry = r->geometry;
	if (old.file_offset == r->bat.file_offset)
		return;
	v->bat = r->bat;
	for (size_t i = 0; i < v->reserved_count; i++)
		if (v->reserved[i].offset == old.file_offset)
			v->reserved[i] = (struct range){ r->bat.file_offset, r->bat.length };
	ranges_sort(v->reserved, v->reserved_count);
	v->reserved_end = v->reserved[v->reserved_count - 1].offset + v->reserved[v->reserved_count - 1].length;
	mutex_lock(&v->base.cache->fill);
	cache_forget(v->base.cache, v->base.level, old.file_offset, old.length);
	cache_forget(v->base.cache, v->base.level, r->bat.file_offset, r->bat.length);
	space_cancel(&r->w->space, old.file_offset, old.length); /* the switch is durable */
	mutex_unlock(&v->base.cache->fill);
	(void)file_punch(&v->base.view.file, old.file_offset, old.length, &(struct vhdx_error){ .status = 0 });
}

static int grow(struct resize *r, struct vhdx_error *error)
{
	int status = clear_tail(r, error);

	if (status == VHDX_OK && r->geometry.entry_count * 8 > r->v->bat.length)
		status = copy_bat(r, error);
	if (status == VHDX_OK) /* whatever was there behind the last entry */
		status = change_entries(r, vhdx_bat_index(&r->v->geometry, r->v->geometry.block_count), r->geometry.entry_count,
					new_entry, error);
	if (status == VHDX_OK)
		status = vhdx_settle(r->w, BARRIER_CONTENT_BEFORE_SIZE,
				     error); /* W5: zeros, blocks and BAT before the entry that shows them */
	if (status == VHDX_OK)
		status = switch_size(r, error);
	if (status == VHDX_OK)
		take_over(r);
	return status;
}

static int shrink(struct resize *r, struct vhdx_error *error)
{
	uint64_t old_count = r->v->geometry.entry_count;
	int status = switch_size(r, error);

	if (status < 0)
		return status;
	take_over(r);
	status = change_entries(r, vhdx_bat_index(&r->geometry, r->geometry.block_count), old_count, drop_entry, error);
	return status == VHDX_OK ? vhdx_settle(r->w, BARRIER_COMMIT, error) : status;
}

int vhdx_resize_image(struct image *image, uint64_t size, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image;
	struct resize r = { .w = v->writer,
			    .v = v,
			    .size = size,
			    .parameters = v->parameters,
			    .bat = v->bat,
			    .old_blocks = v->geometry.block_count };
	int status;

	if (size > VHDX_MAX_DISK_SIZE || size == 0)
		return fail(error, VHDX_E_ARGUMENT, "a VHDX disk has 1 sector to 64 TiB, not %" PRIu64 " bytes", size);
	if (size % image->logical_sector_size != 0)
		return fail(error, VHDX_E_ARGUMENT, "the size %" PRIu64 " is not a multiple of the sector size %" PRIu32, size,
			    image->logical_sector_size);
	r.parameters.virtual_disk_size = size;
	r.geometry = vhdx_geometry(size, image->block_size, image->logical_sector_size, v->parameters.has_parent);
	status = vhdx_session_begin(v->writer, error);
	if (status == VHDX_OK)
		status = vhdx_settle(v->writer, BARRIER_COMMIT, error);
	if (status < 0)
		return status;
	v->writer->was_resized = true;
	return size > image->disk_size ? grow(&r, error) : shrink(&r, error);
}
