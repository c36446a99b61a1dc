/* SPDX-License-Identifier: MIT */
/* Completes and judges the options of a creation, and makes host files. Layer: engine. */
#include "engine/create.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/utf.h"
#include "format/vhd_layout.h"
#include "format/vhdx_layout.h"
#include "io/host.h"

static int bad(struct vhdx_error *error, const char *message)
{
	return fail(error, VHDX_E_ARGUMENT, "%s", message);
}

static void complete_vhdx(struct vhdx_create_options *o, const struct image *parent)
{
	if (o->logical_sector_size == 0)
		o->logical_sector_size = parent != NULL ? parent->logical_sector_size : 512;
	if (o->physical_sector_size == 0)
		o->physical_sector_size = parent != NULL ? parent->physical_sector_size : 4096;
	if (o->block_size == 0)
		o->block_size = (uint32_t)((o->type == VHDX_TYPE_DIFFERENCING ? 2 : 32) * MIB);
	if (o->log_length == 0)
		o->log_length = (uint32_t)MIB;
	if (o->creator == NULL)
		o->creator = "libvhdx " VHDX_VERSION_STRING;
}

static void complete_vhd(struct vhdx_create_options *o, const struct image *parent)
{
	if (o->logical_sector_size == 0)
		o->logical_sector_size = VHD_SECTOR;
	if (o->physical_sector_size == 0)
		o->physical_sector_size = VHD_SECTOR;
	if (o->block_size == 0)
		o->block_size = parent != NULL && parent->block_size != 0 ? parent->block_size : VHD_DEFAULT_BLOCK_SIZE;
}

static int check_vhdx(const struct vhdx_create_options *o, struct vhdx_error *error)
{
	if ((o->logical_sector_size != 512 && o->logical_sector_size != 4096) ||
	    (o->physical_sector_size != 512 && o->physical_sector_size != 4096))
		return bad(error, "sector sizes are 512 or 4096");
	if (o->physical_sector_size < o->logical_sector_size)
		return bad(error, "the physical sector size is smaller than the logical one");
	if (!is_power_of_two(o->block_size) || o->block_size < VHDX_MIN_BLOCK_SIZE || o->block_size > VHDX_MAX_BLOCK_SIZE)
		return bad(error, "the block size of a VHDX is a power of two from 1 MiB to 256 MiB");
	if (utf16_from_utf8(NULL, VHDX_CREATOR_UNITS - 1, o->creator, false) == SIZE_MAX)
		return bad(error, "the creator text is not UTF-8, or longer than 255 characters");
	if (o->log_length % VHDX_ALIGNMENT != 0 || o->log_length > GIB)
		return bad(error, "the log is a multiple of 1 MiB, at most 1 GiB");
	if (o->size > VHDX_MAX_DISK_SIZE)
		return fail(error, VHDX_E_RANGE, "%" PRIu64 " bytes are more than the 64 TiB of a VHDX", o->size);
	return VHDX_OK;
}

static int check_vhd(const struct vhdx_create_options *o, struct vhdx_error *error)
{
	if (o->logical_sector_size != VHD_SECTOR || o->physical_sector_size != VHD_SECTOR)
		return bad(error, "a VHD has sectors of 512 bytes; VHDX can have 4096");
	if (o->log_length != 0)
		return bad(error, "a VHD has no log");
	if (!is_power_of_two(o->block_size) || o->block_size < VHD_MIN_BLOCK_SIZE || o->block_size > VHD_MAX_BLOCK_SIZE)
		return bad(error, "the block size of a VHD is a power of two from 512 bytes to 256 MiB");
	if (o->size > VHD_MAX_DISK_SIZE)
		return fail(error, VHDX_E_RANGE, "%" PRIu64 " bytes are more than the 2040 GiB of a VHD; VHDX reaches 64 TiB",
			    o->size);
	if (o->type != VHDX_TYPE_FIXED &&
	    divide_up(o->size, o->block_size) * ((uint64_t)o->block_size + 8192) > VHD_UNALLOCATED * UINT64_C(512))
		return bad(error, "with this block size a full VHD would exceed 2 TiB, which its BAT cannot address");
	return VHDX_OK;
}

/* A raw file has content and a size, and nothing else to say. */
static int complete_raw(struct vhdx_create_options *o, struct vhdx_error *error)
{
	if (o->type != VHDX_TYPE_ANY && o->type != VHDX_TYPE_FIXED)
		return bad(error, "a raw file is always fixed");
	if (o->parent != NULL)
		return bad(error, "a raw file has no parent");
	if (o->block_size != 0 || o->log_length != 0 || o->creator != NULL || !guid_is_zero(&o->disk_id))
		return bad(error, "a raw file has no blocks, log, creator or identifier");
	o->type = VHDX_TYPE_FIXED;
	o->logical_sector_size = o->physical_sector_size = 1;
	return VHDX_OK;
}

