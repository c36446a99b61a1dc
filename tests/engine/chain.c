/* SPDX-License-Identifier: MIT */
/*
 * Chains of every mix against the flat model, and who may be whose parent. Layer: tests/engine. The parents are handed over; how they are found is
 * tested in resolver.c.
 */
#include <stdlib.h>

#include "support/chains.h"
#include "support/expect.h"

static void expect_chain(const struct chain_plan *plan)
{
	struct chain chain;
	uint64_t state = plan->seed + 1;
	vhdx_disk *disk;

	chain_build(&chain, plan);
	disk = chain_open(&chain, VHDX_OPEN_SEQUENTIAL);
	model_expect(&chain.model, disk);
	vhdx_close(disk);
	disk = chain_open(&chain, 0);
	cr_assert(vhdx_depth(disk) == plan->depth);
	model_expect_random(&chain.model, disk, 100, 100000, &state);
	model_expect_extents(&chain.model, disk);
	model_expect(&chain.model, disk);
	model_expect_random(&chain.model, disk, 100, 3000, &state); /* again, with caches and hints that know the disk */
	vhdx_close(disk);
	chain_end(&chain);
}

static void expect_mix(enum vhdx_format format, uint64_t size, uint32_t sector_size)
{
	static const unsigned depths[] = { 1, 2, 3, 5 };

	for (unsigned i = 0; i < 48; i++)
		expect_chain(&(struct chain_plan){ .format = format,
						   .base = i % 2 == 0 ? VHDX_TYPE_FIXED : VHDX_TYPE_DYNAMIC,
						   .depth = depths[i / 2 % 4],
						   .size = size,
						   .size_step = i % 3 == 0 ? 4096 : 0,
						   .logical_sector_size = sector_size,
						   .blocks = 8,
						   .seed = 1000 + i });
}

Test(chain, vhd_of_every_mix)
{
	expect_mix(VHDX_FORMAT_VHD, RECIPE_MIB, 0);
	expect_mix(VHDX_FORMAT_VHD, 9 * RECIPE_MIB, 0);
}

Test(chain, vhdx_of_every_mix)
{
	expect_mix(VHDX_FORMAT_VHDX, 12 * RECIPE_MIB, 512);
}

Test(chain, vhdx_of_every_mix_with_4096_byte_sectors)
{
	expect_mix(VHDX_FORMAT_VHDX, 12 * RECIPE_MIB, 4096);
}

/* B-19: children larger and smaller than their parents, in all orders. */
Test(chain, sizes_of_all_levels_differ)
{
	for (unsigned i = 0; i < 40; i++)
		expect_chain(&(struct chain_plan){ .format = i % 2 == 0 ? VHDX_FORMAT_VHD : VHDX_FORMAT_VHDX,
						   .base = VHDX_TYPE_DYNAMIC,
						   .depth = 4 + i % 3,
						   .size = 6 * RECIPE_MIB,
						   .size_step = 4096,
						   .blocks = 3,
						   .seed = 5000 + i });
}

/* What a grandparent holds beyond the end of the parent must not shine through. */
Test(chain, a_short_middle_hides_what_is_below_it)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct memfile *files[3];

	k.type = VHDX_TYPE_FIXED;
	k.size = 4 * RECIPE_MIB;
	k.fixed_seed = 9;
	k.unique_id = chain_identity(2);
	files[2] = recipe_vhd_new(&k, NULL);
	for (unsigned i = 2; i-- > 0;) {
		struct recipe_vhd child = RECIPE_VHD_INIT;

		child.type = VHDX_TYPE_DIFFERENCING;
		child.size = i == 1 ? RECIPE_MIB + 512 : 4 * RECIPE_MIB;
		child.unique_id = chain_identity(i);
		child.parent_unique_id = chain_identity(i + 1);
		files[i] = recipe_vhd_new(&child, NULL);
	}
	EXPECT_OK(check_reads(files, 3, 0, 0, RECIPE_MIB + 512, 9));
	EXPECT_OK(check_reads(files, 3, 0, RECIPE_MIB + 512, 3 * RECIPE_MIB - 512, 0));
	for (unsigned i = 0; i < 3; i++)
		memfile_free(files[i]);
}

static void expect_depth(enum vhdx_format format, unsigned depth)
{
	expect_chain(&(struct chain_plan){ .format = format,
					   .base = VHDX_TYPE_DYNAMIC,
					   .depth = depth,
					   .size = 4 * RECIPE_MIB,
					   .blocks = 1,
					   .block_size = 1u << 20,
					   .seed = depth });
}

