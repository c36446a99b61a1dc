/* SPDX-License-Identifier: MIT */
/* Metadata items of users: what is put in comes out, nothing else changes, and a crash leaves an item whole, old or new. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cowfile.h"
#include "states.h"
#include "support/recipe.h"

#define MIB UINT64_C(1048576)

static struct cowfile *make(struct cowfile *parent)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	struct cowfile *made = cow_new();
	struct vhdx_file file = cow_file(made, "disk"), below;
	vhdx_disk *disk = NULL;

	options.size = parent == NULL ? 8 * MIB : 0;
	options.block_size = (uint32_t)MIB;
	if (parent != NULL) {
		below = cow_file(parent, "parent");
		cr_assert_eq(vhdx_open_file(&disk, &below, &plain, NULL), VHDX_OK);
		options.parent = disk;
		options.parent_relative = ".\\parent";
	}
	cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
	vhdx_close(disk);
	return made;
}

static vhdx_disk *open_disk(struct cowfile *image, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = cow_file(image, "disk");
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = flags | VHDX_OPEN_NO_PARENTS;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

static struct vhdx_user_item item(unsigned number, uint32_t length, int of_file)
{
	struct vhdx_user_item made = { .length = length, .of_file = of_file };

	made.id.bytes[0] = 0x42;
	made.id.bytes[14] = (uint8_t)(number >> 8);
	made.id.bytes[15] = (uint8_t)number;
	return made;
}

static int set(vhdx_disk *disk, const struct vhdx_user_item *wanted, uint32_t seed)
{
	uint8_t *bytes = malloc(wanted->length + 1u);
	int status;

	recipe_pattern(bytes, wanted->length, 0, seed);
	status = vhdx_set_item(disk, wanted, bytes, NULL);
	free(bytes);
	return status;
}

static bool holds(vhdx_disk *disk, const struct vhdx_user_item *wanted, uint32_t seed)
{
	uint8_t *bytes = malloc(wanted->length + 1u), *found = malloc(wanted->length + 1u);
	size_t length;
	bool is = vhdx_get_item(disk, &length, found, wanted->length, &wanted->id, NULL) == VHDX_OK && length == wanted->length;

	recipe_pattern(bytes, wanted->length, 0, seed);
	is = is && memcmp(bytes, found, length) == 0;
	free(bytes);
	free(found);
	return is;
}

struct list {
	struct vhdx_user_item items[8];
	unsigned count;
};

static int note(void *context, const struct vhdx_user_item *found)
{
	struct list *list = context;

	if (list->count < 8)
		list->items[list->count] = *found;
	list->count++;
	return 0;
}

static unsigned count(vhdx_disk *disk)
{
	struct list list = { .count = 0 };

	cr_assert_eq(vhdx_visit_items(disk, note, &list, NULL), VHDX_OK);
	return list.count;
}

static struct vhdx_guid identity(vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	return info.data_identity;
}

static int tell_error(void *context, const struct vhdx_finding *finding)
{
	*(unsigned *)context += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

static void expect_sound(struct cowfile *image)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = cow_file(image, "disk");
	unsigned errors = 0;

	options.context = &errors;
	options.on_finding = tell_error;
	cr_expect_eq(vhdx_inspect(&file, &options, NULL), VHDX_OK);
	cr_expect_eq(errors, 0);
}

Test(items, set_list_get_remove)
{
	struct cowfile *image = make(NULL);
	struct vhdx_user_item a = item(1, 100, 0), b = item(2, 0, 1), c = item(3, 5000, 1);
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);
	struct list list = { .count = 0 };
	uint8_t few[10], all[100];
	size_t length;

	cr_expect_eq(count(disk), 0);
	cr_assert_eq(set(disk, &c, 3), VHDX_OK);
	cr_assert_eq(set(disk, &a, 1), VHDX_OK);
	cr_assert_eq(set(disk, &b, 2), VHDX_OK);
	for (int round = 0; round < 2; round++) {
		list.count = 0;
		cr_assert_eq(vhdx_visit_items(disk, note, &list, NULL), VHDX_OK);
		cr_assert_eq(list.count, 3);
		cr_expect(memcmp(&list.items[0].id, &a.id, 16) == 0 && list.items[0].length == 100 && !list.items[0].of_file);
		cr_expect(memcmp(&list.items[1].id, &b.id, 16) == 0 && list.items[1].length == 0 && list.items[1].of_file);
		cr_expect(holds(disk, &a, 1) && holds(disk, &b, 2) && holds(disk, &c, 3));
		cr_expect_eq(vhdx_get_item(disk, &length, few, sizeof(few), &a.id, NULL), VHDX_OK);
		recipe_pattern(all, sizeof(all), 0, 1);
		cr_expect(length == 100 && memcmp(few, all, sizeof(few)) == 0);
		cr_expect_eq(vhdx_get_item(disk, &length, NULL, 0, &c.id, NULL), VHDX_OK);
		cr_expect_eq(length, 5000);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(image);
		disk = open_disk(image, round == 0 ? 0 : VHDX_OPEN_WRITE);
	}
	a.length = 4000; /* larger, another flag */
	a.of_file = 1;
	cr_assert_eq(set(disk, &a, 4), VHDX_OK);
	c.length = 10;
	cr_assert_eq(set(disk, &c, 5), VHDX_OK);
	cr_assert_eq(vhdx_set_item(disk, &b, NULL, NULL), VHDX_OK);
	cr_expect_eq(vhdx_set_item(disk, &b, NULL, NULL), VHDX_E_NOT_FOUND);
	cr_expect_eq(vhdx_get_item(disk, &length, NULL, 0, &b.id, NULL), VHDX_E_NOT_FOUND);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(image);
	disk = open_disk(image, 0);
	cr_expect_eq(count(disk), 2);
	cr_expect(holds(disk, &a, 4) && holds(disk, &c, 5));
	vhdx_close(disk);
	cow_free(image);
}

