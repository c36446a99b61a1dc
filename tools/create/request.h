/* SPDX-License-Identifier: MIT */
/* What the command line of vhdx-create asks for. Zero and NULL stand for "not said". */
#ifndef REQUEST_H
#define REQUEST_H

#include "tool.h"

struct request {
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
	bool quiet;
	bool json;
	bool progress;
	bool help;
	bool version;
	char **files;
	size_t file_count;
};

/* options.c: fills the request from the words. TOOL_DONE, or the exit status after a message. */
int request_parse(struct request *request, int argc, char **argv);
/* check.c: what goes with what; applies the preset, settles the size. */
int request_check(struct request *request);
/* The format of one file: --format, the preset, or its extension; ANY when none says. */
enum vhdx_format request_format(const struct request *request, const char *file);

extern const char CREATE_HELP[];

#endif
