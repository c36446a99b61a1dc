/* SPDX-License-Identifier: MIT */
/* See runs.h. */
#include "runs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sparse.h"
#include "tool.h"

enum { SECTOR = 512, PIECE = 1 << 18 };

void runs_begin(struct runs *runs, void *state)
{
	*runs = (struct runs){ .state = state, .end = UINT64_MAX };
}

static void add_run(struct runs *runs, const unsigned char *data, size_t length, uint64_t offset)
{
	char text[24];

	if (offset != runs->end) {
		snprintf(text, sizeof(text), "\n%" PRIu64 "\n", offset);
		XXH3_128bits_update(runs->state, text, strlen(text));
	}
	XXH3_128bits_update(runs->state, data, length);
	runs->end = offset + length;
}

/* The end of the sectors from `at` on that are all zeros, or all not. */
static size_t end_of(const unsigned char *data, size_t length, size_t at, bool zeros)
{
	while (at < length) {
		size_t step = length - at < SECTOR ? length - at : SECTOR;

		if (sparse_is_zero(data + at, step) != zeros)
			break;
		at += step;
	}
	return at;
}

void runs_add(struct runs *runs, const void *data, size_t length, uint64_t disk_offset)
{
	const unsigned char *bytes = data;

	for (size_t at = 0; at < length;) {
		size_t begin = end_of(bytes, length, at, true);

		at = end_of(bytes, length, begin, false);
		if (at > begin)
			add_run(runs, bytes + begin, at - begin, disk_offset + begin);
	}
}

/* Data, or not, and how far; without an answer of the source everything is data. */
static int next_extent(const struct vhdx_source *source, struct vhdx_extent *extent, uint64_t at, struct vhdx_error *error)
{
	*extent = (struct vhdx_extent){ .disk_offset = at, .length = source->size - at, .kind = VHDX_EXTENT_DATA };
	return source->extent != NULL ? source->extent(source->context, extent, at, source->size - at, error) : VHDX_OK;
}

static int add_extent(struct runs *runs, const struct vhdx_source *source, const struct vhdx_extent *extent, uint8_t *buffer,
		      struct progress *progress, struct vhdx_error *error)
{
	for (uint64_t at = extent->disk_offset, end = at + extent->length; at < end;) {
		size_t length = end - at < PIECE ? (size_t)(end - at) : PIECE;
		int status = source->read(source->context, buffer, length, at, error);

		if (status != VHDX_OK)
			return status;
		runs_add(runs, buffer, length, at);
		at += length;
		if (progress != NULL && progress_step(progress, at, source->size) != 0)
			return tool_cancelled(error);
	}
	return VHDX_OK;
}

int runs_add_source(struct runs *runs, const struct vhdx_source *source, struct progress *progress, struct vhdx_error *error)
{
	uint8_t *buffer = tool_allocate(NULL, PIECE);
	struct vhdx_extent extent = { 0 };
	int status = VHDX_OK;

	for (uint64_t at = 0; status == VHDX_OK && at < source->size; at += extent.length) {
		status = next_extent(source, &extent, at, error);
		if (status == VHDX_OK && extent.kind == VHDX_EXTENT_DATA)
			status = add_extent(runs, source, &extent, buffer, progress, error);
	}
	free(buffer);
	return status;
}