Test(chain, depth_64)
{
	expect_depth(VHDX_FORMAT_VHD, 64);
	expect_depth(VHDX_FORMAT_VHDX, 64);
}

Test(chain, depth_255_and_256)
{
	expect_depth(VHDX_FORMAT_VHD, 255);
	expect_depth(VHDX_FORMAT_VHD, 256);
	expect_depth(VHDX_FORMAT_VHDX, 256);
}

Test(chain, depth_257_is_refused)
{
	static const enum vhdx_format formats[] = { VHDX_FORMAT_VHD, VHDX_FORMAT_VHDX };

	for (unsigned i = 0; i < 2; i++) {
		struct chain_plan plan = { .format = formats[i],
					   .base = VHDX_TYPE_DYNAMIC,
					   .depth = 257,
					   .size = 4 * RECIPE_MIB,
					   .block_size = 1u << 20 };
		struct chain chain;

		chain_build(&chain, &plan);
		EXPECT_OK(check_open_fails(chain.files, 257, 0, VHDX_E_CHAIN, ""));
		cr_expect(memfile_count(chain.files[256], MEMFILE_READ) == 0, "the file too many is not looked at");
		EXPECT_OK(check_opens(chain.files, 1, VHDX_OPEN_NO_PARENTS));
		chain_end(&chain);
	}
}

static struct chain_plan pair_plan(enum vhdx_format format)
{
	return (struct chain_plan){ .format = format,
				    .base = VHDX_TYPE_DYNAMIC,
				    .depth = 2,
				    .size = 8 * RECIPE_MIB,
				    .block_size = 1u << 20,
				    .blocks = 5,
				    .seed = 77 };
}

/* One file alone says what it holds and what its parent would; it never invents the rest. */
static void expect_alone(enum vhdx_format format)
{
	struct chain_plan plan = pair_plan(format);
	struct vhdx_error e = { .status = 0 };
	uint64_t offset = 0, left_out = 0;
	struct chain chain;
	vhdx_disk *disk = NULL;

	chain_build(&chain, &plan);
	cr_assert(test_open_chain(&disk, chain.files, 1, VHDX_OPEN_NO_PARENTS, &e) == VHDX_OK);
	cr_expect(vhdx_depth(disk) == 1 && vhdx_level_file(disk, 1) == NULL);
	while (offset < plan.size) {
		struct vhdx_extent extent;
		uint8_t byte;

		cr_assert(vhdx_get_extent(disk, &extent, offset, plan.size - offset, &e) == VHDX_OK);
		if (extent.kind == VHDX_EXTENT_PARENT) {
			left_out += extent.length;
			cr_assert(vhdx_read(disk, &byte, 1, offset, &e) == VHDX_E_PARENT_MISSING);
			cr_assert(vhdx_read(disk, &byte, 1, offset + extent.length - 1, &e) == VHDX_E_PARENT_MISSING);
		} else {
			cr_assert(extent.kind == VHDX_EXTENT_DATA || extent.kind == VHDX_EXTENT_ZERO);
			model_expect_read(&chain.model, disk, (size_t)extent.length, offset);
		}
		offset += extent.length;
	}
	cr_expect(left_out != 0 && left_out < plan.size);
	vhdx_close(disk);
	cr_expect(memfile_count(chain.files[1], MEMFILE_READ) + memfile_count(chain.files[1], MEMFILE_GET_SIZE) == 0);
	chain_end(&chain);
}

Test(chain, vhd_alone)
{
	expect_alone(VHDX_FORMAT_VHD);
}

Test(chain, vhdx_alone)
{
	expect_alone(VHDX_FORMAT_VHDX);
}

/* Who closes: on success the disk, each file once; on failure nobody but the caller. */
Test(chain, handles_of_explicit_parents)
{
	struct chain_plan plan = pair_plan(VHDX_FORMAT_VHDX);
	struct chain chain;
	vhdx_disk *disk;

	plan.depth = 4;
	chain_build(&chain, &plan);
	disk = chain_open(&chain, 0);
	for (unsigned i = 0; i < 4; i++)
		cr_expect(memfile_count(chain.files[i], MEMFILE_CLOSE) == 0);
	vhdx_close(disk);
	for (unsigned i = 0; i < 4; i++)
		cr_expect(memfile_count(chain.files[i], MEMFILE_CLOSE) == 1, "level %u", i);
	recipe_put_headers(chain.files[3], 32, 4, 0x12345678); /* the last one has another DataWriteGuid now */
	EXPECT_OK(check_open_fails(chain.files, 4, 0, VHDX_E_PARENT_MISMATCH, "VHDX-184"));
	for (unsigned i = 0; i < 4; i++)
		cr_expect(memfile_count(chain.files[i], MEMFILE_CLOSE) == 1, "level %u", i);
	EXPECT_OK(check_opens(chain.files, 4, VHDX_OPEN_IGNORE_PARENT_IDENTITY));
	chain_end(&chain);
}

