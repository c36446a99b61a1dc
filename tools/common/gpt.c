/* SPDX-License-Identifier: MIT */
/*
 * The GUID partition table. Part of content.h.
 *
 * A GPT counts only behind a protective MBR (a disk that was given an MBR later keeps its old GPT), with the checksums of header
 * and entries right, and with at most 64 KiB of entries, four times what everybody writes. It is looked for in sectors of the
 * disk's size and then of the other, because an image copied from a disk with other sectors keeps its table; then at the end of
 * the disk.
 */
#include <string.h>

#include <zlib.h>

#include "probe.h"

enum { GPT_HEADER_SIZE = 92, GPT_ENTRY_SIZE = 128, GPT_ENTRIES_MAX = 0x10000 };

struct gpt {
	uint32_t sector_size;
	uint64_t alternate; /* sector of the other header */
	uint64_t entries;   /* disk offset */
	uint32_t entry_size;
	uint32_t entry_count;
	uint8_t table[GPT_ENTRIES_MAX];
};

static uint32_t checksum(const uint8_t *bytes, uint32_t length)
{
	return (uint32_t)crc32(0, bytes, length);
}

/* "c12a7328-f81f-11d2-ba4b-00a0c93ec93b": the first three groups are little-endian on disk. */
static void format_guid(char text[37], const uint8_t *bytes)
{
	static const uint8_t order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
	static const char digits[] = "0123456789abcdef";

	for (int i = 0; i < 16; i++) {
		*text++ = digits[bytes[order[i]] >> 4];
		*text++ = digits[bytes[order[i]] & 15];
		if (i == 3 || i == 5 || i == 7 || i == 9)
			*text++ = '-';
	}
	*text = '\0';
}

/* The GPT whose header is in sector `sector`, if all of it holds. */
static bool load_gpt(struct gpt *gpt, const struct probe *disk, uint32_t sector_size, uint64_t sector)
{
	static const uint8_t zero[4];
	uint8_t header[4096];
	uint32_t header_size, length;

	if (!probe_bytes(disk, header, sector_size, sector * sector_size) || memcmp(header, "EFI PART", 8) != 0)
		return false;
	header_size = probe_le32(header + 12);
	length = probe_le32(header + 16);
	memcpy(header + 16, zero, 4);
	if (header_size < GPT_HEADER_SIZE || header_size > sector_size || checksum(header, header_size) != length)
		return false;
	gpt->sector_size = sector_size;
	gpt->alternate = probe_le64(header + 32);
	gpt->entry_count = probe_le32(header + 80);
	gpt->entry_size = probe_le32(header + 84);
	if (probe_le64(header + 24) != sector || gpt->entry_size < GPT_ENTRY_SIZE || gpt->entry_size > 4096 ||
	    gpt->entry_size % 8 || gpt->entry_count == 0 || gpt->entry_count > GPT_ENTRIES_MAX / gpt->entry_size)
		return false;
	length = gpt->entry_count * gpt->entry_size;
	if (probe_le64(header + 72) > disk->size / sector_size)
		return false;
	gpt->entries = probe_le64(header + 72) * sector_size;
	return probe_bytes(disk, gpt->table, length, gpt->entries) && checksum(gpt->table, length) == probe_le32(header + 88);
}

