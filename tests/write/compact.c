/* SPDX-License-Identifier: MIT */
/* Compaction: nothing that is read changes, the file gets as small as the estimate says, and a second run finds nothing. Crashes and failing calls are the business of tests/crash. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "support/model.h"
#include "support/recipe.h"

#define MIB UINT64_C(1048576)
enum { MOST_LEVELS = 8 };

static uint64_t pick(uint64_t *state, uint64_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % below;
}

struct chain {
	enum vhdx_format format;
	uint32_t sector;
	unsigned depth;
	struct memfile *files[MOST_LEVELS]; /* the leaf last */
	struct model model;
	uint32_t next_seed;
	uint64_t state;
};

/* The disk of the first `depth` files. */
static vhdx_disk *open_chain(const struct chain *c, unsigned depth, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(c->files[depth - 1], "disk"), parents[MOST_LEVELS];
	struct vhdx_error error;
	vhdx_disk *disk;

	for (unsigned i = 0; i + 1 < depth; i++)
		parents[i] = memfile_file(c->files[depth - 2 - i], "parent");
	options.flags = flags;
	options.parents = parents;
	options.parent_count = (flags & VHDX_OPEN_NO_PARENTS) != 0 ? 0 : depth - 1;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

static void add_level(struct chain *c, uint64_t size, uint32_t block_size)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *made = memfile_new();
	struct vhdx_file file = memfile_file(made, "disk");
	vhdx_disk *parent = c->depth == 0 ? NULL : open_chain(c, c->depth, 0);
	struct vhdx_error error;

	options.format = c->format;
	options.type = parent == NULL ? VHDX_TYPE_DYNAMIC : VHDX_TYPE_DIFFERENCING;
	options.size = size;
	options.block_size = c->format == VHDX_FORMAT_VHD && parent != NULL ? 0 : block_size;
	options.logical_sector_size = c->format == VHDX_FORMAT_VHD ? 0 : c->sector;
	options.parent = parent;
	options.parent_relative = parent != NULL ? ".\\parent" : NULL;
	cr_assert_eq(vhdx_create_file(&file, &options, &error), VHDX_OK, "%s", error.message);
	vhdx_close(parent);
	c->files[c->depth++] = made;
	if (size > c->model.size)
		model_resize(&c->model, size);
}

static void put(struct chain *c, vhdx_disk *disk, uint64_t offset, uint64_t length, uint32_t seed)
{
	uint8_t *bytes = malloc(length);

	recipe_pattern(bytes, length, offset, seed);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	model_set(&c->model, offset, length, seed);
	free(bytes);
}

/* What is there, once more: in a child it is then in two files. */
static void put_same(vhdx_disk *disk, uint64_t offset, uint64_t length)
{
	uint8_t *bytes = malloc(length);

	cr_assert_eq(vhdx_read(disk, bytes, length, offset, NULL), VHDX_OK);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	free(bytes);
}

static void change(struct chain *c, vhdx_disk *disk, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = pick(&c->state, c->model.size / 4096) * 4096,
			 length = 4096 * (1 + pick(&c->state, pick(&c->state, 3) == 0 ? 800 : 20));

		length = length > c->model.size - offset ? c->model.size - offset : length;
		switch (pick(&c->state, 8)) {
		case 0: /* a whole megabyte of zeros at least */
			length = pick(&c->state, 5) * MIB + length;
			length = length > c->model.size - offset ? c->model.size - offset : length;
			cr_assert_eq(vhdx_write_zeroes(disk, offset, length, NULL), VHDX_OK);
			model_set(&c->model, offset, length, 0);
			break;
		case 1: put(c, disk, offset, length, 0); break;
		case 2:
		case 3: put_same(disk, offset, length); break;
		case 4: put_same(disk, offset / (2 * MIB) * 2 * MIB, MIB); break;
		default: put(c, disk, offset, length, c->next_seed++); break;
		}
	}
}

