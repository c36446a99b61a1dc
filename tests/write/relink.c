/* SPDX-License-Identifier: MIT */
/*
 * Crashes while a parent path, an identity, a physical sector size is stored (vhdx_set). Every state in which a crash may leave the file opens, reads what the disk held,
 * and has all old settings or all new ones. Layer: tests/write.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "states.h"
#include "support/recipe.h"

static const uint64_t MIB = UINT64_C(1) << 20;

static struct cowfile *make(enum vhdx_format format, struct cowfile *parent)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	struct cowfile *made = cow_new();
	struct vhdx_file file = cow_file(made, "disk"), below;
	vhdx_disk *disk = NULL;

	options.format = format;
	options.size = parent == NULL ? 8 * MIB : 0;
	options.block_size = parent == NULL ? (uint32_t)MIB : 0;
	if (parent != NULL) {
		below = cow_file(parent, "parent");
		cr_assert_eq(vhdx_open_file(&disk, &below, &plain, NULL), VHDX_OK);
		options.parent = disk;
		options.parent_relative = ".\\old.vhdx";
		options.parent_absolute = "C:\\old\\old.vhdx";
	}
	cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
	(void)vhdx_close(disk);
	return made;
}

static vhdx_disk *open_disk(struct cowfile *image, struct cowfile *parent, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = cow_file(image, "disk"), below = cow_file(parent, "parent");
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = flags | VHDX_OPEN_IGNORE_PARENT_IDENTITY;
	options.parents = &below;
	options.parent_count = 1;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

struct crash {
	struct cowfile *parent;
	struct vhdx_info old;
	struct vhdx_info new;
	bool has_paths; /* the change has new ones */
	uint64_t states;
	uint64_t new_ones;
};

static bool has(vhdx_disk *disk, const char *text)
{
	size_t count;
	const struct vhdx_parent_path *paths = vhdx_parent_paths(disk, 0, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(paths[i].text, text) == 0)
			return true;
	return false;
}

static bool is(const struct vhdx_info *a, const struct vhdx_info *b)
{
	return memcmp(&a->disk_id, &b->disk_id, sizeof(a->disk_id)) == 0 && a->physical_sector_size == b->physical_sector_size &&
	       memcmp(&a->parent_identity, &b->parent_identity, sizeof(a->parent_identity)) == 0;
}

static int check_crash(void *context, struct cowfile *state, size_t at, const char *what)
{
	struct crash *c = context;
	vhdx_disk *disk = open_disk(state, c->parent, 0);
	struct vhdx_info info = VHDX_INFO_INIT;
	uint8_t bytes[5000], wanted[5000];
	bool old, new;

	(void)at;
	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	old = is(&info, &c->old) && (!c->has_paths || (has(disk, ".\\old.vhdx") && has(disk, "C:\\old\\old.vhdx")));
	new = is(&info, &c->new) &&
	      (!c->has_paths || (has(disk, "..\\moved far away\\new.vhdx") && has(disk, "D:\\moved\\new.vhdx")));
	cr_assert(old || new, "%s: neither the old settings nor the new ones", what);
	cr_assert_eq(vhdx_read(disk, bytes, sizeof(bytes), 3 * MIB + 512, NULL), VHDX_OK);
	recipe_pattern(wanted, sizeof(wanted), 3 * MIB + 512, 5);
	cr_assert(memcmp(bytes, wanted, sizeof(bytes)) == 0, "%s: another content", what);
	(void)vhdx_close(disk);
	c->states++;
	c->new_ones += new && !old;
	return 0;
}

static void crash_one(enum vhdx_format format, const struct vhdx_settings *settings)
{
	struct crash c = { .old = VHDX_INFO_INIT, .new = VHDX_INFO_INIT, .has_paths = settings->parent_relative != NULL };
	struct record record = { NULL, 0, 0 };
	struct states states = { .record = &record, .samples = 20, .seed = 3, .few = true, .check = check_crash, .context = &c };
	struct cowfile *parent = make(format, NULL), *image = make(format, parent), *before;
	struct vhdx_error error = { .message = "" };
	uint8_t bytes[5000];
	vhdx_disk *disk;

	c.parent = parent;
	recipe_pattern(bytes, sizeof(bytes), 3 * MIB + 512, 5);
	disk = open_disk(image, parent, VHDX_OPEN_WRITE);
	cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), 3 * MIB + 512, NULL), VHDX_OK);
	cr_assert_eq(vhdx_get_info(disk, 0, &c.old, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	before = cow_copy(image);
	image->record = &record;
	disk = open_disk(image, parent, VHDX_OPEN_WRITE);
	cr_assert_eq(vhdx_set(disk, settings, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	image->record = NULL;
	disk = open_disk(image, parent, 0);
	cr_assert_eq(vhdx_get_info(disk, 0, &c.new, NULL), VHDX_OK);
	(void)vhdx_close(disk);
	states.start = before;
	cr_assert_eq(states_enumerate(&states), 0);
	cr_expect_gt(c.states, 2);
	cr_expect_gt(c.new_ones, 0);
	cr_expect_lt(c.new_ones, c.states);
	record_clear(&record);
	cow_free(before);
	cow_free(image);
	cow_free(parent);
}

Test(relink, a_crash_leaves_the_old_or_the_new_path)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;

	settings.parent_relative = "..\\moved far away\\new.vhdx";
	settings.parent_absolute = "D:\\moved\\new.vhdx";
	crash_one(VHDX_FORMAT_VHDX, &settings);
	crash_one(VHDX_FORMAT_VHD, &settings);
}

/* What Set-VHD -IgnoreIdMismatch does: path and identity together. */
Test(relink, a_crash_leaves_the_old_or_the_new_parent)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_guid identity = { { 1, 2, 3 } };

	settings.parent_relative = "..\\moved far away\\new.vhdx";
	settings.parent_absolute = "D:\\moved\\new.vhdx";
	settings.parent_identity = &identity;
	crash_one(VHDX_FORMAT_VHDX, &settings);
	crash_one(VHDX_FORMAT_VHD, &settings);
}

Test(relink, a_crash_leaves_the_old_or_the_new_identifier)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_guid id = { { 9, 8, 7 } };

	settings.disk_id = &id;
	settings.physical_sector_size = 512;
	crash_one(VHDX_FORMAT_VHDX, &settings);
	settings.physical_sector_size = 0;
	crash_one(VHDX_FORMAT_VHD, &settings);
}
