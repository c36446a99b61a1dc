/* SPDX-License-Identifier: MIT */
/*
 * Compacting a VHD file. Layer: engine. The disk belongs to the caller alone.
 *
 * BAT entries of blocks that are not needed become free, durably; then the last blocks are copied into the gaps, and a commit (vhd_commit.c) makes each copy durable before the
 * BAT names it. At last the footer is written behind what is left and the file ends there; the copy in front stands for it meanwhile (VHD-097). A crash leaves some of these
 * steps done; every state reads the same.
 *
 * Header, BAT and locators stay where they are, and nothing is moved to a place before the first of them.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/order.h"
#include "engine/vhd_writer.h"
#include "format/fields.h"

enum { ALIGN = 4096, MOST_BLOCKS = 1 << 22 };
#define BATCH (64 * MIB)
#define NO_BLOCK UINT32_MAX

/* A block, or a structure that stays: 16 bytes, of which a file decides how many there are. */
struct item {
	uint64_t file_offset;
	uint32_t sectors;
	uint32_t block;
};

static uint64_t item_length(const struct item *item)
{
	return (uint64_t)item->sectors * VHD_SECTOR;
}

static uint64_t item_end(const struct item *item)
{
	return item->file_offset + item_length(item);
}

struct compact {
	struct vhd_image *v;
	struct vhd_writer *w; /* NULL: an estimate */
	struct compaction *c;
	struct item *items;
	size_t count;
	uint64_t freed;
	uint64_t pending; /* bytes copied since the last commit */
	uint64_t low;     /* of the blocks that have moved: where the lowest one stood, and what is above is the host's again */
	uint64_t top;
	uint64_t moved;
};

static uint64_t block_length(const struct vhd_image *v)
{
	return (uint64_t)v->bitmap_size + v->base.block_size;
}

static int add_item(struct compact *k, uint64_t file_offset, uint64_t length, uint32_t block, struct vhdx_error *error)
{
	if (k->count == MOST_BLOCKS)
		return fail(error, VHDX_E_UNSUPPORTED, "more than %d blocks", MOST_BLOCKS);
	if (!memory_grow(k->v->base.env, (void **)&k->items, k->count, sizeof(*k->items)))
		return fail_memory(error);
	k->items[k->count++] = (struct item){ file_offset, (uint32_t)(length / VHD_SECTOR), block };
	return VHDX_OK;
}

static int add_structures(struct compact *k, struct vhdx_error *error)
{
	const struct vhd_image *v = k->v;
	uint64_t table = v->dynamic.table_offset;
	int status = add_item(k, 0, VHD_SECTOR, NO_BLOCK, error);

	if (status == VHDX_OK)
		status = add_item(k, v->footer.data_offset, vhd_dynamic_header_size, NO_BLOCK, error);
	if (status == VHDX_OK)
		status = add_item(k, table, round_up((uint64_t)v->dynamic.max_table_entries * 4, VHD_SECTOR), NO_BLOCK, error);
	for (unsigned i = 0; status == VHDX_OK && i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &v->dynamic.locators[i];

		if (l->platform_code != 0 && l->data_length != 0 && range_fits(l->data_offset, l->data_length, v->base.view.size))
			status = add_item(k, l->data_offset, round_up(vhd_locator_room(l), VHD_SECTOR), NO_BLOCK, error);
	}
	return status;
}

static int set_entry(struct vhd_writer *w, uint64_t block, uint32_t entry, struct vhdx_error *error)
{
	uint64_t place = w->v->dynamic.table_offset + block * 4;
	struct page *page;
	uint8_t bytes[4];
	int status = vhd_lock_change(w, error);

	if (status < 0)
		return status;
	put_be32(bytes, entry);
	status = pages_get(&w->pages, place, &page, error);
	if (status == VHDX_OK)
		pages_set(&w->pages, page, place, bytes, sizeof(bytes));
	vhd_unlock_change(w);
	return status;
}