Test(items, VHDX_040_an_item_of_the_disk_changes_its_identity)
{
	struct cowfile *image = make(NULL);
	struct vhdx_user_item of_disk = item(1, 100, 0), of_file = item(2, 100, 1);
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);
	struct vhdx_guid first = identity(disk), second;

	cr_assert_eq(set(disk, &of_file, 1), VHDX_OK);
	second = identity(disk);
	cr_expect(memcmp(&first, &second, 16) == 0);
	cr_assert_eq(set(disk, &of_disk, 1), VHDX_OK);
	second = identity(disk);
	cr_expect(memcmp(&first, &second, 16) != 0);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_disk(image, VHDX_OPEN_WRITE);
	of_disk.of_file = 1; /* it was one of the disk */
	cr_assert_eq(set(disk, &of_disk, 1), VHDX_OK);
	first = identity(disk);
	cr_expect(memcmp(&first, &second, 16) != 0);
	vhdx_close(disk);
	cow_free(image);
}

/* Children know the disk by an identity that a change of its items renews. */
Test(items, a_refused_item_changes_no_identity)
{
	struct cowfile *image = make(NULL);
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);
	struct vhdx_user_item too_large = item(1, 1000 * 1024, 0);
	struct vhdx_info info = VHDX_INFO_INIT, old = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &old, NULL), VHDX_OK);
	cr_expect_eq(set(disk, &too_large, 3), VHDX_E_NO_SPACE);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_disk(image, 0);
	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	cr_expect(memcmp(&info.data_identity, &old.data_identity, sizeof(old.data_identity)) == 0, "another DataWriteGuid");
	vhdx_close(disk);
	cow_free(image);
}

