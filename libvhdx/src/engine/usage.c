/* SPDX-License-Identifier: MIT */
#include "engine/usage.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum { CHUNK = 1 << 18, SLACK = 4096 /* sector bitmap entries make a BAT a little longer than a round number */ };

/* Changes of an image open for writing that are not in their places yet. */
static void patch_pages(struct image *image, uint8_t *bytes, uint64_t file_offset, uint64_t length)
{
	struct cache *cache = image->cache;
	uint8_t page[CACHE_PAGE];

	for (uint64_t at = round_down(file_offset, CACHE_PAGE); at < file_offset + length; at += CACHE_PAGE) {
		uint64_t from = max_u64(at, file_offset), to = min_u64(at + CACHE_PAGE, file_offset + length);

		memcpy(page + (from - at), bytes + (from - file_offset), (size_t)(to - from));
		mutex_lock(&cache->fill);
		cache->patch(cache->patch_context, at, page);
		mutex_unlock(&cache->fill);
		memcpy(bytes + (from - file_offset), page + (from - at), (size_t)(to - from));
	}
}

int usage_scan(struct image *image, uint64_t file_offset, uint64_t length,
	       int (*visit)(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error),
	       void *context, struct vhdx_error *error)
{
	bool written = image->writing != NULL && atomic_load(&image->writing->change) != 0;
	uint64_t at = 0, data_end = written ? length : 0; /* up to there the host file is known to have no hole */
	int status = VHDX_OK;
	uint8_t *chunk = memory_allocate(image->env, CHUNK + SLACK);

	if (chunk == NULL)
		return fail_memory(error);
	while (status == VHDX_OK && at < length) {
		uint64_t part = length - at <= CHUNK + SLACK ? length - at : CHUNK, hole = 0;

		if (at >= data_end) {
			struct vhdx_file_extent extent = view_extent(&image->view, file_offset + at, length - at);

			if (extent.is_hole)
				hole = round_down(extent.length, 8);
			else
				data_end = at + extent.length;
		}
		if (hole != 0) {
			part = hole;
			status = visit(context, NULL, at, part, error);
		} else {
			status = view_read(&image->view, chunk, (size_t)part, file_offset + at, error);
			if (status == VHDX_OK && written)
				patch_pages(image, chunk, file_offset + at, part);
			if (status == VHDX_OK)
				status = visit(context, chunk, at, part, error);
		}
		at += part;
	}
	memory_release(image->env, chunk);
	return status;
}
