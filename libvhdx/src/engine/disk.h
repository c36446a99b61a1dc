/* SPDX-License-Identifier: MIT */
/* The virtual disk: a chain of images, nearest first. Layer: engine. Opened by chain.c, read by disk.c, changed by disk_write.c. */
#ifndef ENGINE_DISK_H
#define ENGINE_DISK_H

#include "engine/image.h"

struct level {
	struct image *image;
	char *name;                    /* copy of the file's name, or NULL */
	bool owns_file;                /* the handle is closed with the disk */
	struct file_identity identity; /* for finding cycles; of level 0 only when there is a level 1 */
};

enum { HINT_COUNT = 1 << 17, LOCK_COUNT = 64 };

struct vhdx_disk {
	struct vhdx_env env;
	struct cache *cache;
	struct level *levels;
	unsigned depth;
	unsigned flags;
	bool parent_left_out;              /* VHDX_OPEN_NO_PARENTS, and the last level has a parent */
	_Atomic(_Atomic uint64_t *) hints; /* HINT_COUNT of them, or NULL: see disk.c */
	atomic_uint walks;                 /* before there are hints */
	mutex *locks;                      /* LOCK_COUNT, of granules; NULL when open for reading */
	struct epoch readers;              /* of level 0 open for writing */
};

int disk_open(struct vhdx_disk **out, const struct vhdx_file *file, const struct vhdx_open_options *options,
	      struct vhdx_error *error);
int disk_close(struct vhdx_disk *disk);

/* The run at `disk_offset`; the range lies inside the disk and is not empty. */
int disk_extent(struct vhdx_disk *disk, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
int disk_read(struct vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
/* What the disk would hold without its level 0; there is a level 1. */
int disk_read_below(struct vhdx_disk *disk, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
int disk_write(struct vhdx_disk *disk, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
int disk_write_zeroes(struct vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
int disk_discard(struct vhdx_disk *disk, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
int disk_flush(struct vhdx_disk *disk, struct vhdx_error *error);
/* disk_change.c: with the disk for themselves. */
int disk_resize(struct vhdx_disk *disk, uint64_t size, unsigned flags, struct vhdx_error *error);
int disk_set(struct vhdx_disk *disk, const struct vhdx_settings *settings, struct vhdx_error *error);
int disk_user_items(struct vhdx_disk *disk, const struct vhdx_guid *only,
		    int (*visit)(void *context, const struct vhdx_user_item *item, const uint8_t *value,
				 struct vhdx_error *error),
		    void *context, struct vhdx_error *error);
int disk_set_user_item(struct vhdx_disk *disk, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error);
/* merge.c */
int disk_plan_merge(struct vhdx_disk *source, struct vhdx_disk *target, struct vhdx_merge_plan *plan, struct vhdx_error *error);
int disk_merge(struct vhdx_disk *source, struct vhdx_disk *target, const struct vhdx_merge_options *options,
	       struct vhdx_merge_plan *plan, struct vhdx_error *error);
/* disk_compact.c. */
int disk_compact(struct vhdx_disk *disk, const struct vhdx_compact_options *options, struct vhdx_compact_result *result,
		 struct vhdx_error *error);
int disk_info(const struct vhdx_disk *disk, unsigned level, struct vhdx_info *info, struct vhdx_error *error);

#endif
