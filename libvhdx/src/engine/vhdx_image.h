/* SPDX-License-Identifier: MIT */
/* One VHDX file. Layer: engine. Opened by vhdx_open.c and vhdx_metadata_load.c, mapped by vhdx_map.c, written by way of vhdx_writer.h. */
#ifndef ENGINE_VHDX_IMAGE_H
#define ENGINE_VHDX_IMAGE_H

#include "base/ranges.h"
#include "engine/image.h"
#include "engine/log_scan.h"
#include "format/vhdx_bat.h"
#include "format/vhdx_metadata.h"
#include "format/vhdx_region.h"

struct vhdx_writer;

struct vhdx_image {
	struct image base;
	struct vhdx_writer *writer; /* open for writing */
	struct vhdx_header header;
	unsigned header_slot;
	unsigned log_entries; /* replayed in memory */
	bool log_is_lost;     /* salvage: a log was pending and cannot be used, or nobody knows whether one was */
	struct vhdx_region bat;
	struct vhdx_region metadata;
	struct range *reserved; /* log and regions: sorted, disjoint; no block may overlap them */
	size_t reserved_count;
	uint64_t reserved_end; /* blocks from here on need no search */
	struct vhdx_parameters parameters;
	struct vhdx_geometry geometry;
	bool lenient; /* VHDX_OPEN_IGNORE_CHECKSUMS */
	bool bat_is_guessed;
	bool salvages; /* VHDX_OPEN_SALVAGE: see salvage.h */
	char creator[256 * 3 + 1];
};

/* Which region tables are tried: 0 and 1 are the copies, 2 and 3 the same with any checksum. */
struct region_attempts {
	unsigned first, end;
};
int vhdx_load_regions(struct vhdx_image *image, struct region_attempts attempts, struct vhdx_error *error);
/* Reads the metadata region into `parameters`. */
int vhdx_load_parameters(struct vhdx_image *image, struct vhdx_error *error);
/* Reads the metadata region into `parameters` and, for differencing disks, the locator. */
int vhdx_load_metadata(struct vhdx_image *image, struct vhdx_error *error);

typedef int (*vhdx_item_visitor)(void *context, const struct vhdx_metadata_entry *entry, const uint8_t *value,
				 struct vhdx_error *error);
/* Calls `visit` with every item that is IsVirtualDisk and none of the six known ones: VHDX-154. */
int vhdx_visit_virtual_disk_items(struct vhdx_image *image, vhdx_item_visitor visit, void *context, struct vhdx_error *error);
/* Calls it with every item of users, without values; or with `only` that one. VHDX-153. */
int vhdx_visit_user_items(struct vhdx_image *image, const struct vhdx_guid *only, vhdx_item_visitor visit, void *context,
			  struct vhdx_error *error);

extern const struct image_ops vhdx_image_ops;
/* An entry as readers see it. */
int vhdx_load_entry(struct vhdx_image *image, uint64_t bat_index, uint64_t *entry, struct vhdx_error *error);
/* Judges a payload entry: VHDX-121 to VHDX-124, VHDX-141. `bat_index` is for the message. */
int vhdx_check_payload_entry(const struct vhdx_image *image, uint64_t block, uint64_t entry, struct vhdx_error *error);
/* Judges the sector bitmap entry of a chunk that has partially present blocks: VHDX-136. */
int vhdx_check_bitmap_entry(const struct vhdx_image *image, uint64_t bat_index, uint64_t entry, struct vhdx_error *error);
int vhdx_usage(struct image *base, struct vhdx_usage *usage, struct vhdx_error *error);

#endif
