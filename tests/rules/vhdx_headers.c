/* SPDX-License-Identifier: MIT */
/* Rules VHDX-015 to VHDX-037: the two headers, and the log's place in the file. */
#include "rules/vhdx_sample.h"

/* Puts a field into one slot and makes its checksum right. */
static void put(struct memfile *m, unsigned slot, unsigned offset, unsigned size, uint64_t value)
{
	recipe_put(m, RECIPE_HEADER(slot) + offset, size, value);
	recipe_fix_header(m, slot);
}

static void erase(struct memfile *m, unsigned slot)
{
	static const uint8_t zeros[4096];

	memfile_write(m, RECIPE_HEADER(slot), zeros, sizeof(zeros));
}

/* One entry without descriptors, so that a nonzero LogGuid is a log to replay. */
static struct memfile *pending(void)
{
	static const struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1 };

	return sample_log(&entry, 1);
}

Test(vhdx_rules, VHDX_015_headers_lie_at_64_and_128_kib)
{
	struct memfile *m = sample();
	uint8_t header[4096];

	expect_opens(m);
	memfile_read(m, RECIPE_HEADER(0), header, sizeof(header));
	erase(m, 1);
	expect_opens(m); /* at 64 KiB */
	memfile_write(m, RECIPE_HEADER(1), header, sizeof(header));
	erase(m, 0);
	expect_opens(m); /* at 128 KiB */
	memfile_write(m, RECIPE_HEADER(0) + 4096, header, sizeof(header));
	erase(m, 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-019");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_016_header_valid_only_with_signature_and_checksum)
{
	struct memfile *m = sample();

	erase(m, 0);
	expect_opens(m);
	cr_assert_eq(sample_info(m).sequence_number, 8);
	recipe_put(m, RECIPE_HEADER(1) + 4095, 1, 1); /* the last byte is covered */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-019");
	recipe_put(m, RECIPE_HEADER(1) + 4095, 1, 0);
	expect_opens(m);
	recipe_put(m, RECIPE_HEADER(1) + 4096, 1, 1); /* the next one is not */
	expect_opens(m);
	memfile_write(m, RECIPE_HEADER(1), "HEAD", 4);
	recipe_fix_header(m, 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-019");
	expect_open_fails_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, VHDX_E_DAMAGED, "VHDX-019"); /* no signature, no header */
	memfile_free(m);
}

Test(vhdx_rules, VHDX_016_lenient_takes_a_header_with_a_wrong_checksum_when_there_is_no_other)
{
	struct memfile *m = sample();

	recipe_put(m, RECIPE_HEADER(1) + 4, 4, 0); /* one is right: the greater number of the other does not count */
	EXPECT_OK(check_opens(&m, 1, VHDX_OPEN_IGNORE_CHECKSUMS));
	cr_assert_eq(sample_info(m).sequence_number, 7);
	recipe_put(m, RECIPE_HEADER(0) + 4, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-019");
	expect_reads_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, MIB, MIB, 5); /* decision D-02 */
	memfile_free(m);
}

Test(vhdx_rules, VHDX_017_greater_sequence_number_is_current)
{
	struct memfile *m = sample();

	cr_assert_eq(sample_info(m).sequence_number, 8);
	put(m, 0, 8, 8, UINT64_MAX); /* unsigned */
	cr_assert_eq(sample_info(m).sequence_number, UINT64_MAX);
	put(m, 1, 8, 8, UINT64_C(1) << 63);
	cr_assert_eq(sample_info(m).sequence_number, UINT64_MAX);
	put(m, 0, 8, 8, (UINT64_C(1) << 63) - 1);
	cr_assert_eq(sample_info(m).sequence_number, UINT64_C(1) << 63);
	recipe_put(m, RECIPE_HEADER(1) + 4, 4, 0); /* the greater one is not valid */
	cr_assert_eq(sample_info(m).sequence_number, (UINT64_C(1) << 63) - 1);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_018_other_header_is_not_used)
{
	struct memfile *m = sample();
	struct vhdx_info info, before = sample_info(m);
	struct vhdx_guid guid = recipe_guid(44);

	recipe_put_guid(m, RECIPE_HEADER(0) + 16, &guid);
	recipe_put_guid(m, RECIPE_HEADER(0) + 32, &guid);
	recipe_put_guid(m, RECIPE_HEADER(0) + 48, &guid); /* a log to replay, */
	put(m, 0, 64, 2, 3);                              /* of a version */
	put(m, 0, 66, 2, 9);
	put(m, 0, 68, 4, 12345);
	put(m, 0, 72, 8, 99);
	info = sample_info(m);
	cr_assert_arr_eq(&info.data_identity, &before.data_identity, 16);
	cr_assert_arr_eq(&info.file_write_guid, &before.file_write_guid, 16);
	cr_assert_eq(info.log_state, VHDX_LOG_CLEAN);
	put(m, 0, 8, 8, 9); /* now it is current */
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-029");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_019_no_current_header_is_corrupt)
{
	struct memfile *m = sample();

	erase(m, 0);
	expect_opens(m);
	erase(m, 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-019");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_024_zero_log_guid_means_empty_log)
{
	struct recipe_descriptor data = sample_data(0, 6);
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = &data, .descriptor_count = 1 };
	struct memfile *m = sample_log(&entry, 1);
	struct vhdx_guid zero = { { 0 } };

	expect_page(m, 0, 6);
	recipe_put_guid(m, MIB + 32, &zero); /* even an entry with the GUID zero */
	recipe_fix_log_entry(m, MIB);
	for (unsigned slot = 0; slot < 2; slot++) {
		recipe_put_guid(m, RECIPE_HEADER(slot) + 48, &zero);
		recipe_fix_header(m, slot);
	}
	expect_page(m, 0, 5);
	cr_assert_eq(sample_info(m).log_state, VHDX_LOG_CLEAN);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_025_only_entries_with_the_log_guid_are_valid)
{
	struct vhdx_guid other = recipe_guid(4);
	struct recipe_descriptor mine = sample_data(0, 6), foreign = sample_data(0, 7);
	struct recipe_entry entries[] = {
		{ .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = &mine, .descriptor_count = 1 },
		{ .at = RECIPE_NEXT,
		  .tail = 0,
		  .sequence_number = 2,
		  .descriptors = &foreign,
		  .descriptor_count = 1,
		  .log_guid = &other },
	};
	struct memfile *m = sample_log(entries, 2);

	expect_page(m, 0, 6);
	cr_assert_eq(sample_info(m).log_entries, 1);
	memfile_free(m);
	entries[1].log_guid = NULL;
	m = sample_log(entries, 2);
	expect_page(m, 0, 7);
	memfile_free(m);
	entries[0].log_guid = entries[1].log_guid = &other;
	m = sample_log(entries, 2);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_028_log_version_counts_with_a_log)
{
	struct memfile *m = pending();

	expect_opens(m);
	recipe_put_headers(m, 64, 2, 1);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-028");
	memfile_free(m);
	m = sample();
	recipe_put_headers(m, 64, 2, 1);
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_029_other_version_is_not_interpreted)
{
	struct memfile *m = sample();

	expect_opens(m);
	recipe_put_headers(m, 66, 2, 2);
	recipe_put(m, RECIPE_REGION_TABLE(0), 4, 0); /* no word about what comes after */
	recipe_put(m, RECIPE_REGION_TABLE(1), 4, 0);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-029");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_030_log_length_is_a_multiple_of_1_mib)
{
	struct memfile *m = sample();

	expect_opens(m);
	recipe_put_headers(m, 68, 4, (1u << 20) - 4096);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-030");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_031_log_offset_is_a_multiple_of_1_mib)
{
	struct memfile *m = sample();

	expect_opens(m);
	recipe_put_headers(m, 72, 8, MIB + 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-031");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_032_log_overlaps_nothing)
{
	struct memfile *m = sample();

	expect_opens(m);
	recipe_put_headers(m, 68, 4, 2u << 20); /* reaches into the metadata region */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-057");
	recipe_put_headers(m, 68, 4, 1u << 20);
	recipe_put_headers(m, 72, 8, 3 * MIB); /* is the BAT region */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-057");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_034_reserved_header_bytes_are_ignored)
{
	struct memfile *m = sample();

	put(m, 0, 80, 8, UINT64_MAX);
	put(m, 1, 80, 8, UINT64_MAX);
	put(m, 1, 4088, 8, UINT64_MAX);
	expect_opens(m);
	cr_assert_eq(sample_info(m).sequence_number, 8);
	recipe_put(m, RECIPE_HEADER(1) + 2000, 1, 1); /* but covered by the checksum */
	cr_assert_eq(sample_info(m).sequence_number, 7);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_035_log_lies_behind_the_headers_and_inside_the_file)
{
	struct memfile *m = pending();

	expect_opens(m);
	recipe_put_headers(m, 72, 8, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-035");
	recipe_put_headers(m, 72, 8, 64 * MIB);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-035");
	recipe_put_headers(m, 72, 8, UINT64_MAX - MIB + 1); /* offset + length is 2^64 */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-035");
	recipe_put_headers(m, 72, 8, MIB);
	expect_opens(m);
	recipe_put_headers(m, 68, 4, 0xFFF00000); /* 4 GiB less 1 MiB */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-035");
	memfile_free(m);
	m = sample(); /* one that is not used may be anywhere, */
	recipe_put_headers(m, 72, 8, 64 * MIB);
	expect_reads(m, MIB, MIB, 5);
	recipe_put_headers(m, 72, 8, UINT64_MAX - MIB + 1); /* but must have an end */
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-035");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_036_log_of_length_0)
{
	struct memfile *m = pending();

	expect_opens(m);
	recipe_put_headers(m, 68, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-036");
	memfile_free(m);
	m = sample();
	recipe_put_headers(m, 68, 4, 0);
	expect_reads(m, MIB, MIB, 5);
	recipe_put_headers(m, 72, 8, 0);
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_037_equal_sequence_numbers)
{
	struct memfile *m = sample();

	put(m, 0, 8, 8, 1);
	put(m, 1, 8, 8, 1);
	expect_opens(m); /* as Disk2vhd writes */
	put(m, 1, 100, 1, 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-037");
	put(m, 1, 8, 8, 2);
	expect_opens(m);
	memfile_free(m);
}
