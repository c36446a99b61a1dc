/* SPDX-License-Identifier: MIT */
/*
 * Where bytes go that come one after the other: a file of the library, standard output, a gzip packer before either, or a block device; and a file of the
 * library's that stands for such an outlet, so that an image can be created straight into it.
 */
#ifndef OUTLET_H
#define OUTLET_H

#include <stdbool.h>

#include "vhdx.h"

struct outlet {
	int (*write)(struct outlet *outlet, const void *bytes, size_t length, struct vhdx_error *error);
	/* Zeros of that length; NULL: they are written. */
	int (*zeros)(struct outlet *outlet, uint64_t length, struct vhdx_error *error);
	/* Nothing follows. */
	int (*finish)(struct outlet *outlet, struct vhdx_error *error);
};

/* Zeros by whatever means the outlet has. */
int outlet_zeros(struct outlet *outlet, uint64_t length, struct vhdx_error *error);
/* All of a file. */
int outlet_copy(struct outlet *outlet, const struct vhdx_file *from,
		int (*on_progress)(void *context, uint64_t done, uint64_t total), void *context, struct vhdx_error *error);

struct outlet_file {
	struct outlet outlet;
	const struct vhdx_file *file;
	uint64_t position;
	bool durable; /* finish flushes */
};
void outlet_file_begin(struct outlet_file *out, const struct vhdx_file *file, bool durable);

struct outlet *outlet_stdout(void);

/*
 * A block device, all of whose content is old. What must not be there becomes zeros by the device's own means. Its first MiB is cleared at the beginning and
 * written at the end: an interrupted copy has no partition table.
 */
struct outlet_device {
	struct outlet outlet;
	const struct vhdx_file *file;
	uint64_t position;
	unsigned char *head;
};
int outlet_device_begin(struct outlet_device *out, const struct vhdx_file *file, struct vhdx_error *error);
void outlet_device_end(struct outlet_device *out);

/* Packs what is written and passes it on to `next`, finish too. */
struct outlet_gzip;
struct outlet_gzip *outlet_gzip_begin(struct outlet *next);
struct outlet *outlet_gzip_as_outlet(struct outlet_gzip *gzip);
/* XXH3 of everything written so far, before packing. */
uint64_t outlet_gzip_digest(const struct outlet_gzip *gzip);
void outlet_gzip_end(struct outlet_gzip *gzip);

/* A new, empty file that takes writes in ascending order, as raw and fixed VHD files are created. */
struct outlet_image {
	struct vhdx_file file; /* for vhdx_create_file */
	struct vhdx_io io;
	struct outlet *outlet;
	uint64_t position;
	uint64_t size;
};
void outlet_image_begin(struct outlet_image *image, struct outlet *outlet, const char *name);
/* Fills up to the size that was set, and finishes the outlet. */
int outlet_image_finish(struct outlet_image *image, struct vhdx_error *error);

#endif
