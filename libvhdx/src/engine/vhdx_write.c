/* SPDX-License-Identifier: MIT */
/*
 * Changing one block of a VHDX file. Layer: engine. specs/vhdx.md sections 4.9, 4.10 and 4.12. The caller holds the block's lock.
 *
 *   from \ to        data                                     zeros, whole block        discard
 *   6                in place                                 2 (fixed: in place)       3 (fixed: nothing)
 *   7                data, then bits; 6 when all are set      2                         3
 *   0, parent        whole: new, 6; part: new, all bits, 7    2                         3
 *   0, 1, 2, 3       new, 6, zeros around                     nothing                   nothing
 *
 * Payload goes to its place first; the entry and the bits that show it change together under the cache's mutex, so they go into one log entry (W8). Bits
 * change before the entry, because readers take no lock. Payload must be durable before that log entry when something else could show through: old bytes of
 * other blocks, or the parent (W5).
 */
#include "base/bytes.h"
#include "base/error.h"
#include "engine/bitmap.h"
#include "engine/block_bits.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

/* What is asked of a block, and what the block is. */
struct job {
	struct vhdx_writer *w;
	struct vhdx_image *v;
	uint64_t block;
	uint64_t entry;
	const void *buffer; /* NULL: zeros */
	uint64_t in_block;
	uint64_t length;
	bool whole;       /* the whole block, as far as the disk goes */
	bool over_parent; /* NOT_PRESENT, with a parent behind */
};

static int load_entry(struct vhdx_image *v, uint64_t block, uint64_t *entry, struct vhdx_error *error)
{
	int status = vhdx_load_entry(v, vhdx_bat_index(&v->geometry, block), entry, error);

	return status < 0 ? status : vhdx_check_payload_entry(v, block, *entry, error);
}

static struct job start_job(struct vhdx_image *v, uint64_t entry, const void *buffer, uint64_t length, uint64_t disk_offset)
{
	uint64_t block = disk_offset >> v->geometry.block_shift, start = block << v->geometry.block_shift;

	return (struct job){
		.w = v->writer,
		.v = v,
		.block = block,
		.entry = entry,
		.buffer = buffer,
		.in_block = disk_offset - start,
		.length = length,
		.whole = length == min_u64(v->base.block_size, v->base.disk_size - start),
		.over_parent = v->parameters.has_parent && vhdx_bat_state(entry) == BLOCK_NOT_PRESENT,
	};
}

static void count_change(struct vhdx_writer *w)
{
	atomic_fetch_add(&w->v->base.writing->change, 1);
}

int vhdx_lock_change(struct vhdx_writer *w, uint32_t pages, struct vhdx_error *error)
{
	if (pages > w->max_entry_pages)
		return fail(error, VHDX_E_UNSUPPORTED, "a change of %u metadata pages does not fit one log entry", pages);
	for (;;) {
		int status;

		mutex_lock(&w->v->base.cache->fill);
		if (w->pages.dirty_count + w->in_entry + pages <= w->max_entry_pages)
			return VHDX_OK;
		mutex_unlock(&w->v->base.cache->fill);
		status = vhdx_relieve(w, pages, error);
		if (status < 0)
			return status;
	}
}

static int lock_change(struct vhdx_writer *w, struct vhdx_error *error)
{
	return vhdx_lock_change(w, w->max_change, error);
}

void vhdx_unlock_change(struct vhdx_writer *w)
{
	mutex_unlock(&w->v->base.cache->fill);
	count_change(w);
}

static uint64_t place_of_entry(const struct vhdx_image *v, uint64_t bat_index)
{
	return v->bat.file_offset + bat_index * 8;
}

int vhdx_set_entry(struct vhdx_writer *w, uint64_t bat_index, uint64_t entry, struct vhdx_error *error)
{
	uint64_t place = place_of_entry(w->v, bat_index);
	struct page *page;
	uint8_t bytes[8];
	int status = pages_get(&w->pages, place, &page, error);

	if (status < 0)
		return status;
	put_le64(bytes, entry);
	pages_set(&w->pages, page, place, bytes, sizeof(bytes));
	return VHDX_OK;
}

/* Data, or zeros, to where a block stands already. */
static int put_in_place(struct vhdx_writer *w, const void *buffer, uint64_t length, uint64_t place, struct vhdx_error *error)
{
	int status = vhdx_session_begin(w, error);

	if (status < 0)
		return status;
	if (buffer == NULL)
		status = writing_zero(&w->v->base, length, place, error);
	else
		status = writing_put(&w->v->base, buffer, length, place, error);
	count_change(w);
	return status;
}

static int write_in_place(const struct job *j, struct vhdx_error *error)
{
	return put_in_place(j->w, j->buffer, j->length, vhdx_bat_file_offset(j->entry) + j->in_block, error);
}

