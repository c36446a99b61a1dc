/* SPDX-License-Identifier: MIT */
/* Where the content of a new disk comes from (--from): finds out what it is and makes it a source for the library. */
#ifndef SOURCE_H
#define SOURCE_H

#include "progress.h"
#include "request.h"
#include "spool.h"
#include "stream.h"

struct source {
	struct vhdx_source view;
	vhdx_disk *disk; /* an open image, raw file, device or spooled copy of one; else NULL */
	struct input *input;
	struct stream stream;
	struct spool spool;
};

/* TOOL_DONE, or the exit status after a message. `target` says where a temporary copy may stand. */
int source_open(struct source *source, struct request *request, const char *target, struct progress *progress);
void source_close(struct source *source);

#endif
