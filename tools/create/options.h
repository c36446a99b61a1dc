/* SPDX-License-Identifier: MIT */
/* The command line of vhdx-create. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "creation.h"

/* Fills the request from the words. TOOL_DONE, or the exit status after a message. */
int request_parse(struct creation *request, int argc, char **argv);

extern const char CREATE_HELP[];

#endif
