/* SPDX-License-Identifier: MIT */
/*
 * The rules for a writer that vhdx_create_file has to keep, looked for in the bytes of new images. Parents:
 * vhdx_create_child.c.
 */
#include <string.h>

#include "rules/vhdx_created.h"

struct order {
	struct memfile *file;
	uint64_t identifier_write; /* number of the call; 0: none yet */
	uint64_t calls, last_flush, flush_before_identifier;
	bool seen_before;
};

static void watch_order(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct order *order = context;

	(void)length;
	order->calls++;
	if (call == MEMFILE_FLUSH)
		order->last_flush = order->calls;
	if (call != MEMFILE_WRITE && call != MEMFILE_SET_SIZE)
		return;
	cr_assert(order->identifier_write == 0, "something is written after the identifier");
	if (call == MEMFILE_WRITE && file_offset == 0) {
		order->identifier_write = order->calls;
		order->flush_before_identifier = order->last_flush;
	}
}

Test(vhdx_rules, VHDX_011_identifier_is_written_last)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new.vhdx");
	struct order order = { .file = m };

	o.size = 16 * MIB;
	memfile_watch(m, watch_order, &order);
	cr_assert_eq(vhdx_create_file(&file, &o, NULL), VHDX_OK);
	cr_assert(order.identifier_write != 0 && order.flush_before_identifier == order.identifier_write - 1);
	cr_assert_eq(order.last_flush, order.calls);
	memfile_watch(m, NULL, NULL);
	cr_assert_eq(recipe_get(m, 0, 8), UINT64_C(0x656C696678646876));
	expect_reads(m, 0, 16 * MIB, 0);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_011_interrupted_creation_leaves_no_vhdx)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

	o.size = 16 * MIB;
	for (unsigned long n = 1;; n++) {
		struct memfile *m = memfile_new();
		struct vhdx_file file = memfile_file(m, "new.vhdx");
		struct vhdx_error error = { 0 };
		int status;

		memfile_fail(m, MEMFILE_WRITE, n, VHDX_E_IO, true);
		status = vhdx_create_file(&file, &o, &error);
		if (status == VHDX_OK) {
			cr_assert_gt(n, 3);
			memfile_free(m);
			break;
		}
		cr_assert_eq(status, VHDX_E_IO);
		cr_assert_eq(recipe_get(m, 0, 8), 0);
		memfile_free(m);
	}
}

/* Both headers of a new image, byte by byte. */
static void check_headers(const struct memfile *m)
{
	for (unsigned slot = 0; slot < 2; slot++) {
		uint64_t header = RECIPE_HEADER(slot);
		uint8_t bytes[4096];
		uint32_t stored;

		memfile_read(m, header, bytes, sizeof(bytes));
		cr_assert_arr_eq(bytes, "head", 4);
		stored = (uint32_t)recipe_get(m, header + 4, 4);
		memset(bytes + 4, 0, 4);
		cr_assert_eq(recipe_crc32c(bytes, sizeof(bytes)), stored);
		cr_assert_eq(recipe_get(m, header + 66, 2), 1);
		cr_assert_eq(recipe_get(m, header + 48, 8) | recipe_get(m, header + 56, 8), 0); /* LogGuid */
		for (unsigned i = 80; i < 4096; i++)
			cr_assert_eq(bytes[i], 0); /* VHDX-033 */
	}
}

