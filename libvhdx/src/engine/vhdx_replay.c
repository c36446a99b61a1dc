/* SPDX-License-Identifier: MIT */
/*
 * A pending log written to its places, when a file is opened for writing. Layer: engine. specs/vhdx.md section 4.5, rules W1 and W4.
 *
 * In the order of the file: 8,000 scattered pages in the order of the log cost twice as much to write, more than reading the log at once saves.
 */
#include <string.h>

#include "base/error.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

enum { BUFFER = 1 << 20 };

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

	if (r->length != 0 && (r->start + r->length != piece->file_offset || r->length == BUFFER || piece->data_offset == 0))
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
	struct replay r = { .v = v, .buffer = memory_allocate(v->base.env, BUFFER) };
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

/*
 * Four flushes: what the killed process wrote, new FileWriteGuid (VHDX-020), pages, cleared LogGuid in one slot. The first, because its last log entries and its
 * last header may be in the system's cache only. The other slot needs none: the next session begins with one.
 */
int vhdx_replay(struct vhdx_image *v, struct vhdx_error *error)
{
	const struct vhdx_file *file = &v->base.view.file;
	struct vhdx_header header = v->header;
	int status = env_random_guids(v->base.env, &header.file_write_guid, 1, error);

	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_LEFT_BEFORE_REPLAY, error);
	if (status == VHDX_OK)
		status = vhdx_write_header(v, &header, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_REPLAY_HEADER, error);
	if (status == VHDX_OK)
		status = write_pieces(v, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_REPLAY_BEFORE_CLEAR, error);
	header.log_guid = (struct vhdx_guid){ { 0 } };
	if (status == VHDX_OK)
		status = vhdx_write_header(v, &header, error);
	if (status == VHDX_OK)
		status = barrier_flush(file, BARRIER_REPLAY_CLEAR, error);
	if (status == VHDX_OK)
		status = vhdx_write_header(v, &header, error);
	if (status < 0)
		return status;
	memory_release(v->base.env, v->base.view.pieces);
	v->base.view.pieces = NULL;
	v->base.view.piece_count = 0;
	v->log_entries = 0;
	return VHDX_OK;
}
