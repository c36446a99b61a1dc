/* SPDX-License-Identifier: MIT */
/*
 * How far a long run is; and the place where an interrupt stops it.
 *
 *   on a terminal   a bar on standard error, after the first second, once a second
 *   `always`        the same as lines, where standard error is no terminal
 *   `descriptor`    for programs: lines "DONE TOTAL" in bytes, at most ten a second, and one at the end of a run that is whole; a total of 0 is unknown
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	const char *label; /* the file at work */
	bool quiet;        /* no bar and no lines on standard error */
	bool always;       /* shown also when standard error is no terminal, as lines */
	bool tells;        /* to `descriptor` */
	int descriptor;
	/* its own */
	bool terminal;
	bool shown; /* a line stands on the terminal */
	double began;
	double last;
	double told;
	uint64_t done, total;
};

/* Takes "FD" after --progress=; NULL stands for a plain --progress. False when it is no open descriptor's number. */
bool progress_option(struct progress *progress, const char *text);
/* An on_progress callback; a total of 0 is unknown. Non-zero after an interrupt. */
int progress_step(void *progress, uint64_t done, uint64_t total);
/* Clears the line; `progress` is ready for another run. */
void progress_end(struct progress *progress);
/* The same for a run that came to its end: tells so. */
void progress_whole(struct progress *progress);

#endif