static int count_errors(void *context, const struct vhdx_finding *finding)
{
	*(unsigned *)context += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

static void expect_sound(struct memfile *image)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk");
	unsigned errors = 0;

	options.context = &errors;
	options.on_finding = count_errors;
	cr_expect_eq(vhdx_inspect(&file, &options, NULL), VHDX_OK);
	cr_expect_eq(errors, 0);
}

static struct vhdx_compact_result compact(vhdx_disk *disk, unsigned flags)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct vhdx_compact_result result = VHDX_COMPACT_RESULT_INIT;
	struct vhdx_error error;

	options.flags = flags;
	options.result = &result;
	cr_assert_eq(vhdx_compact(disk, &options, &error), VHDX_OK, "%s", error.message);
	return result;
}

static struct vhdx_guid identity(vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	return info.data_identity;
}

static int stop_soon(void *context, uint64_t done, uint64_t total)
{
	(void)total;
	cr_assert_leq(done, total);
	return --*(int *)context < 0;
}

/* Stops after a while; what is done then stays done. */
static void compact_in_part(struct chain *c, vhdx_disk *disk)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	int steps = (int)pick(&c->state, 20);
	int status;

	options.on_progress = stop_soon;
	options.on_progress_context = &steps;
	status = vhdx_compact(disk, &options, NULL);
	cr_assert(status == VHDX_OK || status == VHDX_E_CANCELLED);
	model_expect(&c->model, disk);
}

/* All that must be true of compacting the leaf. */
static void expect_compaction(struct chain *c)
{
	struct memfile *leaf = c->files[c->depth - 1], *twice;
	uint64_t before = memfile_size(leaf);
	vhdx_disk *disk = open_chain(c, c->depth, 0);
	struct vhdx_compact_result estimate = compact(disk, VHDX_COMPACT_ESTIMATE), result;
	struct vhdx_guid id = identity(disk), same;

	vhdx_close(disk);
	disk = open_chain(c, c->depth, VHDX_OPEN_WRITE);
	result = compact(disk, VHDX_COMPACT_ESTIMATE);
	cr_expect_eq(memcmp(&estimate, &result, sizeof(result)), 0);
	result = compact(disk, 0);
	cr_expect_eq(memcmp(&estimate, &result, sizeof(result)), 0);
	cr_expect_eq(result.bytes_before, before);
	model_expect(&c->model, disk);
	model_expect_random(&c->model, disk, 50, 5000000, &c->state);
	same = identity(disk);
	cr_expect_eq(memcmp(&id, &same, sizeof(id)), 0, "the children would be lost");
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_eq(memfile_size(leaf), result.bytes_after);
	expect_sound(leaf);

	twice = memfile_copy(leaf);
	disk = open_chain(c, c->depth, VHDX_OPEN_WRITE);
	result = compact(disk, 0);
	cr_expect_eq(result.blocks_moved + result.blocks_zero + result.blocks_equal + result.bitmap_blocks + result.anchors, 0);
	cr_expect_eq(result.bytes_after, memfile_size(leaf));
	model_expect(&c->model, disk);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect(memfile_equal(twice, leaf, NULL), "a second run writes");
	memfile_free(twice);
}

static void end_chain(struct chain *c)
{
	for (unsigned i = 0; i < c->depth; i++)
		memfile_free(c->files[i]);
	model_end(&c->model);
}

static void random_chain(enum vhdx_format format, uint32_t sector, unsigned depth, uint64_t seed)
{
	struct chain c = { .format = format, .sector = sector, .next_seed = 1, .state = seed };
	uint64_t size = 20 * MIB + pick(&c.state, 8) * 512 * 1024;

	model_start(&c.model, size);
	while (c.depth < depth) {
		vhdx_disk *disk;

		add_level(&c, size, (uint32_t)MIB << pick(&c.state, 3));
		disk = open_chain(&c, c.depth, VHDX_OPEN_WRITE);
		change(&c, disk, 25);
		if (pick(&c.state, 2) == 0)
			compact_in_part(&c, disk);
		change(&c, disk, 5);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_compaction(&c);
	}
	end_chain(&c);
}

