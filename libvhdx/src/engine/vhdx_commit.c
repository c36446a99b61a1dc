/* SPDX-License-Identifier: MIT */
/*
 * From dirty pages to a durable file. Layer: engine. specs/vhdx.md section 4.6, rules W3 to W7.
 *
 * A commit snapshots all dirty pages into one log entry and flushes. Pages of earlier entries, durable by then, are written to their places before that same
 * flush when the ring is half full; the flush makes them durable too, and the next entry's Tail moves past them. So a commit costs one flush for ever, and
 * applying costs none. When entries were written without a flush (many pages dirty and nobody asked for durability) and the ring is full, a checkpoint takes
 * two: one for the entries, one for the pages.
 *
 * `logged` of a page is what the newest written entry holds of it, and changes only when an entry has been written; so whatever fails before leaves the page
 * dirty and its older snapshot fit for applying.
 */
#include "engine/vhdx_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "format/vhdx_layout.h"

enum { MAX_USED = 1 << 17 }; /* sectors of entries that a reader has to take */

/* Pages applied before the flush that just ended are in place. */
static void forget_applied(struct vhdx_writer *w)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < w->logged_count; i++) {
		if (w->logged[i]->applying)
			w->logged[i]->is_logged = w->logged[i]->applying = false;
		else
			w->logged[left++] = w->logged[i];
	}
	w->logged_count = left;
	log_ring_release(&w->ring, w->kept);
	w->applied = false;
	mutex_lock(&w->v->base.cache->fill);
	pages_sweep(&w->pages);
	mutex_unlock(&w->v->base.cache->fill);
}

/* The host gets the space of freed blocks; that it cannot take it is no failure. Neighbours go together. */
static void give_back(struct vhdx_writer *w)
{
	struct space_piece run = { 0, 0 };
	struct vhdx_error ignored;

	if (w->v->base.view.file.io->punch == NULL)
		return;
	for (size_t i = 0; i < w->space.leaving_logged;
	     i++) { /* `commit` is held: only the end of the list can change, but the list may move */
		struct space_piece piece;

		mutex_lock(&w->v->base.cache->fill);
		piece = w->space.leaving[i];
		mutex_unlock(&w->v->base.cache->fill);
		if (run.file_offset + run.length != piece.file_offset) {
			if (run.length != 0)
				(void)file_punch(&w->v->base.view.file, run.file_offset, run.length, &ignored);
			run = (struct space_piece){ piece.file_offset, 0 };
		}
		run.length += piece.length;
	}
	(void)file_punch(&w->v->base.view.file, run.file_offset, run.length, &ignored);
}

/* Space that durable entries freed may be used when nobody is on his way to it any more: W6. */
static void free_space(struct vhdx_writer *w)
{
	if (w->space.leaving_logged == 0)
		return;
	epoch_wait(w->v->base.writing->readers);
	give_back(w);
	mutex_lock(&w->v->base.cache->fill);
	space_durable(&w->space);
	mutex_unlock(&w->v->base.cache->fill);
}

int vhdx_barrier(struct vhdx_writer *w, enum barrier barrier, struct vhdx_error *error)
{
	uint64_t size = w->v->base.view.size;
	int status = barrier_flush(&w->v->base.view.file, barrier, error);

	if (status < 0)
		return writing_flush_failed(&w->v->base, error);
	w->durable_size = round_down(size, MIB);
	w->entries_pending = false;
	log_ring_durable(&w->ring);
	if (w->applied)
		forget_applied(w);
	free_space(w);
	return w->mirror_due ? vhdx_mirror_header(w, error) : VHDX_OK;
}

static int by_place(const void *a, const void *b)
{
	uint64_t x = (*(struct page *const *)a)->file_offset, y = (*(struct page *const *)b)->file_offset;

	return x < y ? -1 : x > y;
}

