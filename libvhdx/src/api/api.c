/* SPDX-License-Identifier: MIT */
/* The public functions: test the arguments, give the engine an error to fill, call it. Layer: api. vhdx.h documents them. */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/guid.h"
#include "engine/chain.h"
#include "engine/disk.h"
#include "io/host.h"

/* `error` may be NULL in every public function, and never below. */
#define OR_LOCAL(error) ((error) != NULL ? (error) : &(struct vhdx_error){ .status = 0 })

const char *vhdx_version(void)
{
	return VHDX_VERSION_STRING;
}

const char *vhdx_format_name(enum vhdx_format format)
{
	switch (format) {
	case VHDX_FORMAT_ANY: return "any";
	case VHDX_FORMAT_VHDX: return "VHDX";
	case VHDX_FORMAT_VHD: return "VHD";
	case VHDX_FORMAT_RAW: return "raw";
	}
	return "unknown";
}

const char *vhdx_type_name(enum vhdx_type type)
{
	switch (type) {
	case VHDX_TYPE_ANY: return "any";
	case VHDX_TYPE_FIXED: return "fixed";
	case VHDX_TYPE_DYNAMIC: return "dynamic";
	case VHDX_TYPE_DIFFERENCING: return "differencing";
	}
	return "unknown";
}

void vhdx_guid_format(const struct vhdx_guid *guid, char text[VHDX_GUID_TEXT_SIZE])
{
	guid_text(guid, text);
}

int vhdx_guid_parse(struct vhdx_guid *out, const char *text)
{
	return text != NULL && guid_from_text(out, text, strlen(text)) ? VHDX_OK : VHDX_E_ARGUMENT;
}

int vhdx_guid_random(struct vhdx_guid *out, struct vhdx_error *error)
{
	struct vhdx_env env = env_complete(NULL);

	return env_random_guids(&env, out, 1, OR_LOCAL(error));
}

int vhdx_file_open(struct vhdx_file *out, const char *path, unsigned flags, struct vhdx_error *error)
{
	error = OR_LOCAL(error);
	if (out == NULL || path == NULL || path[0] == '\0')
		return fail(error, VHDX_E_ARGUMENT, "no path was given");
	return host_open(out, path, flags, error);
}

void vhdx_file_close(struct vhdx_file *file)
{
	if (file == NULL || file->io == NULL)
		return;
	if (file->io->close != NULL)
		file->io->close(file->handle);
	*file = (struct vhdx_file){ NULL, NULL, NULL };
}

static struct vhdx_open_options open_options(const struct vhdx_open_options *given)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;

	if (given != NULL)
		memcpy(&options, given, (size_t)min_u64(given->struct_size, sizeof(options)));
	return options;
}

int vhdx_open_file(vhdx_disk **out, const struct vhdx_file *file, const struct vhdx_open_options *given, struct vhdx_error *error)
{
	struct vhdx_open_options options = open_options(given);

	error = OR_LOCAL(error);
	if (out == NULL || file == NULL || file->io == NULL || file->io->read == NULL || file->io->get_size == NULL)
		return fail(error, VHDX_E_ARGUMENT, "a file needs an I/O table with read and get_size");
	if (options.flags & VHDX_OPEN_WRITE && (file->io->write == NULL || file->io->flush == NULL || file->io->set_size == NULL))
		return fail(error, VHDX_E_ARGUMENT, "writing needs an I/O table with write, flush and set_size");
	if (options.parent_count != 0 && options.parents == NULL)
		return fail(error, VHDX_E_ARGUMENT, "parent_count is %zu and parents is NULL", options.parent_count);
	return disk_open(out, file, &options, error);
}

int vhdx_open(vhdx_disk **out, const char *path, const struct vhdx_open_options *given, struct vhdx_error *error)
{
	struct vhdx_open_options options = open_options(given);
	unsigned flags = 0;
	struct vhdx_file file;
	int status;

	if (options.flags & VHDX_OPEN_NO_LOCK)
		flags |= VHDX_FILE_NO_LOCK;
	if (options.flags & VHDX_OPEN_WRITE)
		flags |= VHDX_FILE_WRITE;
	error = OR_LOCAL(error);
	status = vhdx_file_open(&file, path, flags, error);
	if (status == VHDX_OK) {
		status = vhdx_open_file(out, &file, &options, error);
		if (status < 0)
			vhdx_file_close(&file);
	}
	return status;
}

