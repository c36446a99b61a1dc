/* SPDX-License-Identifier: MIT */
/*
 * The partition table of the master boot record, with its chain of logical partitions. Part of content.h.
 *
 * The chain is followed for at most CONTENT_MAX_PARTITIONS links, so it may run in circles.
 */
#include "probe.h"

static const char *mbr_type_name(uint8_t id)
{
	static const struct {
		uint8_t id;
		const char *name;
	} types[] = {
		{ 0x01, "FAT12" },          { 0x04, "FAT16, small" },
		{ 0x05, "Extended" },       { 0x06, "FAT16" },
		{ 0x07, "NTFS or exFAT" },  { 0x0B, "FAT32" },
		{ 0x0C, "FAT32, LBA" },     { 0x0E, "FAT16, LBA" },
		{ 0x0F, "Extended, LBA" },  { 0x27, "Windows recovery" },
		{ 0x42, "Windows LDM" },    { 0x82, "Linux swap" },
		{ 0x83, "Linux" },          { 0x85, "Linux extended" },
		{ 0x8E, "Linux LVM" },      { 0xA5, "FreeBSD" },
		{ 0xA6, "OpenBSD" },        { 0xA8, "Apple UFS" },
		{ 0xA9, "NetBSD" },         { 0xAF, "Apple HFS+" },
		{ 0xBF, "Solaris" },        { 0xE8, "Linux LUKS" },
		{ 0xEE, "GPT protective" }, { 0xEF, "EFI system" },
		{ 0xFB, "VMware VMFS" },    { 0xFD, "Linux RAID" },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].id == id)
			return types[i].name;
	return NULL;
}

static bool is_extended(uint8_t type)
{
	return type == 0x05 || type == 0x0F || type == 0x85;
}

/* Adds the partition of an entry whose first sector counts from `base`; returns the sector after it. */
static uint64_t add_mbr(struct content *out, const uint8_t *entry, unsigned number, uint64_t base, uint64_t disk_sectors)
{
	static const char digits[] = "0123456789abcdef";
	struct content_partition *partition = content_add(out, number);
	uint64_t first = base + probe_le32(entry + 8), count = probe_le32(entry + 12);
	bool outside = first > disk_sectors || count > disk_sectors - first;

	if (partition) {
		partition->outside = outside;
		partition->is_bare = is_extended(entry[4]);
		partition->offset = first * out->sector_size;
		partition->size = count * out->sector_size;
		partition->active = entry[0] == 0x80;
		partition->type_id[0] = '0';
		partition->type_id[1] = 'x';
		partition->type_id[2] = digits[entry[4] >> 4];
		partition->type_id[3] = digits[entry[4] & 15];
		partition->type = mbr_type_name(entry[4]);
	}
	return outside ? UINT64_MAX : first + count;
}

/* The logical partitions: each link holds one, and the place of the next link counted from the first. */
static uint64_t list_logical(struct content *out, const struct probe *disk, uint64_t extended, uint64_t disk_sectors)
{
	uint64_t link = extended, end = 0;
	uint8_t sector[512];

	for (unsigned number = 5; number < 5 + CONTENT_MAX_PARTITIONS; number++) {
		const uint8_t *entry = sector + PROBE_MBR_TABLE;
		uint64_t last;

		if (!probe_bytes(disk, sector, sizeof(sector), link * out->sector_size) || sector[510] != 0x55 ||
		    sector[511] != 0xAA)
			break;
		if (entry[4] == 0)
			break;
		last = add_mbr(out, entry, number, link, disk_sectors);
		end = last > end ? last : end;
		entry += PROBE_MBR_ENTRY;
		if (!is_extended(entry[4]))
			break;
		link = extended + probe_le32(entry + 8);
	}
	return end;
}

static bool is_mbr(const uint8_t *sector)
{
	if (sector[510] != 0x55 || sector[511] != 0xAA)
		return false;
	for (int i = 0; i < 4; i++) {
		const uint8_t *entry = sector + PROBE_MBR_TABLE + i * PROBE_MBR_ENTRY;

		if (entry[0] & 0x7F || (entry[4] && (probe_le32(entry + 8) == 0 || probe_le32(entry + 12) == 0)))
			return false;
	}
	return true;
}

bool mbr_has_partitions(const struct probe *disk, uint32_t sector_size)
{
	bool found = false;

	for (unsigned i = 0; i < 4 && is_mbr(disk->bytes); i++) {
		const uint8_t *entry = disk->bytes + PROBE_MBR_TABLE + i * PROBE_MBR_ENTRY;

		found = found ||
			(entry[4] != 0 && (uint64_t)probe_le32(entry + 8) + probe_le32(entry + 12) <= disk->size / sector_size);
	}
	return found;
}

bool partitions_mbr(struct content *out, const struct probe *disk, uint64_t *end)
{
	uint64_t sectors = disk->size / out->sector_size, last = 0;

	if (!is_mbr(disk->bytes))
		return false;
	out->table = CONTENT_MBR;
	for (unsigned i = 0; i < 4; i++) {
		const uint8_t *entry = disk->bytes + PROBE_MBR_TABLE + i * PROBE_MBR_ENTRY;

		if (entry[4] == 0)
			continue;
		last = add_mbr(out, entry, i + 1, 0, sectors);
		*end = last > *end ? last : *end;
		if (is_extended(entry[4])) {
			last = list_logical(out, disk, probe_le32(entry + 8), sectors);
			*end = last > *end ? last : *end;
		}
	}
	*end = *end > sectors ? UINT64_MAX : *end * out->sector_size;
	return true;
}
