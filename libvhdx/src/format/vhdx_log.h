/* SPDX-License-Identifier: MIT */
/*
 * Log entries: specs/vhdx.md section 1.7. Layer: format. An entry is descriptor sectors followed by data sectors, all of 4 KiB:
 *
 *   | header 64 | 126 descriptors of 32 | 128 descriptors | ... | data sector | data sector | ...
 *
 * A data sector carries bytes 8..4091 of a page; its descriptor carries the other twelve, so that no sector but a true entry header can begin with
 * 'loge'.
 */
#ifndef FORMAT_VHDX_LOG_H
#define FORMAT_VHDX_LOG_H

#include <stdbool.h>

#include "format/rules.h"

struct vhdx_log_header {
	uint32_t checksum;
	uint32_t entry_length;
	uint32_t tail;
	uint64_t sequence_number;
	uint32_t descriptor_count;
	struct vhdx_guid log_guid;
	uint64_t flushed_file_offset;
	uint64_t last_file_offset;
};

struct vhdx_log_descriptor {
	bool is_zero;
	uint64_t file_offset;
	uint64_t length;          /* 4,096 for data */
	uint8_t leading_bytes[8]; /* data only */
	uint8_t trailing_bytes[4];
};

/* Descriptor sectors that `count` descriptors take. */
uint32_t vhdx_log_descriptor_sectors(uint32_t count);
/* Offset of descriptor `index` inside the entry. */
uint64_t vhdx_log_descriptor_offset(uint32_t index);

bool vhdx_log_sector_is_entry(const uint8_t *sector);
/* Header of an entry in a log of `log_length` bytes; everything but the checksum: VHDX-072 to VHDX-092. */
int vhdx_log_header_decode(struct vhdx_log_header *out, const uint8_t *sector, uint32_t log_length, uint64_t file_offset,
			   struct vhdx_error *error);
/* One descriptor: VHDX-086, VHDX-088, VHDX-093. */
int vhdx_log_descriptor_decode(struct vhdx_log_descriptor *out, const uint8_t *bytes, uint64_t sequence_number,
			       uint64_t file_offset, struct vhdx_error *error);
/* VHDX-090. */
int vhdx_log_data_check(const uint8_t *sector, uint64_t sequence_number, uint64_t file_offset, struct vhdx_error *error);
/* Turns a data sector into the page: VHDX-089. */
void vhdx_log_data_restore(uint8_t *sector, const uint8_t leading_bytes[8], const uint8_t trailing_bytes[4]);

/* Fills one data descriptor and its data sector from a page. */
void vhdx_log_data_encode(uint8_t *descriptor, uint8_t *sector, uint64_t file_offset, const uint8_t *page,
			  uint64_t sequence_number);
/* Fills the header of an entry whose other bytes are in place, and its checksum over header->entry_length bytes. */
void vhdx_log_header_encode(uint8_t *entry, const struct vhdx_log_header *header);

#endif
