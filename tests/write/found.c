/* SPDX-License-Identifier: MIT */
/* What reading the code found in VHDX files, the writers' part: entries of the log without room, memory and time by numbers of the file, damage that became wrong data. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#if !defined(_WIN32)
#include <pthread.h>
#include <semaphore.h>
#include <time.h>
#endif

#include "support/testenv.h"
#include "write/changing.h"

static const struct recipe_pair pairs[] = { { "parent_linkage", "{11111111-0000-0000-0000-000000000000}" },
					    { "relative_path", "p" } };

static struct recipe_vhdx child_knobs(uint64_t size)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.pairs = pairs;
	knobs.pair_count = 2;
	knobs.size = size;
	return knobs;
}

static struct memfile *make_parent(const struct recipe_vhdx *given, struct recipe_vhdx_places *places)
{
	struct recipe_vhdx knobs = *given;

	knobs.data_write_guid = recipe_guid_text("11111111-0000-0000-0000-000000000000");
	return recipe_vhdx_new(&knobs, places);
}

static vhdx_disk *open_with(struct memfile *image, struct memfile *parent, unsigned flags, const struct vhdx_env *env)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk"), below;
	struct vhdx_error error;
	vhdx_disk *disk;

	if (parent != NULL) {
		below = memfile_file(parent, "parent");
		options.parents = &below;
		options.parent_count = 1;
	}
	options.flags = flags;
	options.env = env;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

/* A page of the BAT each. */
static int put_far(vhdx_disk *disk, unsigned i)
{
	uint8_t bytes[512];

	memset(bytes, (int)i + 1, sizeof(bytes));
	return vhdx_write(disk, bytes, sizeof(bytes), i * 512 * MIB, NULL);
}

#if !defined(_WIN32)
/* While an entry is written that will find no room another thread writes: what that changes and what comes back must fit one entry again. */
struct meanwhile {
	struct memfile *image;
	vhdx_disk *disk;
	bool armed;
	bool written[200];
	sem_t begin, done;
};

static void let_others_write(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct meanwhile *w = context;
	struct timespec soon;

	if (!w->armed || call != MEMFILE_WRITE || file_offset < MIB || file_offset >= 2 * MIB || length < 8192)
		return;
	w->armed = false;
	sem_post(&w->begin);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec++; /* it waits for this entry when there is no room for more */
	(void)sem_timedwait(&w->done, &soon);
	memfile_fail(w->image, MEMFILE_WRITE, 1, VHDX_E_NO_SPACE, false);
}

static void *write_others(void *context)
{
	struct meanwhile *w = context;

	sem_wait(&w->begin);
	for (unsigned i = 100; i < 170; i++)
		w->written[i] = put_far(w->disk, i) == VHDX_OK;
	sem_post(&w->done);
	return NULL;
}

Test(found, an_entry_without_room_and_more_changes_than_fit_one)
{
	struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 128 * GIB, NULL);
	struct meanwhile w = { .image = image, .disk = open_over(image, NULL, VHDX_OPEN_WRITE) };
	pthread_t thread;

	sem_init(&w.begin, 0, 0);
	sem_init(&w.done, 0, 0);
	cr_assert_eq(pthread_create(&thread, NULL, write_others, &w), 0);
	for (unsigned i = 0; i < 70; i++)
		w.written[i] = put_far(w.disk, i) == VHDX_OK;
	w.armed = true;
	memfile_watch(image, let_others_write, &w);
	(void)vhdx_flush(w.disk, NULL);
	cr_assert_eq(pthread_join(thread, NULL), 0);
	memfile_watch(image, NULL, NULL);
	memfile_fail(image, MEMFILE_WRITE, 0, 0, false);
	cr_assert_eq(vhdx_flush(w.disk, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(w.disk), VHDX_OK);
	w.disk = open_over(image, NULL, 0);
	for (unsigned i = 0; i < 200; i++) {
		uint8_t bytes[512];

		cr_assert_eq(vhdx_read(w.disk, bytes, sizeof(bytes), i * 512 * MIB, NULL), VHDX_OK);
		cr_assert(!w.written[i] || bytes[0] == (uint8_t)(i + 1), "%u", i);
	}
	(void)vhdx_close(w.disk);
	sem_destroy(&w.begin);
	sem_destroy(&w.done);
	memfile_free(image);
}
#endif

