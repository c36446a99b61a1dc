/* SPDX-License-Identifier: MIT */
/* A raw file or block device as an image: the disk is the file. Layer: engine. Holes of the file are holes of the disk. */
#include "base/checked.h"
#include "base/error.h"
#include "engine/image.h"

static int raw_map(struct image *image, uint64_t disk_offset, uint64_t length, struct mapping *out, struct vhdx_error *error)
{
	enum { WORTH_ASKING = 65536 }; /* a read of less is cheaper than the question */
	struct vhdx_file_extent extent = { .length = length, .is_hole = 0 };
	int status = length < WORTH_ASKING ? VHDX_OK : file_extent(&image->view.file, &extent, disk_offset, length, error);

	*out = (struct mapping){ extent.is_hole ? MAP_ABSENT : MAP_DATA, extent.length, disk_offset };
	return status;
}

static void raw_info(const struct image *image, struct vhdx_info *info)
{
	(void)image;
	(void)info;
}

static int raw_usage(struct image *image, struct vhdx_usage *usage, struct vhdx_error *error)
{
	(void)error;
	usage->blocks_total = usage->blocks_present = usage->runs = 1;
	usage->payload_bytes = usage->file_end = image->disk_size;
	return VHDX_OK;
}

static void raw_release(struct image *image)
{
	memory_release(image->env, image);
}

static int raw_start(struct image *image, struct vhdx_error *error)
{
	(void)error;
	image->writing->sector = 1;
	image->writing->granule = 2 * MIB;
	return VHDX_OK;
}

static int raw_discard(struct image *image, uint64_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	int status = file_punch(&image->view.file, disk_offset, length, error);

	atomic_fetch_add(&image->writing->change, 1);
	return status < 0 ? writing_failed(image, error) : VHDX_OK;
}

static int raw_resize(struct image *image, uint64_t size, struct vhdx_error *error)
{
	int status = writing_check(image, error);

	if (status == VHDX_OK && (size == 0 || size % image->logical_sector_size != 0 || size > INT64_MAX))
		return fail(error, VHDX_E_ARGUMENT, "%llu bytes are no size for a disk with sectors of %u",
			    (unsigned long long)size, image->logical_sector_size);
	if (status == VHDX_OK)
		status = file_set_size(&image->view.file, size, error);
	if (status < 0)
		return writing_failed(image, error);
	image->view.size = size;
	image->disk_size = size;
	status = file_flush(&image->view.file, error);
	return status < 0 ? writing_flush_failed(image, error) : VHDX_OK;
}

static const struct image_ops raw_ops = {
	.map = raw_map,
	.info = raw_info,
	.usage = raw_usage,
	.release = raw_release,
	.start = raw_start,
	.write = plain_write,
	.discard = raw_discard,
	.flush = plain_flush,
	.resize = raw_resize,
	.finish = plain_flush,
};

int raw_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error)
{
	struct image *image = memory_zeroed(request->env, sizeof(*image));
	int status;

	if (image == NULL)
		return fail_memory(error);
	image->ops = &raw_ops;
	image->env = request->env;
	image->cache = request->cache;
	image->view.file = *request->file;
	image->level = request->level;
	image->format = VHDX_FORMAT_RAW;
	image->type = VHDX_TYPE_FIXED;
	image->logical_sector_size = 512;
	image->physical_sector_size = 512;
	status = view_load_size(&image->view, error);
	if (status < 0) {
		raw_release(image);
		return status;
	}
	image->disk_size = image->view.size;
	*out = image;
	return VHDX_OK;
}
