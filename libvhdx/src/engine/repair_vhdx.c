/* SPDX-License-Identifier: MIT */
/* Repair of a VHDX file: repair.h. Layer: engine. */
#include <inttypes.h>

#include "engine/barrier.h"
#include "engine/inspect_vhdx.h"
#include "engine/repair.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

#define MOST_NUMBERS 16 /* header sequence numbers that a repair takes */

struct plan {
	struct repair *r;
	struct vhdx_walk *w;
	bool replay, discard, header, table, leaks;
	uint64_t cut; /* where the file shall end; 0: where it does */
};

static bool keeps_space(const struct plan *p)
{
	const struct vhdx_parameters *parameters = &p->w->v.parameters;

	return repair_wants(p->r, VHDX_REPAIR_KEEP_SPACE) || p->w->in->has_errors ||
	       (parameters->leave_block_allocated && !parameters->has_parent);
}

static void make_plan(struct plan *p)
{
	struct vhdx_walk *w = p->w;
	bool sound = w->has_sequence && w->replay.status == VHDX_OK;

	p->replay = w->is_pending && sound;
	p->discard = w->is_pending && !sound && repair_wants(p->r, VHDX_REPAIR_DISCARD_LOG);
	p->header = w->has_bad_header;
	p->table = w->has_bad_table;
	p->leaks = !keeps_space(p) && w->leaked != 0;
	p->cut = !keeps_space(p) && w->file_end != 0 && w->file_end < w->v.base.view.size ? w->file_end : 0;
}

static uint64_t logged(const struct view *view)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < view->piece_count; i++)
		bytes += view->pieces[i].length;
	return bytes;
}

static int tell_log(const struct plan *p)
{
	const struct vhdx_walk *w = p->w;
	int status = VHDX_OK;

	if (p->replay)
		status = repair_step(p->r, VHDX_MEND_LOG, RULE_NONE, w->v.header.log_offset, logged(&w->v.base.view),
				     "replay the log: %zu entries, %" PRIu64 " bytes", w->scan.active_count,
				     logged(&w->v.base.view));
	if (p->discard)
		status = repair_step(p->r, VHDX_MEND_DISCARD_LOG, RULE_VHDX_102, w->v.header.log_offset, 2 * vhdx_header_size,
				     "throw the log away, which cannot be replayed; what it holds of the last session is lost, "
				     "and children of this disk with it");
	return status;
}

static int tell(const struct plan *p)
{
	const struct vhdx_walk *w = p->w;
	int status = tell_log(p);

	if (status == VHDX_OK && p->header)
		status = repair_step(p->r, VHDX_MEND_HEADER, RULE_VHDX_016, VHDX_HEADER_OFFSET(!w->v.header_slot),
				     vhdx_header_size, "write header %d anew from header %d", !w->v.header_slot,
				     w->v.header_slot);
	if (status == VHDX_OK && p->table)
		status = repair_step(p->r, VHDX_MEND_REGION_TABLE, RULE_VHDX_060, VHDX_REGION_TABLE_OFFSET(!w->table_used),
				     VHDX_TABLE_SIZE, "write region table %d anew from region table %d", !w->table_used,
				     w->table_used);
	if (status == VHDX_OK && p->cut != 0)
		status = repair_step(p->r, VHDX_MEND_SPACE, RULE_NONE, p->cut, w->v.base.view.size - p->cut,
				     "cut off %" PRIu64 " bytes behind the last structure", w->v.base.view.size - p->cut);
	return status == VHDX_OK && p->leaks ? repair_tell_leaks(p->r) : status;
}

static int save(const struct plan *p)
{
	const struct vhdx_walk *w = p->w;
	const struct view *view = &w->v.base.view;
	struct undo *u = &p->r->undo;
	struct vhdx_error *error = p->r->error;
	int status = undo_save(u, VHDX_HEADER_OFFSET(0), vhdx_header_size, error);

	if (status == VHDX_OK)
		status = undo_save(u, VHDX_HEADER_OFFSET(1), vhdx_header_size, error);
	for (size_t i = 0; status == VHDX_OK && p->replay && i < view->piece_count; i++)
		status = undo_save(u, view->pieces[i].file_offset, view->pieces[i].length, error);
	if (status == VHDX_OK && p->table)
		status = undo_save(u, VHDX_REGION_TABLE_OFFSET(!w->table_used), VHDX_TABLE_SIZE, error);
	if (status == VHDX_OK && p->cut != 0)
		status = undo_save(u, p->cut, view->size - p->cut, error);
	if (status == VHDX_OK && p->leaks)
		status = repair_save_leaks(p->r);
	return status == VHDX_OK ? undo_seal(u, error) : status;
}

/* The slot that does not count is written first: VHDX-045. A log that is thrown away takes content with it, so children must not fit any more: VHDX-022. */
static int write_header(const struct plan *p)
{
	struct vhdx_image *v = &p->w->v;
	struct vhdx_header header = v->header;
	struct vhdx_error *error = p->r->error;
	int status = env_random_guids(&p->r->env, &header.file_write_guid, 1, error);

	if (status == VHDX_OK && p->discard)
		status = env_random_guids(&p->r->env, &header.data_write_guid, 1, error);
	if (p->discard)
		header.log_guid = (struct vhdx_guid){ { 0 } };
	if (status == VHDX_OK)
		status = barrier_flush(p->r->file, BARRIER_LEFT_BEFORE_SESSION, error);
	if (status == VHDX_OK)
		status = vhdx_write_header(v, &header, error);
	return status == VHDX_OK ? barrier_flush(p->r->file, BARRIER_SESSION, error) : status;
}

static int write_table(const struct plan *p)
{
	const struct vhdx_walk *w = p->w;
	int status = view_read(&w->v.base.view, w->page, VHDX_TABLE_SIZE, VHDX_REGION_TABLE_OFFSET(w->table_used), p->r->error);

	return status == VHDX_OK
		       ? file_write(p->r->file, w->page, VHDX_TABLE_SIZE, VHDX_REGION_TABLE_OFFSET(!w->table_used), p->r->error)
		       : status;
}

static int apply(const struct plan *p)
{
	struct vhdx_image *v = &p->w->v;
	struct vhdx_error *error = p->r->error;
	int status = p->replay ? vhdx_replay(v, error) : write_header(p);

	if (status == VHDX_OK && p->table)
		status = write_table(p);
	if (status == VHDX_OK && !p->replay) /* a replay has done it */
		status = vhdx_write_header(v, &v->header, error);
	return status == VHDX_OK ? repair_give_back(p->r, p->cut, p->leaks) : status;
}

int repair_vhdx(struct inspect_follow *follow, struct vhdx_walk *w)
{
	struct plan p = { .r = (struct repair *)follow, .w = w };
	bool go = false;
	int status;

	if (w->in->is_foreign)
		return fail(p.r->error, VHDX_E_UNSUPPORTED, "the file has something in it that this version does not know");
	if (!inspect_vhdx_may_mend(w))
		return VHDX_OK;
	if (w->v.header.sequence_number > UINT64_MAX - MOST_NUMBERS)
		return unsupported(p.r->error, RULE_VHDX_044, VHDX_HEADER_OFFSET(w->v.header_slot),
				   "the header sequence number cannot grow any more");
	make_plan(&p);
	status = tell(&p);
	if (status == VHDX_OK)
		status = repair_begin(p.r, &go);
	if (status == VHDX_OK && go)
		status = save(&p);
	if (status == VHDX_OK && go)
		status = apply(&p);
	return status == VHDX_OK && go ? undo_finish(&p.r->undo, p.r->error) : status;
}
