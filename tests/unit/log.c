/* SPDX-License-Identifier: MIT */
/* The decoders of log entries, on bytes alone. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/bytes.h"
#include "base/guid.h"
#include "format/vhdx_log.h"
#include "support/recipe.h"

enum { LOG_LENGTH = 1 << 20 };

static void make_header(uint8_t *sector)
{
	memset(sector, 0, 4096);
	memcpy(sector, "loge", 4);
	put_le32(sector + 4, 0xCAFE1234);
	put_le32(sector + 8, 8192);
	put_le32(sector + 12, 4096);
	put_le64(sector + 16, UINT64_C(0x8000000000000001));
	put_le32(sector + 24, 126);
	memset(sector + 32, 0x77, 16);
	put_le64(sector + 48, UINT64_C(0x1234500000));
	put_le64(sector + 56, UINT64_C(0x6789A00000));
}

Test(log, header)
{
	struct vhdx_log_header h;
	struct vhdx_error error;
	uint8_t sector[4096];

	make_header(sector);
	cr_assert(vhdx_log_sector_is_entry(sector));
	cr_assert_eq(vhdx_log_header_decode(&h, sector, LOG_LENGTH, 0, &error), VHDX_OK);
	cr_assert(h.checksum == 0xCAFE1234 && h.entry_length == 8192 && h.tail == 4096 &&
		  h.sequence_number == UINT64_C(0x8000000000000001) && h.descriptor_count == 126 && h.log_guid.bytes[5] == 0x77 &&
		  h.flushed_file_offset == UINT64_C(0x1234500000) && h.last_file_offset == UINT64_C(0x6789A00000));
	put_le32(sector + 28, 0xFFFFFFFF); /* reserved */
	cr_assert_eq(vhdx_log_header_decode(&h, sector, LOG_LENGTH, 0, &error), VHDX_OK);
	put_le32(sector + 8, LOG_LENGTH);
	put_le32(sector + 12, LOG_LENGTH - 4096);
	cr_assert_eq(vhdx_log_header_decode(&h, sector, LOG_LENGTH, 0, &error), VHDX_OK);
}

Test(log, header_errors_name_the_place)
{
	static const struct {
		unsigned at;
		uint32_t value;
		const char *rule;
	} rows[] = {
		{ 0, 0x65676F6B, "VHDX-072" }, { 8, 8193, "VHDX-074" },
		{ 8, 0, "VHDX-092" },          { 8, LOG_LENGTH + 4096, "VHDX-092" },
		{ 12, 1, "VHDX-075" },         { 12, LOG_LENGTH, "VHDX-092" },
		{ 24, 255, "VHDX-092" },       { 24, 0xFFFFFFFF, "VHDX-092" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vhdx_log_header h = { .tail = 5 };
		struct vhdx_error error;
		uint8_t sector[4096];

		make_header(sector);
		put_le32(sector + rows[i].at, rows[i].value);
		cr_assert_eq(vhdx_log_header_decode(&h, sector, LOG_LENGTH, 0x100000, &error), VHDX_E_DAMAGED);
		cr_assert_str_eq(error.rule, rows[i].rule);
		cr_assert_eq(error.file_offset, 0x100000u + (rows[i].at == 24 ? 8 : rows[i].at));
		cr_assert_eq(h.tail, 5); /* written on success only */
	}
}

Test(log, descriptor_sectors)
{
	static const struct {
		uint32_t count, sectors;
	} rows[] = { { 0, 1 }, { 1, 1 }, { 126, 1 }, { 127, 2 }, { 254, 2 }, { 255, 3 }, { 0xFFFFFFFF, 33554433 } };

	for (unsigned i = 0; i < 7; i++)
		cr_assert_eq(vhdx_log_descriptor_sectors(rows[i].count), rows[i].sectors);
	cr_assert_eq(vhdx_log_descriptor_offset(0), 64);
	cr_assert_eq(vhdx_log_descriptor_offset(126), 4096);
	cr_assert_eq(vhdx_log_descriptor_offset(0xFFFFFFFF), 64 + UINT64_C(32) * 0xFFFFFFFF);
}

static void make_descriptor(uint8_t *bytes, const char *signature, uint64_t length, uint64_t offset)
{
	memcpy(bytes, signature, 4);
	memcpy(bytes + 4, "\1\2\3\4", 4);
	put_le64(bytes + 8, length);
	put_le64(bytes + 16, offset);
	put_le64(bytes + 24, 7);
}

Test(log, descriptors)
{
	struct vhdx_log_descriptor d;
	struct vhdx_error error;
	uint8_t bytes[32];

	make_descriptor(bytes, "zero", 8192, 192 * 1024);
	cr_assert_eq(vhdx_log_descriptor_decode(&d, bytes, 7, 0, &error), VHDX_OK);
	cr_assert(d.is_zero && d.length == 8192 && d.file_offset == 192 * 1024);
	make_descriptor(bytes, "desc", UINT64_C(0x0807060504030201), 4096 * UINT64_C(1000000));
	cr_assert_eq(vhdx_log_descriptor_decode(&d, bytes, 7, 0, &error), VHDX_OK);
	cr_assert(!d.is_zero && d.length == 4096 && d.file_offset == 4096 * UINT64_C(1000000));
	cr_assert_arr_eq(d.trailing_bytes, "\1\2\3\4", 4);
	cr_assert_arr_eq(d.leading_bytes, "\1\2\3\4\5\6\7\10", 8);
	cr_assert_eq(vhdx_log_descriptor_decode(&d, bytes, 8, 0, &error), VHDX_E_DAMAGED);
	cr_assert_str_eq(error.rule, "VHDX-088");
}

Test(log, descriptor_targets)
{
	static const struct {
		uint64_t offset, length;
		const char *rule;
	} rows[] = {
		{ 192 * 1024, 0, "" },
		{ 192 * 1024 - 4096, 4096, "VHDX-093" },
		{ UINT64_MAX - 4095, 4096, "VHDX-093" },
		{ 192 * 1024 + 1, 0, "VHDX-086" },
		{ 192 * 1024, 4097, "VHDX-086" },
		{ INT64_MAX - 4095, 4096, "VHDX-093" },
		{ INT64_MAX - 8191, 4096, "" },
		{ 1 << 20, UINT64_MAX - 4095, "VHDX-093" },
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct vhdx_log_descriptor d;
		struct vhdx_error error = { 0 };
		uint8_t bytes[32];
		int status;

		make_descriptor(bytes, "zero", rows[i].length, rows[i].offset);
		status = vhdx_log_descriptor_decode(&d, bytes, 7, 0, &error);
		cr_assert_eq(status == VHDX_OK, rows[i].rule[0] == '\0', "row %u", i);
		cr_assert_str_eq(error.rule, rows[i].rule, "row %u: %s", i, error.rule);
	}
}

Test(log, data_sectors)
{
	struct vhdx_error error;
	uint8_t page[4096], sector[4096];

	recipe_pattern(page, sizeof(page), 0, 1);
	memcpy(sector, page, sizeof(page));
	memcpy(sector, "data", 4);
	put_le32(sector + 4, 0x11111111);
	put_le32(sector + 4092, 0x22222222);
	cr_assert_eq(vhdx_log_data_check(sector, UINT64_C(0x1111111122222222), 0, &error), VHDX_OK);
	cr_assert_eq(vhdx_log_data_check(sector, UINT64_C(0x2222222211111111), 0, &error), VHDX_E_DAMAGED);
	cr_assert_str_eq(error.rule, "VHDX-090");
	vhdx_log_data_restore(sector, page, page + 4092);
	cr_assert_arr_eq(sector, page, sizeof(page));
}