Test(found, space_that_leaves_without_memory)
{
	for (unsigned n = 1; n < 6; n++) {
		struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 128 * GIB, NULL);
		struct testenv env;
		vhdx_disk *disk;

		testenv_start(&env, 1);
		disk = open_with(image, NULL, VHDX_OPEN_WRITE, &env.env);
		for (unsigned i = 0; i < 100; i++)
			cr_assert_eq(put_far(disk, i), VHDX_OK);
		cr_assert_eq(vhdx_discard(disk, 0, MIB, NULL), VHDX_OK);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		for (unsigned i = 1; i < 90; i++) /* more than one entry: in the log, not durable */
			cr_assert_eq(vhdx_discard(disk, i * 512 * MIB, MIB, NULL), VHDX_OK);
		cr_assert_eq(put_far(disk, 120), VHDX_OK);
		testenv_fail(&env, n, true);
		(void)vhdx_flush(disk, NULL);
		testenv_fail(&env, 0, false);
		cr_assert_eq(put_far(disk, 130), VHDX_OK);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		memfile_free(image);
	}
}

/* A block whose bits are lost is damaged; to give its chunk a new sector bitmap would make it read as the parent. */
Test(found, VHDX_136_a_write_does_not_hide_damage)
{
	const struct recipe_run run = { 0, 8 };
	const struct recipe_block block = { .index = 0, .state = RECIPE_PARTIAL, .seed = 7, .runs = &run, .run_count = 1 };
	struct recipe_vhdx knobs = child_knobs(16 * MIB), below = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;
	struct memfile *parent = make_parent(&below, NULL), *image;
	uint8_t bytes[512] = { 1 };
	struct vhdx_error error;
	vhdx_disk *disk;

	knobs.blocks = &block;
	knobs.block_count = 1;
	image = recipe_vhdx_new(&knobs, &places);
	recipe_put(image, recipe_bitmap_place(&places, 0), 8, 0);
	disk = open_with(image, parent, VHDX_OPEN_WRITE, NULL);
	cr_expect_eq(vhdx_write(disk, bytes, sizeof(bytes), MIB, &error), VHDX_E_DAMAGED);
	cr_expect_str_eq(error.rule, "VHDX-136");
	cr_expect_eq(vhdx_read(disk, bytes, sizeof(bytes), 0, NULL), VHDX_E_DAMAGED);
	(void)vhdx_close(disk);
	memfile_free(image);
	memfile_free(parent);
}

/* Each would take hours if every block asked about all that follow. */
Test(found, long_ranges_are_asked_about_once)
{
	struct recipe_vhdx knobs = child_knobs(2048 * GIB), below = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places, below_places;
	struct memfile *image, *parent;
	vhdx_disk *disk;
	unsigned extents = 0;

	knobs.bat_length = 32u << 20;
	image = recipe_vhdx_new(&knobs, &places);
	for (uint64_t block = 0; block < 2048 * 1024; block += 500) /* no hole */
		recipe_put(image, recipe_bat_place(&places, block), 8, 0);
	disk = open_with(image, NULL, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS, NULL);
	cr_expect_eq(vhdx_discard(disk, 0, knobs.size / 4, NULL), VHDX_OK);
	cr_expect_eq(vhdx_write_zeroes(disk, 0, knobs.size / 4, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_free(image);

	below.size = knobs.size = 512 * GIB;
	below.bat_length = knobs.bat_length = 8u << 20;
	image = recipe_vhdx_new(&knobs, &places);
	parent = make_parent(&below, &below_places);
	for (uint64_t block = 0; block < 512 * 1024; block += 500)
		recipe_put(image, recipe_bat_place(&places, block), 8, 0);
	for (uint64_t block = 0; block < 512 * 1024; block += 2)
		recipe_put(parent, recipe_bat_place(&below_places, block), 8, RECIPE_ZERO);
	disk = open_with(image, parent, 0, NULL);
	for (uint64_t at = 0; at < knobs.size; extents++) {
		struct vhdx_extent extent;

		cr_assert_eq(vhdx_get_extent(disk, &extent, at, knobs.size - at, NULL), VHDX_OK);
		at += extent.length;
	}
	cr_expect_eq(extents, 512 * 1024);
	(void)vhdx_close(disk);
	memfile_free(image);
	memfile_free(parent);
}

/* Pages that a change loads and leaves as they are. */
Test(found, memory_of_a_writer_over_a_large_log)
{
	struct recipe_vhdx knobs = child_knobs(1024 * GIB);
	struct memfile *image;
	struct testenv env;
	vhdx_disk *disk;

	knobs.block_size = 256u << 20;
	knobs.log_length = 16u << 20;
	knobs.log_offset = 8 * MIB;
	knobs.first_block_offset = knobs.file_size = 32 * MIB;
	image = recipe_vhdx_new(&knobs, NULL);
	testenv_start(&env, 1);
	disk = open_with(image, NULL, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS, &env.env);
	for (unsigned i = 0; i < 4000; i++) {
		uint8_t bytes[512] = { 1 };

		cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), i * 256 * MIB, NULL), VHDX_OK);
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_lt(env.peak_bytes, 64 * MIB, "%zu", env.peak_bytes);
	memfile_free(image);
}

