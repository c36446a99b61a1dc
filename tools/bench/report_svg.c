/* SPDX-License-Identifier: MIT */
/* The main results as one picture, for a page that cannot hold a report. */
#include <string.h>

#include "chart.h"

enum { MARGIN = 24, GAP = 36, HEAD = 88, MAX_PLOTS = 12 };

struct plot {
	const struct work *work;
	const char *format; /* of the fragmentation, when there is no work */
};

static unsigned choose(struct plot plots[MAX_PLOTS])
{
	static const char *const formats[] = { "VHDX", "VHD" };
	unsigned count = 0;

	for (unsigned i = 0; i < settings.work_count && count < MAX_PLOTS - 2; i++)
		if (work_has_rows(&settings.works[i]))
			plots[count++] = (struct plot){ &settings.works[i], NULL };
	for (unsigned i = 0; i < 2; i++)
		if (has_aged(formats[i]))
			plots[count++] = (struct plot){ NULL, formats[i] };
	return count;
}

static int draw(FILE *out, const struct plot *plot)
{
	return plot->work != NULL ? chart_speeds(out, plot->work) : chart_fragmentation(out, plot->format);
}

static int height_of(const struct plot *plots, unsigned count)
{
	int height = MARGIN + HEAD;

	for (unsigned i = 0; i < count; i += 2) {
		int left = draw(NULL, &plots[i]), right = i + 1 < count ? draw(NULL, &plots[i + 1]) : 0;

		height += (left > right ? left : right) + GAP / 2;
	}
	return height;
}

static void draw_all(FILE *out, const struct plot *plots, unsigned count)
{
	int y = MARGIN + HEAD;

	for (unsigned i = 0; i < count; i += 2) {
		int highest = 0;

		for (unsigned side = 0; side < 2 && i + side < count; side++) {
			int height;

			fprintf(out, "<g transform=\"translate(%d %d)\">\n", MARGIN + (int)side * (CHART_WIDTH + GAP), y);
			height = draw(out, &plots[i + side]);
			fputs("</g>\n", out);
			highest = height > highest ? height : highest;
		}
		y += highest + GAP / 2;
	}
}

bool report_svg(const char *path)
{
	bool failed;
	FILE *out = fopen(path, "w");
	struct plot plots[MAX_PLOTS];
	unsigned count = choose(plots);
	int width = 2 * MARGIN + 2 * CHART_WIDTH + GAP;

	if (out == NULL)
		return false;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
		"height=\"%d\">\n<style>%s</style>\n",
		width, height_of(plots, count), width, height_of(plots, count), CHART_STYLE);
	fputs("<rect width=\"100%\" height=\"100%\" style=\"fill:var(--bg)\"/>\n", out);
	fprintf(out,
		"<text x=\"%d\" y=\"38\" style=\"font-size:20px;font-weight:600\">What a virtual disk costs: speed, longer is "
		"better; right, against "
		"pass-through</text>\n<text x=\"%d\" y=\"60\" class=\"m\">",
		MARGIN, MARGIN);
	xml_text(out, machine.processor);
	fprintf(out, ", %u processors, ", machine.processors);
	xml_text(out, machine.filesystem);
	fprintf(out, "; %s time, medians of %u rounds, thin lines: spread; %s</text>\n<g transform=\"translate(%d 72)\">",
		settings.by_cpu ? "processor" : "elapsed", settings.rounds, machine.when, MARGIN);
	(void)chart_legend(out);
	fputs("</g>\n", out);
	draw_all(out, plots, count);
	fputs("</svg>\n", out);
	failed = ferror(out) != 0;
	return fclose(out) == 0 && !failed;
}
