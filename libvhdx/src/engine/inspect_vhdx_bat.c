/* SPDX-License-Identifier: MIT */
/* Passes the BAT of a VHDX file and tells what its entries say together. Layer: engine. */
#include <inttypes.h>

#include "base/bytes.h"
#include "engine/inspect_vhdx_bat.h"
#include "engine/usage.h"
#include "format/vhdx_layout.h"

/* The end of a differencing chunk behind the last block, and the BAT region behind the last entry: VHDX-142. */
static void count_unused(struct bat_walk *b, uint64_t index, uint64_t entry)
{
	if (entry != 0 && b->unused++ == 0)
		b->first_unused = index;
}

static int visit_entry(struct bat_walk *b, uint64_t entry)
{
	uint64_t index = b->index++, block = index - index / b->stride;
	bool is_bitmap = index % b->stride == b->stride - 1;

	if (is_bitmap) {
		block = NO_BLOCK;
	} else if (block >= b->w->v.geometry.block_count) {
		if (b->pass == TELL)
			count_unused(b, index, entry);
		return VHDX_OK;
	}
	switch (b->pass) {
	case COLLECT:
	case COLLECT_ALL: return entry != 0 ? inspect_bat_collect(b, index, block, entry) : VHDX_OK;
	case TELL: return inspect_bat_tell(b, index, block, entry);
	case TELL_ANCHORS: return is_bitmap ? VHDX_OK : inspect_bat_tell_anchor(b, index, entry);
	}
	return VHDX_OK;
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct bat_walk *b = context;
	uint64_t count = length / 8;
	int status = VHDX_OK;

	(void)at;
	(void)error;
	for (uint64_t i = 0; status == VHDX_OK && i < count;) {
		uint64_t to_bitmap = b->stride - 1 - b->index % b->stride;

		if (bytes == NULL && to_bitmap != 0) { /* payload entries in a hole are zero */
			uint64_t skipped = min_u64(to_bitmap, count - i);

			b->index += skipped;
			i += skipped;
			continue;
		}
		status = visit_entry(b, bytes == NULL ? 0 : get_le64(bytes + i * 8));
		i++;
	}
	return status;
}

/* Passes the entries that the disk has and the region holds. */
static int pass_over(struct bat_walk *b, enum bat_pass pass)
{
	struct vhdx_image *v = &b->w->v;
	uint64_t room = min_u64(v->bat.length, v->base.view.size - v->bat.file_offset);

	b->pass = pass;
	b->index = 0;
	b->first_partial = NO_BLOCK;
	return usage_scan(&v->base, v->bat.file_offset, min_u64(v->geometry.entry_count * 8, round_down(room, 8)), visit, b,
			  b->w->in->error);
}

static int visit_rest(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct bat_walk *b = context;

	(void)error;
	for (uint64_t i = 0; bytes != NULL && i + 8 <= length; i += 8)
		count_unused(b, b->w->v.geometry.entry_count + (at + i) / 8, get_le64(bytes + i));
	return VHDX_OK;
}

/* The BAT region behind the last entry. */
static int pass_over_rest(struct bat_walk *b)
{
	struct vhdx_image *v = &b->w->v;
	uint64_t start = v->geometry.entry_count * 8, room = min_u64(v->bat.length, v->base.view.size - v->bat.file_offset);

	return start < room ? usage_scan(&v->base, v->bat.file_offset + start, round_down(room - start, 8), visit_rest, b,
					 b->w->in->error)
			    : VHDX_OK;
}

/* A fixed disk keeps its length and the room for blocks that it does not have (VHDX-164). Where an entry is wrong, its block may be in the space that none claims. */
static bool is_fixed(const struct bat_walk *b)
{
	return b->w->v.parameters.leave_block_allocated && !b->w->v.parameters.has_parent;
}

static enum vhdx_mend freeing(const struct bat_walk *b)
{
	return !b->w->in->has_errors && inspect_vhdx_may_mend(b->w) && !is_fixed(b) ? VHDX_MEND_SPACE : VHDX_MEND_NONE;
}

