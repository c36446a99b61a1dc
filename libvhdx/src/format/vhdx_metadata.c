/* SPDX-License-Identifier: MIT */
#include "format/vhdx_metadata.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/guid.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

const struct vhdx_guid vhdx_item_ids[ITEM_COUNT] = {
	[ITEM_FILE_PARAMETERS] = { { 0xCA, 0xA1, 0x67, 0x37, 0xFA, 0x36, 0x4D, 0x43, 0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7,
				     0x6B } },
	[ITEM_VIRTUAL_DISK_SIZE] = { { 0x2F, 0xA5, 0x42, 0x24, 0xCD, 0x1B, 0x48, 0x76, 0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4,
				       0xB8 } },
	[ITEM_LOGICAL_SECTOR_SIZE] = { { 0x81, 0x41, 0xBF, 0x1D, 0xA9, 0x6F, 0x47, 0x09, 0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB,
					 0x5F } },
	[ITEM_PHYSICAL_SECTOR_SIZE] = { { 0xCD, 0xA3, 0x48, 0xC7, 0x44, 0x5D, 0x44, 0x71, 0x9C, 0xC9, 0xE9, 0x88, 0x52, 0x51,
					  0xC5, 0x56 } },
	[ITEM_VIRTUAL_DISK_ID] = { { 0xBE, 0xCA, 0x12, 0xAB, 0xB2, 0xE6, 0x45, 0x23, 0x93, 0xEF, 0xC3, 0x09, 0xE0, 0x00, 0xC7,
				     0x46 } },
	[ITEM_PARENT_LOCATOR] = { { 0xA8, 0xD3, 0x5F, 0x2D, 0xB3, 0x0B, 0x45, 0x4D, 0xAB, 0xF7, 0xD3, 0xD8, 0x48, 0x34, 0xAB,
				    0x0C } },
};

const uint32_t vhdx_item_lengths[ITEM_COUNT] = {
	[ITEM_FILE_PARAMETERS] = vhdx_file_parameters_size,         [ITEM_VIRTUAL_DISK_SIZE] = vhdx_virtual_disk_size_size,
	[ITEM_LOGICAL_SECTOR_SIZE] = vhdx_logical_sector_size_size, [ITEM_PHYSICAL_SECTOR_SIZE] = vhdx_physical_sector_size_size,
	[ITEM_VIRTUAL_DISK_ID] = vhdx_virtual_disk_id_size,         [ITEM_PARENT_LOCATOR] = 0,
};

const char *const vhdx_item_names[ITEM_COUNT] = {
	[ITEM_FILE_PARAMETERS] = "File Parameters",         [ITEM_VIRTUAL_DISK_SIZE] = "Virtual Disk Size",
	[ITEM_LOGICAL_SECTOR_SIZE] = "Logical Sector Size", [ITEM_PHYSICAL_SECTOR_SIZE] = "Physical Sector Size",
	[ITEM_VIRTUAL_DISK_ID] = "Virtual Disk ID",         [ITEM_PARENT_LOCATOR] = "Parent Locator",
};

enum { FLAG_USER = 1, FLAG_VIRTUAL_DISK = 2, FLAG_REQUIRED = 4, FLAG_LEAVE_ALLOCATED = 1, FLAG_HAS_PARENT = 2 };

int vhdx_metadata_table_decode(uint16_t *entry_count, const uint8_t *bytes, uint64_t file_offset, struct vhdx_error *error)
{
	uint16_t count = get_le16(bytes + vhdx_metadata_table_entry_count_at);

	if (memcmp(bytes + vhdx_metadata_table_signature_at, "metadata", 8) != 0)
		return broken(error, RULE_VHDX_144, file_offset, "metadata table signature is not 'metadata'");
	if (count > VHDX_MAX_ENTRIES)
		return broken(error, RULE_VHDX_144, file_offset + vhdx_metadata_table_entry_count_at,
			      "metadata table has %u entries, more than %d", count, VHDX_MAX_ENTRIES);
	*entry_count = count;
	return VHDX_OK;
}

