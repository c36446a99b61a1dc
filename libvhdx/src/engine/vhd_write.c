/* SPDX-License-Identifier: MIT */
/*
 * Changing one block of a VHD file: see vhd_writer.h. Layer: engine. The caller holds the block's lock.
 *
 * A new block goes to the end of the file, where the footer was; the part of the file that it adds reads as zeros (VHD-067, VHD-068). Its data begins at a multiple
 * of 4 KiB (VHD-072), so the footer, which ends at one, never reaches into it. A dynamic disk sets all bits of a new block, a differencing disk
 * those of the sectors written.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/bitmap.h"
#include "engine/vhd_writer.h"

enum { DATA_ALIGN = 4096 };

struct job {
	struct vhd_writer *w;
	struct vhd_image *v;
	uint64_t block;
	uint64_t bitmap_offset; /* the place of the block */
	const void *buffer;     /* NULL: zeros */
	uint64_t in_block;
	uint64_t length;
	bool is_placed;
};

static bool is_differencing(const struct job *j)
{
	return j->v->base.type == VHDX_TYPE_DIFFERENCING;
}

static void count_change(struct vhd_writer *w)
{
	atomic_fetch_add(&w->v->base.writing->change, 1);
}

int vhd_lock_change(struct vhd_writer *w, struct vhdx_error *error)
{
	for (;;) {
		int status;

		mutex_lock(&w->v->base.cache->fill);
		if (w->pages.dirty_count + w->max_change <= VHD_MAX_DIRTY_PAGES)
			return VHDX_OK;
		mutex_unlock(&w->v->base.cache->fill);
		status = vhd_relieve(w, error);
		if (status < 0)
			return status;
	}
}

void vhd_unlock_change(struct vhd_writer *w)
{
	mutex_unlock(&w->v->base.cache->fill);
	count_change(w);
}

/* Sets bits `first` to `last` of the run of bytes that begins with bit `base`; the highest bit of a byte comes first. */
static void fill_bits(uint8_t *bytes, size_t length, uint64_t base, uint64_t first, uint64_t last)
{
	uint64_t end = base + length * 8;

	first = max_u64(first, base);
	last = min_u64(last, end);
	while (first < last) {
		size_t i = (size_t)((first - base) / 8);

		if (first % 8 == 0 && last - first >= 8) {
			memset(bytes + i, 0xFF, (size_t)((last - first) / 8));
			first += round_down(last - first, 8);
		} else {
			bytes[i] = (uint8_t)(bytes[i] | 0x80u >> first % 8);
			first++;
		}
	}
}

static int load_pages(struct vhd_writer *w, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (uint64_t at = round_down(file_offset, CACHE_PAGE); status == VHDX_OK && at < file_offset + length;
	     at += CACHE_PAGE) {
		struct page *page;

		status = pages_get(&w->pages, at, &page, error);
	}
	return status;
}

/* Bytes `from` to `to` of the block's bitmap get the job's bits. Of a new block, all bytes are written, and before the BAT. */
static int set_bits(const struct job *j, uint64_t from, uint64_t to, bool is_new, struct vhdx_error *error)
{
	uint64_t first = j->in_block / VHD_SECTOR, last = (j->in_block + j->length) / VHD_SECTOR;
	uint8_t bytes[CACHE_PAGE];
	int status = load_pages(j->w, j->bitmap_offset + from, to - from, error);

	for (uint64_t next; status == VHDX_OK && from < to; from = next) {
		uint64_t place = j->bitmap_offset + from;
		size_t in_page = (size_t)(place % CACHE_PAGE), length;
		struct page *page;

		next = min_u64(to, from + CACHE_PAGE - in_page);
		length = (size_t)(next - from);
		status = pages_get(&j->w->pages, place, &page, error);
		if (status < 0)
			break;
		if (is_new)
			memset(bytes, is_differencing(j) ? 0 : 0xFF, length);
		else
			memcpy(bytes, page->current + in_page, length);
		fill_bits(bytes, length, from * 8, first, last);
		pages_set(&j->w->pages, page, place, bytes, length);
		if (is_new)
			pages_set_early(page, place, length);
	}
	return status;
}

