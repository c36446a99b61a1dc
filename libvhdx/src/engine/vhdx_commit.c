/* SPDX-License-Identifier: MIT */
/*
 * From dirty pages to a durable file. Layer: engine. specs/vhdx.md section 3.6, rules W3 to W7.
 *
 * A commit snapshots all dirty pages into one log entry and flushes. Pages of earlier entries, durable by then, are written to their places before that same
 * flush when the ring is half full; the flush makes them durable too, and the next entry's Tail moves past them. So a commit costs one flush for ever, and
 * applying costs none. When entries were written without a flush (many pages dirty and nobody asked for durability) and the ring is full, a checkpoint takes
 * two: one for the entries, one for the pages.
 */
#include "engine/vhdx_writer.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "format/vhdx_layout.h"

enum { MAX_DIRTY = 64 };

int vhdx_writer_check(struct vhdx_writer *w, struct vhdx_error *error)
{
	int dead = atomic_load(&w->dead);

	return dead == 0 ? VHDX_OK
			 : fail(error, VHDX_E_DEAD, "an earlier write or flush failed (%s); reopen the file to go on", vhdx_status_name(dead));
}

int vhdx_writer_fail(struct vhdx_writer *w, struct vhdx_error *error)
{
	int none = 0;

	if (error->status != VHDX_E_NO_SPACE && error->status != VHDX_E_NO_MEMORY)
		(void)atomic_compare_exchange_strong(&w->dead, &none, error->status);
	return error->status;
}

/* A failed flush leaves unknown what is durable, whatever its reason: B-75. */
static int flush(struct vhdx_writer *w, enum barrier barrier, struct vhdx_error *error)
{
	uint64_t size = w->v->base.view.size;
	int status = barrier_flush(&w->v->base.view.file, barrier, error), none = 0;

	if (status < 0) {
		(void)atomic_compare_exchange_strong(&w->dead, &none, status);
		return status;
	}
	w->durable_size = round_down(size, MIB);
	return VHDX_OK;
}

/* Everything in the ring is durable and, by the last flush, everything applied before it too. */
static void entries_are_durable(struct vhdx_writer *w)
{
	bool freed;

	w->entries_pending = false;
	mutex_lock(&w->v->base.cache->fill);
	freed = w->space.leaving_logged != 0;
	mutex_unlock(&w->v->base.cache->fill);
	if (!freed)
		return;
	epoch_wait(w->readers); /* a reader may still be on its way to the freed space */
	mutex_lock(&w->v->base.cache->fill);
	space_durable(&w->space);
	mutex_unlock(&w->v->base.cache->fill);
}

/* Writes the logged pages to their places. Their entries must be durable: W3. */
int vhdx_apply_all(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct pages *p = &w->pages;

	for (size_t i = 0; i < p->table_size; i++) {
		struct page *page = p->table[i];
		int status;

		if (page == NULL || !page->is_logged)
			continue;
		status = file_write(&w->v->base.view.file, page->logged, CACHE_PAGE, page->file_offset, error);
		if (status < 0)
			return vhdx_writer_fail(w, error);
	}
	return VHDX_OK;
}

static void applied(struct vhdx_writer *w, uint32_t kept)
{
	struct pages *p = &w->pages;

	log_ring_release(&w->ring, kept);
	mutex_lock(&w->v->base.cache->fill);
	for (size_t i = 0; i < p->table_size; i++)
		if (p->table[i] != NULL && p->table[i]->is_logged && p->table[i]->applying) {
			p->table[i]->is_logged = p->table[i]->relogged;
			p->table[i]->relogged = false;
			p->table[i]->applying = false;
		}
	pages_sweep(p);
	mutex_unlock(&w->v->base.cache->fill);
}
