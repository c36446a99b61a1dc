/* SPDX-License-Identifier: MIT */
#include "rules/written.h"

#include <stdlib.h>
#include <string.h>

#define MIB RECIPE_MIB

static int open_state(const struct written *w, vhdx_disk **disk, struct vhdx_file file, unsigned flags,
		      const struct vhdx_env *env, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file parent = memfile_file(w->parent != NULL ? w->parent : w->file, "parent");

	options.flags = flags;
	options.env = env;
	options.parents = &parent;
	options.parent_count = w->parent != NULL;
	return vhdx_open_file(disk, &file, &options, error);
}

void written_open(struct written *w)
{
	struct vhdx_file file = journal_file(&w->journal, memfile_file(w->file, "disk"));
	struct vhdx_error error = { 0 };

	cr_assert_eq(open_state(w, &w->disk, file, VHDX_OPEN_WRITE, &w->env.env, &error), VHDX_OK, "%s", error.message);
}

void written_start(struct written *w, struct memfile *file, struct memfile *parent)
{
	*w = (struct written){ .file = file, .parent = parent, .start = memfile_copy(file) };
	testenv_start(&w->env, 42);
	written_open(w);
	model_start(&w->model, vhdx_disk_size(w->disk));
}

void written_close(struct written *w)
{
	int status = vhdx_close(w->disk);

	w->disk = NULL;
	cr_assert_eq(status, VHDX_OK);
	cr_assert_eq(testenv_live(&w->env), 0);
}

void written_restart(struct written *w)
{
	for (size_t i = 0; i < w->journal.count; i++)
		free(w->journal.events[i].bytes);
	w->journal.count = 0;
	memfile_free(w->start);
	w->start = memfile_copy(w->file);
}

void written_end(struct written *w)
{
	if (w->disk != NULL)
		(void)vhdx_close(w->disk);
	journal_end(&w->journal);
	model_end(&w->model);
	memfile_free(w->file);
	memfile_free(w->start);
	if (w->parent != NULL)
		memfile_free(w->parent);
}

void written_put(struct written *w, uint64_t offset, uint64_t length, uint32_t seed)
{
	struct vhdx_error error = { 0 };
	uint8_t *bytes;
	int status;

	if (seed == 0) {
		status = vhdx_write_zeroes(w->disk, offset, length, &error);
	} else {
		bytes = malloc((size_t)length);
		recipe_pattern(bytes, (size_t)length, offset, seed);
		status = vhdx_write(w->disk, bytes, (size_t)length, offset, &error);
		free(bytes);
	}
	cr_assert_eq(status, VHDX_OK, "%s", error.message);
	model_set(&w->model, offset, length, seed);
}

void written_discard(struct written *w, uint64_t offset, uint64_t length)
{
	static const uint8_t zeros[512];

	cr_assert_eq(vhdx_discard(w->disk, offset, length, NULL), VHDX_OK);
	for (uint64_t end = offset + length; offset < end; offset += sizeof(zeros)) {
		uint8_t bytes[sizeof(zeros)];

		cr_assert_eq(vhdx_read(w->disk, bytes, sizeof(bytes), offset, NULL), VHDX_OK);
		if (memcmp(bytes, zeros, sizeof(zeros)) == 0)
			model_set(&w->model, offset, sizeof(zeros), 0);
	}
}

void written_flush(struct written *w)
{
	cr_assert_eq(vhdx_flush(w->disk, NULL), VHDX_OK);
}

void written_history(struct written *w, unsigned rounds)
{
	for (unsigned r = 0; r < rounds; r++) {
		written_put(w, r * 5 % 16 * MIB + r * 37 % 2000 * 512, 4 * 512, r + 10);
		if (r % 2 == 1) /* even blocks: the others of a differencing disk keep their bits */
			written_discard(w, r * 3 % 8 * 2 * MIB, MIB);
		if (r % 11 == 5)
			written_put(w, r * 7 % 8 * 2 * MIB, MIB, r + 1000);
		if (r % 13 == 6)
			written_put(w, r % 16 * MIB + 512, 3 * 512, 0);
		if (r % 3 != 1)
			written_flush(w);
	}
}

int written_try(const struct written *w, struct memfile *state, unsigned flags, struct vhdx_error *error)
{
	vhdx_disk *disk;
	int status = open_state(w, &disk, memfile_file(state, "state"), flags, NULL, error);

	if (status < 0)
		return status;
	model_expect(&w->model, disk);
	return vhdx_close(disk);
}

void written_expect(const struct written *w, struct memfile *state)
{
	struct vhdx_error error = { 0 };

	cr_assert_eq(written_try(w, state, 0, &error), VHDX_OK, "%s: %s", error.rule, error.message);
}
