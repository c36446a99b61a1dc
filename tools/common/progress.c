/* SPDX-License-Identifier: MIT */
/* See progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys.h"
#include "tool.h"

enum { BAR = 20, FAR = 360000 };

/* "[#####...............]", and what is left when that can be told. */
static void show_bar(const struct progress *progress, unsigned percent, const char *size)
{
	double passed = sys_seconds() - progress->began;
	double left = progress->done == 0 ? FAR : passed * (double)(progress->total - progress->done) / (double)progress->done;
	char bar[BAR + 1], rest[40] = "";

	for (unsigned i = 0; i < BAR; i++)
		bar[i] = i < percent * BAR / 100 ? '#' : '.';
	bar[BAR] = '\0';
	if (left < FAR)
		snprintf(rest, sizeof(rest), ", %u:%02u left", (unsigned)left / 60, (unsigned)left % 60);
	fprintf(stderr, "\r%s: %s: [%s] %u %% of %s%s\033[K", tool_name, progress->label, bar, percent, size, rest);
}

static void show(struct progress *progress)
{
	uint64_t total = progress->total;
	unsigned percent = total == 0 ? 0 : (unsigned)((double)progress->done / (double)total * 100);
	const char *before = progress->terminal ? "\r" : "";
	const char *after = progress->terminal ? "\033[K" : "\n";
	char size[32];

	if (!progress->terminal && !progress->always)
		return;
	tool_format_size(total == 0 ? progress->done : total, size, sizeof(size));
	if (total == 0)
		fprintf(stderr, "%s%s: %s: %s read%s", before, tool_name, progress->label, size, after);
	else if (progress->terminal)
		show_bar(progress, percent, size);
	else
		fprintf(stderr, "%s: %s: %u %% of %s\n", tool_name, progress->label, percent, size);
	progress->shown = true;
}

static void tell(const struct progress *progress)
{
	char line[48];
	int length = snprintf(line, sizeof(line), "%" PRIu64 " %" PRIu64 "\n", progress->done, progress->total);

	if (progress->tells)
		sys_tell(progress->descriptor, line, (size_t)length);
}

bool progress_option(struct progress *progress, const char *text)
{
	char *end;
	long number;

	if (text == NULL) {
		progress->always = true;
		return true;
	}
	number = strtol(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || number > 65535 || !sys_is_open((int)number))
		return false;
	progress->tells = true;
	progress->descriptor = (int)number;
	return true;
}

int progress_step(void *context, uint64_t done, uint64_t total)
{
	struct progress *progress = context;
	double now;

	if (sys_interrupted())
		return 1;
	progress->done = done;
	progress->total = total;
	if (progress->quiet && !progress->tells)
		return 0;
	now = sys_seconds();
	if (progress->began == 0) {
		progress->began = progress->last = now;
		progress->terminal = sys_is_terminal(2);
	}
	if (now - progress->told >= 0.1) {
		progress->told = now;
		tell(progress);
	}
	if (!progress->quiet && now - progress->last >= 1) {
		progress->last = now;
		show(progress);
	}
	return 0;
}

void progress_end(struct progress *progress)
{
	if (progress->shown && progress->terminal)
		fputs("\r\033[K", stderr);
	progress->shown = false;
	progress->began = progress->last = progress->told = 0;
}

void progress_whole(struct progress *progress)
{
	if (progress->total != 0)
		progress->done = progress->total;
	tell(progress);
	progress_end(progress);
}
