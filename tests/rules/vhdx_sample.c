/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "rules/vhdx_sample.h"

struct recipe_vhdx_places at;

struct memfile *build(const struct recipe_vhdx *knobs)
{
	return recipe_vhdx_new(knobs, &at);
}

struct memfile *sample_of(struct recipe_vhdx knobs)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .seed = 5 } };

	knobs.blocks = blocks;
	knobs.block_count = 1;
	return build(&knobs);
}

struct memfile *sample(void)
{
	return sample_of((struct recipe_vhdx)RECIPE_VHDX_INIT);
}

struct memfile *sample_parent(void)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_block blocks[8];

	for (unsigned i = 0; i < 8; i++)
		blocks[i] = (struct recipe_block){ .index = i, .state = RECIPE_FULL, .seed = 1 };
	knobs.blocks = blocks;
	knobs.block_count = 8;
	return build(&knobs);
}

struct memfile *sample_child_of(const struct recipe_pair *pairs, size_t count)
{
	static const struct recipe_run runs[] = { { 3, 4 }, { 100, 1 } };
	static const struct recipe_block blocks[] = {
		{ .index = 1, .state = RECIPE_FULL, .seed = 2 },
		{ .index = 2, .state = RECIPE_PARTIAL, .seed = 2, .runs = runs, .run_count = 2 },
		{ .index = 3, .state = RECIPE_ZERO },
		{ .index = 4, .state = RECIPE_UNDEFINED },
		{ .index = 5, .state = RECIPE_UNMAPPED },
	};
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.blocks = blocks;
	knobs.block_count = 5;
	knobs.data_write_guid = recipe_guid(77);
	knobs.pairs = pairs;
	knobs.pair_count = count;
	return build(&knobs);
}

struct memfile *sample_child(void)
{
	static const struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", ".\\parent.vhdx" } };

	return sample_child_of(pairs, 2);
}

struct sample_pair sample_pair(void)
{
	struct memfile *parent = sample_parent();

	return (struct sample_pair){ sample_child(), parent };
}

void free_pair(struct sample_pair pair)
{
	memfile_free(pair.child);
	memfile_free(pair.parent);
}

void put_entry(struct memfile *m, uint64_t block, uint64_t entry)
{
	recipe_put(m, recipe_bat_place(&at, block), 8, entry);
}

uint64_t bitmap_of(const struct memfile *m)
{
	return recipe_get(m, recipe_bitmap_place(&at, 0), 8) & ~(MIB - 1);
}

struct memfile *sample_log(const struct recipe_entry *entries, size_t count)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.log_guid = recipe_guid(3);
	knobs.entries = entries;
	knobs.entry_count = count;
	return sample_of(knobs);
}

const uint8_t *sample_page(uint64_t offset, uint32_t seed)
{
	static uint8_t pages[64][4096];
	static unsigned next;
	uint8_t *page = pages[next++ % 64];

	recipe_pattern(page, 4096, MIB + offset, seed);
	return page;
}

struct recipe_descriptor sample_data(unsigned index, uint32_t seed)
{
	uint64_t offset = UINT64_C(4096) * index;

	return (struct recipe_descriptor){ .file_offset = SAMPLE_BLOCK + offset, .page = sample_page(offset, seed) };
}

void expect_page(struct memfile *m, unsigned index, uint32_t seed)
{
	expect_reads(m, MIB + UINT64_C(4096) * index, 4096, seed);
}

struct search {
	const char *rule;
	bool found;
};

static int on_field(void *context, const struct vhdx_field *field)
{
	struct search *search = context;

	search->found = search->found || strcmp(field->rule, search->rule) == 0;
	return 0;
}

static int on_finding(void *context, const struct vhdx_finding *finding)
{
	struct search *search = context;

	search->found = search->found || strcmp(finding->rule, search->rule) == 0;
	return 0;
}

static bool is_reported(struct memfile *m, const char *rule)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "inspected.vhdx");
	struct search search = { rule, false };
	struct vhdx_error error = { 0 };
	struct testenv env;

	testenv_start(&env, 1);
	options.env = &env.env;
	options.context = &search;
	options.on_field = on_field;
	options.on_finding = on_finding;
	cr_assert_eq(vhdx_inspect(&file, &options, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(testenv_live(&env), 0);
	return search.found;
}

void expect_reported(struct memfile *m, const char *rule)
{
	cr_assert(is_reported(m, rule), "%s is not reported", rule);
}

void expect_not_reported(struct memfile *m, const char *rule)
{
	cr_assert(!is_reported(m, rule), "%s is reported", rule);
}

struct vhdx_info sample_info(struct memfile *m)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	vhdx_disk *disk = NULL;

	cr_assert_eq(test_open_chain(&disk, &m, 1, VHDX_OPEN_NO_PARENTS, NULL), VHDX_OK);
	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	vhdx_close(disk);
	info.file_name = NULL; /* it lived as long as the disk */
	return info;
}
