/* SPDX-License-Identifier: MIT */
/* Region tables. Layer: format. */
#ifndef FORMAT_VHDX_REGION_H
#define FORMAT_VHDX_REGION_H

#include <stdbool.h>

#include "format/rules.h"

struct vhdx_region {
	struct vhdx_guid guid;
	uint64_t file_offset;
	uint32_t length;
	bool required;
};

extern const struct vhdx_guid vhdx_region_bat;
extern const struct vhdx_guid vhdx_region_metadata;

/* Signature, checksum (unless `any_checksum`) and entry count of a whole table of 65,536 bytes: VHDX-048, VHDX-049. */
int vhdx_region_table_decode(uint32_t *entry_count, const uint8_t *table, uint64_t file_offset, bool any_checksum,
			     struct vhdx_error *error);
/* Entry `index` and its own bounds: VHDX-053, VHDX-054, VHDX-061. */
int vhdx_region_decode(struct vhdx_region *out, const uint8_t *table, uint32_t index, uint64_t file_offset,
		       struct vhdx_error *error);
/* Fills the first 16 + 32 * count bytes of a table whose other bytes are zero, and its checksum. */
void vhdx_region_table_encode(uint8_t *table, const struct vhdx_region *regions, uint32_t count);

#endif
