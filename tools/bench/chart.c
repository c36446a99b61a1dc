/* SPDX-License-Identifier: MIT */
/* Bars and lines. A bar is a median, the thin line over it is the spread; labels stand left, figures right, so that nothing overlaps. */
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "chart.h"

enum { LABELS = 258, FIGURES = 150, ROW = 22, HEAD = 34, BAR = 13, BARS = CHART_WIDTH - LABELS - FIGURES };

const char CHART_STYLE[] =
	":root{--bg:#ffffff;--panel:#f6f7f9;--fg:#1b1f24;--muted:#5d6673;--grid:#dde1e7;--raw:#77808d;--fixed:#2f6fb7;--dynamic:#"
	"21935f;"
	"--diff:#cf7413;--peer:#a78bba;--spread:#1b1f24;--good:#21935f;--bad:#c0392b;--mid:#b8860b}"
	"@media(prefers-color-scheme:dark){:root{--bg:#14171b;--panel:#1c2127;--fg:#e8ebef;--muted:#9aa5b3;--grid:#333b45;--raw:#"
	"98a2af;"
	"--fixed:#5b9be3;--dynamic:#43bd86;--diff:#eb9a45;--peer:#bfa6d2;--spread:#e8ebef;--good:#43bd86;--bad:#e5766a;--mid:#"
	"d9ad3b}}"
	"svg text{font:12.5px system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;fill:var(--fg)}"
	"svg .t{font-weight:600;font-size:14px}svg .m{fill:var(--muted)}svg .s{font-size:11px;fill:var(--muted)}svg "
	".e{text-anchor:end}svg .c{text-anchor:middle}"
	"svg .g{stroke:var(--grid);stroke-width:1}svg .w{stroke:var(--spread);stroke-width:1.3;fill:none;opacity:.75}"
	"svg .raw{fill:var(--raw)}svg .fixed{fill:var(--fixed)}svg .dynamic{fill:var(--dynamic)}svg .diff{fill:var(--diff)}svg "
	".peer{fill:var(--peer)}"
	"svg .l{fill:none;stroke-width:2.2}svg .lraw{stroke:var(--raw)}svg .lfixed{stroke:var(--fixed)}svg "
	".ldynamic{stroke:var(--dynamic)}"
	"svg .ldiff{stroke:var(--diff)}";

void xml_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		switch (*text) {
		case '&': fputs("&amp;", out); break;
		case '<': fputs("&lt;", out); break;
		case '>': fputs("&gt;", out); break;
		case '"': fputs("&quot;", out); break;
		default: fputc((unsigned char)*text < 0x20 ? ' ' : *text, out); break;
		}
	}
}

static void text(FILE *out, double x, double y, const char *class, const char *words)
{
	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	xml_text(out, words);
	fputs("</text>\n", out);
}

static void line(FILE *out, double x1, double y1, double x2, double y2, const char *class)
{
	fprintf(out, "<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"%s\"/>\n", x1, y1, x2, y2, class);
}

static const char *class_of(const struct kind *kind, bool is_peer)
{
	if (is_peer)
		return "peer";
	if (kind->format == VHDX_FORMAT_RAW)
		return "raw";
	return kind->type == VHDX_TYPE_FIXED ? "fixed" : kind->type == VHDX_TYPE_DYNAMIC ? "dynamic" : "diff";
}

static bool is_peer(const struct row *row)
{
	return row->way != way_of(row->kind);
}

/* What stands left of a bar. */
static void label(FILE *out, double y, const struct kind *kind, const char *by)
{
	char words[80];

	(void)snprintf(words, sizeof(words), "%s%s%.31s", by, by[0] != '\0' ? ": " : "", kind->title);
	text(out, LABELS - 8, y + 11, by[0] != '\0' ? "m e" : "e", words);
}