/* Longer than an entry of a log of 1 MiB can hold. */
Test(items, long_values)
{
	struct cowfile *image = make(NULL);
	struct vhdx_user_item large = item(1, 600 * 1024, 0), small = item(2, 300, 0), too_large = item(3, 400 * 1024, 0);
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);

	cr_assert_eq(set(disk, &small, 1), VHDX_OK);
	cr_assert_eq(set(disk, &large, 2), VHDX_OK);
	cr_expect_eq(set(disk, &too_large, 3), VHDX_E_NO_SPACE);
	cr_expect_eq(set(disk, &large, 4), VHDX_E_NO_SPACE, "the old one stays until the new one is there");
	cr_expect(holds(disk, &small, 1) && holds(disk, &large, 2));
	cr_expect_eq(count(disk), 2);
	cr_assert_eq(vhdx_set_item(disk, &large, NULL, NULL), VHDX_OK);
	cr_assert_eq(set(disk, &too_large, 3), VHDX_OK);
	cr_assert_eq(set(disk, &too_large, 5), VHDX_OK);
	too_large.length = 1000;
	cr_assert_eq(set(disk, &too_large, 6), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(image);
	disk = open_disk(image, 0);
	cr_expect(holds(disk, &small, 1) && holds(disk, &too_large, 6));
	vhdx_close(disk);
	cow_free(image);
}

Test(items, VHDX_152_no_more_than_1024)
{
	struct cowfile *image = make(NULL);
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);
	struct vhdx_user_item one;

	for (unsigned i = 0; i < 1024; i++) {
		one = item(i, i % 2, 1);
		cr_assert_eq(set(disk, &one, i), VHDX_OK);
	}
	one = item(1024, 1, 1);
	cr_expect_eq(set(disk, &one, 0), VHDX_E_NO_SPACE);
	one = item(77, 3, 1);
	cr_expect_eq(set(disk, &one, 9), VHDX_OK, "one that is there already");
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(image);
	disk = open_disk(image, VHDX_OPEN_WRITE);
	cr_expect_eq(count(disk), 1024);
	for (unsigned i = 0; i < 1024; i++) {
		one = item(i, i == 77 ? 3 : i % 2, 1);
		cr_assert(holds(disk, &one, i == 77 ? 9 : i));
		cr_assert_eq(vhdx_set_item(disk, &one, NULL, NULL), VHDX_OK);
	}
	cr_expect_eq(count(disk), 0);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	expect_sound(image);
	cow_free(image);
}

/* Resizing and compacting keep items; a child gets those of the disk. */
Test(items, what_keeps_them)
{
	struct cowfile *image = make(NULL), *child;
	struct vhdx_user_item of_disk = item(1, 100, 0), of_file = item(2, 200, 1);
	struct vhdx_compact_options compact = VHDX_COMPACT_OPTIONS_INIT;
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);

	cr_assert_eq(set(disk, &of_disk, 1), VHDX_OK);
	cr_assert_eq(set(disk, &of_file, 2), VHDX_OK);
	cr_assert_eq(vhdx_write(disk, "x", 1, 7 * MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_write(disk, "x", 1, 0, NULL), VHDX_OK);
	cr_assert_eq(vhdx_resize(disk, 400 * 1024 * MIB, 0, NULL), VHDX_OK);
	compact.flags = VHDX_COMPACT_DEFRAG;
	cr_assert_eq(vhdx_compact(disk, &compact, NULL), VHDX_OK);
	cr_expect(holds(disk, &of_disk, 1) && holds(disk, &of_file, 2));
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	child = make(image);
	disk = open_disk(child, 0);
	cr_expect_eq(count(disk), 1);
	cr_expect(holds(disk, &of_disk, 1));
	vhdx_close(disk);
	expect_sound(child);
	cow_free(child);
	cow_free(image);
}

struct crash {
	struct vhdx_user_item other; /* which nobody touches */
	struct vhdx_user_item old;
	struct vhdx_user_item new;
	bool is_removed;
	uint64_t states;
	uint64_t new_ones;
};

