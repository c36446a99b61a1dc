/* SPDX-License-Identifier: MIT */
/* What is printed about a file that was made. */
#ifndef REPORT_H
#define REPORT_H

#include "request.h"

/* "disk.vhdx: VHDX dynamic, 64 GiB" from what was asked for; costs no look at the file. */
void report_line(const struct request *request, const char *file, uint64_t size);
/* One object on one line from what the file says. Returns the exit status. */
int report_json(const struct request *request, const char *file);

#endif
