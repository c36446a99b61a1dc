/* SPDX-License-Identifier: MIT */
/*
 * Merges of random chains against a flat model: every depth, type, block size and size; stopped half way and done again; and every state in which a crash can leave the
 * target, under the chain that still stands.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "states.h"
#include "support/testenv.h"

#define MIB UINT64_C(1048576)
enum { MOST = 9, SECTOR = 512 };

struct chain {
	struct cowfile *files[MOST]; /* nearest first */
	char names[MOST][8];
	unsigned depth;
	enum vhdx_format format;
	uint8_t *model;
	uint64_t size;
	uint64_t random;
};

static vhdx_disk *open_levels(struct chain *c, unsigned first, unsigned last, unsigned flags, const struct vhdx_guid *identity)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file files[MOST];
	struct vhdx_error error;
	vhdx_disk *disk;

	for (unsigned i = first; i < last; i++)
		files[i] = cow_file(c->files[i], c->names[i]);
	options.flags = flags | (last < c->depth ? (unsigned)VHDX_OPEN_NO_PARENTS : 0);
	options.parents = &files[first + 1];
	options.parent_count = last - first - 1;
	options.data_identity = identity;
	cr_assert_eq(vhdx_open_file(&disk, &files[first], &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

static struct vhdx_info info_of(vhdx_disk *disk, unsigned level)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, level, &info, NULL), VHDX_OK);
	return info;
}

/* In front of the others. */
static void add_level(struct chain *c)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct cowfile *made = cow_new();
	struct vhdx_file file = cow_file(made, "new");
	struct vhdx_error error;
	vhdx_disk *parent = NULL;

	options.format = c->format;
	options.type = c->depth != 0                           ? VHDX_TYPE_DIFFERENCING
		       : test_random_below(&c->random, 3) == 0 ? VHDX_TYPE_FIXED
							       : VHDX_TYPE_DYNAMIC;
	options.block_size = (uint32_t)(MIB << test_random_below(&c->random, 3));
	if (c->format == VHDX_FORMAT_VHD && options.type == VHDX_TYPE_FIXED)
		options.block_size = 0;
	if (c->depth != 0) {
		parent = open_levels(c, 0, c->depth, 0, NULL);
		options.parent = parent;
		options.parent_relative = ".\\parent";
	} else {
		options.size = c->size;
	}
	cr_assert_eq(vhdx_create_file(&file, &options, &error), VHDX_OK, "%s", error.message);
	vhdx_close(parent);
	memmove(&c->files[1], &c->files[0], c->depth * sizeof(c->files[0]));
	c->files[0] = made;
	c->depth++;
}

static void change(struct chain *c, unsigned count)
{
	vhdx_disk *disk = open_levels(c, 0, c->depth, VHDX_OPEN_WRITE, NULL);

	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = test_random_below(&c->random, c->size), length = 1 + test_random_below(&c->random, 300000);
		unsigned kind = (unsigned)test_random_below(&c->random, 6);

		length = length > c->size - offset ? c->size - offset : length;
		if (kind == 0) {
			offset = offset / MIB * MIB;
			length = c->size - offset < 2 * MIB ? c->size - offset : 2 * MIB;
		}
		memset(c->model + offset, kind < 2 ? 0 : (int)test_random_below(&c->random, 255) + 1, length);
		cr_assert_eq(kind < 2 ? vhdx_write_zeroes(disk, offset, length, NULL)
				      : vhdx_write(disk, c->model + offset, length, offset, NULL),
			     VHDX_OK);
	}
	/* now and then another size; beyond the old end there are zeros */
	if (c->format == VHDX_FORMAT_VHDX && test_random_below(&c->random, 3) == 0) {
		uint64_t size = c->size + (test_random_below(&c->random, 4) - 1) * 700 * SECTOR;

		c->model = realloc(c->model, size);
		if (size > c->size)
			memset(c->model + c->size, 0, size - c->size);
		cr_assert_eq(vhdx_resize(disk, size, VHDX_RESIZE_CUT, NULL), VHDX_OK);
		c->size = size;
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
}

