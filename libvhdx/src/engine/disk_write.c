/* SPDX-License-Identifier: MIT */
/*
 * Changing the disk: cuts a request into pieces that its format can take. Layer: engine.
 *
 * No piece crosses a granule of the leaf (a block), and each granule has a lock, so the state of a block stands still while it is written, and writes to
 * different blocks run in parallel. Parts of logical sectors at the ends are read through the chain, changed and written whole, under that lock.
 */
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "engine/disk.h"

enum { MAX_SECTOR = 4096 };

static struct image *leaf_of(struct vhdx_disk *disk)
{
	return disk->levels[0].image;
}

static int check_writable(struct vhdx_disk *disk, struct vhdx_error *error)
{
	if (leaf_of(disk)->writing == NULL)
		return fail(error, VHDX_E_READ_ONLY, "the disk is open for reading only");
	return writing_check(leaf_of(disk), error);
}

/* `buffer` NULL: zeros. */
struct piece {
	const uint8_t *buffer;
	uint64_t length;
	uint64_t disk_offset;
};

/* The part of one logical sector. */
static int write_in_sector(struct vhdx_disk *disk, const struct piece *piece, struct vhdx_error *error)
{
	struct image *leaf = leaf_of(disk);
	uint32_t sector = leaf->writing->sector;
	uint64_t start = round_down(piece->disk_offset, sector);
	uint8_t bytes[MAX_SECTOR];
	int status = disk_read(disk, bytes, sector, start, error);

	if (status < 0)
		return status;
	if (piece->buffer != NULL)
		memcpy(bytes + (piece->disk_offset - start), piece->buffer, (size_t)piece->length);
	else
		memset(bytes + (piece->disk_offset - start), 0, (size_t)piece->length);
	return leaf->ops->write(leaf, bytes, sector, start, error);
}

/* Takes `length` bytes off the front of `rest`. */
static struct piece take(struct piece *rest, uint64_t length)
{
	struct piece front = { rest->buffer, length, rest->disk_offset };

	if (rest->buffer != NULL)
		rest->buffer += length;
	rest->disk_offset += length;
	rest->length -= length;
	return front;
}

/* Inside one granule, under its lock. */
static int write_piece(struct vhdx_disk *disk, struct piece rest, struct vhdx_error *error)
{
	struct image *leaf = leaf_of(disk);
	uint32_t sector = leaf->writing->sector;
	uint64_t into = rest.disk_offset & (sector - 1), whole;
	struct piece part;
	int status = VHDX_OK;

	if (into != 0) {
		part = take(&rest, min_u64(rest.length, sector - into));
		status = write_in_sector(disk, &part, error);
	}
	whole = round_down(rest.length, sector);
	if (status == VHDX_OK && whole != 0) {
		part = take(&rest, whole);
		status = leaf->ops->write(leaf, part.buffer, (size_t)part.length, part.disk_offset, error);
	}
	return status == VHDX_OK && rest.length != 0 ? write_in_sector(disk, &rest, error) : status;
}

static mutex *lock_of(struct vhdx_disk *disk, uint64_t granule)
{
	return &disk->locks[granule % LOCK_COUNT];
}

/*
 * Of a long range that is to become zeros or nothing: how much of it, in whole granules, the leaf holds nothing of, so that there is nothing to do. With `zeros_too`
 * also what is there but reads as zeros, which others may read differently. Looked at like a read, without locks: a write that runs beside this has no order to it.
 */
