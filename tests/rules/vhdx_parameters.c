/* SPDX-License-Identifier: MIT */
/* Rules VHDX-162 to VHDX-172: what the metadata items say of the disk. */
#include "rules/vhdx_sample.h"

Test(vhdx_rules, VHDX_162_block_size)
{
	static const uint32_t bad[] = { 0, 1, 512u << 10, 3u << 20, (1u << 20) + 4096, 512u << 20, 1u << 31 };
	struct memfile *m;

	for (uint32_t size = 1u << 20; size <= 256u << 20; size *= 2) {
		struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

		knobs.block_size = size;
		m = build(&knobs);
		cr_assert_eq(sample_info(m).block_size, size);
		memfile_free(m);
	}
	m = sample();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		recipe_put(m, at.items[RECIPE_FILE_PARAMETERS], 4, bad[i]);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-162");
	}
	memfile_free(m);
}

Test(vhdx_rules, VHDX_165_leave_block_allocated_means_nothing_with_a_parent)
{
	struct memfile *parent = sample_parent(), *child = sample_child();

	recipe_put(child, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 3);
	cr_assert_eq(sample_info(child).type, VHDX_TYPE_DIFFERENCING);
	expect_pair_reads(child, parent, 0, MIB, 1);
	recipe_put(child, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 1);
	cr_assert_eq(sample_info(child).type, VHDX_TYPE_FIXED);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_166_has_parent_makes_the_disk_differencing)
{
	struct memfile *m = sample();

	cr_assert_eq(sample_info(m).type, VHDX_TYPE_DYNAMIC);
	recipe_put(m, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 0xFFFFFFFC); /* reserved bits */
	cr_assert_eq(sample_info(m).type, VHDX_TYPE_DYNAMIC);
	recipe_put(m, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 2);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-173");
	memfile_free(m);
	m = sample_child();
	cr_assert_eq(sample_info(m).type, VHDX_TYPE_DIFFERENCING);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_167_disk_size)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.size = UINT64_C(64) << 40;
	m = build(&knobs);
	expect_reads(m, knobs.size - MIB, MIB, 0);
	recipe_put(m, at.items[RECIPE_DISK_SIZE], 8, knobs.size + 512);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-167");
	recipe_put(m, at.items[RECIPE_DISK_SIZE], 8, UINT64_MAX - 511);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-167");
	recipe_put(m, at.items[RECIPE_DISK_SIZE], 8, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-167");
	recipe_put(m, at.items[RECIPE_DISK_SIZE], 8, 513);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-167");
	recipe_put(m, at.items[RECIPE_DISK_SIZE], 8, 512);
	expect_reads(m, 0, 512, 0);
	recipe_put(m, at.items[RECIPE_LOGICAL], 4, 4096);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-167");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_168_virtual_disk_id)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_info info;
	struct memfile *m;

	knobs.disk_id = recipe_guid_text("01234567-89ab-cdef-fedc-ba9876543210");
	m = build(&knobs);
	info = sample_info(m);
	cr_assert_arr_eq(&info.disk_id, &knobs.disk_id, 16);
	cr_assert_eq(recipe_get(m, at.items[RECIPE_DISK_ID], 4), 0x01234567);
	recipe_put(m, at.items[RECIPE_DISK_ID], 4, 0x76543210);
	info = sample_info(m);
	cr_assert_eq(info.disk_id.bytes[0], 0x76);
	memfile_free(m);
}

static void check_sector_sizes(unsigned item, const char *rule)
{
	static const uint32_t bad[] = { 0, 1, 511, 520, 1024, 2048, 8192, 4096u << 16 };
	struct memfile *m = sample();

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		recipe_put(m, at.items[item], 4, bad[i]);
		expect_open_fails(m, VHDX_E_DAMAGED, rule);
	}
	for (uint32_t size = 512; size <= 4096; size *= 8) {
		struct vhdx_info info;

		recipe_put(m, at.items[item], 4, size);
		info = sample_info(m);
		cr_assert_eq(item == RECIPE_LOGICAL ? info.logical_sector_size : info.physical_sector_size, size);
		expect_reads(m, MIB, MIB, 5);
	}
	memfile_free(m);
}

Test(vhdx_rules, VHDX_169_logical_sector_size)
{
	check_sector_sizes(RECIPE_LOGICAL, "VHDX-169");
}

Test(vhdx_rules, VHDX_171_physical_sector_size)
{
	check_sector_sizes(RECIPE_PHYSICAL, "VHDX-171");
}

Test(vhdx_rules, VHDX_170_parent_and_child_have_the_same_sectors)
{
	struct memfile *parent = sample_parent(), *child;

	recipe_put(parent, at.items[RECIPE_PHYSICAL], 4, 512); /* these may differ */
	child = sample_child();
	expect_pair_opens(child, parent);
	recipe_put(parent, at.items[RECIPE_LOGICAL], 4, 4096);
	expect_pair_fails(child, parent, VHDX_E_PARENT_MISMATCH, "VHDX-170");
	EXPECT_OK(check_open_fails((struct memfile *const[]){ child, parent }, 2, VHDX_OPEN_IGNORE_PARENT_IDENTITY,
				   VHDX_E_PARENT_MISMATCH, "VHDX-170"));
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_172_reads_are_never_rounded)
{
	static const uint64_t offsets[] = { 1, 511, 513, 4095, 4097, MIB - 1 };
	struct memfile *m = sample();
	vhdx_disk *disk = NULL;

	cr_assert_eq(test_open_chain(&disk, &m, 1, 0, NULL), VHDX_OK);
	for (unsigned i = 0; i < 6; i++)
		for (size_t length = 1; length < 1100 && offsets[i] + length <= MIB; length += 91) {
			uint8_t found[1102], expected[1100];

			found[0] = found[length + 1] = 0xEE; /* nothing around it is touched */
			cr_assert_eq(vhdx_read(disk, found + 1, length, MIB + offsets[i], NULL), VHDX_OK);
			recipe_pattern(expected, length, MIB + offsets[i], 5);
			cr_assert_arr_eq(found + 1, expected, length);
			cr_assert(found[0] == 0xEE && found[length + 1] == 0xEE);
		}
	expect_pattern(disk, MIB, MIB, 5);
	expect_zeros(disk, MIB - 1, 1);
	cr_assert_eq(vhdx_read(disk, &(uint8_t[2]){ 0 }, 2, 16 * MIB - 1, NULL), VHDX_E_RANGE);
	vhdx_close(disk);
	memfile_free(m);
}