static int judge_block(struct compact *k, uint64_t block, struct vhdx_error *error)
{
	struct vhd_image *v = k->v;
	uint64_t start = block << v->block_shift, length = min_u64(v->base.block_size, v->base.disk_size - start);
	struct vhdx_compact_result *result = &k->c->result;
	enum verdict verdict;
	uint32_t entry;
	int status = vhd_load_entry(v, block, &entry, error);

	if (status < 0 || entry == VHD_UNALLOCATED)
		return status;
	status = k->c->progress(k->c, start, v->base.disk_size, error);
	if (status == VHDX_OK)
		status = k->c->judge(k->c, start, length, v->base.type == VHDX_TYPE_DYNAMIC, &verdict, error);
	if (status < 0)
		return status;
	if (verdict == VERDICT_KEEP)
		return add_item(k, (uint64_t)entry * VHD_SECTOR, block_length(v), (uint32_t)block, error);
	result->blocks_unused += verdict == VERDICT_UNUSED;
	result->blocks_zero += verdict == VERDICT_ZERO;
	result->blocks_equal += verdict == VERDICT_EQUAL;
	k->freed++;
	return k->w == NULL ? VHDX_OK : set_entry(k->w, block, VHD_UNALLOCATED, error);
}

static int first_first(const void *a, const void *b)
{
	uint64_t x = ((const struct item *)a)->file_offset, y = ((const struct item *)b)->file_offset;

	return x < y ? -1 : x > y;
}

/* No block shares bytes with another one, nor with a structure: it could not be moved without harm. In the order of the file. */
static int check_places(const struct compact *k, struct vhdx_error *error)
{
	const struct item *last = NULL; /* the one that ends last so far */

	for (size_t i = 0; i < k->count; i++) {
		const struct item *item = &k->items[i];

		if (last != NULL && item->file_offset < item_end(last) && (item->block != NO_BLOCK || last->block != NO_BLOCK))
			return broken(error, RULE_VHD_070, item->file_offset, "a block shares bytes with %s from here on",
				      item->block != NO_BLOCK && last->block != NO_BLOCK ? "another one" : "a structure");
		if (last == NULL || item_end(item) > item_end(last))
			last = item;
	}
	return VHDX_OK;
}

/* Frees, and lists what stays in the order of the file. */
static int free_blocks(struct compact *k, struct vhdx_error *error)
{
	int status = add_structures(k, error);

	for (uint64_t block = 0; status == VHDX_OK && block < k->v->block_count; block++) {
		status = judge_block(k, block, error);
	}
	if (status < 0)
		return status;
	qsort(k->items, k->count, sizeof(*k->items), first_first);
	status = check_places(k, error);
	if (status < 0)
		return status;
	return k->w == NULL || k->freed == 0 ? VHDX_OK : vhd_commit(&k->v->base, error);
}

/* Nobody reads where things stood, nor stale copies of where they stand now. */
static void forget(struct vhd_writer *w, uint64_t file_offset)
{
	struct image *base = &w->v->base;

	mutex_lock(&base->cache->fill);
	pages_sweep(&w->pages);
	cache_forget(base->cache, base->level, file_offset, block_length(w->v));
	mutex_unlock(&base->cache->fill);
}

/* Whether the bitmap of a block at `file_offset` shares a page with the BAT: a dirty copy of that page must not outlive the bitmap that comes there. */
static bool is_beside_bat(const struct vhd_image *v, uint64_t file_offset)
{
	uint64_t first = round_down(v->dynamic.table_offset, CACHE_PAGE),
		 last = round_up(v->dynamic.table_offset + (uint64_t)v->dynamic.max_table_entries * 4, CACHE_PAGE);

	return ranges_overlap(file_offset, v->bitmap_size, first, last - first);
}

int vhd_move_block(struct vhd_writer *w, uint64_t block, uint64_t from, uint64_t to, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	int status = is_beside_bat(w->v, to) ? vhd_commit(base, error) : VHDX_OK;

	if (status == VHDX_OK)
		status = writing_move(base, from, to, block_length(w->v), error);
	forget(w, to);
	if (status == VHDX_OK)
		status = set_entry(w, block, (uint32_t)(to / VHD_SECTOR), error);
	forget(w, from);
	return status;
}

/* The host gets the space where blocks stood before it has to give more. */
static int commit(struct compact *k, struct vhdx_error *error)
{
	int status = vhd_commit(&k->v->base, error);

	k->pending = 0;
	if (status == VHDX_OK && k->low < k->top) {
		(void)file_punch(&k->v->base.view.file, k->low, k->top - k->low, &(struct vhdx_error){ .status = 0 });
		k->top = k->low;
	}
	return status;
}