static uint64_t nothing_there(struct vhdx_disk *disk, uint64_t disk_offset, uint64_t length, bool zeros_too)
{
	struct image *leaf = leaf_of(disk);
	struct vhdx_error ignored;
	enum map_kind kind;
	struct mapping m;
	unsigned half;
	bool useful;
	int status;

	if (length <= leaf->writing->granule)
		return 0;
	half = epoch_enter(&disk->readers);
	status = leaf->ops->map(leaf, disk_offset, leaf->writing->granule, &m,
				&ignored); /* a long answer of no use would be asked for again with each granule */
	useful = status == VHDX_OK && m.kind != MAP_DATA && (m.kind != MAP_ZERO || zeros_too) &&
		 (m.kind != MAP_ABSENT || leaf->type != VHDX_TYPE_DIFFERENCING);
	kind = m.kind;
	if (useful)
		status = leaf->ops->map(leaf, disk_offset, length, &m, &ignored);
	epoch_leave(&disk->readers, half);
	if (!useful || status < 0 || m.kind != kind)
		return 0;
	return m.length == length ? length : round_down(disk_offset + m.length, leaf->writing->granule) - disk_offset;
}

static int write_all(struct vhdx_disk *disk, struct piece rest, struct vhdx_error *error)
{
	struct image *leaf = leaf_of(disk);
	int status = check_writable(disk, error);
	uint64_t granule;

	if (status < 0)
		return status;
	granule = leaf->writing->granule;
	while (status == VHDX_OK && rest.length != 0) {
		struct piece part;
		mutex *lock;

		if (rest.buffer == NULL && (rest.disk_offset & (granule - 1)) == 0)
			(void)take(&rest, nothing_there(disk, rest.disk_offset, rest.length, false));
		if (rest.length == 0)
			break;
		part = take(&rest, min_u64(rest.length, granule - (rest.disk_offset & (granule - 1))));
		lock = lock_of(disk, part.disk_offset >> leaf->writing->granule_shift);

		mutex_lock(lock);
		status = writing_check(leaf, error);
		if (status == VHDX_OK)
			status = write_piece(disk, part, error);
		mutex_unlock(lock);
	}
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

/* Whole sectors inside one granule, as most writes are: nothing to cut. */
static int write_one(struct vhdx_disk *disk, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	struct image *leaf = leaf_of(disk);
	mutex *lock = lock_of(disk, disk_offset >> leaf->writing->granule_shift);
	int status;

	mutex_lock(lock);
	status = writing_check(leaf, error);
	if (status == VHDX_OK)
		status = leaf->ops->write(leaf, buffer, length, disk_offset, error);
	mutex_unlock(lock);
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

int disk_write(struct vhdx_disk *disk, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	const struct writing *w = leaf_of(disk)->writing;

	if (w != NULL && length != 0 && ((disk_offset | length) & (w->sector - 1)) == 0 &&
	    (disk_offset & (w->granule - 1)) + length <= w->granule)
		return write_one(disk, buffer, length, disk_offset, error);
	return write_all(disk, (struct piece){ buffer, length, disk_offset }, error);
}

int disk_write_zeroes(struct vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	return write_all(disk, (struct piece){ NULL, length, disk_offset }, error);
}

/* Whole granules only; the last one may be cut short by the end of the disk. */
int disk_discard(struct vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	struct image *leaf = leaf_of(disk);
	int status = check_writable(disk, error);
	uint64_t granule, end = disk_offset + length;

	if (status < 0)
		return status;
	if (leaf->ops->discard == NULL)
		return VHDX_OK;
	granule = leaf->writing->granule;
	for (uint64_t at = round_up(disk_offset, granule), part; status == VHDX_OK && at < end; at += granule) {
		at += nothing_there(disk, at, end - at, true);
		if (at >= end)
			break;
		part = min_u64(granule, leaf->disk_size - at);
		if (part > end - at)
			break;
		mutex_lock(lock_of(disk, at / granule));
		status = writing_check(leaf, error);
		if (status == VHDX_OK)
			status = leaf->ops->discard(leaf, part, at, error);
		mutex_unlock(lock_of(disk, at / granule));
	}
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}

int disk_flush(struct vhdx_disk *disk, struct vhdx_error *error)
{
	struct image *leaf = leaf_of(disk);
	int status = check_writable(disk, error);

	if (status == VHDX_OK)
		status = leaf->ops->flush(leaf, error);
	return status < 0 ? error_in_file(error, leaf->view.file.name, 0) : VHDX_OK;
}
