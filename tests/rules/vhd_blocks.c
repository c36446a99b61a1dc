/* SPDX-License-Identifier: MIT */
/* Rules of specs/vhd.md on the BAT, blocks and sector bitmaps as a reader meets them: VHD-059 to VHD-073. Layer: tests/rules. */
#include <stdlib.h>

#include "rules/vhd_images.h"

Test(vhd_rules, VHD_059_an_entry_is_the_sector_of_the_block)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);
	struct vhdx_extent extent;
	vhdx_disk *disk = vhd_open(m, 0);

	cr_assert(recipe_get_be(m, p.bat + 3 * 4, 4) * 512 == p.blocks[1]);
	cr_assert(vhdx_get_extent(disk, &extent, 3 * VHD_BLOCK + 4096, 512, NULL) == VHDX_OK);
	cr_expect(extent.kind == VHDX_EXTENT_DATA && extent.file_offset == p.blocks[1] + 512 + 4096);
	vhdx_close(disk);
	recipe_put_be(m, p.bat + 5 * 4, 4, p.blocks[1] / 512); /* the block moves from place 3 to place 5 of the disk */
	recipe_put_be(m, p.bat + 3 * 4, 4, 0xFFFFFFFF);
	disk = vhd_open(m, 0);
	expect_zeros(disk, 3 * VHD_BLOCK, VHD_BLOCK);
	cr_assert(vhdx_get_extent(disk, &extent, 5 * VHD_BLOCK, 512, NULL) == VHDX_OK);
	cr_expect(extent.file_offset == p.blocks[1] + 512);
	vhdx_close(disk);
	memfile_free(m);
}

Test(vhd_rules, VHD_062_a_block_is_its_bitmap_and_all_its_data)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_block last = { .index = 7, .seed = VHD_PARENT_SEED };
	struct recipe_vhd_places p;
	struct memfile *m;

	k.size = 4 * RECIPE_MIB - VHD_BLOCK + 1024; /* the disk ends two sectors into its last block */
	k.blocks = &last;
	k.block_count = 1;
	m = recipe_vhd_new(&k, &p);
	cr_expect(p.footer == p.blocks[0] + 512 + VHD_BLOCK);
	expect_reads(m, 7 * VHD_BLOCK, 1024, VHD_PARENT_SEED);
	k.first_block_offset = p.blocks[0];
	memfile_free(m);
	m = recipe_vhd_new(&k, &p); /* a last block that is only as long as the disk needs is none */
	memfile_set_size(m, p.blocks[0] + 512 + 1024);
	recipe_put_be(m, p.blocks[0] + 512 + 1024 + 511, 1, 0);
	{
		uint8_t footer[512];

		memfile_read(m, 0, footer, sizeof(footer));
		memfile_write(m, p.blocks[0] + 512 + 1024, footer, sizeof(footer));
	}
	expect_read_fails(m, 7 * VHD_BLOCK, 512, VHDX_E_DAMAGED, "VHD-070");
	memfile_free(m);
}

/* Sectors without a bit, with garbage in them. */
static struct memfile *with_bits(const struct recipe_run *runs, size_t count, bool child, struct recipe_vhd_places *p)
{
	struct recipe_vhd k = child ? vhd_child_knobs() : vhd_dynamic_knobs();
	struct recipe_vhd_block block = {
		.index = 3, .seed = VHD_CHILD_SEED, .runs = runs, .run_count = count, .no_bits = count == 0
	};

	k.blocks = &block;
	k.block_count = 1;
	return recipe_vhd_new(&k, p);
}

Test(vhd_rules, VHD_063_unset_sectors_of_dynamic_are_zeros)
{
	static const struct recipe_run runs[] = { { 0, 3 }, { 8, 1 }, { 17, 20 }, { 1000, 24 } };
	struct memfile *m = with_bits(runs, 4, false, NULL);

	expect_reads(m, 3 * VHD_BLOCK, 3 * 512, VHD_CHILD_SEED);
	expect_reads(m, 3 * VHD_BLOCK + 3 * 512, 5 * 512, 0);
	expect_reads(m, 3 * VHD_BLOCK + 8 * 512, 512, VHD_CHILD_SEED);
	expect_reads(m, 3 * VHD_BLOCK + 9 * 512, 8 * 512, 0);
	expect_reads(m, 3 * VHD_BLOCK + 17 * 512, 20 * 512, VHD_CHILD_SEED);
	expect_reads(m, 3 * VHD_BLOCK + 37 * 512, 963 * 512, 0);
	expect_reads(m, 3 * VHD_BLOCK + 1000 * 512, 24 * 512, VHD_CHILD_SEED);
	memfile_free(m);
}

Test(vhd_rules, VHD_064_bits_of_a_child_choose_the_file)
{
	static const struct recipe_run runs[] = { { 1, 1 }, { 100, 200 } };
	struct memfile *child = with_bits(runs, 2, true, NULL), *parent = vhd_dynamic(NULL);

	expect_pair_reads(child, parent, 3 * VHD_BLOCK, 512, VHD_PARENT_SEED);
	expect_pair_reads(child, parent, 3 * VHD_BLOCK + 512, 512, VHD_CHILD_SEED);
	expect_pair_reads(child, parent, 3 * VHD_BLOCK + 1024, 98 * 512, VHD_PARENT_SEED);
	expect_pair_reads(child, parent, 3 * VHD_BLOCK + 100 * 512, 200 * 512, VHD_CHILD_SEED);
	expect_pair_reads(child, parent, 3 * VHD_BLOCK + 300 * 512, VHD_BLOCK - 300 * 512, VHD_PARENT_SEED);
	memfile_free(child);
	memfile_free(parent);
}