/* The sectors are written; a commit writes their bits when they are durable: VHD-098. */
static int show_sectors(const struct job *j, struct vhdx_error *error)
{
	uint64_t first = j->in_block / VHD_SECTOR, last = (j->in_block + j->length) / VHD_SECTOR;
	int status = vhd_lock_change(j->w, error);

	if (status < 0)
		return status;
	status = set_bits(j, first / 8, divide_up(last, 8), false, error);
	vhd_unlock_change(j->w);
	return status;
}

static int write_present(const struct job *j, struct vhdx_error *error)
{
	struct image *base = &j->v->base;
	struct bitmap bitmap = { base->cache, &base->view, base->level, j->bitmap_offset, true };
	uint64_t sectors = j->length / VHD_SECTOR, place = j->bitmap_offset + j->v->bitmap_size + j->in_block, run;
	bool set;
	int status = bitmap_run(&bitmap, j->in_block / VHD_SECTOR, sectors, &set, &run, error);

	if (status < 0)
		return status;
	if (j->buffer == NULL)
		status = writing_zero(base, j->length, place, error);
	else
		status = writing_put(base, j->buffer, j->length, place, error);
	count_change(j->w);
	if (status < 0 || (set && run == sectors) || (j->buffer == NULL && !is_differencing(j)))
		return status;
	return show_sectors(j, error);
}

int vhd_check_front_copy(struct vhd_writer *w, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	uint8_t front[sizeof(w->footer)];
	int status;

	if (atomic_load(&w->front_is_good))
		return VHDX_OK;
	status = file_read(&base->view.file, front, sizeof(front), 0, error);
	if (status < 0)
		return status;
	if (memcmp(front, w->footer, sizeof(front)) != 0) {
		status = writing_put(base, w->footer, sizeof(w->footer), 0, error);
		if (status == VHDX_OK) {
			status = barrier_flush(&base->view.file, BARRIER_VHD_FRONT_COPY, error);
			if (status < 0)
				(void)writing_flush_failed(base, error);
		}
	}
	if (status == VHDX_OK)
		atomic_store(&w->front_is_good, true);
	return status;
}

void vhd_set_end(struct vhd_writer *w, uint64_t end)
{
	w->end = end;
	w->footer_due = true;
	w->v->blocks_limit = end;
	w->v->base.view.size = round_up(end + VHD_SECTOR, DATA_ALIGN);
}

/* Back to how it was when nobody has allocated since; else the space is lost. */
static void cancel(const struct job *j, uint64_t old_end)
{
	uint64_t end = j->bitmap_offset + j->v->bitmap_size + j->v->base.block_size;

	mutex_lock(&j->v->base.cache->fill);
	if (j->w->end == end) {
		j->w->stale_end = max_u64(j->w->stale_end, end);
		vhd_set_end(j->w, old_end);
	}
	mutex_unlock(&j->v->base.cache->fill);
	count_change(j->w);
}

int vhd_lengthen(struct vhd_writer *w, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	uint64_t size;
	int status;

	mutex_lock(&base->cache->fill);
	status = file_get_size(&base->view.file, &size, error);
	if (status == VHDX_OK && size < base->view.size) {
		status = file_set_size(&base->view.file, base->view.size, error);
		if (status < 0)
			(void)writing_failed(base, error);
	}
	mutex_unlock(&base->cache->fill);
	return status;
}

