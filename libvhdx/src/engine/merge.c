/* SPDX-License-Identifier: MIT */
/*
 * Content of the upper levels of a chain moved into their parent. Layer: engine. The generic layer moves it, so formats, types and block sizes may differ.
 *
 * Nothing that is written into the target is needed there while the source stands above it, so an interrupted merge has lost nothing; all that keeps the
 * chain together is that the source still accepts its parent, which vhdx_merge checks before it begins.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"
#include "engine/disk.h"

enum { PIECE = 4 << 20 };

struct merge {
	struct vhdx_disk *source;
	struct vhdx_disk *target;
	const struct vhdx_merge_options *options;
	struct vhdx_merge_plan plan;
	uint64_t done;
	uint64_t counted; /* the target's blocks up to this one are in the plan */
	uint8_t *buffer;
};

static bool names(const struct image *child, const struct vhdx_guid *identity)
{
	for (size_t i = 0; i < child->parent_identity_count; i++)
		if (memcmp(&child->parent_identities[i], identity, sizeof(*identity)) == 0)
			return true;
	return false;
}

static int check_family(const struct merge *m, struct vhdx_error *error)
{
	const struct image *last = m->source->levels[m->source->depth - 1].image, *target = m->target->levels[0].image;
	char text[VHDX_GUID_TEXT_SIZE];

	if (((m->source->flags | m->target->flags) & VHDX_OPEN_SALVAGE) != 0) /* what is lost would become zeros */
		return fail(error, VHDX_E_ARGUMENT, "a disk opened for salvage is not merged");
	if (!m->source->parent_left_out)
		return fail(error, VHDX_E_ARGUMENT, "the source is a whole chain, not the upper part of one");
	guid_text(&target->data_identity, text);
	if (last->format != target->format || !names(last, &target->data_identity))
		return fail(error, VHDX_E_ARGUMENT, "the target {%s} is not the parent of the source", text);
	if (last->logical_sector_size != target->logical_sector_size)
		return fail(error, VHDX_E_ARGUMENT, "source and target have sectors of different sizes");
	return VHDX_OK;
}

/* What the chain will find in the target after its first change must be something that it accepts. */
static int check_window(const struct merge *m, struct vhdx_error *error)
{
	const struct image *last = m->source->levels[m->source->depth - 1].image, *target = m->target->levels[0].image;

	if (target->writing == NULL)
		return fail(error, VHDX_E_READ_ONLY, "the target is open for reading only");
	if (target->format == VHDX_FORMAT_VHDX &&
	    (guid_is_zero(&target->writing->identity) || !names(last, &target->writing->identity)))
		return fail(
			error, VHDX_E_ARGUMENT,
			"the source would not accept the changed target: its parent_identity2 is not the target's data_identity");
	return writing_check(target, error);
}

/* Calls `visit` with every run that the source decides. */
static int walk(struct merge *m, int (*visit)(struct merge *m, const struct vhdx_extent *e, struct vhdx_error *error),
		struct vhdx_error *error)
{
	uint64_t size = m->source->levels[0].image->disk_size;
	int status = VHDX_OK;

	for (uint64_t at = 0; status == VHDX_OK && at < size;) {
		struct vhdx_extent e;

		status = disk_extent(m->source, &e, at, size - at, error);
		if (status < 0)
			break;
		at += e.length;
		if (e.kind == VHDX_EXTENT_HOLE) /* behind the end of a level that is shorter: zeros, whatever the target holds */
			e.kind = VHDX_EXTENT_ZERO;
		if (e.kind != VHDX_EXTENT_PARENT)
			status = visit(m, &e, error);
	}
	return status;
}

/* Whether the target has a place for the block at `offset` already. */
static bool has_place(struct image *target, uint64_t offset, uint64_t length)
{
	while (length != 0) {
		struct vhdx_error ignored;
		struct mapping map;

		if (target->ops->map(target, offset, length, &map, &ignored) < 0 || map.kind == MAP_DATA)
			return true;
		offset += map.length;
		length -= map.length;
	}
	return false;
}

static void count_blocks(struct merge *m, uint64_t offset, uint64_t length)
{
	struct image *target = m->target->levels[0].image;
	uint64_t size = target->block_size, end = min_u64(offset + length, target->disk_size);

	if (size == 0) /* fixed VHD, raw */
		return;
	for (uint64_t at = max_u64(round_down(offset, size), m->counted); at < end; at += size) {
		if (!has_place(target, at, min_u64(size, target->disk_size - at)))
			m->plan.space_bytes += size;
		m->counted = at + size;
	}
	/* what the target grows by is new */
	if (offset + length > target->disk_size && offset + length > m->counted) {
		uint64_t from = max_u64(max_u64(m->counted, offset), target->disk_size);

		m->plan.space_bytes += round_up(offset + length, size) - round_down(from, size);
		m->counted = round_up(offset + length, size);
	}
}

