/* SPDX-License-Identifier: MIT */
/*
 * A pending log written to its places, when a file is opened for writing. Layer: engine. specs/vhdx.md section 4.5, rules W1 and W4.
 *
 * In the order of the file: 8,000 scattered pages in the order of the log cost twice as much to write, more than reading the log at once saves. And
 * with the little that stands between them: a request to the medium costs more than the bytes.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "engine/vhdx_writer.h"
#include "format/vhdx_layout.h"

/* Across at most GAP bytes between two pages the write goes on: what stands there is written again. */
enum { BUFFER = 1 << 20, GAP = 8 * VHDX_LOG_SECTOR, SOON = 4 << 20, LONG_RANGE = 65536 };

struct replay {
	struct vhdx_image *v;
	uint8_t *buffer;
	uint64_t begun; /* file offset up to which the writes have been announced */
};

static uint64_t piece_end(const struct overlay_piece *piece)
{
	return piece->file_offset + piece->length;
}

/* How many of `count` pieces, all of data, fit into the buffer with no gap above `gap`. */
static size_t run_length(const struct overlay_piece *pieces, size_t count, uint64_t gap)
{
	size_t n = 1;

	while (n < count && pieces[n].data_offset != 0 && pieces[n].file_offset - piece_end(&pieces[n - 1]) <= gap &&
	       piece_end(&pieces[n]) - pieces[0].file_offset <= BUFFER)
		n++;
	return n;
}

/* Writes the run that stands in the buffer, but no gap that holds zeros only: it may be a hole. */
static int write_run(struct replay *r, const struct overlay_piece *run, size_t count, struct vhdx_error *error)
{
	const struct vhdx_file *file = &r->v->base.view.file;
	uint64_t start = run[0].file_offset, base = start;
	int status = VHDX_OK;

	for (size_t i = 1; i <= count && status == VHDX_OK; i++) {
		uint64_t end = piece_end(&run[i - 1]);
		uint64_t next = i < count ? run[i].file_offset : end;

		if (i < count && !bytes_are_zero(r->buffer + (end - base), (size_t)(next - end)))
			continue;
		if (i < count && next == end)
			continue;
		status = file_write(file, r->buffer + (start - base), (size_t)(end - start), start, error);
		start = next;
	}
	return status;
}

/* Neighbouring pages are written with one call. */
static int replay_run(struct replay *r, const struct overlay_piece *run, size_t *count, struct vhdx_error *error)
{
	const struct view *view = &r->v->base.view;
	uint64_t base = run[0].file_offset;
	int status = VHDX_OK;

	*count = run_length(run, *count, GAP);
	if (piece_end(&run[*count - 1]) - base != (uint64_t)*count * VHDX_LOG_SECTOR &&
	    file_read(&view->file, r->buffer, (size_t)(piece_end(&run[*count - 1]) - base), base, error) < 0)
		*count = run_length(run, *count, 0); /* a gap that cannot be read is no reason to lose the log */
	for (size_t i = 0; i < *count && status == VHDX_OK; i++)
		status = view_read_piece(view, &run[i], r->buffer + (run[i].file_offset - base), error);
	return status == VHDX_OK ? write_run(r, run, *count, error) : status;
}

/* The medium works while the next pages are read. */
static void announce(struct replay *r, uint64_t end)
{
	if (end - r->begun < SOON)
		return;
	file_flush_soon(&r->v->base.view.file, r->begun, end - r->begun);
	r->begun = end;
}

/* A length that a few bytes of the log name must not fill the host: what lies behind `old_size` is zeros already, and long ranges become holes. */
static int replay_zeros(const struct view *view, const struct overlay_piece *piece, uint64_t old_size, struct vhdx_error *error)
{
	uint64_t length = min_u64(piece_end(piece), old_size) - min_u64(piece->file_offset, old_size);

	if (length == 0 || (length >= LONG_RANGE && file_try_punch(&view->file, piece->file_offset, length)))
		return VHDX_OK;
	return file_zero(&view->file, piece->file_offset, length, error);
}

static int write_pieces(struct vhdx_image *v, struct vhdx_error *error)
{
	struct replay r = { .v = v, .buffer = memory_allocate(v->base.env, BUFFER) };
	const struct overlay_piece *pieces = v->base.view.pieces;
	uint64_t size;
	int status = r.buffer == NULL ? fail_memory(error) : file_get_size(&v->base.view.file, &size, error);

	if (status == VHDX_OK && size < v->base.view.size) /* VHDX-105, VHDX-106 */
		status = file_set_size(&v->base.view.file, v->base.view.size, error);
	for (size_t i = 0, n; status == VHDX_OK && i < v->base.view.piece_count; i += n) {
		n = v->base.view.piece_count - i;
		if (pieces[i].data_offset == 0) {
			n = 1;
			status = replay_zeros(&v->base.view, &pieces[i], size, error);
		} else {
			status = replay_run(&r, &pieces[i], &n, error);
		}
		announce(&r, piece_end(&pieces[i + n - 1]));
	}
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
