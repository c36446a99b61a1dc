/* SPDX-License-Identifier: MIT */
/* One conversion from a checked request. */
#ifndef RUN_H
#define RUN_H

#include "request.h"

/* Makes the destination or nothing. Returns the exit status. */
int run_convert(struct request *request);

#endif
