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

static int give_plan(struct vhdx_merge_plan *out, const struct vhdx_merge_plan *plan)
{
	uint32_t size = out->struct_size;

	memcpy(out, plan, (size_t)min_u64(size, sizeof(*plan)));
	out->struct_size = size;
	return VHDX_OK;
}

int vhdx_plan_merge(vhdx_disk *source, vhdx_disk *target, struct vhdx_merge_plan *plan, struct vhdx_error *error)
{
	struct vhdx_merge_plan full;
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	if (source == NULL || target == NULL || plan == NULL)
		return fail(error, VHDX_E_ARGUMENT, "source, target or plan is NULL");
	status = disk_plan_merge(source, target, &full, error);
	return status < 0 ? status : give_plan(plan, &full);
}

int vhdx_merge(vhdx_disk *source, vhdx_disk *target, const struct vhdx_merge_options *options, struct vhdx_merge_plan *plan,
	       struct vhdx_error *error)
{
	struct vhdx_merge_options all = VHDX_MERGE_OPTIONS_INIT;
	struct vhdx_merge_plan full;
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	if (source == NULL || target == NULL)
		return fail(error, VHDX_E_ARGUMENT, "source or target is NULL");
	if (options != NULL)
		memcpy(&all, options, (size_t)min_u64(options->struct_size, sizeof(all)));
	status = disk_merge(source, target, &all, &full, error);
	if (status == VHDX_OK && plan != NULL)
		(void)give_plan(plan, &full);
	return status;
}

int vhdx_compact(vhdx_disk *disk, const struct vhdx_compact_options *options, struct vhdx_error *error)
{
	const unsigned known = VHDX_COMPACT_ESTIMATE | VHDX_COMPACT_KEEP_ZEROS | VHDX_COMPACT_KEEP_EQUAL |
			       VHDX_COMPACT_KEEP_PLACES | VHDX_COMPACT_DEFRAG | VHDX_COMPACT_PUNCH;
	struct vhdx_compact_options full = VHDX_COMPACT_OPTIONS_INIT;
	struct vhdx_compact_result result = VHDX_COMPACT_RESULT_INIT;
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	if (options != NULL)
		memcpy(&full, options, (size_t)min_u64(options->struct_size, sizeof(full)));
	if ((full.flags & ~known) != 0)
		return fail(error, VHDX_E_ARGUMENT, "unknown flags 0x%x", full.flags);
	if ((full.flags & VHDX_COMPACT_DEFRAG) != 0 && (full.flags & VHDX_COMPACT_KEEP_PLACES) != 0)
		return fail(error, VHDX_E_ARGUMENT, "blocks that keep their places cannot be put into order");
	status = disk_compact(disk, &full, &result, error);
	if (full.result != NULL) {
		result.struct_size = full.result->struct_size;
		memcpy(full.result, &result, (size_t)min_u64(result.struct_size, sizeof(result)));
	}
	return status;
}
