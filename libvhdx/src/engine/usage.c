/* SPDX-License-Identifier: MIT */
#include "engine/usage.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum { CHUNK = 1 << 18 };

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
	       int (*visit)(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error), void *context,
	       struct vhdx_error *error)
{
	bool written = image->writing != NULL && atomic_load(&image->writing->change) != 0;
	uint64_t at = 0;
	int status = VHDX_OK;
	uint8_t *chunk = memory_allocate(image->env, CHUNK);

	if (chunk == NULL)
		return fail_memory(error);
	while (status == VHDX_OK && at < length) {
		uint64_t part = min_u64(CHUNK, length - at);
		uint64_t hole = written ? 0 : round_down(view_hole(&image->view, file_offset + at, length - at), 8);

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
