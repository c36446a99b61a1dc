/* SPDX-License-Identifier: MIT */
/*
 * The filesystems of Microsoft: FAT, exFAT, NTFS, ReFS, and BitLocker. Part of content.h.
 *
 * All start with a boot sector whose numbers must fit each other before anything is computed with them. The labels of NTFS, exFAT
 * and most FATs are not in it but in a file record or the root directory: one more read of at most 4 KiB.
 */
#include <string.h>

#include "probe.h"

enum { DIRECTORY_BYTES = 512, DIRECTORY_ENTRY = 32 };

static bool is_power_of_two(uint32_t value)
{
	return value && (value & (value - 1)) == 0;
}

static bool is_sector_size(uint32_t size)
{
	return is_power_of_two(size) && size >= 256 && size <= 4096;
}

bool ntfs_restore_record(uint8_t *record, uint32_t size)
{
	uint32_t place = probe_le16(record + 4), count = probe_le16(record + 6);

	if (memcmp(record, "FILE", 4) != 0 || count != size / 512 + 1 || place > size - 2 * count)
		return false;
	for (uint32_t i = 1; i < count; i++) {
		uint8_t *end = record + i * 512 - 2;

		if (memcmp(end, record + place, 2) != 0)
			return false;
		memcpy(end, record + place + 2 * i, 2);
	}
	return true;
}

/* The name attribute of file record 3, "$Volume". */
static void read_ntfs_label(char *label, const struct probe *probe, uint64_t offset, uint32_t size)
{
	uint8_t record[4096];
	uint32_t place;

	if (!probe_read(probe, record, size, offset) || !ntfs_restore_record(record, size))
		return;
	for (place = probe_le16(record + 20); place <= size - 24; place += probe_le32(record + place + 4)) {
		const uint8_t *attribute = record + place;
		uint32_t length = probe_le32(attribute + 4), value = probe_le16(attribute + 20),
			 bytes = probe_le32(attribute + 16);

		if (length < 24 || length > size - place)
			return;
		if (probe_le32(attribute) != 0x60 || attribute[8])
			continue;
		if (value <= length && bytes <= length - value)
			probe_text_utf16(label, attribute + value, bytes / 2);
		return;
	}
}

/* The size includes the copy of the boot sector, which lies after the sectors that are counted. */
bool describe_ntfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *boot = probe->bytes;
	uint32_t sector = probe_le16(boot + 11);
	uint32_t cluster = boot[13] <= 0x80 ? boot[13] : boot[13] >= 0xF4 ? UINT32_C(1) << (0x100 - boot[13]) : 0;
	uint64_t sectors = probe_le64(boot + 40), table;
	uint32_t record;

	(void)signature;
	if (!is_sector_size(sector) || !is_power_of_two(cluster) || sectors == 0 || sectors == UINT64_MAX)
		return false;
	cluster *= sector;
	out->size = probe_product(sectors + 1, sector);
	record = boot[64] < 0x80 ? boot[64] * cluster : boot[64] >= 0xF4 ? UINT32_C(1) << (0x100 - boot[64]) : 0;
	table = probe_product(probe_le64(boot + 48), cluster);
	if (is_power_of_two(record) && record >= 512 && record <= 4096 && table && table < probe->size)
		read_ntfs_label(out->label, probe, table + 3 * (uint64_t)record, record);
	return true;
}

bool describe_refs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	(void)signature;
	if (memcmp(probe->bytes + 16, "FSRS", 4) != 0)
		return false;
	out->size = probe_product(probe_le64(probe->bytes + 24), probe_le32(probe->bytes + 32));
	return true;
}

bool describe_bitlocker(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	uint32_t sector = probe_le16(probe->bytes + 11);

	(void)signature;
	if (is_sector_size(sector))
		out->size = probe_product(probe_le64(probe->bytes + 40), sector);
	return true;
}

/* The label is an entry of its own kind in the root directory. */
bool describe_exfat(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	const uint8_t *boot = probe->bytes;
	uint8_t directory[DIRECTORY_BYTES];
	uint32_t root = probe_le32(boot + 96);
	uint64_t place;

	(void)signature;
	if (boot[108] < 9 || boot[108] > 12 || boot[109] > 25 - boot[108])
		return false;
	out->size = probe_product(probe_le64(boot + 72), UINT64_C(1) << boot[108]);
	if (root < 2)
		return true;
	place = ((uint64_t)probe_le32(boot + 88) << boot[108]) + ((uint64_t)(root - 2) << (boot[108] + boot[109]));
	if (!probe_read(probe, directory, sizeof(directory), place))
		return true;
	for (size_t i = 0; i < sizeof(directory) && directory[i]; i += DIRECTORY_ENTRY)
		if (directory[i] == 0x83 && directory[i + 1] <= 11) {
			probe_text_utf16(out->label, directory + i + 2, directory[i + 1]);
			break;
		}
	return true;
}

struct fat {
	uint64_t root; /* offset of the root directory */
	uint64_t clusters;
	bool is_32;
};

/* Where things are, by the rules that also decide between FAT12, FAT16 and FAT32. False when it is no FAT. */
static bool read_fat(struct fat *fat, struct content_filesystem *out, const uint8_t *boot)
{
	uint32_t sector = probe_le16(boot + 11), per_cluster = boot[13], reserved = probe_le16(boot + 14), copies = boot[16];
	uint32_t entries = probe_le16(boot + 17), length = probe_le16(boot + 22);
	uint64_t sectors = probe_le16(boot + 19), used;

	if ((boot[0] != 0xEB && boot[0] != 0xE9) || !is_sector_size(sector) || sector < 512 || !is_power_of_two(per_cluster))
		return false;
	if (reserved == 0 || copies < 1 || copies > 2 || (boot[21] != 0xF0 && boot[21] < 0xF8))
		return false;
	fat->is_32 = length == 0;
	if (fat->is_32)
		length = probe_le32(boot + 36);
	if (sectors == 0)
		sectors = probe_le32(boot + 32);
	fat->root = (reserved + (uint64_t)copies * length) * sector;
	used = fat->root / sector + (entries * DIRECTORY_ENTRY + sector - 1) / sector;
	if (length == 0 || fat->is_32 != (entries == 0) || used >= sectors)
		return false;
	if (fat->is_32)
		fat->root += probe_product(probe_le32(boot + 44) - UINT64_C(2), (uint64_t)per_cluster * sector);
	fat->clusters = (sectors - used) / per_cluster;
	out->size = sectors * sector;
	return true;
}

bool describe_fat(struct content_filesystem *out, const struct probe *probe, const struct signature *signature)
{
	uint8_t directory[DIRECTORY_BYTES];
	const uint8_t *names;
	struct fat fat;

	(void)signature;
	if (!read_fat(&fat, out, probe->bytes))
		return false;
	out->type = fat.is_32 ? "FAT32" : fat.clusters < 4085 ? "FAT12" : "FAT16";
	names = probe->bytes + (fat.is_32 ? 64 : 36);
	if (names[2] == 0x29 && memcmp(names + 7, "NO NAME    ", 11) != 0)
		probe_text(out->label, names + 7, 11);
	if (out->label[0] || !probe_read(probe, directory, sizeof(directory), fat.root))
		return true;
	for (size_t i = 0; i < sizeof(directory) && directory[i]; i += DIRECTORY_ENTRY)
		if ((directory[i + 11] & 0x3F) == 0x08 && directory[i] != 0xE5) {
			probe_text(out->label, directory + i, 11);
			break;
		}
	return true;
}