static void start(struct chain *c, enum vhdx_format format, unsigned depth, uint64_t seed)
{
	*c = (struct chain){ .format = format, .size = 9 * MIB + 37 * SECTOR, .random = seed };
	c->model = calloc(1, c->size);
	for (unsigned i = 0; i < MOST; i++)
		c->names[i][0] = (char)('a' + i);
	while (c->depth < depth) {
		add_level(c);
		change(c, 8);
	}
}

static void end(struct chain *c)
{
	for (unsigned i = 0; i < c->depth; i++)
		cow_free(c->files[i]);
	free(c->model);
}

static void expect_model(const struct chain *c, vhdx_disk *disk, const char *when)
{
	uint8_t *found = malloc(c->size);

	cr_assert_eq(vhdx_disk_size(disk), c->size, "%s", when);
	cr_assert_eq(vhdx_read(disk, found, c->size, 0, NULL), VHDX_OK, "%s", when);
	for (uint64_t i = 0; memcmp(found, c->model, c->size) != 0 && i < c->size; i++)
		cr_assert_eq(found[i], c->model[i], "%s: byte %llu", when, (unsigned long long)i);
	free(found);
}

/* The last file of the source accepts the target as it is and as it will be. */
static void open_window(struct chain *c, unsigned into, const struct vhdx_guid *next)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	vhdx_disk *target = open_levels(c, into, c->depth, 0, NULL), *last;
	struct vhdx_info now = info_of(target, 0);

	vhdx_close(target);
	if (c->format == VHDX_FORMAT_VHD)
		return;
	last = open_levels(c, into - 1, into, VHDX_OPEN_WRITE, NULL);
	settings.parent_identity = &now.data_identity;
	settings.parent_identity2 = next;
	cr_assert_eq(vhdx_set(last, &settings, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(last), VHDX_OK);
}

struct stop {
	unsigned calls, at;
};

static int stop_at(void *context, uint64_t done, uint64_t total)
{
	struct stop *stop = context;

	cr_assert_leq(done, total);
	return ++stop->calls == stop->at;
}

static int merge(struct chain *c, unsigned into, struct stop *stop, uint8_t id, bool close, vhdx_disk **target)
{
	struct vhdx_merge_options options = VHDX_MERGE_OPTIONS_INIT;
	struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
	struct vhdx_guid next = { { id, 1, 2, 3 } };
	struct vhdx_error error;
	vhdx_disk *source;
	int status;

	open_window(c, into, &next);
	source = open_levels(c, 0, into, 0, NULL);
	*target = open_levels(c, into, c->depth, VHDX_OPEN_WRITE, &next);
	options.progress = stop_at;
	options.context = stop;
	status = vhdx_merge(source, *target, &options, &plan, &error);
	vhdx_close(source);
	if (close)
		cr_assert_eq(vhdx_close(*target), VHDX_OK);
	cr_assert(status == VHDX_OK || status == VHDX_E_CANCELLED, "%s", error.message);
	return status;
}

/* Forgets the files that were merged. */
static void drop(struct chain *c, unsigned into)
{
	for (unsigned i = 0; i < into; i++)
		cow_free(c->files[i]);
	memmove(&c->files[0], &c->files[into], (c->depth - into) * sizeof(c->files[0]));
	c->depth -= into;
}

static void merge_chain(enum vhdx_format format, unsigned depth, uint64_t seed)
{
	struct chain c;
	struct stop stop = { 0, 3 };
	vhdx_disk *disk, *target;
	unsigned into;

	start(&c, format, depth, seed);
	into = 1 + (unsigned)test_random_below(&c.random, depth - 1);
	if (merge(&c, into, &stop, 1, true, &target) == VHDX_E_CANCELLED) {
		disk = open_levels(&c, 0, c.depth, 0, NULL);
		expect_model(&c, disk, "stopped");
		vhdx_close(disk);
	}
	stop = (struct stop){ 0, 0 };
	cr_assert_eq(merge(&c, into, &stop, 2, true, &target), VHDX_OK);
	disk = open_levels(&c, 0, c.depth, 0, NULL);
	expect_model(&c, disk, "merged, source still there");
	vhdx_close(disk);
	drop(&c, into);
	disk = open_levels(&c, 0, c.depth, 0, NULL);
	expect_model(&c, disk, "merged");
	vhdx_close(disk);
	end(&c);
}

