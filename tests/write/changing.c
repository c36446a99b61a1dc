/* SPDX-License-Identifier: MIT */
#include "write/changing.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

struct memfile *make_disk_of(enum vhdx_format format, enum vhdx_type type, uint64_t size, struct memfile *parent,
			     uint32_t block_size)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *made = memfile_new();
	struct vhdx_file file = memfile_file(made, "disk"), below;
	struct vhdx_error error;
	vhdx_disk *disk = NULL;

	options.format = format;
	options.type = type;
	options.size = size;
	options.block_size = type == VHDX_TYPE_FIXED && format == VHDX_FORMAT_VHD ? 0 : block_size;
	if (parent != NULL) {
		below = memfile_file(parent, "parent");
		cr_assert_eq(vhdx_open_file(&disk, &below, &plain, NULL), VHDX_OK);
		options.parent = disk;
		options.parent_relative = ".\\parent";
		options.size = 0;
	}
	cr_assert_eq(vhdx_create_file(&file, &options, &error), VHDX_OK, "%s", error.message);
	vhdx_close(disk);
	return made;
}

struct memfile *make_disk(enum vhdx_format format, enum vhdx_type type, uint64_t size, struct memfile *parent)
{
	return make_disk_of(format, type, size, parent, (uint32_t)MIB);
}

vhdx_disk *open_over(struct memfile *image, struct memfile *parent, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk"), below = memfile_file(parent != NULL ? parent : image, "parent");
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = flags;
	options.parents = &below;
	options.parent_count = parent != NULL;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

void put_at(vhdx_disk *disk, uint64_t offset, size_t length, uint32_t seed)
{
	uint8_t *bytes = malloc(length);

	recipe_pattern(bytes, length, offset, seed);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	free(bytes);
}

/* seed 0: zeros */
void expect_at(vhdx_disk *disk, uint64_t offset, size_t length, uint32_t seed)
{
	uint8_t *found = malloc(length), *wanted = malloc(length);

	recipe_pattern(wanted, length, offset, seed);
	cr_assert_eq(vhdx_read(disk, found, length, offset, NULL), VHDX_OK);
	cr_expect(memcmp(found, wanted, length) == 0, "at %llu", (unsigned long long)offset);
	free(found);
	free(wanted);
}

struct vhdx_info info_of(vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	return info;
}

void resize_to(vhdx_disk *disk, uint64_t size)
{
	struct vhdx_error error;

	cr_assert_eq(vhdx_resize(disk, size, VHDX_RESIZE_CUT, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_disk_size(disk), size);
}
