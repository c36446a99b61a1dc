/* SPDX-License-Identifier: MIT */
/*
 * Who holds a byte of the disk, and reading it: the one place that walks a chain, for every format. Layer: engine.
 *
 * A range is asked of level 0; what that level does not hold is asked of the next one, and so on: walk(). Answers are remembered
 * as hints, so that a read costs the same at any depth, looks at no sector bitmap twice, and most often is one look-up and one
 * call of the I/O table: hot().
 *
 *   the 1 MiB around an offset is one run of one level   coarse table: its level and place in the file
 *   it is not                                            coarse table: MIXED; the same for 64 KiB in the fine table
 *   these are not either                                 fine table: MIXED; walk(), each time
 *
 * Both tables are direct mapped and reach 64 GiB and 4 GiB of the disk without a collision. An entry is one 64-bit word, so
 * readers need no lock; a lost entry costs a walk, never a wrong answer, because images open for reading do not change. The
 * tables are made after the first PATIENCE walks, so that a look at a few sectors does not pay for them, and done without when
 * there is no memory.
 */
#include "engine/disk.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

enum { TABLE_COUNT = HINT_COUNT / 2, COARSE_SHIFT = 20, FINE_SHIFT = 16, PATIENCE = 64, MIXED = 7 };
#define FIRST_WALK (256 * KIB)
#define HINT_LIMIT (8 * MIB) /* longer questions are rare, and a walk answers with longer runs */

/*
 * A hint, from its highest bit: 15 bits of the granule's number beyond the index in the table, 8 bits of level, 3 bits of kind
 * (vhdx_extent_kind or MIXED; 0 in an empty entry), 38 bits of file offset in sectors. A granule whose number or place does not
 * fit (disks beyond 128 TiB, files beyond as much) is not remembered.
 */
enum { PLACE_BITS = 38, KIND_SHIFT = PLACE_BITS, LEVEL_SHIFT = KIND_SHIFT + 3, TAG_SHIFT = LEVEL_SHIFT + 8, HINT_SECTOR = 512 };

static unsigned hint_kind(uint64_t hint)
{
	return (unsigned)(hint >> KIND_SHIFT & 7);
}

static unsigned hint_level(uint64_t hint)
{
	return (unsigned)(hint >> LEVEL_SHIFT & 255);
}

static uint64_t hint_file_offset(uint64_t hint)
{
	return (hint & ((UINT64_C(1) << PLACE_BITS) - 1)) * HINT_SECTOR;
}

/* 0 when there is none. */
static uint64_t find_hint(_Atomic uint64_t *table, uint64_t granule)
{
	uint64_t hint = atomic_load_explicit(&table[granule % TABLE_COUNT], memory_order_relaxed);

	return hint >> TAG_SHIFT == granule / TABLE_COUNT ? hint : 0;
}

static void set_data(const struct image *image, const struct mapping *m, struct vhdx_extent *out)
{
	bool overlaid = false;

	out->kind = VHDX_EXTENT_DATA;
	out->file_offset = m->file_offset;
	out->length = m->length;
	if (image->view.piece_count != 0)
		out->length = view_overlay_run(&image->view, m->file_offset, m->length, &overlaid);
	out->in_memory = overlaid;
}

static bool salvages(const struct vhdx_disk *disk)
{
	return (disk->flags & VHDX_OPEN_SALVAGE) != 0;
}

/* What a wrong entry or bitmap hides: the rest of the block. A format that knows of more says so, so that a few bytes of file never cost a step for each block. */
static void lose(const struct image *image, struct vhdx_extent *out, uint64_t known, uint64_t length)
{
	out->kind = VHDX_EXTENT_LOST;
	if (image->block_size != 0)
		known = max_u64(known, image->block_size - out->disk_offset % image->block_size);
	out->length = image->block_size == 0 ? length : min_u64(length, known);
}