Test(merge, random_chains_of_vhdx)
{
	for (uint64_t seed = 1; seed <= 24; seed++)
		merge_chain(VHDX_FORMAT_VHDX, 2 + (unsigned)seed % 7, seed);
}

Test(merge, random_chains_of_vhd)
{
	for (uint64_t seed = 1; seed <= 24; seed++)
		merge_chain(VHDX_FORMAT_VHD, 2 + (unsigned)seed % 7, seed);
}

struct crash {
	struct chain *chain;
	unsigned into;
	uint64_t states;
};

static int check_crash(void *context, struct cowfile *state, size_t at, const char *what)
{
	struct crash *crash = context;
	struct chain c = *crash->chain;
	vhdx_disk *disk;

	(void)at;
	crash->states++;
	c.files[crash->into] = state;
	disk = open_levels(&c, 0, c.depth, 0, NULL);
	expect_model(&c, disk, what);
	vhdx_close(disk);
	return 0;
}

static void crash_chain(enum vhdx_format format, unsigned depth, unsigned into, uint64_t seed)
{
	struct record record = { NULL, 0, 0 };
	struct stop stop = { 0, 0 };
	struct crash crash = { .into = into };
	struct states states = {
		.record = &record, .samples = 12, .seed = seed, .few = true, .check = check_crash, .context = &crash
	};
	struct cowfile *before;
	vhdx_disk *target;
	struct chain c;

	start(&c, format, depth, seed);
	before = cow_copy(c.files[into]);
	c.files[into]->record = &record;
	(void)merge(&c, into, &stop, 9, true, &target);
	c.files[into]->record = NULL;
	crash.chain = &c;
	states.start = before;
	cr_assert_eq(states_enumerate(&states), 0);
	cr_expect_gt(crash.states, 10, "only %llu", (unsigned long long)crash.states);
	record_clear(&record);
	cow_free(before);
	end(&c);
}

Test(merge, a_crash_at_any_moment_leaves_the_chain_as_it_was)
{
	for (uint64_t seed = 1; seed <= 3; seed++) {
		crash_chain(VHDX_FORMAT_VHDX, 2 + (unsigned)seed % 2, 1, seed);
		crash_chain(VHDX_FORMAT_VHD, 2 + (unsigned)seed % 2, 1, seed);
		crash_chain(VHDX_FORMAT_VHDX, 4, 2, seed);
	}
}

/* What is lost would become zeros in the parent. */
Test(merge, what_was_opened_for_salvage_is_refused)
{
	struct vhdx_error error;
	vhdx_disk *source, *target;
	struct chain c;

	start(&c, VHDX_FORMAT_VHD, 2, 1);
	source = open_levels(&c, 0, 1, VHDX_OPEN_SALVAGE, NULL);
	target = open_levels(&c, 1, 2, VHDX_OPEN_WRITE, NULL);
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_ARGUMENT);
	cr_expect(strstr(error.message, "salvage") != NULL, "%s", error.message);
	vhdx_close(source);
	vhdx_close(target);
	end(&c);
}