Test(found, a_child_of_large_blocks_grows_in_little_memory)
{
	struct recipe_vhdx knobs = child_knobs(256 * MIB - 512), below = RECIPE_VHDX_INIT;
	struct memfile *image, *parent;
	struct testenv env;
	vhdx_disk *disk;

	below.size = GIB;
	knobs.block_size = 256u << 20;
	parent = make_parent(&below, NULL);
	image = recipe_vhdx_new(&knobs, NULL);
	testenv_start(&env, 1);
	disk = open_with(image, parent, VHDX_OPEN_WRITE, &env.env);
	resize_to(disk, 512 * MIB);
	expect_at(disk, 256 * MIB - 512, MIB, 0);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_lt(env.peak_bytes, 16 * MIB, "%zu", env.peak_bytes);
	memfile_free(image);
	memfile_free(parent);
}

static void count_bytes(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	(void)file_offset;
	if (call == MEMFILE_WRITE || call == MEMFILE_ZERO)
		*(uint64_t *)context += length;
}

/* Of 32 bytes in the log. */
Test(found, a_range_of_zeros_in_the_log_does_not_fill_the_host)
{
	const struct recipe_descriptor zeros = { .file_offset = 5 * MIB, .zero_length = UINT64_C(1) << 50 };
	const struct recipe_entry entry = {
		.tail = RECIPE_SELF, .sequence_number = 5, .descriptors = &zeros, .descriptor_count = 1
	};

	for (int minimal = 0; minimal < 2; minimal++) {
		struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
		struct memfile *image;
		uint64_t written = 0;
		vhdx_disk *disk;

		knobs.log_guid = recipe_guid(9);
		knobs.entries = &entry;
		knobs.entry_count = 1;
		image = recipe_vhdx_new(&knobs, NULL);
		memfile_set_minimal(image, minimal != 0);
		memfile_watch(image, count_bytes, &written);
		disk = open_with(image, NULL, VHDX_OPEN_WRITE, NULL);
		cr_expect_lt(written, 4 * MIB, "%llu", (unsigned long long)written);
		(void)vhdx_close(disk);
		memfile_free(image);
	}
}

/* A device, say. */
Test(found, a_host_file_that_keeps_its_size_is_closed_in_order)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *image;
	vhdx_disk *disk;

	knobs.file_size = 64 * MIB;
	image = recipe_vhdx_new(&knobs, NULL);
	memfile_fail(image, MEMFILE_SET_SIZE, 1, VHDX_E_UNSUPPORTED, true);
	disk = open_with(image, NULL, VHDX_OPEN_WRITE, NULL);
	put_at(disk, 0, 512, 1);
	cr_expect_eq(vhdx_close(disk), VHDX_OK);
	memfile_fail(image, MEMFILE_SET_SIZE, 0, 0, false);
	disk = open_over(image, NULL, 0);
	expect_at(disk, 0, 512, 1);
	(void)vhdx_close(disk);
	memfile_free(image);
}

Test(found, a_repair_leaves_the_region_table_that_alone_leads_to_the_disk)
{
	struct memfile *image = make_disk(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk");

	put_at(disk, 0, MIB, 5);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	recipe_put(image, RECIPE_REGION(0, 0) + 16, 8, UINT64_C(1) << 40);
	recipe_fix_region_table(image, 0);
	options.flags = VHDX_REPAIR_NO_UNDO;
	cr_expect_eq(vhdx_repair(&file, &options, NULL), VHDX_OK);
	recipe_put(image, RECIPE_REGION_TABLE(0), 4, 0);
	disk = open_over(image, NULL, 0);
	expect_at(disk, 0, MIB, 5);
	(void)vhdx_close(disk);
	memfile_free(image);
}
