/* SPDX-License-Identifier: MIT */
/* Where the content of a new disk comes from: finds out what it is and makes it a source for the library. */
#ifndef SOURCE_H
#define SOURCE_H

#include "progress.h"
#include "spool.h"
#include "stream.h"
#include "tool.h"

struct source {
	struct vhdx_source view;
	vhdx_disk *disk; /* an open image, raw file, device or spooled copy of one; else NULL */
	struct input *input;
	struct stream stream;
	struct spool spool;
};

struct source_request {
	const char *path;       /* "-" for standard input */
	uint64_t size;          /* of the disk that is to be made; 0: of the source */
	struct tool_open *open; /* how an image is opened, and of what format it is if that was said */
	const char *beside;     /* a temporary copy may stand beside this file; NULL: where temporary files are */
	bool guess_raw;         /* a file that is no image is raw, whatever its name */
};

/* TOOL_DONE, or the exit status after a message. */
int source_open(struct source *source, const struct source_request *request, struct progress *progress);
void source_close(struct source *source);

#endif
