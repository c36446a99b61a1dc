/* SPDX-License-Identifier: MIT */
/*
 * Who holds a byte of the disk, and reading it: the one place that walks a chain, for every format. Layer: engine.
 *
 * A range is asked of level 0; what that level does not hold is asked of the next one, and so on. In a deep chain most levels hold nothing of a given
 * place, so a table of hints remembers, for each granule of 2 MiB and each level that was asked, the next level that is not wholly transparent there. A read
 * then visits the levels that matter only, whatever the depth. An entry packs granule, level and answer into 64 bits, so readers need no lock; a lost entry
 * costs a walk, never a wrong answer, because images open for reading do not change.
 */
#include "engine/disk.h"

#include <inttypes.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

#define GRANULE (2 * MIB)
#define HINT_LIMIT (4 * GRANULE) /* longer questions are rare and answered level by level */

static uint64_t hint_key(uint64_t granule, unsigned level)
{
	return (granule + 1) << 9 | level;
}

static bool is_transparent(struct vhdx_disk *disk, unsigned level, uint64_t offset, uint64_t length)
{
	struct image *image = disk->levels[level].image;
	struct vhdx_error ignored;
	struct mapping m;

	return range_fits(offset, length, image->disk_size) && image->ops->map(image, offset, length, &m, &ignored) == VHDX_OK &&
	       m.kind == MAP_ABSENT && m.length == length;
}

/* The first level from `level` on that may hold something of the granule around `offset`; the last level at the latest. */
static unsigned next_level(struct vhdx_disk *disk, unsigned level, uint64_t offset)
{
	uint64_t granule = offset / GRANULE, key = hint_key(granule, level), start = granule * GRANULE, hint;
	_Atomic uint64_t *slot = &disk->hints[(granule + (uint64_t)level * 509) % HINT_COUNT];
	unsigned found = level;

	hint = atomic_load_explicit(slot, memory_order_relaxed);
	if (hint >> 9 == key)
		return (unsigned)(hint & 511);
	while (found + 1 < disk->depth && is_transparent(disk, found, start, min_u64(GRANULE, vhdx_disk_size(disk) - start)))
		found++;
	atomic_store_explicit(slot, key << 9 | found, memory_order_relaxed);
	return found;
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

int disk_extent(struct vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	unsigned level = 0;

	*out = (struct vhdx_extent){ .disk_offset = disk_offset };
	for (;;) {
		struct image *image = disk->levels[level].image;
		struct mapping m;
		int status;

		out->level = level;
		if (disk_offset >= image->disk_size) { /* beyond the end of a smaller parent: zeros */
			out->kind = VHDX_EXTENT_HOLE;
			out->length = length;
			return VHDX_OK;
		}
		status = image->ops->map(image, disk_offset, min_u64(length, image->disk_size - disk_offset), &m, error);
		if (status < 0)
			return error_in_file(error, image->view.file.name, level);
		if (m.kind == MAP_DATA) {
			set_data(image, &m, out);
			return VHDX_OK;
		}
		out->length = m.length;
		if (m.kind == MAP_ZERO) {
			out->kind = VHDX_EXTENT_ZERO;
			return VHDX_OK;
		}
		if (level + 1 == disk->depth) {
			out->kind = disk->parent_left_out ? VHDX_EXTENT_PARENT : VHDX_EXTENT_HOLE;
			return VHDX_OK;
		}
		length = m.length;
		level++;
		if (disk->hints != NULL && length <= HINT_LIMIT) {
			unsigned next = next_level(disk, level, disk_offset);

			if (next != level)
				length = min_u64(length, GRANULE - disk_offset % GRANULE);
			level = next;
		}
	}
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
	case VHDX_EXTENT_HOLE:
		memset(buffer, 0, (size_t)e->length);
		return VHDX_OK;
	case VHDX_EXTENT_PARENT:
		break;
	}
	fail(error, VHDX_E_PARENT_MISSING, "disk offset 0x%" PRIx64 " is held by the parent, which was left out", e->disk_offset);
	return error_in_file(error, image->view.file.name, e->level);
}

int disk_read(struct vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	uint8_t *p = buffer;

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
	memcpy(info, &full, min_u64(size, sizeof(full)));
	return VHDX_OK;
}
