/* SPDX-License-Identifier: MIT */
/* The VHD footer (and its copy in front), and the geometry that it stores. Layer: format. */
#ifndef FORMAT_VHD_FOOTER_H
#define FORMAT_VHD_FOOTER_H

#include <stdbool.h>

#include "format/rules.h"

struct vhd_geometry {
	uint16_t cylinders;
	uint8_t heads;
	uint8_t sectors_per_track;
};

struct vhd_footer {
	uint32_t features;
	uint32_t file_format_version;
	uint64_t data_offset;
	uint32_t time_stamp;
	uint8_t creator_application[4];
	uint32_t creator_version;
	uint32_t creator_host_os;
	uint64_t original_size;
	uint64_t current_size;
	struct vhd_geometry geometry;
	uint32_t disk_type;
	struct vhdx_guid unique_id;
	uint8_t saved_state;
};

/* One's complement of the sum of all bytes but the four at `hole`: specs/vhd.md section 1.6. */
uint32_t vhd_checksum(const uint8_t *bytes, size_t length, size_t hole);

bool vhd_footer_present(const uint8_t *bytes); /* the cookie: VHD-009 */
/* Cookie, checksum (unless `any_checksum`), version, type, size: VHD-009 to VHD-035. */
int vhd_footer_decode(struct vhd_footer *out, const uint8_t *bytes, uint64_t file_offset, bool any_checksum,
		      struct vhdx_error *error);
/* Fills 512 bytes, checksum included. */
void vhd_footer_encode(uint8_t *bytes, const struct vhd_footer *footer);

/* VHD-090, VHD-094. */
struct vhd_geometry vhd_geometry_of(uint64_t disk_size);

#endif
