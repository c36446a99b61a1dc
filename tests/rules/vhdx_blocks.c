/* SPDX-License-Identifier: MIT */
/* Rules VHDX-114 to VHDX-122 and VHDX-136 to VHDX-143: payload blocks, sector bitmap blocks, and the BAT that names them. */
#include "rules/vhdx_sample.h"

#define SECTOR UINT64_C(512)

Test(vhdx_rules, VHDX_114_last_block_has_full_size_in_the_file)
{
	struct recipe_block blocks[] = { { .index = 16, .state = RECIPE_FULL, .seed = 5 },
					 { .index = 15, .state = RECIPE_FULL, .seed = 5 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.size = 16 * MIB + 3 * SECTOR;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	m = build(&knobs);
	expect_reads(m, 15 * MIB, MIB + 3 * SECTOR, 5);
	expect_read_fails(m, 16 * MIB, 4 * SECTOR, VHDX_E_RANGE, "");
	put_entry(m, 16, 6 * MIB | RECIPE_FULL); /* where nothing of the file is left */
	expect_read_fails(m, 16 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-141");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_115_one_bit_per_sector_lowest_bit_first)
{
	struct sample_pair p = sample_pair();
	uint64_t byte = bitmap_of(p.child) + 2 * 256; /* 2,048 sectors in each block before */

	cr_assert_eq(recipe_get(p.child, byte, 1), 0x78); /* sectors 3 to 6 */
	expect_pair_reads(p.child, p.parent, 2 * MIB, 3 * SECTOR, 1);
	expect_pair_reads(p.child, p.parent, 2 * MIB + 3 * SECTOR, 4 * SECTOR, 2);
	expect_pair_reads(p.child, p.parent, 2 * MIB + 7 * SECTOR, 93 * SECTOR, 1);
	expect_pair_reads(p.child, p.parent, 2 * MIB + 100 * SECTOR, SECTOR, 2);
	recipe_put(p.child, byte, 1, 0x80);
	expect_pair_reads(p.child, p.parent, 2 * MIB, 7 * SECTOR, 1);
	expect_pair_reads(p.child, p.parent, 2 * MIB + 7 * SECTOR, SECTOR, 2);
	free_pair(p);
}

/* A disk of 40 GiB with blocks of 256 MiB. Only its first and last blocks of each chunk hold something, by its first sector. */
static struct memfile *large(uint32_t sector_size, const uint64_t *indices)
{
	struct recipe_block blocks[4];
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	for (unsigned i = 0; i < 4; i++)
		blocks[i] = (struct recipe_block){ .index = indices[i], .state = RECIPE_FULL };
	knobs.size = 40960 * MIB;
	knobs.block_size = 256u << 20;
	knobs.logical_sector_size = sector_size;
	knobs.blocks = blocks;
	knobs.block_count = 4;
	m = build(&knobs);
	for (unsigned i = 0; i < 4; i++)
		recipe_fill(m, 4 * MIB + i * 256 * MIB, 4096, indices[i] * 256 * MIB, 7);
	return m;
}

Test(vhdx_rules, VHDX_116_chunk_is_8_mi_sectors)
{
	static const uint64_t indices[2][4] = { { 0, 15, 16, 32 }, { 0, 127, 128, 159 } }; /* 16 or 128 blocks of 256 MiB */
	static const uint64_t entries[2][4] = { { 0, 15, 17, 34 }, { 0, 127, 129, 160 } };

	for (unsigned big = 0; big < 2; big++) {
		struct memfile *m = large(big ? 4096 : 512, indices[big]);

		for (unsigned i = 0; i < 4; i++) {
			expect_reads(m, indices[big][i] * 256 * MIB, 4096, 7);
			cr_assert_eq(recipe_get(m, 3 * MIB + 8 * entries[big][i], 8) & 7, 6);
		}
		recipe_put(m, at.items[RECIPE_LOGICAL], 4, big ? 512 : 4096); /* the other sector size: other chunks */
		cr_assert_not_null(check_reads(&m, 1, 0, indices[big][3] * 256 * MIB, 4096, 7));
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_117_bitmap_entries_are_interleaved_in_every_disk)
{
	static const enum vhdx_type types[] = { VHDX_TYPE_FIXED, VHDX_TYPE_DYNAMIC, VHDX_TYPE_DIFFERENCING };

	for (unsigned i = 0; i < 3; i++) {
		struct recipe_block blocks[] = { { .index = 4095, .state = RECIPE_FULL, .seed = 3 },
						 { .index = 4096, .state = RECIPE_FULL, .seed = 4 } };
		struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "p" } };
		struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
		struct memfile *m;
		uint64_t entry;

		knobs.size = 5000 * MIB;
		knobs.type = types[i];
		knobs.blocks = blocks;
		knobs.block_count = 2;
		knobs.pairs = pairs;
		knobs.pair_count = types[i] == VHDX_TYPE_DIFFERENCING ? 2 : 0;
		m = build(&knobs);
		expect_reads_with(m, VHDX_OPEN_NO_PARENTS, 4095 * MIB, MIB, 3);
		expect_reads_with(m, VHDX_OPEN_NO_PARENTS, 4096 * MIB, MIB, 4);
		entry = recipe_get(m, 3 * MIB + 8 * 4097, 8);
		cr_assert_eq(entry, 5 * MIB | 6);
		recipe_put(m, 3 * MIB + 8 * 4096, 8, entry); /* without the gap it would be there */
		recipe_put(m, 3 * MIB + 8 * 4097, 8, RECIPE_ZERO);
		expect_reads_with(m, VHDX_OPEN_NO_PARENTS, 4096 * MIB, MIB, 0);
		memfile_free(m);
	}
}

/* A disk whose BAT has exactly 131,072 entries, which fill 1 MiB, unless it is differencing. */
static struct memfile *full_bat(enum vhdx_type type, uint64_t blocks)
{
	struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "p" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.size = blocks * MIB;
	knobs.type = type;
	knobs.bat_length = 1u << 20;
	knobs.pairs = pairs;
	knobs.pair_count = type == VHDX_TYPE_DIFFERENCING ? 2 : 0;
	return build(&knobs);
}

Test(vhdx_rules, VHDX_118_bat_region_holds_all_entries)
{
	struct memfile *m = full_bat(VHDX_TYPE_DYNAMIC, 131041);

	cr_assert_eq(at.bat_entries, 131072);
	expect_reads(m, 131040 * MIB, MIB, 0);
	memfile_free(m);
	m = full_bat(VHDX_TYPE_DYNAMIC, 131042);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-118");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_119_last_entry_depends_on_the_type)
{
	struct memfile *m = full_bat(VHDX_TYPE_FIXED, 131041); /* the last entry is that of the last payload block */

	expect_opens(m);
	memfile_free(m);
	m = full_bat(VHDX_TYPE_DIFFERENCING, 131041); /* here it is that of the last sector bitmap block, 32 * 4,097 */
	expect_open_fails_with(m, VHDX_OPEN_NO_PARENTS, VHDX_E_DAMAGED, "VHDX-118");
	memfile_free(m);
	m = full_bat(VHDX_TYPE_DIFFERENCING, 31 * 4096); /* 31 whole chunks */
	expect_opens_with(m, VHDX_OPEN_NO_PARENTS);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_121_block_overlaps_nothing)
{
	struct sample_pair p = sample_pair();
	uint64_t bitmap = recipe_get(p.child, recipe_bitmap_place(&at, 0), 8);

	expect_pair_reads(p.child, p.parent, MIB, MIB, 2);
	for (uint64_t mib = 1; mib <= 3; mib++) { /* log, metadata, BAT */
		put_entry(p.child, 1, mib * MIB | RECIPE_FULL);
		expect_pair_read_fails(p.child, p.parent, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-121");
		recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, mib * MIB | 6);
		expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-121");
	}
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, bitmap);
	expect_pair_reads(p.child, p.parent, 2 * MIB, SECTOR, 1);
	free_pair(p);
}

Test(vhdx_rules, VHDX_122_two_entries_with_one_place_are_reported)
{
	struct sample_pair p = sample_pair();
	uint64_t full = recipe_get(p.child, recipe_bat_place(&at, 1), 8);

	expect_not_reported(p.child, "VHDX-122");
	put_entry(p.child, 7, full); /* a read cannot know of it */
	expect_reported(p.child, "VHDX-122");
	put_entry(p.child, 7, bitmap_of(p.child) | RECIPE_FULL);
	expect_reported(p.child, "VHDX-122");
	free_pair(p);
}

Test(vhdx_rules, VHDX_136_partially_present_needs_a_bitmap_block)
{
	struct sample_pair p = sample_pair();
	uint64_t bitmap = recipe_get(p.child, recipe_bitmap_place(&at, 0), 8);

	expect_pair_reads(p.child, p.parent, 2 * MIB, SECTOR, 1);
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, 0);
	expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-136");
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, bitmap & ~UINT64_C(7));
	expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-136");
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, 4096 * MIB | 6);
	expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-141");
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, 6);
	expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-141");
	free_pair(p);
}

