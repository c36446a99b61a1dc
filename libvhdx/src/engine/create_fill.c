/* SPDX-License-Identifier: MIT */
/*
 * The content of a new image. Layer: engine. The source is read in ascending order, in pieces that never cross a block; pieces that are zeros are left to
 * the holes of the new file. What the source knows to be zeros is not read.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "engine/create.h"

enum { PIECE = 1 << 20, GRAIN = 32768 /* zeros shorter than this are written rather than skipped */ };

struct fill {
	struct creation *c;
	const struct vhdx_source *source;
	const struct block_sink *sink;
	uint8_t *buffer;
	uint64_t placed_block; /* the block that `placed_offset` belongs to */
	uint64_t placed_offset;
	uint64_t data_end; /* up to here the source is known to have data */
};

static int progress(const struct creation *c, uint64_t done, struct vhdx_error *error)
{
	const struct vhdx_create_options *o = &c->options;

	if (o->on_progress == NULL || o->on_progress(o->on_progress_context, done, o->size) == 0)
		return VHDX_OK;
	return fail(error, VHDX_E_CANCELLED, "cancelled");
}

/* A call of the source came back: anything but 0 is its failure. */
static int judge_source(int status, const struct vhdx_error *told, struct vhdx_error *error)
{
	if (status == VHDX_OK)
		return VHDX_OK;
	return error_take(error, told, status < 0 ? status : VHDX_E_ARGUMENT, "the source could not be read");
}

/* Bytes from `offset` on that are zeros for sure; otherwise 0, and f->data_end says how far there is data. */
static int known_zeros(struct fill *f, uint64_t offset, uint64_t *zeros, struct vhdx_error *error)
{
	struct vhdx_extent extent = { .length = 0 };
	struct vhdx_error told;
	int status;

	*zeros = 0;
	if (offset < f->data_end)
		return VHDX_OK;
	if (f->source->extent == NULL) {
		f->data_end = f->source->size;
		return VHDX_OK;
	}
	error_clear(&told);
	status = judge_source(f->source->extent(f->source->context, &extent, offset, f->source->size - offset, &told), &told,
			      error);
	if (status < 0)
		return status;
	extent.length = min_u64(extent.length, f->source->size - offset);
	if (extent.length == 0)
		return fail(error, VHDX_E_ARGUMENT, "the source gave an empty extent");
	if (extent.kind == VHDX_EXTENT_DATA)
		f->data_end = offset + extent.length;
	else
		*zeros = extent.length;
	return VHDX_OK;
}

static int write_run(struct fill *f, uint64_t offset, const uint8_t *bytes, size_t length, struct vhdx_error *error)
{
	uint64_t block = offset / f->sink->block_size;

	if (f->placed_block != block) {
		int status = f->sink->place(f->sink->context, block, &f->placed_offset, error);

		if (status < 0)
			return status;
		f->placed_block = block;
	}
	return file_write(f->c->file, bytes, length, f->placed_offset + offset % f->sink->block_size, error);
}

/* Writes the parts of a piece that are not zeros. */
static int write_piece(struct fill *f, uint64_t offset, size_t length, struct vhdx_error *error)
{
	size_t start = 0, at = 0;
	int status = VHDX_OK;

	while (status == VHDX_OK && at < length) {
		size_t grain = (size_t)min_u64(GRAIN, length - at);
		bool zero = bytes_are_zero(f->buffer + at, grain);

		if (zero && at > start)
			status = write_run(f, offset + start, f->buffer + start, at - start, error);
		at += grain;
		if (zero)
			start = at;
	}
	if (status == VHDX_OK && at > start)
		status = write_run(f, offset + start, f->buffer + start, at - start, error);
	return status;
}

static int copy_piece(struct fill *f, uint64_t offset, size_t length, struct vhdx_error *error)
{
	struct vhdx_error told;
	int status;

	error_clear(&told);
	status = judge_source(f->source->read(f->source->context, f->buffer, length, offset, &told), &told, error);
	return status == VHDX_OK ? write_piece(f, offset, length, error) : status;
}

static int copy_all(struct fill *f, struct vhdx_error *error)
{
	uint64_t offset = 0, size = f->source->size;
	int status = VHDX_OK;

	while (offset < size) {
		uint64_t zeros, length;

		status = known_zeros(f, offset, &zeros, error);
		if (status == VHDX_OK && zeros == 0) {
			length = min_u64(PIECE, f->data_end - offset);
			length = min_u64(length, f->sink->block_size - offset % f->sink->block_size);
			status = copy_piece(f, offset, (size_t)length, error);
			zeros = length;
		}
		offset += zeros;
		if (status == VHDX_OK)
			status = progress(f->c, offset, error);
		if (status < 0)
			return status;
	}
	return status;
}

int create_fill(struct creation *c, const struct block_sink *sink, struct vhdx_error *error)
{
	struct fill f = { .c = c, .source = c->options.source, .sink = sink, .placed_block = UINT64_MAX };
	int status;

	if (f.source == NULL)
		return VHDX_OK;
	f.buffer = memory_allocate(&c->env, PIECE);
	if (f.buffer == NULL)
		return fail_memory(error);
	status = copy_all(&f, error);
	memory_release(&c->env, f.buffer);
	return status;
}

int create_preallocate(struct creation *c, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	static const uint8_t zeros[65536];
	uint64_t done = 0;
	int status = VHDX_OK;

	switch (c->options.preallocation) {
	case VHDX_PREALLOCATE_NONE: return VHDX_OK;
	case VHDX_PREALLOCATE_RESERVE: return file_reserve(c->file, file_offset, length, error);
	case VHDX_PREALLOCATE_FULL: break;
	}
	while (status == VHDX_OK && done < length) {
		size_t part = (size_t)min_u64(sizeof(zeros), length - done);

		status = file_write(c->file, zeros, part, file_offset + done, error);
		done += part;
		if (status == VHDX_OK && done % PIECE == 0)
			status = progress(c, 0, error);
	}
	return status;
}
