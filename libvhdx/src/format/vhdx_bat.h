/* SPDX-License-Identifier: MIT */
/*
 * BAT entries and the geometry of the BAT: specs/vhdx.md sections 1.8 and 1.9. Layer: format. All sizes are powers of two, so the arithmetic
 * is shifts; nothing can overflow for disks up to 64 TiB: at most 2^26 blocks and 2^27 entries.
 */
#ifndef FORMAT_VHDX_BAT_H
#define FORMAT_VHDX_BAT_H

#include <stdbool.h>

#include "base/checked.h"
#include "format/rules.h"

enum vhdx_block_state {
	BLOCK_NOT_PRESENT = 0,
	BLOCK_UNDEFINED = 1,
	BLOCK_ZERO = 2,
	BLOCK_UNMAPPED = 3,
	BLOCK_RESERVED_4 = 4,
	BLOCK_RESERVED_5 = 5,
	BLOCK_FULLY_PRESENT = 6,
	BLOCK_PARTIALLY_PRESENT = 7
};

/* Of sector bitmap entries. */
enum { BITMAP_NOT_PRESENT = 0, BITMAP_PRESENT = 6 };

struct vhdx_geometry {
	unsigned block_shift;  /* log2 of the block size */
	unsigned sector_shift; /* log2 of the logical sector size */
	unsigned chunk_shift;  /* log2 of the chunk ratio: payload blocks per sector bitmap block */
	uint64_t block_count;  /* payload blocks */
	uint64_t chunk_count;
	uint64_t entry_count; /* BAT entries: VHDX-118, VHDX-119 */
};

struct vhdx_geometry vhdx_geometry(uint64_t disk_size, uint32_t block_size, uint32_t logical_sector_size, bool differencing);

static inline uint64_t vhdx_bat_index(const struct vhdx_geometry *g, uint64_t block)
{
	return block + (block >> g->chunk_shift);
}

static inline uint64_t vhdx_bitmap_bat_index(const struct vhdx_geometry *g, uint64_t block)
{
	return (((block >> g->chunk_shift) + 1) << g->chunk_shift) + (block >> g->chunk_shift);
}

/* Whether a BAT index holds a sector bitmap entry. */
static inline bool vhdx_is_bitmap_index(const struct vhdx_geometry *g, uint64_t bat_index)
{
	uint64_t stride = (UINT64_C(1) << g->chunk_shift) + 1;

	return bat_index % stride == stride - 1;
}

/* The block of a BAT index that holds no sector bitmap entry; the last chunk of a differencing disk has entries behind its last block. */
static inline uint64_t vhdx_bat_block(const struct vhdx_geometry *g, uint64_t bat_index)
{
	return bat_index - bat_index / ((UINT64_C(1) << g->chunk_shift) + 1);
}

/* First bit of a block inside its sector bitmap block. */
static inline uint64_t vhdx_bitmap_first_bit(const struct vhdx_geometry *g, uint64_t block)
{
	return (block & ((UINT64_C(1) << g->chunk_shift) - 1)) << (g->block_shift - g->sector_shift);
}

static inline unsigned vhdx_bat_state(uint64_t entry)
{
	return (unsigned)(entry & 7);
}

/* FileOffsetMB in bytes. 44 bits of MiB reach 2^64. */
static inline uint64_t vhdx_bat_file_offset(uint64_t entry)
{
	return entry & ~UINT64_C(0xFFFFF);
}

const char *vhdx_block_state_name(unsigned state);

#endif
