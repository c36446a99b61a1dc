/* SPDX-License-Identifier: MIT */
/* What the parts of vhdx-compact share. */
#ifndef COMPACT_H
#define COMPACT_H

#include "progress.h"
#include "tool.h"
#include "unused.h"

struct request {
	const char *image;
	struct tool_open open;
	struct progress progress;
	unsigned flags; /* vhdx_compact_flags */
	bool no_filesystems;
	bool json;
	bool quiet;
	bool help;
	bool version;
};

/* Everything that a run found out. */
struct outcome {
	struct vhdx_info info;
	struct unused unused;
	struct vhdx_compact_result result;
};

/* On standard output. */
void report(const struct request *request, const struct outcome *outcome);
/* Filesystems whose free space stays, on standard error. */
void report_notes(const struct request *request, const struct unused *unused);

#endif
