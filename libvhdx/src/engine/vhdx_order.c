/* SPDX-License-Identifier: MIT */
/*
 * Puts the payload blocks of a VHDX file into the order of the disk: order.h. Layer: engine. After vhdx_pack.c, so that the places are the lowest there are.
 *
 * A copy is durable before the log entry that names it (W5), and a place is used again when the entry of the block that left it is durable (W6). For the space
 * map all these places stay in use meanwhile; it is made anew in the end. Sector bitmap blocks stay where they are.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/order.h"
#include "engine/usage.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

struct work {
	struct vhdx_image *v;
	struct vhdx_writer *w;
	struct compaction *c;
	const struct packing *packing; /* of an estimate */
	struct order order;
};

static int from_high(const void *key, const void *element)
{
	uint32_t unit = *(const uint32_t *)key, from = ((const struct packed *)element)->from;

	return unit > from ? -1 : unit < from;
}

/* Where a block would stand by then; false for one that would be free. */
static bool place_by_then(const struct work *k, uint32_t *unit)
{
	const struct packing *p = k->packing;
	const struct packed *found;

	if (p == NULL)
		return true;
	if (!space_is_used(&p->before, *unit * MIB))
		return false;
	found = p->count == 0 ? NULL : bsearch(unit, p->list, p->count, sizeof(*p->list), from_high);
	*unit = found != NULL ? found->to : *unit;
	return true;
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct work *k = context;
	const struct vhdx_geometry *g = &k->v->geometry;
	int status = VHDX_OK;

	for (uint64_t i = 0; bytes != NULL && status == VHDX_OK && i < length; i += 8) {
		uint64_t bat_index = (at + i) / 8, entry = get_le64(bytes + i), block = vhdx_bat_block(g, bat_index);
		unsigned state = vhdx_bat_state(entry);
		uint32_t unit = (uint32_t)(vhdx_bat_file_offset(entry) / MIB);

		if (vhdx_is_bitmap_index(g, bat_index) || block >= g->block_count ||
		    (state != BLOCK_FULLY_PRESENT && state != BLOCK_PARTIALLY_PRESENT))
			continue;
		if (place_by_then(k, &unit))
			status = order_add(&k->order, (uint32_t)block, unit, error);
	}
	return status;
}

static int name_place(struct work *k, uint64_t bat_index, uint64_t place, struct vhdx_error *error)
{
	struct vhdx_writer *w = k->w;
	uint64_t entry;
	int status = vhdx_load_entry(k->v, bat_index, &entry, error);

	if (status == VHDX_OK)
		status = vhdx_lock_change(w, 2, error);
	if (status < 0)
		return status;
	status = vhdx_set_entry(w, bat_index, place | (entry & (MIB - 1)), error);
	w->data_before_entry = true;
	vhdx_unlock_change(w);
	return status;
}

static int move(void *context, uint32_t number, uint32_t from, uint32_t to, struct vhdx_error *error)
{
	struct work *k = context;
	int status = writing_move(&k->v->base, from * MIB, to * MIB, k->v->base.block_size, error);

	return status == VHDX_OK ? name_place(k, vhdx_bat_index(&k->v->geometry, number), to * MIB, error) : status;
}

static int spare(void *context, uint32_t *unit, struct vhdx_error *error)
{
	struct work *k = context;
	uint64_t place;
	bool is_zero;
	int status = vhdx_allocate(k->w, k->v->base.block_size, &place, &is_zero, error);

	if (status == VHDX_OK)
		*unit = (uint32_t)(place / MIB);
	return status;
}

static int commit(void *context, struct vhdx_error *error)
{
	return vhdx_commit(&((struct work *)context)->v->base, error);
}

/* After freeing and packing. */
static int progress(void *context, uint64_t done, uint64_t total, struct vhdx_error *error)
{
	struct work *k = context;
	uint64_t before = k->v->base.disk_size + k->c->result.bytes_before - k->c->result.bytes_after;

	return k->c->progress(k->c, before + done, before + total, error);
}

int vhdx_put_in_order(struct vhdx_image *v, struct vhdx_writer *w, const struct packing *packing, struct compaction *c,
		      struct vhdx_error *error)
{
	struct work k = { .v = v, .w = w, .c = c, .packing = packing };
	int status;

	k.order = (struct order){
		.env = v->base.env, .length = v->base.block_size, .stride = (uint32_t)(v->base.block_size / MIB), .context = &k
	};
	if (w != NULL) {
		k.order.move = move;
		k.order.spare = spare;
		k.order.commit = commit;
		k.order.progress = progress;
	}
	status = usage_scan(&v->base, v->bat.file_offset, v->geometry.entry_count * 8, visit, &k, error);
	if (status == VHDX_OK)
		status = order_start(&k.order, error);
	if (status == VHDX_OK && w != NULL && k.order.wrong != 0)
		status = vhdx_session_begin_unchanged(w, error);
	if (status == VHDX_OK)
		status = order_run(&k.order, error);
	c->result.blocks_moved += k.order.moves;
	if (status == VHDX_OK)
		c->result.runs_after = order_runs(&k.order);
	order_end(&k.order);
	return status;
}
