/* SPDX-License-Identifier: MIT */
/* The making of disks, as vhdx-create is asked for it on its command line, and vhdx-snapshot asks itself. Zero and NULL stand for "not said". */
#ifndef CREATION_H
#define CREATION_H

#include "tool.h"

struct creation {
	/* the disk */
	int type;   /* enum vhdx_type */
	int format; /* enum vhdx_format, by --format or a preset; the names of the files decide when ANY */
	int preallocation;
	uint64_t size;
	uint64_t block_size;
	uint64_t logical_sector_size;
	uint64_t physical_sector_size;
	uint64_t log_length;
	const char *id;
	struct vhdx_guid disk_id;
	const char *creator;
	const struct preset *preset;
	bool sparse;
	bool deterministic;
	uint64_t now; /* with `deterministic`: seconds since 1970 */

	/* where its content comes from */
	const char *parent;
	const char *parent_relative;
	const char *parent_absolute;
	const char *parent_volume;
	const char *from;
	struct tool_open open; /* how the parent, or the source, is opened */

	/* the run */
	const char *size_text;
	const char *preset_name;
	bool force;
	bool over_parent; /* vhdx-snapshot: the file is one of two names of the parent, and takes that one over */
	bool quiet;
	bool json;
	bool progress;
	bool help;
	bool version;
	char **files;
	size_t file_count;
};

/* What goes with what; applies the preset, settles the size. TOOL_DONE, or the exit status after a message. */
int creation_check(struct creation *request);
/* Makes all files or none; prints what was made. Returns the exit status. */
int creation_run(struct creation *request);
/* What --type, --preset, --parent and --parent-relative and so on (`texts`) say together; TOOL_DONE, or the exit status after a message. */
int creation_check_parent(int type, const struct preset *preset, const char *parent, bool texts);
/* The format of one file: --format, the preset, or its extension; ANY when none says. */
enum vhdx_format creation_format(const struct creation *request, const char *file);

#endif
