/* SPDX-License-Identifier: MIT */
#include "format/vhd_dynamic.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "format/fields.h"
#include "format/vhd_footer.h"

static int check(const struct vhd_dynamic *h, uint64_t file_offset, struct vhdx_error *error)
{
	if (h->header_version >> 16 != 1)
		return unsupported(error, RULE_VHD_041, file_offset + vhd_dynamic_header_header_version_at,
				   "dynamic header version is 0x%08" PRIx32 ", not 0x00010000", h->header_version);
	if (!is_power_of_two(h->block_size) || h->block_size < VHD_MIN_BLOCK_SIZE || h->block_size > VHD_MAX_BLOCK_SIZE)
		return broken(error, RULE_VHD_044, file_offset + vhd_dynamic_header_block_size_at,
			      "block size %" PRIu32 " is not a power of two from 512 to 256 MiB", h->block_size);
	if (h->table_offset % VHD_SECTOR != 0)
		return broken(error, RULE_VHD_040, file_offset + vhd_dynamic_header_table_offset_at,
			      "table offset 0x%" PRIx64 " is not a multiple of 512", h->table_offset);
	return VHDX_OK;
}

static void get_locator(struct vhd_locator *out, const uint8_t *p)
{
	out->platform_code = get_be32(p + vhd_locator_entry_platform_code_at);
	out->data_space = get_be32(p + vhd_locator_entry_platform_data_space_at);
	out->data_length = get_be32(p + vhd_locator_entry_platform_data_length_at);
	out->data_offset = get_be64(p + vhd_locator_entry_platform_data_offset_at);
}

int vhd_dynamic_decode(struct vhd_dynamic *out, const uint8_t *bytes, uint64_t file_offset, bool any_checksum,
		       struct vhdx_error *error)
{
	uint32_t stored = get_be32(bytes + vhd_dynamic_header_checksum_at);
	uint32_t computed = vhd_checksum(bytes, vhd_dynamic_header_size, vhd_dynamic_header_checksum_at);

	if (memcmp(bytes + vhd_dynamic_header_cookie_at, "cxsparse", 8) != 0)
		return broken(error, RULE_VHD_036, file_offset, "dynamic header cookie is not 'cxsparse'");
	if (stored != computed && !any_checksum)
		return broken(error, RULE_VHD_046, file_offset + vhd_dynamic_header_checksum_at,
			      "dynamic header checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32, stored, computed);
	out->table_offset = get_be64(bytes + vhd_dynamic_header_table_offset_at);
	out->header_version = get_be32(bytes + vhd_dynamic_header_header_version_at);
	out->max_table_entries = get_be32(bytes + vhd_dynamic_header_max_table_entries_at);
	out->block_size = get_be32(bytes + vhd_dynamic_header_block_size_at);
	memcpy(out->parent_unique_id.bytes, bytes + vhd_dynamic_header_parent_unique_id_at, 16);
	out->parent_time_stamp = get_be32(bytes + vhd_dynamic_header_parent_time_stamp_at);
	memcpy(out->parent_name, bytes + vhd_dynamic_header_parent_unicode_name_at, sizeof(out->parent_name));
	for (unsigned i = 0; i < VHD_LOCATOR_COUNT; i++)
		get_locator(&out->locators[i],
			    bytes + vhd_dynamic_header_parent_locator_entries_at + (size_t)i * vhd_locator_entry_size);
	return check(out, file_offset, error);
}

void vhd_dynamic_encode(uint8_t *bytes, const struct vhd_dynamic *h)
{
	memset(bytes, 0, vhd_dynamic_header_size);
	memcpy(bytes + vhd_dynamic_header_cookie_at, "cxsparse", 8);
	put_be64(bytes + vhd_dynamic_header_data_offset_at, VHD_NO_OFFSET);
	put_be64(bytes + vhd_dynamic_header_table_offset_at, h->table_offset);
	put_be32(bytes + vhd_dynamic_header_header_version_at, h->header_version);
	put_be32(bytes + vhd_dynamic_header_max_table_entries_at, h->max_table_entries);
	put_be32(bytes + vhd_dynamic_header_block_size_at, h->block_size);
	memcpy(bytes + vhd_dynamic_header_parent_unique_id_at, h->parent_unique_id.bytes, 16);
	put_be32(bytes + vhd_dynamic_header_parent_time_stamp_at, h->parent_time_stamp);
	memcpy(bytes + vhd_dynamic_header_parent_unicode_name_at, h->parent_name, sizeof(h->parent_name));
	for (unsigned i = 0; i < VHD_LOCATOR_COUNT; i++) {
		uint8_t *p = bytes + vhd_dynamic_header_parent_locator_entries_at + (size_t)i * vhd_locator_entry_size;

		put_be32(p + vhd_locator_entry_platform_code_at, h->locators[i].platform_code);
		put_be32(p + vhd_locator_entry_platform_data_space_at, h->locators[i].data_space);
		put_be32(p + vhd_locator_entry_platform_data_length_at, h->locators[i].data_length);
		put_be64(p + vhd_locator_entry_platform_data_offset_at, h->locators[i].data_offset);
	}
	put_be32(bytes + vhd_dynamic_header_checksum_at,
		 vhd_checksum(bytes, vhd_dynamic_header_size, vhd_dynamic_header_checksum_at));
}
