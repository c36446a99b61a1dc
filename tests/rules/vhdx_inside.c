/* SPDX-License-Identifier: MIT */
#include "rules/vhdx_inside.h"

#include "engine/disk.h"
#include "engine/vhdx_writer.h"

static struct vhdx_writer *writer_of(vhdx_disk *disk)
{
	return ((struct vhdx_image *)disk->levels[0].image)->writer;
}

int inside_begin_unchanged(vhdx_disk *disk, struct vhdx_error *error)
{
	return vhdx_session_begin_unchanged(writer_of(disk), error);
}

int inside_settle(vhdx_disk *disk, struct vhdx_error *error)
{
	return vhdx_settle(writer_of(disk), BARRIER_COMMIT, error);
}