static enum vhdx_item item_of(const struct vhdx_guid *id, bool is_user)
{
	if (!is_user)
		for (unsigned i = 0; i < ITEM_COUNT; i++)
			if (guid_equal(id, &vhdx_item_ids[i]))
				return (enum vhdx_item)i;
	return ITEM_UNKNOWN;
}

static int check_entry_place(const struct vhdx_metadata_entry *entry, uint64_t file_offset, uint32_t region_length,
			     struct vhdx_error *error)
{
	uint64_t offset_place = file_offset + vhdx_metadata_entry_offset_at;

	if (entry->length == 0)
		return entry->offset == 0 ? VHDX_OK
					  : broken(error, RULE_VHDX_150, offset_place,
						   "empty metadata item has offset 0x%" PRIx32 ", not 0", entry->offset);
	if (entry->length > VHDX_MAX_ITEM_LENGTH)
		return broken(error, RULE_VHDX_149, file_offset + vhdx_metadata_entry_length_at,
			      "metadata item is 0x%" PRIx32 " bytes long, more than 1 MiB", entry->length);
	if (entry->offset < VHDX_TABLE_SIZE)
		return broken(error, RULE_VHDX_147, offset_place, "metadata item offset 0x%" PRIx32 " lies inside the table",
			      entry->offset);
	if (!range_fits(entry->offset, entry->length, region_length))
		return broken(error, RULE_VHDX_148, offset_place,
			      "metadata item at 0x%" PRIx32 ", 0x%" PRIx32 " bytes, exceeds its region of 0x%" PRIx32 " bytes",
			      entry->offset, entry->length, region_length);
	return VHDX_OK;
}

int vhdx_metadata_entry_decode(struct vhdx_metadata_entry *out, const uint8_t *bytes, uint64_t file_offset,
			       uint32_t region_length, struct vhdx_error *error)
{
	uint32_t flags = get_le32(bytes + vhdx_metadata_entry_flags_at);
	struct vhdx_metadata_entry entry = {
		.item_id = guid_from_windows(bytes + vhdx_metadata_entry_item_id_at),
		.offset = get_le32(bytes + vhdx_metadata_entry_offset_at),
		.length = get_le32(bytes + vhdx_metadata_entry_length_at),
		.is_user = (flags & FLAG_USER) != 0,
		.is_virtual_disk = (flags & FLAG_VIRTUAL_DISK) != 0,
		.is_required = (flags & FLAG_REQUIRED) != 0,
	};
	int status;

	entry.item = item_of(&entry.item_id, entry.is_user);
	if (guid_is_zero(&entry.item_id))
		return broken(error, RULE_VHDX_159, file_offset, "metadata entry has a zero ItemId");
	if (entry.is_user && entry.is_required)
		return broken(error, RULE_VHDX_159, file_offset + vhdx_metadata_entry_flags_at,
			      "metadata entry is both IsUser and IsRequired");
	status = check_entry_place(&entry, file_offset, region_length, error);
	if (status == VHDX_OK)
		*out = entry;
	return status;
}

static bool sector_size_valid(uint32_t size)
{
	return size == 512 || size == 4096;
}

int vhdx_item_decode(struct vhdx_parameters *parameters, enum vhdx_item item, const uint8_t *bytes, uint32_t length,
		     uint64_t file_offset, struct vhdx_error *error)
{
	uint32_t flags;

	if (length != vhdx_item_lengths[item])
		return broken(error, RULE_VHDX_160, file_offset, "%s item is %" PRIu32 " bytes long, not %" PRIu32,
			      vhdx_item_names[item], length, vhdx_item_lengths[item]);
	switch (item) {
	case ITEM_FILE_PARAMETERS:
		parameters->block_size = get_le32(bytes + vhdx_file_parameters_block_size_at);
		flags = get_le32(bytes + vhdx_file_parameters_flags_at);
		parameters->leave_block_allocated = (flags & FLAG_LEAVE_ALLOCATED) != 0;
		parameters->has_parent = (flags & FLAG_HAS_PARENT) != 0;
		if (!is_power_of_two(parameters->block_size) || parameters->block_size < VHDX_MIN_BLOCK_SIZE ||
		    parameters->block_size > VHDX_MAX_BLOCK_SIZE)
			return broken(error, RULE_VHDX_162, file_offset,
				      "block size %" PRIu32 " is not a power of two from 1 MiB to 256 MiB",
				      parameters->block_size);
		break;
	case ITEM_VIRTUAL_DISK_SIZE: parameters->virtual_disk_size = get_le64(bytes); break;
	case ITEM_LOGICAL_SECTOR_SIZE:
		parameters->logical_sector_size = get_le32(bytes);
		if (!sector_size_valid(parameters->logical_sector_size))
			return broken(error, RULE_VHDX_169, file_offset, "logical sector size is %" PRIu32 ", not 512 or 4096",
				      parameters->logical_sector_size);
		break;
	case ITEM_PHYSICAL_SECTOR_SIZE:
		parameters->physical_sector_size = get_le32(bytes);
		if (!sector_size_valid(parameters->physical_sector_size))
			return broken(error, RULE_VHDX_171, file_offset, "physical sector size is %" PRIu32 ", not 512 or 4096",
				      parameters->physical_sector_size);
		break;
	case ITEM_VIRTUAL_DISK_ID: parameters->virtual_disk_id = guid_from_windows(bytes); break;
	case ITEM_PARENT_LOCATOR:
	case ITEM_UNKNOWN: break;
	}
	return VHDX_OK;
}