Test(vhdx_rules, VHDX_027_log_version_is_written_as_0)
{
	struct memfile *m = create_filled(VHDX_TYPE_DYNAMIC);

	for (unsigned slot = 0; slot < 2; slot++)
		cr_assert_eq(recipe_get(m, RECIPE_HEADER(slot) + 64, 2), 0);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_033_reserved_header_bytes_are_written_as_zero)
{
	struct memfile *m = create_filled(VHDX_TYPE_FIXED);

	check_headers(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_043_both_header_slots_hold_current_data)
{
	struct memfile *m = create_filled(VHDX_TYPE_DYNAMIC);
	uint8_t one[64], two[64];

	check_headers(m);
	cr_assert_eq(recipe_get(m, RECIPE_HEADER(1) + 8, 8), recipe_get(m, RECIPE_HEADER(0) + 8, 8) + 1);
	memfile_read(m, RECIPE_HEADER(0) + 16, one, sizeof(one));
	memfile_read(m, RECIPE_HEADER(1) + 16, two, sizeof(two));
	cr_assert_arr_eq(one, two, sizeof(one));
	memfile_free(m);
}

Test(vhdx_rules, VHDX_050_reserved_field_of_the_region_table_is_zero)
{
	struct memfile *m = create_filled(VHDX_TYPE_DYNAMIC);
	uint8_t tables[2][65536];

	for (unsigned copy = 0; copy < 2; copy++) {
		cr_assert_eq(recipe_get(m, RECIPE_REGION_TABLE(copy) + 8, 8), 2); /* two entries, reserved 0 */
		for (unsigned i = 0; i < 2; i++)
			cr_assert_eq(recipe_get(m, RECIPE_REGION(copy, i) + 28, 4), 1); /* both required */
		memfile_read(m, RECIPE_REGION_TABLE(copy), tables[copy], 65536);
	}
	cr_assert_arr_eq(tables[0], tables[1], 65536);
	memset(tables[0] + 4, 0, 4);
	cr_assert_eq(recipe_crc32c(tables[0], 65536), recipe_get(m, RECIPE_REGION_TABLE(0) + 4, 4));
	memfile_free(m);
}

static const uint64_t *sorted_offsets(const struct memfile *m, unsigned blocks)
{
	static uint64_t offsets[16];
	struct created f = created_places(m);

	for (unsigned i = 0; i < blocks; i++) {
		uint64_t offset = recipe_get(m, f.bat + 8 * i, 8) & ~UINT64_C(7);
		unsigned k = i;

		for (; k > 0 && offsets[k - 1] > offset; k--)
			offsets[k] = offsets[k - 1];
		offsets[k] = offset;
	}
	return offsets;
}

Test(vhdx_rules, VHDX_120_reserved_bits_of_bat_entries_are_zero)
{
	struct memfile *m = create_filled(VHDX_TYPE_DYNAMIC);
	struct created f = created_places(m);

	for (unsigned i = 0; i < 7; i++)
		cr_assert_eq(recipe_get(m, f.bat + 8 * i, 8) & (MIB - 1), RECIPE_FULL);
	for (uint64_t i = 7; i < f.bat_length / 8; i += 1) /* VHDX-142: what the disk does not need is 0 */
		cr_assert_eq(recipe_get(m, f.bat + 8 * i, 8), 0);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_122_no_two_entries_name_one_place)
{
	static const enum vhdx_type types[] = { VHDX_TYPE_FIXED, VHDX_TYPE_DYNAMIC };

	for (unsigned t = 0; t < 2; t++) {
		struct memfile *m = create_filled(types[t]);
		const uint64_t *offsets = sorted_offsets(m, 7);
		struct created f = created_places(m);

		cr_assert_geq(offsets[0], f.bat + f.bat_length);
		for (unsigned i = 1; i < 7; i++)
			cr_assert_geq(offsets[i], offsets[i - 1] + 2 * MIB); /* nor do blocks overlap */
		cr_assert_eq(memfile_size(m), offsets[6] + 2 * MIB);
		expect_reads(m, 0, 12 * MIB + 512, 5);
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_125_all_blocks_of_a_fixed_disk_are_present)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m;
	struct created f;

	o.type = VHDX_TYPE_FIXED;
	o.size = 5 * MIB;
	o.block_size = 1u << 20;
	m = create_image(&o);
	f = created_places(m);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(recipe_get(m, f.bat + 8 * i, 8) & 7, RECIPE_FULL);
	cr_assert_eq(recipe_get(m, created_value(m, CREATED_PARAMETERS) + 4, 4), 1);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_145_reserved_fields_of_the_metadata_table_are_zero)
{
	struct memfile *m = create_filled(VHDX_TYPE_DYNAMIC);
	struct created f = created_places(m);

	cr_assert_eq(recipe_get(m, f.metadata, 8), UINT64_C(0x617461646174656D));
	cr_assert_eq(recipe_get(m, f.metadata + 8, 2), 0);
	cr_assert_eq(recipe_get(m, f.metadata + 12, 4) | recipe_get(m, f.metadata + 16, 8) | recipe_get(m, f.metadata + 24, 8),
		     0);
	cr_assert_eq(f.items, 5);
	memfile_free(m);
}
