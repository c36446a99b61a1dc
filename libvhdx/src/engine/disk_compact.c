/* SPDX-License-Identifier: MIT */
/*
 * Which blocks of a disk need no place of their own: content read through the chain. Layer: engine. The formats free and move them (image_ops.compact). Nobody else
 * uses the disk meanwhile.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "engine/disk.h"
#include "engine/punch.h"

/* Most blocks are kept, and show it early: the first look is short. */
enum { FIRST_LOOK = 65536, LOOK = PUNCH_BUFFER };

struct run {
	struct compaction base; /* first: what the format has */
	struct vhdx_disk *disk;
	const struct vhdx_compact_options *options;
	uint8_t *bytes;
	uint8_t *below;
};

static int look(const struct run *r, const struct vhdx_extent *e, bool *zero, struct vhdx_error *error)
{
	const struct view *view = &r->disk->levels[e->level].image->view;
	size_t most = FIRST_LOOK;

	for (uint64_t done = 0, part; *zero && done < e->length; done += part, most = LOOK) {
		struct vhdx_file_extent host = view_extent(view, e->file_offset + done, e->length - done);
		int status;

		part = host.length;
		if (host.is_hole)
			continue;
		part = min_u64(part, most);
		status = view_read(view, r->bytes, (size_t)part, e->file_offset + done, error);
		if (status < 0)
			return error_in_file(error, view->file.name, e->level);
		*zero = bytes_are_zero(r->bytes, (size_t)part);
	}
	return VHDX_OK;
}

static int reads_as_zeros(const struct run *r, uint64_t disk_offset, uint64_t length, bool *zero, struct vhdx_error *error)
{
	int status = VHDX_OK;

	*zero = true;
	while (status == VHDX_OK && *zero && length != 0) {
		struct vhdx_extent e;

		status = disk_extent(r->disk, &e, disk_offset, length, error);
		if (status == VHDX_OK && e.kind == VHDX_EXTENT_DATA)
			status = look(r, &e, zero, error);
		else if (status == VHDX_OK && e.kind == VHDX_EXTENT_PARENT)
			*zero = false;
		disk_offset += e.length;
		length -= e.length;
	}
	return status;
}

/* One run of what the leaf holds, against what the disk would hold without it. */
static int compare(const struct run *r, const struct mapping *m, uint64_t disk_offset, bool *equal, struct vhdx_error *error)
{
	size_t most = FIRST_LOOK;

	*equal = r->disk->depth > 1;
	for (uint64_t done = 0, part; *equal && done < m->length; done += part, most = LOOK) {
		int status;

		part = min_u64(m->length - done, most);
		status = disk_read(r->disk, r->bytes, (size_t)part, disk_offset + done, error);
		if (status == VHDX_OK)
			status = disk_read_below(r->disk, r->below, (size_t)part, disk_offset + done, error);
		if (status < 0)
			return status;
		*equal = memcmp(r->bytes, r->below, (size_t)part) == 0;
	}
	return VHDX_OK;
}

static int equals_parent(const struct run *r, uint64_t disk_offset, uint64_t length, bool *equal, struct vhdx_error *error)
{
	struct image *leaf = r->disk->levels[0].image;
	int status = VHDX_OK;

	*equal = true;
	while (status == VHDX_OK && *equal && length != 0) {
		struct mapping m;

		status = leaf->ops->map(leaf, disk_offset, length, &m, error);
		if (status < 0)
			return error_in_file(error, leaf->view.file.name, 0);
		if (m.kind != MAP_ABSENT)
			status = compare(r, &m, disk_offset, equal, error);
		disk_offset += m.length;
		length -= m.length;
	}
	return status;
}

static int punch(struct run *r, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct punch p = { .image = r->disk->levels[0].image,
			   .bytes = r->bytes,
			   .only_counts = (r->base.flags & VHDX_COMPACT_ESTIMATE) != 0,
			   .total = &r->base.result.bytes_punched };

	return (r->base.flags & VHDX_COMPACT_PUNCH) != 0 ? punch_zeros(&p, disk_offset, length, error) : VHDX_OK;
}

static int judge_content(struct run *r, uint64_t disk_offset, uint64_t length, bool masks, enum verdict *verdict,
			 struct vhdx_error *error)
{
	const struct vhdx_compact_options *o = r->options;
	int status = VHDX_OK;
	bool yes = false;

