/* SPDX-License-Identifier: MIT */
/* Names for files of a checkpoint, as Hyper-V gives them. */
#ifndef NAMES_H
#define NAMES_H

#include "vhdx.h"

/* "vm/disk.vhdx" makes "vm/disk_6AB2....avhdx", and so does "vm/disk_17F0....avhdx". To be freed. */
char *names_leaf(const char *disk, enum vhdx_format format, const struct vhdx_guid *guid);
/* The same with the ending that `disk` has. */
char *names_kept(const char *disk, const struct vhdx_guid *guid);
/* `name` in the directory of `disk`. */
char *names_beside(const char *disk, const char *name);

#endif
