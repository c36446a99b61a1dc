/* SPDX-License-Identifier: MIT */
/*
 * Moves the blocks at the end of a VHDX file into free room before them. Layer: engine. See vhdx_compact.c.
 *
 * The last one goes first, to the first room that is large enough; when it finds none, nothing that stands before it could make the file shorter. A block is copied; the copy is
 * durable before the log entry that names it (W5), and the old place is free when that entry is durable (W6). Rooms only fill up
 * meanwhile, because what becomes free lies behind everything that is still to be moved; so one look along the map finds them all.
 *
 * The BAT says where blocks stand only in the order of the disk. It is read once for each WINDOW MiB of used space from the end on, however large the file is.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/usage.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

enum { WINDOW = 1 << 18, BATCH = 64 << 20, PACKING_MOST = 1 << 22 };

struct item {
	uint64_t file_offset;
	uint64_t bat_index;
};

struct pack {
	struct vhdx_image *v;
	struct vhdx_writer *w;
	struct space *space;
	struct space before; /* where blocks stand that count: an estimate leaves the entries of freed ones in the BAT */
	struct packing *packing;
	struct compaction *c;
	uint64_t from[2]; /* payload, bitmap: before this unit there is no room */
	uint64_t low;     /* the window, as file offsets */
	uint64_t high;
	struct item *items;
	size_t count;
	uint64_t pending; /* bytes copied since the last commit */
	uint64_t moved;
	uint64_t total; /* to move, as planned */
};

static bool is_bitmap(const struct pack *p, const struct item *item)
{
	return vhdx_is_bitmap_index(&p->v->geometry, item->bat_index);
}

static void add_item(struct pack *p, uint64_t bat_index, uint64_t entry)
{
	const struct vhdx_geometry *g = &p->v->geometry;
	uint64_t offset = vhdx_bat_file_offset(entry);
	unsigned state = vhdx_bat_state(entry);

	if (offset < p->low || offset >= p->high || !space_is_used(&p->before, offset))
		return;
	if (vhdx_is_bitmap_index(g, bat_index) ? !p->v->parameters.has_parent || state != BITMAP_PRESENT
					       : vhdx_bat_block(g, bat_index) >= g->block_count ||
							 (state != BLOCK_FULLY_PRESENT && state != BLOCK_PARTIALLY_PRESENT))
		return;
	if (p->count < WINDOW)
		p->items[p->count++] = (struct item){ offset, bat_index };
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	(void)error;
	for (uint64_t i = 0; bytes != NULL && i < length; i += 8)
		if (get_le64(bytes + i) != 0)
			add_item(context, (at + i) / 8, get_le64(bytes + i));
	return VHDX_OK;
}

static int last_first(const void *a, const void *b)
{
	uint64_t x = ((const struct item *)a)->file_offset, y = ((const struct item *)b)->file_offset;

	return x > y ? -1 : x < y;
}

/* The items between `high` and as far down as WINDOW of them can reach. */
static int load_window(struct pack *p, struct vhdx_error *error)
{
	int status;

	p->low = space_below(p->space, p->high, WINDOW);
	p->count = 0;
	status = usage_scan(&p->v->base, p->v->bat.file_offset, p->v->geometry.entry_count * 8, visit, p, error);
	if (p->count > 1)
		qsort(p->items, p->count, sizeof(*p->items), last_first);
	return status;
}

static int commit(struct pack *p, struct vhdx_error *error)
{
	p->pending = 0;
	return vhdx_commit(&p->v->base, error);
}

/* What moved may give the host the space that this block needs. */
static int copy(struct pack *p, const struct item *item, uint64_t to, uint64_t length, struct vhdx_error *error)
{
	int status = writing_move(&p->v->base, item->file_offset, to, length, error);

	if (status == VHDX_E_NO_SPACE && p->pending != 0) {
		status = commit(p, error);
		if (status == VHDX_OK)
			status = writing_move(&p->v->base, item->file_offset, to, length, error);
	}
	return status;
}

