/* SPDX-License-Identifier: MIT */
/* Small sets of byte ranges, such as the places of the regions in a file. Layer: base. */
#ifndef BASE_RANGES_H
#define BASE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct range {
	uint64_t offset;
	uint64_t length; /* > 0; the end fits 64 bits */
};

/* Sorts by offset. */
void ranges_sort(struct range *ranges, size_t count);
/* Sorted ranges become disjoint; returns how many are left. */
size_t ranges_merge(struct range *ranges, size_t count);
/* Of sorted ranges: the index of the first one that overlaps its successor, or `count`. */
size_t ranges_find_overlap(const struct range *ranges, size_t count);
/* Whether [offset, offset + length) shares a byte with one of the sorted, disjoint ranges. */
bool ranges_hit(const struct range *ranges, size_t count, uint64_t offset, uint64_t length);

#endif
