/* SPDX-License-Identifier: MIT */
#include "support/chains.h"

#include <stdio.h>
#include <string.h>

#include "support/expect.h"

enum { MAX_BLOCKS = 24, MAX_RUNS = 8 };

/* What one level is made of. */
struct level {
	const struct chain_plan *plan;
	unsigned number; /* 0 is the top */
	bool is_base;
	uint64_t size;
	uint32_t block_size;
	uint32_t sector_size;
	uint32_t seed; /* of what counts */
	uint32_t junk; /* of what does not */
	struct recipe_run runs[MAX_BLOCKS][MAX_RUNS];
};

struct vhdx_guid chain_identity(unsigned level)
{
	struct vhdx_guid guid = recipe_guid(1);

	guid.bytes[0] = (uint8_t)(level >> 8);
	guid.bytes[1] = (uint8_t)level;
	return guid;
}

/* Sorted, apart, and with a gap between them. */
static size_t make_runs(struct recipe_run *runs, uint32_t sectors, uint64_t *state)
{
	size_t count = 1 + (size_t)test_random_below(state, MAX_RUNS);
	uint32_t at = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t room = sectors - at, span = room / (uint32_t)(count - i);

		if (room == 0)
			return i;
		runs[i].first = at + (uint32_t)test_random_below(state, span / 2 + 1);
		runs[i].count = 1 + (uint32_t)test_random_below(state, span / 2 + 1);
		if (runs[i].first >= sectors)
			return i;
		if (runs[i].count > sectors - runs[i].first)
			runs[i].count = sectors - runs[i].first;
		at = runs[i].first + runs[i].count + 1;
		if (at >= sectors)
			return i + 1;
	}
	return count;
}

/* Different blocks of the disk, in random order. */
static size_t pick_blocks(uint64_t *out, const struct level *l, uint64_t *state)
{
	uint64_t all = (l->size + l->block_size - 1) / l->block_size;
	size_t wanted = l->plan->blocks < MAX_BLOCKS ? l->plan->blocks : MAX_BLOCKS, count = 0;

	for (unsigned tries = 0; count < wanted && tries < 200; tries++) {
		uint64_t index = test_random_below(state, all);
		bool taken = false;

		for (size_t i = 0; i < count; i++)
			taken |= out[i] == index;
		if (!taken)
			out[count++] = index;
	}
	return count;
}

static void set_runs(struct model *model, const struct level *l, uint64_t block, const struct recipe_run *runs, size_t count,
		     uint32_t seed)
{
	for (size_t r = 0; r < count; r++)
		model_set(model, block * l->block_size + runs[r].first * (uint64_t)l->sector_size,
			  runs[r].count * (uint64_t)l->sector_size, seed);
}

static void fill_runs(struct memfile *m, const struct level *l, uint64_t file_offset, uint64_t block,
		      const struct recipe_run *runs, size_t count)
{
	for (size_t r = 0; r < count; r++) {
		uint64_t at = runs[r].first * (uint64_t)l->sector_size;

		recipe_fill(m, file_offset + at, runs[r].count * (uint64_t)l->sector_size, block * l->block_size + at, l->seed);
	}
}

/* One sector that no bit claims, behind each run where there is one. */
static void fill_junk(struct memfile *m, const struct level *l, uint64_t file_offset, const struct recipe_run *runs, size_t count)
{
	for (size_t r = 0; r < count; r++) {
		uint64_t at = (runs[r].first + runs[r].count) * (uint64_t)l->sector_size;

		if (at < l->block_size)
			recipe_fill(m, file_offset + at, l->sector_size, at, l->junk);
		if (runs[r].first != 0 && (r == 0 || runs[r].first > runs[r - 1].first + runs[r - 1].count))
			recipe_fill(m, file_offset + (runs[r].first - 1) * (uint64_t)l->sector_size, l->sector_size, at, l->junk);
	}
}

