/* SPDX-License-Identifier: MIT */
/*
 * Rules VHDX-063 to VHDX-093: what a log entry looks like. The image has one pending entry; when the entry is good its
 * contents are read, when it is not there is no valid sequence and the file is refused (VHDX-102), and the decoders name
 * the rule that the entry breaks.
 */
#include "format/vhdx_log.h"
#include "rules/vhdx_sample.h"

/* Offsets in the entry of one(). */
#define ZERO_DESCRIPTOR 64
#define DATA_DESCRIPTOR 96
#define DATA_SECTOR 4096

/* Zeros for pages 1 and 2, then pattern 6 for page 0. */
static struct memfile *one(void)
{
	struct recipe_descriptor descriptors[2] = { { .file_offset = SAMPLE_BLOCK + 4096, .zero_length = 8192 },
						    sample_data(0, 6) };
	struct recipe_entry entry = {
		.tail = RECIPE_SELF, .sequence_number = UINT64_C(0x100000007), .descriptors = descriptors, .descriptor_count = 2
	};

	return sample_log(&entry, 1);
}

/* The first rule that the entry at 1 MiB breaks, in the eyes of the decoders; "" when none. */
static const char *rule_of(struct memfile *m)
{
	static struct vhdx_error error;
	struct vhdx_log_descriptor d;
	struct vhdx_log_header h;
	uint8_t sector[4096];
	uint32_t data = 0;

	memfile_read(m, MIB, sector, sizeof(sector));
	if (vhdx_log_header_decode(&h, sector, 1u << 20, MIB, &error) < 0)
		return error.rule;
	for (uint32_t i = 0; i < h.descriptor_count; i++) {
		if (vhdx_log_descriptor_decode(&d, sector + 64 + 32 * (size_t)i, h.sequence_number, MIB, &error) < 0)
			return error.rule;
		data += !d.is_zero;
	}
	for (uint32_t i = 0; i < data; i++) {
		memfile_read(m, MIB + 4096 * (1 + (uint64_t)i), sector, sizeof(sector));
		if (vhdx_log_data_check(sector, h.sequence_number, MIB, &error) < 0)
			return error.rule;
	}
	return "";
}

static void expect_good(struct memfile *m)
{
	expect_page(m, 0, 6);
	expect_page(m, 1, 0);
	expect_page(m, 2, 0);
	expect_page(m, 3, 5);
	cr_assert_str_eq(rule_of(m), "");
}

/* In a copy: one field of the entry changes, its checksum is right, and it is an entry no more. */
static void breaks(const struct memfile *m, unsigned offset, unsigned size, uint64_t value, const char *rule)
{
	struct memfile *copy = memfile_copy(m);

	recipe_put(copy, MIB + offset, size, value);
	recipe_fix_log_entry(copy, MIB);
	expect_open_fails(copy, VHDX_E_DAMAGED, "VHDX-102");
	cr_assert_str_eq(rule_of(copy), rule, "rule %s, not %s", rule_of(copy), rule);
	memfile_free(copy);
}

/* The same, but the entry stays good. */
static void keeps(const struct memfile *m, unsigned offset, unsigned size, uint64_t value)
{
	struct memfile *copy = memfile_copy(m);

	recipe_put(copy, MIB + offset, size, value);
	recipe_fix_log_entry(copy, MIB);
	expect_good(copy);
	memfile_free(copy);
}

