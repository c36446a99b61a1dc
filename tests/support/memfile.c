/* SPDX-License-Identifier: MIT */
#include "support/memfile.h"

#include <stdlib.h>
#include <string.h>

#include "support/memfile_state.h"

struct memfile *memfile_new(void)
{
	static atomic_ulong next_id = 1;
	struct memfile *m = calloc(1, sizeof(*m));

	if (m == NULL || rwlock_start(&m->lock) != 0)
		abort();
	m->id = (struct vhdx_file_id){ 1, atomic_fetch_add(&next_id, 1) };
	return m;
}

void memfile_free(struct memfile *m)
{
	if (m == NULL)
		return;
	memfile_pages_end(&m->pages);
	rwlock_end(&m->lock);
	free(m);
}

struct memfile *memfile_copy(const struct memfile *m)
{
	struct memfile *copy = memfile_new();

	copy->size = m->size;
	for (size_t i = 0; i < m->pages.capacity; i++)
		if (m->pages.slots[i].bytes != NULL)
			memcpy(memfile_pages_make(&copy->pages, m->pages.slots[i].number), m->pages.slots[i].bytes, MEMFILE_PAGE);
	return copy;
}

/* Straight access */

static size_t part_of_page(uint64_t offset, size_t length)
{
	uint64_t left = MEMFILE_PAGE - offset % MEMFILE_PAGE;

	return length < left ? length : (size_t)left;
}

void memfile_read(const struct memfile *m, uint64_t offset, void *buffer, size_t length)
{
	uint8_t *out = buffer;

	while (length != 0) {
		size_t part = part_of_page(offset, length);
		const uint8_t *page = memfile_pages_find(&m->pages, offset / MEMFILE_PAGE);

		if (page != NULL)
			memcpy(out, page + offset % MEMFILE_PAGE, part);
		else
			memset(out, 0, part);
		out += part;
		offset += part;
		length -= part;
	}
}

static bool keep_holes;

void memfile_keep_holes(bool keep)
{
	keep_holes = keep;
}

static bool stays_hole(const struct memfile *m, uint64_t number, const uint8_t *bytes, size_t length)
{
	return keep_holes && memfile_pages_find(&m->pages, number) == NULL && bytes[0] == 0 &&
	       memcmp(bytes, bytes + 1, length - 1) == 0;
}

void memfile_write(struct memfile *m, uint64_t offset, const void *buffer, size_t length)
{
	const uint8_t *in = buffer;

	while (length != 0) {
		size_t part = part_of_page(offset, length);

		if (!stays_hole(m, offset / MEMFILE_PAGE, in, part))
			memcpy(memfile_pages_make(&m->pages, offset / MEMFILE_PAGE) + offset % MEMFILE_PAGE, in, part);
		in += part;
		offset += part;
		length -= part;
		if (offset > m->size)
			m->size = offset;
	}
}

static void clear_in_page(struct memfile *m, uint64_t offset, size_t length)
{
	uint8_t *page = memfile_pages_find(&m->pages, offset / MEMFILE_PAGE);

	if (page != NULL)
		memset(page + offset % MEMFILE_PAGE, 0, length);
}

/* Whole pages are given back. */
void memfile_clear(struct memfile *m, uint64_t offset, uint64_t length)
{
	uint64_t first = (offset + MEMFILE_PAGE - 1) / MEMFILE_PAGE, end = (offset + length) / MEMFILE_PAGE;

	if (first > end) {
		clear_in_page(m, offset, (size_t)length);
		return;
	}
	clear_in_page(m, offset, (size_t)(first * MEMFILE_PAGE - offset));
	memfile_pages_drop(&m->pages, first, end);
	clear_in_page(m, end * MEMFILE_PAGE, (size_t)(offset + length - end * MEMFILE_PAGE));
}

void memfile_set_size(struct memfile *m, uint64_t size)
{
	if (size < m->size)
		memfile_clear(m, size, m->size - size);
	m->size = size;
}

uint64_t memfile_size(const struct memfile *m)
{
	return m->size;
}

uint64_t memfile_allocated(const struct memfile *m)
{
	return m->pages.count * MEMFILE_PAGE;
}

/* First difference in the pages of `a`, below `limit`. */
static uint64_t first_difference(const struct memfile *a, const struct memfile *b, uint64_t limit)
{
	static const uint8_t zeros[MEMFILE_PAGE];

	for (size_t i = 0; i < a->pages.capacity; i++) {
		const struct page *page = &a->pages.slots[i];
		uint64_t at = page->number * MEMFILE_PAGE;
		const uint8_t *other;

		if (page->bytes == NULL || at >= limit)
			continue;
		other = memfile_pages_find(&b->pages, page->number);
		if (other == NULL)
			other = zeros;
		for (size_t k = 0; k < MEMFILE_PAGE && at + k < limit; k++)
			if (page->bytes[k] != other[k])
				limit = at + k;
	}
	return limit;
}

bool memfile_equal(const struct memfile *a, const struct memfile *b, uint64_t *where)
{
	uint64_t common = a->size < b->size ? a->size : b->size;
	uint64_t at = first_difference(b, a, first_difference(a, b, common));

	if (where != NULL)
		*where = at;
	return at == common && a->size == b->size;
}

/* Settings and counters */

unsigned long memfile_count(const struct memfile *m, enum memfile_call call)
{
	return atomic_load(&m->counts[call]);
}

void memfile_reset_counts(struct memfile *m)
{
	for (int i = 0; i < MEMFILE_CALLS; i++)
		atomic_store(&m->counts[i], 0);
}

void memfile_set_short(struct memfile *m, size_t length)
{
	m->short_length = length;
}

void memfile_set_minimal(struct memfile *m, bool minimal)
{
	m->minimal = minimal;
}

void memfile_fail(struct memfile *m, enum memfile_call call, unsigned long n, int status, bool sticky)
{
	m->faults[call].status = status;
	m->faults[call].sticky = sticky;
	atomic_store(&m->faults[call].countdown, n);
}

void memfile_set_identity(struct memfile *m, uint64_t volume, uint64_t file)
{
	m->id = (struct vhdx_file_id){ volume, file };
}

void memfile_watch(struct memfile *m, memfile_watch_fn watch, void *context)
{
	m->watch = watch;
	m->watch_context = context;
}
