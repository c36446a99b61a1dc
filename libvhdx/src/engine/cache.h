/* SPDX-License-Identifier: MIT */
/*
 * A bounded cache of metadata pages (BAT, sector bitmaps) shared by all files of a chain. Layer: engine.
 *
 * Readers take no lock. Pages are 4 KiB of 64-bit words; a slot has a tag that names its page, and the words are atomics. A reader loads the tag, the
 * word, and the tag again: when both tags are the page it wants, and the count of the slot's fills is the same before and after, the word is that page's (a
 * seqlock: without the count a slot that another page had for a moment would not be told from one that stayed). Under its tag a page changes word by
 * word. A miss takes the mutex, reads the page and fills a slot of its set.
 */
#ifndef ENGINE_CACHE_H
#define ENGINE_CACHE_H

#include "base/thread.h"
#include "engine/view.h"

enum { CACHE_PAGE = 4096, CACHE_WORDS = CACHE_PAGE / 8, CACHE_WAYS = 4, CACHE_SETS = 128, CACHE_FEW_SETS = 16 };

struct cache_slot {
	_Atomic uint64_t words[CACHE_WORDS];
};

struct cache {
	struct vhdx_env env;
	unsigned set_mask; /* sets in use, a power of two, less one */
	mutex fill;
	_Atomic uint64_t tags[CACHE_SETS][CACHE_WAYS]; /* 0: empty */
	_Atomic uint32_t
		fills[CACHE_SETS][CACHE_WAYS]; /* counted, so that a page that left and came back is seen to have been away */
	unsigned next_victim[CACHE_SETS];
	struct cache_slot *slots;
	uint8_t *page; /* for filling, under the mutex */
	/* Level 0 of a disk open for writing: newer content of a page just read, under the mutex. */
	void (*patch)(void *context, uint64_t file_offset, uint8_t *page);
	void *patch_context;
};

/* `sets`: a power of two, at most CACHE_SETS. */
int cache_start(struct cache **out, const struct vhdx_env *env, unsigned sets, struct vhdx_error *error);
/* While nobody reads. */
int cache_enlarge(struct cache *cache, unsigned sets, struct vhdx_error *error);
void cache_end(struct cache *cache);

/* The 64-bit word at `file_offset` (a multiple of 8) of a level's file, its bytes in file order in memory: convert with get_le64 and the like. */
int cache_word(struct cache *cache, unsigned level, const struct view *view, uint64_t file_offset, uint8_t bytes[8],
	       struct vhdx_error *error);
/* Under the mutex: gives a page in the cache new words `first` to `first + count` - 1 from `page`, when it is there. */
void cache_update(struct cache *cache, unsigned level, uint64_t file_offset, const uint8_t *page, size_t first, size_t count);
/* Under the mutex, and with no reader on its way: what stood in this range of the file stands there no more. */
void cache_forget(struct cache *cache, unsigned level, uint64_t file_offset, uint64_t length);
/* Whether the page that holds `file_offset` is in the cache. */
bool cache_has(struct cache *cache, unsigned level, uint64_t file_offset);

#endif
