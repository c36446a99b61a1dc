/* SPDX-License-Identifier: MIT */
/*
 * Between the files that make up content.h: the bytes under examination, and readers of integers. A probe is a partition or the
 * bare disk; its first bytes are in `bytes`, all zeros beyond `length`, so that every fixed place below CONTENT_PROBE_SIZE may be
 * looked at.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"

enum { PROBE_MBR_TABLE = 446, PROBE_MBR_ENTRY = 16 };

struct probe {
	const struct content_source *source;
	uint64_t start; /* disk offset */
	uint64_t size;  /* bytes from `start` on that belong to it */
	uint8_t bytes[CONTENT_PROBE_SIZE];
};

/* Makes `probe` the range at `start`: reads its first bytes. 0, or the callback's negative value. */
int probe_load(struct probe *probe, const struct content_source *source, uint64_t start, uint64_t size);
/* Reads elsewhere in the probed range. False when it does not lie in it or cannot be read. */
bool probe_read(const struct probe *probe, void *buffer, size_t length, uint64_t offset);

/* The same where the start of the disk is already in `bytes`. */
bool probe_bytes(const struct probe *disk, void *buffer, size_t length, uint64_t offset);

/* Which filesystem is in the range. `boot_sector` wants only those that are known by the first sector, where an MBR would stand.
 * */
bool filesystem_probe(struct content_filesystem *out, const struct probe *probe, bool boot_sector);

/* The partition tables; false when there is none. They leave `filesystem` of each partition to the caller. In `end` where the
 * last partition, and with a GPT its copy, ends; 0 when there is none. */
bool partitions_gpt(struct content *out, const struct probe *disk, uint64_t *end);
bool partitions_mbr(struct content *out, const struct probe *disk, uint64_t *end);
/* Whether the first sector is one with a partition that lies inside the disk. */
bool mbr_has_partitions(const struct probe *disk, uint32_t sector_size);

/* Counts one more partition of the table; a place for it, or NULL when the list is full. */
struct content_partition *content_add(struct content *out, unsigned number);

/* Describers of single filesystems, for the table in filesystem.c: false when it is not one after all. */
struct signature;
bool describe_ntfs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature);
bool describe_refs(struct content_filesystem *out, const struct probe *probe, const struct signature *signature);
bool describe_bitlocker(struct content_filesystem *out, const struct probe *probe, const struct signature *signature);
bool describe_exfat(struct content_filesystem *out, const struct probe *probe, const struct signature *signature);
bool describe_fat(struct content_filesystem *out, const struct probe *probe, const struct signature *signature);

/* Puts back the last two bytes of each sector of a file record of NTFS, which the sequence number stands in for. False when it is none. */
bool ntfs_restore_record(uint8_t *record, uint32_t size);

/* Text from the disk as printable UTF-8 into an array of CONTENT_TEXT_SIZE; ends at a NUL; blanks at the end are dropped. */
void probe_text(char *out, const uint8_t *bytes, size_t length);
void probe_text_utf16(char *out, const uint8_t *bytes, size_t units);

/* count * unit, or 0 when that overflows. */
uint64_t probe_product(uint64_t count, uint64_t unit);

static inline uint32_t probe_le16(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t probe_le32(const uint8_t *p)
{
	return probe_le16(p) | probe_le16(p + 2) << 16;
}

static inline uint64_t probe_le64(const uint8_t *p)
{
	return probe_le32(p) | (uint64_t)probe_le32(p + 4) << 32;
}

static inline uint32_t probe_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t probe_be64(const uint8_t *p)
{
	return (uint64_t)probe_be32(p) << 32 | probe_be32(p + 4);
}

#endif
