/* SPDX-License-Identifier: MIT */
#include "rules/vhdx_created.h"

#include <string.h>

const char *const created_ids[] = { "caa16737-fa36-4d43-b3b6-33f0aa44e76b", "2fa54224-cd1b-4876-b211-5dbed83bf4b8",
				    "beca12ab-b2e6-4523-93ef-c309e000c746", "8141bf1d-a96f-4709-ba47-f233a8faab5f",
				    "cda348c7-445d-4471-9cc9-e9885251c556", "a8d35f2d-b30b-454d-abf7-d3d84834ab0c" };

struct created created_places(const struct memfile *m)
{
	struct vhdx_guid bat = recipe_guid_text("2dc27766-f623-4200-9d64-115e9bfd4a08");
	struct created f = { .log = recipe_get(m, RECIPE_HEADER(1) + 72, 8),
			     .log_length = (uint32_t)recipe_get(m, RECIPE_HEADER(1) + 68, 4) };

	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_guid guid = recipe_get_guid(m, RECIPE_REGION(0, i));
		bool is_bat = memcmp(&guid, &bat, 16) == 0;

		*(is_bat ? &f.bat : &f.metadata) = recipe_get(m, RECIPE_REGION(0, i) + 16, 8);
		if (is_bat)
			f.bat_length = (uint32_t)recipe_get(m, RECIPE_REGION(0, i) + 24, 4);
	}
	f.items = (unsigned)recipe_get(m, f.metadata + 10, 2);
	return f;
}

/* The metadata table entry of an item; 0 when there is none. */
uint64_t created_entry(const struct memfile *m, const char *id)
{
	struct vhdx_guid wanted = recipe_guid_text(id);
	struct created f = created_places(m);

	for (unsigned i = 0; i < f.items; i++) {
		struct vhdx_guid guid = recipe_get_guid(m, f.metadata + 32 + 32 * i);

		if (memcmp(&guid, &wanted, 16) == 0)
			return f.metadata + 32 + 32 * i;
	}
	return 0;
}

/* File offset of the value of an item. */
uint64_t created_value(const struct memfile *m, unsigned item)
{
	return created_places(m).metadata + recipe_get(m, created_entry(m, created_ids[item]) + 16, 4);
}

static int read_pattern(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	(void)error;
	recipe_pattern(buffer, length, disk_offset, *(uint32_t *)context);
	return VHDX_OK;
}

struct memfile *create_image(const struct vhdx_create_options *options)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new.vhdx");
	struct vhdx_error error = { 0 };
	struct testenv env;
	struct vhdx_create_options o = *options;

	testenv_start(&env, 99);
	o.env = &env.env;
	cr_assert_eq(vhdx_create_file(&file, &o, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(testenv_live(&env), 0);
	return m;
}

/* 12 MiB and a bit, with content, in blocks of 2 MiB. */
struct memfile *create_filled(enum vhdx_type type)
{
	static uint32_t seed = 5;
	static const struct vhdx_source source = { .context = &seed, .size = 12 * MIB + 512, .read = read_pattern };
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

	o.type = type;
	o.block_size = 2u << 20;
	o.source = &source;
	return create_image(&o);
}

/* A child of `parent` with two paths. */
struct memfile *create_child(struct memfile *parent)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m;

	cr_assert_eq(test_open_chain(&o.parent, &parent, 1, 0, NULL), VHDX_OK);
	o.parent_relative = "..\\base\\p.vhdx";
	o.parent_absolute = "\\\\?\\C:\\base\\p.vhdx";
	m = create_image(&o);
	vhdx_close(o.parent);
	return m;
}
