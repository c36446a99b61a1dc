/* SPDX-License-Identifier: MIT */
#include "engine/bitmap.h"

#include "base/bytes.h"
#include "base/checked.h"

/* Bits in disk order from the lowest bit of the word up. */
static uint64_t ordered(const uint8_t bytes[8], bool msb_first)
{
	uint64_t word = get_le64(bytes);

	if (msb_first) { /* swap the bits of each byte */
		word = (word & UINT64_C(0x5555555555555555)) << 1 | (word >> 1 & UINT64_C(0x5555555555555555));
		word = (word & UINT64_C(0x3333333333333333)) << 2 | (word >> 2 & UINT64_C(0x3333333333333333));
		word = (word & UINT64_C(0x0F0F0F0F0F0F0F0F)) << 4 | (word >> 4 & UINT64_C(0x0F0F0F0F0F0F0F0F));
	}
	return word;
}

static unsigned trailing_ones(uint64_t word)
{
	unsigned count = 0;

	if (word == UINT64_MAX)
		return 64;
#if defined(__GNUC__)
	count = (unsigned)__builtin_ctzll(~word);
#else
	for (; word & 1; word >>= 1)
		count++;
#endif
	return count;
}

int bitmap_run(const struct bitmap *bitmap, uint64_t first, uint64_t count, bool *value, uint64_t *run, struct vhdx_error *error)
{
	uint64_t done = 0;
	bool wanted = false;

	while (done < count) {
		uint64_t bit = first + done;
		unsigned skip = (unsigned)(bit % 64), ones;
		uint8_t bytes[8];
		uint64_t word;
		int status = cache_word(bitmap->cache, bitmap->level, bitmap->view, bitmap->file_offset + bit / 64 * 8, bytes,
					error);

		if (status < 0)
			return status;
		word = ordered(bytes, bitmap->msb_first) >> skip;
		if (done == 0)
			wanted = (word & 1) != 0;
		ones = trailing_ones(wanted ? word : ~word);
		if (ones > 64 - skip)
			ones = 64 - skip;
		done += ones;
		if (ones < 64 - skip)
			break;
	}
	*value = wanted;
	*run = min_u64(done, count);
	return VHDX_OK;
}
