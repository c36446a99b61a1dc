/* SPDX-License-Identifier: MIT */
/* What the tests of creation share. Layer: tests/public. */
#ifndef PUBLIC_CREATING_H
#define PUBLIC_CREATING_H

#include "support/content.h"
#include "support/expect.h"

/* Into a new memory file, with an environment of the given seed; memory must be given back. NULL when it fails. */
struct memfile *create_in_memory(struct vhdx_create_options o, uint64_t seed, struct vhdx_error *error);
/* The same, and the test fails when it does. */
struct memfile *create_or_die(struct vhdx_create_options o);
/* Into this file; the status. */
int create_into(struct memfile *m, struct vhdx_create_options o, struct vhdx_error *error);
/* Opens one file that has no parent. */
vhdx_disk *open_created(struct memfile *m);
/* Whether anybody could take the file for an image. */
bool holds_an_image(struct memfile *m);

#endif
