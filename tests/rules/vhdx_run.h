/* SPDX-License-Identifier: MIT */
/* An image with a pending log of a few entries that show which of them were replayed. Layer: tests/rules. */
#ifndef RULES_VHDX_RUN_H
#define RULES_VHDX_RUN_H

#include "rules/vhdx_sample.h"

#define LOG_PLACE(sector) (MIB + UINT64_C(4096) * (sector))

/* Entries of three sectors each, that follow each other: the i-th gives page 0 pattern 10 + i, and page i + 1 pattern 20. */
enum { ENTRIES = 4 };
struct sample_run {
	struct recipe_descriptor descriptors[ENTRIES][2];
	struct recipe_entry entries[ENTRIES];
};

struct sample_run run_of_entries(void);
/* The image with the first `count` of them in its log. The run must live as long as the call. */
struct memfile *run_image(struct sample_run *run, size_t count);
/* The first `count` entries were replayed, but not those before `first`. */
void expect_replayed(struct memfile *m, unsigned first, unsigned count);

#endif
