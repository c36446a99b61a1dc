/* SPDX-License-Identifier: MIT */
/* Start and commit of the VHD writer: see vhd_writer.h. Layer: engine. */
#include "engine/vhd_writer.h"

#include <string.h>

#include "base/error.h"
#include "format/fields.h"

enum { SECTORS = CACHE_PAGE / VHD_SECTOR, FILE_ALIGN = 4096 };

static void patch(void *context, uint64_t file_offset, uint8_t *page)
{
	pages_patch(context, file_offset, page);
}

/* VHD-099: without a footer at the end, the last structure or block tells where the end is. */
static int find_end(struct vhd_writer *w, struct vhdx_error *error)
{
	struct vhd_image *v = w->v;
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	int status = vhd_refuse_batmap(v, error);

	if (status == VHDX_OK)
		status = vhd_usage(&v->base, &usage, error);
	if (status < 0)
		return status;
	if (usage.blocks_damaged != 0)
		return broken(error, RULE_VHD_070, v->dynamic.table_offset, "%llu entries of the BAT name no place for a block",
			      (unsigned long long)usage.blocks_damaged);
	w->end = usage.file_end;
	for (unsigned i = 0; i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &v->dynamic.locators[i];

		if (l->platform_code != 0 && range_fits(l->data_offset, l->data_length, v->base.view.size))
			w->end = max_u64(w->end, min_u64(l->data_offset + vhd_locator_room(l), v->base.view.size));
	}
	w->end = round_up(w->end, VHD_SECTOR);
	w->footer_due = true;
	return VHDX_OK;
}

static int load_ends(struct vhd_writer *w, struct vhdx_error *error)
{
	struct vhd_image *v = w->v;
	uint64_t footer_offset = v->front_copy_used ? 0 : v->blocks_limit;
	int status = file_read(&v->base.view.file, w->footer, sizeof(w->footer), footer_offset, error);

	w->stale_end = v->base.view.size;
	if (status < 0 || v->front_copy_used)
		return status < 0 ? status : find_end(w, error);
	w->end = max_u64(v->blocks_limit, v->structures_end);
	return VHDX_OK;
}

static int start_dynamic(struct vhd_image *v, struct vhdx_error *error)
{
	struct image *base = &v->base;
	struct vhd_writer *w = memory_zeroed(base->env, sizeof(*w));
	int status;

	if (w == NULL)
		return fail_memory(error);
	w->v = v;
	v->writer = w;
	mutex_start(&w->allocation);
	w->max_change = (uint32_t)divide_up(v->bitmap_size, CACHE_PAGE) + 3;
	w->buffer = memory_allocate(base->env, (size_t)VHD_MAX_DIRTY_PAGES * CACHE_PAGE);
	w->commit_pages = memory_allocate(base->env, VHD_MAX_DIRTY_PAGES * sizeof(*w->commit_pages));
	status = pages_start(&w->pages, base->env, base->cache, &base->view, base->level, error);
	if (status == VHDX_OK && (w->buffer == NULL || w->commit_pages == NULL))
		status = fail_memory(error);
	if (status == VHDX_OK)
		status = load_ends(w, error);
	base->cache->patch = patch;
	base->cache->patch_context = &w->pages;
	return status;
}

int vhd_writer_start(struct image *base, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)base;

	base->writing->sector = VHD_SECTOR;
	base->writing->granule = base->type == VHDX_TYPE_FIXED ? 2 * MIB : base->block_size;
	return base->type == VHDX_TYPE_FIXED ? VHDX_OK : start_dynamic(v, error);
}

void vhd_writer_release(struct vhd_writer *w)
{
	const struct vhdx_env *env;

	if (w == NULL)
		return;
	env = w->v->base.env;
	w->v->base.cache->patch = NULL;
	pages_end(&w->pages);
	mutex_end(&w->allocation);
	memory_release(env, w->buffer);
	memory_release(env, w->commit_pages);
	memory_release(env, w);
}

static int barrier(struct vhd_writer *w, enum barrier name, struct vhdx_error *error)
{
	int status = barrier_flush(&w->v->base.view.file, name, error);

	return status < 0 ? writing_flush_failed(&w->v->base, error) : VHDX_OK;
}

/* What one commit writes; page i is in the buffer at i pages. */
struct snapshot {
	uint32_t page_count;
	uint8_t early[VHD_MAX_DIRTY_PAGES]; /* a bit for each sector of a page */
	uint8_t late[VHD_MAX_DIRTY_PAGES];
	uint64_t end;
	bool footer;
};

/* `early_only`: what may be written without a flush before it. */
static void take_snapshot(struct vhd_writer *w, struct snapshot *s, bool early_only)
{
	struct pages *p = &w->pages;

	mutex_lock(&w->v->base.cache->fill);
	*s = (struct snapshot){ .end = w->end, .footer = w->footer_due && !early_only };
	w->footer_due &= early_only;
	for (size_t i = 0; i < p->table_size; i++) {
		struct page *page = p->table[i];

		if (page == NULL || !page->dirty || (early_only && page->early == 0))
			continue;
		memcpy(w->buffer + (size_t)s->page_count * CACHE_PAGE, page->current, CACHE_PAGE);
		s->early[s->page_count] = page->early;
		s->late[s->page_count] = early_only ? 0 : (uint8_t)(page->touched & ~page->early);
		page->touched = early_only ? (uint8_t)(page->touched & ~page->early) : 0;
		page->early = 0;
		page->dirty = page->touched != 0;
		p->dirty_count -= !page->dirty;
		w->commit_pages[s->page_count++] = page;
	}
	mutex_unlock(&w->v->base.cache->fill);
}

