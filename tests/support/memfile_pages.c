/* SPDX-License-Identifier: MIT */
#include "support/memfile_pages.h"

#include <stdlib.h>
#include <string.h>

#include "support/memfile.h"

static void *take(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory == NULL)
		abort();
	return memory;
}

/* The slot that holds the page, or the free one where it would go. The table has a free slot. */
static size_t slot_of(const struct pages *pages, uint64_t number)
{
	size_t mask = pages->capacity - 1;
	size_t slot = (size_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 20) & mask;

	while (pages->slots[slot].bytes != NULL && pages->slots[slot].number != number)
		slot = (slot + 1) & mask;
	return slot;
}

static void resize(struct pages *pages, size_t capacity)
{
	struct pages larger = { take(capacity, sizeof(struct page)), capacity, pages->count };

	for (size_t i = 0; i < pages->capacity; i++)
		if (pages->slots[i].bytes != NULL)
			larger.slots[slot_of(&larger, pages->slots[i].number)] = pages->slots[i];
	free(pages->slots);
	*pages = larger;
}

uint8_t *memfile_pages_find(const struct pages *pages, uint64_t number)
{
	return pages->capacity == 0 ? NULL : pages->slots[slot_of(pages, number)].bytes;
}

uint8_t *memfile_pages_make(struct pages *pages, uint64_t number)
{
	struct page *page;

	if (pages->count * 2 >= pages->capacity)
		resize(pages, pages->capacity == 0 ? 64 : pages->capacity * 2);
	page = &pages->slots[slot_of(pages, number)];
	if (page->bytes == NULL) {
		*page = (struct page){ number, take(1, MEMFILE_PAGE) };
		pages->count++;
	}
	return page->bytes;
}

void memfile_pages_drop(struct pages *pages, uint64_t first, uint64_t end)
{
	size_t before = pages->count;

	for (size_t i = 0; i < pages->capacity; i++) {
		struct page *page = &pages->slots[i];

		if (page->bytes != NULL && page->number >= first && page->number < end) {
			free(page->bytes);
			page->bytes = NULL;
			pages->count--;
		}
	}
	if (pages->count != before)
		resize(pages, pages->capacity); /* a free slot must not cut off the pages behind it */
}

uint64_t memfile_pages_next(const struct pages *pages, uint64_t first, uint64_t limit)
{
	if (limit > first && limit - first <= pages->capacity) {
		while (first < limit && memfile_pages_find(pages, first) == NULL)
			first++;
		return first;
	}
	for (size_t i = 0; i < pages->capacity; i++)
		if (pages->slots[i].bytes != NULL && pages->slots[i].number >= first && pages->slots[i].number < limit)
			limit = pages->slots[i].number;
	return limit;
}

void memfile_pages_end(struct pages *pages)
{
	memfile_pages_drop(pages, 0, UINT64_MAX);
	free(pages->slots);
	*pages = (struct pages){ NULL, 0, 0 };
}
