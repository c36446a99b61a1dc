/* SPDX-License-Identifier: MIT */
/* See verify.h. */
#include "verify.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "input.h"
#include "runs.h"
#include "tool.h"

enum { PIECE = 1 << 18 };

struct verify {
	XXH3_state_t *state;
	struct runs runs;
	struct vhdx_source inner, tee;
};

static XXH3_state_t *new_state(void)
{
	XXH3_state_t *state = XXH3_createState();

	if (state == NULL)
		exit(tool_fail("out of memory"));
	return state;
}

struct verify *verify_begin(void)
{
	struct verify *verify = tool_allocate(NULL, sizeof(*verify));

	*verify = (struct verify){ .state = new_state() };
	XXH3_128bits_reset(verify->state);
	runs_begin(&verify->runs, verify->state);
	return verify;
}

static int read_tee(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct verify *verify = context;
	int status = verify->inner.read(verify->inner.context, buffer, length, disk_offset, error);

	if (status == VHDX_OK)
		runs_add(&verify->runs, buffer, length, disk_offset);
	return status;
}

static int tee_extent(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct verify *verify = context;

	return verify->inner.extent(verify->inner.context, out, disk_offset, length, error);
}

const struct vhdx_source *verify_tee(struct verify *verify, const struct vhdx_source *source)
{
	verify->inner = *source;
	verify->tee = (struct vhdx_source){ .context = verify, .size = source->size, .read = read_tee };
	if (source->extent != NULL)
		verify->tee.extent = tee_extent;
	return &verify->tee;
}

int verify_add(struct verify *verify, const struct vhdx_source *source, struct progress *progress, struct vhdx_error *error)
{
	return runs_add_source(&verify->runs, source, progress, error);
}

int verify_equal(const struct verify *a, const struct verify *b)
{
	return XXH128_isEqual(XXH3_128bits_digest(a->state), XXH3_128bits_digest(b->state));
}

void verify_end(struct verify *verify)
{
	if (verify != NULL)
		XXH3_freeState(verify->state);
	free(verify);
}

int verify_unpacked(uint64_t *digest, const char *path, struct progress *progress, struct vhdx_error *error)
{
	struct input *input = input_open(path, error);
	unsigned char *buffer;
	XXH3_state_t *state;
	uint64_t done = 0;
	int64_t got = 0;

	if (input == NULL)
		return error->status;
	buffer = tool_allocate(NULL, PIECE);
	state = new_state();
	XXH3_64bits_reset(state);
	while ((got = input_read(input, buffer, PIECE, error)) > 0) {
		XXH3_64bits_update(state, buffer, (size_t)got);
		done += (uint64_t)got;
		if (progress_step(progress, done, 0) != 0) {
			got = tool_cancelled(error);
			break;
		}
	}
	*digest = XXH3_64bits_digest(state);
	XXH3_freeState(state);
	free(buffer);
	input_close(input);
	return got < 0 ? (int)got : VHDX_OK;
}
