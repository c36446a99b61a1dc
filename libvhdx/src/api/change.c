/* SPDX-License-Identifier: MIT */
/* The public functions that change what a disk is, not what it holds. Layer: api. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/disk.h"

int vhdx_resize(vhdx_disk *disk, uint64_t size, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if ((flags & ~(unsigned)VHDX_RESIZE_CUT) != 0)
		return fail(error, VHDX_E_ARGUMENT, "unknown flags 0x%x", flags);
	return disk_resize(disk, size, flags, error);
}

int vhdx_set(vhdx_disk *disk, const struct vhdx_settings *settings, struct vhdx_error *error)
{
	struct vhdx_settings full = VHDX_SETTINGS_INIT;
	struct vhdx_error local;

	error = error != NULL ? error : &local;
	if (settings == NULL)
		return fail(error, VHDX_E_ARGUMENT, "settings is NULL");
	memcpy(&full, settings, (size_t)min_u64(settings->struct_size, sizeof(full)));
	return disk_set(disk, &full, error);
}