/* The end of the file for a new block. */
static int allocate(struct job *j, uint64_t *old_end, struct vhdx_error *error)
{
	struct vhd_writer *w = j->w;
	uint64_t data, end, stale = 0;
	int status;

	mutex_lock(&w->allocation);
	status = vhd_check_front_copy(w, error);
	mutex_lock(&j->v->base.cache->fill);
	*old_end = w->end;
	data = round_up(w->end + j->v->bitmap_size, DATA_ALIGN);
	end = data + j->v->base.block_size;
	j->bitmap_offset = data - j->v->bitmap_size;
	if (status == VHDX_OK && j->bitmap_offset / VHD_SECTOR >= VHD_UNALLOCATED) /* VHD-075 */
		status = fail(error, VHDX_E_NO_SPACE, "the file would exceed 2 TiB, which a VHD cannot address");
	if (status == VHDX_OK) {
		stale = w->stale_end > data ? min_u64(w->stale_end, end) - data : 0;
		vhd_set_end(w, end);
		j->is_placed = true;
	}
	mutex_unlock(&j->v->base.cache->fill);
	if (status == VHDX_OK)
		status = vhd_lengthen(w, error);
	if (status == VHDX_OK && stale != 0)
		status = writing_put(&j->v->base, NULL, stale, data, error);
	mutex_unlock(&w->allocation);
	if (status < 0 && j->is_placed)
		cancel(j, *old_end);
	return status;
}

/* The block and its footer are written by the next commit; its BAT entry after them: VHD-096. */
static int show_block(const struct job *j, struct vhdx_error *error)
{
	uint64_t place = j->v->dynamic.table_offset + j->block * 4;
	struct vhd_writer *w = j->w;
	struct page *page;
	uint8_t entry[4];
	int status = vhd_lock_change(w, error);

	if (status < 0)
		return status;
	put_be32(entry, (uint32_t)(j->bitmap_offset / VHD_SECTOR));
	status = load_pages(w, place, sizeof(entry), error);
	if (status == VHDX_OK)
		status = set_bits(j, 0, j->v->bitmap_size, true, error);
	if (status == VHDX_OK)
		status = pages_get(&w->pages, place, &page, error);
	if (status == VHDX_OK)
		pages_set(&w->pages, page, place, entry, sizeof(entry));
	vhd_unlock_change(w);
	return status;
}

static int write_new(struct job *j, struct vhdx_error *error)
{
	uint64_t old_end;
	int status = allocate(j, &old_end, error);

	if (status < 0)
		return status;
	if (j->buffer != NULL)
		status = writing_put(&j->v->base, j->buffer, j->length, j->bitmap_offset + j->v->bitmap_size + j->in_block,
				     error);
	if (status == VHDX_OK)
		status = show_block(j, error);
	if (status < 0)
		cancel(j, old_end);
	return status;
}

int vhd_write_block(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)image;
	struct job j = { .w = v->writer, .v = v, .buffer = buffer, .length = length };
	uint32_t entry;
	int status;

	if (image->type == VHDX_TYPE_FIXED)
		return plain_write(image, buffer, length, disk_offset, error);
	j.block = disk_offset >> v->block_shift;
	j.in_block = disk_offset & (image->block_size - 1);
	status = vhd_check_blocks(j.w, error);
	if (status == VHDX_OK)
		status = vhd_load_entry(v, j.block, &entry, error);
	if (status < 0)
		return status;
	j.bitmap_offset = (uint64_t)entry * VHD_SECTOR;
	if (entry != VHD_UNALLOCATED)
		return write_present(&j, error);
	return buffer == NULL && !is_differencing(&j) ? VHDX_OK : write_new(&j, error);
}

/* The block keeps its place, which a VHD has no way to give back; the host gets the space of its data. What is read there then is zeros. */
int vhd_discard_block(struct image *image, uint64_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)image;
	uint32_t entry;
	int status;

	if (image->type == VHDX_TYPE_FIXED)
		return VHDX_OK;
	status = vhd_check_blocks(v->writer, error);
	if (status == VHDX_OK)
		status = vhd_load_entry(v, disk_offset >> v->block_shift, &entry, error);
	if (status < 0 || entry == VHD_UNALLOCATED)
		return status;
	status = file_punch(&image->view.file, (uint64_t)entry * VHD_SECTOR + v->bitmap_size, length, error);
	count_change(v->writer);
	return status < 0 ? writing_failed(image, error) : VHDX_OK;
}
