/* SPDX-License-Identifier: MIT */
/*
 * Making new images. Layer: engine. create.c completes and judges the options; create_vhdx.c and create_vhd.c lay the file out; create_fill.c
 * brings the content. A format's identifier is written last, behind a flush (W10), so that an interrupted creation leaves no image.
 */
#ifndef ENGINE_CREATE_H
#define ENGINE_CREATE_H

#include "engine/disk.h"

struct creation {
	struct vhdx_env env;
	struct vhdx_create_options options; /* completed: no defaults left */
	const struct vhdx_file *file;
	const struct image *parent; /* NULL when there is none */
};

int create_vhdx(struct creation *c, struct vhdx_error *error);
int create_vhd(struct creation *c, struct vhdx_error *error);
int create_raw(struct creation *c, struct vhdx_error *error);

/* Whole creation into an empty file. */
int create_in_file(const struct vhdx_file *file, const struct vhdx_create_options *options, struct vhdx_error *error);
/* The same as a new host file, with locator paths made from the names. */
int create_on_host(const char *path, const struct vhdx_create_options *options, struct vhdx_error *error);

/*
 * Copies the content. For each block that holds a byte other than zero, or bytes that were shared unseen, in ascending order, `place` is called once and
 * says where its data begins in the file; there the file must read as zeros. Blocks of `block_size`, a power of two.
 */
struct block_sink {
	uint64_t block_size;
	int (*place)(void *context, uint64_t block, uint64_t *file_offset, struct vhdx_error *error);
	void *context;
};
int create_fill(struct creation *c, const struct block_sink *sink, struct vhdx_error *error);
/* Writes zeros or reserves space, as options.preallocation says. */
int create_preallocate(struct creation *c, uint64_t file_offset, uint64_t length, struct vhdx_error *error);
/* Makes durable what was written so far, unless the caller does without. */
int create_flush(struct creation *c, struct vhdx_error *error);

#endif