/* ZERO or UNMAPPED; the block's place is free when that is durable. */
static int set_absent(const struct job *j, enum vhdx_block_state state, struct vhdx_error *error)
{
	unsigned old = vhdx_bat_state(j->entry);
	struct vhdx_writer *w = j->w;
	struct page *page;
	uint64_t bat_index = vhdx_bat_index(&j->v->geometry, j->block);
	int status = vhdx_session_begin(w, error);

	if (status == VHDX_OK)
		status = lock_change(w, error);
	if (status < 0)
		return status;
	status = pages_get(&w->pages, place_of_entry(j->v, bat_index), &page, error);
	if (status == VHDX_OK && (old == BLOCK_FULLY_PRESENT || old == BLOCK_PARTIALLY_PRESENT))
		status = space_leave(&w->space, vhdx_bat_file_offset(j->entry), j->v->base.block_size, error);
	if (status == VHDX_OK)
		status = vhdx_set_entry(w, bat_index, (uint64_t)state, error);
	vhdx_unlock_change(w);
	return status;
}

static struct block_bits bits_of(const struct job *j, uint64_t bitmap_offset)
{
	const struct vhdx_geometry *g = &j->v->geometry;
	uint64_t left = j->v->base.disk_size - (j->block << g->block_shift);

	return (struct block_bits){
		.file_offset = bitmap_offset + vhdx_bitmap_first_bit(g, j->block) / 8,
		.count = UINT64_C(1) << (g->block_shift - g->sector_shift),
		.in_disk = min_u64(left, j->v->base.block_size) >> g->sector_shift,
		.first = j->in_block >> g->sector_shift,
		.last = (j->in_block + j->length) >> g->sector_shift,
	};
}

/* Shows data that has been written: bits first, then the entry, which becomes FULLY_PRESENT when all bits are set. */
static int show_sectors(const struct job *j, uint64_t file_offset, uint64_t bitmap_offset, bool fresh, struct vhdx_error *error)
{
	struct block_bits b = bits_of(j, bitmap_offset);
	uint64_t bat_index = vhdx_bat_index(&j->v->geometry, j->block);
	struct vhdx_writer *w = j->w;
	struct page *page;
	int status = lock_change(w, error);

	if (status < 0)
		return status;
	status = pages_get(&w->pages, place_of_entry(j->v, bat_index), &page, error);
	if (status == VHDX_OK)
		status = block_bits_set(&w->pages, &b, fresh, error);
	if (status == VHDX_OK) {
		bool complete = block_bits_complete(&w->pages, &b);

		w->data_before_entry = true;
		if (complete || fresh)
			status = vhdx_set_entry(w, bat_index,
						file_offset | (complete ? BLOCK_FULLY_PRESENT : BLOCK_PARTIALLY_PRESENT), error);
	}
	vhdx_unlock_change(w);
	return status;
}

/* The place of the sector bitmap block of the job's chunk; 0 when it has none and `may_lack`. */
static int find_bitmap(const struct job *j, bool may_lack, uint64_t *bitmap_offset, struct vhdx_error *error)
{
	uint64_t bat_index = vhdx_bitmap_bat_index(&j->v->geometry, j->block), entry;
	int status = vhdx_load_entry(j->v, bat_index, &entry, error);

	if (status < 0)
		return status;
	*bitmap_offset = vhdx_bat_file_offset(entry);
	if (may_lack && vhdx_bat_state(entry) == BITMAP_NOT_PRESENT) {
		*bitmap_offset = 0;
		return VHDX_OK;
	}
	return vhdx_check_bitmap_entry(j->v, bat_index, entry, error);
}

/* It goes into the BAT before any block relies on it. */
static int make_bitmap(const struct job *j, uint64_t *bitmap_offset, struct vhdx_error *error)
{
	uint64_t bat_index = vhdx_bitmap_bat_index(&j->v->geometry, j->block);
	bool is_zero;
	int status = find_bitmap(j, true, bitmap_offset, error);

	if (status < 0 || *bitmap_offset != 0)
		return status;
	status = vhdx_allocate(j->w, VHDX_BITMAP_BLOCK_SIZE, bitmap_offset, &is_zero, error);
	if (status < 0)
		return status;
	if (!is_zero) /* for the eye: bits count only where a block is PARTIALLY_PRESENT, and then they were written */
		status = writing_put(&j->v->base, NULL, VHDX_BITMAP_BLOCK_SIZE, *bitmap_offset, error);
	mutex_lock(&j->v->base.cache->fill); /* a sector bitmap block may have stood there */
	cache_forget(j->v->base.cache, j->v->base.level, *bitmap_offset, VHDX_BITMAP_BLOCK_SIZE);
	mutex_unlock(&j->v->base.cache->fill);
	if (status == VHDX_OK)
		status = lock_change(j->w, error);
	if (status == VHDX_OK) {
		status = vhdx_set_entry(j->w, bat_index, *bitmap_offset | BITMAP_PRESENT, error);
		vhdx_unlock_change(j->w);
	}
	if (status < 0)
		vhdx_cancel(j->w, *bitmap_offset, VHDX_BITMAP_BLOCK_SIZE);
	return status;
}

