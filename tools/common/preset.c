/* SPDX-License-Identifier: MIT */
/* See preset.h. */
#include "preset.h"

#include <string.h>

static const struct preset presets[] = {
	{ .name = "azure",
	  .format = VHDX_FORMAT_VHD,
	  .type = VHDX_TYPE_FIXED,
	  .size_unit = 1u << 20,
	  .because = "Azure takes fixed VHD only" },
	{ .name = "wsl",
	  .format = VHDX_FORMAT_VHDX,
	  .type = VHDX_TYPE_DYNAMIC,
	  .block_size = 1u << 20,
	  .logical_sector_size = 512,
	  .physical_sector_size = 4096,
	  .because = "WSL takes VHDX only" },
	{ .name = "hyperv",
	  .format = VHDX_FORMAT_VHDX,
	  .type = VHDX_TYPE_DYNAMIC,
	  .block_size = 32u << 20,
	  .logical_sector_size = 512,
	  .physical_sector_size = 4096,
	  .because = "Hyper-V's own default is VHDX" },
	{ .name = "linux",
	  .format = VHDX_FORMAT_VHDX,
	  .type = VHDX_TYPE_DYNAMIC,
	  .block_size = 1u << 20,
	  .logical_sector_size = 512,
	  .physical_sector_size = 4096,
	  .because = "it stands for VHDX with 1 MiB blocks" },
};

const struct preset *preset_find(const char *name)
{
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++) {
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	}
	return NULL;
}