static int check_parent(const struct vhdx_create_options *o, const struct image *parent, struct vhdx_error *error)
{
	if (parent == NULL)
		return o->type == VHDX_TYPE_DIFFERENCING ? bad(error, "a differencing disk needs a parent") : VHDX_OK;
	if (o->type != VHDX_TYPE_DIFFERENCING)
		return bad(error, "only a differencing disk has a parent");
	if (parent->format != o->format)
		return fail(error, VHDX_E_ARGUMENT, "a %s child cannot have a %s parent", vhdx_format_name(o->format),
			    vhdx_format_name(parent->format));
	if (o->source != NULL)
		return bad(error, "a differencing disk starts with the content of its parent, not of a source");
	if (o->logical_sector_size != parent->logical_sector_size)
		return bad(error, "a child has the logical sector size of its parent");
	if (o->size < parent->disk_size)
		return fail(error, VHDX_E_ARGUMENT, "a child of %" PRIu64 " bytes is smaller than its parent of %" PRIu64,
			    o->size, parent->disk_size);
	return VHDX_OK;
}

static int complete(struct creation *c, struct vhdx_error *error)
{
	struct vhdx_create_options *o = &c->options;
	int status;

	if (o->format == VHDX_FORMAT_ANY)
		o->format = c->parent != NULL ? c->parent->format : VHDX_FORMAT_VHDX;
	if (o->format != VHDX_FORMAT_VHDX && o->format != VHDX_FORMAT_VHD && o->format != VHDX_FORMAT_RAW)
		return bad(error, "a new image is a VHDX, a VHD or raw");
	status = o->format == VHDX_FORMAT_RAW ? complete_raw(o, error) : VHDX_OK;
	if (status < 0)
		return status;
	if (o->type == VHDX_TYPE_ANY)
		o->type = c->parent != NULL ? VHDX_TYPE_DIFFERENCING : VHDX_TYPE_DYNAMIC;
	if (o->type != VHDX_TYPE_FIXED && o->type != VHDX_TYPE_DYNAMIC && o->type != VHDX_TYPE_DIFFERENCING)
		return bad(error, "a new image is fixed, dynamic or differencing");
	if (o->preallocation != VHDX_PREALLOCATE_NONE && o->preallocation != VHDX_PREALLOCATE_RESERVE &&
	    o->preallocation != VHDX_PREALLOCATE_FULL)
		return bad(error, "there is no such preallocation");
	if (o->type != VHDX_TYPE_FIXED && o->preallocation != VHDX_PREALLOCATE_NONE)
		return bad(error, "only a fixed disk can be preallocated");
	if (o->preallocation != VHDX_PREALLOCATE_NONE && (o->file_flags & VHDX_FILE_SPARSE))
		return bad(error, "a preallocated file is not sparse");
	if (o->format == VHDX_FORMAT_VHDX)
		complete_vhdx(o, c->parent);
	else if (o->format == VHDX_FORMAT_VHD)
		complete_vhd(o, c->parent);
	if (o->size == 0)
		o->size = o->source != NULL   ? round_up(o->source->size, o->logical_sector_size)
			  : c->parent != NULL ? c->parent->disk_size
					      : 0;
	if (o->size == 0)
		return bad(error, "a disk needs a size");
	if (o->format != VHDX_FORMAT_RAW)
		status = o->format == VHDX_FORMAT_VHDX ? check_vhdx(o, error) : check_vhd(o, error);
	if (status == VHDX_OK && o->size % o->logical_sector_size != 0)
		return fail(error, VHDX_E_ALIGNMENT, "the size %" PRIu64 " is not a multiple of the logical sector size %" PRIu32,
			    o->size, o->logical_sector_size);
	if (status == VHDX_OK && o->source != NULL && o->source->size > o->size)
		return fail(error, VHDX_E_ARGUMENT, "the source of %" PRIu64 " bytes does not fit a disk of %" PRIu64,
			    o->source->size, o->size);
	return status == VHDX_OK ? check_parent(o, c->parent, error) : status;
}

static int start(struct creation *c, const struct vhdx_file *file, const struct vhdx_create_options *options,
		 struct vhdx_error *error)
{
	*c = (struct creation){ .env = env_complete(options->env), .options = *options, .file = file };
	if (options->parent != NULL)
		c->parent = options->parent->levels[0].image;
	return complete(c, error);
}