/* What the entries say together. */
static int tell_notes(struct bat_walk *b)
{
	const struct vhdx_image *v = &b->w->v;
	struct inspection *in = b->w->in;
	uint64_t size = v->base.view.size, blocks = v->geometry.block_count;
	int status = VHDX_OK;

	if (b->unused != 0)
		status = inspect_say(in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, RULE_VHDX_142, inspect_bat_place(b, b->first_unused),
				     "%" PRIu64
				     " BAT entries that the disk does not need are not zero, the first is entry %" PRIu64,
				     b->unused, b->first_unused);
	if (status == VHDX_OK && v->parameters.leave_block_allocated && !v->parameters.has_parent && b->present < blocks)
		status = inspect_say(in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, RULE_VHDX_126, v->bat.file_offset,
				     "the disk is fixed, and %" PRIu64 " of its %" PRIu64 " blocks are not allocated",
				     blocks - b->present, blocks);
	if (status == VHDX_OK && b->claims.is_full)
		status = inspect_say(
			in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, RULE_NONE, v->bat.file_offset,
			"the blocks are scattered over more than %d places; only the first ones were searched for overlaps",
			CLAIMS_CHUNK * CLAIMS_CHUNKS);
	if (status == VHDX_OK && b->file_end < size)
		status = inspect_say_mend(in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, freeing(b), RULE_NONE, b->file_end,
					  "%" PRIu64 " bytes follow the last structure of the file", size - b->file_end);
	return status;
}

/* Of the claims, which are all there are, but not settled yet. */
static int find_leaks(struct bat_walk *b)
{
	struct vhdx_image *v = &b->w->v;
	struct inspection *in = b->w->in;
	uint64_t end = v->reserved_end;

	claims_sort(&b->claims);
	if (b->claims.is_full || is_fixed(b))
		return VHDX_OK;
	for (size_t i = 0; i < b->claims.count; i++) {
		struct range range = claims_get(&b->claims, i);

		end = max_u64(end, range.offset + range.length);
	}
	b->leaks.list = in->follow != NULL ? in->follow->leaks : NULL;
	return leaks_find(&b->leaks, &v->base.view, &b->claims, v->reserved, v->reserved_count, VHDX_HEADER_SECTION_SIZE,
			  min_u64(end, v->base.view.size), in->error);
}

static int tell_leaks(struct bat_walk *b)
{
	if (b->leaks.places == 0)
		return VHDX_OK;
	return inspect_say_mend(b->w->in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, freeing(b), RULE_NONE, b->leaks.first,
				"%" PRIu64 " bytes in %" PRIu64 " places of the file belong to nothing", b->leaks.bytes,
				b->leaks.places);
}

static int pass_all(struct bat_walk *b)
{
	int status = pass_over(b, COLLECT);

	if (status == VHDX_OK && !b->keeps_places)
		status = find_leaks(b);
	claims_settle(&b->claims);
	if (status == VHDX_OK)
		status = pass_over(b, TELL);
	if (status == VHDX_OK)
		status = pass_over_rest(b);
	if (status == VHDX_OK)
		status = tell_notes(b);
	if (status == VHDX_OK && b->keeps_places) {
		claims_release(&b->claims);
		status = pass_over(b, COLLECT_ALL);
		if (status == VHDX_OK)
			status = find_leaks(b);
		claims_settle(&b->claims);
		if (status == VHDX_OK)
			status = pass_over(b, TELL_ANCHORS);
	}
	return status == VHDX_OK ? tell_leaks(b) : status;
}

int inspect_vhdx_bat(struct vhdx_walk *w)
{
	const struct vhdx_parameters *p = &w->v.parameters;
	struct inspection *in = w->in;
	struct image *base = &w->v.base;
	struct bat_walk *b;
	int status = VHDX_OK;

	base->block_size = p->block_size;
	base->disk_size = p->virtual_disk_size;
	w->v.geometry = vhdx_geometry(p->virtual_disk_size, p->block_size, p->logical_sector_size, p->has_parent);
	if (w->v.geometry.entry_count * 8 > w->v.bat.length)
		status = inspect_say(in, VHDX_PART_BAT, VHDX_SEVERITY_ERROR, RULE_VHDX_118, w->v.bat.file_offset,
				     "the BAT region of 0x%" PRIx32 " bytes cannot hold %" PRIu64 " entries", w->v.bat.length,
				     w->v.geometry.entry_count);
	if (status < 0 || !inspect_wants(in, VHDX_PART_BAT) || w->v.bat.file_offset >= base->view.size)
		return status;
	b = memory_zeroed(&in->env, sizeof(*b));
	if (b == NULL)
		return fail_memory(in->error);
	b->w = w;
	b->claims.env = &in->env;
	b->stride = (UINT64_C(1) << w->v.geometry.chunk_shift) + 1;
	b->file_end = max_u64(VHDX_HEADER_SECTION_SIZE, w->v.reserved_end);
	status = pass_all(b);
	w->file_end = b->file_end;
	w->leaked = b->leaks.bytes;
	claims_release(&b->claims);
	memory_release(&in->env, b);
	return status;
}
