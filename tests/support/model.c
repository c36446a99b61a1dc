/* SPDX-License-Identifier: MIT */
#include "support/model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "support/expect.h"

void model_start(struct model *model, uint64_t size)
{
	model->size = size;
	model->seeds = calloc((size_t)(size / 512) + 1, sizeof(*model->seeds));
	cr_assert(model->seeds != NULL);
}

void model_end(struct model *model)
{
	free(model->seeds);
	model->seeds = NULL;
}

void model_resize(struct model *model, uint64_t size)
{
	struct model other;

	model_start(&other, size);
	memcpy(other.seeds, model->seeds, (size_t)((size < model->size ? size : model->size) / 512) * sizeof(*model->seeds));
	model_end(model);
	*model = other;
}

void model_set(struct model *model, uint64_t offset, uint64_t length, uint32_t seed)
{
	for (uint64_t at = offset; at < offset + length && at < model->size; at += 512)
		model->seeds[at / 512] = seed;
}

void model_bytes(const struct model *model, void *buffer, size_t length, uint64_t offset)
{
	uint8_t *out = buffer;

	while (length != 0) {
		size_t part = 512 - (size_t)(offset % 512);

		part = part < length ? part : length;
		recipe_pattern(out, part, offset, model->seeds[offset / 512]);
		out += part;
		offset += part;
		length -= part;
	}
}

static void expect_bytes(const struct model *model, const uint8_t *found, size_t length, uint64_t offset, const char *what)
{
	uint8_t *expected = malloc(length + 1);

	cr_assert(expected != NULL);
	model_bytes(model, expected, length, offset);
	if (memcmp(found, expected, length) != 0) {
		size_t at = 0;

		while (found[at] == expected[at])
			at++;
		cr_assert_fail("%s of %zu bytes at 0x%" PRIx64 ": byte 0x%" PRIx64 " is 0x%02x, not 0x%02x of pattern %" PRIu32,
			       what, length, offset, offset + at, found[at], expected[at], model->seeds[(offset + at) / 512]);
	}
	free(expected);
}

void model_expect_read(const struct model *model, vhdx_disk *disk, size_t length, uint64_t offset)
{
	struct vhdx_error e = { .status = 0 };
	uint8_t *found = malloc(length + 2);

	cr_assert(found != NULL);
	memset(found, 0x5A, length + 2);
	cr_assert(vhdx_read(disk, found + 1, length, offset, &e) == VHDX_OK, "read of %zu at 0x%" PRIx64 ": %s %s", length,
		  offset, e.rule, e.message);
	cr_assert(found[0] == 0x5A && found[length + 1] == 0x5A, "it wrote outside of the buffer");
	expect_bytes(model, found + 1, length, offset, "read");
	free(found);
}

void model_expect(const struct model *model, vhdx_disk *disk)
{
	size_t piece = 3 * 1024 * 1024 + 1;

	cr_assert(vhdx_disk_size(disk) == model->size);
	for (uint64_t at = 0; at < model->size; at += piece)
		model_expect_read(model, disk, model->size - at < piece ? (size_t)(model->size - at) : piece, at);
}

void model_expect_random(const struct model *model, vhdx_disk *disk, unsigned count, size_t longest, uint64_t *state)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = test_random_below(state, model->size), left = model->size - offset;

		if (i % 3 == 0) /* around the ends of blocks and sectors */
			offset = offset / 65536 * 65536 + (i % 2 == 0 ? 0 : 65535), left = model->size - offset;
		if (offset >= model->size)
			continue;
		model_expect_read(model, disk, (size_t)test_random_below(state, (left < longest ? left : longest) + 1), offset);
	}
}

static void expect_in_file(const struct model *model, vhdx_disk *disk, const struct vhdx_extent *extent)
{
	const struct vhdx_file *file = vhdx_level_file(disk, extent->level);
	size_t length = extent->length < 65536 ? (size_t)extent->length : 65536;
	struct vhdx_error e = { .status = 0 };
	uint8_t *found = malloc(length);
	int64_t done = 0;

	cr_assert(file != NULL && found != NULL);
	while ((size_t)done < length) {
		int64_t moved = file->io->read(file->handle, found + done, length - (size_t)done,
					       extent->file_offset + (uint64_t)done, &e);

		cr_assert(moved > 0, "0x%" PRIx64 " of level %u is outside of its file", extent->file_offset, extent->level);
		done += moved;
	}
	expect_bytes(model, found, length, extent->disk_offset, "extent");
	free(found);
}

void model_expect_extents(const struct model *model, vhdx_disk *disk)
{
	struct vhdx_error e = { .status = 0 };
	uint64_t offset = 0;

	while (offset < model->size) {
		struct vhdx_extent extent;

		memset(&extent, 0x5A, sizeof(extent));
		cr_assert(vhdx_get_extent(disk, &extent, offset, model->size - offset, &e) == VHDX_OK, "%s", e.message);
		cr_assert(extent.disk_offset == offset && extent.length != 0 && extent.length <= model->size - offset);
		cr_assert(extent.level < vhdx_depth(disk));
		if (extent.kind == VHDX_EXTENT_DATA && !extent.in_memory)
			expect_in_file(model, disk, &extent);
		if (extent.kind != VHDX_EXTENT_DATA)
			for (uint64_t at = offset; at < offset + extent.length; at += 512)
				cr_assert(model->seeds[at / 512] == 0, "data at 0x%" PRIx64 " is called zeros", at);
		offset += extent.length;
	}
	cr_assert(offset == model->size);
}