int vhdx_apply(struct vhdx_writer *w, struct vhdx_error *error)
{
	if (w->logged_count > 1)
		qsort(w->logged, w->logged_count, sizeof(struct page *), by_place);
	for (uint32_t i = 0; i < w->logged_count; i++) {
		struct page *page = w->logged[i];
		int status = file_write(&w->v->base.view.file, page->logged, CACHE_PAGE, page->file_offset, error);

		if (status < 0)
			return writing_failed(&w->v->base, error);
	}
	for (uint32_t i = 0; i < w->logged_count; i++)
		w->logged[i]->applying = true;
	w->applied = true;
	w->kept = 0;
	return VHDX_OK;
}

/* What one entry will hold. */
struct snapshot {
	uint32_t page_count;
	bool data_first;
	size_t leaving; /* not in any entry yet */
	uint64_t last_file_offset;
};

/* Takes all dirty pages into the buffer: a change is never split, so an entry is never half of one (W8). */
static void take_snapshot(struct vhdx_writer *w, struct snapshot *s)
{
	struct pages *p = &w->pages;
	uint32_t n = 0;

	mutex_lock(&w->v->base.cache->fill);
	pages_sweep(p);
	*s = (struct snapshot){ (uint32_t)p->dirty_count, w->data_before_entry, w->space.leaving_count - w->space.leaving_logged,
				space_used_end(&w->space) };
	for (size_t i = 0; n < s->page_count && i < p->table_size; i++) {
		if (p->table[i] == NULL || !p->table[i]->dirty)
			continue;
		p->table[i]->dirty = false;
		p->table[i]->pinned = true;
		log_ring_put(&w->ring, w->buffer, s->page_count, n, p->table[i]->file_offset, p->table[i]->current);
		w->entry_pages[n++] = p->table[i];
	}
	p->dirty_count = 0;
	w->in_entry = s->page_count;
	w->data_before_entry = false;
	mutex_unlock(&w->v->base.cache->fill);
}

/* The entry was not written: its pages wait for the next one. */
static void return_snapshot(struct vhdx_writer *w, const struct snapshot *s)
{
	mutex_lock(&w->v->base.cache->fill);
	for (uint32_t i = 0; i < s->page_count; i++) {
		w->pages.dirty_count += !w->entry_pages[i]->dirty;
		w->entry_pages[i]->dirty = true;
		w->entry_pages[i]->pinned = false;
	}
	w->data_before_entry |= s->data_first;
	w->in_entry = 0;
	mutex_unlock(&w->v->base.cache->fill);
}

static void entry_written(struct vhdx_writer *w, const struct snapshot *s)
{
	for (uint32_t i = 0; i < s->page_count; i++) {
		struct page *page = w->entry_pages[i];

		log_ring_get(w->buffer, s->page_count, i, page->logged);
		if (!page->is_logged)
			w->logged[w->logged_count++] = page;
		page->is_logged = true;
		page->applying = false;
		page->pinned = false;
	}
	w->kept += log_ring_entry_sectors(s->page_count);
	w->entries_pending = true;
	mutex_lock(&w->v->base.cache->fill);
	space_logged(&w->space, s->leaving);
	w->in_entry = 0;
	mutex_unlock(&w->v->base.cache->fill);
}

static bool fits(const struct vhdx_writer *w, uint32_t page_count)
{
	return log_ring_fits(&w->ring, page_count) && w->logged_count + page_count <= w->logged_limit;
}

/* A checkpoint when there is no other way: everything logged goes to its place, and the next entry names a new tail. */
static int make_room(struct vhdx_writer *w, uint32_t page_count, struct vhdx_error *error)
{
	int status = VHDX_OK;

	if (!fits(w, page_count) && (w->entries_pending || w->applied))
		status = vhdx_barrier(w, w->entries_pending ? BARRIER_ENTRIES_BEFORE_APPLY : BARRIER_APPLY_BEFORE_REUSE, error);
	if (status < 0 || fits(w, page_count))
		return status;
	status = vhdx_apply(w, error);
	return status == VHDX_OK ? vhdx_barrier(w, BARRIER_APPLY_BEFORE_REUSE, error) : status;
}