static void set_type(struct content_partition *partition, const uint8_t *bytes)
{
	static const struct {
		char id[37];
		const char *name;
		bool is_bare;
	} types[] = {
		{ "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system", false },
		{ "e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved", true },
		{ "ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data", false },
		{ "de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery", false },
		{ "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "Windows LDM metadata", false },
		{ "af9b60a0-1431-4f62-bc68-3311714a69ad", "Windows LDM data", false },
		{ "e75caf8f-f680-4cee-afa3-b001e56efc2d", "Windows storage spaces", false },
		{ "0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem", false },
		{ "4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)", false },
		{ "44479540-f297-41b2-9af7-d131d5f0458a", "Linux root (x86)", false },
		{ "b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (arm64)", false },
		{ "933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home", false },
		{ "3b8f8425-20e0-4f3b-907f-1a25a76f98e8", "Linux server data", false },
		{ "4d21b016-b534-45c2-a9fb-5c16e091fd2d", "Linux var", false },
		{ "8484680c-9521-48c6-9c11-b0720656f69e", "Linux usr (x86-64)", false },
		{ "bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux extended boot", false },
		{ "0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap", false },
		{ "e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM", false },
		{ "a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID", false },
		{ "ca7d7ccb-63ed-4c53-861c-1742536059cc", "Linux LUKS", false },
		{ "8da63339-0007-60c0-c436-083ac8230908", "Linux reserved", false },
		{ "21686148-6449-6e6f-744e-656564454649", "BIOS boot", true },
		{ "9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PowerPC PReP boot", false },
		{ "516e7cb4-6ecf-11d6-8ff8-00022d09712b", "FreeBSD data", false },
		{ "83bd6b9d-7f41-11dc-be0b-001560b84f0f", "FreeBSD boot", false },
		{ "516e7cb5-6ecf-11d6-8ff8-00022d09712b", "FreeBSD swap", false },
		{ "516e7cb6-6ecf-11d6-8ff8-00022d09712b", "FreeBSD UFS", false },
		{ "516e7cba-6ecf-11d6-8ff8-00022d09712b", "FreeBSD ZFS", false },
		{ "824cc7a0-36a8-11e3-890a-952519ad3f61", "OpenBSD data", false },
		{ "6a898cc3-1dd2-11b2-99a6-080020736631", "ZFS", false },
		{ "48465300-0000-11aa-aa11-00306543ecac", "Apple HFS+", false },
		{ "7c3457ef-0000-11aa-aa11-00306543ecac", "Apple APFS", false },
		{ "fe3a2a5d-4f32-41a7-b725-accc3285a309", "ChromeOS kernel", false },
		{ "3cb8e202-3b7e-47dd-8a3c-7ff2a13cfcec", "ChromeOS root", false },
		{ "aa31e02a-400f-11db-9590-000c2911d1b8", "VMware VMFS", false },
	};

	format_guid(partition->type_id, bytes);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (memcmp(types[i].id, partition->type_id, sizeof(types[i].id)) == 0) {
			partition->type = types[i].name;
			partition->is_bare = types[i].is_bare;
		}
}

static bool is_unused(const uint8_t *entry)
{
	return probe_le64(entry) == 0 && probe_le64(entry + 8) == 0;
}

/* Lists the entries; returns the sector after the last partition. */
static uint64_t list_gpt(struct content *out, const struct gpt *gpt, uint64_t disk_sectors)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < gpt->entry_count; i++) {
		const uint8_t *entry = gpt->table + (size_t)i * gpt->entry_size;
		uint64_t first = probe_le64(entry + 32), last = probe_le64(entry + 40);
		bool outside = first > last || last >= disk_sectors;
		struct content_partition *partition;

		if (is_unused(entry))
			continue;
		if (end <= last)
			end = outside ? UINT64_MAX : last + 1;
		partition = content_add(out, i + 1);
		if (partition == NULL)
			continue;
		partition->outside = outside;
		partition->offset = probe_product(first, gpt->sector_size);
		partition->size = first > last ? 0 : probe_product(last - first + 1, gpt->sector_size);
		partition->active = entry[48] >> 2 & 1;
		set_type(partition, entry);
		probe_text_utf16(partition->name, entry + 56, 36);
	}
	return end;
}

/* The table, with the copy at the end when the first one is damaged. False when there is none or neither can be used. */
static bool find_gpt(struct content *out, struct gpt *gpt, const struct probe *disk)
{
	uint32_t sizes[2] = { disk->source->sector_size, disk->source->sector_size == 512 ? 4096 : 512 };

	for (int i = 0; i < 2; i++)
		if (load_gpt(gpt, disk, sizes[i], 1))
			return true;
	for (int i = 0; i < 2; i++)
		if (disk->size / sizes[i] > 1 && load_gpt(gpt, disk, sizes[i], disk->size / sizes[i] - 1)) {
			out->gpt_backup_used = true;
			return true;
		}
	return false;
}

bool partitions_gpt(struct content *out, const struct probe *disk, uint64_t *end)
{
	struct gpt gpt;
	bool protective = false;
	uint64_t sectors, copy;

	for (int i = 0; i < 4; i++)
		protective |= disk->bytes[PROBE_MBR_TABLE + i * PROBE_MBR_ENTRY + 4] == 0xEE;
	if (!protective || disk->bytes[510] != 0x55 || disk->bytes[511] != 0xAA)
		return false;
	out->table = CONTENT_GPT;
	if (!find_gpt(out, &gpt, disk)) {
		out->gpt_damaged = true;
		return true;
	}
	sectors = disk->size / gpt.sector_size;
	out->sector_size = gpt.sector_size;
	out->gpt_backup_astray = !out->gpt_backup_used && gpt.alternate != sectors - 1;
	copy = (gpt.entry_count * gpt.entry_size + gpt.sector_size - 1) / gpt.sector_size + 1;
	*end = list_gpt(out, &gpt, sectors);
	if (out->partition_count == 0)
		*end = 1 + copy;
	*end = *end > sectors ? UINT64_MAX : (*end + copy) * gpt.sector_size;
	return true;
}
