/* SPDX-License-Identifier: MIT */
/* Rules VHDX-144 to VHDX-161: the metadata table and its items. */
#include "rules/vhdx_sample.h"

enum { USER = 1, VIRTUAL_DISK = 2, REQUIRED = 4 };

/* sample() with these items after the five known ones, from table entry 5 on, in a region of `mib` MiB. */
static struct memfile *with_items(const struct recipe_item *items, size_t count, unsigned mib)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.items = items;
	knobs.item_count = count;
	knobs.metadata_length = mib << 20;
	knobs.metadata_offset = 16 * MIB;
	knobs.first_block_offset = SAMPLE_BLOCK;
	return sample_of(knobs);
}

static struct recipe_item item_of(uint8_t seed, uint32_t flags, uint32_t length)
{
	static const uint8_t zeros[2u << 20];

	return (struct recipe_item){ recipe_guid(seed), flags, zeros, length };
}

/* Fields of a table entry. */
static void put_offset(struct memfile *m, unsigned entry, uint32_t value)
{
	recipe_put(m, at.entries[entry] + 16, 4, value);
}

static void put_length(struct memfile *m, unsigned entry, uint32_t value)
{
	recipe_put(m, at.entries[entry] + 20, 4, value);
}

static void put_flags(struct memfile *m, unsigned entry, uint32_t value)
{
	recipe_put(m, at.entries[entry] + 24, 4, value);
}

/* Empty items: they need no place, so the table can be filled with them. */
static void put_empty(struct memfile *m, unsigned first, unsigned count, uint32_t flags)
{
	for (unsigned i = first; i < first + count; i++) {
		struct vhdx_guid guid = recipe_guid(9);

		guid.bytes[0] = (uint8_t)i;
		guid.bytes[1] = (uint8_t)(i >> 8);
		recipe_put_guid(m, at.metadata + 32 + 32 * i, &guid);
		recipe_put(m, at.metadata + 32 + 32 * i + 24, 4, flags);
	}
	recipe_put(m, at.metadata + 10, 2, first + count);
}

