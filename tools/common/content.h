/* SPDX-License-Identifier: MIT */
/*
 * What is inside a virtual disk: its partition table, and the filesystem in each partition or on the bare disk.
 *
 * The disk is read through a small callback: 68 KiB from the start, and as much from the start of each partition; labels of NTFS,
 * FAT and exFAT and chains of logical partitions cost one more small read each. Nothing is opened and nothing is kept.
 *
 * The disk is hostile input. Every number read from it passes a bound before it is used; a GPT counts only with both of its
 * checksums right; strings come out as valid UTF-8 without control characters, so they may go to a terminal.
 *
 * A table of signatures of our own, not a library such as libblkid: that wants a descriptor of a host file or device, which a
 * virtual disk does not have, does not exist on Windows, and would cost more system calls than the whole of vhdx-inspect may
 * make.
 *
 * content.c        the answer as a whole, and the minimum size
 * gpt.c, mbr.c     partition tables
 * filesystem.c     the table of signatures, and what Linux and others write
 * filesystem_ms.c  FAT, exFAT, NTFS, ReFS, BitLocker
 */
#ifndef CONTENT_H
#define CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CONTENT_MAX_PARTITIONS = 128, CONTENT_TEXT_SIZE = 132, CONTENT_PROBE_SIZE = 0x11000 };

struct content_source {
	void *context;
	/* Reads exactly `length` bytes, or returns a negative value. Never called for a range that ends beyond `size`. */
	int (*read)(void *context, void *buffer, size_t length, uint64_t disk_offset);
	uint64_t size;
	uint32_t sector_size; /* logical */
};

struct content_filesystem {
	const char *type; /* "ext4"; NULL when none is known. Static storage. */
	uint64_t size;    /* as it says itself; 0 when it does not tell */
	char label[CONTENT_TEXT_SIZE];
	bool ambiguous; /* it bears the mark of something else, too, or is an MBR with partitions: nothing may rely on it */
};

struct content_partition {
	unsigned number; /* as Linux counts: the slot in the table, logical partitions of an MBR from 5 on */
	uint64_t offset;
	uint64_t size;
	const char *type;             /* "Linux filesystem"; NULL when it is not in our list */
	char type_id[37];             /* the GUID, or "0x83" */
	char name[CONTENT_TEXT_SIZE]; /* GPT only */
	bool active;                  /* MBR: the boot flag; GPT: the legacy boot attribute */
	bool is_bare;                 /* of a kind that never holds a filesystem: extended, Microsoft reserved, BIOS boot */
	bool outside;                 /* ends beyond the disk, or before it starts: not looked into */
	bool unreadable;              /* its start could not be read */
	struct content_filesystem filesystem;
};

enum content_table { CONTENT_NO_TABLE, CONTENT_MBR, CONTENT_GPT };

struct content {
	enum content_table table;
	uint32_t sector_size;                 /* that the table counts in; may differ from the disk's for a GPT */
	bool gpt_damaged;                     /* a protective MBR, but neither GPT is usable: nothing listed */
	bool gpt_backup_used;                 /* the GPT at the start is damaged, the one at the end was taken */
	bool gpt_backup_astray;               /* the GPT says that its copy is not at the end of the disk: the disk was resized */
	bool empty;                           /* nothing known was found, and what was looked at is all zeros */
	uint64_t minimum_size;                /* the smallest disk that holds all of this; 0 when that cannot be told */
	struct content_filesystem filesystem; /* of a disk without table */
	unsigned partition_count;             /* in the table */
	unsigned listed;                      /* of these, in `partitions`, in the order of the table */
	struct content_partition partitions[CONTENT_MAX_PARTITIONS]; /* only the listed ones are set */
};

/* Fills `out`. Returns 0, or what the callback returned when the start of the disk cannot be read. */
int content_probe(struct content *out, const struct content_source *source);

#endif
