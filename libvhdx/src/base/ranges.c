/* SPDX-License-Identifier: MIT */
#include "base/ranges.h"

#include <stdlib.h>

static int by_offset(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

void ranges_sort(struct range *ranges, size_t count)
{
	if (count > 1)
		qsort(ranges, count, sizeof(*ranges), by_offset);
}

size_t ranges_merge(struct range *ranges, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct range *last = kept == 0 ? NULL : &ranges[kept - 1], next = ranges[i];
		uint64_t end = next.offset + next.length;

		if (last == NULL || next.offset > last->offset + last->length)
			ranges[kept++] = next;
		else if (end > last->offset + last->length)
			last->length = end - last->offset;
	}
	return kept;
}

size_t ranges_find_overlap(const struct range *ranges, size_t count)
{
	for (size_t i = 0; i + 1 < count; i++)
		if (ranges[i].offset + ranges[i].length > ranges[i + 1].offset)
			return i;
	return count;
}

bool ranges_hit(const struct range *ranges, size_t count, uint64_t offset, uint64_t length)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges[middle].offset + ranges[middle].length <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ranges[low].offset < offset + length;
}