/* Data of a file that was cut off. */
static void cut(const struct image *image, struct vhdx_extent *out)
{
	uint64_t end = image->view.held;

	if (out->in_memory)
		return;
	if (out->file_offset >= end)
		out->kind = VHDX_EXTENT_LOST;
	else
		out->length = min_u64(out->length, end - out->file_offset);
}

static int walk_from(struct vhdx_disk *disk, unsigned level, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length,
		     struct vhdx_error *error)
{
	*out = (struct vhdx_extent){ .disk_offset = disk_offset };
	for (;; level++) {
		struct image *image = disk->levels[level].image;
		struct mapping m = { .length = 0 };
		int status;

		out->level = level;
		if (disk_offset >= image->disk_size) { /* beyond the end of a smaller parent: zeros */
			out->kind = VHDX_EXTENT_HOLE;
			out->length = length;
			return VHDX_OK;
		}
		status = image->ops->map(image, disk_offset, min_u64(length, image->disk_size - disk_offset), &m, error);
		if (status == VHDX_E_DAMAGED && salvages(disk)) {
			lose(image, out, m.length, min_u64(length, image->disk_size - disk_offset));
			return VHDX_OK;
		}
		if (status < 0)
			return error_in_file(error, image->view.file.name, level);
		if (m.kind == MAP_DATA) {
			set_data(image, &m, out);
			if (salvages(disk))
				cut(image, out);
			return VHDX_OK;
		}
		length = out->length = m.length;
		if (m.kind == MAP_ZERO) {
			out->kind = VHDX_EXTENT_ZERO;
			return VHDX_OK;
		}
		if (level + 1 == disk->depth) {
			out->kind = disk->parent_left_out ? VHDX_EXTENT_PARENT : VHDX_EXTENT_HOLE;
			return VHDX_OK;
		}
	}
}

static int walk(struct vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	return walk_from(disk, 0, out, disk_offset, length, error);
}

/* The tables, coarse before fine; NULL when this disk does without. */
static _Atomic uint64_t *hint_tables(struct vhdx_disk *disk)
{
	_Atomic uint64_t *tables = atomic_load_explicit(&disk->hints, memory_order_acquire), *fresh;

	if (disk->locks != NULL || (disk->flags & VHDX_OPEN_SEQUENTIAL) != 0 ||
	    salvages(disk)) /* open for writing: what level 0 holds changes */
		return NULL;
	if (tables != NULL || atomic_fetch_add_explicit(&disk->walks, 1, memory_order_relaxed) < PATIENCE)
		return tables;
	fresh = memory_zeroed(&disk->env, HINT_COUNT * sizeof(*fresh));
	if (fresh == NULL || atomic_compare_exchange_strong(&disk->hints, &tables, fresh))
		return fresh;
	memory_release(&disk->env, fresh); /* another thread was quicker */
	return tables;
}

static uint64_t make_hint(struct vhdx_disk *disk, uint64_t granule, unsigned shift)
{
	uint64_t start = granule << shift, length = min_u64(UINT64_C(1) << shift, vhdx_disk_size(disk) - start);
	uint64_t tag = granule / TABLE_COUNT << TAG_SHIFT, place;
	struct vhdx_error ignored;
	struct vhdx_extent e;

	if (tag >> TAG_SHIFT != granule / TABLE_COUNT)
		return 0;
	if (walk(disk, &e, start, length, &ignored) < 0 || e.length != length || e.in_memory)
		return tag | (uint64_t)MIXED << KIND_SHIFT;
	place = e.file_offset / HINT_SECTOR;
	if (e.file_offset % HINT_SECTOR != 0 || place >> PLACE_BITS != 0)
		return 0;
	return tag | (uint64_t)e.level << LEVEL_SHIFT | (uint64_t)e.kind << KIND_SHIFT | place;
}

