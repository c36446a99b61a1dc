/* SPDX-License-Identifier: MIT */
/* The free clusters of FAT12, FAT16 and FAT32: entries of the table that are 0. See unused.h. */
#include <stdlib.h>
#include <string.h>

#include "probe.h"
#include "tool.h"
#include "unused.h"

enum { WINDOW = 65536, MOST_CLUSTERS = 0x0FFFFFF5 };

struct fat {
	uint64_t table; /* offset of the one that counts */
	uint64_t table_size;
	uint64_t data; /* offset of cluster 2 */
	uint64_t cluster;
	uint64_t clusters;
	uint64_t other; /* offset of the other copy, when both are kept alike; 0 */
	unsigned bits;  /* of an entry */
};

/* False when the numbers do not fit each other. */
static bool load(struct fat *f, const struct volume *v, const uint8_t *boot)
{
	uint64_t sector = probe_le16(boot + 11), reserved = probe_le16(boot + 14), entries = probe_le16(boot + 17);
	uint64_t length = probe_le16(boot + 22), sectors = probe_le16(boot + 19), copies = boot[16], used, active = 0;

	if (sectors == 0)
		sectors = probe_le32(boot + 32);
	if (length == 0) {
		length = probe_le32(boot + 36);
		f->bits = 32;
		if (boot[40] & 0x80)
			active = boot[40] & 0x0F;
	}
	f->cluster = boot[13] * sector;
	used = reserved + copies * length + (entries * 32 + sector - 1) / (sector != 0 ? sector : 1);
	if (sector < 512 || sector > 4096 || f->cluster == 0 || length == 0 || copies == 0 || copies > 2 || active >= copies ||
	    used >= sectors || sectors > v->size / sector)
		return false;
	f->clusters = (sectors - used) / boot[13];
	if (f->bits == 0)
		f->bits = f->clusters < 4085 ? 12 : 16;
	f->table = (reserved + active * length) * sector;
	f->table_size = length * sector;
	f->other = copies == 1 || (f->bits == 32 && (boot[40] & 0x80) != 0) ? 0 : f->table + f->table_size;
	f->data = used * sector;
	return f->clusters <= MOST_CLUSTERS && f->clusters + 2 <= f->table_size * 8 / f->bits;
}

/* The volume says in its second entry, and Linux in the boot sector, that it was taken out of use in order. */
static bool is_clean(const struct fat *f, const struct volume *v, const uint8_t *boot)
{
	uint8_t start[8];

	if (!volume_read(v, start, sizeof(start), f->table))
		return false;
	if (f->bits == 32)
		return (probe_le32(start + 4) & 0x0C000000) == 0x0C000000 && (boot[65] & 1) == 0;
	return (f->bits == 12 || (probe_le16(start + 2) & 0xC000) == 0xC000) && (boot[37] & 1) == 0;
}

/* The first entry repeats the media byte, with ones behind it. */
static bool has_table(const struct fat *f, const struct volume *v, const uint8_t *boot)
{
	uint8_t start[2];

	return volume_read(v, start, sizeof(start), f->table) && start[0] == boot[21] && (start[1] & 0x0F) == 0x0F;
}

static uint32_t entry_of(const struct fat *f, const uint8_t *bytes, uint64_t index)
{
	switch (f->bits) {
	case 12: return probe_le16(bytes + index * 3 / 2) >> (index % 2 * 4) & 0xFFF;
	case 16: return probe_le16(bytes + index * 2);
	default: return probe_le32(bytes + index * 4) & 0x0FFFFFFF;
	}
}

/* The table in windows of entries; a FAT12 fits one. */
static bool tell_free(const struct fat *f, struct volume *v, uint8_t *bytes)
{
	uint64_t count = f->clusters + 2, per_window = f->bits == 12 ? count : WINDOW * 8 / f->bits;

	for (uint64_t first = 0; first < count; first += per_window) {
		uint64_t part = count - first < per_window ? count - first : per_window;

		if (!volume_read(v, bytes, (size_t)((part * f->bits + 7) / 8), f->table + first * f->bits / 8))
			return volume_refuse(v, "its table cannot be read");
		for (uint64_t i = first == 0 ? 2 : 0; i < part; i++)
			if (entry_of(f, bytes, i) == 0)
				volume_free(v, f->data + (first + i - 2) * f->cluster, f->cluster);
	}
	return true;
}

/* Copies that differ: nobody but who repairs it knows which one is right. */
static bool copies_agree(const struct fat *f, const struct volume *v, uint8_t *bytes)
{
	uint64_t size = ((f->clusters + 2) * f->bits + 7) / 8;

	for (uint64_t at = 0, part; f->other != 0 && at < size; at += part) {
		part = size - at < WINDOW / 2 ? size - at : WINDOW / 2;
		if (!volume_read(v, bytes, (size_t)part, f->table + at) ||
		    !volume_read(v, bytes + WINDOW / 2, (size_t)part, f->other + at) ||
		    memcmp(bytes, bytes + WINDOW / 2, (size_t)part) != 0)
			return false;
	}
	return true;
}

bool unused_fat(struct volume *v)
{
	struct fat f = { .bits = 0 };
	uint8_t boot[512], *bytes;
	bool result;

	if (!volume_read(v, boot, sizeof(boot), 0) || !load(&f, v, boot))
		return volume_refuse(v, "its boot sector does not fit it");
	if (!has_table(&f, v, boot))
		return volume_refuse(v, "its table is damaged; run fsck or chkdsk");
	if (!is_clean(&f, v, boot))
		return volume_refuse(v, "it was not unmounted cleanly");
	bytes = tool_allocate(NULL, WINDOW);
	if (f.bits == 32 && probe_le32(boot + 44) >= 2) /* its root directory */
		volume_own(v, f.data + (uint64_t)(probe_le32(boot + 44) - 2) * f.cluster, f.cluster);
	result = copies_agree(&f, v, bytes) ? tell_free(&f, v, bytes)
					    : volume_refuse(v, "the copies of its table differ; run fsck or chkdsk");
	free(bytes);
	return result;
}
