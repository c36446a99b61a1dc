/* SPDX-License-Identifier: MIT */
/*
 * Encoders and decoders. What is encoded is compared with the bytes that the recipes make of the same values,
 * independently, and decodes to the values again.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/guid.h"
#include "format/fields.h"
#include "format/vhd_dynamic.h"
#include "format/vhdx_header.h"
#include "format/vhdx_layout.h"
#include "format/vhdx_locator.h"
#include "format/vhdx_metadata.h"
#include "format/vhdx_region.h"
#include "format/vhd_footer.h"
#include "support/recipe.h"

/* The image's `length` bytes at `offset` are these. */
static void expect_bytes(const struct memfile *m, uint64_t offset, const uint8_t *bytes, size_t length)
{
	uint8_t *expected = malloc(length);

	memfile_read(m, offset, expected, length);
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != expected[i])
			cr_assert_fail("byte %zu is 0x%02x, not 0x%02x", i, bytes[i], expected[i]);
	free(expected);
}

Test(codec, vhdx_identifier)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m = recipe_vhdx_new(&knobs, NULL);
	static uint8_t bytes[65536];
	char creator[301];

	vhdx_identifier_encode(bytes, "recipe");
	cr_assert(vhdx_identifier_present(bytes));
	expect_bytes(m, 0, bytes, sizeof(bytes));
	memset(creator, 'c', 300);
	creator[300] = '\0';
	vhdx_identifier_encode(bytes, creator); /* too long: cut or left out, never over its end */
	cr_assert_eq(bytes[520], 0);
	cr_assert(vhdx_identifier_present(bytes));
	memfile_free(m);
}

Test(codec, vhdx_header)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_header header = { .sequence_number = UINT64_C(0x1122334455667788),
				      .file_write_guid = recipe_guid(1),
				      .data_write_guid = recipe_guid(2),
				      .log_guid = recipe_guid(3),
				      .version = 1,
				      .log_length = 3u << 20,
				      .log_offset = 5 * RECIPE_MIB },
			   back;
	struct vhdx_error error;
	uint8_t bytes[4096];
	struct memfile *m;

	knobs.sequence_numbers[0] = header.sequence_number;
	knobs.file_write_guid = header.file_write_guid;
	knobs.data_write_guid = header.data_write_guid;
	knobs.log_guid = header.log_guid;
	knobs.log_length = header.log_length;
	knobs.log_offset = header.log_offset;
	m = recipe_vhdx_new(&knobs, NULL);
	vhdx_header_encode(bytes, &header);
	expect_bytes(m, RECIPE_HEADER(0), bytes, sizeof(bytes));
	cr_assert_eq(vhdx_header_decode(&back, bytes, 0, false, &error), VHDX_OK);
	cr_assert(back.sequence_number == header.sequence_number && back.log_length == header.log_length &&
		  back.log_offset == header.log_offset && back.version == 1 && back.log_version == 0);
	cr_assert(guid_equal(&back.file_write_guid, &header.file_write_guid) &&
		  guid_equal(&back.data_write_guid, &header.data_write_guid) && guid_equal(&back.log_guid, &header.log_guid));
	bytes[4] ^= 1;
	cr_assert_eq(vhdx_header_decode(&back, bytes, 0, false, &error), VHDX_E_DAMAGED);
	cr_assert_eq(vhdx_header_decode(&back, bytes, 0, true, &error), VHDX_OK);
	memfile_free(m);
}

Test(codec, vhdx_region_table)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_region regions[2] = { { vhdx_region_bat, 3 * RECIPE_MIB, 1u << 20, true },
					  { vhdx_region_metadata, 2 * RECIPE_MIB, 1u << 20, true } };
	struct memfile *m = recipe_vhdx_new(&knobs, NULL);
	static uint8_t table[65536];
	struct vhdx_error error;
	uint32_t count;

	vhdx_region_table_encode(table, regions, 2);
	expect_bytes(m, RECIPE_REGION_TABLE(0), table, sizeof(table));
	cr_assert_eq(vhdx_region_table_decode(&count, table, 0, false, &error), VHDX_OK);
	cr_assert_eq(count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct vhdx_region back;

		cr_assert_eq(vhdx_region_decode(&back, table, i, 0, &error), VHDX_OK);
		cr_assert(guid_equal(&back.guid, &regions[i].guid) && back.file_offset == regions[i].file_offset &&
			  back.length == regions[i].length && back.required);
	}
	memfile_free(m);
}

