/* SPDX-License-Identifier: MIT */
/*
 * Creation: every format, type, block size and sector size, opened again and compared with what went in. Layer: tests/public. Limits and refusals are
 * in create_limits.c, failures in create_faults.c.
 */
#include <stdlib.h>

#include "public/creating.h"
#include "support/chains.h"

/* Data at the beginning, across the first border of blocks, alone in the middle of a block, and up to the end. */
static size_t make_runs(struct content_run runs[4], uint64_t size, uint64_t block_size)
{
	uint64_t unit = block_size < 65536 ? block_size / 2 : 40000;
	size_t count = 0;

	runs[count++] = (struct content_run){ 0, unit / 2, 31 };
	if (size > block_size + unit)
		runs[count++] = (struct content_run){ block_size - unit / 4, unit / 2, 32 };
	if (size > 3 * block_size)
		runs[count++] = (struct content_run){ 2 * block_size + block_size / 2, unit / 8, 33 };
	if (size > block_size * 2)
		runs[count++] = (struct content_run){ size - 100, 100, 34 };
	return count;
}

static void expect_info(vhdx_disk *disk, const struct vhdx_create_options *o)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	bool vhdx = o->format == VHDX_FORMAT_VHDX;

	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	cr_expect(info.format == o->format && info.type == o->type && info.virtual_size == o->size);
	cr_expect(info.block_size == (!vhdx && o->type == VHDX_TYPE_FIXED ? 0 : o->block_size));
	cr_expect(info.logical_sector_size == (vhdx ? o->logical_sector_size : 512) &&
		  info.physical_sector_size == (vhdx ? o->physical_sector_size : 512));
	cr_expect(info.file_size == info.file_size / (vhdx ? RECIPE_MIB : 512) * (vhdx ? RECIPE_MIB : 512));
	if (vhdx)
		cr_expect(info.log_state == VHDX_LOG_CLEAN && info.log_length == RECIPE_MIB &&
			  strncmp(info.creator, "libvhdx ", 8) == 0);
	else
		cr_expect(info.created == TESTENV_NOW && info.original_size == o->size && info.footer_copy_used == 0);
}

static void expect_created(struct vhdx_create_options o, bool with_extent)
{
	struct content_run runs[4];
	struct content c = { .size = o.size, .runs = runs };
	struct vhdx_source source;
	struct memfile *m, *again;
	uint64_t table = o.size / (o.block_size != 0 ? o.block_size : RECIPE_MIB) * 8;
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk;

	c.count = make_runs(runs, o.size, o.block_size != 0 ? o.block_size : RECIPE_MIB);
	source = content_source(&c, with_extent);
	o.source = &source;
	m = create_or_die(o);
	cr_assert(c.complaint == NULL, "%s", c.complaint);
	cr_assert(with_extent || c.asked == c.size);
	disk = open_created(m);
	expect_info(disk, &o);
	content_expect(disk, &c);
	vhdx_close(disk);
	cr_expect(memfile_allocated(m) <= 12 * MEMFILE_PAGE + 2 * table + c.count * 4 * MEMFILE_PAGE, "%lu bytes are not sparse",
		  (unsigned long)memfile_allocated(m));
	source = content_source(&c, with_extent);
	again = create_in_memory(o, 1, &e); /* the same input gives the same bytes */
	cr_assert(again != NULL && memfile_equal(m, again, NULL));
	memfile_free(again);
	source = content_source(&c, with_extent);
	again = create_in_memory(o, 2, &e); /* other random numbers give other identifiers */
	cr_assert(again != NULL && !memfile_equal(m, again, NULL));
	memfile_free(again);
	memfile_free(m);
}

static void expect_vhdx(enum vhdx_type type, uint32_t block_size)
{
	static const uint32_t sectors[][2] = { { 512, 512 }, { 512, 4096 }, { 4096, 4096 } };

	for (unsigned s = 0; s < 3; s++)
		for (unsigned shape = 0; shape < 4; shape++) {
			struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
			const uint64_t sizes[] = { block_size * UINT64_C(4), block_size * UINT64_C(3) + 4096, block_size / 2,
						   block_size };

			o.format = VHDX_FORMAT_VHDX;
			o.type = type;
			o.size = sizes[shape];
			o.block_size = block_size;
			o.logical_sector_size = sectors[s][0];
			o.physical_sector_size = sectors[s][1];
			expect_created(o, true);
			if (o.size <= 8 * RECIPE_MIB)
				expect_created(o, false);
		}
}

Test(create, vhdx_dynamic)
{
	static const uint32_t sizes[] = { 1u << 20, 2u << 20, 32u << 20, 256u << 20 };

	for (unsigned i = 0; i < 4; i++)
		expect_vhdx(VHDX_TYPE_DYNAMIC, sizes[i]);
}

