/* SPDX-License-Identifier: MIT */
/* The rules for a writer that vhdx_create_file has to keep when it makes a differencing child, looked for in the bytes. */
#include <string.h>

#include "rules/vhdx_created.h"

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
	entry = created_entry(child, "11111111-1111-1111-1111-111111111111");
	memfile_read(child, created_places(child).metadata + recipe_get(child, entry + 16, 4), text, 6);
	cr_assert_arr_eq(text, "copied", 6);
	cr_assert_eq(recipe_get(child, entry + 20, 8), UINT64_C(2) << 32 | 6);
	cr_assert_eq(recipe_get(child, created_entry(child, "33333333-3333-3333-3333-333333333333") + 24, 4), 3);
	entry = created_entry(child, "55555555-5555-5555-5555-555555555555");
	cr_assert(entry != 0 && recipe_get(child, entry + 16, 8) == 0);
	cr_assert_eq(created_entry(child, "22222222-2222-2222-2222-222222222222"), 0);
	cr_assert_eq(created_entry(child, "44444444-4444-4444-4444-444444444444"), 0);
	cr_assert_eq(recipe_get(child, created_value(child, CREATED_SIZE), 8), knobs.size);
	cr_assert_eq(recipe_get(child, created_value(child, CREATED_LOGICAL), 4), 512);
	cr_assert_eq(recipe_get(child, created_value(child, CREATED_PHYSICAL), 4), 512);
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

static vhdx_disk *open_alone(struct memfile *image, unsigned flags, const struct vhdx_guid *identity)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk");
	vhdx_disk *disk;

	options.flags = flags;
	options.data_identity = identity;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
	return disk;
}

/* The parent as it was when the child was made, and as it is: the same by its identity. */
Test(vhdx_rules, VHDX_155_merge_replaces_the_virtual_disk_items)
{
	struct recipe_item was[] = { { recipe_guid_text("11111111-1111-1111-1111-111111111111"), 2, "child's", 7 },
				     { recipe_guid_text("33333333-3333-3333-3333-333333333333"), 3, "user's", 6 } };
	struct recipe_item is[] = { { recipe_guid_text("22222222-2222-2222-2222-222222222222"), 2, "gone", 4 },
				    { recipe_guid_text("11111111-1111-1111-1111-111111111111"), 2, "longer before", 13 },
				    { recipe_guid_text("44444444-4444-4444-4444-444444444444"), 1, "kept", 4 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_guid next = recipe_guid(99);
	struct vhdx_error error;
	struct memfile *before, *parent, *child;
	vhdx_disk *source, *target;
	char text[7];
	uint64_t entry;

	knobs.items = was;
	knobs.item_count = 2;
	before = build(&knobs);
	child = create_child(before);
	knobs.items = is;
	knobs.item_count = 3;
	parent = build(&knobs);
	source = open_alone(child, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS, NULL);
	settings.parent_identity2 = &next;
	cr_assert_eq(vhdx_set(source, &settings, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_close(source), VHDX_OK);
	source = open_alone(child, VHDX_OPEN_NO_PARENTS, NULL);
	target = open_alone(parent, VHDX_OPEN_WRITE, &next);
	cr_assert_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_OK, "%s", error.message);
	vhdx_close(source);
	cr_assert_eq(vhdx_close(target), VHDX_OK);
	entry = created_entry(parent, "11111111-1111-1111-1111-111111111111");
	cr_assert_neq(entry, 0);
	cr_assert_eq(recipe_get(parent, entry + 20, 4), 7);
	memfile_read(parent, created_places(parent).metadata + recipe_get(parent, entry + 16, 4), text, 7);
	cr_assert_arr_eq(text, "child's", 7);
	cr_assert_neq(created_entry(parent, "33333333-3333-3333-3333-333333333333"), 0);
	cr_assert_eq(created_entry(parent, "22222222-2222-2222-2222-222222222222"), 0);
	cr_assert_neq(created_entry(parent, "44444444-4444-4444-4444-444444444444"), 0);
	memfile_free(child);
	memfile_free(before);
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
		cr_assert_eq(recipe_get(child, created_entry(child, created_ids[i]) + 24, 8), flags[i]);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_166_reserved_flag_bits_are_written_as_zero)
{
	struct memfile *parent = create_filled(VHDX_TYPE_DYNAMIC), *child = create_child(parent);

	cr_assert_eq(recipe_get(parent, created_value(parent, CREATED_PARAMETERS) + 4, 4), 0);
	cr_assert_eq(recipe_get(child, created_value(child, CREATED_PARAMETERS) + 4, 4), 2);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_168_child_has_the_id_of_its_parent)
{
	struct memfile *parent = create_filled(VHDX_TYPE_DYNAMIC), *child = create_child(parent);
	struct vhdx_guid a = recipe_get_guid(parent, created_value(parent, CREATED_ID)),
			 b = recipe_get_guid(child, created_value(child, CREATED_ID));
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
	uint64_t item = created_value(m, CREATED_LOCATOR);

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

	cr_assert_eq(recipe_get(child, created_value(child, CREATED_LOCATOR) + 16, 4), UINT64_C(3)
											       << 16); /* reserved, three pairs */
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
