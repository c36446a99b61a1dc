/* SPDX-License-Identifier: MIT */
/* One image out of the source: options settled, content brought in, read again. */
#ifndef MAKE_H
#define MAKE_H

#include "request.h"
#include "source.h"

struct verify;

struct make {
	struct request *request;
	struct source source;
	vhdx_disk *parent;
	struct vhdx_create_options options;
	struct deterministic *deterministic;
	struct verify *seen; /* with --verify: what the source held, NULL while it can be asked again */
};

/* Opens the source and the parent, and settles the options. TOOL_DONE, or the exit status after a message. To be ended in any case. */
int make_begin(struct make *make, struct request *request);
void make_end(struct make *make);

/* As a new file of the host; durable when it returns, unless the request does without. TOOL_DONE, or the exit status after a message; the file is then the
 * caller's to remove, if it is there. */
int make_at(struct make *make, const char *path);
/* In the caller's empty file, which has no parent. Returns 0 or a VHDX_E_* status. */
int make_in_file(struct make *make, const struct vhdx_file *file, struct vhdx_error *error);
/* Reads a result of make_at, or a device, and compares it with the source. TOOL_DONE, or the exit status after a message. */
int make_verify(struct make *make, const char *path);
/* Prints an error of the above; `made` is the temporary name that the user does not know, or NULL. Returns the exit status. */
int make_failed(const struct make *make, const char *made, struct vhdx_error *error);

#endif
