/* SPDX-License-Identifier: MIT */
/* The metadata table, its entries, and the six known items. Layer: format. */
#ifndef FORMAT_VHDX_METADATA_H
#define FORMAT_VHDX_METADATA_H

#include <stdbool.h>

#include "format/rules.h"

/* The known items, in the order in which we and Windows write them. */
enum vhdx_item {
	ITEM_FILE_PARAMETERS,
	ITEM_VIRTUAL_DISK_SIZE,
	ITEM_LOGICAL_SECTOR_SIZE,
	ITEM_PHYSICAL_SECTOR_SIZE,
	ITEM_VIRTUAL_DISK_ID,
	ITEM_PARENT_LOCATOR,
	ITEM_COUNT,
	ITEM_UNKNOWN = ITEM_COUNT
};

struct vhdx_metadata_entry {
	struct vhdx_guid item_id;
	enum vhdx_item item; /* ITEM_UNKNOWN when not ours */
	uint32_t offset;     /* from the start of the region */
	uint32_t length;
	bool is_user;
	bool is_virtual_disk;
	bool is_required;
};

extern const struct vhdx_guid vhdx_item_ids[ITEM_COUNT];
extern const uint32_t vhdx_item_lengths[ITEM_COUNT]; /* 0: variable */
extern const char *const vhdx_item_names[ITEM_COUNT];

/* What the five fixed items say. */
struct vhdx_parameters {
	uint32_t block_size;
	bool leave_block_allocated;
	bool has_parent;
	uint64_t virtual_disk_size;
	uint32_t logical_sector_size;
	uint32_t physical_sector_size;
	struct vhdx_guid virtual_disk_id;
};

/* Table header, 32 bytes: VHDX-144. */
int vhdx_metadata_table_decode(uint16_t *entry_count, const uint8_t *bytes, uint64_t file_offset, struct vhdx_error *error);
/* One 32-byte entry and its own bounds: VHDX-147 to VHDX-150, VHDX-159. */
int vhdx_metadata_entry_decode(struct vhdx_metadata_entry *out, const uint8_t *bytes, uint64_t file_offset,
			       uint32_t region_length, struct vhdx_error *error);
/* Takes the value of a fixed item into `parameters`, with its bounds: VHDX-160 to VHDX-171. */
int vhdx_item_decode(struct vhdx_parameters *parameters, enum vhdx_item item, const uint8_t *bytes, uint32_t length,
		     uint64_t file_offset, struct vhdx_error *error);
/* What must hold between the items: VHDX-167. */
int vhdx_parameters_check(const struct vhdx_parameters *parameters, uint64_t size_file_offset, struct vhdx_error *error);

void vhdx_metadata_table_encode(uint8_t *bytes, uint16_t entry_count);
void vhdx_metadata_entry_encode(uint8_t *bytes, const struct vhdx_metadata_entry *entry);
/* Writes vhdx_item_lengths[item] bytes. */
void vhdx_item_encode(uint8_t *bytes, enum vhdx_item item, const struct vhdx_parameters *parameters);

#endif
