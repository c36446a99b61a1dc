/* SPDX-License-Identifier: MIT */
#include "format/vhdx_log.h"

#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/guid.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

/* The header takes the place of two descriptors. */
enum { PER_SECTOR = VHDX_LOG_SECTOR / vhdx_data_descriptor_size, HEADER_SLOTS = vhdx_log_entry_size / vhdx_data_descriptor_size };

uint32_t vhdx_log_descriptor_sectors(uint32_t count)
{
	return (uint32_t)divide_up((uint64_t)count + HEADER_SLOTS, PER_SECTOR);
}

uint64_t vhdx_log_descriptor_offset(uint32_t index)
{
	return vhdx_log_entry_size + (uint64_t)index * vhdx_data_descriptor_size;
}

bool vhdx_log_sector_is_entry(const uint8_t *sector)
{
	return memcmp(sector, "loge", 4) == 0;
}

int vhdx_log_header_decode(struct vhdx_log_header *out, const uint8_t *sector, uint32_t log_length, uint64_t file_offset,
			   struct vhdx_error *error)
{
	struct vhdx_log_header h = {
		.checksum = get_le32(sector + vhdx_log_entry_checksum_at),
		.entry_length = get_le32(sector + vhdx_log_entry_entry_length_at),
		.tail = get_le32(sector + vhdx_log_entry_tail_at),
		.sequence_number = get_le64(sector + vhdx_log_entry_sequence_number_at),
		.descriptor_count = get_le32(sector + vhdx_log_entry_descriptor_count_at),
		.log_guid = guid_from_windows(sector + vhdx_log_entry_log_guid_at),
		.flushed_file_offset = get_le64(sector + vhdx_log_entry_flushed_file_offset_at),
		.last_file_offset = get_le64(sector + vhdx_log_entry_last_file_offset_at),
	};

	if (!vhdx_log_sector_is_entry(sector))
		return broken(error, RULE_VHDX_072, file_offset, "log entry signature is not 'loge'");
	if (h.entry_length % VHDX_LOG_SECTOR != 0)
		return broken(error, RULE_VHDX_074, file_offset + vhdx_log_entry_entry_length_at,
			      "log entry length 0x%" PRIx32 " is not a multiple of 4 KiB", h.entry_length);
	if (h.entry_length == 0 || h.entry_length > log_length ||
	    (uint64_t)vhdx_log_descriptor_sectors(h.descriptor_count) * VHDX_LOG_SECTOR > h.entry_length)
		return broken(error, RULE_VHDX_092, file_offset + vhdx_log_entry_entry_length_at,
			      "log entry length 0x%" PRIx32 " does not fit %" PRIu32 " descriptors and a log of 0x%" PRIx32
			      " bytes",
			      h.entry_length, h.descriptor_count, log_length);
	if (h.tail % VHDX_LOG_SECTOR != 0)
		return broken(error, RULE_VHDX_075, file_offset + vhdx_log_entry_tail_at,
			      "log entry tail 0x%" PRIx32 " is not a multiple of 4 KiB", h.tail);
	if (h.tail >= log_length)
		return broken(error, RULE_VHDX_092, file_offset + vhdx_log_entry_tail_at,
			      "log entry tail 0x%" PRIx32 " lies beyond the log of 0x%" PRIx32 " bytes", h.tail, log_length);
	if (h.sequence_number == 0)
		return broken(error, RULE_VHDX_076, file_offset + vhdx_log_entry_sequence_number_at,
			      "log entry has sequence number 0");
	*out = h;
	return VHDX_OK;
}

