/* SPDX-License-Identifier: MIT */
/*
 * The seam between formats and the disk: one file of a chain. Layer: engine. A format answers where bytes are; the generic layer (disk.c) moves them.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "base/guid.h"
#include "engine/cache.h"

/* What one file says of a run of the disk. */
enum map_kind {
	MAP_DATA,   /* it stands at file_offset */
	MAP_ZERO,   /* it reads as zeros, whatever the parent holds */
	MAP_ABSENT  /* this file does not hold it: ask the parent; zeros when there is none */
};

struct mapping {
	enum map_kind kind;
	uint64_t length;      /* 1 to the length asked for */
	uint64_t file_offset; /* MAP_DATA */
};

struct image;

struct image_ops {
	/* `length` > 0 and the range lies inside the disk. A DATA run is contiguous in the file. The longer the answer, the fewer calls; never longer than asked. */
	int (*map)(struct image *image, uint64_t disk_offset, uint64_t length, struct mapping *out, struct vhdx_error *error);
	void (*info)(const struct image *image, struct vhdx_info *info);
	int (*usage)(struct image *image, struct vhdx_usage *usage, struct vhdx_error *error);
	/* Frees what the format owns, the image struct too; not the file. */
	void (*release)(struct image *image);
};

struct image {
	const struct image_ops *ops;
	const struct vhdx_env *env;   /* of the disk */
	struct cache *cache;          /* of the disk */
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
	uint32_t parent_time_stamp;   /* VHD; 0: none */
	int parent_time_stamp_differs;
};

struct image_request {
	const struct vhdx_env *env;
	struct cache *cache;
	const struct vhdx_file *file;
	unsigned level;
	unsigned flags; /* vhdx_open_flags */
};

/* Each opens one file as one format; VHDX_E_NOT_IMAGE when it is another. The file stays the caller's. */
int vhdx_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error);
int vhd_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error);
int raw_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error);
/* By content, or as `format` when it is not ANY. RAW is never guessed. */
int image_open(struct image **out, const struct image_request *request, enum vhdx_format format, struct vhdx_error *error);
void image_release(struct image *image);

/* Adds a parent path; takes `text` over also on failure. */
int image_add_parent_path(struct image *image, enum vhdx_path_kind kind, char *text, struct vhdx_error *error);

#endif
