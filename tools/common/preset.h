/* SPDX-License-Identifier: MIT */
/* Named sets of options for where a disk is going. */
#ifndef PRESET_H
#define PRESET_H

#include "vhdx.h"

struct preset {
	const char *name;
	enum vhdx_format format;
	enum vhdx_type type;
	uint32_t block_size; /* 0: the format's default */
	uint32_t logical_sector_size;
	uint32_t physical_sector_size;
	uint32_t size_unit;  /* sizes are rounded up to a multiple of it; 0: they are not */
	const char *because; /* why the format cannot be another */
};

/* NULL when there is none of that name. */
const struct preset *preset_find(const char *name);

#endif