int vhdx_parameters_check(const struct vhdx_parameters *parameters, uint64_t size_file_offset, struct vhdx_error *error)
{
	uint64_t size = parameters->virtual_disk_size;

	if (size == 0 || size > VHDX_MAX_DISK_SIZE)
		return broken(error, RULE_VHDX_167, size_file_offset, "virtual disk size %" PRIu64 " is not between 1 and 64 TiB",
			      size);
	if (size % parameters->logical_sector_size != 0)
		return broken(error, RULE_VHDX_167, size_file_offset,
			      "virtual disk size %" PRIu64 " is not a multiple of the logical sector size %" PRIu32, size,
			      parameters->logical_sector_size);
	return VHDX_OK;
}

void vhdx_metadata_table_encode(uint8_t *bytes, uint16_t entry_count)
{
	memset(bytes, 0, vhdx_metadata_table_size);
	memcpy(bytes + vhdx_metadata_table_signature_at, "metadata", 8);
	put_le16(bytes + vhdx_metadata_table_entry_count_at, entry_count);
}

void vhdx_metadata_entry_encode(uint8_t *bytes, const struct vhdx_metadata_entry *entry)
{
	uint32_t flags = (entry->is_user ? FLAG_USER : 0u) | (entry->is_virtual_disk ? FLAG_VIRTUAL_DISK : 0u) |
			 (entry->is_required ? FLAG_REQUIRED : 0u);

	memset(bytes, 0, vhdx_metadata_entry_size);
	guid_to_windows(bytes + vhdx_metadata_entry_item_id_at, &entry->item_id);
	put_le32(bytes + vhdx_metadata_entry_offset_at, entry->offset);
	put_le32(bytes + vhdx_metadata_entry_length_at, entry->length);
	put_le32(bytes + vhdx_metadata_entry_flags_at, flags);
}

void vhdx_item_encode(uint8_t *bytes, enum vhdx_item item, const struct vhdx_parameters *parameters)
{
	switch (item) {
	case ITEM_FILE_PARAMETERS:
		put_le32(bytes + vhdx_file_parameters_block_size_at, parameters->block_size);
		put_le32(bytes + vhdx_file_parameters_flags_at, (parameters->leave_block_allocated ? FLAG_LEAVE_ALLOCATED : 0u) |
									(parameters->has_parent ? FLAG_HAS_PARENT : 0u));
		break;
	case ITEM_VIRTUAL_DISK_SIZE: put_le64(bytes, parameters->virtual_disk_size); break;
	case ITEM_LOGICAL_SECTOR_SIZE: put_le32(bytes, parameters->logical_sector_size); break;
	case ITEM_PHYSICAL_SECTOR_SIZE: put_le32(bytes, parameters->physical_sector_size); break;
	case ITEM_VIRTUAL_DISK_ID: guid_to_windows(bytes, &parameters->virtual_disk_id); break;
	case ITEM_PARENT_LOCATOR:
	case ITEM_UNKNOWN: break;
	}
}
