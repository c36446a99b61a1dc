/* SPDX-License-Identifier: MIT */
#include "support/content.h"

#include <inttypes.h>
#include <string.h>

#include "support/expect.h"

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Bytes from `offset` on, at most `length`, that belong to one run, or to none (NULL). */
static uint64_t same(const struct content *c, uint64_t offset, uint64_t length, const struct content_run **run)
{
	*run = NULL;
	for (size_t i = 0; i < c->count; i++) {
		if (offset < c->runs[i].offset)
			return smaller(length, c->runs[i].offset - offset);
		if (offset < c->runs[i].offset + c->runs[i].length) {
			*run = &c->runs[i];
			return smaller(length, c->runs[i].offset + c->runs[i].length - offset);
		}
	}
	return length;
}

void content_bytes(const struct content *c, void *buffer, size_t length, uint64_t offset)
{
	uint8_t *out = buffer;

	while (length != 0) {
		const struct content_run *run;
		size_t part = (size_t)same(c, offset, length, &run);

		recipe_pattern(out, part, offset, run != NULL ? run->seed : 0);
		out += part;
		offset += part;
		length -= part;
	}
}

static int read_source(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct content *c = context;

	if (length == 0 || disk_offset > c->size || length > c->size - disk_offset)
		c->complaint = "it was read beyond its end";
	else if (disk_offset < c->next || (!c->has_extent && disk_offset != c->next))
		c->complaint = "it was not read in order";
	c->next = disk_offset + length;
	c->asked += length;
	if (c->fail_at != 0 && disk_offset <= c->fail_at && c->next > c->fail_at) {
		error->status = VHDX_E_IO;
		return VHDX_E_IO;
	}
	content_bytes(c, buffer, length, disk_offset);
	return VHDX_OK;
}

static int extent_of_source(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length,
			    struct vhdx_error *error)
{
	struct content *c = context;
	const struct content_run *run;

	(void)error;
	if (length == 0 || disk_offset > c->size || length > c->size - disk_offset)
		c->complaint = "it was asked for an extent beyond its end";
	out->disk_offset = disk_offset;
	out->length = same(c, disk_offset, length, &run);
	out->kind = run != NULL ? VHDX_EXTENT_DATA : VHDX_EXTENT_HOLE;
	return VHDX_OK;
}

struct vhdx_source content_source(struct content *c, bool with_extent)
{
	c->asked = c->next = 0;
	c->complaint = NULL;
	c->has_extent = with_extent;
	return (struct vhdx_source){ c, c->size, read_source, with_extent ? extent_of_source : NULL, NULL };
}

void content_expect(vhdx_disk *disk, const struct content *c)
{
	uint64_t size = vhdx_disk_size(disk), offset = 0;
	struct vhdx_error e = { .status = 0 };

	cr_assert(size >= c->size);
	while (offset < size) {
		const struct content_run *run;
		struct vhdx_extent extent;
		uint64_t length = offset < c->size ? same(c, offset, c->size - offset, &run) : size - offset;

		if (offset >= c->size)
			run = NULL;
		cr_assert(vhdx_get_extent(disk, &extent, offset, length, &e) == VHDX_OK, "%s", e.message);
		cr_assert(run == NULL || run->seed == 0 || extent.kind == VHDX_EXTENT_DATA, "no data at 0x%" PRIx64, offset);
		if (extent.kind == VHDX_EXTENT_DATA && run == NULL &&
		    extent.length > 4 * RECIPE_MIB) { /* a large fixed disk: both ends tell */
			expect_zeros(disk, offset, RECIPE_MIB);
			expect_zeros(disk, offset + extent.length - RECIPE_MIB, RECIPE_MIB);
		} else if (extent.kind == VHDX_EXTENT_DATA) {
			expect_pattern(disk, offset, extent.length, run != NULL ? run->seed : 0);
		}
		offset += extent.length;
	}
}