Test(vhdx_rules, VHDX_144_metadata_table_header)
{
	struct memfile *m = sample();

	put_empty(m, 5, 2042, 0);
	expect_reads(m, MIB, MIB, 5);
	recipe_put(m, at.metadata + 10, 2, 2048);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-144");
	recipe_put(m, at.metadata + 10, 2, 65535);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-144");
	recipe_put(m, at.metadata + 10, 2, 2047);
	recipe_put(m, at.metadata, 1, 'M');
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-144");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_146_item_and_user_flag_are_a_unique_pair)
{
	struct recipe_item items[2] = { item_of(9, 0, 8), item_of(9, USER, 8) };
	struct memfile *m = with_items(items, 2, 1);

	expect_opens(m);
	put_flags(m, 6, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-146");
	put_flags(m, 5, USER);
	expect_opens(m);
	put_flags(m, 6, USER);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-146");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_147_items_lie_behind_the_table)
{
	struct recipe_item item = item_of(9, 0, 8);
	struct memfile *m = with_items(&item, 1, 1);

	expect_opens(m);
	put_offset(m, 5, 65536 - 8);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-147");
	put_offset(m, RECIPE_DISK_SIZE, 32);
	put_offset(m, 5, 65536 + 8);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-147");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_148_items_lie_inside_the_region_and_do_not_overlap)
{
	struct recipe_item item = item_of(9, 0, 8);
	struct memfile *m = with_items(&item, 1, 1);

	expect_opens(m);
	put_offset(m, 5, (1u << 20) - 8);
	expect_opens(m);
	put_offset(m, 5, (1u << 20) - 7);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-148");
	put_offset(m, 5, 0xFFFFFFFF);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-148");
	put_offset(m, 5, 65536 + 15); /* one byte of it is the Virtual Disk Size */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-148");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_149_item_is_at_most_1_mib)
{
	struct recipe_item item = item_of(9, 0, 1u << 20);
	struct memfile *m = with_items(&item, 1, 4);

	expect_reads(m, MIB, MIB, 5);
	put_length(m, 5, (1u << 20) + 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-149");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_150_empty_item_has_offset_0)
{
	struct recipe_item item = item_of(9, 0, 0);
	struct memfile *m = with_items(&item, 1, 1);

	expect_opens(m);
	put_offset(m, 5, 65536 + 4096);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-150");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_151_empty_item_is_present)
{
	struct recipe_item item = item_of(9, 0, 0);
	struct memfile *m = with_items(&item, 1, 1);

	expect_opens(m);
	put_flags(m, 5, REQUIRED); /* being there is enough to be refused */
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-156");
	put_flags(m, 5, 0);
	put_length(m, RECIPE_DISK_SIZE, 0); /* and an empty known one is there, but of the wrong length */
	put_offset(m, RECIPE_DISK_SIZE, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-160");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_152_at_most_1024_user_items)
{
	struct memfile *m = sample();

	put_empty(m, 5, 1024, USER);
	expect_reads(m, MIB, MIB, 5);
	put_empty(m, 5, 1025, USER);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-152");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_153_user_items_are_not_system_items)
{
	struct recipe_item item = { recipe_guid_text("2FA54224-CD1B-4876-B211-5DBED83BF4B8"), USER, "\0\0\0\2\0\0\0", 8 };
	struct memfile *m = with_items(&item, 1, 1);

	cr_assert_eq(sample_info(m).virtual_size, 16 * MIB); /* not that of the user's item of the same name */
	put_flags(m, RECIPE_DISK_SIZE, USER | VIRTUAL_DISK);
	put_flags(m, 5, VIRTUAL_DISK | REQUIRED);
	cr_assert_eq(sample_info(m).virtual_size, 32 * MIB);
	put_flags(m, 5, USER);
	recipe_put(m, at.metadata + 10, 2, 5);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-160"); /* only the user's is left */
	memfile_free(m);
}

Test(vhdx_rules, VHDX_156_unknown_required_item_is_refused)
{
	struct recipe_item item = item_of(9, REQUIRED, 8);
	struct memfile *m = with_items(&item, 1, 1);

	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-156");
	put_flags(m, 5, REQUIRED | VIRTUAL_DISK);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-156");
	put_flags(m, 5, 0xFFFFFFF8); /* reserved bits do not count */
	expect_opens(m);
	memfile_free(m);
	item.id = recipe_guid_text("71CC85F0-1B69-4E28-9558-C3BF83AE75D3"); /* "incomplete file" */
	item.length = 0;
	m = with_items(&item, 1, 1);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-156");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_157_unknown_optional_item_is_ignored)
{
	struct recipe_item items[3] = { item_of(9, 0, 100), item_of(10, VIRTUAL_DISK, 100), item_of(11, USER, 100) };
	struct memfile *m = with_items(items, 3, 1);

	recipe_fill(m, at.items[5], 300, 0, 9);
	expect_reads(m, MIB, MIB, 5);
	put_flags(m, 6, REQUIRED);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-156");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_159_impossible_entries)
{
	struct recipe_item item = item_of(9, USER, 8);
	struct memfile *m = with_items(&item, 1, 1);
	struct vhdx_guid zero = { { 0 } };

	expect_opens(m);
	put_flags(m, 5, USER | REQUIRED);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-159");
	put_flags(m, 5, 0);
	expect_opens(m);
	recipe_put_guid(m, at.entries[5], &zero);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-159");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_160_five_items_of_exact_length_are_present)
{
	static const uint32_t lengths[5] = { 8, 8, 4, 4, 16 };
	struct memfile *m = sample();
	struct vhdx_guid guid = recipe_guid(9);

	for (unsigned i = 0; i < 5; i++) {
		struct memfile *missing = memfile_copy(m);

		cr_assert_eq(recipe_get(m, at.entries[i] + 20, 4), lengths[i]);
		expect_opens(m);
		put_length(m, i, lengths[i] - 1);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-160");
		put_length(m, i, lengths[i]);
		recipe_put_guid(missing, at.entries[i], &guid);
		put_flags(missing, i, 0);
		expect_open_fails(missing, VHDX_E_DAMAGED, "VHDX-160");
		memfile_free(missing);
	}
	put_offset(m, RECIPE_DISK_ID, 65536 + 4096); /* longer needs room */
	put_length(m, RECIPE_DISK_ID, 17);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-160");
	memfile_free(m);
	m = with_items(NULL, 0, 4);
	put_offset(m, RECIPE_DISK_SIZE, 2u << 20); /* as long as an item can be, and far from the others */
	put_length(m, RECIPE_DISK_SIZE, 1u << 20);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-160");
	put_length(m, RECIPE_DISK_SIZE, 8);
	recipe_put(m, 18 * MIB, 8, 16 * MIB);
	expect_reads(m, MIB, MIB, 5);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_161_wrong_virtual_disk_flags)
{
	struct memfile *m = sample();

	expect_not_reported(m, "VHDX-161");
	for (unsigned i = 0; i < 5; i++) { /* read all the same: decision D-43 */
		uint32_t right = i == RECIPE_FILE_PARAMETERS ? REQUIRED : REQUIRED | VIRTUAL_DISK;

		put_flags(m, i, right ^ VIRTUAL_DISK);
		expect_reads(m, MIB, MIB, 5);
		expect_reported(m, "VHDX-161");
		put_flags(m, i, right);
	}
	for (unsigned i = 0; i < 5; i++)
		put_flags(m, i, REQUIRED); /* as some writers do */
	expect_reads(m, MIB, MIB, 5);
	expect_reads_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, MIB, MIB, 5);
	memfile_free(m);
}