/* A bar from 0 with its spread; all of them are parts of the width, at most 1. */
static void bar(FILE *out, double y, const char *class, double part, double low, double high)
{
	double middle = y + BAR / 2.0;

	fprintf(out, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\" class=\"%s\"/>\n", LABELS, y,
		part * BARS > 1 ? part * BARS : 1, BAR, class);
	if (high - low > 0.004)
		fprintf(out, "<path d=\"M%.1f %.1fV%.1fM%.1f %.1fH%.1fM%.1f %.1fV%.1f\" class=\"w\"/>\n", LABELS + low * BARS,
			middle - 3, middle + 3, LABELS + low * BARS, middle, LABELS + high * BARS, LABELS + high * BARS,
			middle - 3, middle + 3);
}

bool work_has_rows(const struct work *work)
{
	for (unsigned i = 0; i < results.row_count; i++)
		if (results.rows[i].work == work)
			return true;
	return false;
}

int chart_speeds(FILE *out, const struct work *work)
{
	double most = 0, y = HEAD;
	unsigned count = 0;

	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];

		if (row->work != work)
			continue;
		count++;
		if (row_speed(row, row->seconds.median) > most)
			most = row_speed(row, row->seconds.median);
	}
	if (out == NULL || most <= 0)
		return HEAD + (int)count * ROW + 8;
	most *= 1.08;
	text(out, 0, 16, "t", work->title);
	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];
		double low, high;
		char figure[64];

		if (row->work != work)
			continue;
		low = row_speed(row, row->seconds.high) / most;
		high = row_speed(row, row->seconds.low) / most;
		label(out, y, row->kind, is_peer(row) ? row->way->name : "");
		bar(out, y, class_of(row->kind, is_peer(row)), row_speed(row, row->seconds.median) / most, low,
		    high < 1 ? high : 1);
		text(out, LABELS + BARS + 84, y + 11, "e", text_speed(row_speed(row, row->seconds.median)).text);
		(void)snprintf(figure, sizeof(figure), "%.0f %%", 100 / row->to_reference.median);
		text(out, CHART_WIDTH - 4, y + 11, "m e", figure);
		y += ROW;
	}
	return (int)y + 8;
}

/* On a scale of powers of ten: where a time stands, from 0 to 1. */
static double log_place(double seconds, double first, double last)
{
	double part = (log10(seconds) - first) / (last - first);

	return part < 0 ? 0 : part > 1 ? 1 : part;
}

/* "100 us" */
static struct label text_power(double power)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	int tens = (int)power + 9, unit = tens < 0 ? 0 : tens / 3 > 3 ? 3 : tens / 3;
	struct label out;

	(void)snprintf(out.text, sizeof(out.text), "%.0f %s", pow(10, tens - 3 * unit), units[unit]);
	return out;
}

static void log_axis(FILE *out, double first, double last, double top, double bottom)
{
	bool wide = last - first <= 4;

	for (double power = first; power <= last + 0.01; power++) {
		double x = LABELS + (power - first) / (last - first) * BARS;

		line(out, x, top, x, bottom, "g");
		if (wide || (int)(power - first) % 2 == 0)
			text(out, x, bottom + 13, "s c", text_power(power).text);
	}
}

int chart_latencies(FILE *out, const struct work *work)
{
	double least = 1e9, most = 0, first, last, y = HEAD;
	unsigned count = 0;

	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];

		if (row->work != work || !row->has_latency)
			continue;
		count++;
		least = row->p50 < least ? row->p50 : least;
		most = row->p999 > most ? row->p999 : most;
	}
	if (out == NULL || count == 0)
		return HEAD + (int)count * ROW + 24;
	first = floor(log10(least > 0 ? least : 1e-9));
	last = ceil(log10(most > least ? most : least * 10));
	last = last > first ? last : first + 1;
	text(out, 0, 16, "t", work->title);
	log_axis(out, first, last, HEAD - 6, HEAD + count * ROW);
	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];
		double places[4], middle = y + BAR / 2.0;
		char figure[80];

		if (row->work != work || !row->has_latency)
			continue;
		places[0] = log_place(row->p50, first, last);
		places[1] = log_place(row->p90, first, last);
		places[2] = log_place(row->p99, first, last);
		places[3] = log_place(row->p999, first, last);
		label(out, y, row->kind, is_peer(row) ? row->way->name : "");
		line(out, LABELS + places[0] * BARS, middle, LABELS + places[3] * BARS, middle, "w");
		for (unsigned p = 0; p < 4; p++)
			fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" class=\"%s\"/>\n", LABELS + places[p] * BARS,
				middle, 5.5 - p, class_of(row->kind, is_peer(row)));
		(void)snprintf(figure, sizeof(figure), "%.20s / %.20s", text_seconds(row->p50).text, text_seconds(row->p99).text);
		text(out, CHART_WIDTH - 4, y + 11, "m e", figure);
		y += ROW;
	}
	return (int)y + 24;
}

