/* SPDX-License-Identifier: MIT */
/*
 * Metadata pages of a file on their way to their place. Layer: engine. The states are those of VHDX; VHD knows dirty only.
 *
 *   clean (not here) --set--> dirty --log--> logged --apply--> clean
 *                               ^               |
 *                               +-----set-------+   (both: the snapshot that was logged is kept beside the newer content)
 *
 * `current` is what readers see; `logged` is what the newest log entry holds. Guarded by the cache's mutex, so that filling a cache slot and changing a page
 * cannot cross; `logged`, `is_logged` and `applying` belong to whoever commits.
 */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include "engine/cache.h"

struct page {
	uint64_t file_offset;
	bool dirty;
	bool is_logged;
	uint8_t touched; /* VHD: a bit for each sector of 512 bytes that changed */
	uint8_t early;   /* VHD: of those, the ones to write first */
	bool pinned;     /* in the entry being written */
	bool applying;   /* `logged` was written to its place since the last flush */
	uint8_t current[CACHE_PAGE];
	uint8_t logged[CACHE_PAGE];
};

struct pages {
	struct vhdx_env env;
	struct cache *cache;
	const struct view *view;
	unsigned level;
	struct page **table; /* open addressing; a power of two */
	size_t table_size;
	size_t count;
	size_t dirty_count;
};

int pages_start(struct pages *pages, const struct vhdx_env *env, struct cache *cache, const struct view *view, unsigned level,
		struct vhdx_error *error);
void pages_end(struct pages *pages);

/* All that follow: under cache->fill. */

/* The page that holds `file_offset`, loaded when it is not here. */
int pages_get(struct pages *pages, uint64_t file_offset, struct page **out, struct vhdx_error *error);
/* Changes bytes inside one page and makes it dirty; readers see 8-byte words change at once. The page must have been got before. */
void pages_set(struct pages *pages, struct page *page, uint64_t file_offset, const uint8_t *bytes, size_t length);
/* Marks sectors of what was just set. */
void pages_set_early(struct page *page, uint64_t file_offset, size_t length);
/* Copies what readers must see over a page just read from the file. */
void pages_patch(struct pages *pages, uint64_t file_offset, uint8_t *page);
/* Forgets pages that are neither dirty, logged nor pinned. */
void pages_sweep(struct pages *pages);

#endif
