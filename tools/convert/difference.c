/* SPDX-License-Identifier: MIT */
/* See difference.h. */
#include "difference.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sparse.h"
#include "tool.h"

enum { PIECE = 1 << 18 };

/* What one side says of a run. */
struct side {
	uint64_t length;
	bool zeros;
	const struct vhdx_file *file; /* NULL: not known */
	uint64_t file_offset;
};

struct walk {
	const struct difference *d;
	struct vhdx_source parent; /* the parent as a source, to be asked in the same way */
	uint32_t sector;
	unsigned char *wanted, *found; /* PIECE bytes of the source, and of the parent */
};

/* Beyond the end of the source there are zeros. */
static int look(const struct vhdx_source *source, struct side *side, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_extent extent = { .length = length, .kind = VHDX_EXTENT_DATA, .in_memory = 1 };
	int status = VHDX_OK;

	*side = (struct side){ .length = length, .zeros = true };
	if (at >= source->size)
		return VHDX_OK;
	if (extent.length > source->size - at)
		extent.length = source->size - at;
	if (source->extent != NULL)
		status = source->extent(source->context, &extent, at, extent.length, error);
	if (status != VHDX_OK)
		return status;
	*side = (struct side){ .length = extent.length,
			       .zeros = extent.kind != VHDX_EXTENT_DATA,
			       .file_offset = extent.file_offset };
	if (!side->zeros && !extent.in_memory && source->file != NULL)
		side->file = source->file(source->context, extent.level);
	return VHDX_OK;
}

static bool same_bytes(const struct side *a, const struct side *b)
{
	struct vhdx_file_id one, other;
	struct vhdx_error ignored;

	if (a->file == NULL || b->file == NULL || a->file_offset != b->file_offset || a->file->io != b->file->io ||
	    a->file->io->identity == NULL)
		return false;
	return a->file->io->identity(a->file->handle, &one, &ignored) == VHDX_OK &&
	       b->file->io->identity(b->file->handle, &other, &ignored) == VHDX_OK && one.volume == other.volume &&
	       one.file == other.file;
}

static int fetch(const struct vhdx_source *source, unsigned char *buffer, size_t length, uint64_t at, bool zeros,
		 struct vhdx_error *error)
{
	size_t present = zeros || at >= source->size ? 0 : length;

	if (present > 0 && present > source->size - at)
		present = (size_t)(source->size - at);
	memset(buffer + present, 0, length - present);
	return present > 0 ? source->read(source->context, buffer, present, at, error) : VHDX_OK;
}

enum state { SAME, CLEAR, WRITE };

static enum state judge(const struct walk *w, size_t at)
{
	if (memcmp(w->wanted + at, w->found + at, w->sector) == 0)
		return SAME;
	return sparse_is_zero(w->wanted + at, w->sector) ? CLEAR : WRITE;
}

/* The sectors of a piece that differ, in runs. */
static int write_piece(const struct walk *w, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (size_t at = 0, end; at < length && status == VHDX_OK; at = end) {
		enum state state = judge(w, at);

		for (end = at + w->sector; end < length && judge(w, end) == state; end += w->sector)
			;
		if (state == WRITE)
			status = vhdx_write(w->d->child, w->wanted + at, end - at, disk_offset + at, error);
		else if (state == CLEAR)
			status = vhdx_write_zeroes(w->d->child, disk_offset + at, end - at, error);
	}
	return status;
}

static int compare(const struct walk *w, uint64_t at, uint64_t end, bool wanted_zeros, bool found_zeros, struct vhdx_error *error)
{
	int status = VHDX_OK;

	while (at < end && status == VHDX_OK) {
		size_t length = end - at < PIECE ? (size_t)(end - at) : PIECE;

		status = fetch(w->d->source, w->wanted, length, at, wanted_zeros, error);
		if (status == VHDX_OK)
			status = fetch(&w->parent, w->found, length, at, found_zeros, error);
		if (status == VHDX_OK)
			status = write_piece(w, length, at, error);
		at += length;
		if (status == VHDX_OK && w->d->on_progress(w->d->on_progress_context, at, vhdx_disk_size(w->d->child)) != 0)
			status = tool_cancelled(error);
	}
	return status;
}

/* A whole number of sectors, so that none is judged in halves. */
static uint64_t whole_sectors(const struct walk *w, uint64_t length)
{
	return length < w->sector ? w->sector : length - length % w->sector;
}

static int step(const struct walk *w, uint64_t *at, struct vhdx_error *error)
{
	uint64_t size = vhdx_disk_size(w->d->child), length;
	struct side wanted, found;
	int status = look(w->d->source, &wanted, *at, size - *at, error);

	if (status == VHDX_OK)
		status = look(&w->parent, &found, *at, wanted.length, error);
	if (status != VHDX_OK)
		return status;
	length = found.length;
	if ((wanted.zeros && found.zeros) || same_bytes(&wanted, &found)) {
		if (length >= w->sector) {
			*at += whole_sectors(w, length);
			return VHDX_OK;
		}
	}
	if (length < w->sector) { /* a run that ends inside a sector: all of that is read */
		wanted.zeros = found.zeros = false;
	}
	length = whole_sectors(w, length);
	status = compare(w, *at, *at + length, wanted.zeros, found.zeros, error);
	*at += length;
	return status;
}

int difference_write(const struct difference *difference, struct vhdx_error *error)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct walk w = { .d = difference };
	uint64_t size = vhdx_disk_size(difference->child);
	int status = vhdx_get_info(difference->child, 0, &info, error);

	vhdx_disk_source(&w.parent, difference->parent);
	w.sector = info.logical_sector_size;
	w.wanted = tool_allocate(NULL, PIECE);
	w.found = tool_allocate(NULL, PIECE);
	for (uint64_t at = 0; at < size && status == VHDX_OK;) {
		status = step(&w, &at, error);
		if (status == VHDX_OK && difference->on_progress(difference->on_progress_context, at, size) != 0)
			status = tool_cancelled(error);
	}
	free(w.wanted);
	free(w.found);
	return status;
}
