/* SPDX-License-Identifier: MIT */
#include "format/vhdx_header.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/guid.h"
#include "base/utf.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

bool vhdx_identifier_present(const uint8_t *bytes)
{
	return memcmp(bytes + vhdx_file_identifier_signature_at, "vhdxfile", 8) == 0;
}

void vhdx_identifier_encode(uint8_t *bytes, const char *creator)
{
	memset(bytes, 0, vhdx_file_identifier_size);
	memcpy(bytes, "vhdxfile", 8);
	(void)utf16_from_utf8(bytes + vhdx_file_identifier_creator_at, VHDX_CREATOR_UNITS - 1, creator, false);
}

int vhdx_header_decode(struct vhdx_header *out, const uint8_t *bytes, uint64_t file_offset, bool any_checksum,
		       struct vhdx_error *error)
{
	uint32_t stored = get_le32(bytes + vhdx_header_checksum_at);
	uint32_t computed;

	if (memcmp(bytes + vhdx_header_signature_at, "head", 4) != 0)
		return broken(error, RULE_VHDX_016, file_offset, "header signature is not 'head'");
	computed = crc32c_with_hole(bytes, vhdx_header_size, vhdx_header_checksum_at);
	if (stored != computed && !any_checksum)
		return broken(error, RULE_VHDX_016, file_offset + vhdx_header_checksum_at,
			      "header checksum is 0x%08" PRIx32 ", not 0x%08" PRIx32, stored, computed);
	*out = (struct vhdx_header){
		.sequence_number = get_le64(bytes + vhdx_header_sequence_number_at),
		.file_write_guid = guid_from_windows(bytes + vhdx_header_file_write_guid_at),
		.data_write_guid = guid_from_windows(bytes + vhdx_header_data_write_guid_at),
		.log_guid = guid_from_windows(bytes + vhdx_header_log_guid_at),
		.log_version = get_le16(bytes + vhdx_header_log_version_at),
		.version = get_le16(bytes + vhdx_header_version_at),
		.log_length = get_le32(bytes + vhdx_header_log_length_at),
		.log_offset = get_le64(bytes + vhdx_header_log_offset_at),
	};
	return VHDX_OK;
}

static int check_log_place(const struct vhdx_header *header, uint64_t file_offset, struct vhdx_error *error)
{
	uint64_t end;

	if (header->log_length % VHDX_ALIGNMENT != 0)
		return broken(error, RULE_VHDX_030, file_offset + vhdx_header_log_length_at,
			      "log length 0x%" PRIx32 " is not a multiple of 1 MiB", header->log_length);
	if (header->log_offset % VHDX_ALIGNMENT != 0)
		return broken(error, RULE_VHDX_031, file_offset + vhdx_header_log_offset_at,
			      "log offset 0x%" PRIx64 " is not a multiple of 1 MiB", header->log_offset);
	if (header->log_length == 0)
		return guid_is_zero(&header->log_guid) ? VHDX_OK
						       : broken(error, RULE_VHDX_036, file_offset + vhdx_header_log_length_at,
								"a log is pending (LogGuid is set) but its length is 0");
	if (header->log_offset < VHDX_HEADER_SECTION_SIZE)
		return broken(error, RULE_VHDX_035, file_offset + vhdx_header_log_offset_at,
			      "log offset 0x%" PRIx64 " lies inside the header section", header->log_offset);
	if (!add_fits(header->log_offset, header->log_length, &end))
		return broken(error, RULE_VHDX_035, file_offset + vhdx_header_log_offset_at,
			      "log offset 0x%" PRIx64 " and length 0x%" PRIx32 " exceed 64 bits", header->log_offset,
			      header->log_length);
	return VHDX_OK;
}

int vhdx_header_check(const struct vhdx_header *header, uint64_t file_offset, struct vhdx_error *error)
{
	if (header->version != 1)
		return unsupported(error, RULE_VHDX_029, file_offset + vhdx_header_version_at, "header version is %u, not 1",
				   header->version);
	if (header->log_version != 0 && !guid_is_zero(&header->log_guid))
		return unsupported(error, RULE_VHDX_028, file_offset + vhdx_header_log_version_at,
				   "a log is pending and its version is %u, not 0", header->log_version);
	return check_log_place(header, file_offset, error);
}

void vhdx_header_encode(uint8_t *bytes, const struct vhdx_header *header)
{
	memset(bytes, 0, vhdx_header_size);
	memcpy(bytes, "head", 4);
	put_le64(bytes + vhdx_header_sequence_number_at, header->sequence_number);
	guid_to_windows(bytes + vhdx_header_file_write_guid_at, &header->file_write_guid);
	guid_to_windows(bytes + vhdx_header_data_write_guid_at, &header->data_write_guid);
	guid_to_windows(bytes + vhdx_header_log_guid_at, &header->log_guid);
	put_le16(bytes + vhdx_header_log_version_at, header->log_version);
	put_le16(bytes + vhdx_header_version_at, header->version);
	put_le32(bytes + vhdx_header_log_length_at, header->log_length);
	put_le64(bytes + vhdx_header_log_offset_at, header->log_offset);
	put_le32(bytes + vhdx_header_checksum_at, crc32c(0, bytes, vhdx_header_size));
}
