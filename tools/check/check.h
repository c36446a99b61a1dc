/* SPDX-License-Identifier: MIT */
/*
 * vhdx-check: judges every structure of an image and of its parents, mends what can be mended.
 *
 *   vhdx-check.c   options
 *   find.c         what is found, in the file and along its chain
 *   mend.c         --repair and --restore
 *   salvage.c      --salvage
 *   report.c       all of it as text and as JSON
 */
#ifndef CHECK_H
#define CHECK_H

#include "json.h"
#include "progress.h"
#include "tool.h"

enum { CHECK_LIMIT = 1000, CHECK_MESSAGE = 400, CHECK_STEPS = 16 };

struct request {
	struct tool_open open;
	struct progress progress;
	char **images;
	int image_count;
	uint64_t limit; /* findings shown of each file */
	unsigned repair_flags;
	bool repair, restore, dry_run, force;
	const char *undo;    /* NULL: FILE.undo */
	const char *salvage; /* NULL, or where to */
	bool strict;         /* warnings count as damage */
	bool json, quiet, help, version;
};

struct finding {
	unsigned level; /* of the chain */
	enum vhdx_severity severity;
	enum vhdx_mend mend;
	char rule[12];
	uint64_t file_offset;
	char message[CHECK_MESSAGE];
};

struct step {
	enum vhdx_mend mend;
	char rule[12];
	uint64_t file_offset, length;
	char message[CHECK_MESSAGE];
};

/* What became of one FILE. */
struct result {
	const char *image;
	struct finding *findings;
	size_t finding_count;   /* that are kept */
	uint64_t counts[3];     /* of each severity, all of them */
	uint64_t mendable;      /* by --repair, of FILE */
	uint64_t discardable;   /* by --repair --discard-log */
	uint64_t beyond_repair; /* errors that stay */
	struct vhdx_info info;  /* of FILE; format ANY when it does not open */
	char **names;           /* of the files of the chain */
	unsigned depth;
	bool chain_is_whole;
	struct step steps[CHECK_STEPS];
	unsigned step_count;
	bool is_mended;
	char *undo; /* the undo file that was made */
};

/* Returns an exit status: TOOL_DONE when the check itself was possible. */
int find(const struct request *request, struct result *result);
void find_release(struct result *result);
/* Plans, and unless it is a dry run does it. */
int mend(const struct request *request, struct result *result);
/* Puts one file back. */
int restore(const struct request *request, const char *image);

bool is_damaged(const struct request *request, const struct result *result);
void report_text(const struct request *request, const struct result *result);
void report_json(struct json *json, const struct request *request, const struct result *result);

#endif