Test(create, vhdx_fixed)
{
	static const uint32_t sizes[] = { 1u << 20, 2u << 20, 32u << 20, 256u << 20 };

	for (unsigned i = 0; i < 4; i++)
		expect_vhdx(VHDX_TYPE_FIXED, sizes[i]);
}

static void expect_vhd(enum vhdx_type type, uint32_t block_size)
{
	const uint64_t unit = block_size != 0 ? block_size : RECIPE_MIB;
	const uint64_t sizes[] = { unit * 4, unit * 3 + 512, unit, 512 };

	for (unsigned shape = 0; shape < 4; shape++) {
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

		o.format = VHDX_FORMAT_VHD;
		o.type = type;
		o.size = sizes[shape];
		o.block_size = block_size;
		expect_created(o, true);
		if (o.size <= 8 * RECIPE_MIB)
			expect_created(o, false);
	}
}

Test(create, vhd_dynamic)
{
	for (uint32_t size = 512; size <= 256u << 20; size *= 2)
		expect_vhd(VHDX_TYPE_DYNAMIC, size);
}

Test(create, vhd_fixed)
{
	expect_vhd(VHDX_TYPE_FIXED, 0);
}

/* Blocks that are all data: thousands of them, in one file. */
Test(create, many_blocks)
{
	static const struct {
		enum vhdx_format format;
		uint32_t block_size;
		uint64_t size;
	} cases[] = {
		{ VHDX_FORMAT_VHD, 512, RECIPE_MIB },
		{ VHDX_FORMAT_VHD, 4096, 20 * RECIPE_MIB },
		{ VHDX_FORMAT_VHDX, 1u << 20, 40 * RECIPE_MIB },
	};

	for (unsigned i = 0; i < 3; i++) {
		struct content_run run = { 0, cases[i].size - 512, 9 };
		struct content c = { .size = cases[i].size, .runs = &run, .count = 1 };
		struct vhdx_source source = content_source(&c, i == 0);
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct vhdx_usage usage = VHDX_USAGE_INIT;
		struct memfile *m;
		vhdx_disk *disk;

		o.format = cases[i].format;
		o.block_size = cases[i].block_size;
		o.source = &source;
		m = create_or_die(o);
		disk = open_created(m);
		content_expect(disk, &c);
		cr_assert(vhdx_get_usage(disk, 0, &usage, NULL) == VHDX_OK);
		cr_expect(usage.blocks_damaged == 0 && usage.breaks == 0 && usage.blocks_absent == (cases[i].block_size == 512));
		vhdx_close(disk);
		memfile_free(m);
	}
}

