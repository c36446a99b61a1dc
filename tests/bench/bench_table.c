/* SPDX-License-Identifier: MIT */
/* The table: a line for each row as soon as it is known. A goal that is missed is told, and nothing more: times are no test. */
#include <stdio.h>

#include "bench.h"

#define UNSTEADY 1.5

static const char *verdict(double value, enum goal goal, double limit)
{
	switch (goal) {
	case AT_MOST: return value <= limit ? "met" : "MISSED";
	case AT_LEAST: return value >= limit ? "met" : "MISSED";
	case NO_GOAL: break;
	}
	return "";
}

static void goal_text(char *text, size_t size, enum goal goal, double limit, const char *unit)
{
	switch (goal) {
	case AT_MOST: (void)snprintf(text, size, "<= %.6g%s", limit, unit); return;
	case AT_LEAST: (void)snprintf(text, size, ">= %.6g%s", limit, unit); return;
	case NO_GOAL: break;
	}
	text[0] = '\0';
}

static void print_row(const char *key, const char *what, const char *ours, const char *other, const char *ratio, const char *goal,
		      const char *met)
{
	(void)printf("%-3s %-48s %-12s %-28s %-26s %-10s %s\n", key, what, ours, other, ratio, goal, met);
	(void)fflush(stdout);
}

char *micro(char text[16], double seconds)
{
	(void)snprintf(text, 16, seconds < 1e-5 ? "%.2f us" : "%.1f us", seconds * 1e6);
	return text;
}

char *beside(char text[32], const char *name, double seconds)
{
	char time[16];

	(void)snprintf(text, 32, "%s %s", name, micro(time, seconds));
	return text;
}

void table_head(void)
{
	print_row("", "what", "ours", "beside it", "ratio: median (min - max)", "goal", "");
}

void table_row(const char *key, const char *what, const char *ours, const char *other, struct spread ratio, enum goal goal,
	       double limit)
{
	char text[64], wanted[32];
	int digits = ratio.median < 20 ? 2 : 0;

	(void)snprintf(text, sizeof(text), "%.*fx (%.*f - %.*f)", digits, ratio.median, digits, ratio.low, digits, ratio.high);
	goal_text(wanted, sizeof(wanted), goal, limit, "x");
	print_row(key, what, ours, other, text, wanted, verdict(ratio.median, goal, limit));
}

void table_value(const char *key, const char *what, const char *ours, double value, enum goal goal, double limit,
		 const char *unit)
{
	char wanted[32];

	goal_text(wanted, sizeof(wanted), goal, limit, unit);
	print_row(key, what, ours, "", "", wanted, verdict(value, goal, limit));
}

void table_unsteady(const char *name, struct spread seconds)
{
	if (seconds.high > UNSTEADY * seconds.low)
		(void)printf("      not steady: %s took %.2f to %.2f us; measure again on a quieter machine\n", name,
			     seconds.low * 1e6, seconds.high * 1e6);
}
