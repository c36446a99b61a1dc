/* SPDX-License-Identifier: MIT */
/* The counts of vhdx_get_usage, on images whose every block is known. Layer: tests/public. */
#include <stdlib.h>

#include "support/chains.h"
#include "support/expect.h"

static struct vhdx_usage usage_of(struct memfile *m, unsigned flags)
{
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	cr_assert(test_open_chain(&disk, &m, 1, flags, &e) == VHDX_OK, "%s", e.message);
	cr_assert(vhdx_get_usage(disk, 0, &usage, &e) == VHDX_OK, "%s", e.message);
	vhdx_close(disk);
	return usage;
}

Test(usage, states_of_a_dynamic_vhdx)
{
	static const struct recipe_block blocks[] = {
		{ .index = 0, .state = RECIPE_FULL },
		{ .index = 1, .state = RECIPE_FULL },
		{ .index = 2, .state = RECIPE_ZERO },
		{ .index = 3, .state = RECIPE_FULL },
		{ .index = 4, .state = RECIPE_UNMAPPED },
		{ .index = 5, .state = RECIPE_UNDEFINED },
		{ .index = 6, .state = 5 },
		{ .index = 7, .state = RECIPE_PARTIAL },
		{ .index = 9, .state = RECIPE_FULL, .file_offset = RECIPE_MIB },
		{ .index = 15, .state = RECIPE_FULL },
	};
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;
	struct vhdx_usage u;
	struct memfile *m;

	k.size = 15 * RECIPE_MIB + 512;
	k.blocks = blocks;
	k.block_count = 10;
	m = recipe_vhdx_new(&k, &places);
	u = usage_of(m, 0);
	cr_expect(u.blocks_total == 16 && u.blocks_present == 4 && u.blocks_zero == 1 && u.blocks_unmapped == 2);
	cr_expect(u.blocks_damaged == 3, "state 5, a partial block without parent, a block over the log: %lu",
		  (unsigned long)u.blocks_damaged);
	cr_expect(u.blocks_absent == 6 && u.blocks_partial == 0 && u.bitmap_blocks == 0);
	cr_expect(u.payload_bytes == 3 * RECIPE_MIB + 512, "of the last block only what the disk has");
	cr_expect(u.runs == 3 && u.pairs == 1 && u.breaks == 0);
	cr_expect(u.file_end == (recipe_get(m, recipe_bat_place(&places, 15), 8) / RECIPE_MIB + 1) * RECIPE_MIB);
	memfile_free(m);
}

/* Fragmentation: the order on the disk against the order in the file. */
Test(usage, fragmentation)
{
	static const uint64_t order[] = { 5, 6, 7, 4, 8, 9, 20, 21, 10 }; /* MiB in the file of blocks 1, 2, ... */
	struct recipe_block blocks[9];
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct vhdx_usage u;
	struct memfile *m;

	for (unsigned i = 0; i < 9; i++)
		blocks[i] = (struct recipe_block){ .index = 1 + i, .state = RECIPE_FULL, .file_offset = order[i] * RECIPE_MIB };
	k.blocks = blocks;
	k.block_count = 9;
	k.file_size = 22 * RECIPE_MIB;
	m = recipe_vhdx_new(&k, NULL);
	u = usage_of(m, 0);
	cr_expect(u.blocks_present == 9 && u.pairs == 8);
	cr_expect(u.breaks == 4, "7-4, 4-8, 9-20, 21-10: %lu", (unsigned long)u.breaks);
	cr_expect(u.runs == 5);
	cr_expect(u.seek_bytes == 29 * RECIPE_MIB, "4 back, 3, 10, 12 back: %lu", (unsigned long)(u.seek_bytes / RECIPE_MIB));
	cr_expect(u.file_end == 22 * RECIPE_MIB);
	memfile_free(m);
}

