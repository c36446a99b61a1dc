/* SPDX-License-Identifier: MIT */
/* The good images that inspect_open.c damages, with the parts of them that are worth it. Layer: tests/public. */
#ifndef PUBLIC_INSPECT_SUBJECT_H
#define PUBLIC_INSPECT_SUBJECT_H

#include "support/recipe.h"

/* A part of an image that is worth changing. */
struct target {
	uint64_t offset;
	uint64_t length;
};

enum { TARGETS = 48 };

struct subject {
	struct memfile *m;
	struct target targets[TARGETS];
	unsigned target_count;
	bool is_vhd;
	uint64_t log_entries[8]; /* file offsets */
	unsigned log_entry_count;
	struct recipe_vhd_places vhd;
};

/* Each fills a zeroed subject; its file is the caller's. */
/* VHDX with items and a region that nobody knows, and an anchor. */
void subject_dynamic(struct subject *s);
void subject_child(struct subject *s);
/* A pending log whose pages are the BAT and the metadata table, so that replay decides what the file is. */
void subject_log(struct subject *s);
/* Of 4 MiB; with a footer of 511 bytes, or without one at the end. */
void subject_vhd(struct subject *s, enum vhdx_type type, bool is_511, bool no_end);

#endif
