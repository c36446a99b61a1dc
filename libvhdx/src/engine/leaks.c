/* SPDX-License-Identifier: MIT */
#include "engine/leaks.h"

#include "base/checked.h"
#include "base/error.h"
#include "io/host.h"

enum { UNIT = 65536 };

struct search {
	struct leaks *leaks;
	const struct view *view;
	const struct range *structures;
	size_t structure_count;
	struct vhdx_error *error;
};

/*
 * A place that nothing claims, in whole units: a host that frees no less than one would keep the rest of a unit of which only a page is data, and show it the next time.
 */
static int look(struct search *s, uint64_t offset, uint64_t end)
{
	int status = VHDX_OK;

	for (offset = round_up(offset, UNIT), end = round_down(end, UNIT); status == VHDX_OK && offset < end;) {
		struct vhdx_file_extent extent;
		uint64_t length;

		status = view_find_extent(s->view, &extent, offset, end - offset, s->error);
		if (status < 0)
			break;
		length = extent.is_hole ? round_down(extent.length, UNIT) : 0;
		if (length == 0) {
			length = round_up(extent.length, UNIT);
			s->leaks->first = s->leaks->places == 0 ? offset : s->leaks->first;
			s->leaks->places++;
			s->leaks->bytes += length;
			if (s->leaks->list != NULL)
				status = claims_add(s->leaks->list, offset, length, s->error);
		}
		offset += length;
	}
	return status;
}

/* A place that no block claims: the structures in it are left out. */
static int split(struct search *s, uint64_t offset, uint64_t end)
{
	int status = VHDX_OK;

	while (s->structure_count != 0 && s->structures->offset < end && status == VHDX_OK) {
		uint64_t structure_end = s->structures->offset + s->structures->length;

		if (s->structures->offset > offset)
			status = look(s, offset, s->structures->offset);
		offset = max_u64(offset, structure_end);
		if (structure_end > end) /* goes on behind a block */
			break;
		s->structures++;
		s->structure_count--;
	}
	return status == VHDX_OK && offset < end ? look(s, offset, end) : status;
}

int leaks_find(struct leaks *leaks, const struct view *view, const struct claims *blocks, const struct range *structures,
	       size_t structure_count, uint64_t start, uint64_t end, struct vhdx_error *error)
{
	struct search s = { leaks, view, structures, structure_count, error };
	int status = VHDX_OK;

	if (!host_makes_holes(&view->file))
		return VHDX_OK;
	for (size_t i = 0; status == VHDX_OK && i < blocks->count && start < end; i++) {
		struct range block = claims_get(blocks, i);

		if (block.offset > start)
			status = split(&s, start, min_u64(block.offset, end));
		start = max_u64(start, block.offset + block.length);
	}
	return status == VHDX_OK && start < end ? split(&s, start, end) : status;
}
