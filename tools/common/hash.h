/* SPDX-License-Identifier: MIT */
/* A digest of a whole virtual disk. */
#ifndef HASH_H
#define HASH_H

#include "vhdx.h"

enum { HASH_TEXT_SIZE = 33 };

/* XXH3-128 of all bytes of the disk, as the 32 digits that xxh128sum prints for the same bytes in a file. What reads as zeros by
 * the map is not read. Returns 0 or a VHDX_E_* status. */
int hash_disk(char text[HASH_TEXT_SIZE], vhdx_disk *disk, struct vhdx_error *error);

#endif
