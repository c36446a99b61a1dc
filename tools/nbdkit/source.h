/* SPDX-License-Identifier: MIT */
/*
 * The image that the plugin serves: what the user said on nbdkit's command line, and the one open disk behind all connections.
 *
 * One disk serves everybody: an image open for writing cannot be opened twice, and one commit makes the writes of all connections durable, which is
 * what makes several connections safe. Whether it is opened for writing is known when the first client comes (nbdkit -r, filters), so until then
 * it is open for reading: that keeps writers away, and a wrong command line fails at once.
 */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>

#include "vhdx.h"

/* One KEY=VALUE of the command line. 0, or -1 after nbdkit_error. */
int source_config(const char *key, const char *value);
/* Everything was said. */
int source_complete(void);

/* Whether the image can be opened, for reading. */
int source_check(void);
/* Opens it for reading, in the process that serves: another one would keep the locks. */
int source_start(void);
/* The disk for one more connection; NULL after nbdkit_error. `readonly`: nbdkit promises not to write. */
vhdx_disk *source_connect(bool readonly);
bool source_is_writable(void);
/* Closes the disk, which leaves a written image clean; says so when that fails. */
void source_close(void);
void source_release(void);

/* Tells `error` to nbdkit, for its log and for the client. Returns -1. */
int source_error(const struct vhdx_error *error);

extern const char SOURCE_HELP[];

#endif
