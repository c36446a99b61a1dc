/* SPDX-License-Identifier: MIT */
/*
 * The content of a new image. Layer: engine. The source is taken in ascending order, in pieces that never cross a block. What the source knows to be
 * zeros is not read. Data whose file can share it with the new one is shared, and not looked at; other data is read, and what is zeros in it is left to
 * the holes of the new file.
 *
 * A piece fits the cache of a processor, so that scanning and writing it find it there.
 */
#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "engine/create.h"

enum {
	PIECE = 1 << 18,
	GRAIN = 4096,      /* zeros are looked for in pieces of this */
	GAP = 32768,       /* shorter zeros between data are written rather than skipped */
	SHARED = 1 << 28,  /* bytes shared at once: an interrupt waits for them */
	SHARE_UNIT = 4096, /* what filesystems share begins and ends at multiples of it */
	SHARE_PATIENCE = 8 /* refusals in a row after which sharing is not tried any more */
};

struct fill {
	struct creation *c;
	const struct vhdx_source *source;
	const struct block_sink *sink;
	uint8_t *buffer;
	uint64_t placed_block; /* the block that `placed_offset` belongs to */
	uint64_t placed_offset;
	uint64_t data_end;            /* up to here the source is known to have data */
	const struct vhdx_file *file; /* that holds this data; NULL: not known */
	bool sharable;                /* it may share it with the new file */
	uint64_t file_shift;          /* disk offset + this = file offset in it, modulo 2^64 */
	unsigned refusals;            /* of sharing, in a row */
	bool shares;                  /* it worked once */
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

/* What an extent tells of the file that holds it. */
static void note_file(struct fill *f, const struct vhdx_extent *extent, uint64_t offset)
{
	f->file = f->source->file != NULL && !extent->in_memory ? f->source->file(f->source->context, extent->level) : NULL;
	f->file_shift = extent->file_offset - offset;
	f->sharable = f->file != NULL && f->file->io->copy_range != NULL && f->refusals < SHARE_PATIENCE &&
		      f->file->io->copy_range == f->c->file->io->copy_range;
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
	if (extent.kind == VHDX_EXTENT_DATA) {
		f->data_end = offset + extent.length;
		note_file(f, &extent, offset);
	} else
		*zeros = extent.length;
	return VHDX_OK;
}

/* Where `offset` of the disk stands in the new file. */
static int place(struct fill *f, uint64_t offset, uint64_t *file_offset, struct vhdx_error *error)
{
	uint64_t block = offset / f->sink->block_size;

	if (f->placed_block != block) {
		int status = f->sink->place(f->sink->context, block, &f->placed_offset, error);

		if (status < 0)
			return status;
		f->placed_block = block;
	}
	*file_offset = f->placed_offset + offset % f->sink->block_size;
	return VHDX_OK;
}

static int write_run(struct fill *f, uint64_t offset, const uint8_t *bytes, size_t length, struct vhdx_error *error)
{
	uint64_t file_offset;
	int status = place(f, offset, &file_offset, error);

	return status == VHDX_OK ? file_write(f->c->file, bytes, length, file_offset, error) : status;
}

/* Grains from `at` on that are all zeros, or all not, as `zeros` says; the end of their run. */
static size_t run_end(const struct fill *f, size_t at, size_t length, bool zeros)
{
	while (at < length) {
		size_t grain = (size_t)min_u64(GRAIN, length - at);

		if ((bytes_are_zero(f->buffer + at, grain) != 0) != zeros)
			break;
		at += grain;
	}
	return at;
}

/* Writes the parts of a piece that are not zeros. */
static int write_piece(struct fill *f, uint64_t offset, size_t length, struct vhdx_error *error)
{
	size_t start = run_end(f, 0, length, true);
	int status = VHDX_OK;

	while (status == VHDX_OK && start < length) {
		size_t end = run_end(f, start, length, false), next = run_end(f, end, length, true);

		while (next < length && next - end < GAP) {
			end = run_end(f, next, length, false);
			next = run_end(f, end, length, true);
		}
		status = write_run(f, offset + start, f->buffer + start, end - start, error);
		start = next;
	}
	return status;
}

/*
 * Whether data can be shared: only when it begins at the same place in its unit on both sides (blocks begin at multiples of it, all sinks see to that).
 * `*length` is cut to where the next try is worth it.
 */
static bool may_share(const struct fill *f, uint64_t offset, uint64_t *length)
{
	uint64_t rest = (offset + f->file_shift) % SHARE_UNIT;

	if (!f->sharable || *length < SHARE_UNIT || offset % f->sink->block_size % SHARE_UNIT != rest)
		return false;
	if (rest != 0)
		*length = min_u64(*length, SHARE_UNIT - rest);
	return rest == 0;
}

/* `*done` is what was shared; 0 when that was refused. */
static int share(struct fill *f, uint64_t offset, uint64_t length, uint64_t *done, struct vhdx_error *error)
{
	struct vhdx_error told;
	uint64_t target;
	int64_t copied;
	int status = place(f, offset, &target, error);

	*done = 0;
	if (status < 0)
		return status;
	error_clear(&told);
	length = round_down(min_u64(length, SHARED), SHARE_UNIT);
	copied = f->file->io->copy_range(f->file->handle, offset + f->file_shift, f->c->file->handle, target, length, &told);
	if (copied == VHDX_E_UNSUPPORTED || copied == 0) {
		if (++f->refusals == SHARE_PATIENCE)
			f->sharable = false;
		return VHDX_OK;
	}
	if (copied < 0 || (uint64_t)copied > length)
		return error_take(error, &told, copied < 0 ? (int)copied : VHDX_E_ARGUMENT, "content could not be shared");
	f->refusals = 0;
	f->shares = true;
	*done = (uint64_t)copied;
	return VHDX_OK;
}

static int read_piece(struct fill *f, uint64_t offset, size_t length, struct vhdx_error *error)
{
	struct vhdx_error told;

	if (f->file != NULL) /* the source would only look again for where it is */
		return file_read(f->file, f->buffer, length, offset + f->file_shift, error);
	error_clear(&told);
	return judge_source(f->source->read(f->source->context, f->buffer, length, offset, &told), &told, error);
}

/* The piece of data at `offset`; `*moved` is its length. Before sharing is known to work only what is not zeros is tried, so that no block is placed for nothing. */
static int copy_piece(struct fill *f, uint64_t offset, uint64_t *moved, struct vhdx_error *error)
{
	uint64_t length = min_u64(f->data_end - offset, f->sink->block_size - offset % f->sink->block_size), piece;
	bool sharable = may_share(f, offset, &length);
	int status = VHDX_OK;

	*moved = 0;
	if (sharable && f->shares)
		status = share(f, offset, length, moved, error);
	if (status < 0 || *moved != 0)
		return status;
	piece = min_u64(length, PIECE);
	status = read_piece(f, offset, (size_t)piece, error);
	if (status == VHDX_OK && sharable && !f->shares && !bytes_are_zero(f->buffer, (size_t)piece))
		status = share(f, offset, length, moved, error);
	if (status < 0 || *moved != 0)
		return status;
	*moved = piece;
	return write_piece(f, offset, (size_t)piece, error);
}

static int copy_all(struct fill *f, struct vhdx_error *error)
{
	uint64_t offset = 0, size = f->source->size;
	int status = VHDX_OK;

	while (offset < size) {
		uint64_t length;

		status = known_zeros(f, offset, &length, error);
		if (status == VHDX_OK && length == 0)
			status = copy_piece(f, offset, &length, error);
		offset += length;
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
		if (status == VHDX_OK && done % MIB == 0)
			status = progress(c, 0, error);
	}
	return status;
}
