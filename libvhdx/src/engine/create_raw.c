/* SPDX-License-Identifier: MIT */
/* Lays out a new raw file: the bytes of the disk and nothing else. Layer: engine. */
#include "base/error.h"
#include "engine/create.h"

static int place_raw(void *context, uint64_t block, uint64_t *file_offset, struct vhdx_error *error)
{
	(void)context;
	(void)block;
	(void)error;
	*file_offset = 0;
	return VHDX_OK;
}

int create_raw(struct creation *c, struct vhdx_error *error)
{
	struct block_sink sink = { UINT64_C(1) << 63, place_raw, NULL };
	int status = file_set_size(c->file, c->options.size, error);

	if (status == VHDX_OK)
		status = create_preallocate(c, 0, c->options.size, error);
	if (status == VHDX_OK)
		status = create_fill(c, &sink, error);
	return status == VHDX_OK ? create_flush(c, error) : status;
}
