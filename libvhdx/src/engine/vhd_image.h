/* SPDX-License-Identifier: MIT */
/* One VHD file: fixed, dynamic, differencing. Layer: engine. Opened and mapped by vhd_image.c, written by vhd_write.c and vhd_commit.c. */
#ifndef ENGINE_VHD_IMAGE_H
#define ENGINE_VHD_IMAGE_H

#include "engine/image.h"
#include "format/vhd_dynamic.h"
#include "format/vhd_footer.h"

struct vhd_writer;

struct vhd_image {
	struct image base;
	struct vhd_writer *writer; /* dynamic and differencing, open for writing */
	struct vhd_footer footer;
	struct vhd_dynamic dynamic;
	bool front_copy_used;
	bool salvages; /* VHDX_OPEN_SALVAGE */
	bool lenient;
	uint32_t bitmap_size;
	unsigned block_shift;
	uint64_t block_count;
	uint64_t structures_end;       /* blocks from here on overlap neither header nor BAT */
	_Atomic uint64_t blocks_limit; /* end of the place where blocks may stand: the footer, or the end of the file */
};

/* One allocated entry: VHD-070, VHD-071. */
int vhd_check_entry(const struct vhd_image *image, uint64_t block, uint32_t entry, struct vhdx_error *error);
/* The entry of a block as readers see it, judged: VHD-070, VHD-071. */
int vhd_load_entry(struct vhd_image *image, uint64_t block, uint32_t *entry, struct vhdx_error *error);
/* Writers leave so much between two blocks to align the data of the second one (VHD-072); of tiny blocks that would be whole ones. */
static inline uint32_t vhd_slack(const struct vhd_image *image)
{
	return image->base.block_size >= 65536 ? 4095 : 0;
}
int vhd_usage(struct image *base, struct vhdx_usage *usage, struct vhdx_error *error);

/* Bytes that belong to a parent locator's text and the room behind it. Who counts it in sectors says less than the text has (VHD-055). */
static inline uint64_t vhd_locator_room(const struct vhd_locator *l)
{
	uint64_t room = l->data_space < l->data_length ? (uint64_t)l->data_space * VHD_SECTOR : l->data_space;

	return room > l->data_length && room <= VHD_MAX_LOCATOR_LENGTH ? room : l->data_length;
}

#endif
