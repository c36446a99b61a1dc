/* SPDX-License-Identifier: MIT */
/* libvhdx: making new images. Part of vhdx.h, which includes it and says what holds for all functions. */
#ifndef VHDX_CREATE_H
#define VHDX_CREATE_H

#include "vhdx.h"

#ifdef __cplusplus
extern "C" {
#endif

enum vhdx_preallocation {
	VHDX_PREALLOCATE_NONE = 0,    /* a sparse file where the host has them */
	VHDX_PREALLOCATE_RESERVE = 1, /* the host reserves the space */
	VHDX_PREALLOCATE_FULL = 2     /* zeros are written */
};

/* Where the content of a new disk comes from. */
struct vhdx_source {
	void *context;
	uint64_t size;
	/* Reads exactly `length` bytes. Calls come in ascending order; without `extent` also without gaps. */
	int (*read)(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error);
	/* Optional: the run at `disk_offset`; only disk_offset, length and kind (DATA, or else zeros) need to be set. */
	int (*extent)(void *context, struct vhdx_extent *out, uint64_t disk_offset, uint64_t length, struct vhdx_error *error);
	/* Optional, with `extent`: the file of a level, for DATA extents that set level, file_offset and in_memory too. What it holds may then be shared
	 * with the new file (copy_range of struct vhdx_io), or read there. NULL when there is none. */
	const struct vhdx_file *(*file)(void *context, unsigned level);
};

/* A source that reads an open disk, which must stay open. It knows the holes of the disk's files too. */
VHDX_API void vhdx_disk_source(struct vhdx_source *out, vhdx_disk *disk);

struct vhdx_create_options {
	uint32_t struct_size;
	enum vhdx_format format;         /* ANY: VHDX. RAW: the bytes of the disk alone, without the options of an image; always fixed */
	enum vhdx_type type;             /* ANY: differencing when there is a parent, else dynamic */
	uint64_t size;                   /* 0: of the source, or of the parent. A multiple of the logical sector size. */
	uint32_t block_size;             /* 0: 32 MiB; 2 MiB for differencing and for VHD, whose child takes its parent's */
	uint32_t logical_sector_size;    /* 512 or 4096; 0: of the parent, or 512. VHD: 512 */
	uint32_t physical_sector_size;   /* 512 or 4096; 0: of the parent, or 4096. VHD: 512 */
	uint32_t log_length;             /* VHDX: a multiple of 1 MiB; 0: 1 MiB */
	enum vhdx_preallocation preallocation; /* fixed only */
	struct vhdx_guid disk_id;        /* zero: random, or of a VHDX parent (VHDX-154). VHD: unique id */
	const char *creator;             /* VHDX: text, at most 255 characters; NULL: "libvhdx 0.1.0". VHD always writes "win ": decision D-34 */
	vhdx_disk *parent;               /* differencing: opened; its level 0 becomes the parent */
	const char *parent_relative;     /* locator texts as they shall be stored, with backslashes; NULL: left out */
	const char *parent_absolute;
	const char *parent_volume;
	const struct vhdx_source *source; /* content; NULL: all zeros. Not with a parent. May be smaller than `size`. */
	const struct vhdx_env *env;
	/* Progress in bytes of the virtual disk; a non-zero return stops the work with VHDX_E_CANCELLED. */
	int (*on_progress)(void *context, uint64_t done, uint64_t total);
	void *on_progress_context;
	/* Nothing is made durable: much faster for large content, but a crash of the system may leave a file that looks whole and is not. */
	int no_flush;
	unsigned file_flags;             /* VHDX_FILE_SPARSE or 0; not with preallocation */
};
#define VHDX_CREATE_OPTIONS_INIT VHDX_INIT(struct vhdx_create_options)

/*
 * Creates a disk as a new file of the host; VHDX_E_EXISTS when there is one. On failure the file is removed again. For a
 * differencing disk without any parent_* text, the locator is made from the two file names: the relative path always when they have
 * one, on Windows also the absolute one and, in a VHDX, that of the volume. When it returns 0 the disk is durable (its directory entry is the caller's to sync), unless
 * no_flush is set.
 */
VHDX_API int vhdx_create(const char *path, const struct vhdx_create_options *options, struct vhdx_error *error);
/* The same into the caller's empty file, which stays the caller's. On failure the file holds no image (W10: its identifier comes last); a raw file has
 * no identifier, and shows by nothing but its size of 0 that it is not whole. A raw or fixed VHD file that is not preallocated is written in ascending
 * order, so that the table may stand for a stream. */
VHDX_API int vhdx_create_file(const struct vhdx_file *file, const struct vhdx_create_options *options, struct vhdx_error *error);

#ifdef __cplusplus
}
#endif

#endif