int vhdx_close(vhdx_disk *disk)
{
	return disk_close(disk);
}

uint64_t vhdx_disk_size(const vhdx_disk *disk)
{
	return disk->levels[0].image->disk_size;
}

unsigned vhdx_depth(const vhdx_disk *disk)
{
	return disk->depth;
}

static int check_range(const vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	uint64_t size = vhdx_disk_size(disk);

	if (range_fits(disk_offset, length, size))
		return VHDX_OK;
	return fail(error, VHDX_E_RANGE, "offset %llu, length %llu exceeds the disk of %llu bytes",
		    (unsigned long long)disk_offset, (unsigned long long)length, (unsigned long long)size);
}

int vhdx_read(vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	int status;

	error = OR_LOCAL(error);
	if (buffer == NULL && length != 0)
		return fail(error, VHDX_E_ARGUMENT, "the buffer is NULL");
	status = check_range(disk, disk_offset, length, error);
	return status < 0 ? status : disk_read(disk, buffer, length, disk_offset, error);
}

int vhdx_get_extent(vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct vhdx_extent extent;
	int status;

	error = OR_LOCAL(error);
	if (length == 0)
		return fail(error, VHDX_E_RANGE, "an empty range has no extent");
	status = check_range(disk, disk_offset, length, error);
	if (status == VHDX_OK)
		status = disk_extent(disk, &extent, disk_offset, length, error);
	if (status == VHDX_OK)
		*out = extent;
	return status;
}

const struct vhdx_file *vhdx_level_file(const vhdx_disk *disk, unsigned level)
{
	return level < disk->depth ? &disk->levels[level].image->view.file : NULL;
}

int vhdx_get_info(const vhdx_disk *disk, unsigned level, struct vhdx_info *info, struct vhdx_error *error)
{
	return disk_info(disk, level, info, OR_LOCAL(error));
}

const struct vhdx_parent_path *vhdx_parent_paths(const vhdx_disk *disk, unsigned level, size_t *count)
{
	const struct image *image = level < disk->depth ? disk->levels[level].image : NULL;

	*count = image == NULL ? 0 : image->parent_path_count;
	return image == NULL ? NULL : image->parent_paths;
}

int vhdx_get_usage(vhdx_disk *disk, unsigned level, struct vhdx_usage *usage, struct vhdx_error *error)
{
	struct vhdx_usage full = VHDX_USAGE_INIT;
	uint32_t size = usage->struct_size;
	struct image *image;
	int status;

	error = OR_LOCAL(error);
	if (level >= disk->depth)
		return fail(error, VHDX_E_RANGE, "the chain has %u levels, there is no level %u", disk->depth, level);
	image = disk->levels[level].image;
	status = image->ops->usage(image, &full, error);
	if (status < 0)
		return error_in_file(error, image->view.file.name, level);
	full.struct_size = size;
	memcpy(usage, &full, (size_t)min_u64(size, sizeof(full)));
	return VHDX_OK;
}

int vhdx_parent_offer(struct vhdx_parent_request *request, struct vhdx_file *file)
{
	struct vhdx_error local;

	if (request == NULL || file == NULL || file->io == NULL)
		return VHDX_E_ARGUMENT;
	return parent_offer(request, file, &local);
}

void vhdx_parent_note(struct vhdx_parent_request *request, const char *path, int status, const char *reason)
{
	parent_note(request, path != NULL ? path : "", status, reason != NULL ? reason : "");
}

int vhdx_resolve_parent(void *context, struct vhdx_parent_request *request, struct vhdx_error *error)
{
	const struct vhdx_resolver *given = context;
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	const struct parent_search *search = request->internal;

	if (given != NULL)
		memcpy(&resolver, given, (size_t)min_u64(given->struct_size, sizeof(resolver)));
	return resolver_open_parent(&resolver, &search->disk->env, request, OR_LOCAL(error));
}
