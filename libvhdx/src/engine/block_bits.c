/* SPDX-License-Identifier: MIT */
#include "engine/block_bits.h"

#include <string.h>

#include "base/checked.h"

/* Sets bits `first` to `last` of the run of bytes that begins with bit `base`, the lowest bit of a byte first; all of them lie in the run. */
static void fill_bits(uint8_t *bytes, uint64_t base, uint64_t first, uint64_t last)
{
	size_t from = (size_t)((first - base) / 8), to = (size_t)((last - base) / 8);
	uint8_t head = (uint8_t)(0xFFu << (first - base) % 8), tail = (uint8_t)((1u << (last - base) % 8) - 1);

	if (from == to) {
		bytes[from] = (uint8_t)(bytes[from] | (head & tail));
		return;
	}
	bytes[from] |= head;
	memset(bytes + from + 1, 0xFF, to - from - 1);
	if (tail != 0)
		bytes[to] |= tail;
}

/* Loads the pages of bits `first` to `last`, so that changing them cannot fail. */
static int load_bits(struct pages *p, const struct block_bits *b, uint64_t first, uint64_t last, struct vhdx_error *error)
{
	uint64_t end = b->file_offset + divide_up(last, 8);
	int status = VHDX_OK;

	for (uint64_t at = b->file_offset + first / 8; status == VHDX_OK && at < end;
	     at = round_down(at, CACHE_PAGE) + CACHE_PAGE) {
		struct page *page;

		status = pages_get(p, at, &page, error);
	}
	return status;
}

int block_bits_set(struct pages *p, const struct block_bits *b, bool fresh, struct vhdx_error *error)
{
	uint64_t from = fresh ? 0 : round_down(b->first, 64), to = fresh ? b->count : round_up(b->last, 64),
		 end = b->file_offset + to / 8;
	uint8_t bytes[CACHE_PAGE];
	int status = load_bits(p, b, from, to, error);

	for (uint64_t at = b->file_offset + from / 8, next; status == VHDX_OK && at < end; at = next) {
		size_t in_page = (size_t)(at % CACHE_PAGE), length;
		struct page *page;
		uint64_t low, high;

		next = min_u64(end, at - in_page + CACHE_PAGE);
		length = (size_t)(next - at);
		status = pages_get(p, at, &page, error);
		if (status < 0)
			break;
		if (fresh)
			memset(bytes, 0, length);
		else
			memcpy(bytes, page->current + in_page, length);
		low = max_u64(b->first, (at - b->file_offset) * 8);
		high = min_u64(b->last, (next - b->file_offset) * 8);
		if (low < high)
			fill_bits(bytes, (at - b->file_offset) * 8, low, high);
		if (memcmp(bytes, page->current + in_page, length) != 0)
			pages_set(p, page, at, bytes, length);
	}
	return status;
}

/* No when that cannot be read. */
static bool all_set(struct pages *p, const struct block_bits *b, uint64_t first, uint64_t last)
{
	struct vhdx_error ignored;

	while (first < last) {
		uint64_t at = b->file_offset + first / 8;
		struct page *page;
		uint8_t byte;

		if (pages_get(p, at, &page, &ignored) < 0)
			return false;
		byte = page->current[at % CACHE_PAGE];
		if (first % 8 == 0 && last - first >= 8) {
			if (byte != 0xFF)
				return false;
			first += 8;
		} else {
			if ((byte >> first % 8 & 1) == 0)
				return false;
			first++;
		}
	}
	return true;
}

/* Most writes ascend, so the bits behind come first. */
bool block_bits_complete(struct pages *p, const struct block_bits *b)
{
	return all_set(p, b, b->last, b->in_disk) && all_set(p, b, 0, b->first);
}
