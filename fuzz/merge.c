/* SPDX-License-Identifier: MIT */
/*
 * fuzz_merge: a child and its parent, both with edits, are merged. Whatever becomes of that, the chain reads afterwards what it read before; when the merge succeeds,
 * so does the parent alone.
 */
#include <inttypes.h>
#include <string.h>

#include "samples.h"

enum { IMAGES = 2, MOST_CALLS = 20000 };

struct merge {
	struct fuzz_image images[IMAGES]; /* the child, the parent */
	struct fuzz_env env;
	struct samples samples;
	struct vhdx_guid next;
	unsigned called;
	bool unsure; /* a file could not be closed */
};

static int count_progress(void *context, uint64_t done, uint64_t total)
{
	struct merge *m = context;

	if (done > total)
		fuzz_finding("progress of %" PRIu64 " of %" PRIu64, done, total);
	return ++m->called > MOST_CALLS;
}

static int open_one(struct merge *m, vhdx_disk **out, unsigned which, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m->images[which].file, which == 0 ? "child" : "parent");
	struct vhdx_file parent = memfile_file(m->images[1].file, "parent");

	options.flags = flags;
	options.env = &m->env.t.env;
	if (which == 0 && (flags & VHDX_OPEN_NO_PARENTS) == 0) {
		options.parents = &parent;
		options.parent_count = 1;
	}
	if (which == 1 && (flags & VHDX_OPEN_WRITE) != 0)
		options.data_identity = &m->next;
	return vhdx_open_file(out, &file, &options, error);
}

/* The child is to accept its parent as it will be: see vhdx_merge. */
static int announce(struct merge *m, struct vhdx_error *error)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	vhdx_disk *disk;
	int status = open_one(m, &disk, 1, 0, error);

	if (status < 0)
		return status;
	status = vhdx_get_info(disk, 0, &info, error);
	(void)vhdx_close(disk);
	if (status < 0 || m->images[0].specimen->format == VHDX_FORMAT_VHD)
		return status;
	status = open_one(m, &disk, 0, VHDX_OPEN_WRITE | VHDX_OPEN_NO_PARENTS, error);
	if (status < 0)
		return status;
	settings.parent_identity = &info.data_identity;
	settings.parent_identity2 = &m->next;
	status = vhdx_set(disk, &settings, error);
	m->unsure = vhdx_close(disk) < 0;
	return status;
}

static int merge(struct merge *m, struct vhdx_error *error)
{
	struct vhdx_merge_options options = VHDX_MERGE_OPTIONS_INIT;
	struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
	vhdx_disk *source, *target;
	int closed, status = open_one(m, &source, 0, VHDX_OPEN_NO_PARENTS, error);

	if (status < 0)
		return status;
	status = open_one(m, &target, 1, VHDX_OPEN_WRITE, error);
	if (status == VHDX_OK) {
		options.context = m;
		options.progress = count_progress;
		status = vhdx_merge(source, target, &options, &plan, error);
		closed = vhdx_close(target);
		if (closed < 0 && status == VHDX_OK && !m->env.failing)
			fuzz_finding("closing after a merge: %s", vhdx_status_name(closed));
		m->unsure |= closed < 0;
	}
	(void)vhdx_close(source);
	return status;
}

static void check_chain(struct merge *m, unsigned which, const char *after)
{
	struct vhdx_error error;
	vhdx_disk *disk;
	char text[1500];

	if (open_one(m, &disk, which, 0, &error) < 0)
		fuzz_finding("%s, the %s does not open: %s", after, which == 0 ? "chain" : "parent",
			     vhdx_error_text(&error, text, sizeof(text)));
	samples_compare(&m->samples, disk, m->samples.size, after);
	(void)vhdx_close(disk);
}

static void work(struct merge *m)
{
	struct vhdx_error error;
	int status;

	fuzz_image_arm(&m->images[0], &m->env, m->images[m->images[0].fault_at % IMAGES].file);
	status = announce(m, &error);
	fuzz_check(&m->env, "announce", status, &error);
	if (status == VHDX_OK && !m->unsure) {
		status = merge(m, &error);
		if (status != VHDX_E_CANCELLED)
			fuzz_check(&m->env, "merge", status, &error);
	}
	fuzz_image_disarm(&m->env, m->images[0].file);
	fuzz_image_disarm(&m->env, m->images[1].file);
	check_chain(m, 0, status == VHDX_OK ? "after a merge" : "after a merge that failed");
	if (status == VHDX_OK && !m->unsure)
		check_chain(m, 1, "after a merge");
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind children[] = { SPECIMEN_VHDX_CHILD, SPECIMEN_VHD_CHILD };
	static struct merge m; /* large for a stack */
	enum specimen_kind parent;
	vhdx_disk *disk;

	memset(&m, 0, sizeof(m));
	memset(&m.next, 0x4E, sizeof(m.next));
	fuzz_image_take(&m.images[0], in, children, sizeof(children) / sizeof(children[0]));
	parent = m.images[0].specimen->format == VHDX_FORMAT_VHDX ? SPECIMEN_VHDX_PARENT : SPECIMEN_VHD_PARENT;
	fuzz_image_take(&m.images[1], in, &parent, 1);
	fuzz_env_start(&m.env);
	if (open_one(&m, &disk, 0, 0, NULL) == VHDX_OK) {
		samples_take(&m.samples, disk, m.images[0].specimen->block_size, *in);
		(void)vhdx_close(disk);
		work(&m);
	}
	fuzz_env_end(&m.env);
	fuzz_image_end(&m.images[0]);
	fuzz_image_end(&m.images[1]);
}

/* Both plain, then each with one change; small and large faults. */
static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	size_t length = fuzz_image_seed(number, 2, out, size), tail = FUZZ_HEADER + 32;

	if (length == 0 || size < length + tail)
		return 0;
	memset(out + length - 32, 0, FUZZ_HEADER); /* the parent has no edits of its own */
	memset(out + length, (int)(number * 7), tail);
	return length + tail;
}

const struct fuzz_target fuzz_merge = { "fuzz_merge", run, seed, 2 };
