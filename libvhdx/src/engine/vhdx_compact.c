/* SPDX-License-Identifier: MIT */
/*
 * Compacting a VHDX file: frees what is not needed, then moves the rest down (vhdx_pack.c), and into order when that is asked for (vhdx_order.c). Layer: engine. The disk
 * belongs to the caller alone.
 *
 * Each step is a change as any other one (vhdx_writer.h), so a crash leaves so many of them done, and every state reads the same. vhdx_settle stands between freeing and
 * moving: no log entry holds pages of a sector bitmap block that was freed or will move, and nothing here changes bits. Otherwise replay could write such a page to a place
 * where something else stands by then.
 */
#include "base/error.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

struct compact {
	struct vhdx_image *v;
	struct vhdx_writer *w; /* NULL: an estimate, of which `space` is all that changes */
	struct compaction *c;
	struct space space;
	bool chunk_is_partial; /* a block of the chunk needs its sector bitmap block */
};

/* Changes one entry; what stood at `place` is free when that is durable. `length` 0: nothing did. */
static int change_entry(struct compact *k, uint64_t bat_index, uint64_t entry, uint64_t place, uint64_t length,
			struct vhdx_error *error)
{
	struct vhdx_writer *w = k->w;
	struct page *page;
	int status;

	if (w == NULL) {
		if (length != 0)
			space_cancel(&k->space, place, min_u64(length, k->space.end * MIB - place));
		return VHDX_OK;
	}
	status = vhdx_session_begin_unchanged(w, error);
	if (status == VHDX_OK)
		status = vhdx_lock_change(w, 2, error);
	if (status < 0)
		return status;
	status = pages_get(&w->pages, k->v->bat.file_offset + bat_index * 8, &page, error);
	if (status == VHDX_OK && length != 0)
		status = space_leave(&w->space, place, length, error);
	if (status == VHDX_OK)
		status = vhdx_set_entry(w, bat_index, entry, error);
	vhdx_unlock_change(w);
	return status;
}

static int free_block(struct compact *k, uint64_t bat_index, uint64_t entry, enum verdict verdict, struct vhdx_error *error)
{
	struct vhdx_compact_result *result = &k->c->result;
	enum vhdx_block_state state = BLOCK_ZERO;
	int status = VHDX_OK;

	switch (verdict) {
	case VERDICT_KEEP: return VHDX_OK;
	case VERDICT_UNUSED: /* not UNMAPPED, which others may read as what stood there */
		result->blocks_unused++;
		if (k->w != NULL) /* the disk changes: VHDX-040 */
			status = vhdx_session_begin(k->w, error);
		break;
	case VERDICT_ZERO: result->blocks_zero++; break;
	case VERDICT_EQUAL:
		state = BLOCK_NOT_PRESENT;
		result->blocks_equal++;
		break;
	}
	if (status < 0)
		return status;
	return change_entry(k, bat_index, (uint64_t)state, vhdx_bat_file_offset(entry), k->v->base.block_size, error);
}

static int judge_block(struct compact *k, uint64_t block, struct vhdx_error *error)
{
	struct vhdx_image *v = k->v;
	uint64_t bat_index = vhdx_bat_index(&v->geometry, block), start = block << v->geometry.block_shift, entry;
	enum verdict verdict;
	unsigned state;
	int status = vhdx_load_entry(v, bat_index, &entry, error);

	if (status == VHDX_OK)
		status = vhdx_check_payload_entry(v, block, entry, error);
	if (status < 0)
		return status;
	state = vhdx_bat_state(entry);
	if ((state == BLOCK_UNDEFINED || state == BLOCK_UNMAPPED) && vhdx_bat_file_offset(entry) != 0) {
		k->c->result.anchors++; /* its place may overlap others': the map is made anew afterwards */
		return change_entry(k, bat_index, (uint64_t)state, 0, 0, error);
	}
	if (state != BLOCK_FULLY_PRESENT && state != BLOCK_PARTIALLY_PRESENT)
		return VHDX_OK;
	status = k->c->progress(k->c, start, v->base.disk_size, error);
	if (status < 0)
		return status;
	status = k->c->judge(k->c, start, min_u64(v->base.block_size, v->base.disk_size - start), true, &verdict, error);
	if (status < 0)
		return status;
	k->chunk_is_partial |= state == BLOCK_PARTIALLY_PRESENT && verdict == VERDICT_KEEP;
	return free_block(k, bat_index, entry, verdict, error);
}

/* The sector bitmap block of the chunk that `block` is the last one of. */
static int end_chunk(struct compact *k, uint64_t block, struct vhdx_error *error)
{
	uint64_t bat_index = vhdx_bitmap_bat_index(&k->v->geometry, block), entry;
	bool needed = k->chunk_is_partial;
	int status;

	k->chunk_is_partial = false;
	if (needed || !k->v->parameters.has_parent)
		return VHDX_OK;
	status = vhdx_load_entry(k->v, bat_index, &entry, error);
	if (status < 0 || vhdx_bat_state(entry) == BITMAP_NOT_PRESENT)
		return status;
	status = vhdx_check_bitmap_entry(k->v, bat_index, entry, error);
	if (status < 0)
		return status;
	k->c->result.bitmap_blocks++;
	return change_entry(k, bat_index, BITMAP_NOT_PRESENT, vhdx_bat_file_offset(entry), VHDX_BITMAP_BLOCK_SIZE, error);
}

