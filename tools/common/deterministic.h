/* SPDX-License-Identifier: MIT */
/*
 * --deterministic: the same input makes the same bytes. Identifiers come from a digest of everything that shapes the image
 * instead of from chance, and time stands still.
 */
#ifndef DETERMINISTIC_H
#define DETERMINISTIC_H

#include "vhdx.h"

struct deterministic;

/* For one file: what was asked for, as settled, the time to stand still at, and the name without directories. */
struct deterministic *deterministic_begin(const struct vhdx_create_options *options, uint64_t now, const char *file);
/* To be used for that file; they live as long as `deterministic`. */
const struct vhdx_env *deterministic_env(struct deterministic *deterministic);
/* A source with the same content whose reads enter the digest. */
const struct vhdx_source *deterministic_source(struct deterministic *deterministic, const struct vhdx_source *source);
/* Takes all content into the digest at once, for when identifiers are drawn before it is read. Returns 0 or a VHDX_E_* status. */
int deterministic_content(struct deterministic *deterministic, const struct vhdx_source *source, struct vhdx_error *error);
/* What time stands still at: SOURCE_DATE_EPOCH, or else the year 2000, the beginning of time for VHD. TOOL_DONE, or the exit status after a message. */
int deterministic_time(uint64_t *now);
void deterministic_end(struct deterministic *deterministic);

#endif
