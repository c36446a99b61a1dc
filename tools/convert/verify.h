/* SPDX-License-Identifier: MIT */
/*
 * --verify: digests of content. Of a source that can be read again the digest is made afterwards; of one that cannot, on the way. Both are compared with that
 * of the destination, read back from where it is stored.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "progress.h"
#include "vhdx.h"

struct verify;

struct verify *verify_begin(void);
/* A source of the same content whose reads enter the digest. It lives as long as `verify`. */
const struct vhdx_source *verify_tee(struct verify *verify, const struct vhdx_source *source);
/* All of a source into the digest; `progress` may be NULL. Returns 0 or a VHDX_E_* status. */
int verify_add(struct verify *verify, const struct vhdx_source *source, struct progress *progress, struct vhdx_error *error);
/* Whether the content is that of another. */
int verify_equal(const struct verify *a, const struct verify *b);
void verify_end(struct verify *verify);

/* XXH3 of what a gzip file holds. Returns 0 or a VHDX_E_* status. */
int verify_unpacked(uint64_t *digest, const char *path, struct progress *progress, struct vhdx_error *error);

#endif
