/* SPDX-License-Identifier: MIT */
/* See progress.h. */
#include "progress.h"

#include <stdio.h>

#include "sys.h"
#include "tool.h"

static void show(struct progress *progress, uint64_t done, uint64_t total)
{
	unsigned percent = total == 0 ? 0 : (unsigned)((double)done / (double)total * 100);
	const char *before = progress->terminal ? "\r" : "";
	const char *after = progress->terminal ? "\033[K" : "\n";
	char size[32];

	if (!progress->terminal && !progress->always)
		return;
	tool_format_size(total == 0 ? done : total, size, sizeof(size));
	if (total == 0)
		fprintf(stderr, "%s%s: %s: %s read%s", before, tool_name, progress->label, size, after);
	else
		fprintf(stderr, "%s%s: %s: %u %% of %s%s", before, tool_name, progress->label, percent, size, after);
	progress->shown = true;
}

int progress_step(void *context, uint64_t done, uint64_t total)
{
	struct progress *progress = context;
	time_t now;

	if (sys_interrupted())
		return 1;
	if (progress->quiet)
		return 0;
	now = time(NULL);
	if (progress->last == 0) {
		progress->last = now;
		progress->terminal = sys_is_terminal(2);
	} else if (now != progress->last) {
		progress->last = now;
		show(progress, done, total);
	}
	return 0;
}

void progress_end(struct progress *progress)
{
	if (progress->shown && progress->terminal)
		fputs("\r\033[K", stderr);
	progress->shown = false;
	progress->last = 0;
}
