/* SPDX-License-Identifier: MIT */
/* The second copy of a GUID partition table stands at the end of the disk, wherever that is. */
#ifndef GPT_MOVE_H
#define GPT_MOVE_H

#include "vhdx.h"

/*
 * Puts the copy where a disk of `new_size` bytes ends, and says so in the table in front, which is good and counts in sectors of `sector` bytes. Both ends lie inside the disk as
 * it is. Crash-safe: the copy is durable before the table in front names it. Returns a status.
 */
int gpt_move(vhdx_disk *disk, uint32_t sector, uint64_t old_size, uint64_t new_size, struct vhdx_error *error);

#endif