Test(vhdx_rules, VHDX_137_bitmap_entries_without_parent_are_not_used)
{
	struct recipe_block blocks[] = { { .index = 4095, .state = RECIPE_FULL, .seed = 3 },
					 { .index = 4096, .state = RECIPE_FULL, .seed = 4 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.size = 5000 * MIB;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	m = build(&knobs);
	cr_assert_eq(recipe_get(m, recipe_bitmap_place(&at, 0), 8), 0);
	expect_reads(m, 4095 * MIB, MIB, 3);
	expect_not_reported(m, "VHDX-137");
	recipe_put(m, recipe_bitmap_place(&at, 0), 8, 4 * MIB | 6); /* no read needs it, so it harms none: decision D-30 */
	expect_reads(m, 4095 * MIB, MIB, 3);
	expect_reads(m, 4096 * MIB, MIB, 4);
	expect_reported(m, "VHDX-137");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_138_bitmap_entry_state_with_a_partially_present_block)
{
	struct sample_pair p = sample_pair();
	uint64_t place = bitmap_of(p.child);

	for (unsigned state = 0; state < 8; state++) {
		recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, place | state);
		if (state == 6)
			expect_pair_reads(p.child, p.parent, 2 * MIB, SECTOR, 1);
		else
			expect_pair_read_fails(p.child, p.parent, 2 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-136");
	}
	put_entry(p.child, 2, RECIPE_NOT_PRESENT); /* no block of the chunk needs it any more */
	recipe_put(p.child, recipe_bitmap_place(&at, 0), 8, 0);
	expect_pair_reads(p.child, p.parent, 2 * MIB, MIB, 1);
	free_pair(p);
}

Test(vhdx_rules, VHDX_141_present_block_lies_inside_the_file)
{
	struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .seed = 5 },
					 { .index = 16, .state = RECIPE_FULL, .seed = 5 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.size = 16 * MIB + 4096;
	knobs.blocks = blocks;
	knobs.block_count = 2;
	m = build(&knobs); /* of 6 MiB */
	expect_reads(m, 16 * MIB, 4096, 5);
	memfile_set_size(m, 5 * MIB + 4096); /* what the disk does not use of the last block may be missing */
	expect_reads(m, 16 * MIB, 4096, 5);
	memfile_set_size(m, 5 * MIB + 4095);
	expect_read_fails(m, 16 * MIB, 4096, VHDX_E_DAMAGED, "VHDX-141");
	expect_reads(m, MIB, MIB, 5);
	memfile_set_size(m, 5 * MIB - 1); /* of another block nothing may be */
	expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-141");
	put_entry(m, 1, RECIPE_FULL);
	expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-141");
	put_entry(m, 1, UINT64_MAX - MIB + 1 + RECIPE_FULL);
	expect_read_fails(m, MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-141");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_142_entries_beyond_the_last_are_ignored)
{
	struct memfile *m = sample();

	expect_not_reported(m, "VHDX-142");
	recipe_put(m, 3 * MIB + 8 * at.bat_entries, 8, 2); /* QEMU leaves one behind */
	expect_reported(m, "VHDX-142");
	recipe_fill(m, 3 * MIB + 8 * at.bat_entries, MIB - 8 * at.bat_entries, 0, 66);
	expect_reads(m, MIB, MIB, 5);
	expect_reads(m, 2 * MIB, 14 * MIB, 0);
	recipe_put(m, at.items[RECIPE_DISK_SIZE], 8, 16 * MIB + 512); /* one more block, and the next entry counts */
	recipe_put(m, 3 * MIB + 8 * 16, 8, 5);
	expect_read_fails(m, 16 * MIB, SECTOR, VHDX_E_DAMAGED, "VHDX-123");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_143_offset_of_absent_entries_is_ignored)
{
	struct sample_pair p = sample_pair();
	uint64_t full = recipe_get(p.child, recipe_bat_place(&at, 1), 8);

	expect_pair_reads(p.child, p.parent, MIB, MIB, 2);
	expect_not_reported(p.child, "VHDX-143");
	put_entry(p.child, 1, (full & ~UINT64_C(7)) | RECIPE_NOT_PRESENT);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 1);
	expect_reported(p.child, "VHDX-143");
	put_entry(p.child, 1, (full & ~UINT64_C(7)) | RECIPE_ZERO);
	expect_pair_reads(p.child, p.parent, MIB, MIB, 0);
	expect_reported(p.child, "VHDX-143");
	put_entry(p.child, 1, full | 0xFFFF8); /* reserved bits, too */
	expect_pair_reads(p.child, p.parent, MIB, MIB, 2);
	free_pair(p);
}
