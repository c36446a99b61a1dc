/* SPDX-License-Identifier: MIT */
/* The making of the files that a checked request asks for. */
#ifndef RUN_H
#define RUN_H

#include "request.h"

/* Makes all files or none; prints what was made. Returns the exit status. */
int run_create(struct request *request);

#endif
