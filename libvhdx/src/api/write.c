/* SPDX-License-Identifier: MIT */
/* The public functions that change a disk. Layer: api. */
#include "base/checked.h"
#include "base/error.h"
#include "engine/disk.h"

static int check_range(const vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	uint64_t size = vhdx_disk_size(disk);

	if (range_fits(disk_offset, length, size))
		return VHDX_OK;
	return fail(error, VHDX_E_RANGE, "offset %llu, length %llu exceeds the disk of %llu bytes",
		    (unsigned long long)disk_offset, (unsigned long long)length, (unsigned long long)size);
}

int vhdx_write(vhdx_disk *disk, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	if (buffer == NULL && length != 0)
		return fail(error, VHDX_E_ARGUMENT, "the buffer is NULL");
	status = check_range(disk, disk_offset, length, error);
	return status < 0 ? status : disk_write(disk, buffer, length, disk_offset, error);
}

int vhdx_write_zeroes(vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	status = check_range(disk, disk_offset, length, error);
	return status < 0 ? status : disk_write_zeroes(disk, disk_offset, length, error);
}

int vhdx_discard(vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_error local;
	int status;

	error = error != NULL ? error : &local;
	status = check_range(disk, disk_offset, length, error);
	return status < 0 ? status : disk_discard(disk, disk_offset, length, error);
}

int vhdx_flush(vhdx_disk *disk, struct vhdx_error *error)
{
	struct vhdx_error local;

	return disk_flush(disk, error != NULL ? error : &local);
}
