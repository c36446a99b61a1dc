/* SPDX-License-Identifier: MIT */
#include "engine/usage.h"

#include "base/checked.h"
#include "base/error.h"

enum { CHUNK = 1 << 18 };

int usage_scan(struct image *image, uint64_t file_offset, uint64_t length,
	       int (*visit)(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error), void *context,
	       struct vhdx_error *error)
{
	uint64_t at = 0;
	int status = VHDX_OK;
	uint8_t *chunk = memory_allocate(image->env, CHUNK);

	if (chunk == NULL)
		return fail_memory(error);
	while (status == VHDX_OK && at < length) {
		uint64_t part = min_u64(CHUNK, length - at);
		uint64_t hole = round_down(view_hole(&image->view, file_offset + at, length - at), 8);

		if (hole != 0) {
			part = hole;
			status = visit(context, NULL, at, part, error);
		} else {
			status = view_read(&image->view, chunk, (size_t)part, file_offset + at, error);
			if (status == VHDX_OK)
				status = visit(context, chunk, at, part, error);
		}
		at += part;
	}
	memory_release(image->env, chunk);
	return status;
}