Test(vhdx_rules, VHDX_063_log_is_one_ring_anywhere_behind_the_headers)
{
	struct recipe_descriptor data = sample_data(0, 6);
	struct recipe_entry entry = {
		.at = (3u << 20) - 4096, .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = &data, .descriptor_count = 1
	};
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.log_guid = recipe_guid(3);
	knobs.log_offset = 9 * MIB;
	knobs.log_length = 3u << 20;
	knobs.first_block_offset = SAMPLE_BLOCK;
	knobs.entries = &entry;
	knobs.entry_count = 1;
	m = sample_of(knobs);
	expect_page(m, 0, 6); /* around the end of the ring */
	recipe_put_headers(m, 72, 8, 8 * MIB);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_067_entries_start_at_multiples_of_4_kib)
{
	struct memfile *m = one();
	uint8_t entry[8192];

	expect_good(m);
	memfile_read(m, MIB, entry, sizeof(entry));
	recipe_put(m, MIB, 4, 0);
	memfile_write(m, MIB + 512, entry, sizeof(entry));
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_068_alignment_of_4_kib_is_enough)
{
	for (uint32_t at_sector = 0; at_sector < 256; at_sector += 51) {
		struct recipe_descriptor data = sample_data(0, 6);
		struct recipe_entry entry = { .at = 4096 * at_sector,
					      .tail = RECIPE_SELF,
					      .sequence_number = 1,
					      .descriptors = &data,
					      .descriptor_count = 1 };
		struct memfile *m = sample_log(&entry, 1);

		expect_page(m, 0, 6);
		recipe_put(m, MIB + entry.at, 4, 0);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_069_one_data_sector_for_each_data_descriptor)
{
	struct memfile *m = one(), *copy = memfile_copy(m);
	uint8_t sector[4096];

	expect_good(m);
	memfile_read(m, MIB + DATA_SECTOR, sector, sizeof(sector));
	memfile_write(copy, MIB + DATA_SECTOR + 4096, sector, sizeof(sector)); /* one more, good in itself */
	recipe_put(copy, MIB + 8, 4, 3 * 4096);
	recipe_fix_log_entry(copy, MIB);
	expect_open_fails(copy, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(copy);
	breaks(m, 8, 4, 4096, ""); /* one less */
	memfile_free(m);
}

Test(vhdx_rules, VHDX_070_descriptors_per_sector)
{
	static const uint32_t counts[] = { 1, 126, 127, 254, 255 };
	static struct recipe_descriptor descriptors[255];

	for (unsigned c = 0; c < 5; c++) {
		struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = descriptors };
		struct memfile *m;

		for (uint32_t i = 0; i < counts[c]; i++)
			descriptors[i] = (struct recipe_descriptor){ .file_offset = SAMPLE_BLOCK + 4096 * (uint64_t)i,
								     .zero_length = 4096 };
		descriptors[counts[c] - 1] = sample_data(counts[c] - 1, 6);
		entry.descriptor_count = counts[c];
		m = sample_log(&entry, 1);
		cr_assert_eq(recipe_get(m, MIB + 8, 4), 4096u * (c < 2 ? 2 : c < 4 ? 3 : 4));
		expect_reads(m, MIB, 4096 * (uint64_t)(counts[c] - 1), 0);
		expect_page(m, counts[c] - 1, 6);
		recipe_put(m, MIB + 24, 4, counts[c] + 128); /* more than its sectors hold */
		recipe_fix_log_entry(m, MIB);
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_072_entry_begins_with_loge)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, 0, 1, 'L', "VHDX-072");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_073_entry_checksum_covers_the_whole_entry)
{
	static const unsigned places[] = { 4, 28, 63, 200, 4095, DATA_SECTOR + 100, DATA_SECTOR + 4091 };
	struct memfile *m = one();

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct memfile *copy = memfile_copy(m);

		recipe_put(copy, MIB + places[i], 1, recipe_get(copy, MIB + places[i], 1) ^ 1);
		expect_open_fails(copy, VHDX_E_DAMAGED, "VHDX-102");
		memfile_free(copy);
	}
	expect_good(m);
	recipe_put(m, MIB + 8192, 1, 1); /* behind the entry */
	expect_good(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_074_entry_length_is_a_multiple_of_4_kib)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, 8, 4, 8192 + 512, "VHDX-074");
	breaks(m, 8, 4, 8191, "VHDX-074");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_075_tail_is_a_multiple_of_4_kib)
{
	struct memfile *m = one();

	expect_good(m); /* it names the entry itself */
	breaks(m, 12, 4, 512, "VHDX-075");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_076_sequence_numbers_begin_above_0_and_grow_by_one)
{
	struct recipe_descriptor a = sample_data(0, 6), b = sample_data(0, 7);
	struct recipe_entry entries[] = { { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = &a, .descriptor_count = 1 },
					  { .at = RECIPE_NEXT, .sequence_number = 2, .descriptors = &b, .descriptor_count = 1 } };
	struct memfile *m = sample_log(entries, 2);

	expect_page(m, 0, 7);
	memfile_free(m);
	entries[1].sequence_number = 3; /* does not follow, and its tail is not in its own sequence */
	m = sample_log(entries, 2);
	expect_page(m, 0, 6);
	memfile_free(m);
	entries[0].sequence_number = 0;
	m = sample_log(entries, 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	cr_assert_str_eq(rule_of(m), "VHDX-076");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_077_entry_without_descriptors_is_valid)
{
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1 };
	struct memfile *m = sample_log(&entry, 1);

	expect_page(m, 0, 5);
	cr_assert_eq(sample_info(m).log_entries, 1);
	breaks(m, 24, 4, 1, "VHDX-088"); /* a descriptor that is not there */
	memfile_free(m);
}

