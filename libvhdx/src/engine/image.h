/* SPDX-License-Identifier: MIT */
/*
 * The seam between formats and the disk: one file of a chain. Layer: engine. A format answers where bytes are; the generic layer (disk.c) moves them.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "base/epoch.h"
#include "base/guid.h"
#include "engine/cache.h"

/* What one file says of a run of the disk. */
enum map_kind {
	MAP_DATA,  /* it stands at file_offset */
	MAP_ZERO,  /* it reads as zeros, whatever the parent holds */
	MAP_ABSENT /* this file does not hold it: ask the parent; zeros when there is none */
};

struct mapping {
	enum map_kind kind;
	uint64_t
		length; /* 1 to the length asked for; with VHDX_E_DAMAGED: how much the same damage hides, 0: the rest of the block */
	uint64_t file_offset; /* MAP_DATA */
};

struct image;

/* What can be changed in an image beside its content; NULL and 0: stays as it is. */
struct image_settings {
	const struct vhdx_guid *disk_id;
	uint32_t physical_sector_size;
	/* of a differencing image: one of the paths is given, or none */
	const char *parent_relative;
	const char *parent_absolute;
	const char *parent_volume;
	const struct vhdx_guid *parent_identity;
	const struct vhdx_guid *parent_identity2; /* VHDX; all zeros takes it away */
};

/* What becomes of a block in a compaction. */
enum verdict {
	VERDICT_KEEP,
	VERDICT_UNUSED, /* nobody needs its content */
	VERDICT_ZERO,
	VERDICT_EQUAL /* the parent holds the same */
};

/* A compaction, as the disk hands it to the format. Every call may read the disk. */
struct compaction {
	unsigned flags; /* vhdx_compact_flags */
	struct vhdx_compact_result result;
	/* Of a block that has a place. `masks`: the format can let it read as zeros whatever a parent holds. */
	int (*judge)(struct compaction *c, uint64_t disk_offset, uint64_t length, bool masks, enum verdict *verdict,
		     struct vhdx_error *error);
	/* VHDX_E_CANCELLED when it shall end here. */
	int (*progress)(struct compaction *c, uint64_t done, uint64_t total, struct vhdx_error *error);
};

struct image_ops {
	/* `length` > 0 and the range lies inside the disk. A DATA run is contiguous in the file. The longer the answer, the fewer calls; never longer than asked. */
	int (*map)(struct image *image, uint64_t disk_offset, uint64_t length, struct mapping *out, struct vhdx_error *error);
	void (*info)(const struct image *image, struct vhdx_info *info);
	int (*usage)(struct image *image, struct vhdx_usage *usage, struct vhdx_error *error);
	/* Frees what the format owns, the image struct too; not the file. */
	void (*release)(struct image *image);

	/* What follows serves images open for writing; NULL when the format cannot. */