Test(codec, vhdx_metadata)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places at;
	struct vhdx_parameters parameters = { .block_size = 32u << 20,
					      .leave_block_allocated = true,
					      .virtual_disk_size = 77 * RECIPE_MIB,
					      .logical_sector_size = 4096,
					      .physical_sector_size = 512,
					      .virtual_disk_id = recipe_guid(6) },
			       back = { 0 };
	struct vhdx_error error;
	struct memfile *m;
	uint8_t bytes[32];
	uint16_t count;

	knobs.block_size = parameters.block_size;
	knobs.size = parameters.virtual_disk_size;
	knobs.type = VHDX_TYPE_FIXED;
	knobs.logical_sector_size = 4096;
	knobs.physical_sector_size = 512;
	knobs.disk_id = parameters.virtual_disk_id;
	m = recipe_vhdx_new(&knobs, &at);
	vhdx_metadata_table_encode(bytes, 5);
	expect_bytes(m, at.metadata, bytes, 32);
	cr_assert_eq(vhdx_metadata_table_decode(&count, bytes, 0, &error), VHDX_OK);
	cr_assert_eq(count, 5);
	for (unsigned i = 0; i < ITEM_PARENT_LOCATOR; i++) {
		struct vhdx_metadata_entry entry = { .item_id = vhdx_item_ids[i],
						     .offset = (uint32_t)(at.items[i] - at.metadata),
						     .length = vhdx_item_lengths[i],
						     .is_virtual_disk = i != 0,
						     .is_required = true },
					   entry_back;

		vhdx_metadata_entry_encode(bytes, &entry);
		expect_bytes(m, at.entries[i], bytes, 32);
		cr_assert_eq(vhdx_metadata_entry_decode(&entry_back, bytes, 0, 1u << 20, &error), VHDX_OK);
		cr_assert(entry_back.item == i && entry_back.offset == entry.offset && entry_back.length == entry.length &&
			  entry_back.is_virtual_disk == entry.is_virtual_disk && entry_back.is_required && !entry_back.is_user);
		vhdx_item_encode(bytes, (enum vhdx_item)i, &parameters);
		expect_bytes(m, at.items[i], bytes, vhdx_item_lengths[i]);
		cr_assert_eq(vhdx_item_decode(&back, (enum vhdx_item)i, bytes, vhdx_item_lengths[i], 0, &error), VHDX_OK);
	}
	cr_assert(back.block_size == parameters.block_size && back.leave_block_allocated && !back.has_parent &&
		  back.virtual_disk_size == parameters.virtual_disk_size && back.logical_sector_size == 4096 &&
		  back.physical_sector_size == 512 && guid_equal(&back.virtual_disk_id, &parameters.virtual_disk_id));
	cr_assert_eq(vhdx_parameters_check(&back, 0, &error), VHDX_OK);
	memfile_free(m);
}

