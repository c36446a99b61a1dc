/* SPDX-License-Identifier: MIT */
#include "compacting.h"

uint64_t pick(uint64_t *state, uint64_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % below;
}

vhdx_disk *open_chain(const struct chain *c, unsigned depth, unsigned flags)
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

void add_level(struct chain *c, uint64_t size, uint32_t block_size)
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

void put(struct chain *c, vhdx_disk *disk, uint64_t offset, uint64_t length, uint32_t seed)
{
	uint8_t *bytes = malloc(length);

	recipe_pattern(bytes, length, offset, seed);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	model_set(&c->model, offset, length, seed);
	free(bytes);
}

static int count_errors(void *context, const struct vhdx_finding *finding)
{
	*(unsigned *)context += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

void expect_sound(struct memfile *image)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk");
	unsigned errors = 0;

	options.context = &errors;
	options.on_finding = count_errors;
	cr_expect_eq(vhdx_inspect(&file, &options, NULL), VHDX_OK);
	cr_expect_eq(errors, 0);
}

struct vhdx_compact_result compact(vhdx_disk *disk, unsigned flags)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct vhdx_compact_result result = VHDX_COMPACT_RESULT_INIT;
	struct vhdx_error error;

	options.flags = flags;
	options.result = &result;
	cr_assert_eq(vhdx_compact(disk, &options, &error), VHDX_OK, "%s", error.message);
	return result;
}

struct vhdx_guid identity(vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	return info.data_identity;
}

static void expect_order(vhdx_disk *disk, const struct vhdx_compact_result *result)
{
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_extent extent;
	uint64_t last = 0;

	cr_assert_eq(vhdx_get_usage(disk, 0, &usage, NULL), VHDX_OK);
	cr_expect_eq(usage.runs, result->runs_after);
	cr_expect_leq(result->runs_after, result->runs_before);
	for (uint64_t at = 0; at < vhdx_disk_size(disk); at += extent.length) {
		cr_assert_eq(vhdx_get_extent(disk, &extent, at, vhdx_disk_size(disk) - at, NULL), VHDX_OK);
		if (extent.kind != VHDX_EXTENT_DATA || extent.level != 0)
			continue;
		cr_expect_gt(extent.file_offset, last, "at %llu", (unsigned long long)at);
		last = extent.file_offset;
	}
}

static void expect_compaction_with(struct chain *c, unsigned flags)
{
	struct memfile *leaf = c->files[c->depth - 1], *twice;
	uint64_t before = memfile_size(leaf);
	vhdx_disk *disk = open_chain(c, c->depth, 0);
	struct vhdx_compact_result estimate = compact(disk, flags | VHDX_COMPACT_ESTIMATE), result;
	struct vhdx_guid id = identity(disk), same;

	vhdx_close(disk);
	disk = open_chain(c, c->depth, VHDX_OPEN_WRITE);
	result = compact(disk, flags | VHDX_COMPACT_ESTIMATE);
	cr_expect_eq(memcmp(&estimate, &result, sizeof(result)), 0);
	result = compact(disk, flags);
	cr_expect_eq(memcmp(&estimate, &result, sizeof(result)), 0);
	cr_expect_eq(result.bytes_before, before);
	model_expect(&c->model, disk);
	model_expect_random(&c->model, disk, 50, 5000000, &c->state);
	if (flags != 0)
		expect_order(disk, &result);
	same = identity(disk);
	cr_expect_eq(memcmp(&id, &same, sizeof(id)), 0, "the children would be lost");
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_eq(memfile_size(leaf), result.bytes_after);
	expect_sound(leaf);

	twice = memfile_copy(leaf);
	disk = open_chain(c, c->depth, VHDX_OPEN_WRITE);
	result = compact(disk, flags);
	cr_expect_eq(result.blocks_moved + result.blocks_zero + result.blocks_equal + result.bitmap_blocks + result.anchors, 0);
	cr_expect_eq(result.bytes_after, memfile_size(leaf));
	model_expect(&c->model, disk);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect(memfile_equal(twice, leaf, NULL), "a second run writes");
	memfile_free(twice);
}

void expect_compaction(struct chain *c)
{
	expect_compaction_with(c, 0);
}

void expect_defrag(struct chain *c)
{
	expect_compaction_with(c, VHDX_COMPACT_DEFRAG);
}

void end_chain(struct chain *c)
{
	for (unsigned i = 0; i < c->depth; i++)
		memfile_free(c->files[i]);
	model_end(&c->model);
}
