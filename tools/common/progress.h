/* SPDX-License-Identifier: MIT */
/* How far a long run is, on standard error; and the place where an interrupt stops it. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	const char *label; /* the file at work */
	bool quiet;        /* nothing is shown */
	bool always;       /* shown also when standard error is no terminal, as lines */
	bool terminal;
	bool shown; /* a line stands on the terminal */
	time_t last;
};

/* An on_progress callback: shows at most one step per second, the first after a second; a total of 0 is unknown. Non-zero after
 * an interrupt. */
int progress_step(void *progress, uint64_t done, uint64_t total);
/* Clears the line; `progress` is ready for another run. */
void progress_end(struct progress *progress);

#endif
