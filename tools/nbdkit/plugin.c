/* SPDX-License-Identifier: MIT */
/* nbdkit-vhdx-plugin: nbdkit's questions, answered with a disk (source.h). All calls of all connections run in parallel. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "source.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>

#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

enum { MAX_EXTENTS = 4096, LEAST_PREFERRED = 4096 };

static int plugin_get_ready(void)
{
	return source_check();
}

static int plugin_after_fork(void)
{
	return source_start();
}

static void plugin_cleanup(void)
{
	source_close();
}

static void plugin_unload(void)
{
	source_release();
}

static void *plugin_open(int readonly)
{
	return source_connect(readonly != 0);
}

static int64_t plugin_get_size(void *handle)
{
	return (int64_t)vhdx_disk_size(handle);
}

static int plugin_can_write(void *handle)
{
	(void)handle;
	return source_is_writable();
}

static int yes(void *handle)
{
	(void)handle;
	return 1;
}

static int plugin_can_fua(void *handle)
{
	(void)handle;
	return NBDKIT_FUA_NATIVE;
}

static const char *plugin_description(void *handle)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	if (vhdx_get_info(handle, 0, &info, NULL) != VHDX_OK)
		return NULL;
	return nbdkit_printf_intern("%s%s%s, %u file%s", vhdx_format_name(info.format), info.type == VHDX_TYPE_ANY ? "" : " ",
				    info.type == VHDX_TYPE_ANY ? "" : vhdx_type_name(info.type), vhdx_depth(handle),
				    vhdx_depth(handle) == 1 ? "" : "s");
}

/* Any request is served, but parts of sectors cost a read; below 4 KiB so may the host. */
static int plugin_block_size(void *handle, uint32_t *minimum, uint32_t *preferred, uint32_t *maximum)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;

	if (vhdx_get_info(handle, 0, &info, &error) != VHDX_OK)
		return source_error(&error);
	*minimum = info.logical_sector_size != 0 && info.virtual_size % info.logical_sector_size == 0 ? info.logical_sector_size
												      : 1;
	*preferred = info.physical_sector_size > LEAST_PREFERRED ? info.physical_sector_size : LEAST_PREFERRED;
	*maximum = UINT32_MAX;
	return 0;
}

/* The end of every request that changes something. */
static int done(vhdx_disk *disk, int status, uint32_t flags, struct vhdx_error *error)
{
	if (status == VHDX_OK && flags & NBDKIT_FLAG_FUA)
		status = vhdx_flush(disk, error);
	return status == VHDX_OK ? 0 : source_error(error);
}

static int plugin_pread(void *handle, void *buffer, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct vhdx_error error;

	return done(handle, vhdx_read(handle, buffer, count, offset, &error), flags, &error);
}

static int plugin_pwrite(void *handle, const void *buffer, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct vhdx_error error;

	return done(handle, vhdx_write(handle, buffer, count, offset, &error), flags, &error);
}

static int plugin_flush(void *handle, uint32_t flags)
{
	struct vhdx_error error;

	return done(handle, vhdx_flush(handle, &error), flags, &error);
}

static int plugin_trim(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct vhdx_error error;

	return done(handle, vhdx_discard(handle, offset, count, &error), flags, &error);
}

/* Whole blocks of a VHDX become zeros by one entry each, whatever they held. */
static bool is_fast_to_zero(vhdx_disk *disk, uint32_t count, uint64_t offset)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	uint64_t end = offset + count;

	return vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK && info.format == VHDX_FORMAT_VHDX &&
	       info.type != VHDX_TYPE_FIXED && offset % info.block_size == 0 &&
	       (end % info.block_size == 0 || end == info.virtual_size);
}

/*
 * Zeros that may not become a hole are written as data, by nbdkit, as it does on EOPNOTSUPP. The discard behind the zeros gives back what the zeros
 * alone leave allocated, in formats without a state for them.
 */
static int plugin_zero(void *handle, uint32_t count, uint64_t offset, uint32_t flags)
{
	struct vhdx_error error;
	int status;

	if (!(flags & NBDKIT_FLAG_MAY_TRIM) || (flags & NBDKIT_FLAG_FAST_ZERO && !is_fast_to_zero(handle, count, offset))) {
		nbdkit_set_error(EOPNOTSUPP);
		return -1;
	}
	status = vhdx_write_zeroes(handle, offset, count, &error);
	if (status == VHDX_OK)
		status = vhdx_discard(handle, offset, count, &error);
	return done(handle, status, flags, &error);
}

/* Data is data, even where it may be zeros; all else takes no space. An answer may be shorter than the question, which bounds the work. */
static int plugin_extents(void *handle, uint32_t count, uint64_t offset, uint32_t flags, struct nbdkit_extents *extents)
{
	uint64_t end = offset + count;
	struct vhdx_extent extent;
	struct vhdx_error error;

	for (unsigned n = 0; offset < end && n < MAX_EXTENTS; n++) {
		uint32_t type;

		if (vhdx_get_extent(handle, &extent, offset, end - offset, &error) != VHDX_OK)
			return source_error(&error);
		type = extent.kind == VHDX_EXTENT_DATA ? 0 : NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
		if (nbdkit_add_extent(extents, offset, extent.length, type) != 0)
			return -1;
		if (flags & NBDKIT_FLAG_REQ_ONE)
			break;
		offset += extent.length;
	}
	return 0;
}

static struct nbdkit_plugin plugin = {
	.name = "vhdx",
	.longname = "VHDX and VHD virtual disks",
	.version = VHDX_VERSION_STRING,
	.description = "Serves VHDX and VHD images with their chains of parents",
	.unload = plugin_unload,
	.config = source_config,
	.config_complete = source_complete,
	.config_help = SOURCE_HELP,
	.magic_config_key = "file",
	.get_ready = plugin_get_ready,
	.after_fork = plugin_after_fork,
	.cleanup = plugin_cleanup,
	.open = plugin_open,
	.get_size = plugin_get_size,
	.export_description = plugin_description,
	.block_size = plugin_block_size,
	.can_write = plugin_can_write,
	.can_flush = plugin_can_write,
	.can_trim = plugin_can_write,
	.can_zero = plugin_can_write,
	.can_fast_zero = plugin_can_write,
	.can_fua = plugin_can_fua,
	.can_multi_conn = yes,
	.can_extents = yes,
	.pread = plugin_pread,
	.pwrite = plugin_pwrite,
	.flush = plugin_flush,
	.trim = plugin_trim,
	.zero = plugin_zero,
	.extents = plugin_extents,
};

struct nbdkit_plugin *plugin_init(void); /* what the macro defines */

NBDKIT_REGISTER_PLUGIN(plugin)