static int check_crash(void *context, struct cowfile *state, size_t at, const char *what)
{
	struct crash *crash = context;
	vhdx_disk *disk = open_disk(state, 0);
	bool old = crash->old.length != 0 ? holds(disk, &crash->old, 1) : count(disk) == 1,
	     new = crash->is_removed ? count(disk) == 1 : holds(disk, &crash->new, 2);

	(void)at;
	crash->states++;
	crash->new_ones += new;
	cr_assert(holds(disk, &crash->other, 7), "%s: the other item", what);
	cr_assert(old || new, "%s: neither the old nor the new value", what);
	vhdx_close(disk);
	return 0;
}

/* Lengths of 0: not there. */
static void crash_one(uint32_t old_length, uint32_t new_length)
{
	struct record record = { NULL, 0, 0 };
	struct crash crash = { .other = item(9, 3000, 0),
			       .old = item(1, old_length, 0),
			       .new = item(1, new_length, 0),
			       .is_removed = new_length == 0 };
	struct states states = {
		.record = &record, .samples = 20, .seed = 3, .few = true, .check = check_crash, .context = &crash
	};
	struct cowfile *image = make(NULL), *before;
	vhdx_disk *disk = open_disk(image, VHDX_OPEN_WRITE);

	cr_assert_eq(set(disk, &crash.other, 7), VHDX_OK);
	if (old_length != 0)
		cr_assert_eq(set(disk, &crash.old, 1), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	before = cow_copy(image);
	image->record = &record;
	disk = open_disk(image, VHDX_OPEN_WRITE);
	cr_assert_eq(crash.is_removed ? vhdx_set_item(disk, &crash.new, NULL, NULL) : set(disk, &crash.new, 2), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	image->record = NULL;
	states.start = before;
	cr_assert_eq(states_enumerate(&states), 0);
	cr_expect_gt(crash.states, 9);
	cr_expect_gt(crash.new_ones, 0);
	cr_expect_lt(crash.new_ones, crash.states);
	record_clear(&record);
	cow_free(before);
	cow_free(image);
}

Test(items, a_crash_leaves_the_old_or_the_new_value)
{
	crash_one(0, 5000);
	crash_one(5000, 0);
	crash_one(9000, 7000); /* in its place */
	crash_one(700, 7000);
	crash_one(0, 500 * 1024); /* in several log entries */
	crash_one(400 * 1024, 380 * 1024);
}

Test(items, mistakes)
{
	struct cowfile *image = make(NULL), *vhd = cow_new();
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_file file = cow_file(vhd, "disk");
	struct vhdx_user_item one = item(1, 10, 0), nobody = { .length = 1 }, long_one = item(2, (1 << 20) + 1, 0);
	vhdx_disk *disk = open_disk(image, 0);
	size_t length;

	cr_expect_eq(set(disk, &one, 1), VHDX_E_READ_ONLY);
	vhdx_close(disk);
	disk = open_disk(image, VHDX_OPEN_WRITE);
	cr_expect_eq(set(disk, &nobody, 1), VHDX_E_ARGUMENT);
	cr_expect_eq(set(disk, &long_one, 1), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_set_item(disk, NULL, NULL, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_visit_items(disk, NULL, NULL, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_get_item(disk, NULL, NULL, 0, &one.id, NULL), VHDX_E_ARGUMENT);
	vhdx_close(disk);
	options.format = VHDX_FORMAT_VHD;
	options.size = 8 * MIB;
	cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
	disk = open_disk(vhd, VHDX_OPEN_WRITE);
	cr_expect_eq(set(disk, &one, 1), VHDX_E_UNSUPPORTED);
	cr_expect_eq(vhdx_get_item(disk, &length, NULL, 0, &one.id, NULL), VHDX_E_UNSUPPORTED);
	vhdx_close(disk);
	cow_free(vhd);
	cow_free(image);
}