Test(vhdx_rules, VHDX_079_entry_of_another_log_guid_is_not_valid)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, 32, 1, recipe_get(m, MIB + 32, 1) ^ 1, "");
	breaks(m, 47, 1, recipe_get(m, MIB + 47, 1) ^ 0x80, "");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_086_zero_descriptor)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, ZERO_DESCRIPTOR, 1, 'Z', "VHDX-088"); /* neither signature */
	breaks(m, ZERO_DESCRIPTOR + 8, 8, 8192 + 512, "VHDX-086");
	breaks(m, ZERO_DESCRIPTOR + 16, 8, SAMPLE_BLOCK + 512, "VHDX-086");
	breaks(m, ZERO_DESCRIPTOR + 24, 8, 7, "VHDX-086"); /* the lower half alone */
	keeps(m, ZERO_DESCRIPTOR + 4, 4, 0xFFFFFFFF);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_087_zero_descriptor_writes_zeros)
{
	struct recipe_descriptor zero = { .file_offset = SAMPLE_BLOCK, .zero_length = MIB - 4096 };
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = &zero, .descriptor_count = 1 };
	struct memfile *m = sample_log(&entry, 1);

	expect_reads(m, MIB, MIB - 4096, 0);
	expect_page(m, 255, 5);
	recipe_put(m, MIB + 64 + 8, 8, 0); /* nothing to write */
	recipe_fix_log_entry(m, MIB);
	expect_reads(m, MIB, MIB, 5);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_088_data_descriptor)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, DATA_DESCRIPTOR, 1, 'D', "VHDX-088");
	breaks(m, DATA_DESCRIPTOR + 16, 8, SAMPLE_BLOCK + 2048, "VHDX-088");
	breaks(m, DATA_DESCRIPTOR + 24, 8, UINT64_C(0x100000008), "VHDX-088");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_089_leading_and_trailing_bytes_go_back_into_the_sector)
{
	struct memfile *m = one();
	uint8_t sector[4096];

	memfile_read(m, MIB + DATA_SECTOR, sector, sizeof(sector));
	cr_assert_arr_eq(sector, "data", 4); /* what stands there instead */
	expect_good(m);
	recipe_put(m, MIB + DATA_DESCRIPTOR + 4, 4, recipe_get(m, MIB + DATA_DESCRIPTOR + 4, 4) ^ 0x01000000); /* byte 4,095 */
	recipe_fix_log_entry(m, MIB);
	expect_reads(m, MIB, 4095, 6);
	cr_assert_not_null(check_reads(&m, 1, 0, MIB + 4095, 1, 6));
	recipe_put(m, MIB + DATA_DESCRIPTOR + 8, 8, recipe_get(m, MIB + DATA_DESCRIPTOR + 8, 8) ^ 1); /* byte 0 */
	recipe_fix_log_entry(m, MIB);
	expect_reads(m, MIB + 1, 4094, 6);
	cr_assert_not_null(check_reads(&m, 1, 0, MIB, 1, 6));
	memfile_free(m);
}

Test(vhdx_rules, VHDX_090_data_sector)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, DATA_SECTOR, 1, 'D', "VHDX-090");
	breaks(m, DATA_SECTOR + 4, 4, 0, "VHDX-090");
	breaks(m, DATA_SECTOR + 4092, 4, 8, "VHDX-090");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_092_numbers_of_an_entry_fit_each_other)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, 12, 4, 1u << 20, "VHDX-092");
	breaks(m, 12, 4, 0xFFFFF000, "VHDX-092");
	breaks(m, 8, 4, 0, "VHDX-092");
	breaks(m, 8, 4, (1u << 20) + 4096, "VHDX-092");
	breaks(m, 8, 4, 0xFFFFF000, "VHDX-092");
	breaks(m, 24, 4, 0xFFFFFFFF, "VHDX-092");
	breaks(m, 24, 4, 255, "VHDX-092");
	breaks(m, 8, 4, 3 * 4096, ""); /* one sector more than its descriptors need */
	memfile_free(m);
}

Test(vhdx_rules, VHDX_093_targets_of_descriptors)
{
	struct memfile *m = one();

	expect_good(m);
	breaks(m, DATA_DESCRIPTOR + 16, 8, 0, "VHDX-093");
	breaks(m, DATA_DESCRIPTOR + 16, 8, RECIPE_HEADER(0), "VHDX-093");
	breaks(m, DATA_DESCRIPTOR + 16, 8, 192 * 1024 - 4096, "VHDX-093");
	breaks(m, ZERO_DESCRIPTOR + 16, 8, 128 * 1024, "VHDX-093");
	breaks(m, ZERO_DESCRIPTOR + 8, 8, UINT64_C(0) - 4096, "VHDX-093");
	breaks(m, ZERO_DESCRIPTOR + 16, 8, UINT64_C(0) - 4096, "VHDX-093");
	breaks(m, DATA_DESCRIPTOR + 16, 8, 2 * MIB - 4096, ""); /* in the log, which the decoder does not know */
	breaks(m, ZERO_DESCRIPTOR + 16, 8, MIB - 4096, "");
	recipe_put(m, MIB + DATA_DESCRIPTOR + 16, 8, 2 * MIB + 4096); /* behind it, in the unused part of the metadata table */
	recipe_fix_log_entry(m, MIB);
	expect_page(m, 0, 5);
	memfile_free(m);
}