/* The extent at `disk_offset` up to the end of its granule, when a hint knows it. */
static bool hinted(struct vhdx_disk *disk, _Atomic uint64_t *table, struct vhdx_extent *out, uint64_t disk_offset,
		   uint64_t length)
{
	for (unsigned shift = COARSE_SHIFT;; shift = FINE_SHIFT, table += TABLE_COUNT) {
		uint64_t granule = disk_offset >> shift, in_granule = disk_offset - (granule << shift);
		uint64_t hint = find_hint(table, granule);

		if (hint == 0) {
			hint = make_hint(disk, granule, shift);
			atomic_store_explicit(&table[granule % TABLE_COUNT], hint, memory_order_relaxed);
		}
		if (hint_kind(hint) == MIXED && shift == COARSE_SHIFT)
			continue;
		if (hint_kind(hint) == MIXED || hint == 0)
			return false;
		*out = (struct vhdx_extent){
			.disk_offset = disk_offset,
			.length = min_u64(length, (UINT64_C(1) << shift) - in_granule),
			.kind = (enum vhdx_extent_kind)hint_kind(hint),
			.level = hint_level(hint),
		};
		if (out->kind == VHDX_EXTENT_DATA)
			out->file_offset = hint_file_offset(hint) + in_granule;
		return true;
	}
}

static bool continues(const struct vhdx_extent *e, const struct vhdx_extent *next)
{
	return next->kind == e->kind && next->level == e->level && next->in_memory == e->in_memory &&
	       (e->kind != VHDX_EXTENT_DATA || next->file_offset == e->file_offset + e->length);
}

/*
 * In pieces that double while one run goes on: an upper level looks at each block it does not hold, and so must not be asked for much more than what the levels below
 * it will answer. One level alone answers with what it looked at. A failure behind the first piece is told when it is asked for.
 */
static int walk_far(struct vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length,
		    struct vhdx_error *error)
{
	uint64_t piece = disk->depth == 1 ? length : min_u64(length, FIRST_WALK);
	struct vhdx_error ignored;
	struct vhdx_extent next;
	int status = walk(disk, out, disk_offset, piece, error);

	while (status == VHDX_OK && out->length == piece && piece < length) {
		uint64_t more = min_u64(length - piece, piece);

		if (walk(disk, &next, disk_offset + piece, more, &ignored) < 0 || !continues(out, &next))
			break;
		out->length += next.length;
		piece += more;
	}
	return status;
}

int disk_extent(struct vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	_Atomic uint64_t *tables = length <= HINT_LIMIT ? hint_tables(disk) : NULL;
	struct vhdx_extent next;

	if (tables == NULL || !hinted(disk, tables, out, disk_offset, length))
		return walk_far(disk, out, disk_offset, length, error);
	while (out->length < length) {
		if (!hinted(disk, tables, &next, disk_offset + out->length, length - out->length) || !continues(out, &next))
			break;
		out->length += next.length;
	}
	return VHDX_OK;
}

static int read_extent(struct vhdx_disk *disk, const struct vhdx_extent *e, uint8_t *buffer, struct vhdx_error *error)
{
	const struct image *image = disk->levels[e->level].image;
	int status;

	switch (e->kind) {
	case VHDX_EXTENT_DATA:
		status = view_read(&image->view, buffer, (size_t)e->length, e->file_offset, error);
		if (status < 0)
			error->level = e->level;
		return status;
	case VHDX_EXTENT_ZERO:
	case VHDX_EXTENT_LOST:
	case VHDX_EXTENT_HOLE: memset(buffer, 0, (size_t)e->length); return VHDX_OK;
	case VHDX_EXTENT_PARENT:
		if (!salvages(disk))
			break;
		memset(buffer, 0, (size_t)e->length);
		return VHDX_OK;
	}
	fail(error, VHDX_E_PARENT_MISSING, "disk offset 0x%" PRIx64 " is held by the parent, which was left out", e->disk_offset);
	return error_in_file(error, image->view.file.name, e->level);
}

