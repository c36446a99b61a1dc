/* SPDX-License-Identifier: MIT */
#include "engine/view.h"

#include <string.h>

#include "base/checked.h"

enum { PIECE_SIZE = 4096 };

int view_load_size(struct view *view, struct vhdx_error *error)
{
	uint64_t size;
	int status = file_get_size(&view->file, &size, error);

	if (status == VHDX_OK)
		view->size = view->held = size;
	return status;
}

/* Index of the first piece that ends beyond `file_offset`. */
static size_t first_piece(const struct view *view, uint64_t file_offset)
{
	size_t low = 0, high = view->piece_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (view->pieces[middle].file_offset + view->pieces[middle].length <= file_offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The log layer's vhdx_log_data_restore, on a page already in memory. */
int view_read_piece(const struct view *view, const struct overlay_piece *piece, uint8_t *page, struct vhdx_error *error)
{
	int status = file_read(&view->file, page, PIECE_SIZE, piece->data_offset, error);

	memcpy(page, piece->leading_bytes, 8);
	memcpy(page + PIECE_SIZE - 4, piece->trailing_bytes, 4);
	return status;
}

static int patch(const struct view *view, const struct overlay_piece *piece, uint8_t *buffer, size_t length, uint64_t file_offset,
		 struct vhdx_error *error)
{
	uint64_t from = max_u64(piece->file_offset, file_offset);
	uint64_t to = min_u64(piece->file_offset + piece->length, file_offset + length);
	uint8_t page[PIECE_SIZE];
	int status;

	if (piece->data_offset == 0) {
		memset(buffer + (from - file_offset), 0, (size_t)(to - from));
		return VHDX_OK;
	}
	status = view_read_piece(view, piece, page, error);
	if (status == VHDX_OK)
		memcpy(buffer + (from - file_offset), page + (from - piece->file_offset), (size_t)(to - from));
	return status;
}

int view_read(const struct view *view, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	int status = file_read(&view->file, buffer, length, file_offset, error);

	if (view->piece_count == 0)
		return status;
	for (size_t i = first_piece(view, file_offset); status == VHDX_OK && i < view->piece_count; i++) {
		if (view->pieces[i].file_offset >= file_offset + length)
			break;
		status = patch(view, &view->pieces[i], buffer, length, file_offset, error);
	}
	return status;
}

uint64_t view_overlay_run(const struct view *view, uint64_t file_offset, uint64_t length, bool *overlaid)
{
	const struct overlay_piece *piece;
	size_t i;

	*overlaid = false;
	if (view->piece_count == 0)
		return length;
	i = first_piece(view, file_offset);
	if (i == view->piece_count)
		return length;
	piece = &view->pieces[i];
	*overlaid = piece->file_offset <= file_offset;
	if (*overlaid)
		return min_u64(length, piece->file_offset + piece->length - file_offset);
	return min_u64(length, piece->file_offset - file_offset);
}

bool view_holds(const struct view *view, uint64_t file_offset, uint64_t length)
{
	while (length != 0) {
		bool overlaid;
		uint64_t run = view_overlay_run(view, file_offset, length, &overlaid);

		if (!overlaid && !range_fits(file_offset, run, view->held))
			return false;
		file_offset += run;
		length -= run;
	}
	return true;
}

int view_find_extent(const struct view *view, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		     struct vhdx_error *error)
{
	bool overlaid;
	uint64_t run = view_overlay_run(view, file_offset, length, &overlaid);

	*extent = (struct vhdx_file_extent){ .length = run, .is_hole = 0 };
	return overlaid ? VHDX_OK : file_extent(&view->file, extent, file_offset, run, error);
}

struct vhdx_file_extent view_extent(const struct view *view, uint64_t file_offset, uint64_t length)
{
	struct vhdx_file_extent extent;
	struct vhdx_error ignored;
	bool overlaid;

	if (view_find_extent(view, &extent, file_offset, length, &ignored) < 0)
		extent = (struct vhdx_file_extent){ .length = view_overlay_run(view, file_offset, length, &overlaid),
						    .is_hole = 0 };
	return extent;
}

uint64_t view_hole(const struct view *view, uint64_t file_offset, uint64_t length)
{
	struct vhdx_file_extent extent = view_extent(view, file_offset, length);

	return extent.is_hole ? extent.length : 0;
}
