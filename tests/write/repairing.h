/* SPDX-License-Identifier: MIT */
/* Damaged images for the tests of repair, each with what is to be done about it. */
#ifndef REPAIRING_H
#define REPAIRING_H

#include <criterion/criterion.h>

#include "support/specimen.h"

#define MENDS(mend) (1u << VHDX_MEND_##mend)

struct damage {
	const char *name;
	enum specimen_kind kind;
	void (*make)(struct memfile *m);
	unsigned mends;   /* a bit for each */
	unsigned flags;   /* of the repair */
	bool loses;       /* the content is another one afterwards */
	bool errors_stay; /* the file is not sound afterwards */
};

extern const struct damage damages[];
extern const unsigned damage_count;

const struct damage *damage_named(const char *name);
/* A damaged copy. */
struct memfile *damage_make(const struct damage *d);
/* What the file and the undo file are after a repair. */
struct outcome {
	int status;
	unsigned told; /* mends of the steps */
	unsigned steps;
	struct vhdx_error error;
};
/* `undo` may be NULL for a dry run. */
struct outcome repair(const struct vhdx_file *file, const struct vhdx_file *undo, unsigned flags);
struct findings {
	unsigned mends, errors, worse; /* worse than notes */
};
struct findings look(const struct vhdx_file *file);
/* Fails the test unless the disk in `file` reads as the one in `model` of the same kind. */
void expect_content(const struct damage *d, const struct vhdx_file *file, const char *what);
void expect_equal(const struct memfile *a, const struct memfile *b, const char *name, const char *what);
/* Sound as far as can be, with the content that it had. */
void expect_mended(const struct damage *d, const struct vhdx_file *file, const char *what);

#endif