Test(compact, random_chains_of_vhdx)
{
	for (unsigned seed = 0; seed < 4; seed++)
		random_chain(VHDX_FORMAT_VHDX, seed % 3 == 2 ? 4096 : 512, 1 + seed, seed);
	random_chain(VHDX_FORMAT_VHDX, 512, 8, 100);
}

Test(compact, random_chains_of_vhd)
{
	for (unsigned seed = 0; seed < 4; seed++)
		random_chain(VHDX_FORMAT_VHD, 512, 1 + seed, seed);
	random_chain(VHDX_FORMAT_VHD, 512, 8, 100);
}

/* A dynamic disk of which every second block is zeros shrinks to half. */
Test(compact, every_second_block)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_result result;
		uint64_t full, half;
		vhdx_disk *disk;

		model_start(&c.model, 64 * MIB);
		add_level(&c, 64 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 64 * MIB, 7);
		for (uint64_t block = 0; block < 32; block += 2)
			put(&c, disk, block * 2 * MIB, 2 * MIB, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		full = memfile_size(c.files[0]);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		result = compact(disk, VHDX_COMPACT_KEEP_ZEROS);
		cr_expect_eq(result.bytes_after, full);
		result = compact(disk, VHDX_COMPACT_KEEP_PLACES);
		cr_expect_eq(result.blocks_zero, 16);
		cr_expect_eq(result.blocks_moved, 0);
		cr_expect_lt(memfile_allocated(c.files[0]), 35 * MIB);
		result = compact(disk, 0);
		half = result.bytes_after;
		cr_expect_eq(result.blocks_moved, 8);
		cr_expect_lt(half, full - 31 * MIB);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		cr_expect_eq(memfile_size(c.files[0]), half);
		expect_compaction(&c);
		end_chain(&c);
	}
}

/* What a child wrote over with the same is the parent's again; without parents nothing of it is known. */
Test(compact, equal_to_the_parent)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_result result;
		vhdx_disk *disk;
		uint64_t empty;

		model_start(&c.model, 16 * MIB);
		add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 10 * MIB, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
		empty = memfile_size(c.files[1]);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
		put_same(disk, 0, 8 * MIB + 4096);
		put(&c, disk, 12 * MIB + 512, 512, 0); /* zeros over zeros, in a partially present block */
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS);
		result = compact(disk, 0);
		cr_expect_eq(result.blocks_equal + result.blocks_zero, 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
		result = compact(disk, VHDX_COMPACT_KEEP_EQUAL | VHDX_COMPACT_KEEP_ZEROS);
		cr_expect_eq(result.blocks_equal + result.blocks_zero, 0);
		result = compact(disk, 0);
		cr_expect_eq(result.blocks_equal + result.blocks_zero, 6);
		cr_expect_eq(result.bitmap_blocks, format == VHDX_FORMAT_VHDX);
		model_expect(&c.model, disk);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		cr_expect_leq(memfile_size(c.files[1]), empty);
		expect_compaction(&c);
		end_chain(&c);
	}
}

static int in_the_middle(void *context, uint64_t disk_offset, uint64_t length)
{
	(void)context;
	return disk_offset >= 4 * MIB && disk_offset + length <= 12 * MIB;
}