int chart_space(FILE *out)
{
	double most = 0, y = HEAD;
	unsigned count = 0;

	for (unsigned i = 0; i < results.making_count; i++) {
		count += results.makings[i].file_size != 0;
		if ((double)results.makings[i].file_size > most)
			most = (double)results.makings[i].file_size;
	}
	if (out == NULL || count == 0)
		return HEAD + (int)count * ROW + 8;
	most *= 1.02;
	text(out, 0, 16, "t", "Space of the same files: on the host (bar), size of the file (line)");
	for (unsigned i = 0; i < results.making_count; i++) {
		const struct making *m = &results.makings[i];
		double size = LABELS + (double)m->file_size / most * BARS;

		if (m->file_size == 0)
			continue;
		label(out, y, m->kind, "");
		bar(out, y, class_of(m->kind, false), (double)m->allocated / most, 0, 0);
		line(out, size, y - 2, size, y + BAR + 2, "w");
		text(out, LABELS + BARS + 74, y + 11, "e", text_size((double)m->allocated).text);
		text(out, CHART_WIDTH - 4, y + 11, "m e", text_size((double)m->file_size).text);
		y += ROW;
	}
	return (int)y + 8;
}

int chart_create(FILE *out)
{
	double first, last, least = 1e9, most = 0, y = HEAD;

	for (unsigned i = 0; i < results.making_count; i++) {
		double t = results.makings[i].create_seconds.median;

		least = t < least ? t : least;
		most = t > most ? t : most;
	}
	if (out == NULL || results.making_count == 0)
		return HEAD + (int)results.making_count * ROW + 24;
	first = floor(log10(least));
	last = ceil(log10(most * 1.01));
	text(out, 0, 16, "t", "Time to create a disk (powers of ten)");
	log_axis(out, first, last, HEAD - 6, HEAD + results.making_count * ROW);
	for (unsigned i = 0; i < results.making_count; i++) {
		const struct making *m = &results.makings[i];
		bool peer = strcmp(m->by, "libvhdx") != 0;

		label(out, y, m->kind, peer ? m->by : "");
		bar(out, y, class_of(m->kind, peer), log_place(m->create_seconds.median, first, last),
		    log_place(m->create_seconds.low, first, last), log_place(m->create_seconds.high, first, last));
		text(out, CHART_WIDTH - 4, y + 11, "e", text_seconds(m->create_seconds.median).text);
		y += ROW;
	}
	return (int)y + 24;
}

bool has_aged(const char *format)
{
	for (unsigned i = 0; i < results.aged_count; i++)
		if (strcmp(results.aged[i].format, format) == 0)
			return true;
	return false;
}

enum { PLOT_LEFT = 60, PLOT_RIGHT = 150, PLOT_TOP = 34, PLOT_HEIGHT = 210 };

static double plot_x(double degree)
{
	return PLOT_LEFT + degree / 100 * (CHART_WIDTH - PLOT_LEFT - PLOT_RIGHT);
}

static double plot_y(double ratio, double most)
{
	return PLOT_TOP + (1 - (ratio < most ? ratio : most) / most) * PLOT_HEIGHT;
}

static void plot_axes(FILE *out, double most)
{
	for (double ratio = 0; ratio <= most + 0.01; ratio += 0.5) {
		char words[16];

		(void)snprintf(words, sizeof(words), "%.1fx", ratio);
		line(out, PLOT_LEFT, plot_y(ratio, most), plot_x(100), plot_y(ratio, most), "g");
		text(out, PLOT_LEFT - 8, plot_y(ratio, most) + 4, "s e", words);
	}
	for (double degree = 0; degree <= 100; degree += 25) {
		char words[16];

		(void)snprintf(words, sizeof(words), "%.0f %%", degree);
		text(out, plot_x(degree), PLOT_TOP + PLOT_HEIGHT + 17, "s c", words);
	}
	text(out, plot_x(50), PLOT_TOP + PLOT_HEIGHT + 34, "s c", "neighbours torn apart, of all pairs of neighbours");
}

