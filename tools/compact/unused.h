/* SPDX-License-Identifier: MIT */
/*
 * Which blocks of a disk its filesystems do not use, found without mounting them: each reader (ext.c, fat.c, exfat.c, ntfs.c) tells the free runs of one
 * filesystem that is known to be clean. A block counts when all of it is free, or when the rest of it is zeros: the table of inodes that was never used, room
 * for the growth of a table. A block that reaches out of the volume never does.
 *
 * The disk is hostile input: every number passes a bound before it is used. A reader that gives up takes back all that it told.
 */
#ifndef UNUSED_H
#define UNUSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "content.h"
#include "vhdx.h"

enum { UNUSED_MAX_NOTES = CONTENT_MAX_PARTITIONS };

/* What became of one filesystem. */
struct unused_note {
	unsigned partition; /* 0: the bare disk */
	const char *type;   /* "ext4" */
	uint64_t free;      /* bytes, whether they make whole blocks or not */
	char problem[160];  /* why its free space stays; "" when it was read */
};

struct unused {
	uint64_t disk_size;
	uint64_t block_size; /* a power of two */
	uint64_t block_count;
	uint64_t *blocks; /* a bit for each */
	unsigned note_count;
	struct unused_note notes[UNUSED_MAX_NOTES];
};

/* Looks at the whole disk. Returns a status; that a filesystem cannot be read is a note and no failure. */
int unused_find(struct unused *unused, vhdx_disk *disk, struct vhdx_error *error);
void unused_release(struct unused *unused);
/* An is_unused callback over it. */
int unused_block(void *unused, uint64_t disk_offset, uint64_t length);

/* One filesystem, for its reader. */
struct volume {
	struct unused *unused;
	vhdx_disk *disk;
	uint64_t start; /* on the disk */
	uint64_t size;
	struct unused_note *note;
	uint64_t run_start; /* free so far, told to be marked when it ends */
	uint64_t run_end;
	uint64_t done;  /* what lies before is marked; on the disk, as the next one */
	uint64_t block; /* the one that holds `done` */
	bool is_zero;   /* what of it is used and lies before `done` */
	uint8_t *bytes;
	struct volume_range *own; /* what the filesystem itself stands in */
	size_t own_count;
	size_t own_next;  /* the ones before lie before what was told free last; sorted from then on */
	bool contradicts; /* something of it was told to be free */
};

struct volume_range {
	uint64_t start, end;
};

/* False when the range does not lie in the volume or cannot be read. */
bool volume_read(const struct volume *volume, void *buffer, size_t length, uint64_t offset);
/* What cannot be free, told before anything is: structures of the filesystem itself. */
void volume_own(struct volume *volume, uint64_t offset, uint64_t length);
/* Free bytes, told in ascending order. What lies outside the volume is cut off. */
void volume_free(struct volume *volume, uint64_t offset, uint64_t length);
/* Says why; always false. */
bool volume_refuse(struct volume *volume, const char *problem);

/* Readers: false when they refused. */
bool unused_ext(struct volume *volume);
bool unused_fat(struct volume *volume);
bool unused_exfat(struct volume *volume);
bool unused_ntfs(struct volume *volume);

#endif