Test(usage, differencing_vhdx)
{
	static const struct recipe_run runs[] = { { 3, 5 } };
	static const struct recipe_block blocks[] = {
		{ .index = 1, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 1 },
		{ .index = 2, .state = RECIPE_FULL },
		{ .index = 3, .state = RECIPE_ZERO },
		{ .index = 4097, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 1 },
	};
	static const struct recipe_pair pairs[] = { { "parent_linkage", "{00000000-0000-0000-0000-000000000001}" },
						    { "relative_path", "p" } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct vhdx_usage u;
	struct memfile *m;

	k.type = VHDX_TYPE_DIFFERENCING;
	k.size = 4100 * RECIPE_MIB; /* a second chunk, with a bitmap of its own */
	k.pairs = pairs;
	k.pair_count = 2;
	k.blocks = blocks;
	k.block_count = 4;
	m = recipe_vhdx_new(&k, NULL);
	u = usage_of(m, VHDX_OPEN_NO_PARENTS);
	cr_expect(u.blocks_total == 4100 && u.blocks_partial == 2 && u.blocks_present == 1 && u.blocks_zero == 1 &&
		  u.blocks_absent == 4096);
	cr_expect(u.bitmap_blocks == 2 && u.blocks_damaged == 0 && u.payload_bytes == 3 * RECIPE_MIB);
	memfile_free(m);
}

/* Many blocks: the loop over a full BAT counts as the one over single entries does. */
Test(usage, large_tables)
{
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;
	struct vhdx_usage u;
	struct memfile *m;

	k.size = 10000 * RECIPE_MIB;
	k.file_size = 11000 * RECIPE_MIB;
	m = recipe_vhdx_new(&k, &places);
	for (uint64_t block = 0; block < 10000; block++)
		recipe_put(m, recipe_bat_place(&places, block), 8, (block + 4) * RECIPE_MIB | 6);
	u = usage_of(m, 0);
	cr_expect(u.blocks_present == 10000 && u.runs == 1 && u.pairs == 9999 && u.breaks == 0 &&
		  u.payload_bytes == 10000 * RECIPE_MIB);
	cr_expect(u.file_end == 10004 * RECIPE_MIB && u.blocks_damaged == 0 && u.blocks_absent == 0);
	recipe_put(m, recipe_bat_place(&places, 4095), 8, 0);
	recipe_put(m, recipe_bat_place(&places, 5000), 8, 10500 * RECIPE_MIB | 6);
	recipe_put(m, recipe_bat_place(&places, 9999), 8, 20000 * RECIPE_MIB | 6);
	u = usage_of(m, 0);
	cr_expect(u.blocks_present == 9998 && u.blocks_absent == 1 && u.blocks_damaged == 1);
	cr_expect(u.pairs == 9996 && u.breaks == 2 && u.runs == 4 && u.file_end == 10501 * RECIPE_MIB);
	memfile_free(m);
	k.size = 60000 * RECIPE_MIB; /* and an empty one is a hole */
	k.file_size = 0;
	m = recipe_vhdx_new(&k, &places);
	u = usage_of(m, 0);
	cr_expect(u.blocks_total == 60000 && u.blocks_absent == 60000 && u.blocks_damaged == 0 && u.runs == 0);
	memfile_free(m);
}

Test(usage, vhd)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 0 }, { .index = 1 }, { .index = 5 }, { .index = 7 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places places;
	struct vhdx_usage u;
	struct memfile *m;

	k.size = 4 * RECIPE_MIB - 1024;
	k.block_size = 512 * 1024;
	k.blocks = blocks;
	k.block_count = 4;
	m = recipe_vhd_new(&k, &places);
	recipe_put_be(m, places.bat + 5 * 4, 4, 1);
	u = usage_of(m, 0);
	cr_expect(u.blocks_total == 8 && u.blocks_present == 3 && u.blocks_damaged == 1 && u.blocks_absent == 4 &&
		  u.blocks_partial == 0);
	cr_expect(u.payload_bytes == 3 * 512 * 1024 - 1024 && u.pairs == 1 && u.breaks == 0 && u.runs == 2);
	cr_expect(u.file_end == places.blocks[3] + 512 + 512 * 1024 + 512, "with the footer");
	memfile_free(m);
	k.type = VHDX_TYPE_DIFFERENCING;
	m = recipe_vhd_new(&k, &places);
	u = usage_of(m, VHDX_OPEN_NO_PARENTS);
	cr_expect(u.blocks_partial == 4 && u.blocks_present == 0 && u.blocks_absent == 4);
	memfile_free(m);
	k = (struct recipe_vhd)RECIPE_VHD_INIT;
	k.type = VHDX_TYPE_FIXED;
	m = recipe_vhd_new(&k, &places);
	u = usage_of(m, 0);
	cr_expect(u.blocks_total == 1 && u.blocks_present == 1 && u.payload_bytes == k.size && u.file_end == memfile_size(m) &&
		  u.runs == 1);
	memfile_free(m);
}
