/* SPDX-License-Identifier: MIT */
/* The public functions of creation. Layer: api. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/create.h"

static struct vhdx_create_options create_options(const struct vhdx_create_options *given)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;

	memcpy(&options, given, min_u64(given->struct_size, sizeof(options)));
	return options;
}

static int read_disk(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	return vhdx_read(context, buffer, length, disk_offset, error);
}

static int extent_of_disk(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	return vhdx_get_extent(context, out, disk_offset, length, error);
}

void vhdx_disk_source(struct vhdx_source *out, vhdx_disk *disk)
{
	*out = (struct vhdx_source){ disk, vhdx_disk_size(disk), read_disk, extent_of_disk };
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
