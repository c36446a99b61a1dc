/* SPDX-License-Identifier: MIT */
#include "rules/vhd_images.h"

#include <stdlib.h>

static const struct recipe_vhd_block parent_blocks[] = { { .index = 0, .seed = VHD_PARENT_SEED },
							 { .index = 3, .seed = VHD_PARENT_SEED } };
static const struct recipe_vhd_block child_blocks[] = { { .index = 0, .seed = VHD_CHILD_SEED },
							{ .index = 3, .seed = VHD_CHILD_SEED } };
static const struct recipe_vhd_locator child_locators[] = { { .code = "W2ru", .text = ".\\parent.vhd", .slot = 0 } };

struct recipe_vhd vhd_fixed_knobs(void)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.type = VHDX_TYPE_FIXED;
	k.size = 4 * RECIPE_MIB;
	k.fixed_seed = VHD_PARENT_SEED;
	k.unique_id = recipe_guid(30);
	return k;
}

struct recipe_vhd vhd_dynamic_knobs(void)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.size = 4 * RECIPE_MIB;
	k.block_size = VHD_BLOCK;
	k.blocks = parent_blocks;
	k.block_count = 2;
	k.unique_id = recipe_guid(30);
	return k;
}

struct recipe_vhd vhd_child_knobs(void)
{
	struct recipe_vhd k = vhd_dynamic_knobs();

	k.type = VHDX_TYPE_DIFFERENCING;
	k.blocks = child_blocks;
	k.unique_id = recipe_guid(31);
	k.parent_unique_id = recipe_guid(30);
	k.parent_name = "parent.vhd";
	k.locators = child_locators;
	k.locator_count = 1;
	return k;
}

struct memfile *vhd_fixed(struct recipe_vhd_places *places)
{
	struct recipe_vhd k = vhd_fixed_knobs();

	return recipe_vhd_new(&k, places);
}

struct memfile *vhd_dynamic(struct recipe_vhd_places *places)
{
	struct recipe_vhd k = vhd_dynamic_knobs();

	return recipe_vhd_new(&k, places);
}

struct memfile *vhd_child(struct recipe_vhd_places *places)
{
	struct recipe_vhd k = vhd_child_knobs();

	return recipe_vhd_new(&k, places);
}

vhdx_disk *vhd_open(struct memfile *m, unsigned flags)
{
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	cr_assert(test_open_chain(&disk, &m, 1, flags | VHDX_OPEN_NO_PARENTS, &e) == VHDX_OK, "%s: %s", e.rule, e.message);
	return disk;
}

struct vhdx_info vhd_info(struct memfile *m)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	vhdx_disk *disk = vhd_open(m, 0);

	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	vhdx_close(disk);
	info.file_name = NULL; /* it died with the disk */
	return info;
}

int vhd_try(struct memfile *m, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "test.vhd");
	vhdx_disk *disk = NULL;
	int status;

	options.format = VHDX_FORMAT_VHD;
	options.flags = flags | VHDX_OPEN_NO_PARENTS;
	status = vhdx_open_file(&disk, &file, &options, error);
	vhdx_close(disk);
	return status;
}

void vhd_put_footers(struct memfile *m, const struct recipe_vhd_places *p, uint64_t offset, unsigned size, uint64_t value)
{
	recipe_put_be(m, p->footer + offset, size, value);
	recipe_fix_footer(m, p->footer);
	if (p->dynamic == 0) /* fixed: no copy in front */
		return;
	recipe_put_be(m, offset, size, value);
	recipe_fix_footer(m, 0);
}

void vhd_put_header(struct memfile *m, const struct recipe_vhd_places *p, uint64_t offset, unsigned size, uint64_t value)
{
	recipe_put_be(m, p->dynamic + offset, size, value);
	recipe_fix_dynamic(m, p->dynamic);
}

void vhd_expect_contents(struct memfile *m, unsigned flags)
{
	vhdx_disk *disk = vhd_open(m, flags);
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert(vhdx_disk_size(disk) == 4 * RECIPE_MIB);
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	if (info.type == VHDX_TYPE_FIXED) {
		expect_pattern(disk, 0, 4 * RECIPE_MIB, VHD_PARENT_SEED);
	} else {
		uint32_t seed = info.type == VHDX_TYPE_DIFFERENCING ? VHD_CHILD_SEED : VHD_PARENT_SEED;

		expect_pattern(disk, 0, VHD_BLOCK, seed);
		expect_pattern(disk, 3 * VHD_BLOCK, VHD_BLOCK, seed);
		if (info.type == VHDX_TYPE_DYNAMIC)
			expect_zeros(disk, VHD_BLOCK, 2 * VHD_BLOCK);
	}
	vhdx_close(disk);
}