/* B-20: data at the far end of the largest disks, and where 32 bits end. */
Test(create, largest_disks)
{
	static const struct {
		enum vhdx_format format;
		enum vhdx_type type;
		uint32_t block_size;
		uint64_t size;
	} cases[] = {
		{ VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 1u << 20, UINT64_C(64) << 40 },
		{ VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 256u << 20, UINT64_C(64) << 40 },
		{ VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 256u << 20, UINT64_C(64) << 40 },
		{ VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 2u << 20, UINT64_C(2040) << 30 },
		{ VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 0, UINT64_C(2040) << 30 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct content_run runs[] = { { 512, 512, 1 },
					      { (UINT64_C(1) << 32) - 512, 1024, 2 },
					      { (UINT64_C(1) << 40) - 4096, 8192, 3 },
					      { cases[i].size - 512, 512, 4 } };
		struct content c = { .size = cases[i].size, .runs = runs, .count = 4 };
		struct vhdx_source source = content_source(&c, true);
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct memfile *m;
		vhdx_disk *disk;

		o.format = cases[i].format;
		o.type = cases[i].type;
		o.block_size = cases[i].block_size;
		o.source = &source;
		m = create_or_die(o);
		disk = open_created(m);
		cr_expect(vhdx_disk_size(disk) == cases[i].size);
		for (unsigned r = 0; r < 4; r++) {
			expect_zeros(disk, runs[r].offset - 512, 512);
			expect_pattern(disk, runs[r].offset, runs[r].length, runs[r].seed);
			if (r != 3)
				expect_zeros(disk, runs[r].offset + runs[r].length, 512);
		}
		cr_expect(memfile_allocated(m) < 20 * RECIPE_MIB);
		vhdx_close(disk);
		memfile_free(m);
	}
}

/* A chain as the source gives one file with the same content, in every format. */
Test(create, from_a_chain)
{
	for (unsigned i = 0; i < 6; i++) {
		struct chain_plan plan = { .format = i % 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD,
					   .base = VHDX_TYPE_DYNAMIC,
					   .depth = 3,
					   .size = 8 * RECIPE_MIB,
					   .block_size = 1u << 20,
					   .blocks = 4,
					   .seed = 300 + i };
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct vhdx_source source;
		struct chain chain;
		struct memfile *m;
		vhdx_disk *disk, *copy;

		chain_build(&chain, &plan);
		disk = chain_open(&chain, 0);
		vhdx_disk_source(&source, disk);
		o.source = &source;
		o.format = i / 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD;
		o.type = i / 2 == 2 ? VHDX_TYPE_FIXED : VHDX_TYPE_DYNAMIC;
		m = create_or_die(o);
		copy = open_created(m);
		model_expect(&chain.model, copy);
		model_expect_extents(&chain.model, copy);
		vhdx_close(copy);
		vhdx_close(disk);
		memfile_free(m);
		chain_end(&chain);
	}
}

/* A source smaller than the disk, or no multiple of a sector; the rest is zeros. */
Test(create, from_a_smaller_source)
{
	static const uint64_t sizes[] = { 1, 511, 513, 4095, RECIPE_MIB - 1, RECIPE_MIB + 1, 3 * RECIPE_MIB };

	for (unsigned i = 0; i < 7 * 4; i++) {
		struct content_run run = { 0, sizes[i / 4], 6 };
		struct content c = { .size = sizes[i / 4], .runs = &run, .count = 1 };
		struct vhdx_source source = content_source(&c, i % 2 == 0);
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct memfile *m;
		vhdx_disk *disk;

		o.format = i % 4 < 2 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD;
		o.type = i % 3 == 0 ? VHDX_TYPE_FIXED : VHDX_TYPE_DYNAMIC;
		o.source = &source;
		o.size = i % 5 == 0 ? 4 * RECIPE_MIB : 0;
		m = create_or_die(o);
		cr_assert(c.complaint == NULL, "%s", c.complaint);
		disk = open_created(m);
		cr_expect(vhdx_disk_size(disk) == (o.size != 0 ? o.size : (c.size + 511) / 512 * 512));
		content_expect(disk, &c);
		vhdx_close(disk);
		memfile_free(m);
	}
}

/* Zeros that the source does not know to be zeros are found, and take no space. */
Test(create, zeros_are_found)
{
	struct content_run run = { 5 * RECIPE_MIB, 4096, 6 };
	struct content c = { .size = 64 * RECIPE_MIB, .runs = &run, .count = 1 };
	struct vhdx_source source = content_source(&c, false);
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct memfile *m;
	vhdx_disk *disk;

	o.source = &source;
	o.block_size = 1u << 20;
	m = create_or_die(o);
	disk = open_created(m);
	cr_assert(vhdx_get_usage(disk, 0, &usage, NULL) == VHDX_OK);
	cr_expect(usage.blocks_present == 1 && usage.blocks_absent == 63);
	vhdx_close(disk);
	memfile_free(m);
}

Test(create, preallocation)
{
	for (unsigned i = 0; i < 6; i++) {
		struct content_run run = { RECIPE_MIB, 5000, 6 };
		struct content c = { .size = 4 * RECIPE_MIB, .runs = &run, .count = 1 };
		struct vhdx_source source = content_source(&c, true);
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct memfile *m;
		vhdx_disk *disk;

		o.format = i % 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD;
		o.type = VHDX_TYPE_FIXED;
		o.block_size = i % 2 == 0 ? 1u << 20 : 0;
		o.preallocation = (enum vhdx_preallocation)(i / 2);
		o.source = &source;
		m = create_or_die(o);
		disk = open_created(m);
		content_expect(disk, &c);
		vhdx_close(disk);
		cr_expect((memfile_count(m, MEMFILE_RESERVE) != 0) == (o.preallocation == VHDX_PREALLOCATE_RESERVE));
		cr_expect((memfile_allocated(m) >= 4 * RECIPE_MIB) == (o.preallocation == VHDX_PREALLOCATE_FULL));
		memfile_free(m);
	}
}

/* Only the functions that a table must have. */
Test(create, in_a_minimal_file)
{
	for (unsigned i = 0; i < 2; i++) {
		struct content_run run = { RECIPE_MIB, 5000, 6 };
		struct content c = { .size = 4 * RECIPE_MIB, .runs = &run, .count = 1 };
		struct vhdx_source source = content_source(&c, true);
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct memfile *m = memfile_new();
		struct vhdx_error e = { .status = 0 };
		vhdx_disk *disk;

		memfile_set_minimal(m, true);
		memfile_set_short(m, 1000);
		o.format = i == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD;
		o.source = &source;
		cr_assert(create_into(m, o, &e) == VHDX_OK, "%s", e.message);
		disk = open_created(m);
		content_expect(disk, &c);
		vhdx_close(disk);
		memfile_free(m);
	}
}
