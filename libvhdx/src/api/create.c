/* SPDX-License-Identifier: MIT */
/* The public functions of creation. Layer: api. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/create.h"
#include "io/file.h"

static struct vhdx_create_options create_options(const struct vhdx_create_options *given)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;

	memcpy(&options, given, (size_t)min_u64(given->struct_size, sizeof(options)));
	return options;
}

static int read_disk(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	return vhdx_read(context, buffer, length, disk_offset, error);
}

/* Of what an image holds, its file may hold nothing; a raw image has asked its file already. */
static int extent_of_disk(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	const struct vhdx_disk *disk = context;
	struct vhdx_file_extent on_host;
	int status = vhdx_get_extent(context, out, disk_offset, length, error);

	if (status < 0 || out->kind != VHDX_EXTENT_DATA || out->in_memory ||
	    disk->levels[out->level].image->format == VHDX_FORMAT_RAW)
		return status;
	status = file_extent(&disk->levels[out->level].image->view.file, &on_host, out->file_offset, out->length, error);
	if (status < 0)
		return status;
	if (on_host.is_hole)
		out->kind = VHDX_EXTENT_HOLE;
	out->length = on_host.length;
	return VHDX_OK;
}

/* What is being written may move. */
static const struct vhdx_file *file_of_disk(void *context, unsigned level)
{
	const struct vhdx_disk *disk = context;

	return disk->locks == NULL ? vhdx_level_file(disk, level) : NULL;
}

void vhdx_disk_source(struct vhdx_source *out, vhdx_disk *disk)
{
	*out = (struct vhdx_source){ disk, vhdx_disk_size(disk), read_disk, extent_of_disk, file_of_disk };
}

int vhdx_create(const char *path, const struct vhdx_create_options *given, struct vhdx_error *error)
{
	struct vhdx_error local;
	struct vhdx_create_options options;

	error = error != NULL ? error : &local;
	if (path == NULL || path[0] == '\0' || given == NULL)
		return fail(error, VHDX_E_ARGUMENT, "no path or no options were given");
	options = create_options(given);
	return create_on_host(path, &options, error);
}

int vhdx_create_file(const struct vhdx_file *file, const struct vhdx_create_options *given, struct vhdx_error *error)
{
	struct vhdx_error local;
	struct vhdx_create_options options;

	error = error != NULL ? error : &local;
	if (file == NULL || file->io == NULL || file->io->write == NULL || file->io->flush == NULL ||
	    file->io->get_size == NULL || file->io->set_size == NULL || given == NULL)
		return fail(error, VHDX_E_ARGUMENT,
			    "creation needs options and an I/O table with write, flush, get_size and set_size");
	options = create_options(given);
	return create_in_file(file, &options, error);
}