/* Blocks that somebody says are not used are free and read as zeros; the identity changes with the content. */
Test(compact, unused_blocks)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
		struct vhdx_compact_result result = VHDX_COMPACT_RESULT_INIT;
		struct vhdx_guid before, after;
		vhdx_disk *disk;

		model_start(&c.model, 15 * MIB);
		add_level(&c, 15 * MIB, 2 * (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 15 * MIB, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		before = identity(disk);
		options.is_unused = in_the_middle;
		options.result = &result;
		options.flags = VHDX_COMPACT_ESTIMATE;
		cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
		cr_expect_eq(result.blocks_unused, 4);
		model_expect(&c.model, disk);
		options.flags = 0;
		cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
		cr_expect_eq(result.blocks_unused, 4);
		model_set(&c.model, 4 * MIB, 8 * MIB, 0);
		model_expect(&c.model, disk);
		after = identity(disk);
		if (format == VHDX_FORMAT_VHDX)
			cr_expect_neq(memcmp(&before, &after, sizeof(before)), 0);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		cr_expect_eq(memfile_size(c.files[0]), result.bytes_after);
		expect_compaction(&c);
		end_chain(&c);
	}
}

/* Whichever call finds the host full, nothing is lost, and with room again the work goes on. */
Test(compact, a_full_host)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1, .state = 5 };
		bool failed = true;
		vhdx_disk *disk;

		model_start(&c.model, 16 * MIB);
		for (unsigned level = 0; level < 2; level++) {
			add_level(&c, 16 * MIB, (uint32_t)MIB);
			disk = open_chain(&c, c.depth, VHDX_OPEN_WRITE);
			change(&c, disk, 20);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
		}
		for (unsigned long n = 1; failed; n++) {
			struct memfile *kept = c.files[1];
			int status;

			c.files[1] = memfile_copy(kept);
			disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
			memfile_fail(c.files[1], MEMFILE_WRITE, n, VHDX_E_NO_SPACE, true);
			status = vhdx_compact(disk, NULL, NULL);
			failed = status != VHDX_OK;
			cr_assert(!failed || status == VHDX_E_NO_SPACE);
			memfile_fail(c.files[1], MEMFILE_WRITE, 0, 0, false);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
			model_expect(&c.model, disk);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(c.files[1]);
			memfile_free(c.files[1]);
			c.files[1] = kept;
		}
		end_chain(&c);
	}
}

/* Some structures of a file stand between its blocks, or where others keep what we do not know. */
Test(compact, what_stays_where_it_is)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct chain c = { .format = (enum vhdx_format)format, .sector = 512, .next_seed = 1 };
		vhdx_disk *disk;

		model_start(&c.model, 16 * MIB);
		add_level(&c, 16 * MIB, (uint32_t)MIB);
		disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
		put(&c, disk, 0, 16 * MIB, 7);
		cr_assert_eq(vhdx_resize(disk, 400 * 1024 * MIB, 0, NULL), VHDX_OK); /* a BAT behind the blocks */
		put(&c, disk, 8 * MIB, 8 * MIB, 8);
		cr_assert_eq(vhdx_write(disk, "x", 1, 300 * 1024 * MIB, NULL), VHDX_OK);
		put(&c, disk, 0, 5 * MIB, 0);
		cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
		for (int round = 0; round < 2; round++) {
			char byte;

			for (uint64_t at = 0; at < 16 * MIB; at += MIB)
				model_expect_read(&c.model, disk, MIB, at);
			cr_assert_eq(vhdx_read(disk, &byte, 1, 300 * 1024 * MIB, NULL), VHDX_OK);
			cr_expect_eq(byte, 'x');
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			expect_sound(c.files[0]);
			disk = open_chain(&c, 1, 0);
		}
		vhdx_close(disk);
		end_chain(&c);
	}
}

#define GIB (1024 * MIB)

/* Writes and reads without the model, which is for small disks. */
static void put_far(vhdx_disk *disk, uint64_t offset, size_t length, uint32_t seed)
{
	uint8_t *bytes = malloc(length);

	recipe_pattern(bytes, length, offset, seed);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	free(bytes);
}

static void expect_far(vhdx_disk *disk, uint64_t offset, size_t length, uint32_t seed)
{
	uint8_t *found = malloc(length), *wanted = malloc(length);

	recipe_pattern(wanted, length, offset, seed);
	cr_assert_eq(vhdx_read(disk, found, length, offset, NULL), VHDX_OK);
	cr_expect(memcmp(found, wanted, length) == 0, "at %llu", (unsigned long long)offset);
	free(found);
	free(wanted);
}

