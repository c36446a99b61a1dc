/* SPDX-License-Identifier: MIT */
/*
 * The writer's rules that vhdx_create_file has to keep, looked for in the bytes of new images. What is read back goes through the
 * recipe's functions, not through the library.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/vhdx_sample.h"

static const char *const item_ids[] = { "caa16737-fa36-4d43-b3b6-33f0aa44e76b", "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
					"beca12ab-b2e6-4523-93ef-c309e000c746", "8141bf1d-a96f-4709-ba47-f233a8faab5f",
					"cda348c7-445d-4471-9cc9-e9885251c556", "a8d35f2d-b30b-454d-abf7-d3d84834ab0c" };
enum { PARAMETERS, SIZE, ID, LOGICAL, PHYSICAL, LOCATOR };

/* Where things are in a created image: found by the region table and the metadata table, as any reader would. */
struct found {
	uint64_t log, bat, metadata;
	uint32_t log_length, bat_length;
	unsigned items;
};

static struct found find(const struct memfile *m)
{
	struct vhdx_guid bat = recipe_guid_text("2dc27766-f623-4200-9d64-115e9bfd4a08");
	struct found f = { .log = recipe_get(m, RECIPE_HEADER(1) + 72, 8), .log_length = (uint32_t)recipe_get(m, RECIPE_HEADER(1) + 68, 4) };

	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_guid guid = recipe_get_guid(m, RECIPE_REGION(0, i));
		bool is_bat = memcmp(&guid, &bat, 16) == 0;

		*(is_bat ? &f.bat : &f.metadata) = recipe_get(m, RECIPE_REGION(0, i) + 16, 8);
		if (is_bat)
			f.bat_length = (uint32_t)recipe_get(m, RECIPE_REGION(0, i) + 24, 4);
	}
	f.items = (unsigned)recipe_get(m, f.metadata + 10, 2);
	return f;
}

/* The metadata table entry of an item; 0 when there is none. */
static uint64_t entry_of(const struct memfile *m, const char *id)
{
	struct vhdx_guid wanted = recipe_guid_text(id);
	struct found f = find(m);

	for (unsigned i = 0; i < f.items; i++) {
		struct vhdx_guid guid = recipe_get_guid(m, f.metadata + 32 + 32 * i);

		if (memcmp(&guid, &wanted, 16) == 0)
			return f.metadata + 32 + 32 * i;
	}
	return 0;
}

/* File offset of the value of an item. */
static uint64_t value_of(const struct memfile *m, unsigned item)
{
	return find(m).metadata + recipe_get(m, entry_of(m, item_ids[item]) + 16, 4);
}

static int read_pattern(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	(void)error;
	recipe_pattern(buffer, length, disk_offset, *(uint32_t *)context);
	return VHDX_OK;
}