	*verdict = VERDICT_KEEP;
	if (masks && o->is_unused != NULL && o->is_unused(o->is_unused_context, disk_offset, length) != 0) {
		*verdict = VERDICT_UNUSED;
		return VHDX_OK;
	}
	if (masks && (o->flags & VHDX_COMPACT_KEEP_ZEROS) == 0)
		status = reads_as_zeros(r, disk_offset, length, &yes, error);
	if (yes)
		*verdict = VERDICT_ZERO;
	if (status < 0 || yes || (o->flags & VHDX_COMPACT_KEEP_EQUAL) != 0 ||
	    r->disk->levels[0].image->type != VHDX_TYPE_DIFFERENCING)
		return status;
	status = equals_parent(r, disk_offset, length, &yes, error);
	if (yes)
		*verdict = VERDICT_EQUAL;
	return status;
}

static int judge(struct compaction *c, uint64_t disk_offset, uint64_t length, bool masks, enum verdict *verdict,
		 struct vhdx_error *error)
{
	struct run *r = (struct run *)c;
	int status = judge_content(r, disk_offset, length, masks, verdict, error);

	return status == VHDX_OK && *verdict == VERDICT_KEEP ? punch(r, disk_offset, length, error) : status;
}

/* Nothing of it can be freed. */
static int punch_fixed(struct run *r, struct vhdx_error *error)
{
	uint64_t size = r->disk->levels[0].image->disk_size;
	int status = VHDX_OK;

	if ((r->base.flags & VHDX_COMPACT_PUNCH) == 0)
		return VHDX_OK;
	for (uint64_t at = 0, part; status == VHDX_OK && at < size; at += part) {
		part = min_u64(size - at, 32 * MIB);
		status = r->base.progress(&r->base, at, size, error);
		if (status == VHDX_OK)
			status = punch(r, at, part, error);
	}
	return status;
}

static int run(struct run *r, struct vhdx_error *error)
{
	struct image *leaf = r->disk->levels[0].image;
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	int status = VHDX_OK;

	if (leaf->type == VHDX_TYPE_FIXED)
		return punch_fixed(r, error);
	if ((r->base.flags & VHDX_COMPACT_DEFRAG) != 0) {
		status = leaf->ops->usage(leaf, &usage, error);
		r->base.result.runs_before = r->base.result.runs_after = usage.runs;
	}
	return status == VHDX_OK ? leaf->ops->compact(leaf, &r->base, error) : status;
}

static int progress(struct compaction *c, uint64_t done, uint64_t total, struct vhdx_error *error)
{
	const struct vhdx_compact_options *o = ((struct run *)c)->options;

	if (o->on_progress == NULL || o->on_progress(o->on_progress_context, done, total) == 0)
		return VHDX_OK;
	return fail(error, VHDX_E_CANCELLED, "stopped");
}

static int check(struct image *leaf, const struct vhdx_compact_options *options, struct vhdx_error *error)
{
	if (leaf->ops->compact == NULL)
		return fail(error, VHDX_E_UNSUPPORTED, "a %s has no blocks that could be freed", vhdx_format_name(leaf->format));
	if ((options->flags & VHDX_COMPACT_ESTIMATE) != 0)
		return VHDX_OK;
	if (leaf->writing == NULL)
		return fail(error, VHDX_E_READ_ONLY, "the disk is open for reading only");
	return writing_check(leaf, error);
}

int disk_compact(struct vhdx_disk *disk, const struct vhdx_compact_options *options, struct vhdx_compact_result *result,
		 struct vhdx_error *error)
{
	struct image *leaf = disk->levels[0].image;
	struct run r = { .base = { .flags = options->flags, .result = *result, .judge = judge, .progress = progress },
			 .disk = disk,
			 .options = options };
	int status = check(leaf, options, error);

	if (status < 0)
		return error_in_file(error, leaf->view.file.name, 0);
	r.base.result.bytes_before = r.base.result.bytes_after = leaf->view.size;
	r.bytes = memory_allocate(&disk->env, LOOK);
	r.below = memory_allocate(&disk->env, LOOK);
	status = r.bytes == NULL || r.below == NULL ? fail_memory(error) : run(&r, error);
	memory_release(&disk->env, r.bytes);
	memory_release(&disk->env, r.below);
	*result = r.base.result;
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}