/* One curve; its name stands right, at a height of its own. */
static void plot_curve(FILE *out, const char *format, unsigned w, double most, double name_y)
{
	static const char *const names[] = { "sequential", "sequential, cold", "random 4 KiB", "random, cold" };
	static const char *const classes[] = { "fixed", "diff", "dynamic", "raw" };
	char class[24];
	bool first = true;
	double last_y = 0;

	fputs("<path d=\"", out);
	for (unsigned i = 0; i < results.aged_count; i++) {
		const struct aged *a = &results.aged[i];

		if (strcmp(a->format, format) != 0 || a->how != AGE_GROWTH)
			continue;
		last_y = plot_y(a->to_fixed[w].median, most);
		fprintf(out, "%s%.1f %.1f", first ? "M" : "L", plot_x(a->reached), last_y);
		first = false;
	}
	fprintf(out, "\" class=\"l l%s\"/>\n", classes[w]);
	for (unsigned i = 0; i < results.aged_count; i++) {
		const struct aged *a = &results.aged[i];
		double x = plot_x(a->reached) + (w - 1.5) * 2;

		if (strcmp(a->format, format) != 0 || a->how != AGE_GROWTH)
			continue;
		line(out, x, plot_y(a->to_fixed[w].low, most), x, plot_y(a->to_fixed[w].high, most), "w");
		fprintf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.2\" class=\"%s\"/>\n", plot_x(a->reached),
			plot_y(a->to_fixed[w].median, most), classes[w]);
	}
	(void)snprintf(class, sizeof(class), "l l%s", classes[w]);
	line(out, plot_x(100) + 14, name_y - 4, plot_x(100) + 32, name_y - 4, class);
	text(out, plot_x(100) + 38, name_y, "", names[w]);
}

int chart_fragmentation(FILE *out, const char *format)
{
	double most = 1.5;
	char title[120];
	uint32_t block = 0;

	if (out == NULL)
		return PLOT_TOP + PLOT_HEIGHT + 46;
	for (unsigned i = 0; i < results.aged_count; i++) {
		if (strcmp(results.aged[i].format, format) != 0)
			continue;
		block = results.aged[i].how == AGE_GROWTH ? results.aged[i].block_size : block;
		for (unsigned w = 0; w < 4; w++)
			if (results.aged[i].how == AGE_GROWTH && results.aged[i].to_fixed[w].median > most)
				most = ceil(results.aged[i].to_fixed[w].median * 2) / 2;
	}
	(void)snprintf(title, sizeof(title), "Reads against a fixed disk, by fragmentation: %s, blocks of %u MiB", format,
		       (unsigned)(block >> 20));
	text(out, 0, 16, "t", title);
	plot_axes(out, most);
	for (unsigned w = 0; w < 4; w++)
		plot_curve(out, format, w, most, PLOT_TOP + 20 + w * 24);
	return PLOT_TOP + PLOT_HEIGHT + 46;
}

int chart_legend(FILE *out)
{
	static const struct {
		const char *class, *name;
	} entries[] = { { "raw", "pass-through" },
			{ "fixed", "fixed" },
			{ "dynamic", "dynamic" },
			{ "diff", "differencing" },
			{ "peer", "by a peer" } };
	double x = 0;

	for (size_t i = 0; out != NULL && i < sizeof(entries) / sizeof(entries[0]); i++) {
		if (strcmp(entries[i].class, "peer") == 0 && !settings.peer_qemu && !settings.peer_vhdi)
			continue;
		fprintf(out, "<rect x=\"%.0f\" y=\"4\" width=\"13\" height=\"13\" rx=\"2\" class=\"%s\"/>\n", x,
			entries[i].class);
		text(out, x + 19, 15, "", entries[i].name);
		x += 40 + 7.2 * (double)strlen(entries[i].name);
	}
	return 26;
}
