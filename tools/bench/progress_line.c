/* SPDX-License-Identifier: MIT */
/* How far the run is, on a terminal: what is measured, and the time left, guessed from the time that the steps took so far. */
#include <stdarg.h>

#include "bench.h"
#include "sys.h"

enum { BAR = 20 };

static double planned, finished, began, last;
static bool shown;

void progress_plan(double weight)
{
	planned += weight;
}

static void show(const char *what, double now)
{
	double part = planned > 0 && finished < planned ? finished / planned : 1;
	unsigned left = part > 0 ? (unsigned)((now - began) * (1 - part) / part + 0.5) : 0;
	char bar[BAR + 1];

	for (unsigned i = 0; i < BAR; i++)
		bar[i] = i < (unsigned)(part * BAR) ? '#' : '.';
	bar[BAR] = '\0';
	fprintf(stderr, "\r%s: [%s] %u %%, %u:%02u left: %.70s\033[K", tool_name, bar, (unsigned)(part * 100), left / 60,
		left % 60, what);
	shown = true;
}

void progress_done(double weight, const char *format, ...)
{
	double now = sys_seconds();
	char what[160];
	va_list arguments;

	heed_interrupts();
	if (began == 0)
		began = now;
	finished += weight;
	if (settings.quiet || !sys_is_terminal(2) || now - last < 0.2)
		return;
	last = now;
	va_start(arguments, format);
	(void)vsnprintf(what, sizeof(what), format, arguments);
	va_end(arguments);
	show(what, now);
}

void progress_clear(void)
{
	if (shown)
		fputs("\r\033[K", stderr);
	shown = false;
}
