/* SPDX-License-Identifier: MIT */
/*
 * The small VHD images that the tests of the VHD rules begin with, and how those tests look at them. Layer: tests/rules.
 *
 * All have 4 MiB; the blocks of dynamic and differencing ones have 512 KiB, and blocks 0 and 3 are present with all bits set. Contents are the
 * pattern of the seeds below. The child knows the dynamic one as its parent.
 */
#ifndef RULES_VHD_IMAGES_H
#define RULES_VHD_IMAGES_H

#include "support/expect.h"

enum { VHD_PARENT_SEED = 3, VHD_CHILD_SEED = 5, VHD_BLOCK = 512 * 1024 };

/* Knobs; block lists and locators are static. */
struct recipe_vhd vhd_fixed_knobs(void);
struct recipe_vhd vhd_dynamic_knobs(void);
struct recipe_vhd vhd_child_knobs(void);

/* The images themselves; `places` may be NULL. */
struct memfile *vhd_fixed(struct recipe_vhd_places *places);
struct memfile *vhd_dynamic(struct recipe_vhd_places *places);
struct memfile *vhd_child(struct recipe_vhd_places *places);

/* Opens one file, alone if it is differencing; the test fails when it cannot. */
vhdx_disk *vhd_open(struct memfile *m, unsigned flags);
struct vhdx_info vhd_info(struct memfile *m);
/* Opens as a VHD, whatever the file looks like, alone; the status. */
int vhd_try(struct memfile *m, unsigned flags, struct vhdx_error *error);

/* Both footers of a built image: puts `value` at an offset and makes the checksums right. */
void vhd_put_footers(struct memfile *m, const struct recipe_vhd_places *p, uint64_t offset, unsigned size, uint64_t value);
/* The same in the dynamic header. */
void vhd_put_header(struct memfile *m, const struct recipe_vhd_places *p, uint64_t offset, unsigned size, uint64_t value);

/* The image still has the contents that its knobs gave it. */
void vhd_expect_contents(struct memfile *m, unsigned flags);

#endif