static int name_place(struct pack *p, const struct item *item, uint64_t to, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_image *v = p->v;
	struct vhdx_writer *w = p->w;
	struct page *page;
	uint64_t entry;
	int status = vhdx_load_entry(v, item->bat_index, &entry, error);

	if (status == VHDX_OK)
		status = vhdx_lock_change(w, 2, error);
	if (status < 0)
		return status;
	status = pages_get(&w->pages, v->bat.file_offset + item->bat_index * 8, &page, error);
	if (status == VHDX_OK)
		status = space_leave(&w->space, item->file_offset, length, error);
	if (status == VHDX_OK) {
		status = vhdx_set_entry(w, item->bat_index, to | (entry & (MIB - 1)), error);
		w->data_before_entry = true;
		if (is_bitmap(p, item)) {
			pages_sweep(&w->pages);
			cache_forget(v->base.cache, v->base.level, item->file_offset, length);
			cache_forget(v->base.cache, v->base.level, to, length);
		}
	}
	vhdx_unlock_change(w);
	return status;
}

static int move(struct pack *p, const struct item *item, uint64_t to, uint64_t length, struct vhdx_error *error)
{
	int status = copy(p, item, to, length, error);

	if (status == VHDX_OK)
		status = name_place(p, item, to, length, error);
	if (status < 0) {
		vhdx_cancel(p->w, to, length);
		return status;
	}
	p->pending += length;
	p->moved += length;
	if (p->pending >= BATCH)
		status = commit(p, error);
	return status == VHDX_OK ? p->c->progress(p->c, p->v->base.disk_size + p->moved, p->v->base.disk_size + p->total, error)
				 : status;
}

/* As a plan only. */
static int pretend(struct pack *p, const struct item *item, uint64_t to, uint64_t length, struct vhdx_error *error)
{
	struct packing *plan = p->packing;

	space_cancel(p->space, item->file_offset, min_u64(length, p->space->end * MIB - item->file_offset));
	if (plan == NULL)
		return VHDX_OK;
	if (plan->count == PACKING_MOST)
		return fail(error, VHDX_E_UNSUPPORTED, "more than %d blocks cannot be put into order", PACKING_MOST);
	if (!memory_grow(p->v->base.env, (void **)&plan->list, plan->count, sizeof(*plan->list)))
		return fail_memory(error);
	plan->list[plan->count++] = (struct packed){ (uint32_t)(item->file_offset / MIB), (uint32_t)(to / MIB) };
	return VHDX_OK;
}

/* *found: there was room for it. */
static int place(struct pack *p, const struct item *item, bool *found, struct vhdx_error *error)
{
	bool bitmap = is_bitmap(p, item);
	uint64_t length = bitmap ? VHDX_BITMAP_BLOCK_SIZE : p->v->base.block_size, to;
	int status;

	*found = space_find(p->space, length, &p->from[bitmap], item->file_offset);
	if (!*found)
		return VHDX_OK;
	to = p->from[bitmap] * MIB;
	(void)space_take(p->space, to, length);
	status = p->w != NULL ? move(p, item, to, length, error) : pretend(p, item, to, length, error);
	p->c->result.blocks_moved += status == VHDX_OK;
	return status;
}

int vhdx_pack(struct vhdx_image *v, struct vhdx_writer *w, struct space *space, struct packing *packing, struct compaction *c,
	      struct vhdx_error *error)
{
	struct pack p = { .v = v, .w = w, .space = space, .packing = packing, .c = c, .high = space_used_end(space) };
	bool found = true;
	int status = space_copy(&p.before, space, error);

	p.total = c->result.bytes_before - c->result.bytes_after; /* about so much moves */
	p.items = memory_allocate(v->base.env, WINDOW * sizeof(*p.items));
	if (status == VHDX_OK && p.items == NULL)
		status = fail_memory(error);
	while (status == VHDX_OK && found && p.high != 0) {
		status = load_window(&p, error);
		for (size_t i = 0; status == VHDX_OK && found && i < p.count; i++)
			status = place(&p, &p.items[i], &found, error);
		p.high = p.low;
	}
	memory_release(v->base.env, p.items);
	space_end(&p.before);
	return status;
}
