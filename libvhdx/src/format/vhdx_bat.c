/* SPDX-License-Identifier: MIT */
#include "format/vhdx_bat.h"

#include "format/vhdx_layout.h"

struct vhdx_geometry vhdx_geometry(uint64_t disk_size, uint32_t block_size, uint32_t logical_sector_size, bool differencing)
{
	struct vhdx_geometry g = { .block_shift = shift_of(block_size), .sector_shift = shift_of(logical_sector_size) };

	g.chunk_shift = 23 + g.sector_shift - g.block_shift;
	g.block_count = divide_up(disk_size, block_size);
	g.chunk_count = divide_up(g.block_count, UINT64_C(1) << g.chunk_shift);
	if (differencing)
		g.entry_count = g.chunk_count * ((UINT64_C(1) << g.chunk_shift) + 1);
	else
		g.entry_count = g.block_count == 0 ? 0 : g.block_count + ((g.block_count - 1) >> g.chunk_shift);
	return g;
}

const char *vhdx_block_state_name(unsigned state)
{
	static const char *const names[8] = { "NOT_PRESENT", "UNDEFINED",  "ZERO",          "UNMAPPED",
					      "reserved 4",  "reserved 5", "FULLY_PRESENT", "PARTIALLY_PRESENT" };

	return names[state & 7];
}
