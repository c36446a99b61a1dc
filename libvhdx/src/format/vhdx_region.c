/* SPDX-License-Identifier: MIT */
#include "format/vhdx_region.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/guid.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

const struct vhdx_guid vhdx_region_bat = { { 0x2D, 0xC2, 0x77, 0x66, 0xF6, 0x23, 0x42, 0x00, 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD,
					     0x4A, 0x08 } };
const struct vhdx_guid vhdx_region_metadata = { { 0x8B, 0x7C, 0xA2, 0x06, 0x47, 0x90, 0x4B, 0x9A, 0xB8, 0xFE, 0x57, 0x5F, 0x05,
						  0x0F, 0x88, 0x6E } };

int vhdx_region_table_decode(uint32_t *entry_count, const uint8_t *table, uint64_t file_offset, bool any_checksum,
			     struct vhdx_error *error)
{
	uint32_t stored = get_le32(table + vhdx_region_table_checksum_at);
	uint32_t count = get_le32(table + vhdx_region_table_entry_count_at);
	uint32_t computed;

	if (memcmp(table + vhdx_region_table_signature_at, "regi", 4) != 0)
		return broken(error, RULE_VHDX_048, file_offset, "region table signature is not 'regi'");
	computed = crc32c_with_hole(table, VHDX_TABLE_SIZE, vhdx_region_table_checksum_at);
	if (stored != computed && !any_checksum)
		return broken(error, RULE_VHDX_048, file_offset + vhdx_region_table_checksum_at,
			      "region table checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32, stored, computed);
	if (count > VHDX_MAX_ENTRIES)
		return broken(error, RULE_VHDX_049, file_offset + vhdx_region_table_entry_count_at,
			      "region table has %" PRIu32 " entries, more than %d", count, VHDX_MAX_ENTRIES);
	*entry_count = count;
	return VHDX_OK;
}

int vhdx_region_decode(struct vhdx_region *out, const uint8_t *table, uint32_t index, uint64_t file_offset,
		       struct vhdx_error *error)
{
	size_t at = vhdx_region_table_size + (size_t)index * vhdx_region_entry_size;
	const uint8_t *p = table + at;
	uint64_t place = file_offset + at, end;
	struct vhdx_region region = {
		.guid = guid_from_windows(p + vhdx_region_entry_guid_at),
		.file_offset = get_le64(p + vhdx_region_entry_file_offset_at),
		.length = get_le32(p + vhdx_region_entry_length_at),
		.required = (get_le32(p + vhdx_region_entry_required_at) & 1) != 0,
	};

	if (region.file_offset % VHDX_ALIGNMENT != 0 || region.file_offset < VHDX_HEADER_SECTION_SIZE)
		return broken(error, RULE_VHDX_053, place + vhdx_region_entry_file_offset_at,
			      "region offset 0x%" PRIx64 " is not a multiple of 1 MiB beyond the header section",
			      region.file_offset);
	if (region.length % VHDX_ALIGNMENT != 0)
		return broken(error, RULE_VHDX_054, place + vhdx_region_entry_length_at,
			      "region length 0x%" PRIx32 " is not a multiple of 1 MiB", region.length);
	if (region.length == 0 || !add_fits(region.file_offset, region.length, &end))
		return broken(error, RULE_VHDX_061, place + vhdx_region_entry_length_at,
			      "region at 0x%" PRIx64 " has the impossible length 0x%" PRIx32, region.file_offset, region.length);
	*out = region;
	return VHDX_OK;
}

void vhdx_region_table_encode(uint8_t *table, const struct vhdx_region *regions, uint32_t count)
{
	memcpy(table + vhdx_region_table_signature_at, "regi", 4);
	put_le32(table + vhdx_region_table_checksum_at, 0);
	put_le32(table + vhdx_region_table_entry_count_at, count);
	put_le32(table + vhdx_region_table_reserved_at, 0);
	for (uint32_t i = 0; i < count; i++) {
		uint8_t *p = table + vhdx_region_table_size + (size_t)i * vhdx_region_entry_size;

		guid_to_windows(p + vhdx_region_entry_guid_at, &regions[i].guid);
		put_le64(p + vhdx_region_entry_file_offset_at, regions[i].file_offset);
		put_le32(p + vhdx_region_entry_length_at, regions[i].length);
		put_le32(p + vhdx_region_entry_required_at, regions[i].required ? 1 : 0);
	}
	put_le32(table + vhdx_region_table_checksum_at, crc32c(0, table, VHDX_TABLE_SIZE));
}
