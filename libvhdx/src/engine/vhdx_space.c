/* SPDX-License-Identifier: MIT */
/*
 * The space map of a VHDX file: filled from the BAT before the first change, asked for room later. Layer: engine. specs/vhdx.md section 4.11.
 *
 * Blocks in the states 1 and 3 may keep a place (a soft anchor). We never read it, but others may, so it is left in peace where nothing else stands.
 */
#include "base/bytes.h"
#include "base/error.h"
#include "engine/usage.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

#include <inttypes.h>

struct load {
	struct vhdx_image *v;
	struct space *space;
	bool anchors; /* second pass */
	bool anchors_seen;
	uint64_t chunk; /* number + 1 of the last one that was found to have the sector bitmap block it needs */
};

/* VHDX-136: else the first write to the chunk would give it one, and what the bits of this block were would read as the parent's. */
static int check_bitmap(struct load *l, uint64_t block, struct vhdx_error *error)
{
	struct vhdx_image *v = l->v;
	uint64_t chunk = (block >> v->geometry.chunk_shift) + 1, bat_index = vhdx_bitmap_bat_index(&v->geometry, block), entry;
	int status = VHDX_OK;

	if (chunk == l->chunk)
		return VHDX_OK;
	status = vhdx_load_entry(v, bat_index, &entry, error);
	if (status == VHDX_OK)
		status = vhdx_check_bitmap_entry(v, bat_index, entry, error);
	l->chunk = chunk;
	return status;
}

static int take(struct load *l, uint64_t bat_index, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_image *v = l->v;
	int status = space_reach(l->space, file_offset + length, error);

	if (status < 0)
		return status;
	if (space_take(l->space, file_offset, length))
		return VHDX_OK;
	return broken(error, RULE_VHDX_122, v->bat.file_offset + bat_index * 8, "the block at 0x%" PRIx64 " overlaps another one",
		      file_offset);
}

static int load_payload(struct load *l, uint64_t bat_index, uint64_t entry, struct vhdx_error *error)
{
	struct vhdx_image *v = l->v;
	uint64_t block = vhdx_bat_block(&v->geometry, bat_index), offset = vhdx_bat_file_offset(entry);
	unsigned state = vhdx_bat_state(entry);
	int status;

	if (block >= v->geometry.block_count || entry == 0)
		return VHDX_OK;
	if (state == BLOCK_UNDEFINED || state == BLOCK_UNMAPPED) {
		l->anchors_seen |= offset != 0;
		if (l->anchors && offset != 0)
			(void)space_take(l->space, offset, v->base.block_size);
		return VHDX_OK;
	}
	if (l->anchors)
		return VHDX_OK;
	status = vhdx_check_payload_entry(v, block, entry, error);
	if (status < 0 || (state != BLOCK_FULLY_PRESENT && state != BLOCK_PARTIALLY_PRESENT))
		return status;
	status = state == BLOCK_PARTIALLY_PRESENT ? check_bitmap(l, block, error) : VHDX_OK;
	return status < 0 ? status : take(l, bat_index, offset, v->base.block_size, error);
}

static int load_bitmap(struct load *l, uint64_t bat_index, uint64_t entry, struct vhdx_error *error)
{
	struct vhdx_image *v = l->v;
	int status;

	if (l->anchors || !v->parameters.has_parent || vhdx_bat_state(entry) == BITMAP_NOT_PRESENT)
		return VHDX_OK;
	status = vhdx_check_bitmap_entry(v, bat_index, entry, error);
	return status < 0 ? status : take(l, bat_index, vhdx_bat_file_offset(entry), VHDX_BITMAP_BLOCK_SIZE, error);
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct load *l = context;
	int status = VHDX_OK;

	for (uint64_t i = 0; bytes != NULL && status == VHDX_OK && i < length; i += 8) {
		uint64_t bat_index = (at + i) / 8, entry = get_le64(bytes + i);

		status = vhdx_is_bitmap_index(&l->v->geometry, bat_index) ? load_bitmap(l, bat_index, entry, error)
									  : load_payload(l, bat_index, entry, error);
	}
	return status;
}

int vhdx_scan_space(struct vhdx_image *v, struct space *space, bool anchors, struct vhdx_error *error)
{
	struct load l = { .v = v, .space = space };
	int status = space_start(space, v->base.env, v->base.view.size, error);

	if (status < 0)
		return status;
	(void)space_take(space, 0, VHDX_HEADER_SECTION_SIZE);
	for (size_t i = 0; i < v->reserved_count; i++) /* disjoint, and inside the file, since open */
		(void)space_take(space, v->reserved[i].offset, v->reserved[i].length);
	do {
		l.anchors = l.anchors_seen;
		status = usage_scan(&v->base, v->bat.file_offset, v->geometry.entry_count * 8, visit, &l, error);
	} while (status == VHDX_OK && anchors && l.anchors_seen && !l.anchors);
	return status;
}

int vhdx_load_space(struct vhdx_writer *w, struct vhdx_error *error)
{
	space_end(&w->space);
	return vhdx_scan_space(w->v, &w->space, true, error);
}

/* In steps, because each change of the size costs the filesystem a journal entry at the next flush. The rest is trimmed at close. */
static int grow(struct vhdx_image *v, uint64_t end, struct vhdx_error *error)
{
	uint64_t size = v->base.view.size,
		 step = max_u64(2 * (uint64_t)v->base.block_size, min_u64(round_down(size / 4, MIB), GIB));
	int status;

	if (end <= size)
		return VHDX_OK;
	step = max_u64(end, size + step);
	status = file_set_size(&v->base.view.file, step, error);
	if (status == VHDX_E_NO_SPACE && step > end) {
		step = end;
		status = file_set_size(&v->base.view.file, step, error);
	}
	if (status < 0)
		return status == VHDX_E_UNSUPPORTED ? fail(error, VHDX_E_NO_SPACE, "the file is full and cannot grow")
						    : writing_failed(&v->base, error);
	v->base.view.size = step;
	return VHDX_OK;
}

int vhdx_allocate(struct vhdx_writer *w, uint64_t length, uint64_t *file_offset, bool *is_zero, struct vhdx_error *error)
{
	int status;

	mutex_lock(&w->v->base.cache->fill);
	status = space_allocate(&w->space, length, file_offset, is_zero, error);
	if (status == VHDX_OK) {
		status = grow(w->v, *file_offset + length, error);
		if (status < 0)
			space_retract(&w->space, *file_offset, length, *is_zero);
	}
	mutex_unlock(&w->v->base.cache->fill);
	return status;
}

/* Free space inside the file is sparse or stale, and filled first. */
int vhdx_reserve(struct image *image, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_writer *w = ((struct vhdx_image *)image)->writer;
	int status = vhdx_session_begin(w, error);
	uint64_t end;

	if (status < 0)
		return status;
	mutex_lock(&image->cache->fill);
	end = w->space.end * MIB;
	mutex_unlock(&image->cache->fill);
	return file_reserve(&image->view.file, end, length, error);
}

void vhdx_cancel(struct vhdx_writer *w, uint64_t file_offset, uint64_t length)
{
	mutex_lock(&w->v->base.cache->fill);
	space_cancel(&w->space, file_offset, length);
	mutex_unlock(&w->v->base.cache->fill);
}
