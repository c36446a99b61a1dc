/* SPDX-License-Identifier: MIT */
/*
 * --deterministic: the same input makes the same bytes. Identifiers come from a digest of everything that shapes the image
 * instead of from chance, and time stands still.
 */
#ifndef DETERMINISTIC_H
#define DETERMINISTIC_H

#include "request.h"

struct deterministic;

/* For one file: what was asked for, as settled, and the name without directories. */
struct deterministic *deterministic_begin(const struct request *request, const struct vhdx_create_options *options,
					  const char *file);
/* To be used for that file; they live as long as `deterministic`. */
const struct vhdx_env *deterministic_env(struct deterministic *deterministic);
/* A source with the same content whose reads enter the digest. */
const struct vhdx_source *deterministic_source(struct deterministic *deterministic, const struct vhdx_source *source);
void deterministic_end(struct deterministic *deterministic);

#endif