/* Old pages on their way in time cost no flush; and a log of gigabytes does not grow to more descriptors than a reader takes. No space for them now is no reason to fail. */
static int apply_early(struct vhdx_writer *w, struct vhdx_error *error)
{
	int status;

	if (w->entries_pending || w->applied ||
	    (w->ring.used <= min_u64(w->ring.sectors / 2, MAX_USED) && w->logged_count <= w->logged_limit / 2))
		return VHDX_OK;
	status = vhdx_apply(w, error);
	return status == VHDX_E_NO_SPACE ? VHDX_OK : status;
}

static int log_snapshot(struct vhdx_writer *w, const struct snapshot *s, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	int status = s->data_first ? vhdx_barrier(w, BARRIER_DATA_BEFORE_ENTRY, error) : VHDX_OK;

	if (status == VHDX_OK)
		status = apply_early(w, error);
	if (status == VHDX_OK)
		status = make_room(w, s->page_count, error);
	if (status < 0)
		return status;
	status = log_ring_write(&w->ring, &base->view.file, w->buffer, s->page_count, w->durable_size, s->last_file_offset,
				error);
	return status < 0 ? writing_failed(base, error) : VHDX_OK;
}

/* All dirty pages go into one entry, not durable yet. */
static int log_dirty(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct snapshot s;
	int status;

	take_snapshot(w, &s);
	if (s.page_count == 0)
		return VHDX_OK;
	status = log_snapshot(w, &s, error);
	if (status < 0)
		return_snapshot(w, &s);
	else
		entry_written(w, &s);
	return status;
}

int vhdx_relieve(struct vhdx_writer *w, uint32_t pages, struct vhdx_error *error)
{
	struct writing *writing = w->v->base.writing;
	int status;
	bool many;

	mutex_lock(&writing->commit);
	mutex_lock(&w->v->base.cache->fill);
	many = w->pages.dirty_count + pages > w->max_entry_pages;
	mutex_unlock(&w->v->base.cache->fill);
	status = writing_check(&w->v->base, error);
	if (status == VHDX_OK && many)
		status = log_dirty(w, error);
	mutex_unlock(&writing->commit);
	return status;
}

int vhdx_commit(struct image *image, struct vhdx_error *error)
{
	struct vhdx_writer *w = ((struct vhdx_image *)image)->writer;
	struct writing *writing = image->writing;
	uint64_t want = atomic_load(&writing->change);
	int status = VHDX_OK;

	if (atomic_load(&writing->durable) >= want)
		return VHDX_OK;
	mutex_lock(&writing->commit);
	if (atomic_load(&writing->durable) < want) { /* another thread's flush may have served us */
		want = atomic_load(&writing->change);
		status = writing_check(image, error);
		if (status == VHDX_OK)
			status = log_dirty(w, error);
		if (status == VHDX_OK)
			status = vhdx_barrier(w, BARRIER_COMMIT, error);
		if (status == VHDX_OK)
			atomic_store(&writing->durable, want);
	}
	mutex_unlock(&writing->commit);
	return status;
}

int vhdx_settle(struct vhdx_writer *w, enum barrier barrier, struct vhdx_error *error)
{
	struct writing *writing = w->v->base.writing;
	uint64_t want;
	int status;

	mutex_lock(&writing->commit);
	want = atomic_load(&writing->change);
	status = writing_check(&w->v->base, error);
	if (status == VHDX_OK)
		status = log_dirty(w, error);
	if (status == VHDX_OK)
		status = vhdx_barrier(w, barrier, error);
	if (status == VHDX_OK && w->logged_count != 0) {
		status = vhdx_apply(w, error);
		if (status == VHDX_OK)
			status = vhdx_barrier(w, BARRIER_APPLY_BEFORE_REUSE, error);
	}
	if (status == VHDX_OK)
		atomic_store(&writing->durable, want);
	mutex_unlock(&writing->commit);
	return status;
}
