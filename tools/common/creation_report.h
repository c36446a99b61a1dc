/* SPDX-License-Identifier: MIT */
/* What is printed about a file that was made. */
#ifndef CREATION_REPORT_H
#define CREATION_REPORT_H

#include "creation.h"

/* "disk.vhdx: VHDX dynamic, 64 GiB" from what was asked for; costs no look at the file. */
void creation_report_line(const struct creation *request, const char *file, uint64_t size);
/* One object on one line from what the file says. Returns the exit status. */
int creation_report_json(const struct creation *request, const char *file);

#endif
