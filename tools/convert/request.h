/* SPDX-License-Identifier: MIT */
/* What the command line of vhdx-convert asks for. Zero and NULL stand for "not said". */
#ifndef REQUEST_H
#define REQUEST_H

#include "progress.h"
#include "tool.h"

struct preset;

struct request {
	const char *source;
	const char *destination;

	/* the result */
	int type;   /* enum vhdx_type */
	int format; /* enum vhdx_format; settled by request_check, never ANY after it */
	int preallocation;
	uint64_t size;
	uint64_t block_size;
	uint64_t logical_sector_size;
	uint64_t physical_sector_size;
	uint64_t log_length;
	const char *id;
	struct vhdx_guid disk_id;
	const char *creator;
	const char *preset_name;
	const struct preset *preset;
	const char *parent;
	const char *parent_relative;
	const char *parent_absolute;
	const char *parent_volume;
	bool packed; /* the destination is named .gz */
	bool deterministic;
	uint64_t now; /* with `deterministic` */

	/* the run */
	struct tool_open open; /* how the source, the parent and their parents are opened; the format is the source's */
	struct progress progress;
	bool force;
	bool verify;
	bool no_sync;
	bool quiet;
	bool help;
	bool version;
};

/* options.c: fills the request from the words. TOOL_DONE, or the exit status after a message. */
int request_parse(struct request *request, int argc, char **argv);
/* check.c: what goes with what, as far as that can be told before anything is opened. */
int request_check(struct request *request);
bool request_to_stdout(const struct request *request);

extern const char CONVERT_HELP[];

#endif
