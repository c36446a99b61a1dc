/* SPDX-License-Identifier: MIT */
/*
 * Opening what damage has left of a VHDX (VHDX_OPEN_SALVAGE). Layer: engine.
 *
 * The open goes its usual way; where it stops at damage, one of these goes on without what is lost: without headers, without a log, with regions found by how they look.
 * Of a VHDX opened otherwise they do nothing but return `status`. Entries of the BAT that are wrong or lie beyond the end of the file are the business of disk.c.
 */
#ifndef ENGINE_SALVAGE_H
#define ENGINE_SALVAGE_H

#include "engine/vhdx_image.h"

/* Whether a header shows what the file is, whose identifier is lost. */
bool salvage_is_vhdx(const struct vhdx_image *image);
int salvage_header(struct vhdx_image *image, int status);
int salvage_log(struct vhdx_image *image, int status);
/* With both region tables damaged: one whose checksum is wrong, when a BAT stands where it says; else the metadata, by its signature. */
int salvage_regions(struct vhdx_image *image, int status, struct vhdx_error *error);
/*
 * And then the BAT, which has none: a place whose entries all make sense, name blocks that do not overlap, and which is not inside a block that such a place
 * names; of these the one with most blocks. The image tells that it was guessed.
 */
int salvage_bat(struct vhdx_image *image, struct vhdx_error *error);

#endif