/*
 * The image that holds a whole range in one piece, and where; NULL when no hint says so. Never bytes that a replayed log
 * overlays.
 */
static const struct image *hot(struct vhdx_disk *disk, uint64_t *file_offset, uint64_t disk_offset, size_t length)
{
	_Atomic uint64_t *tables = atomic_load_explicit(&disk->hints, memory_order_acquire);
	unsigned shift = COARSE_SHIFT;
	uint64_t hint, in_granule;

	if (tables == NULL)
		return NULL;
	hint = find_hint(tables, disk_offset >> shift);
	if (hint_kind(hint) == MIXED) {
		shift = FINE_SHIFT;
		hint = find_hint(tables + TABLE_COUNT, disk_offset >> shift);
	}
	in_granule = disk_offset & ((UINT64_C(1) << shift) - 1);
	if (hint_kind(hint) != VHDX_EXTENT_DATA || length > (UINT64_C(1) << shift) - in_granule)
		return NULL;
	*file_offset = hint_file_offset(hint) + in_granule;
	return disk->levels[hint_level(hint)].image;
}

static int read_file(const struct image *image, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	int status = file_read(&image->view.file, buffer, length, file_offset, error);

	if (status < 0)
		error->level = image->level;
	return status;
}

int disk_read(struct vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	uint64_t file_offset;
	const struct image *image = hot(disk, &file_offset, disk_offset, length);
	uint8_t *p = buffer;

	if (image != NULL)
		return read_file(image, buffer, length, file_offset, error);
	while (length != 0) {
		bool guarded = disk->locks != NULL; /* space freed by a writer is not reused while somebody reads there */
		unsigned half = guarded ? epoch_enter(&disk->readers) : 0;
		struct vhdx_extent e;
		int status = disk_extent(disk, &e, disk_offset, length, error);

		if (status == VHDX_OK)
			status = read_extent(disk, &e, p, error);
		if (guarded)
			epoch_leave(&disk->readers, half);
		if (status < 0)
			return status;
		p += e.length;
		length -= (size_t)e.length;
		disk_offset += e.length;
	}
	return VHDX_OK;
}

int disk_read_below(struct vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	uint8_t *p = buffer;

	while (length != 0) {
		struct vhdx_extent e;
		int status = walk_from(disk, 1, &e, disk_offset, length, error);

		if (status == VHDX_OK)
			status = read_extent(disk, &e, p, error);
		if (status < 0)
			return status;
		p += e.length;
		length -= (size_t)e.length;
		disk_offset += e.length;
	}
	return VHDX_OK;
}

int disk_info(const struct vhdx_disk *disk, unsigned level, struct vhdx_info *info, struct vhdx_error *error)
{
	struct vhdx_info full = VHDX_INFO_INIT;
	uint32_t size = info->struct_size;
	const struct image *image;

	if (level >= disk->depth)
		return fail(error, VHDX_E_RANGE, "the chain has %u levels, there is no level %u", disk->depth, level);
	image = disk->levels[level].image;
	if (image->writing != NULL)
		mutex_lock(&image->writing->commit);
	full.format = image->format;
	full.type = image->type;
	full.file_name = image->view.file.name;
	full.virtual_size = image->disk_size;
	full.file_size = image->view.size;
	full.block_size = image->block_size;
	full.logical_sector_size = image->logical_sector_size;
	full.physical_sector_size = image->physical_sector_size;
	full.data_identity = image->data_identity;
	if (image->parent_identity_count != 0)
		full.parent_identity = image->parent_identities[0];
	full.parent_time_stamp_differs = image->parent_time_stamp_differs;
	image->ops->info(image, &full);
	if (image->writing != NULL)
		mutex_unlock(&image->writing->commit);
	full.struct_size = size;
	memcpy(info, &full, (size_t)min_u64(size, sizeof(full)));
	return VHDX_OK;
}