static struct memfile *create(const struct vhdx_create_options *options)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new.vhdx");
	struct vhdx_error error = { 0 };
	struct testenv env;
	struct vhdx_create_options o = *options;

	testenv_start(&env, 99);
	o.env = &env.env;
	cr_assert_eq(vhdx_create_file(&file, &o, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(testenv_live(&env), 0);
	return m;
}

/* 12 MiB and a bit, with content, in blocks of 2 MiB. */
static struct memfile *create_filled(enum vhdx_type type)
{
	static uint32_t seed = 5;
	static const struct vhdx_source source = { .context = &seed, .size = 12 * MIB + 512, .read = read_pattern };
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

	o.type = type;
	o.block_size = 2u << 20;
	o.source = &source;
	return create(&o);
}

/* A child of `parent` with two paths. */
static struct memfile *create_child(struct memfile *parent)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m;

	cr_assert_eq(test_open_chain(&o.parent, &parent, 1, 0, NULL), VHDX_OK);
	o.parent_relative = "..\\base\\p.vhdx";
	o.parent_absolute = "\\\\?\\C:\\base\\p.vhdx";
	m = create(&o);
	vhdx_close(o.parent);
	return m;
}

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
	struct found f = find(m);

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
	struct found f = find(m);

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
		struct found f = find(m);

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
	struct found f;

	o.type = VHDX_TYPE_FIXED;
	o.size = 5 * MIB;
	o.block_size = 1u << 20;
	m = create(&o);
	f = find(m);
	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(recipe_get(m, f.bat + 8 * i, 8) & 7, RECIPE_FULL);
	cr_assert_eq(recipe_get(m, value_of(m, PARAMETERS) + 4, 4), 1);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_145_reserved_fields_of_the_metadata_table_are_zero)
{
	struct memfile *m = create_filled(VHDX_TYPE_DYNAMIC);
	struct found f = find(m);

	cr_assert_eq(recipe_get(m, f.metadata, 8), UINT64_C(0x617461646174656D));
	cr_assert_eq(recipe_get(m, f.metadata + 8, 2), 0);
	cr_assert_eq(recipe_get(m, f.metadata + 12, 4) | recipe_get(m, f.metadata + 16, 8) | recipe_get(m, f.metadata + 24, 8), 0);
	cr_assert_eq(f.items, 5);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_154_child_gets_the_virtual_disk_items)
{
	struct recipe_item items[] = { { recipe_guid_text("11111111-1111-1111-1111-111111111111"), 2, "copied", 6 },
				       { recipe_guid_text("22222222-2222-2222-2222-222222222222"), 0, "left", 4 },
				       { recipe_guid_text("33333333-3333-3333-3333-333333333333"), 3, "user's", 6 },
				       { recipe_guid_text("44444444-4444-4444-4444-444444444444"), 1, "no", 2 },
				       { recipe_guid_text("55555555-5555-5555-5555-555555555555"), 2, "", 0 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *parent, *child;
	uint64_t entry;
	char text[6];

	knobs.items = items;
	knobs.item_count = 5;
	knobs.physical_sector_size = 512;
	parent = build(&knobs);
	child = create_child(parent);
	entry = entry_of(child, "11111111-1111-1111-1111-111111111111");
	memfile_read(child, find(child).metadata + recipe_get(child, entry + 16, 4), text, 6);
	cr_assert_arr_eq(text, "copied", 6);
	cr_assert_eq(recipe_get(child, entry + 20, 8), UINT64_C(2) << 32 | 6);
	cr_assert_eq(recipe_get(child, entry_of(child, "33333333-3333-3333-3333-333333333333") + 24, 4), 3);
	entry = entry_of(child, "55555555-5555-5555-5555-555555555555");
	cr_assert(entry != 0 && recipe_get(child, entry + 16, 8) == 0);
	cr_assert_eq(entry_of(child, "22222222-2222-2222-2222-222222222222"), 0);
	cr_assert_eq(entry_of(child, "44444444-4444-4444-4444-444444444444"), 0);
	cr_assert_eq(recipe_get(child, value_of(child, SIZE), 8), knobs.size);
	cr_assert_eq(recipe_get(child, value_of(child, LOGICAL), 4), 512);
	cr_assert_eq(recipe_get(child, value_of(child, PHYSICAL), 4), 512);
	expect_pair_opens(child, parent);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_154_items_that_do_not_fit_are_not_dropped)
{
	static const uint8_t zeros[1u << 20];
	struct recipe_item item = { recipe_guid(9), 2, zeros, sizeof(zeros) };
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *parent, *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new.vhdx");

	knobs.items = &item;
	knobs.item_count = 1;
	knobs.metadata_offset = 16 * MIB;
	knobs.metadata_length = 4u << 20;
	parent = build(&knobs);
	cr_assert_eq(test_open_chain(&o.parent, &parent, 1, 0, NULL), VHDX_OK);
	o.parent_relative = "p.vhdx";
	cr_assert_eq(vhdx_create_file(&file, &o, NULL), VHDX_E_UNSUPPORTED);
	cr_assert_eq(recipe_get(m, 0, 8), 0);
	vhdx_close(o.parent);
	memfile_free(m);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_158_reserved_bits_of_metadata_entries_are_zero)
{
	static const uint32_t flags[] = { 4, 6, 6, 6, 6, 4 };
	struct memfile *parent = sample_parent(), *child;

	for (unsigned i = 0; i < 3; i++) { /* what the parent has there is not copied */
		recipe_put(parent, at.entries[i] + 24, 4, recipe_get(parent, at.entries[i] + 24, 4) | 0xFFFFFFF8);
		recipe_put(parent, at.entries[i] + 28, 4, 0xFFFFFFFF);
	}
	child = create_child(parent);
	for (unsigned i = 0; i < 6; i++)
		cr_assert_eq(recipe_get(child, entry_of(child, item_ids[i]) + 24, 8), flags[i]);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_166_reserved_flag_bits_are_written_as_zero)
{
	struct memfile *parent = create_filled(VHDX_TYPE_DYNAMIC), *child = create_child(parent);

	cr_assert_eq(recipe_get(parent, value_of(parent, PARAMETERS) + 4, 4), 0);
	cr_assert_eq(recipe_get(child, value_of(child, PARAMETERS) + 4, 4), 2);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_168_child_has_the_id_of_its_parent)
{
	struct memfile *parent = create_filled(VHDX_TYPE_DYNAMIC), *child = create_child(parent);
	struct vhdx_guid a = recipe_get_guid(parent, value_of(parent, ID)), b = recipe_get_guid(child, value_of(child, ID));
	struct vhdx_guid zero = { { 0 } };

	cr_assert_arr_eq(&a, &b, 16);
	cr_assert_arr_neq(&a, &zero, 16);
	memfile_free(child);
	memfile_free(parent);
}

/* Text of the value of a key in the locator of a created child; "" when it has no such key. */
static const char *locator_value(const struct memfile *m, const char *key)
{
	static char text[200];
	uint64_t item = value_of(m, LOCATOR);

	for (uint64_t i = 0, count = recipe_get(m, item + 18, 2); i < count; i++) {
		uint64_t entry = item + 20 + 12 * i, k = item + recipe_get(m, entry, 4), v = item + recipe_get(m, entry + 4, 4);
		size_t length = recipe_get(m, entry + 8, 2) / 2, n = 0;

		while (n < length && n < strlen(key) && recipe_get(m, k + 2 * n, 2) == (uint8_t)key[n])
			n++;
		if (n != length || n != strlen(key))
			continue;
		length = recipe_get(m, entry + 10, 2) / 2;
		for (n = 0; n < length && n < sizeof(text) - 1; n++)
			text[n] = (char)recipe_get(m, v + 2 * n, 1);
		text[n] = '\0';
		return text;
	}
	return "";
}

static struct memfile *child_of_sample(void)
{
	struct memfile *parent = sample_parent(), *child = create_child(parent);

	expect_pair_reads(child, parent, 0, 8 * MIB, 1);
	memfile_free(parent);
	return child;
}

Test(vhdx_rules, VHDX_175_reserved_field_of_the_locator_is_zero)
{
	struct memfile *child = child_of_sample();

	cr_assert_eq(recipe_get(child, value_of(child, LOCATOR) + 16, 4), UINT64_C(3) << 16); /* reserved, three pairs */
	memfile_free(child);
}

Test(vhdx_rules, VHDX_179_keys_are_lower_case)
{
	struct memfile *child = child_of_sample();

	cr_assert_str_eq(locator_value(child, "relative_path"), "..\\base\\p.vhdx");
	cr_assert_str_eq(locator_value(child, "absolute_win32_path"), "\\\\?\\C:\\base\\p.vhdx");
	cr_assert_str_eq(locator_value(child, "Relative_path"), "");
	memfile_free(child);
}

Test(vhdx_rules, VHDX_181_parent_linkage_is_the_data_write_guid_of_the_current_header)
{
	struct memfile *parent = sample_parent(), *child;
	struct vhdx_guid stale = recipe_guid(5);

	recipe_put_guid(parent, RECIPE_HEADER(0) + 32, &stale); /* the other header */
	recipe_fix_header(parent, 0);
	child = create_child(parent);
	cr_assert_str_eq(locator_value(child, "parent_linkage"), SAMPLE_LINKAGE);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_182_guid_in_the_locator_is_lower_case_with_braces)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *parent, *child;

	knobs.data_write_guid = recipe_guid_text("ABCDEF01-2345-6789-ABCD-EF0123456789");
	parent = build(&knobs);
	child = create_child(parent);
	cr_assert_str_eq(locator_value(child, "parent_linkage"), "{abcdef01-2345-6789-abcd-ef0123456789}");
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_183_new_child_has_no_second_linkage)
{
	struct memfile *child = child_of_sample();

	cr_assert_str_neq(locator_value(child, "parent_linkage"), "");
	cr_assert_str_eq(locator_value(child, "parent_linkage2"), "");
	memfile_free(child);
}

Test(vhdx_rules, VHDX_185_child_without_any_path_is_not_created)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *parent = sample_parent(), *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new.vhdx");

	cr_assert_eq(test_open_chain(&o.parent, &parent, 1, 0, NULL), VHDX_OK);
	cr_assert_eq(vhdx_create_file(&file, &o, NULL), VHDX_E_ARGUMENT);
	cr_assert_eq(memfile_size(m), 0);
	o.parent_volume = "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\p.vhdx";
	cr_assert_eq(vhdx_create_file(&file, &o, NULL), VHDX_OK);
	cr_assert_str_eq(locator_value(m, "volume_path"), o.parent_volume);
	vhdx_close(o.parent);
	memfile_free(m);
	memfile_free(parent);
}
