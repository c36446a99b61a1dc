/* SPDX-License-Identifier: MIT */
#include "gpt_move.h"

#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "tool.h"

enum { MBR_TABLE = 446, MBR_ENTRY = 16, MAX_ENTRIES = 0x10000 };

struct table {
	vhdx_disk *disk;
	uint32_t sector;
	uint8_t front[4096]; /* its header */
	uint8_t *entries;    /* whole sectors */
	uint64_t entry_sectors;
	uint32_t entry_bytes;
};

static uint64_t get(const uint8_t *p, unsigned size)
{
	uint64_t value = 0;

	while (size-- != 0)
		value = value << 8 | p[size];
	return value;
}

static void put(uint8_t *p, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++, value >>= 8)
		p[i] = (uint8_t)value;
}

static void seal(uint8_t *header)
{
	put(header + 16, 4, 0);
	put(header + 16, 4, crc32(0, header, (uInt)get(header + 12, 4)));
}

static int load(struct table *t, struct vhdx_error *error)
{
	int status = vhdx_read(t->disk, t->front, t->sector, t->sector, error);

	if (status != VHDX_OK)
		return status;
	t->entry_bytes = (uint32_t)(get(t->front + 80, 4) * get(t->front + 84, 4));
	if (memcmp(t->front, "EFI PART", 8) != 0 || t->entry_bytes == 0 || t->entry_bytes > MAX_ENTRIES ||
	    get(t->front + 12, 4) < 92 || get(t->front + 12, 4) > t->sector)
		return VHDX_E_DAMAGED; /* the caller has looked: cannot be */
	t->entry_sectors = (t->entry_bytes + t->sector - 1) / t->sector;
	t->entries = tool_allocate(NULL, (size_t)t->entry_sectors * t->sector);
	memset(t->entries, 0, (size_t)t->entry_sectors * t->sector);
	return vhdx_read(t->disk, t->entries, t->entry_bytes, get(t->front + 72, 8) * t->sector, error);
}

static int write_copy(struct table *t, uint64_t last, struct vhdx_error *error)
{
	uint64_t first = last - t->entry_sectors;
	uint8_t copy[4096];
	int status = vhdx_write(t->disk, t->entries, (size_t)(t->entry_sectors * t->sector), first * t->sector, error);

	memcpy(copy, t->front, t->sector);
	put(copy + 24, 8, last);      /* where it is */
	put(copy + 32, 8, 1);         /* where the other one is */
	put(copy + 48, 8, first - 1); /* last sector for partitions */
	put(copy + 72, 8, first);     /* its entries */
	seal(copy);
	if (status == VHDX_OK)
		status = vhdx_write(t->disk, copy, t->sector, last * t->sector, error);
	return status == VHDX_OK ? vhdx_flush(t->disk, error) : status;
}

static int write_front(struct table *t, uint64_t last, struct vhdx_error *error)
{
	int status;

	put(t->front + 32, 8, last);
	put(t->front + 48, 8, last - t->entry_sectors - 1);
	seal(t->front);
	status = vhdx_write(t->disk, t->front, t->sector, t->sector, error);
	return status == VHDX_OK ? vhdx_flush(t->disk, error) : status;
}

/* The protective MBR says how long the disk is, as far as 32 bits reach. */
static int write_mbr(struct table *t, uint64_t old_size, uint64_t last, struct vhdx_error *error)
{
	uint64_t old = old_size / t->sector - 1, length = last > UINT32_MAX ? UINT32_MAX : last;
	uint8_t mbr[4096];
	int status = vhdx_read(t->disk, mbr, t->sector, 0, error);
	bool changed = false;

	for (unsigned i = 0; status == VHDX_OK && i < 4; i++) {
		uint8_t *entry = mbr + MBR_TABLE + i * MBR_ENTRY;

		if (entry[4] == 0xEE && get(entry + 12, 4) == (old > UINT32_MAX ? UINT32_MAX : old)) {
			put(entry + 12, 4, length);
			changed = true;
		}
	}
	return status == VHDX_OK && changed ? vhdx_write(t->disk, mbr, t->sector, 0, error) : status;
}

int gpt_move(vhdx_disk *disk, uint32_t sector, uint64_t old_size, uint64_t new_size, struct vhdx_error *error)
{
	struct table t = { .disk = disk, .sector = sector };
	uint64_t last = new_size / sector - 1, old;
	uint8_t header[8];
	int status = load(&t, error);

	if (status != VHDX_OK) {
		free(t.entries);
		return status;
	}
	old = get(t.front + 32, 8);
	if (old != last) {
		status = write_copy(&t, last, error);
		if (status == VHDX_OK)
			status = write_front(&t, last, error);
		if (status == VHDX_OK)
			status = write_mbr(&t, old_size, last, error);
		/* the old copy would be found by whoever searches */
		if (status == VHDX_OK && old < last && vhdx_read(disk, header, 8, old * sector, error) == VHDX_OK &&
		    memcmp(header, "EFI PART", 8) == 0)
			status = vhdx_write_zeroes(disk, old * sector, sector, error);
		if (status == VHDX_OK)
			status = vhdx_flush(disk, error);
	}
	free(t.entries);
	return status;
}
