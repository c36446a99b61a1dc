/* SPDX-License-Identifier: MIT */
/* Constants and limits of VHD that are no field of a structure: specs/vhd.md. Layer: format. */
#ifndef FORMAT_VHD_LAYOUT_H
#define FORMAT_VHD_LAYOUT_H

#include "base/checked.h"

enum {
	VHD_SECTOR = 512,
	VHD_LOCATOR_COUNT = 8,
	VHD_NAME_UNITS = 256,
	VHD_MAX_LOCATOR_LENGTH = 65536,
	VHD_DISK_FIXED = 2,
	VHD_DISK_DYNAMIC = 3,
	VHD_DISK_DIFFERENCING = 4
};

#define VHD_MAX_SECTORS UINT64_C(0xFF000000) /* VHD-007: 2,040 GiB */
#define VHD_MAX_DISK_SIZE (VHD_MAX_SECTORS * VHD_SECTOR)
#define VHD_MIN_BLOCK_SIZE 512u
#define VHD_MAX_BLOCK_SIZE (256u << 20)
#define VHD_DEFAULT_BLOCK_SIZE (2u << 20)    /* VHD-045 */
#define VHD_UNALLOCATED UINT32_C(0xFFFFFFFF) /* VHD-060 */
#define VHD_NO_OFFSET UINT64_MAX             /* VHD-017, VHD-038 */
#define VHD_TIME_ZERO UINT64_C(946684800)    /* 2000-01-01 in Unix time: VHD-019 */

#define VHD_CODE(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define VHD_CODE_WI2R VHD_CODE('W', 'i', '2', 'r')
#define VHD_CODE_WI2K VHD_CODE('W', 'i', '2', 'k')
#define VHD_CODE_W2RU VHD_CODE('W', '2', 'r', 'u')
#define VHD_CODE_W2KU VHD_CODE('W', '2', 'k', 'u')
#define VHD_CODE_MAC VHD_CODE('M', 'a', 'c', ' ')
#define VHD_CODE_MACX VHD_CODE('M', 'a', 'c', 'X')

#endif
