/* SPDX-License-Identifier: MIT */
/*
 * Children and parents as files of the host, for the tests of the resolver, and a diary of what it tried. Layer: tests/support. Every disk has 4 MiB.
 * A parent is filled with a pattern; children hold nothing of their own.
 */
#ifndef SUPPORT_FAMILY_H
#define SUPPORT_FAMILY_H

#include "support/expect.h"
#include "support/hostdir.h"

enum { FAMILY_SEED = 21, FAMILY_SIZE = 4 << 20 };

/* A fixed VHD, or a VHDX with one block of data, whose identity is recipe_guid(id). */
struct memfile *family_parent(enum vhdx_format format, uint8_t id);
/* A child of recipe_guid(id) with one stored path. VHD: RELATIVE is W2ru, ABSOLUTE and VOLUME W2ku, URL MacX, NAME the name. VHDX has the first three. */
struct memfile *family_child(enum vhdx_format format, uint8_t id, enum vhdx_path_kind kind, const char *path);
/* The same, written to the directory. */
void family_put_parent(const struct hostdir *d, const char *name, enum vhdx_format format, uint8_t id);
void family_put_child(const struct hostdir *d, const char *name, enum vhdx_format format, uint8_t id, enum vhdx_path_kind kind,
		      const char *path);

struct diary {
	unsigned count;
	struct {
		unsigned level;
		int status;
		char path[300];
		char reason[1200];
	} entries[20];
};

/* Opens `child` (a path) with the resolver; the diary has every attempt. */
int family_open(vhdx_disk **out, const char *child, const struct vhdx_resolver *resolver, struct diary *diary,
		struct vhdx_error *error);
/* It opens, has two levels and the parent's content. The path of the parent is that of the last attempt. */
void family_expect(const char *child, const struct vhdx_resolver *resolver);
/* It fails so, and the message names the path and the reason of every attempt. */
void family_expect_failure(const char *child, const struct vhdx_resolver *resolver, int status);

#endif
