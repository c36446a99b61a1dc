/* SPDX-License-Identifier: MIT */
#include "engine/leaks.h"

#include "base/checked.h"
#include "base/error.h"
#include "io/file.h"
#include "io/host.h"

enum { LEAST = 65536 };

struct search {
	struct leaks *leaks;
	const struct vhdx_file *file;
	const struct range *structures;
	size_t structure_count;
	struct vhdx_error *error;
};

/* A place that nothing claims. */
static int look(struct search *s, uint64_t offset, uint64_t end)
{
	int status = VHDX_OK;

	for (offset = round_up(offset, LEAST), end = round_down(end, LEAST); status == VHDX_OK && offset < end;) {
		struct vhdx_file_extent extent;

		status = file_extent(s->file, &extent, offset, end - offset, s->error);
		if (status < 0)
			break;
		if (!extent.is_hole) {
			s->leaks->first = s->leaks->places == 0 ? offset : s->leaks->first;
			s->leaks->places++;
			s->leaks->bytes += extent.length;
			if (s->leaks->list != NULL)
				status = claims_add(s->leaks->list, offset, extent.length, s->error);
		}
		offset += extent.length;
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

int leaks_find(struct leaks *leaks, const struct vhdx_file *file, const struct claims *blocks, const struct range *structures,
	       size_t structure_count, uint64_t start, uint64_t end, struct vhdx_error *error)
{
	struct search s = { leaks, file, structures, structure_count, error };
	int status = VHDX_OK;

	if (!host_makes_holes(file))
		return VHDX_OK;
	for (size_t i = 0; status == VHDX_OK && i < blocks->count && start < end; i++) {
		struct range block = claims_get(blocks, i);

		if (block.offset > start)
			status = split(&s, start, min_u64(block.offset, end));
		start = max_u64(start, block.offset + block.length);
	}
	return status == VHDX_OK && start < end ? split(&s, start, end) : status;
}
