/* SPDX-License-Identifier: MIT */
#include "rules/vhd_created.h"

const struct content_run vhd_created_runs[VHD_CREATED_RUNS] = {
	{ 0, 4096, 11 },
	{ VHD_BLOCK + 512, 1024, 12 },
	{ 3 * VHD_BLOCK + 100000, 200000, 13 },
};

struct vhdx_create_options vhd_create_options(enum vhdx_type type)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

	o.format = VHDX_FORMAT_VHD;
	o.type = type;
	o.size = 4 * RECIPE_MIB;
	o.block_size = type == VHDX_TYPE_FIXED ? 0 : VHD_BLOCK;
	return o;
}

struct memfile *vhd_create_with(struct vhdx_create_options o)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new.vhd");
	struct vhdx_error e = { .status = 0 };
	struct testenv env;

	testenv_start(&env, 1);
	o.env = &env.env;
	cr_assert(vhdx_create_file(&file, &o, &e) == VHDX_OK, "%s", e.message);
	cr_assert(testenv_live(&env) == 0);
	return m;
}

struct memfile *vhd_create(enum vhdx_type type)
{
	struct content c = { .size = 4 * RECIPE_MIB, .runs = vhd_created_runs, .count = 3 };
	struct vhdx_source source = content_source(&c, true);
	struct vhdx_create_options o = vhd_create_options(type);
	struct memfile *m;

	o.source = &source;
	m = vhd_create_with(o);
	cr_assert(c.complaint == NULL);
	return m;
}

struct memfile *vhd_create_child(const char *relative, const char *absolute)
{
	struct memfile *parent = vhd_dynamic(NULL), *m;
	struct vhdx_create_options o = vhd_create_options(VHDX_TYPE_DIFFERENCING);

	o.size = 0;
	o.parent = vhd_open(parent, 0);
	o.parent_relative = relative;
	o.parent_absolute = absolute;
	m = vhd_create_with(o);
	vhdx_close(o.parent);
	memfile_free(parent);
	return m;
}

uint64_t vhd_footer_place(const struct memfile *m)
{
	return memfile_size(m) - 512;
}

bool vhd_is_filled(const struct memfile *m, uint64_t offset, uint64_t length, uint8_t value)
{
	for (uint64_t i = 0; i < length; i++)
		if (recipe_get(m, offset + i, 1) != value)
			return false;
	return true;
}
