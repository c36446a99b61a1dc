/* SPDX-License-Identifier: MIT */
#include "engine/cache.h"

#include <string.h>

#include "base/error.h"

/* Never 0. Levels fit 9 bits; page numbers of files up to 2^63 bytes fit 51. */
static uint64_t tag_of(unsigned level, uint64_t file_offset)
{
	return (file_offset / CACHE_PAGE + 1) << 9 | level;
}

static bool is_page_in(uint64_t tag, unsigned level, uint64_t file_offset, uint64_t length)
{
	uint64_t page = tag >> 9, first = file_offset / CACHE_PAGE + 1, last = (file_offset + length - 1) / CACHE_PAGE + 1;

	return tag != 0 && (tag & 511) == level && page >= first && page <= last;
}

/* Neighbouring pages of one file fall into neighbouring sets; levels are spread by an odd step. */
static unsigned set_of(const struct cache *cache, unsigned level, uint64_t file_offset)
{
	return (unsigned)(file_offset / CACHE_PAGE + (uint64_t)level * 37) & cache->set_mask;
}

int cache_start(struct cache **out, const struct vhdx_env *env, unsigned sets, struct vhdx_error *error)
{
	struct cache *cache = memory_zeroed(env, sizeof(*cache));

	if (cache == NULL)
		return fail_memory(error);
	cache->env = *env;
	cache->set_mask = sets - 1;
	mutex_start(&cache->fill);
	cache->slots = memory_allocate(env, sizeof(struct cache_slot) * sets * CACHE_WAYS);
	cache->page = memory_allocate(env, CACHE_PAGE);
	if (cache->slots == NULL || cache->page == NULL) {
		cache_end(cache);
		return fail_memory(error);
	}
	*out = cache;
	return VHDX_OK;
}

int cache_enlarge(struct cache *cache, unsigned sets, struct vhdx_error *error)
{
	struct cache_slot *slots = memory_allocate(&cache->env, sizeof(*slots) * sets * CACHE_WAYS);

	if (slots == NULL)
		return fail_memory(error);
	memory_release(&cache->env, cache->slots);
	cache->slots = slots;
	cache->set_mask = sets - 1;
	for (unsigned set = 0; set < sets; set++)
		for (unsigned way = 0; way < CACHE_WAYS; way++)
			atomic_store_explicit(&cache->tags[set][way], 0, memory_order_relaxed);
	return VHDX_OK;
}

void cache_end(struct cache *cache)
{
	if (cache == NULL)
		return;
	mutex_end(&cache->fill);
	memory_release(&cache->env, cache->slots);
	memory_release(&cache->env, cache->page);
	memory_release(&cache->env, cache);
}

static struct cache_slot *slot_of(struct cache *cache, unsigned set, unsigned way)
{
	return &cache->slots[set * CACHE_WAYS + way];
}

static bool lookup(struct cache *cache, unsigned set, uint64_t tag, size_t word, uint64_t *value)
{
	for (unsigned way = 0; way < CACHE_WAYS; way++) {
		uint32_t fills = atomic_load_explicit(&cache->fills[set][way], memory_order_acquire);

		if (atomic_load_explicit(&cache->tags[set][way], memory_order_acquire) != tag)
			continue;
		/* acquire, so that the second look at the tag cannot come before it */
		*value = atomic_load_explicit(&slot_of(cache, set, way)->words[word], memory_order_acquire);
		if (atomic_load_explicit(&cache->tags[set][way], memory_order_acquire) == tag &&
		    atomic_load_explicit(&cache->fills[set][way], memory_order_relaxed) == fills)
			return true;
	}
	return false;
}

/* Under the mutex. Words are stored with release order, so a reader that sees a new word also sees the empty tag or a later one. */
static void fill_slot(struct cache *cache, unsigned set, uint64_t tag)
{
	unsigned way = cache->next_victim[set]++ % CACHE_WAYS;
	struct cache_slot *slot = slot_of(cache, set, way);

	atomic_store_explicit(&cache->tags[set][way], 0, memory_order_relaxed);
	(void)atomic_fetch_add_explicit(&cache->fills[set][way], 1, memory_order_release);
	for (size_t i = 0; i < CACHE_WORDS; i++) {
		uint64_t word;

		memcpy(&word, cache->page + i * 8, 8);
		atomic_store_explicit(&slot->words[i], word, memory_order_release);
	}
	atomic_store_explicit(&cache->tags[set][way], tag, memory_order_release);
}

int cache_word(struct cache *cache, unsigned level, const struct view *view, uint64_t file_offset, uint8_t bytes[8],
	       struct vhdx_error *error)
{
	uint64_t tag = tag_of(level, file_offset), value;
	unsigned set = set_of(cache, level, file_offset);
	size_t word = (size_t)(file_offset % CACHE_PAGE / 8);
	int status = VHDX_OK;

	if (!lookup(cache, set, tag, word, &value)) {
		mutex_lock(&cache->fill);
		if (!lookup(cache, set, tag, word, &value)) { /* another thread may have been quicker */
			status = view_read(view, cache->page, CACHE_PAGE, file_offset / CACHE_PAGE * CACHE_PAGE, error);
			if (status == VHDX_OK && level == 0 && cache->patch != NULL)
				cache->patch(cache->patch_context, file_offset / CACHE_PAGE * CACHE_PAGE, cache->page);
			if (status == VHDX_OK) {
				fill_slot(cache, set, tag);
				memcpy(&value, cache->page + word * 8, 8);
			}
		}
		mutex_unlock(&cache->fill);
	}
	if (status == VHDX_OK)
		memcpy(bytes, &value, 8);
	return status;
}

void cache_update(struct cache *cache, unsigned level, uint64_t file_offset, const uint8_t *page, size_t first, size_t count)
{
	uint64_t tag = tag_of(level, file_offset);
	unsigned set = set_of(cache, level, file_offset);

	for (unsigned way = 0; way < CACHE_WAYS; way++) {
		if (atomic_load_explicit(&cache->tags[set][way], memory_order_relaxed) != tag)
			continue;
		for (size_t i = first; i < first + count; i++) {
			uint64_t word;

			memcpy(&word, page + i * 8, 8);
			atomic_store_explicit(&slot_of(cache, set, way)->words[i], word, memory_order_release);
		}
	}
}

void cache_forget(struct cache *cache, unsigned level, uint64_t file_offset, uint64_t length)
{
	for (unsigned set = 0; length != 0 && set <= cache->set_mask; set++)
		for (unsigned way = 0; way < CACHE_WAYS; way++) {
			uint64_t tag = atomic_load_explicit(&cache->tags[set][way], memory_order_relaxed);

			if (is_page_in(tag, level, file_offset, length))
				atomic_store_explicit(&cache->tags[set][way], 0, memory_order_relaxed);
		}
}

bool cache_has(struct cache *cache, unsigned level, uint64_t file_offset)
{
	uint64_t tag = tag_of(level, file_offset);
	unsigned set = set_of(cache, level, file_offset);

	for (unsigned way = 0; way < CACHE_WAYS; way++)
		if (atomic_load_explicit(&cache->tags[set][way], memory_order_relaxed) == tag)
			return true;
	return false;
}