static int write_partially_present(const struct job *j, struct vhdx_error *error)
{
	struct image *base = &j->v->base;
	struct bitmap bitmap = { base->cache, &base->view, base->level, 0, false };
	struct block_bits b;
	uint64_t bitmap_offset, run;
	bool set;
	int status = find_bitmap(j, false, &bitmap_offset, error);

	if (status < 0)
		return status;
	b = bits_of(j, bitmap_offset);
	bitmap.file_offset = b.file_offset;
	status = bitmap_run(&bitmap, b.first, b.last - b.first, &set, &run, error);
	if (status == VHDX_OK)
		status = write_in_place(j, error);
	if (status < 0 || (set && run == b.last - b.first))
		return status;
	return show_sectors(j, vhdx_bat_file_offset(j->entry), bitmap_offset, false, error);
}

/* The data, and zeros around it when the block will be FULLY_PRESENT in space that held something else. */
static int fill_new_block(const struct job *j, uint64_t file_offset, bool is_zero, bool partial, struct vhdx_error *error)
{
	struct image *base = &j->v->base;
	uint64_t end = j->in_block + j->length;
	int status = VHDX_OK;

	if (j->buffer != NULL || !is_zero)
		status = writing_put(base, j->buffer, j->length, file_offset + j->in_block, error);
	if (status == VHDX_OK && !is_zero && !partial && j->in_block != 0)
		status = writing_put(base, NULL, j->in_block, file_offset, error);
	if (status == VHDX_OK && !is_zero && !partial && end != base->block_size)
		status = writing_put(base, NULL, base->block_size - end, file_offset + end, error);
	return status;
}

/* All of a new block is written; the entry shows it. */
static int show_block(const struct job *j, uint64_t file_offset, bool data_first, struct vhdx_error *error)
{
	int status = lock_change(j->w, error);

	if (status < 0)
		return status;
	status = vhdx_set_entry(j->w, vhdx_bat_index(&j->v->geometry, j->block), file_offset | BLOCK_FULLY_PRESENT, error);
	if (status == VHDX_OK && data_first)
		j->w->data_before_entry = true;
	vhdx_unlock_change(j->w);
	return status;
}

static int write_new_block(const struct job *j, struct vhdx_error *error)
{
	bool partial = j->over_parent && !j->whole, is_zero;
	uint64_t bitmap_offset = 0, file_offset;
	int status = vhdx_session_begin(j->w, error);

	if (status == VHDX_OK && partial) {
		mutex_lock(&j->w->bitmaps);
		status = make_bitmap(j, &bitmap_offset, error);
		mutex_unlock(&j->w->bitmaps);
	}
	if (status == VHDX_OK)
		status = vhdx_allocate(j->w, j->v->base.block_size, &file_offset, &is_zero, error);
	if (status < 0)
		return status;
	status = fill_new_block(j, file_offset, is_zero, partial, error);
	if (status == VHDX_OK)
		status = partial ? show_sectors(j, file_offset, bitmap_offset, true, error)
				 : show_block(j, file_offset, !is_zero || j->over_parent, error);
	if (status < 0)
		vhdx_cancel(j->w, file_offset, j->v->base.block_size);
	return status;
}

static int write_zeros(const struct job *j, struct vhdx_error *error)
{
	unsigned state = vhdx_bat_state(j->entry);
	bool fixed = j->v->base.type == VHDX_TYPE_FIXED,
	     present = state == BLOCK_FULLY_PRESENT || state == BLOCK_PARTIALLY_PRESENT;
	bool anchored = (state == BLOCK_UNDEFINED || state == BLOCK_UNMAPPED) && vhdx_bat_file_offset(j->entry) != 0;

	if (!present && !j->over_parent && !anchored)
		return VHDX_OK;
	if (j->whole && !fixed)
		return set_absent(j, BLOCK_ZERO, error);
	if (state == BLOCK_PARTIALLY_PRESENT)
		return write_partially_present(j, error);
	return present ? write_in_place(j, error) : write_new_block(j, error);
}

int vhdx_write_block(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image;
	uint64_t entry, block = disk_offset >> v->geometry.block_shift;
	struct job j;
	int status = load_entry(v, block, &entry, error);

	if (status < 0)
		return status;
	if (buffer != NULL && vhdx_bat_state(entry) == BLOCK_FULLY_PRESENT) /* most writes: no job to make */
		return put_in_place(v->writer, buffer, length,
				    vhdx_bat_file_offset(entry) + disk_offset - (block << v->geometry.block_shift), error);
	j = start_job(v, entry, buffer, length, disk_offset);
	if (buffer == NULL)
		return write_zeros(&j, error);
	return vhdx_bat_state(entry) == BLOCK_PARTIALLY_PRESENT ? write_partially_present(&j, error) : write_new_block(&j, error);
}

int vhdx_discard_block(struct image *image, uint64_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image;
	uint64_t entry;
	struct job j;
	int status = load_entry(v, disk_offset >> v->geometry.block_shift, &entry, error);
	unsigned state;

	if (status < 0 || image->type == VHDX_TYPE_FIXED)
		return status;
	state = vhdx_bat_state(entry);
	j = start_job(v, entry, NULL, length, disk_offset);
	if (!j.over_parent && state != BLOCK_FULLY_PRESENT && state != BLOCK_PARTIALLY_PRESENT)
		return VHDX_OK;
	return set_absent(&j, BLOCK_UNMAPPED, error);
}
