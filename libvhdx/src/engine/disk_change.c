/* SPDX-License-Identifier: MIT */
/* Size and settings of an open disk. Layer: engine. Nobody else uses the disk meanwhile. */
#include "base/checked.h"
#include "base/error.h"
#include "engine/disk.h"
#include "io/host.h"

static int leaf_for_change(struct vhdx_disk *disk, struct image **leaf, struct vhdx_error *error)
{
	*leaf = disk->levels[0].image;
	if ((*leaf)->writing == NULL)
		return fail(error, VHDX_E_READ_ONLY, "the disk is open for reading only");
	return writing_check(*leaf, error);
}

/* With a longer parent, the rest of the last block would show the parent's bytes: the block becomes the child's own first, with zeros behind the end. */
static int own_last_block(struct vhdx_disk *disk, struct vhdx_error *error)
{
	struct image *leaf = disk->levels[0].image;
	uint64_t end = leaf->disk_size, start = round_down(end, leaf->block_size);
	uint8_t *bytes;
	int status;

	if (start == end)
		return VHDX_OK;
	bytes = memory_allocate(&disk->env, MIB);
	status = bytes == NULL ? fail_memory(error) : VHDX_OK;
	for (uint64_t part; status == VHDX_OK && start < end; start += part) {
		part = min_u64(end - start, MIB);
		status = disk_read(disk, bytes, (size_t)part, start, error);
		if (status == VHDX_OK)
			status = disk_write(disk, bytes, (size_t)part, start, error);
	}
	memory_release(&disk->env, bytes);
	return status;
}

int disk_resize(struct vhdx_disk *disk, uint64_t size, unsigned flags, struct vhdx_error *error)
{
	struct image *leaf;
	int status = leaf_for_change(disk, &leaf, error);

	if (status < 0)
		return status;
	if (leaf->ops->resize == NULL)
		return fail(error, VHDX_E_UNSUPPORTED, "a %s cannot change its size", vhdx_format_name(leaf->format));
	if (size == leaf->disk_size)
		return VHDX_OK;
	if (size < leaf->disk_size && (flags & VHDX_RESIZE_CUT) == 0)
		return fail(error, VHDX_E_ARGUMENT,
			    "the disk has %llu bytes; making it smaller cuts off what lies behind the new end",
			    (unsigned long long)leaf->disk_size);
	leaf->parent_is_longer = leaf->type == VHDX_TYPE_DIFFERENCING &&
				 (disk->depth == 1 || disk->levels[1].image->disk_size > leaf->disk_size);
	if (size > leaf->disk_size && leaf->parent_is_longer && leaf->format == VHDX_FORMAT_VHDX)
		status = own_last_block(disk, error);
	if (status == VHDX_OK)
		status = leaf->ops->resize(leaf, size, error);
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

static int set_by_texts(struct vhdx_disk *disk, const struct vhdx_settings *settings, struct vhdx_error *error)
{
	const struct image_settings wanted = { .disk_id = settings->disk_id,
					       .physical_sector_size = settings->physical_sector_size,
					       .parent_relative = settings->parent_relative,
					       .parent_absolute = settings->parent_absolute,
					       .parent_volume = settings->parent_volume,
					       .parent_identity = settings->parent_identity,
					       .parent_identity2 = settings->parent_identity2 };
	bool parent = wanted.parent_relative != NULL || wanted.parent_absolute != NULL || wanted.parent_volume != NULL ||
		      wanted.parent_identity != NULL || wanted.parent_identity2 != NULL;
	struct image *leaf;
	int status = leaf_for_change(disk, &leaf, error);

	if (status < 0)
		return status;
	if (leaf->ops->set == NULL)
		return fail(error, VHDX_E_UNSUPPORTED, "a %s has no settings", vhdx_format_name(leaf->format));
	if (parent && leaf->type != VHDX_TYPE_DIFFERENCING)
		return fail(error, VHDX_E_ARGUMENT, "the disk has no parent");
	status = leaf->ops->set(leaf, &wanted, error);
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

/* Texts made from the two file names. */
int disk_set(struct vhdx_disk *disk, const struct vhdx_settings *settings, struct vhdx_error *error)
{
	const char *name = disk->levels[0].image->view.file.name;
	struct vhdx_settings made = *settings;
	char *relative = NULL;
	int status;

	if (settings->parent_file == NULL)
		return set_by_texts(disk, settings, error);
	if (settings->parent_relative != NULL || settings->parent_absolute != NULL || settings->parent_volume != NULL)
		return fail(error, VHDX_E_ARGUMENT, "parent_file and texts for it were given");
	if (name == NULL)
		return fail(error, VHDX_E_ARGUMENT, "the disk has no file name that a path could be made from");
	status = host_relative_path(&disk->env, &relative, name, settings->parent_file, error);
	made.parent_relative = relative;
	if (status == VHDX_OK)
		status = set_by_texts(disk, &made, error);
	memory_release(&disk->env, relative);
	return status;
}

int disk_user_items(struct vhdx_disk *disk, const struct vhdx_guid *only,
		    int (*visit)(void *context, const struct vhdx_user_item *item, const uint8_t *value,
				 struct vhdx_error *error),
		    void *context, struct vhdx_error *error)
{
	struct image *leaf = disk->levels[0].image;
	int status = leaf->ops->user_items == NULL
			     ? fail(error, VHDX_E_UNSUPPORTED, "a %s has no metadata items", vhdx_format_name(leaf->format))
			     : leaf->ops->user_items(leaf, only, visit, context, error);

	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

int disk_set_user_item(struct vhdx_disk *disk, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error)
{
	struct image *leaf;
	int status = leaf_for_change(disk, &leaf, error);

	if (status < 0)
		return status;
	status = leaf->ops->set_user_item == NULL
			 ? fail(error, VHDX_E_UNSUPPORTED, "a %s has no metadata items", vhdx_format_name(leaf->format))
			 : leaf->ops->set_user_item(leaf, item, value, error);
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}
