/* SPDX-License-Identifier: MIT */
/* Headers, replay in place, start and end of a writing session. Layer: engine. specs/vhdx.md sections 3.3 and 3.5. */
#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "engine/vhdx_writer.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

enum { MAX_DIRTY = 64, REPLAY_BUFFER = 1 << 20 };

/* VHDX-041: sequence number plus one, into the slot that is not current. Not durable yet. */
static int write_header(struct vhdx_image *v, struct vhdx_error *error)
{
	unsigned slot = !v->header_slot;
	uint8_t bytes[vhdx_header_size];
	int status;

	if (v->header.sequence_number == UINT64_MAX)
		return unsupported(error, RULE_VHDX_044, VHDX_HEADER_OFFSET(v->header_slot), "the header sequence number cannot grow any more");
	v->header.sequence_number++;
	vhdx_header_encode(bytes, &v->header);
	status = file_write(&v->base.view.file, bytes, sizeof(bytes), VHDX_HEADER_OFFSET(slot), error);
	if (status == VHDX_OK)
		v->header_slot = slot;
	return status;
}

/* Both slots hold v->header; the second is durable with the next flush: VHDX-043, VHDX-045. */
static int write_both_headers(struct vhdx_image *v, struct vhdx_error *error)
{
	int status = write_header(v, error);

	if (status == VHDX_OK)
		status = barrier_flush(&v->base.view.file, BARRIER_HEADER, error);
	return status == VHDX_OK ? write_header(v, error) : status;
}

int vhdx_session_begin(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct vhdx_image *v = w->v;
	int status = env_random_guid(v->base.env, &v->header.file_write_guid, error);

	if (status == VHDX_OK)
		status = env_random_guid(v->base.env, &v->header.data_write_guid, error);
	if (status == VHDX_OK)
		status = env_random_guid(v->base.env, &v->header.log_guid, error);
	if (status < 0)
		return status;
	v->header.log_version = 0;
	v->base.data_identity = v->header.data_write_guid;
	w->ring = (struct log_ring){ .file_offset = v->header.log_offset, .sectors = v->header.log_length / VHDX_LOG_SECTOR, .sequence_number = 1,
				     .guid = v->header.log_guid };
	status = write_both_headers(v, error);
	if (status < 0)
		return vhdx_writer_fail(w, error);
	w->session = true;
	return VHDX_OK;
}

struct replay {
	struct vhdx_image *v;
	uint8_t *buffer;
	uint64_t start; /* file offset of the buffer's content */
	size_t length;
};

static int flush_replay(struct replay *r, struct vhdx_error *error)
{
	int status = file_write(&r->v->base.view.file, r->buffer, r->length, r->start, error);

	r->length = 0;
	return status;
}

/* Neighbouring pages are written with one call. */
static int replay_piece(struct replay *r, const struct overlay_piece *piece, struct vhdx_error *error)
{
	int status = VHDX_OK;

	if (r->length != 0 && (r->start + r->length != piece->file_offset || r->length == REPLAY_BUFFER || piece->data_offset == 0))
		status = flush_replay(r, error);
	if (status < 0)
		return status;
	if (piece->data_offset == 0)
		return file_zero(&r->v->base.view.file, piece->file_offset, piece->length, error);
	if (r->length == 0)
		r->start = piece->file_offset;
	status = view_read_piece(&r->v->base.view, piece, r->buffer + r->length, error);
	r->length += VHDX_LOG_SECTOR;
	return status;
}

static int write_pieces(struct vhdx_image *v, struct vhdx_error *error)
{
	struct replay r = { .v = v, .buffer = memory_allocate(v->base.env, REPLAY_BUFFER) };
	uint64_t size;
	int status = r.buffer == NULL ? fail_memory(error) : file_get_size(&v->base.view.file, &size, error);

	if (status == VHDX_OK && size < v->base.view.size) /* VHDX-105, VHDX-106 */
		status = file_set_size(&v->base.view.file, v->base.view.size, error);
	for (size_t i = 0; status == VHDX_OK && i < v->base.view.piece_count; i++)
		status = replay_piece(&r, &v->base.view.pieces[i], error);
	if (status == VHDX_OK && r.length != 0)
		status = flush_replay(&r, error);
	memory_release(v->base.env, r.buffer);
	return status;
}

