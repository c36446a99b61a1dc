/* SPDX-License-Identifier: MIT */
/*
 * The bytes of a memory file: a hash table from page number to page, open addressing, at most half full. Layer:
 * tests/support, for memfile.c alone. A page that is absent reads as zeros. Running out of memory ends the process: a
 * test that cannot run has failed.
 */
#ifndef SUPPORT_MEMFILE_PAGES_H
#define SUPPORT_MEMFILE_PAGES_H

#include <stddef.h>
#include <stdint.h>

struct page {
	uint64_t number;
	uint8_t *bytes; /* NULL: the slot is free */
};

struct pages {
	struct page *slots;
	size_t capacity; /* 0 or a power of two */
	size_t count;
};

/* NULL when the page is absent. */
uint8_t *memfile_pages_find(const struct pages *pages, uint64_t number);
/* Makes the page, zeroed, when it is absent. */
uint8_t *memfile_pages_make(struct pages *pages, uint64_t number);
/* Drops the pages from `first` up to but not including `end`. */
void memfile_pages_drop(struct pages *pages, uint64_t first, uint64_t end);
/* The number of the first page that is present from `first` on, or `limit` when none is below it. */
uint64_t memfile_pages_next(const struct pages *pages, uint64_t first, uint64_t limit);
void memfile_pages_end(struct pages *pages);

#endif
