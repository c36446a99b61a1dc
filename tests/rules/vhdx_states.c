/* SPDX-License-Identifier: MIT */
/* Rules VHDX-123 to VHDX-135: the states of payload blocks, and what a read of each returns. */
#include <string.h>

#include "rules/vhdx_sample.h"

#define SECTOR UINT64_C(512)

Test(vhdx_rules, VHDX_123_states_4_and_5_are_errors)
{
	struct memfile *m = sample();

	expect_reads(m, MIB, MIB, 5);
	for (unsigned state = 4; state <= 5; state++) {
		put_entry(m, 1, SAMPLE_BLOCK | state);
		expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-123");
		expect_read_fails(m, MIB - SECTOR, 2 * SECTOR, VHDX_E_DAMAGED, "VHDX-123"); /* also as the next block of a run */
	}
	expect_reads_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, MIB, MIB, 0); /* 5 was UNMAPPED in a draft: decision D-29 */
	put_entry(m, 1, SAMPLE_BLOCK | 4);
	EXPECT_OK(check_read_fails(&m, 1, VHDX_OPEN_IGNORE_CHECKSUMS, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-123"));
	memfile_free(m);
}

Test(vhdx_rules, VHDX_124_partially_present_needs_a_parent)
{
	struct memfile *m = sample();

	expect_reads(m, MIB, MIB, 5);
	put_entry(m, 1, SAMPLE_BLOCK | RECIPE_PARTIAL);
	expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-124");
	recipe_put(m, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 1); /* fixed */
	expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-124");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_126_fixed_disk_with_absent_blocks_reads_as_a_dynamic_one)
{
	struct recipe_block blocks[] = { { .index = 0, .state = RECIPE_FULL, .seed = 5 },
					 { .index = 2, .state = RECIPE_UNDEFINED },
					 { .index = 3, .state = RECIPE_ZERO },
					 { .index = 4, .state = RECIPE_UNMAPPED } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.type = VHDX_TYPE_FIXED;
	knobs.blocks = blocks;
	knobs.block_count = 4;
	m = build(&knobs);
	cr_assert_eq(sample_info(m).type, VHDX_TYPE_FIXED);
	expect_reads(m, 0, MIB, 5);
	expect_reads(m, MIB, 15 * MIB, 0);
	put_entry(m, 1, 4);
	expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-123");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_127_not_present_without_parent_reads_as_zeros)
{
	struct memfile *m = sample();

	expect_reads(m, 0, MIB, 0);
	expect_reads(m, MIB, MIB, 5);
	put_entry(m, 1, RECIPE_NOT_PRESENT);
	expect_reads(m, 0, 16 * MIB, 0);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_128_not_present_is_read_from_the_parent)
{
	struct sample_pair p = sample_pair();

	expect_pair_reads(p.child, p.parent, 0, MIB, 1);
	expect_pair_reads(p.child, p.parent, 6 * MIB, 2 * MIB, 1);
	expect_pair_reads(p.child, p.parent, 8 * MIB, 8 * MIB, 0);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 2);
	put_entry(p.child, 1, RECIPE_NOT_PRESENT);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 1);
	free_pair(p);
}

/*
 * Block 1 of the child, in a state that shows neither the parent nor what is at its FileOffsetMB: the block's old bytes,
 * or block 2's.
 */
static void expect_zeros_in_state(unsigned state)
{
	struct sample_pair p = sample_pair();
	uint64_t own = recipe_get(p.child, recipe_bat_place(&at, 1), 8) & ~(MIB - 1);
	uint64_t foreign = recipe_get(p.child, recipe_bat_place(&at, 2), 8) & ~(MIB - 1);

	expect_pair_reads(p.child, p.parent, MIB, MIB, 2);
	put_entry(p.child, 1, state);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 0);
	put_entry(p.child, 1, own | state);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 0);
	put_entry(p.child, 1, foreign | state);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 0);
	put_entry(p.child, 1, 4096 * MIB | state); /* outside the file */
	expect_pair_reads(p.child, p.parent, MIB, MIB, 0);
	free_pair(p);
}

Test(vhdx_rules, VHDX_129_undefined_is_zeros_never_the_parent)
{
	expect_zeros_in_state(RECIPE_UNDEFINED);
}

Test(vhdx_rules, VHDX_131_zero_is_zeros)
{
	expect_zeros_in_state(RECIPE_ZERO);
}

Test(vhdx_rules, VHDX_132_unmapped_is_zeros_never_the_parent)
{
	expect_zeros_in_state(RECIPE_UNMAPPED);
}

Test(vhdx_rules, VHDX_133_reads_never_show_what_belongs_elsewhere)
{
	struct sample_pair p = sample_pair();
	struct memfile *files[] = { p.child, p.parent };
	uint64_t foreign = recipe_get(p.child, recipe_bat_place(&at, 1), 8) & ~(MIB - 1);
	vhdx_disk *disk = NULL;

	for (uint64_t state = RECIPE_UNDEFINED; state <= RECIPE_UNMAPPED; state++)
		put_entry(p.child, 8 + state, foreign | state);
	cr_assert_eq(test_open_chain(&disk, files, 2, 0, NULL), VHDX_OK);
	for (unsigned again = 0; again < 2; again++) {
		expect_pattern(disk, MIB, MIB, 2);
		expect_zeros(disk, 9 * MIB, 3 * MIB);
	}
	vhdx_close(disk);
	free_pair(p);
}

Test(vhdx_rules, VHDX_134_fully_present_does_not_ask_the_bitmap)
{
	struct sample_pair p = sample_pair();

	expect_pair_reads(p.child, p.parent, MIB, MIB, 2); /* its bits are all 0 */
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, 5);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 2);
	expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-136");
	free_pair(p);
}

Test(vhdx_rules, VHDX_135_partially_present_by_bitmap)
{
	struct sample_pair p = sample_pair();
	uint64_t bits = bitmap_of(p.child) + 2 * 256;
	uint8_t ones[256];

	expect_pair_reads(p.child, p.parent, 2 * MIB + 2 * SECTOR + 100, SECTOR - 100, 1); /* pieces of sectors too */
	expect_pair_reads(p.child, p.parent, 2 * MIB + 3 * SECTOR, 4 * SECTOR - 1, 2);
	expect_pair_reads(p.child, p.parent, 2 * MIB + 6 * SECTOR + 511, 1, 2);
	expect_pair_reads(p.child, p.parent, 2 * MIB + 101 * SECTOR, MIB - 101 * SECTOR, 1);
	memset(ones, 0xFF, sizeof(ones));
	memfile_write(p.child, bits, ones, sizeof(ones));
	expect_pair_reads(p.child, p.parent, 2 * MIB, MIB, 2);
	recipe_put(p.child, bits + 255, 1, 0x7F); /* the last sector */
	expect_pair_reads(p.child, p.parent, 3 * MIB - SECTOR, SECTOR, 1);
	free_pair(p);
}