static int free_blocks(struct compact *k, struct vhdx_error *error)
{
	const struct vhdx_geometry *g = &k->v->geometry;
	uint64_t chunk_mask = (UINT64_C(1) << g->chunk_shift) - 1;
	int status = VHDX_OK;

	for (uint64_t block = 0; status == VHDX_OK && block < g->block_count; block++) {
		bool is_last = (block & chunk_mask) == chunk_mask || block + 1 == g->block_count;

		status = judge_block(k, block, error);
		if (status == VHDX_OK && is_last)
			status = end_chunk(k, block, error);
	}
	return status;
}

/* Where the file can end: what vhdx_close leaves of it. */
static uint64_t end_of(const struct compact *k)
{
	uint64_t end = max_u64(space_used_end(&k->space), k->v->reserved_end);

	return min_u64(end, k->v->base.view.size);
}

/* What moving would do, and then does: the map tells without a look at any block. */
static int plan(struct compact *k, struct packing *packing, struct vhdx_error *error)
{
	int status = VHDX_OK;

	if ((k->c->flags & VHDX_COMPACT_KEEP_PLACES) == 0)
		status = vhdx_pack(k->v, NULL, &k->space, packing, k->c, error);
	k->c->result.bytes_after = end_of(k);
	return status;
}

static int plan_all(struct compact *k, struct vhdx_error *error)
{
	bool counts_order = k->w == NULL && (k->c->flags & VHDX_COMPACT_DEFRAG) != 0;
	struct packing packing = { .list = NULL };
	int status = counts_order ? space_copy(&packing.before, &k->space, error) : VHDX_OK;

	if (status == VHDX_OK)
		status = plan(k, counts_order ? &packing : NULL, error);
	if (status == VHDX_OK && counts_order)
		status = vhdx_put_in_order(k->v, NULL, &packing, k->c, error);
	memory_release(k->v->base.env, packing.list);
	space_end(&packing.before);
	return status;
}

static int rescan(struct compact *k, struct space *space, struct vhdx_error *error)
{
	struct space fresh;
	int status = vhdx_scan_space(k->v, &fresh, false, error);

	if (status < 0) {
		space_end(&fresh);
		return status;
	}
	space_end(space);
	*space = fresh;
	return VHDX_OK;
}

static int settle(struct compact *k, struct vhdx_error *error)
{
	int status = atomic_load(&k->w->session) ? vhdx_settle(k->w, BARRIER_COMMIT, error) : VHDX_OK;

	mutex_lock(&k->v->base.cache->fill);
	pages_sweep(&k->w->pages);
	mutex_unlock(&k->v->base.cache->fill);
	return status;
}

/* No places are kept for blocks without content any more, so the map of the session is made anew as well. */
static int move_down(struct compact *k, struct vhdx_error *error)
{
	uint64_t moved = k->c->result.blocks_moved;
	int status = VHDX_OK;

	if (moved == 0 && k->c->result.bytes_after == k->v->base.view.size)
		return settle(k, error);
	status = vhdx_session_begin_unchanged(k->w, error);
	if (status == VHDX_OK)
		status = settle(k, error);
	if (status == VHDX_OK)
		status = rescan(k, &k->w->space, error);
	k->c->result.blocks_moved = 0;
	if (status == VHDX_OK && moved != 0)
		status = vhdx_pack(k->v, k->w, &k->w->space, NULL, k->c, error);
	return status == VHDX_OK ? settle(k, error) : status;
}

/* Places that blocks left are in use for the map until it is made anew, which needs that all is durable. */
static int put_in_order(struct compact *k, struct vhdx_error *error)
{
	uint64_t moved = k->c->result.blocks_moved;
	struct vhdx_error ignored;
	int status = vhdx_put_in_order(k->v, k->w, NULL, k->c, error);

	if (moved == k->c->result.blocks_moved || (status < 0 && status != VHDX_E_CANCELLED))
		return status;
	if (status == VHDX_E_CANCELLED) {
		if (settle(k, &ignored) == VHDX_OK)
			(void)rescan(k, &k->w->space, &ignored);
		return status;
	}
	status = settle(k, error);
	return status == VHDX_OK ? rescan(k, &k->w->space, error) : status;
}

int vhdx_compact_image(struct image *image, struct compaction *c, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)image;
	struct compact k = { .v = v, .w = (c->flags & VHDX_COMPACT_ESTIMATE) == 0 ? v->writer : NULL, .c = c };
	/* before a bitmap is freed: whoever stops, or fails, leaves none of its pages to be applied over what comes to its place */
	int status = k.w == NULL ? vhdx_scan_space(v, &k.space, false, error) : settle(&k, error);

	if (status == VHDX_OK)
		status = free_blocks(&k, error);
	if (status == VHDX_OK && k.w != NULL)
		status = vhdx_scan_space(v, &k.space, false, error);
	if (status == VHDX_OK)
		status = plan_all(&k, error);
	if (status == VHDX_OK && k.w != NULL)
		status = move_down(&k, error);
	if (status == VHDX_OK && k.w != NULL && (c->flags & VHDX_COMPACT_DEFRAG) != 0)
		status = put_in_order(&k, error);
	space_end(&k.space);
	return status;
}