Test(codec, vhdx_locator)
{
	static const struct recipe_pair pairs[] = { { "parent_linkage", "{00000000-1111-2222-3333-444444444444}" },
						    { "relative_path", "..\\p.vhdx" } };
	static const struct vhdx_locator_text texts[] = { { "parent_linkage", "{00000000-1111-2222-3333-444444444444}" },
							  { "relative_path", "..\\p.vhdx" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_locator_pair pair;
	struct recipe_vhdx_places at;
	struct vhdx_error error;
	struct memfile *m;
	uint8_t item[400];
	size_t length;
	uint16_t count;

	knobs.pairs = pairs;
	knobs.pair_count = 2;
	m = recipe_vhdx_new(&knobs, &at);
	length = vhdx_locator_encode(item, sizeof(item), texts, 2);
	cr_assert_eq(length, recipe_get(m, at.entries[RECIPE_LOCATOR] + 20, 4));
	expect_bytes(m, at.items[RECIPE_LOCATOR], item, length);
	cr_assert_eq(vhdx_locator_decode(&count, item, (uint32_t)length, 0, &error), VHDX_OK);
	cr_assert_eq(count, 2);
	cr_assert_eq(vhdx_locator_pair_decode(&pair, item, (uint32_t)length, 1, 0, &error), VHDX_OK);
	cr_assert(vhdx_locator_key_is(&pair, "relative_path") && !vhdx_locator_key_is(&pair, "relative_pat") &&
		  pair.value_units == 9);
	for (size_t size = 0; size < length; size++) /* nothing is written behind a smaller buffer */
		cr_assert_eq(vhdx_locator_encode(item, size, texts, 2), 0);
	cr_assert_eq(vhdx_locator_encode(item, sizeof(item), &(struct vhdx_locator_text){ "key", "" }, 1), 0);
	cr_assert_eq(vhdx_locator_encode(item, sizeof(item), &(struct vhdx_locator_text){ "key", "\xFF" }, 1), 0);
	memfile_free(m);
}

Test(codec, vhd_footer)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct vhd_footer footer = { .features = 3,
				     .file_format_version = 0x00010000,
				     .data_offset = 512,
				     .time_stamp = 0x12345678,
				     .creator_application = { 'a', 'b', 'c', ' ' },
				     .creator_version = 0x00050003,
				     .creator_host_os = 0x4D616320,
				     .original_size = 99 * 512,
				     .current_size = 40 * RECIPE_MIB,
				     .disk_type = 3,
				     .unique_id = recipe_guid(7),
				     .saved_state = 1 },
			  back;
	struct vhdx_error error;
	struct memfile *m;
	uint8_t bytes[512];

	knobs.features = 3;
	knobs.size = footer.current_size;
	knobs.original_size = footer.original_size;
	knobs.time_stamp = footer.time_stamp;
	memcpy(knobs.creator_application, "abc ", 5);
	memcpy(knobs.creator_host_os, "Mac ", 5);
	knobs.creator_version = footer.creator_version;
	knobs.unique_id = footer.unique_id;
	knobs.saved_state = 1;
	m = recipe_vhd_new(&knobs, NULL);
	footer.geometry = vhd_geometry_of(footer.current_size);
	vhd_footer_encode(bytes, &footer);
	expect_bytes(m, 0, bytes, sizeof(bytes));
	cr_assert_eq(vhd_footer_decode(&back, bytes, 0, false, &error), VHDX_OK);
	cr_assert(back.features == 3 && back.data_offset == 512 && back.time_stamp == footer.time_stamp &&
		  back.creator_version == footer.creator_version && back.creator_host_os == footer.creator_host_os &&
		  back.original_size == footer.original_size && back.disk_type == 3 && back.current_size == footer.current_size &&
		  guid_equal(&back.unique_id, &footer.unique_id) && back.saved_state == 1);
	cr_assert(back.geometry.cylinders == footer.geometry.cylinders && back.geometry.heads == footer.geometry.heads);
	cr_assert_arr_eq(back.creator_application, "abc ", 4);
	memfile_free(m);
}

Test(codec, vhd_dynamic)
{
	static const struct recipe_vhd_locator locator = { .code = "W2ru", .text = ".\\p.vhd", .slot = 2 };
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct vhd_dynamic header = { .table_offset = 1536,
				      .header_version = 0x00010000,
				      .max_table_entries = 8,
				      .block_size = 2u << 20,
				      .parent_unique_id = recipe_guid(8),
				      .parent_time_stamp = 0x11223344 },
			   back;
	struct recipe_vhd_places at;
	struct vhdx_error error;
	struct memfile *m;
	uint8_t bytes[1024];

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.parent_unique_id = header.parent_unique_id;
	knobs.parent_time_stamp = header.parent_time_stamp;
	knobs.parent_name = "p";
	knobs.locators = &locator;
	knobs.locator_count = 1;
	m = recipe_vhd_new(&knobs, &at);
	header.parent_name[1] = 'p';
	header.locators[2] = (struct vhd_locator){ 0x57327275, 512, 14, at.locators[2] };
	vhd_dynamic_encode(bytes, &header);
	expect_bytes(m, 512, bytes, sizeof(bytes));
	cr_assert_eq(vhd_dynamic_decode(&back, bytes, 0, false, &error), VHDX_OK);
	cr_assert(back.table_offset == 1536 && back.max_table_entries == 8 && back.block_size == 2u << 20 &&
		  back.parent_time_stamp == 0x11223344 && guid_equal(&back.parent_unique_id, &header.parent_unique_id) &&
		  back.parent_name[1] == 'p');
	cr_assert(back.locators[2].platform_code == 0x57327275 && back.locators[2].data_length == 14 &&
		  back.locators[2].data_space == 512 && back.locators[2].data_offset == at.locators[2] &&
		  back.locators[0].platform_code == 0);
	memfile_free(m);
}

Test(codec, vhd_checksum)
{
	uint8_t bytes[512] = { 0 };

	cr_assert_eq(vhd_checksum(bytes, 512, 64), 0xFFFFFFFF);
	bytes[0] = 1;
	bytes[511] = 0xFF;
	cr_assert_eq(vhd_checksum(bytes, 512, 64), ~UINT32_C(0x100));
	memset(bytes + 64, 0xEE, 4);
	cr_assert_eq(vhd_checksum(bytes, 512, 64), ~UINT32_C(0x100));
	bytes[63] = bytes[68] = 1; /* beside the hole */
	cr_assert_eq(vhd_checksum(bytes, 512, 64), ~UINT32_C(0x102));
}
