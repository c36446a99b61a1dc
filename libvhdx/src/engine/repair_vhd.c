/* SPDX-License-Identifier: MIT */
/*
 * Repair of a VHD file: repair.h. Layer: engine. A footer is written from its copy: the one in front at its place, the one at the end behind the last block. When an
 * entry of the BAT is wrong its block may stand anywhere, so the footer then goes behind all that the file has, and nothing is freed.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/barrier.h"
#include "engine/inspect_vhd.h"
#include "engine/repair.h"
#include "engine/usage.h"
#include "io/file.h"

enum { END, FRONT, ALIGN = 4096, SPARE = 65536 };

struct plan {
	struct repair *r;
	struct vhd_walk *w;
	const uint8_t *good; /* footer */
	bool front, end, leaks;
	uint64_t place;    /* of the footer at the end, when it is written */
	uint64_t old_size; /* of the file */
	uint64_t size;     /* that the file shall have */
};

static bool is_wrong_in_front(const struct vhd_walk *w)
{
	/* where both are valid and the file has errors, that in front may be the right one */
	return w->is_at_end && !(w->are_valid[FRONT] && w->in->has_errors) &&
	       (!w->are_valid[FRONT] || memcmp(w->footers[FRONT], w->footers[END], vhd_footer_size - w->is_short) != 0);
}

/* The footer at the end is written where there is none, and where it stands too far behind the last block. */
static void place_footer(struct plan *p)
{
	struct vhd_walk *w = p->w;
	bool is_free = w->knows_end && !w->in->has_errors && !w->has_foreign && !repair_wants(p->r, VHDX_REPAIR_KEEP_SPACE);
	uint64_t end = w->file_end, best = round_up(end + vhd_footer_size, ALIGN) - vhd_footer_size;
	uint64_t there = p->old_size - vhd_footer_size; /* where one that is lost has stood, if nothing was added or cut off */

	p->size = p->old_size;
	p->end = !w->is_at_end;
	if (is_free && end < w->limit && w->limit - end >= SPARE && best < there) {
		p->end = true;
		p->place = best;
		p->size = best + vhd_footer_size;
	} else if (p->end) {
		bool fits = is_free && there >= end && there % VHD_SECTOR == 0;

		p->place = fits ? there : round_up(max_u64(p->old_size, is_free ? end : 0), VHD_SECTOR);
		p->size = max_u64(p->old_size, p->place + vhd_footer_size);
	}
	p->leaks = is_free && w->leaked != 0;
}

static int tell(const struct plan *p)
{
	const struct vhd_walk *w = p->w;
	int status = VHDX_OK;

	if (p->front)
		status = repair_step(p->r, VHDX_MEND_FOOTER, RULE_VHD_005, 0, vhd_footer_size,
				     "write the footer copy in front from the footer at the end");
	if (status == VHDX_OK && !w->is_at_end)
		status = repair_step(p->r, VHDX_MEND_FOOTER, RULE_VHD_027, p->place, vhd_footer_size,
				     "write the footer at the end from its copy in front");
	if (status == VHDX_OK && p->size < p->old_size)
		status = repair_step(p->r, VHDX_MEND_SPACE, RULE_VHD_073, p->place, p->old_size - p->place,
				     "end the file behind its last block: %" PRIu64 " bytes less", p->old_size - p->size);
	return status == VHDX_OK && p->leaks ? repair_tell_leaks(p->r) : status;
}

static int save(const struct plan *p)
{
	struct undo *u = &p->r->undo;
	struct vhdx_error *error = p->r->error;
	int status = p->front ? undo_save(u, 0, vhd_footer_size, error) : VHDX_OK;

	if (status == VHDX_OK && p->end)
		status = undo_save(u, p->place, max_u64(vhd_footer_size, p->old_size - min_u64(p->place, p->old_size)), error);
	if (status == VHDX_OK && p->leaks)
		status = repair_save_leaks(p->r);
	return status == VHDX_OK ? undo_seal(u, error) : status;
}

static int put_footer(const struct plan *p, uint64_t place)
{
	int status = file_write(p->r->file, p->good, vhd_footer_size, place, p->r->error);

	return status == VHDX_OK ? barrier_flush(p->r->file, BARRIER_VHD_END_BEFORE_FRONT, p->r->error) : status;
}

static int apply(const struct plan *p)
{
	struct vhdx_error *error = p->r->error;
	int status = barrier_flush(p->r->file, BARRIER_VHD_FRONT_COPY, error); /* what counts may be on its way still */

	if (status == VHDX_OK && p->front)
		status = put_footer(p, 0);
	if (status == VHDX_OK && p->end)
		status = put_footer(p, p->place);
	return status == VHDX_OK ? repair_give_back(p->r, p->size < p->old_size ? p->size : 0, p->leaks) : status;
}

/* Whether a block ends in the bytes that the file gets to make its last sector whole. */
static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	const struct plan *p = context;
	uint64_t stride = (uint64_t)vhd_bitmap_size(p->w->dynamic.block_size) + p->w->dynamic.block_size;

	for (uint64_t i = 0; bytes != NULL && i < length; i += vhd_bat_entry_size) {
		uint32_t entry = get_be32(bytes + i);
		uint64_t end = (uint64_t)entry * VHD_SECTOR + stride;

		if (entry != VHD_UNALLOCATED && end > p->old_size && end <= p->place)
			return unsupported(error, RULE_VHD_070, p->w->dynamic.table_offset + at + i,
					   "the file ends inside the last sector of a block; a footer behind it would show zeros "
					   "for what is lost");
	}
	return VHDX_OK;
}

/* With a footer behind it, a block of which less than a sector is lost would be whole. */
static int check_last_sector(struct plan *p)
{
	struct vhd_walk *w = p->w;

	if (!p->end || p->place <= p->old_size || !w->has_bat)
		return VHDX_OK;
	return usage_scan(&w->base, w->dynamic.table_offset, w->block_count * vhd_bat_entry_size, visit, p, p->r->error);
}

/* The text of a parent locator may stand where the copy in front is lost. */
static int check_front(const struct plan *p)
{
	for (unsigned i = 0; p->front && i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &p->w->dynamic.locators[i];

		if (l->platform_code != 0 && l->data_length != 0 && l->data_offset < vhd_footer_size)
			return unsupported(p->r->error, RULE_VHD_056, l->data_offset,
					   "a parent locator stands where the copy of the footer comes");
	}
	return VHDX_OK;
}

int repair_vhd(struct inspect_follow *follow, struct vhd_walk *w)
{
	struct plan p = { .r = (struct repair *)follow, .w = w };
	bool go = false;
	int status;

	if (w->in->is_foreign)
		return fail(p.r->error, VHDX_E_UNSUPPORTED, "the file has something in it that this version does not know");
	if (!w->has_footer || w->footer.disk_type == VHD_DISK_FIXED)
		return VHDX_OK;
	p.good = w->footers[w->is_at_end ? END : FRONT];
	p.front = is_wrong_in_front(w);
	p.old_size = w->in->size;
	place_footer(&p);
	status = check_front(&p);
	if (status == VHDX_OK)
		status = check_last_sector(&p);
	if (status == VHDX_OK)
		status = tell(&p);
	if (status == VHDX_OK)
		status = repair_begin(p.r, &go);
	if (status == VHDX_OK && go)
		status = save(&p);
	if (status == VHDX_OK && go)
		status = apply(&p);
	return status == VHDX_OK && go ? undo_finish(&p.r->undo, p.r->error) : status;
}