static int move(struct compact *k, struct item *item, uint64_t to, struct vhdx_error *error)
{
	struct image *base = &k->v->base;
	int status = vhd_move_block(k->w, item->block, item->file_offset, to, error);

	if (status == VHDX_E_NO_SPACE && k->pending != 0) { /* what moved has room to give */
		status = commit(k, error);
		if (status == VHDX_OK)
			status = vhd_move_block(k->w, item->block, item->file_offset, to, error);
	}
	if (status < 0)
		return status;
	k->low = item->file_offset;
	k->pending += item_length(item);
	k->moved += item_length(item);
	if (k->pending >= BATCH)
		status = commit(k, error);
	return status == VHDX_OK
		       ? k->c->progress(k->c, base->disk_size + k->moved, base->disk_size + k->c->result.bytes_before, error)
		       : status;
}

/* Where in the gap a block goes: with its data at a multiple of 4 KiB if it fits (VHD-072). */
static bool fits(const struct vhd_image *v, uint64_t start, uint64_t end, uint64_t *to)
{
	*to = round_up(start + v->bitmap_size, ALIGN) - v->bitmap_size;
	if (end >= block_length(v) && *to <= end - block_length(v))
		return true;
	*to = round_up(start, VHD_SECTOR); /* a locator may end anywhere, and an entry counts sectors */
	return end >= block_length(v) && *to <= end - block_length(v);
}

struct gap {
	size_t after; /* it is the one behind this item */
	uint64_t start;
};

static bool next_room(const struct compact *k, struct gap *g, size_t last, uint64_t *to)
{
	for (; g->after < last; g->after++) {
		uint64_t end = item_end(&k->items[g->after]);

		g->start = max_u64(g->start, end);
		if (fits(k->v, g->start, k->items[g->after + 1].file_offset, to))
			return true;
	}
	return false;
}

/* Of the items up to `last`: a locator may reach into what stands behind it. */
static uint64_t end_of(const struct compact *k, size_t last)
{
	uint64_t end = 0;

	for (size_t i = 0; i <= last; i++)
		end = max_u64(end, item_end(&k->items[i]));
	return end;
}

/* The last block first, into the first gap: when there is none for it, or the last thing is a structure, the file cannot become shorter. */
static int move_blocks(struct compact *k, uint64_t *end, struct vhdx_error *error)
{
	struct gap gap = { 0, 0 };
	size_t last = k->count - 1;
	int status = VHDX_OK;
	uint64_t to;

	while (status == VHDX_OK && k->items[last].block != NO_BLOCK && next_room(k, &gap, last, &to)) {
		if (k->w != NULL)
			status = move(k, &k->items[last], to, error);
		k->c->result.blocks_moved += status == VHDX_OK;
		gap.start = to + item_length(&k->items[last]);
		k->items[last--].file_offset = to;
	}
	*end = max_u64(gap.start, end_of(k, last));
	return status;
}

static void give_back_gaps(const struct compact *k)
{
	uint64_t end = 0;

	for (size_t i = 0; i + 1 < k->count; i++) {
		uint64_t next = k->items[i + 1].file_offset;

		end = max_u64(end, item_end(&k->items[i]));
		if (next > end && next - end >= k->v->base.block_size)
			(void)file_punch(&k->v->base.view.file, end, next - end, &(struct vhdx_error){ .status = 0 });
	}
}

static int end_file(struct compact *k, uint64_t end, struct vhdx_error *error)
{
	struct image *base = &k->v->base;
	int status = vhd_check_front_copy(k->w, error);

	if (status < 0)
		return status;
	mutex_lock(&base->cache->fill);
	k->w->stale_end = max_u64(k->w->stale_end, base->view.size);
	vhd_set_end(k->w, end);
	mutex_unlock(&base->cache->fill);
	atomic_fetch_add(&base->writing->change, 1);
	return vhd_commit(base, error);
}

static int by_block(const void *a, const void *b)
{
	uint64_t x = ((const struct item *)a)->block, y = ((const struct item *)b)->block;

	return x < y ? -1 : x > y;
}

static int order_move(void *context, uint32_t number, uint32_t from, uint32_t to, struct vhdx_error *error)
{
	struct compact *k = context;

	return vhd_move_block(k->w, number, (uint64_t)from * VHD_SECTOR, (uint64_t)to * VHD_SECTOR, error);
}

