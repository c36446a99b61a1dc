/* SPDX-License-Identifier: MIT */
/* The dynamic disk header of VHD with its parent locator entries, and block geometry. Layer: format. */
#ifndef FORMAT_VHD_DYNAMIC_H
#define FORMAT_VHD_DYNAMIC_H

#include <stdbool.h>

#include "format/rules.h"
#include "format/vhd_layout.h"

struct vhd_locator {
	uint32_t platform_code; /* 0: unused */
	uint32_t data_space;    /* as stored; bytes or sectors, never trusted: VHD-055 */
	uint32_t data_length;
	uint64_t data_offset;
};

struct vhd_dynamic {
	uint64_t table_offset;
	uint32_t header_version;
	uint32_t max_table_entries;
	uint32_t block_size;
	struct vhdx_guid parent_unique_id;
	uint32_t parent_time_stamp;
	uint8_t parent_name[VHD_NAME_UNITS * 2]; /* UTF-16BE */
	struct vhd_locator locators[VHD_LOCATOR_COUNT];
};

/* Cookie, checksum (unless `any_checksum`), version, block size, table offset: VHD-036 to VHD-047. */
int vhd_dynamic_decode(struct vhd_dynamic *out, const uint8_t *bytes, uint64_t file_offset, bool any_checksum,
		       struct vhdx_error *error);
/* Fills 1,024 bytes, checksum included. */
void vhd_dynamic_encode(uint8_t *bytes, const struct vhd_dynamic *header);

/* Bytes of the sector bitmap in front of each block: VHD-062. */
static inline uint32_t vhd_bitmap_size(uint32_t block_size)
{
	return (uint32_t)round_up(divide_up(block_size / VHD_SECTOR, 8), VHD_SECTOR);
}

#endif