int vhdx_log_descriptor_decode(struct vhdx_log_descriptor *out, const uint8_t *bytes, uint64_t sequence_number,
			       uint64_t file_offset, struct vhdx_error *error)
{
	bool is_zero = memcmp(bytes, "zero", 4) == 0;
	enum rule rule = is_zero ? RULE_VHDX_086 : RULE_VHDX_088;
	struct vhdx_log_descriptor d = { .is_zero = is_zero, .length = VHDX_LOG_SECTOR };
	uint64_t end;

	if (!is_zero && memcmp(bytes, "desc", 4) != 0)
		return broken(error, rule, file_offset, "log descriptor signature is neither 'desc' nor 'zero'");
	d.file_offset = get_le64(bytes + vhdx_data_descriptor_file_offset_at);
	if (is_zero)
		d.length = get_le64(bytes + vhdx_zero_descriptor_zero_length_at);
	memcpy(d.trailing_bytes, bytes + vhdx_data_descriptor_trailing_bytes_at, 4);
	memcpy(d.leading_bytes, bytes + vhdx_data_descriptor_leading_bytes_at, 8);
	if (get_le64(bytes + vhdx_data_descriptor_sequence_number_at) != sequence_number)
		return broken(error, rule, file_offset + vhdx_data_descriptor_sequence_number_at,
			      "log descriptor has sequence number %" PRIu64 ", not its entry's %" PRIu64,
			      get_le64(bytes + vhdx_data_descriptor_sequence_number_at), sequence_number);
	if (d.file_offset % VHDX_LOG_SECTOR != 0 || d.length % VHDX_LOG_SECTOR != 0)
		return broken(error, rule, file_offset,
			      "log descriptor for 0x%" PRIx64 ", length 0x%" PRIx64 ", is not in multiples of 4 KiB",
			      d.file_offset, d.length);
	if (d.file_offset < VHDX_LOGGABLE_OFFSET || !add_fits(d.file_offset, d.length, &end) || end > INT64_MAX)
		return broken(error, RULE_VHDX_093, file_offset,
			      "log descriptor for 0x%" PRIx64 ", length 0x%" PRIx64 ", is outside what a log may change",
			      d.file_offset, d.length);
	*out = d;
	return VHDX_OK;
}

int vhdx_log_data_check(const uint8_t *sector, uint64_t sequence_number, uint64_t file_offset, struct vhdx_error *error)
{
	uint64_t found = (uint64_t)get_le32(sector + vhdx_data_sector_sequence_high_at) << 32 |
			 get_le32(sector + vhdx_data_sector_sequence_low_at);

	if (memcmp(sector + vhdx_data_sector_signature_at, "data", 4) != 0)
		return broken(error, RULE_VHDX_090, file_offset, "log data sector signature is not 'data'");
	if (found != sequence_number)
		return broken(error, RULE_VHDX_090, file_offset, "log data sector has sequence number %" PRIu64 ", not %" PRIu64,
			      found, sequence_number);
	return VHDX_OK;
}

void vhdx_log_data_restore(uint8_t *sector, const uint8_t leading_bytes[8], const uint8_t trailing_bytes[4])
{
	memcpy(sector, leading_bytes, 8);
	memcpy(sector + VHDX_LOG_SECTOR - 4, trailing_bytes, 4);
}

void vhdx_log_data_encode(uint8_t *descriptor, uint8_t *sector, uint64_t file_offset, const uint8_t *page,
			  uint64_t sequence_number)
{
	memcpy(descriptor + vhdx_data_descriptor_signature_at, "desc", 4);
	memcpy(descriptor + vhdx_data_descriptor_trailing_bytes_at, page + VHDX_LOG_SECTOR - 4, 4);
	memcpy(descriptor + vhdx_data_descriptor_leading_bytes_at, page, 8);
	put_le64(descriptor + vhdx_data_descriptor_file_offset_at, file_offset);
	put_le64(descriptor + vhdx_data_descriptor_sequence_number_at, sequence_number);
	memcpy(sector, page, VHDX_LOG_SECTOR);
	memcpy(sector + vhdx_data_sector_signature_at, "data", 4);
	put_le32(sector + vhdx_data_sector_sequence_high_at, (uint32_t)(sequence_number >> 32));
	put_le32(sector + vhdx_data_sector_sequence_low_at, (uint32_t)sequence_number);
}

void vhdx_log_header_encode(uint8_t *entry, const struct vhdx_log_header *header)
{
	memset(entry, 0, vhdx_log_entry_size);
	memcpy(entry + vhdx_log_entry_signature_at, "loge", 4);
	put_le32(entry + vhdx_log_entry_entry_length_at, header->entry_length);
	put_le32(entry + vhdx_log_entry_tail_at, header->tail);
	put_le64(entry + vhdx_log_entry_sequence_number_at, header->sequence_number);
	put_le32(entry + vhdx_log_entry_descriptor_count_at, header->descriptor_count);
	guid_to_windows(entry + vhdx_log_entry_log_guid_at, &header->log_guid);
	put_le64(entry + vhdx_log_entry_flushed_file_offset_at, header->flushed_file_offset);
	put_le64(entry + vhdx_log_entry_last_file_offset_at, header->last_file_offset);
	put_le32(entry + vhdx_log_entry_checksum_at, crc32c(0, entry, header->entry_length));
}