Test(merge, strangers_and_closed_windows_are_refused)
{
	struct vhdx_guid next = { { 5 } };
	struct chain c, other;
	struct vhdx_error error;
	struct cowfile *before;
	vhdx_disk *source, *target;

	start(&c, VHDX_FORMAT_VHDX, 2, 1);
	start(&other, VHDX_FORMAT_VHDX, 1, 2);
	before = cow_copy(c.files[1]);
	source = open_levels(&c, 0, 1, 0, NULL);
	target = open_levels(&other, 0, 1, VHDX_OPEN_WRITE, &next);
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_ARGUMENT);
	vhdx_close(target);
	target = open_levels(&c, 1, 2, VHDX_OPEN_WRITE, NULL);
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_ARGUMENT);
	vhdx_close(target);
	target = open_levels(&c, 1, 2, VHDX_OPEN_WRITE, &next); /* which the source does not know of */
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_ARGUMENT);
	vhdx_close(target);
	target = open_levels(&c, 1, 2, 0, NULL);
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_READ_ONLY);
	vhdx_close(target);
	vhdx_close(source);
	source = open_levels(&c, 0, 2, 0, NULL);
	target = open_levels(&other, 0, 1, VHDX_OPEN_WRITE, &next);
	cr_expect_eq(vhdx_merge(source, target, NULL, NULL, &error), VHDX_E_ARGUMENT);
	vhdx_close(target);
	vhdx_close(source);
	cr_expect(cow_equal(before, c.files[1]));
	cow_free(before);
	end(&c);
	end(&other);
}

static int put_item(struct chain *c, unsigned level, uint8_t id, size_t length, int of_file)
{
	vhdx_disk *disk = open_levels(c, level, c->depth, VHDX_OPEN_WRITE, NULL);
	struct vhdx_user_item item = { .id = { { id } }, .length = (uint32_t)length, .of_file = of_file };
	uint8_t *value = calloc(1, length + 1);
	int status = vhdx_set_item(disk, &item, value, NULL);

	free(value);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	return status;
}

/* The items come last: one that has no place would undo a merge of hours, each time anew. */
Test(merge, items_without_room_are_refused_before_content_moves)
{
	struct vhdx_merge_options options = VHDX_MERGE_OPTIONS_INIT;
	struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
	struct vhdx_guid next = { { 5 } };
	vhdx_disk *source, *target;
	struct vhdx_error error;
	struct stop stop = { 0, 0 };
	struct cowfile *before;
	struct chain c;

	options.progress = stop_at;
	options.context = &stop;
	start(&c, VHDX_FORMAT_VHDX, 1, 3);
	cr_assert_eq(put_item(&c, 0, 1, 500000, 1), VHDX_OK);
	cr_assert_eq(put_item(&c, 0, 2, 200000, 0), VHDX_OK);
	add_level(&c);
	change(&c, 8);
	cr_assert_eq(put_item(&c, 0, 3, 440000, 0), VHDX_OK);
	cr_assert_eq(put_item(&c, 0, 4, 80000, 0), VHDX_OK);
	before = cow_copy(c.files[1]);
	open_window(&c, 1, &next);
	source = open_levels(&c, 0, 1, 0, NULL);
	target = open_levels(&c, 1, 2, 0, NULL);
	cr_expect_eq(vhdx_plan_merge(source, target, &plan, &error), VHDX_E_NO_SPACE, "%s", error.message);
	vhdx_close(target);
	target = open_levels(&c, 1, 2, VHDX_OPEN_WRITE, &next);
	cr_expect_eq(vhdx_merge(source, target, &options, &plan, &error), VHDX_E_NO_SPACE, "%s", error.message);
	cr_expect_eq(stop.calls, 0, "content was moved");
	vhdx_close(target);
	vhdx_close(source);
	cr_expect(cow_equal(before, c.files[1]));
	cow_free(before);
	/* one alone has room where the old one was */
	cr_assert_eq(put_item(&c, 0, 2, 0, 0), VHDX_OK);
	cr_assert_eq(put_item(&c, 0, 4, 0, 0), VHDX_OK);
	cr_expect_eq(merge(&c, 1, &stop, 5, true, &target), VHDX_OK);
	cr_expect_gt(stop.calls, 0);
	end(&c);
}