/* B-42: each byte of a bitmap, against the bits themselves, highest bit first; and every start and length around it. */
Test(vhd_rules, VHD_066_the_bitmap_is_honoured_bit_by_bit)
{
	static uint8_t found[VHD_BLOCK], expected[VHD_BLOCK];
	struct recipe_vhd_places p;
	struct memfile *m = with_bits(NULL, 0, false, &p);
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk;

	expect_reads(m, 3 * VHD_BLOCK, VHD_BLOCK, 0);
	for (unsigned value = 0; value < 128; value++)
		recipe_put(m, p.blocks[0] + value, 1,
			   value); /* 1,024 sectors are 128 bytes: the values below 128, then the others */
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned value = 0; turn == 1 && value < 128; value++)
			recipe_put(m, p.blocks[0] + value, 1, 128 + value * 77 % 128);
		for (unsigned s = 0; s < VHD_BLOCK / 512; s++)
			recipe_pattern(expected + s * 512, 512, 3 * VHD_BLOCK + s * 512,
				       recipe_get(m, p.blocks[0] + s / 8, 1) & 0x80u >> s % 8 ? VHD_CHILD_SEED : 0);
		disk = vhd_open(m, 0);
		cr_assert(vhdx_read(disk, found, sizeof(found), 3 * VHD_BLOCK, &e) == VHDX_OK);
		cr_assert_arr_eq(found, expected, sizeof(found));
		for (unsigned first = 0; first < 1000; first++)
			for (unsigned count = 1; count <= 24; count += 5) {
				cr_assert(vhdx_read(disk, found, (size_t)count * 512, 3 * VHD_BLOCK + first * 512, &e) ==
					  VHDX_OK);
				cr_assert_arr_eq(found, expected + first * 512, (size_t)count * 512, "sectors %u + %u", first,
						 count);
			}
		vhdx_close(disk);
	}
	memfile_free(m);
}

Test(vhd_rules, VHD_070_a_block_lies_where_blocks_may_lie)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);
	uint64_t bad[] = { 1,
			   2,
			   3,
			   p.footer / 512 - 1,
			   p.footer / 512,
			   p.footer / 512 + 1,
			   (p.footer - 512 - VHD_BLOCK) / 512 + 1,
			   0x7FFFFFFF,
			   0xFFFFFFFE };

	vhd_expect_contents(m, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		recipe_put_be(m, p.bat + 3 * 4, 4, bad[i]);
		expect_read_fails(m, 3 * VHD_BLOCK, 512, VHDX_E_DAMAGED, "VHD-070");
		expect_reads(m, 0, VHD_BLOCK, VHD_PARENT_SEED); /* the others can be read */
	}
	recipe_put_be(m, p.bat + 3 * 4, 4, (p.footer - 512 - VHD_BLOCK) / 512); /* the last place that is one */
	expect_reads(m, 3 * VHD_BLOCK, VHD_BLOCK, VHD_PARENT_SEED);
	memfile_free(m);
}

/* The BAT and the header may lie behind blocks: those places are as forbidden there. */
Test(vhd_rules, VHD_070_structures_behind_the_blocks)
{
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;

	k.first_block_offset = 512;
	k.dynamic_offset = 2 * RECIPE_MIB;
	k.table_offset = 2 * RECIPE_MIB + 4096;
	m = recipe_vhd_new(&k, &p);
	vhd_expect_contents(m, 0);
	for (uint64_t offset = 2 * RECIPE_MIB - VHD_BLOCK; offset <= 2 * RECIPE_MIB + 4096; offset += 512) {
		recipe_put_be(m, p.bat + 3 * 4, 4, offset / 512);
		expect_read_fails(m, 3 * VHD_BLOCK, 512, VHDX_E_DAMAGED, "VHD-070");
	}
	recipe_put_be(m, p.bat + 3 * 4, 4, (2 * RECIPE_MIB - VHD_BLOCK - 512) / 512);
	{
		vhdx_disk *disk = vhd_open(m, 0);
		uint8_t byte;

		cr_expect(vhdx_read(disk, &byte, 1, 3 * VHD_BLOCK, NULL) == VHDX_OK);
		vhdx_close(disk);
	}
	memfile_free(m);
}

Test(vhd_rules, VHD_071_entry_0_is_invalid)
{
	struct recipe_vhd_places p;
	struct memfile *m = vhd_dynamic(&p);

	vhd_expect_contents(m, 0);
	recipe_put_be(m, p.bat + 3 * 4, 4, 0);
	expect_read_fails(m, 3 * VHD_BLOCK, 512, VHDX_E_DAMAGED, "VHD-071");
	memfile_free(m);
}

Test(vhd_rules, VHD_072_blocks_may_begin_at_any_sector)
{
	for (unsigned sector = 0; sector < 8; sector++) {
		struct recipe_vhd k = vhd_dynamic_knobs();
		struct memfile *m;

		k.first_block_offset = 65536 + UINT64_C(512) * sector;
		m = recipe_vhd_new(&k, NULL);
		vhd_expect_contents(m, 0);
		memfile_free(m);
	}
}

Test(vhd_rules, VHD_073_gaps_are_accepted)
{
	static const struct recipe_vhd_block blocks[] = {
		{ .index = 0, .seed = VHD_PARENT_SEED, .file_offset = 5 * RECIPE_MIB },
		{ .index = 3, .seed = VHD_PARENT_SEED, .file_offset = RECIPE_MIB },
	};
	struct recipe_vhd k = vhd_dynamic_knobs();
	struct recipe_vhd_places p;
	struct memfile *m;

	k.blocks = blocks;
	k.slack = RECIPE_MIB;
	m = recipe_vhd_new(&k, &p);
	cr_expect(p.footer >= 6 * RECIPE_MIB + VHD_BLOCK);
	vhd_expect_contents(m, 0);
	memfile_free(m);
}