static struct memfile *build_vhdx(struct level *l, struct model *model, uint64_t *state)
{
	static const struct recipe_pair pairs[] = { { "parent_linkage", "" }, { "relative_path", ".\\parent.vhdx" } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;
	struct recipe_block blocks[MAX_BLOCKS];
	struct recipe_pair own_pairs[2] = { pairs[0], pairs[1] };
	struct vhdx_guid parent = chain_identity(l->number + 1);
	char linkage[40], text[VHDX_GUID_TEXT_SIZE];
	uint64_t indexes[MAX_BLOCKS];
	size_t count = pick_blocks(indexes, l, state);
	struct memfile *m;

	k.size = l->size;
	k.block_size = l->block_size;
	k.logical_sector_size = l->sector_size;
	k.type = l->is_base ? l->plan->base : VHDX_TYPE_DIFFERENCING;
	k.data_write_guid = chain_identity(l->number);
	vhdx_guid_format(&parent, text);
	(void)snprintf(linkage, sizeof(linkage), "{%s}", text);
	own_pairs[0].value = linkage;
	k.pairs = own_pairs;
	k.pair_count = l->is_base ? 0 : 2;
	for (size_t i = 0; i < count; i++) {
		static const unsigned states[] = { RECIPE_FULL, RECIPE_PARTIAL,  RECIPE_PARTIAL,
						   RECIPE_ZERO, RECIPE_UNMAPPED, RECIPE_UNDEFINED };
		unsigned state_of = states[test_random_below(state, 6)];

		if (l->is_base && state_of == RECIPE_PARTIAL)
			state_of = RECIPE_FULL;
		blocks[i] = (struct recipe_block){ .index = indexes[i], .state = state_of, .runs = l->runs[i] };
		blocks[i].run_count = make_runs(l->runs[i], l->block_size / l->sector_size, state);
		if (state_of != RECIPE_PARTIAL)
			model_set(model, indexes[i] * l->block_size, l->block_size, 0);
		if (state_of >= RECIPE_FULL)
			set_runs(model, l, indexes[i], l->runs[i], blocks[i].run_count, l->seed);
	}
	k.blocks = blocks;
	k.block_count = count;
	m = recipe_vhdx_new(&k, &places);
	for (size_t i = 0; i < count; i++) {
		uint64_t at = recipe_get(m, recipe_bat_place(&places, indexes[i]), 8) & ~UINT64_C(0xFFFFF);

		if (blocks[i].state == RECIPE_PARTIAL)
			fill_junk(m, l, at, l->runs[i], blocks[i].run_count);
		if (blocks[i].state >= RECIPE_FULL)
			fill_runs(m, l, at, indexes[i], l->runs[i], blocks[i].run_count);
	}
	return m;
}

static struct memfile *build_vhd(struct level *l, struct model *model, uint64_t *state)
{
	static const struct recipe_vhd_locator locator = { .code = "W2ru", .text = ".\\parent.vhd" };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places places;
	struct recipe_vhd_block blocks[MAX_BLOCKS];
	uint64_t indexes[MAX_BLOCKS];
	size_t count = pick_blocks(indexes, l, state);
	bool fixed = l->is_base && l->plan->base == VHDX_TYPE_FIXED;
	struct memfile *m;

	k.size = l->size;
	k.block_size = l->block_size;
	k.type = l->is_base ? l->plan->base : VHDX_TYPE_DIFFERENCING;
	k.unique_id = chain_identity(l->number);
	if (!l->is_base) {
		k.parent_unique_id = chain_identity(l->number + 1);
		k.locators = &locator;
		k.locator_count = 1;
	}
	for (size_t i = 0; i < count; i++) {
		blocks[i] = (struct recipe_vhd_block){ .index = (uint32_t)indexes[i], .runs = l->runs[i] };
		blocks[i].run_count = make_runs(l->runs[i], l->block_size / 512, state);
		set_runs(model, l, indexes[i], l->runs[i], blocks[i].run_count, l->seed);
	}
	k.blocks = blocks;
	k.block_count = fixed ? 0 : count;
	m = recipe_vhd_new(&k, &places);
	for (size_t i = 0; i < count; i++) {
		uint64_t at = fixed ? indexes[i] * l->block_size : places.blocks[i] + places.bitmap_size;

		if (fixed) /* the disk may end inside the block; its footer must not be written over */
			for (uint64_t s = indexes[i] * l->block_size; s < (indexes[i] + 1) * l->block_size && s < l->size;
			     s += 512)
				recipe_fill(m, s, 512, s, model->seeds[s / 512]);
		else
			fill_junk(m, l, at, l->runs[i], blocks[i].run_count),
				fill_runs(m, l, at, indexes[i], l->runs[i], blocks[i].run_count);
	}
	return m;
}

static uint32_t pick_block_size(const struct chain_plan *plan, uint64_t *state)
{
	if (plan->block_size != 0)
		return plan->block_size;
	if (plan->format == VHDX_FORMAT_VHDX)
		return (uint32_t)1 << (20 + test_random_below(state, 4));
	return (uint32_t)512 << (test_random_below(state, 2) == 0 ? 6 + test_random_below(state, 8)
								  : test_random_below(state, 12));
}

void chain_build(struct chain *chain, const struct chain_plan *plan)
{
	uint64_t state = plan->seed;
	static struct level l; /* large for a stack */

	cr_assert(plan->depth >= 1 && plan->depth <= CHAIN_MAX);
	chain->depth = plan->depth;
	model_start(&chain->model, plan->size);
	for (unsigned i = plan->depth; i-- > 0;) {
		l = (struct level){ .plan = plan, .number = i, .is_base = i + 1 == plan->depth, .size = plan->size };
		l.sector_size = plan->logical_sector_size != 0 ? plan->logical_sector_size : 512;
		l.block_size = pick_block_size(plan, &state);
		if (plan->size_step != 0)
			l.size = plan->size / 2 + plan->size_step * test_random_below(&state, plan->size / plan->size_step);
		l.seed = i + 1;
		l.junk = 0x10000 + i;
		model_resize(&chain->model, l.size);
		chain->files[i] = plan->format == VHDX_FORMAT_VHDX ? build_vhdx(&l, &chain->model, &state)
								   : build_vhd(&l, &chain->model, &state);
	}
}

void chain_end(struct chain *chain)
{
	for (unsigned i = 0; i < chain->depth; i++)
		memfile_free(chain->files[i]);
	model_end(&chain->model);
}

vhdx_disk *chain_open(const struct chain *chain, unsigned flags)
{
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	cr_assert(test_open_chain(&disk, chain->files, chain->depth, flags, &e) == VHDX_OK, "%s: level %u: %s %s", e.file,
		  e.level, e.rule, e.message);
	return disk;
}