/* What was not written waits for the next commit. */
static void return_snapshot(struct vhd_writer *w, const struct snapshot *s)
{
	mutex_lock(&w->v->base.cache->fill);
	for (uint32_t i = 0; i < s->page_count; i++) {
		struct page *page = w->commit_pages[i];

		w->pages.dirty_count += !page->dirty;
		page->dirty = true;
		page->early |= s->early[i];
		page->touched = (uint8_t)(page->touched | s->early[i] | s->late[i]);
	}
	w->footer_due |= s->footer;
	mutex_unlock(&w->v->base.cache->fill);
}

/* Only the sectors that changed: their neighbours in the page may be payload. */
static int write_sectors(struct vhd_writer *w, const struct snapshot *s, const uint8_t *masks, struct vhdx_error *error)
{
	for (uint32_t i = 0; i < s->page_count; i++)
		for (unsigned first = 0, next; first < SECTORS; first = next) {
			const uint8_t *bytes = w->buffer + (size_t)i * CACHE_PAGE + first * VHD_SECTOR;
			int status;

			next = first + 1;
			if ((masks[i] >> first & 1) == 0)
				continue;
			while (next < SECTORS && (masks[i] >> next & 1) != 0)
				next++;
			status = writing_put(&w->v->base, bytes, (uint64_t)(next - first) * VHD_SECTOR,
					     w->commit_pages[i]->file_offset + first * VHD_SECTOR, error);
			if (status < 0)
				return status;
		}
	return VHDX_OK;
}

/* The file ends at a multiple of 4 KiB. When a block behind `end` is in the making, the next commit puts that right. */
int vhd_write_footer(struct vhd_writer *w, uint64_t end, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	uint64_t offset = round_up(end + VHD_SECTOR, FILE_ALIGN) - VHD_SECTOR, size;
	int status = writing_put(base, w->footer, sizeof(w->footer), offset, error);

	if (status < 0)
		return status;
	mutex_lock(&base->cache->fill);
	status = file_get_size(&base->view.file, &size, error);
	if (status == VHDX_OK && w->end == end && size > offset + VHD_SECTOR) { /* what a crash or a refused write left */
		status = file_set_size(&base->view.file, offset + VHD_SECTOR, error);
		if (status < 0)
			(void)writing_failed(base, error);
		else
			w->stale_end = w->end;
	}
	mutex_unlock(&base->cache->fill);
	return status;
}

static int write_snapshot(struct vhd_writer *w, struct snapshot *s, struct vhdx_error *error)
{
	int status = write_sectors(w, s, s->early, error);

	if (status == VHDX_OK && s->footer)
		status = vhd_write_footer(w, s->end, error);
	if (status == VHDX_OK && (s->page_count != 0 || s->footer))
		status = barrier(w, BARRIER_VHD_BLOCK_BEFORE_BAT, error);
	if (status == VHDX_OK)
		status = write_sectors(w, s, s->late, error);
	return status == VHDX_OK ? barrier(w, BARRIER_VHD_COMMIT, error) : status;
}

/* Under `commit`. */
static int commit(struct vhd_writer *w, bool early_only, struct vhdx_error *error)
{
	struct snapshot s;
	int status;

	take_snapshot(w, &s, early_only);
	status = early_only ? write_sectors(w, &s, s.early, error) : write_snapshot(w, &s, error);
	if (status < 0) {
		return_snapshot(w, &s);
		return status;
	}
	mutex_lock(&w->v->base.cache->fill);
	pages_sweep(&w->pages);
	mutex_unlock(&w->v->base.cache->fill);
	return VHDX_OK;
}

static bool has_room(struct vhd_writer *w)
{
	bool room;

	mutex_lock(&w->v->base.cache->fill);
	room = w->pages.dirty_count + w->max_change <= VHD_MAX_DIRTY_PAGES;
	mutex_unlock(&w->v->base.cache->fill);
	return room;
}

int vhd_relieve(struct vhd_writer *w, struct vhdx_error *error)
{
	struct writing *writing = w->v->base.writing;
	int status;

	mutex_lock(&writing->commit);
	status = writing_check(&w->v->base, error);
	for (int early_only = 1; status == VHDX_OK && early_only >= 0 && !has_room(w); early_only--)
		status = commit(w, early_only != 0, error);
	mutex_unlock(&writing->commit);
	return status;
}

int vhd_commit(struct image *image, struct vhdx_error *error)
{
	struct vhd_writer *w = ((struct vhd_image *)image)->writer;
	struct writing *writing = image->writing;
	uint64_t want = atomic_load(&writing->change);
	int status = VHDX_OK;

	if (w == NULL)
		return plain_flush(image, error);
	if (atomic_load(&writing->durable) >= want)
		return VHDX_OK;
	mutex_lock(&writing->commit);
	if (atomic_load(&writing->durable) < want) { /* another thread's flush may have served us */
		want = atomic_load(&writing->change);
		status = writing_check(image, error);
		if (status == VHDX_OK)
			status = commit(w, false, error);
		if (status == VHDX_OK)
			atomic_store(&writing->durable, want);
	}
	mutex_unlock(&writing->commit);
	return status;
}
