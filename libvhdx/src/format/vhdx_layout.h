/* SPDX-License-Identifier: MIT */
/* Places and limits of VHDX that are no field of a structure: specs/vhdx.md section 1. Layer: format. */
#ifndef FORMAT_VHDX_LAYOUT_H
#define FORMAT_VHDX_LAYOUT_H

#include "base/checked.h"

#define VHDX_HEADER_SECTION_SIZE MIB /* VHDX-006 */
#define VHDX_ALIGNMENT MIB           /* VHDX-003 */
#define VHDX_IDENTIFIER_OFFSET UINT64_C(0)
#define VHDX_HEADER_OFFSET(slot) ((UINT64_C(1) + (uint64_t)(slot)) * 64 * KIB)       /* VHDX-015 */
#define VHDX_REGION_TABLE_OFFSET(copy) ((UINT64_C(3) + (uint64_t)(copy)) * 64 * KIB) /* VHDX-046 */
#define VHDX_LOGGABLE_OFFSET (192 * KIB) /* nothing below may be changed by the log: VHDX-093 */

enum {
	VHDX_TABLE_SIZE = 65536, /* region tables, and the metadata table */
	VHDX_LOG_SECTOR = 4096,
	VHDX_MAX_ENTRIES = 2047,         /* VHDX-049, VHDX-144 */
	VHDX_MAX_USER_ENTRIES = 1024,    /* VHDX-152 */
	VHDX_MAX_ITEM_LENGTH = 1 << 20,  /* VHDX-149 */
	VHDX_MAX_LOCATOR_LENGTH = 65536, /* ours: five paths of 4,096 characters fit */
	VHDX_MAX_LOCATOR_PAIRS = 256,
	VHDX_CREATOR_UNITS = 256
};

#define VHDX_MIN_BLOCK_SIZE MIB /* VHDX-162 */
#define VHDX_MAX_BLOCK_SIZE (256 * MIB)
#define VHDX_MAX_DISK_SIZE (64 * TIB)          /* VHDX-167 */
#define VHDX_CHUNK_SECTORS (UINT64_C(1) << 23) /* VHDX-116 */
#define VHDX_BITMAP_BLOCK_SIZE MIB

#endif