/* The number of the call that stops. */
static int stop_at(void *context, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	return --*(int *)context == 0;
}

static void compact_until(vhdx_disk *disk, int call)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;

	options.on_progress = stop_at;
	options.on_progress_context = &call;
	cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_E_CANCELLED);
}

static uint64_t place_of(vhdx_disk *disk, uint64_t offset)
{
	struct vhdx_extent extent;

	cr_assert_eq(vhdx_get_extent(disk, &extent, offset, 512, NULL), VHDX_OK);
	return extent.kind == VHDX_EXTENT_DATA ? extent.file_offset : 0;
}

/* W6: what a stopped compaction has freed is not used before that is durable. */
Test(compact, freed_places_wait_for_a_flush)
{
	struct chain c = { .format = VHDX_FORMAT_VHDX, .sector = 512 };
	uint64_t place;
	vhdx_disk *disk;

	model_start(&c.model, 512);
	add_level(&c, 64 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	put_far(disk, 0, 2 * MIB, 0);
	put_far(disk, 2 * MIB, 4 * MIB, 1);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	place = place_of(disk, 0);
	cr_assert_neq(place, 0);
	compact_until(disk, 2);
	cr_expect_eq(place_of(disk, 0), 0);
	put_far(disk, 20 * MIB, 4096, 2);
	cr_expect_neq(place_of(disk, 20 * MIB), place);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	put_far(disk, 30 * MIB, 4096, 3);
	cr_expect_eq(place_of(disk, 30 * MIB), place);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	end_chain(&c);
}

/*
 * A sector bitmap block moves to where that of another chunk (4 GiB) stood, of which pages are in memory. In the file: bitmap 0, its block, which
 * becomes whole, a block that becomes zeros, bitmap 1, its block.
 */
Test(compact, a_bitmap_block_moves)
{
	struct chain c = { .format = VHDX_FORMAT_VHDX, .sector = 512 };
	struct vhdx_compact_result result;
	vhdx_disk *disk;

	model_start(&c.model, 512);
	add_level(&c, 12 * GIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	put_far(disk, 4 * GIB, MIB, 7);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	add_level(&c, 12 * GIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
	put_far(disk, 4096, 8192, 1);
	put_far(disk, 0, 2 * MIB, 2);
	put_far(disk, 8 * MIB, 2 * MIB, 3);
	put_far(disk, 4 * GIB + 65536, 4096, 4);
	cr_assert_eq(vhdx_write_zeroes(disk, 8 * MIB, 2 * MIB, NULL), VHDX_OK);
	expect_far(disk, 4 * GIB + 65536, 4096, 4);
	result = compact(disk, 0);
	cr_expect_eq(result.bitmap_blocks, 1);
	cr_expect_eq(result.blocks_moved, 2);
	for (int round = 0; round < 2; round++) {
		expect_far(disk, 0, 2 * MIB, 2);
		expect_far(disk, 8 * MIB, 2 * MIB, 0);
		expect_far(disk, 4 * GIB, 65536, 7);
		expect_far(disk, 4 * GIB + 65536, 4096, 4);
		put_far(disk, 4 * GIB + 65536 + 4096, 512, 5);
		expect_far(disk, 4 * GIB + 65536 + 4608, 4096, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(c.files[1]);
		disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
	}
	vhdx_close(disk);
	end_chain(&c);
}

/* The bitmap of a VHD's block comes to stand in a page that holds the end of the BAT too, which has just changed. */
Test(compact, a_bitmap_beside_the_bat)
{
	struct chain c = { .format = VHDX_FORMAT_VHD, .sector = 512 };
	uint64_t far = 399 * GIB + 1000 * MIB; /* the last page of the BAT */
	vhdx_disk *disk;

	model_start(&c.model, 512);
	add_level(&c, 16 * MIB, (uint32_t)MIB);
	add_level(&c, 16 * MIB, (uint32_t)MIB);
	disk = open_chain(&c, 2, VHDX_OPEN_WRITE);
	put_far(disk, 0, 4096, 0);
	put_far(disk, 8 * MIB, 4096, 1);
	cr_assert_eq(vhdx_resize(disk, 400 * GIB, 0, NULL), VHDX_OK); /* the BAT stands behind these blocks now */
	put_far(disk, 399 * GIB + 512, 512, 0);
	put_far(disk, 399 * GIB + MIB, 4096, 9);
	put_far(disk, far + 8192, 4096, 2);
	put_far(disk, far + MIB + 65536, 4096, 3);
	compact_until(disk, 8); /* six blocks are looked at, two move, and nothing of that is durable */
	for (int round = 0; round < 2; round++) {
		expect_far(disk, 0, 8 * MIB, 0);
		expect_far(disk, 8 * MIB, 4096, 1);
		expect_far(disk, 399 * GIB, MIB, 0);
		expect_far(disk, 399 * GIB + MIB, 4096, 9);
		expect_far(disk, far, 8192, 0);
		expect_far(disk, far + 8192, 4096, 2);
		expect_far(disk, far + MIB, 65536, 0);
		expect_far(disk, far + MIB + 65536, 4096, 3);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		expect_sound(c.files[1]);
		disk = open_chain(&c, 2, 0);
	}
	vhdx_close(disk);
	end_chain(&c);
}

/* Places kept for blocks without content, of which one lies over a block that has some, are given up; the block keeps its own. */
Test(compact, anchors)
{
	const struct recipe_block blocks[] = {
		{ .index = 0, .state = RECIPE_FULL, .file_offset = 5 * MIB, .seed = 1 },
		{ .index = 1, .state = RECIPE_UNMAPPED, .file_offset = 6 * MIB },
		{ .index = 2, .state = RECIPE_UNDEFINED, .file_offset = 5 * MIB },
		{ .index = 3, .state = RECIPE_UNMAPPED, .file_offset = 4 * MIB },
		{ .index = 4, .state = RECIPE_FULL, .file_offset = 7 * MIB, .seed = 2 },
	};
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct chain c = { .format = VHDX_FORMAT_VHDX, .depth = 1 };
	vhdx_disk *disk;

	knobs.blocks = blocks;
	knobs.block_count = 5;
	c.files[0] = recipe_vhdx_new(&knobs, NULL);
	model_start(&c.model, 16 * MIB);
	model_set(&c.model, 0, MIB, 1);
	model_set(&c.model, 4 * MIB, MIB, 2);
	disk = open_chain(&c, 1, 0);
	cr_expect_eq(compact(disk, VHDX_COMPACT_ESTIMATE).anchors, 3);
	vhdx_close(disk);
	expect_compaction(&c);
	cr_expect_eq(memfile_size(c.files[0]), 6 * MIB);
	end_chain(&c);
}

Test(compact, mistakes)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct chain c = { .format = VHDX_FORMAT_VHD, .sector = 512 };
	uint8_t cookie[8] = "tdbatmap";
	vhdx_disk *disk;

	model_start(&c.model, 16 * MIB);
	add_level(&c, 16 * MIB, 2 * (uint32_t)MIB);
	disk = open_chain(&c, 1, 0);
	cr_expect_eq(vhdx_compact(disk, NULL, NULL), VHDX_E_READ_ONLY);
	options.flags = 1u << 20;
	cr_expect_eq(vhdx_compact(disk, &options, NULL), VHDX_E_ARGUMENT);
	vhdx_close(disk);
	memfile_write(c.files[0], 512 + 1024 + 512, cookie, 8);
	disk = open_chain(&c, 1, VHDX_OPEN_WRITE);
	cr_expect_eq(vhdx_compact(disk, NULL, NULL), VHDX_E_UNSUPPORTED);
	vhdx_close(disk);
	end_chain(&c);
}