/* Behind everything, over the footer: its copy in front stands for it until the next commit. */
static int order_spare(void *context, uint32_t *unit, struct vhdx_error *error)
{
	struct compact *k = context;
	struct image *base = &k->v->base;
	uint64_t place = round_up(k->w->end + k->v->bitmap_size, ALIGN) - k->v->bitmap_size;
	int status = vhd_check_front_copy(k->w, error);

	if (status < 0)
		return status;
	if (place / VHD_SECTOR >= VHD_UNALLOCATED)
		return fail(error, VHDX_E_NO_SPACE, "the file would exceed 2 TiB, which a VHD cannot address");
	mutex_lock(&base->cache->fill);
	vhd_set_end(k->w, place + block_length(k->v));
	mutex_unlock(&base->cache->fill);
	atomic_fetch_add(&base->writing->change, 1);
	*unit = (uint32_t)(place / VHD_SECTOR);
	return vhd_lengthen(k->w, error);
}

static int order_commit(void *context, struct vhdx_error *error)
{
	return vhd_commit(&((struct compact *)context)->v->base, error);
}

static int order_progress(void *context, uint64_t done, uint64_t total, struct vhdx_error *error)
{
	struct compact *k = context;
	uint64_t before = k->v->base.disk_size + k->c->result.bytes_before;

	return k->c->progress(k->c, before + done, before + total, error);
}

static int list_in_order(struct compact *k, struct order *order, struct vhdx_error *error)
{
	int status = VHDX_OK;

	qsort(k->items, k->count, sizeof(*k->items), by_block);
	for (size_t i = 0; status == VHDX_OK && i < k->count && k->items[i].block != NO_BLOCK; i++)
		status = order_add(order, k->items[i].block, (uint32_t)(k->items[i].file_offset / VHD_SECTOR), error);
	return status == VHDX_OK ? order_start(order, error) : status;
}

/* order.h. The file ends again where it ended. */
static int put_in_order(struct compact *k, struct vhdx_error *error)
{
	uint64_t end = k->w != NULL ? k->w->end : 0;
	struct order order = { .env = k->v->base.env,
			       .length = block_length(k->v),
			       .stride = (uint32_t)(block_length(k->v) / VHD_SECTOR),
			       .slack = vhd_slack(k->v) / VHD_SECTOR,
			       .context = k };
	int status;

	if (k->w != NULL) {
		order.move = order_move;
		order.spare = order_spare;
		order.commit = order_commit;
		order.progress = order_progress;
	}
	status = list_in_order(k, &order, error);
	if (status == VHDX_OK)
		status = order_run(&order, error);
	k->c->result.blocks_moved += order.moves;
	if (status == VHDX_OK)
		k->c->result.runs_after = order_runs(&order);
	order_end(&order);
	return status == VHDX_OK && k->w != NULL && k->w->end != end ? end_file(k, end, error) : status;
}

static int compact(struct compact *k, struct vhdx_error *error)
{
	bool keep_places = (k->c->flags & VHDX_COMPACT_KEEP_PLACES) != 0;
	uint64_t end;
	int status = free_blocks(k, error);

	if (status < 0)
		return status;
	end = end_of(k, k->count - 1);
	k->low = k->top = end;
	if (!keep_places)
		status = move_blocks(k, &end, error);
	else if (k->w != NULL && k->freed != 0)
		give_back_gaps(k);
	if (status == VHDX_OK && k->w != NULL)
		status = commit(k, error);
	if (status < 0)
		return status;
	end = round_up(end, VHD_SECTOR);
	if (round_up(end + VHD_SECTOR, ALIGN) < k->c->result.bytes_before) {
		k->c->result.bytes_after = round_up(end + VHD_SECTOR, ALIGN);
		status = k->w == NULL ? VHDX_OK : end_file(k, end, error);
	}
	return status == VHDX_OK && (k->c->flags & VHDX_COMPACT_DEFRAG) != 0 ? put_in_order(k, error) : status;
}

int vhd_compact_image(struct image *image, struct compaction *c, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)image;
	struct compact k = { .v = v, .w = (c->flags & VHDX_COMPACT_ESTIMATE) == 0 ? v->writer : NULL, .c = c };
	int status = vhd_refuse_batmap(v, error);

	if (status == VHDX_OK && k.w != NULL)
		status = vhd_commit(image, error);
	if (status == VHDX_OK && k.w != NULL) {
		mutex_lock(&image->cache->fill);
		pages_sweep(&k.w->pages);
		mutex_unlock(&image->cache->fill);
		status = vhd_check_blocks(k.w, error);
	}
	if (status == VHDX_OK)
		status = compact(&k, error);
	memory_release(image->env, k.items);
	return status;
}
