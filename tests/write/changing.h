/* SPDX-License-Identifier: MIT */
/* Disks in memory that the library makes, fills and changes, for the tests of changes in place. Each call fails the test that cannot be done. Layer: tests/write. */
#ifndef CHANGING_H
#define CHANGING_H

#include "support/memfile.h"
#include "support/recipe.h"
#include "write/compacting.h"

#define GIB (MIB * 1024)

/* The parent may be NULL, and then the size counts. */
struct memfile *make_disk_of(enum vhdx_format format, enum vhdx_type type, uint64_t size, struct memfile *parent,
			     uint32_t block_size);
/* In blocks of 1 MiB. */
struct memfile *make_disk(enum vhdx_format format, enum vhdx_type type, uint64_t size, struct memfile *parent);
vhdx_disk *open_over(struct memfile *image, struct memfile *parent, unsigned flags);
void put_at(vhdx_disk *disk, uint64_t offset, size_t length, uint32_t seed);
/* seed 0: zeros */
void expect_at(vhdx_disk *disk, uint64_t offset, size_t length, uint32_t seed);
struct vhdx_info info_of(vhdx_disk *disk);
/* Larger or smaller. */
void resize_to(vhdx_disk *disk, uint64_t size);

#endif