static int count(struct merge *m, const struct vhdx_extent *e, struct vhdx_error *error)
{
	struct image *target = m->target->levels[0].image;

	(void)error;
	if (e->kind == VHDX_EXTENT_DATA) {
		m->plan.copy_bytes += e->length;
		count_blocks(m, e->disk_offset, e->length);
	} else {
		m->plan.zero_bytes += e->length;
		if (target->type == VHDX_TYPE_DIFFERENCING && e->length < target->block_size)
			count_blocks(m, e->disk_offset, e->length);
	}
	return VHDX_OK;
}

static int make_plan(struct merge *m, struct vhdx_error *error)
{
	struct image *target = m->target->levels[0].image, *top = m->source->levels[0].image;
	int status = check_family(m, error);

	/* before content moves: the items come last, and would fail again each time */
	if (status == VHDX_OK && target->ops->check_items != NULL)
		status = target->ops->check_items(target, top, error);
	m->plan.size = top->disk_size;
	return status == VHDX_OK ? walk(m, count, error) : status;
}

static int report(const struct merge *m, struct vhdx_error *error)
{
	const struct vhdx_merge_options *o = m->options;

	if (o->progress == NULL || o->progress(o->context, m->done, m->plan.copy_bytes + m->plan.zero_bytes) == 0)
		return VHDX_OK;
	return fail(error, VHDX_E_CANCELLED, "stopped; nothing is lost, and the merge can be done again");
}

static int move_data(struct merge *m, const struct vhdx_extent *e, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (uint64_t done = 0, part; status == VHDX_OK && done < e->length; done += part) {
		uint64_t at = e->disk_offset + done;

		part = min_u64(e->length - done, PIECE - at % PIECE);
		status = disk_read(m->source, m->buffer, (size_t)part, at, error);
		if (status == VHDX_OK && bytes_are_zero(m->buffer, (size_t)part))
			status = disk_write_zeroes(m->target, at, part, error);
		else if (status == VHDX_OK)
			status = disk_write(m->target, m->buffer, (size_t)part, at, error);
		m->done += part;
		if (status == VHDX_OK)
			status = report(m, error);
	}
	return status;
}

static int move_run(struct merge *m, const struct vhdx_extent *e, struct vhdx_error *error)
{
	int status;

	if (e->kind == VHDX_EXTENT_DATA)
		return move_data(m, e, error);
	status = disk_write_zeroes(m->target, e->disk_offset, e->length, error);
	m->done += e->length;
	return status == VHDX_OK ? report(m, error) : status;
}

/* A host that cannot promise space does not stop a merge. */
static int reserve(struct merge *m, struct vhdx_error *error)
{
	struct image *target = m->target->levels[0].image;
	int status = target->ops->reserve == NULL || m->plan.space_bytes == 0
			     ? VHDX_OK
			     : target->ops->reserve(target, m->plan.space_bytes, error);

	return status == VHDX_E_UNSUPPORTED ? VHDX_OK : status;
}

static int merge(struct merge *m, struct vhdx_error *error)
{
	struct image *target = m->target->levels[0].image, *top = m->source->levels[0].image;
	int status = VHDX_OK;

	if (m->plan.size > target->disk_size)
		status = disk_resize(m->target, m->plan.size, 0, error);
	if (status == VHDX_OK)
		status = reserve(m, error);
	if (status == VHDX_OK)
		status = walk(m, move_run, error);
	if (status == VHDX_OK)
		status = disk_flush(m->target, error);
	if (status == VHDX_OK && m->plan.size < target->disk_size)
		status = disk_resize(m->target, m->plan.size, VHDX_RESIZE_CUT, error);
	if (status == VHDX_OK && target->ops->take_items != NULL)
		status = target->ops->take_items(target, top, error);
	return status;
}

static void start(struct merge *m, struct vhdx_disk *source, struct vhdx_disk *target, const struct vhdx_merge_options *options)
{
	*m = (struct merge){ .source = source, .target = target, .options = options, .plan = VHDX_MERGE_PLAN_INIT };
}

int disk_plan_merge(struct vhdx_disk *source, struct vhdx_disk *target, struct vhdx_merge_plan *plan, struct vhdx_error *error)
{
	struct merge m;
	int status;

	start(&m, source, target, NULL);
	status = make_plan(&m, error);
	if (status == VHDX_OK)
		*plan = m.plan;
	return status;
}

int disk_merge(struct vhdx_disk *source, struct vhdx_disk *target, const struct vhdx_merge_options *options,
	       struct vhdx_merge_plan *plan, struct vhdx_error *error)
{
	struct merge m;
	int status;

	start(&m, source, target, options);
	status = check_window(&m, error);
	if (status == VHDX_OK)
		status = make_plan(&m, error);
	if (status < 0)
		return status;
	*plan = m.plan;
	m.buffer = memory_allocate(&target->env, PIECE);
	status = m.buffer == NULL ? fail_memory(error) : merge(&m, error);
	memory_release(&target->env, m.buffer);
	return status;
}
