/* SPDX-License-Identifier: MIT */
/* The content of a disk, as raw bytes, into a sparse file or a stream. */
#ifndef COPY_H
#define COPY_H

#include <stdio.h>

#include "progress.h"
#include "vhdx.h"

/* Into an empty file: only what is not zero is written; the file gets the size of the disk and is durable on return. */
int copy_to_file(vhdx_disk *disk, const struct vhdx_file *file, struct progress *progress, struct vhdx_error *error);
/* Every byte, zeros included. */
int copy_to_stream(vhdx_disk *disk, FILE *stream, struct progress *progress, struct vhdx_error *error);

#endif