Test(chain, too_many_explicit_parents)
{
	struct chain_plan plan = pair_plan(VHDX_FORMAT_VHD);
	struct memfile *files[3];
	struct chain chain;

	chain_build(&chain, &plan);
	files[0] = chain.files[0], files[1] = chain.files[1], files[2] = memfile_copy(chain.files[1]);
	EXPECT_OK(check_open_fails(files, 3, 0, VHDX_E_ARGUMENT, ""));
	EXPECT_OK(check_opens(files, 2, 0));
	EXPECT_OK(check_open_fails(files + 1, 2, 0, VHDX_E_ARGUMENT, ""));
	memfile_free(files[2]);
	chain_end(&chain);
}

/* An open_parent callback over a chain in memory: it offers the file below the child that asks. */
struct provider {
	struct chain *chain;
	unsigned calls;
	unsigned last_level;
	int answer; /* returned instead of looking, when not 0 */
	bool twice; /* offers a second file after the first was accepted */
	int second;
};

static int provide(void *context, struct vhdx_parent_request *request, struct vhdx_error *error)
{
	struct provider *p = context;
	struct vhdx_file file = memfile_file(p->chain->files[request->child_level + 1], "provided");
	int status;

	(void)error;
	p->calls++;
	p->last_level = request->child_level;
	if (p->answer != 0)
		return p->answer;
	status = vhdx_parent_offer(request, &file);
	cr_assert(file.handle == NULL && file.io == NULL, "the file was handed over");
	if (p->twice) {
		file = memfile_file(p->chain->files[0], "one more");
		p->second = vhdx_parent_offer(request, &file);
	}
	return status < 0 ? status : VHDX_OK;
}

Test(chain, callback_for_what_the_list_lacks)
{
	struct chain_plan plan = pair_plan(VHDX_FORMAT_VHDX);
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file top, parents[2];
	struct provider provider = { 0 };
	struct chain chain;
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	plan.depth = 6;
	chain_build(&chain, &plan);
	top = memfile_file(chain.files[0], "top");
	parents[0] = memfile_file(chain.files[1], "first");
	parents[1] = memfile_file(chain.files[2], "second");
	provider.chain = &chain;
	options.parents = parents;
	options.parent_count = 2;
	options.open_parent = provide;
	options.open_parent_context = &provider;
	cr_assert(vhdx_open_file(&disk, &top, &options, &e) == VHDX_OK, "%s", e.message);
	cr_expect(provider.calls == 3 && provider.last_level == 4);
	model_expect(&chain.model, disk);
	vhdx_close(disk);
	for (unsigned i = 0; i < 6; i++)
		cr_expect(memfile_count(chain.files[i], MEMFILE_CLOSE) == 1, "level %u", i);
	chain_end(&chain);
}

Test(chain, what_a_callback_may_do)
{
	struct chain_plan plan = pair_plan(VHDX_FORMAT_VHD);
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct provider provider = { 0 };
	struct vhdx_error e = { .status = 0 };
	struct vhdx_file top;
	struct chain chain;
	vhdx_disk *disk = NULL;

	chain_build(&chain, &plan);
	provider.chain = &chain;
	top = memfile_file(chain.files[0], "top");
	options.open_parent = provide;
	options.open_parent_context = &provider;
	provider.answer = VHDX_E_CANCELLED; /* it may end the open, saying nothing */
	cr_expect(vhdx_open_file(&disk, &top, &options, &e) == VHDX_E_CANCELLED && e.status == VHDX_E_CANCELLED &&
		  e.message[0] != '\0');
	cr_expect_str_eq(e.file, "top");
	cr_expect(memfile_count(chain.files[0], MEMFILE_CLOSE) == 0);
	provider.answer = 0;
	provider.twice = true; /* a second one after the first was taken is refused, and closed all the same */
	cr_assert(vhdx_open_file(&disk, &top, &options, &e) == VHDX_OK, "%s", e.message);
	cr_expect(provider.second == VHDX_E_ARGUMENT && memfile_count(chain.files[0], MEMFILE_CLOSE) == 1);
	model_expect(&chain.model, disk);
	vhdx_close(disk);
	cr_expect(memfile_count(chain.files[0], MEMFILE_CLOSE) == 2 && memfile_count(chain.files[1], MEMFILE_CLOSE) == 1);
	chain_end(&chain);
}