/* Four flushes: new FileWriteGuid, pages, cleared LogGuid in one slot and in the other. */
int vhdx_replay_in_place(struct vhdx_image *v, struct vhdx_error *error)
{
	const struct vhdx_file *file = &v->base.view.file;
	int status = env_random_guid(v->base.env, &v->header.file_write_guid, error);

	if (status == VHDX_OK) /* VHDX-020 */
		status = write_header(v, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_HEADER, error);
	if (status == VHDX_OK)
		status = write_pieces(v, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_REPLAY_BEFORE_CLEAR, error);
	v->header.log_guid = (struct vhdx_guid){ { 0 } };
	if (status == VHDX_OK)
		status = write_both_headers(v, error);
	if (status == VHDX_OK)
		status = file_flush(file, error);
	memory_release(v->base.env, v->base.view.pieces);
	v->base.view.pieces = NULL;
	v->base.view.piece_count = 0;
	return status;
}

static void patch(void *context, uint64_t file_offset, uint8_t *page)
{
	pages_patch(context, file_offset, page);
}

static int allocate_buffers(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct log_ring ring = { .sectors = w->v->header.log_length / VHDX_LOG_SECTOR };

	/* a quarter of the ring for a batch, and room for the pages of the change that fills it */
	w->max_entry_pages = (uint32_t)min_u64(log_ring_capacity(&ring), 2 * MAX_DIRTY);
	w->log_pages = memory_allocate(w->v->base.env, w->max_entry_pages * sizeof(*w->log_pages));
	w->entry_pages = memory_allocate(w->v->base.env, w->max_entry_pages * sizeof(struct page *));
	w->buffer = memory_allocate(w->v->base.env, (size_t)log_ring_entry_sectors(w->max_entry_pages) * VHDX_LOG_SECTOR);
	return w->log_pages == NULL || w->entry_pages == NULL || w->buffer == NULL ? fail_memory(error) : VHDX_OK;
}

int vhdx_writer_start(struct vhdx_image *v, struct epoch *readers, struct vhdx_error *error)
{
	struct vhdx_writer *w;
	int status;

	if (v->header.log_length == 0)
		return unsupported(error, RULE_VHDX_036, VHDX_HEADER_OFFSET(v->header_slot), "the file has no log, so it can only be read");
	if (v->lenient)
		return fail(error, VHDX_E_READ_ONLY, "a file opened with its checksums ignored is not written");
	w = memory_zeroed(v->base.env, sizeof(*w));
	if (w == NULL)
		return fail_memory(error);
	w->v = v;
	w->readers = readers;
	mutex_start(&w->commit);
	w->durable_size = round_down(v->base.view.size, MIB);
	v->writer = w;
	status = pages_start(&w->pages, v->base.env, v->base.cache, &v->base.view, v->base.level, error);
	if (status == VHDX_OK)
		status = allocate_buffers(w, error);
	if (status == VHDX_OK) {
		v->base.cache->patch = patch;
		v->base.cache->patch_context = &w->pages;
	}
	return status;
}

void vhdx_writer_release(struct vhdx_writer *w)
{
	const struct vhdx_env *env;

	if (w == NULL)
		return;
	env = w->v->base.env;
	w->v->base.cache->patch = NULL;
	pages_end(&w->pages);
	space_end(&w->space);
	mutex_end(&w->commit);
	memory_release(env, w->log_pages);
	memory_release(env, w->entry_pages);
	memory_release(env, w->buffer);
	memory_release(env, w);
}

/* Space behind the last structure, or the room that the file grew by in advance: VHDX-200, truncation comes last. */
static int trim(struct vhdx_writer *w, struct vhdx_error *error)
{
	struct image *base = &w->v->base;
	uint64_t end;
	int status;

	if (!w->space_ready)
		return VHDX_OK;
	end = max_u64(space_used_end(&w->space), w->v->reserved_end);
	if (end >= base->view.size || base->type == VHDX_TYPE_FIXED) /* VHDX-164 */
		return VHDX_OK;
	status = file_set_size(&base->view.file, end, error);
	return status == VHDX_OK ? file_flush(&base->view.file, error) : status;
}

int vhdx_writer_finish(struct vhdx_writer *w, struct vhdx_error *error)
{
	const struct vhdx_file *file = &w->v->base.view.file;
	int status = vhdx_writer_check(w, error);

	if (!w->session || status < 0)
		return status;
	status = vhdx_commit(w, error);
	if (status == VHDX_OK)
		status = vhdx_apply_all(w, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_APPLY_BEFORE_CLEAR, error);
	w->v->header.log_guid = (struct vhdx_guid){ { 0 } };
	if (status == VHDX_OK)
		status = write_both_headers(w->v, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_CLEAR_BEFORE_TRIM, error);
	return status == VHDX_OK ? trim(w, error) : status;
}
