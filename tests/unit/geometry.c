/* SPDX-License-Identifier: MIT */
/* The BAT geometry of VHDX against the table and the formulas of specs/vhdx.md; block and disk geometry of VHD. */
#include <criterion/criterion.h>

#include "format/vhd_dynamic.h"
#include "format/vhd_footer.h"
#include "format/vhdx_bat.h"
#include "format/vhdx_layout.h"
#include "support/recipe.h"
#include "support/testenv.h"

Test(vhdx_geometry, table_of_the_specification)
{
	static const struct {
		uint32_t block;
		uint64_t ratio_512, ratio_4096, dynamic, differencing;
	} rows[] = {
		{ 1, 4096, 32768, 67125247, 67125248 },
		{ 2, 2048, 16384, 33570815, 33570816 },
		{ 32, 128, 1024, 2113535, 2113536 },
		{ 256, 16, 128, 278527, 278528 },
	};

	for (unsigned i = 0; i < 4; i++) {
		struct vhdx_geometry dynamic = vhdx_geometry(64 * TIB, rows[i].block << 20, 512, false);
		struct vhdx_geometry differencing = vhdx_geometry(64 * TIB, rows[i].block << 20, 512, true);

		cr_assert_eq(UINT64_C(1) << dynamic.chunk_shift, rows[i].ratio_512);
		cr_assert_eq(UINT64_C(1) << vhdx_geometry(64 * TIB, rows[i].block << 20, 4096, false).chunk_shift,
			     rows[i].ratio_4096);
		cr_assert_eq(dynamic.entry_count, rows[i].dynamic);
		cr_assert_eq(differencing.entry_count, rows[i].differencing);
	}
}

/* The formulas as they are printed, by division. */
static void check_formulas(uint64_t size, uint64_t block_size, uint64_t sector_size, bool differencing)
{
	struct vhdx_geometry g = vhdx_geometry(size, (uint32_t)block_size, (uint32_t)sector_size, differencing);
	uint64_t ratio = (UINT64_C(1) << 23) * sector_size / block_size;
	uint64_t blocks = (size + block_size - 1) / block_size, bitmaps = (blocks + ratio - 1) / ratio;
	uint64_t samples[] = { 0, 1, ratio - 1, ratio, ratio + 1, blocks / 2, blocks - 1 };

	cr_assert_eq(g.block_count, blocks);
	cr_assert_eq(g.chunk_count, bitmaps);
	cr_assert_eq(g.entry_count, differencing ? bitmaps * (ratio + 1) : blocks + (blocks - 1) / ratio);
	for (unsigned i = 0; i < 7; i++) {
		uint64_t p = samples[i] % blocks, index = p + p / ratio, bitmap = p / ratio * (ratio + 1) + ratio;

		cr_assert_eq(vhdx_bat_index(&g, p), index);
		cr_assert_lt(index, g.entry_count);
		cr_assert_eq(vhdx_bitmap_bat_index(&g, p), bitmap);
		cr_assert(vhdx_is_bitmap_index(&g, bitmap) && !vhdx_is_bitmap_index(&g, index));
		cr_assert_eq(vhdx_bitmap_first_bit(&g, p), p % ratio * (block_size / sector_size));
		cr_assert_eq(vhdx_bitmap_first_bit(&g, p) / 8, p % ratio * ((1 << 20) / ratio));
		if (differencing)
			cr_assert_lt(bitmap, g.entry_count);
	}
}

Test(vhdx_geometry, formulas_for_every_block_size)
{
	uint64_t state = 3;

	for (uint64_t block = MIB; block <= 256 * MIB; block *= 2)
		for (uint64_t sector = 512; sector <= 4096; sector *= 8)
			for (unsigned i = 0; i < 400; i++) {
				uint64_t chunk = (UINT64_C(1) << 23) * sector,
					 size = (1 + test_random_below(&state, 64 * TIB / sector)) * sector;

				if (i < 12) /* around the edges of blocks and chunks */
					size = (i % 2 != 0 ? block : chunk) * (1 + i / 6) + (i / 2 % 3) * sector - sector;
				check_formulas(size, block, sector, false);
				check_formulas(size, block, sector, true);
			}
}

Test(vhdx_geometry, entries)
{
	cr_assert_eq(vhdx_bat_state(UINT64_C(0xFFFFFFFFFFFFFFFE)), 6);
	cr_assert_eq(vhdx_bat_file_offset(UINT64_C(0xFFFFFFFFFFFFFFFF)), UINT64_C(0xFFFFFFFFFFF00000));
	cr_assert_eq(vhdx_bat_file_offset(0xFFFFF), 0);
	cr_assert_str_eq(vhdx_block_state_name(BLOCK_PARTIALLY_PRESENT), "PARTIALLY_PRESENT");
	for (unsigned a = 0; a < 8; a++)
		for (unsigned b = 0; b < a; b++)
			cr_assert_str_neq(vhdx_block_state_name(a), vhdx_block_state_name(b));
}

Test(vhd_geometry, vectors_of_the_specification)
{
	static const struct {
		uint64_t sectors;
		unsigned c, h, s;
	} rows[] = {
		{ 8192, 120, 4, 17 },          { 40960, 602, 4, 17 },          { 204800, 1003, 12, 17 },
		{ 2097152, 2080, 16, 63 },     { 4194304, 4161, 16, 63 },      { 62914560, 62415, 16, 63 },
		{ 83886080, 20560, 16, 255 },  { 266338304, 65278, 16, 255 },  { 267382799, 65534, 16, 255 },
		{ 267382800, 65535, 16, 255 }, { 0xFF000000, 65535, 16, 255 },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vhd_geometry g = vhd_geometry_of(rows[i].sectors * 512);

		cr_assert(g.cylinders == rows[i].c && g.heads == rows[i].h && g.sectors_per_track == rows[i].s,
			  "%llu sectors: %u/%u/%u", (unsigned long long)rows[i].sectors, g.cylinders, g.heads,
			  g.sectors_per_track);
	}
}

Test(vhd_geometry, against_the_algorithm)
{
	uint64_t state = 9;

	for (unsigned i = 0; i < 200000; i++) {
		uint64_t sectors = i < 100000 ? i * 7 : test_random_below(&state, 0xFF000000);
		struct vhd_geometry g = vhd_geometry_of(sectors * 512);
		uint16_t cylinders;
		uint8_t heads, per_track;

		recipe_chs(sectors * 512, &cylinders, &heads, &per_track);
		if (g.cylinders != cylinders || g.heads != heads || g.sectors_per_track != per_track)
			cr_assert_fail("%llu sectors", (unsigned long long)sectors);
		cr_assert_leq((uint64_t)g.cylinders * g.heads * g.sectors_per_track, sectors);
	}
}

Test(vhd_geometry, bitmap_sizes)
{
	cr_assert_eq(vhd_bitmap_size(512), 512);
	cr_assert_eq(vhd_bitmap_size(512u << 10), 512);
	cr_assert_eq(vhd_bitmap_size(2u << 20), 512);
	cr_assert_eq(vhd_bitmap_size(4u << 20), 1024);
	cr_assert_eq(vhd_bitmap_size(256u << 20), 65536);
}