Test(chain, sector_sizes_must_be_equal)
{
	struct recipe_pair pairs[] = { { "parent_linkage", "{00000000-0000-0000-0000-000000000001}" }, { "relative_path", "p" } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct memfile *child, *parent[2];

	k.data_write_guid = recipe_guid_text("00000000-0000-0000-0000-000000000001");
	parent[0] = recipe_vhdx_new(&k, NULL);
	k.logical_sector_size = 4096;
	parent[1] = recipe_vhdx_new(&k, NULL);
	k.data_write_guid = recipe_guid(3);
	k.type = VHDX_TYPE_DIFFERENCING;
	k.pairs = pairs;
	k.pair_count = 2;
	child = recipe_vhdx_new(&k, NULL);
	expect_pair_opens(child, parent[1]);
	expect_pair_fails(child, parent[0], VHDX_E_PARENT_MISMATCH, "VHDX-170");
	memfile_free(child);
	memfile_free(parent[0]);
	memfile_free(parent[1]);
}

Test(chain, formats_do_not_mix)
{
	struct chain_plan vhd = pair_plan(VHDX_FORMAT_VHD), vhdx = pair_plan(VHDX_FORMAT_VHDX);
	struct chain a, b;

	chain_build(&a, &vhd);
	chain_build(&b, &vhdx);
	expect_pair_opens(a.files[0], a.files[1]);
	expect_pair_opens(b.files[0], b.files[1]);
	expect_pair_fails(a.files[0], b.files[1], VHDX_E_PARENT_MISMATCH, "VHD-089");
	expect_pair_fails(b.files[0], a.files[1], VHDX_E_PARENT_MISMATCH, "VHDX-174");
	chain_end(&a);
	chain_end(&b);
}

/* B-32. Level n is offered as the parent of level n - 1; the files say that they belong together in a ring. */
static void expect_cycle(enum vhdx_format format, unsigned length)
{
	struct chain_plan plan = pair_plan(format);
	struct memfile *files[5];
	struct chain chain;

	plan.depth = length + 1; /* the base is not used: its place takes the top */
	plan.blocks = 0;
	chain_build(&chain, &plan);
	if (format == VHDX_FORMAT_VHD) {
		memfile_write(chain.files[length - 1], 512 + 40, chain_identity(0).bytes, 16);
		recipe_fix_dynamic(chain.files[length - 1], 512);
	} else {
		struct vhdx_guid guid = chain_identity(length);

		for (unsigned slot = 0; slot < 2; slot++) {
			recipe_put_guid(chain.files[0], RECIPE_HEADER(slot) + 32, &guid);
			recipe_fix_header(chain.files[0], slot);
		}
	}
	for (unsigned i = 0; i < 5; i++)
		files[i] = chain.files[i % length];
	EXPECT_OK(check_open_fails(files, length + 1, 0, VHDX_E_CHAIN, ""));
	chain_end(&chain);
}

Test(chain, cycles_are_found)
{
	for (unsigned length = 1; length <= 3; length++) {
		expect_cycle(VHDX_FORMAT_VHD, length);
		expect_cycle(VHDX_FORMAT_VHDX, length);
	}
}

/* An error names the file and the level in which it lies. */
Test(chain, errors_name_the_level)
{
	struct recipe_vhd_block block = { .index = 0, .seed = 1 };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places places;
	struct vhdx_error e = { .status = 0 };
	struct memfile *files[2];
	vhdx_disk *disk = NULL;
	uint8_t byte;

	k.blocks = &block;
	k.block_count = 1;
	k.unique_id = chain_identity(1);
	files[1] = recipe_vhd_new(&k, &places);
	recipe_put_be(files[1], places.bat, 4, 0x7FFFFFFF);
	k.type = VHDX_TYPE_DIFFERENCING;
	k.parent_unique_id = chain_identity(1);
	k.block_count = 0;
	files[0] = recipe_vhd_new(&k, NULL);
	cr_assert(test_open_chain(&disk, files, 2, 0, &e) == VHDX_OK);
	cr_expect(vhdx_read(disk, &byte, 1, 0, &e) == VHDX_E_DAMAGED);
	cr_expect(e.level == 1 && e.file_offset == places.bat);
	cr_expect_str_eq(e.file, "parent.img");
	cr_expect_str_eq(e.rule, "VHD-070");
	memfile_fail(files[1], MEMFILE_READ, 1, VHDX_E_IO, true);
	cr_expect(vhdx_read(disk, &byte, 1, 4 << 20, &e) == VHDX_OK, "its BAT is in the cache");
	vhdx_close(disk);
	memfile_free(files[0]);
	memfile_free(files[1]);
}
