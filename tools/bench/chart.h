/* SPDX-License-Identifier: MIT */
/* Plots as SVG groups, drawn from the results; and the texts around them. Everything is well-formed XML, in HTML too. */
#ifndef CHART_H
#define CHART_H

#include <stdio.h>

#include "bench.h"

enum { CHART_WIDTH = 620 };

/* Colours by name, for light and dark; to be put into a <style>. */
extern const char CHART_STYLE[];

/* Text with what XML wants escaped. */
void xml_text(FILE *out, const char *text);

/* Each draws at (0, 0) with a width of CHART_WIDTH, and returns its height. With `out` NULL it only tells that. */
int chart_speeds(FILE *out, const struct work *work);
int chart_latencies(FILE *out, const struct work *work);
int chart_space(FILE *out);
int chart_create(FILE *out);
int chart_fragmentation(FILE *out, const char *format);
int chart_legend(FILE *out);

/* Whether anything was measured for it. */
bool work_has_rows(const struct work *work);
bool has_aged(const char *format);

#endif