int create_flush(struct creation *c, struct vhdx_error *error)
{
	return c->options.no_flush ? VHDX_OK : file_flush(c->file, error);
}

static int create_format(struct creation *c, struct vhdx_error *error)
{
	switch (c->options.format) {
	case VHDX_FORMAT_VHDX: return create_vhdx(c, error);
	case VHDX_FORMAT_VHD: return create_vhd(c, error);
	default: return create_raw(c, error);
	}
}

static int create_started(struct creation *c, struct vhdx_error *error)
{
	struct vhdx_error ignored;
	uint64_t size;
	int status = file_get_size(c->file, &size, error);

	if (status == VHDX_OK && size != 0)
		status = fail(error, VHDX_E_EXISTS, "the file to create an image in is not empty");
	if (status == VHDX_OK && c->options.type == VHDX_TYPE_DIFFERENCING && c->options.parent_relative == NULL &&
	    c->options.parent_absolute == NULL && c->options.parent_volume == NULL)
		status = bad(error, "a differencing disk needs at least one path to its parent");
	if (status == VHDX_OK) {
		status = create_format(c, error);
		if (status <
		    0) /* empty again, as far as that can be had: the identifier may be there when the last flush fails */
			(void)file_set_size(c->file, 0, &ignored);
	}
	return status < 0 ? error_in_file(error, c->file->name, 0) : VHDX_OK;
}

int create_in_file(const struct vhdx_file *file, const struct vhdx_create_options *options, struct vhdx_error *error)
{
	struct creation c;
	int status = start(&c, file, options, error);

	return status < 0 ? error_in_file(error, file->name, 0) : create_started(&c, error);
}

/* Of \\?\C:\dir\x only a path with a drive means something elsewhere (D-05); a VHD stores it without the prefix. */
static const char *stored_absolute(const char *real, enum vhdx_format format)
{
	if (real == NULL || strlen(real) < 7 || strncmp(real, "\\\\?\\", 4) != 0 || real[5] != ':')
		return NULL;
	return format == VHDX_FORMAT_VHD ? real + 4 : real;
}

struct made_paths {
	char *relative;
	char *absolute;
	char *volume;
};

/* VHDX-188; absolute and volume paths only where they are those of Windows: decision D-48. */
static int make_paths(struct creation *c, const char *path, struct made_paths *made, struct vhdx_error *error)
{
	struct vhdx_create_options *o = &c->options;
	const char *parent;
	int status;

	if (c->parent == NULL || o->parent_relative != NULL || o->parent_absolute != NULL || o->parent_volume != NULL)
		return VHDX_OK;
	parent = c->parent->view.file.name;
	if (parent == NULL)
		return bad(error, "the parent has no file name that a path could be made from");
	status = host_relative_path(&c->env, &made->relative, path, parent, error);
	if (host_has_drives() && (status == VHDX_OK || status == VHDX_E_NOT_FOUND))
		status = host_real_path(&c->env, &made->absolute, parent, error);
	if (status == VHDX_OK && o->format == VHDX_FORMAT_VHDX)
		status = host_volume_path(&c->env, &made->volume, parent, error);
	o->parent_relative = made->relative;
	o->parent_absolute = stored_absolute(made->absolute, o->format);
	o->parent_volume = made->volume;
	if (status == VHDX_OK && o->parent_relative == NULL && o->parent_absolute == NULL && o->parent_volume == NULL)
		status = bad(error, "no path leads from the child to its parent; say what shall be stored");
	return status;
}

int create_on_host(const char *path, const struct vhdx_create_options *options, struct vhdx_error *error)
{
	struct made_paths made = { NULL, NULL, NULL };
	struct vhdx_file file = { NULL, NULL, NULL };
	struct creation c;
	int status = start(&c, &file, options, error); /* before any file is made */

	if (status == VHDX_OK)
		status = make_paths(&c, path, &made, error);
	if (status == VHDX_OK)
		status = host_open(&file, path, VHDX_FILE_CREATE | VHDX_FILE_WRITE | (c.options.file_flags & VHDX_FILE_SPARSE),
				   error);
	if (status == VHDX_OK) {
		status = create_started(&c, error);
		vhdx_file_close(&file);
		if (status < 0)
			(void)host_remove(path);
	}
	memory_release(&c.env, made.relative);
	memory_release(&c.env, made.absolute);
	memory_release(&c.env, made.volume);
	return status < 0 ? error_in_file(error, path, 0) : VHDX_OK;
}