	/* After the whole chain is open. */
	int (*start)(struct image *image, struct vhdx_error *error);
	/* Whole sectors inside one granule, whose lock the caller holds. A NULL buffer stands for zeros. */
	int (*write)(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
	/* One granule, or what the disk has of it. */
	int (*discard)(struct image *image, uint64_t length, uint64_t disk_offset, struct vhdx_error *error);
	int (*flush)(struct image *image, struct vhdx_error *error);
	/* Makes everything durable and the file clean; nothing but release follows, whatever it returns. */
	int (*finish)(struct image *image, struct vhdx_error *error);

	/* With the disk for themselves; durable when they return. A crash leaves the old state or the new one. */

	int (*resize)(struct image *image, uint64_t size, struct vhdx_error *error);
	int (*set)(struct image *image, const struct image_settings *settings, struct vhdx_error *error);
	/* Room on the host for `length` bytes of new blocks. Not durable. */
	int (*reserve)(struct image *image, uint64_t length, struct vhdx_error *error);
	/* Whether take_items would find room. May be NULL. */
	int (*check_items)(struct image *image, struct image *source, struct vhdx_error *error);
	/* The metadata items of the disk become those of `source`, an image of the same format: VHDX-155. May be NULL. */
	int (*take_items)(struct image *image, struct image *source, struct vhdx_error *error);
	/* Also of an image open for reading, when VHDX_COMPACT_ESTIMATE is set. */
	int (*compact)(struct image *image, struct compaction *c, struct vhdx_error *error);
	/* NULL: the format has no items. All of them, without values, or `only` one. Also of an image open for reading. */
	int (*user_items)(struct image *image, const struct vhdx_guid *only,
			  int (*visit)(void *context, const struct vhdx_user_item *item, const uint8_t *value,
				       struct vhdx_error *error),
			  void *context, struct vhdx_error *error);
	/* `value` NULL: takes it away. */
	int (*set_user_item)(struct image *image, const struct vhdx_user_item *item, const void *value, struct vhdx_error *error);
};

/* Of an image open for writing. */
struct writing {
	struct epoch *readers;     /* of the disk */
	mutex commit;              /* one at a time makes changes durable */
	_Atomic uint64_t change;   /* counts finished changes */
	_Atomic uint64_t durable;  /* so many of them are durable */
	_Atomic int dead;          /* the status that killed the handle, or 0: W9 */
	struct vhdx_guid identity; /* that the content gets when it changes; all zeros: a random one */
	uint32_t sector;           /* writes are multiples of it */
	uint64_t granule;          /* a power of two; no write crosses a multiple of it */
	unsigned granule_shift;    /* its logarithm */
};

struct image {
	const struct image_ops *ops;
	const struct vhdx_env *env; /* of the disk */
	struct cache *cache;        /* of the disk */
	struct view view;
	unsigned level;
	enum vhdx_format format;
	enum vhdx_type type;
	uint64_t disk_size;
	uint32_t block_size;
	uint32_t logical_sector_size;
	uint32_t physical_sector_size;
	struct vhdx_guid data_identity; /* what children name */
	/* differencing: what it says of its parent */
	struct vhdx_guid parent_identities[2];
	size_t parent_identity_count;
	struct vhdx_parent_path *parent_paths;
	size_t parent_path_count;
	uint32_t parent_time_stamp; /* VHD; 0: none */
	int parent_time_stamp_differs;
	bool parent_is_longer;   /* or not known */
	struct writing *writing; /* NULL: open for reading */
};

struct image_request {
	const struct vhdx_env *env;
	struct cache *cache;
	const struct vhdx_file *file;
	unsigned level;
	unsigned flags; /* vhdx_open_flags; WRITE for the leaf only */
	struct epoch *readers;
};

/* Each opens one file as one format; VHDX_E_NOT_IMAGE when it is another. The file stays the caller's. */
int vhdx_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error);
int vhd_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error);
int raw_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error);
/* By content, or as `format` when it is not ANY. RAW is never guessed. */
int image_open(struct image **out, const struct image_request *request, enum vhdx_format format, struct vhdx_error *error);
void image_release(struct image *image);

/* writing.c: what the writers of all formats share. */

int writing_start(struct image *image, struct epoch *readers, struct vhdx_error *error);
void writing_end(struct image *image);
/* VHDX_E_DEAD after a failure that killed the handle. */
int writing_check(const struct image *image, struct vhdx_error *error);
/* After a failed write: kills the handle unless there was only no space; returns the status. */
int writing_failed(struct image *image, struct vhdx_error *error);
/* After a failed flush, which leaves unknown what is durable: B-75. */
int writing_flush_failed(struct image *image, struct vhdx_error *error);
/* Writes, or makes zeros when `buffer` is NULL. */
int writing_put(struct image *image, const void *buffer, uint64_t length, uint64_t file_offset, struct vhdx_error *error);
/* Zeros in a place that stays allocated in the format; the host takes back what it can, but for fixed disks. */
int writing_zero(struct image *image, uint64_t length, uint64_t file_offset, struct vhdx_error *error);
/* Copies inside the file, what is zeros as a hole where it can have one. */
int writing_move(struct image *image, uint64_t from, uint64_t to, uint64_t length, struct vhdx_error *error);
/* The disk is the file, byte for byte: raw, and fixed VHD. */
int plain_write(struct image *image, const void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
int plain_flush(struct image *image, struct vhdx_error *error);

/* Adds a parent path; takes `text` over also on failure. */
int image_add_parent_path(struct image *image, enum vhdx_path_kind kind, char *text, struct vhdx_error *error);

#endif