/* What the plan says is what the file grows by, nearly. */
Test(merge, the_plan_counts_the_space)
{
	for (uint64_t seed = 1; seed <= 6; seed++) {
		struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
		struct stop stop = { 0, 0 };
		vhdx_disk *source, *target;
		struct chain c;
		uint64_t size;

		start(&c, VHDX_FORMAT_VHDX, 3, seed);
		size = c.files[2]->size;
		source = open_levels(&c, 0, 2, 0, NULL);
		target = open_levels(&c, 2, 3, 0, NULL);
		cr_assert_eq(vhdx_plan_merge(source, target, &plan, NULL), VHDX_OK);
		vhdx_close(source);
		vhdx_close(target);
		cr_expect_eq(plan.size, c.size);
		(void)merge(&c, 2, &stop, 3, true, &target);
		cr_expect_leq(c.files[2]->size, size + plan.space_bytes + 2 * MIB);
		end(&c);
	}
}

/* Every call that takes space fails once: the merge stops or goes on, the chain reads as before, and the same merge succeeds when there is space again. */
static void full_host(enum vhdx_format format, uint64_t seed)
{
	struct vhdx_merge_options options = VHDX_MERGE_OPTIONS_INIT;
	struct vhdx_guid next = { { 7, 7, 7 } };
	uint64_t hits = 1;

	for (uint64_t at = 1; hits != 0; at++) {
		struct fault fault = { .kind = FAULT_NO_SPACE, .at = at, .sticky = true };
		struct stop stop = { 0, 0 };
		struct vhdx_error error;
		struct chain c;
		vhdx_disk *source, *target, *disk;
		int status;

		start(&c, format, 2, seed);
		open_window(&c, 1, &next);
		source = open_levels(&c, 0, 1, 0, NULL);
		target = open_levels(&c, 1, 2, VHDX_OPEN_WRITE, &next);
		c.files[1]->fault = &fault;
		status = vhdx_merge(source, target, &options, NULL, &error);
		hits = fault.hits;
		cr_expect(hits == 0 ? status == VHDX_OK : status == VHDX_OK || status == VHDX_E_NO_SPACE, "call %llu: %s",
			  (unsigned long long)at, error.message);
		(void)vhdx_close(target);
		c.files[1]->fault = NULL;
		vhdx_close(source);
		disk = open_levels(&c, 0, 2, 0, NULL);
		expect_model(&c, disk, "without space");
		vhdx_close(disk);
		cr_assert_eq(merge(&c, 1, &stop, 8, true, &target), VHDX_OK);
		disk = open_levels(&c, 1, 2, 0, NULL);
		expect_model(&c, disk, "with space again");
		vhdx_close(disk);
		end(&c);
	}
}

Test(merge, B_68_a_full_host_loses_nothing)
{
	full_host(VHDX_FORMAT_VHDX, 3);
	full_host(VHDX_FORMAT_VHD, 4);
}

static void put_far(struct chain *c, uint64_t offset, int byte)
{
	vhdx_disk *disk = open_levels(c, 0, c->depth, VHDX_OPEN_WRITE, NULL);
	uint8_t bytes[4096];

	memset(bytes, byte, sizeof(bytes));
	cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), offset, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
}

/* Where 31, 32 and 41 bits end. */
Test(merge, B_72_offsets_beyond_two_tebibytes)
{
	static const uint64_t places[] = { 0x7FFFF000, 0xFFFFF000, UINT64_C(0x1FFFFFFF000), UINT64_C(0x20000000000),
					   UINT64_C(0x4FFFFFFF000) };
	struct stop stop = { 0, 0 };
	vhdx_disk *target, *disk;
	uint8_t bytes[4096];
	struct chain c;

	start(&c, VHDX_FORMAT_VHDX, 0, 5);
	c.size = UINT64_C(5) << 40;
	add_level(&c);
	put_far(&c, 0, 99);
	add_level(&c);
	for (int i = 0; i < 5; i++)
		put_far(&c, places[i], i + 1);
	cr_assert_eq(merge(&c, 1, &stop, 4, true, &target), VHDX_OK);
	disk = open_levels(&c, 1, 2, 0, NULL);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(vhdx_read(disk, bytes, sizeof(bytes), places[i], NULL), VHDX_OK);
		for (size_t k = 0; k < sizeof(bytes); k++)
			cr_assert_eq(bytes[k], i + 1);
	}
	vhdx_close(disk);
	end(&c);
}
