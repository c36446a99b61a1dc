/* SPDX-License-Identifier: MIT */
#include "engine/pages.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum { FIRST_SIZE = 64 };

int pages_start(struct pages *p, const struct vhdx_env *env, struct cache *cache, const struct view *view, unsigned level,
		struct vhdx_error *error)
{
	*p = (struct pages){ .env = *env, .cache = cache, .view = view, .level = level, .table_size = FIRST_SIZE };
	p->table = memory_zeroed(env, FIRST_SIZE * sizeof(*p->table));
	return p->table == NULL ? fail_memory(error) : VHDX_OK;
}

void pages_end(struct pages *p)
{
	for (size_t i = 0; p->table != NULL && i < p->table_size; i++)
		memory_release(&p->env, p->table[i]);
	if (p->table != NULL)
		memory_release(&p->env, p->table);
	p->table = NULL;
}

static size_t slot_of(const struct pages *p, uint64_t file_offset)
{
	size_t slot = (size_t)(file_offset / CACHE_PAGE * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (p->table_size - 1);

	while (p->table[slot] != NULL && p->table[slot]->file_offset != file_offset)
		slot = (slot + 1) & (p->table_size - 1);
	return slot;
}

static int rebuild(struct pages *p, size_t size, struct vhdx_error *error)
{
	struct page **old = p->table;
	size_t old_size = p->table_size;
	struct page **table = memory_zeroed(&p->env, size * sizeof(*table));

	if (table == NULL)
		return fail_memory(error);
	p->table = table;
	p->table_size = size;
	for (size_t i = 0; i < old_size; i++)
		if (old[i] != NULL)
			p->table[slot_of(p, old[i]->file_offset)] = old[i];
	memory_release(&p->env, old);
	return VHDX_OK;
}

int pages_get(struct pages *p, uint64_t file_offset, struct page **out, struct vhdx_error *error)
{
	uint64_t start = round_down(file_offset, CACHE_PAGE);
	size_t slot = slot_of(p, start);
	struct page *page;
	int status = VHDX_OK;

	if (p->table[slot] != NULL) {
		*out = p->table[slot];
		return VHDX_OK;
	}
	if ((p->count + 1) * 2 > p->table_size) {
		status = rebuild(p, p->table_size * 2, error);
		slot = slot_of(p, start);
	}
	page = status < 0 ? NULL : memory_allocate(&p->env, sizeof(*page));
	if (page == NULL)
		return status < 0 ? status : fail_memory(error);
	page->file_offset = start;
	page->touched = page->early = 0;
	page->dirty = page->is_logged = page->pinned = page->applying = false;
	status = view_read(p->view, page->current, CACHE_PAGE, start, error);
	if (status < 0) {
		memory_release(&p->env, page);
		return status;
	}
	p->table[slot] = page;
	p->count++;
	*out = page;
	return VHDX_OK;
}

static unsigned sectors_of(size_t at, size_t length)
{
	unsigned last = (unsigned)((at + length - 1) / 512);

	return (2u << last) - (1u << at / 512);
}

void pages_set_early(struct page *page, uint64_t file_offset, size_t length)
{
	page->early = (uint8_t)(page->early | sectors_of((size_t)(file_offset - page->file_offset), length));
}

void pages_set(struct pages *p, struct page *page, uint64_t file_offset, const uint8_t *bytes, size_t length)
{
	size_t at = (size_t)(file_offset - page->file_offset), first = at / 8, last = (at + length + 7) / 8;

	memcpy(page->current + at, bytes, length);
	if (!page->dirty)
		p->dirty_count++;
	page->dirty = true;
	page->touched = (uint8_t)(page->touched | sectors_of(at, length));
	cache_update(p->cache, p->level, page->file_offset, page->current, first, last - first);
}

void pages_patch(struct pages *p, uint64_t file_offset, uint8_t *bytes)
{
	const struct page *page = p->table[slot_of(p, file_offset)];

	if (page != NULL)
		memcpy(bytes, page->current, CACHE_PAGE);
}

/* Takes the entry out and moves up those behind it that a search would no longer find. */
static void remove_slot(struct pages *p, size_t hole)
{
	size_t mask = p->table_size - 1;

	memory_release(&p->env, p->table[hole]);
	p->table[hole] = NULL;
	p->count--;
	for (size_t i = (hole + 1) & mask; p->table[i] != NULL; i = (i + 1) & mask) {
		struct page *page = p->table[i];

		p->table[i] = NULL;
		p->table[slot_of(p, page->file_offset)] = page;
	}
}

void pages_sweep(struct pages *p)
{
	for (size_t i = 0; i < p->table_size;) {
		const struct page *page = p->table[i];

		if (page == NULL || page->dirty || page->is_logged || page->pinned)
			i++;
		else
			remove_slot(p, i); /* another entry may have moved here: look again */
	}
}
