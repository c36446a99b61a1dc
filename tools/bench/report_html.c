/* SPDX-License-Identifier: MIT */
/* The report to look at: one file of HTML, which is well-formed XML too, with plots in it and nothing from elsewhere. */
#include <string.h>

#include "chart.h"

static const char STYLE[] =
	"body{background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu "
	"Sans',sans-serif;margin:0 auto;"
	"max-width:1340px;padding:28px 24px 60px}"
	"h1{font-size:28px;margin:0 0 4px}h2{font-size:20px;margin:38px 0 6px}p{margin:4px 0 "
	"12px;max-width:82ch}.m{color:var(--muted)}"
	".warn{background:var(--panel);border-left:4px solid var(--bad);padding:10px 14px;margin:14px 0}"
	".grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(560px,1fr));gap:18px}"
	".panel{max-width:700px}.panel,.card{background:var(--panel);border-radius:8px;padding:14px 16px}.panel "
	"svg{width:100%;height:auto;display:block}"
	".cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(380px,1fr));gap:14px}.card "
	"h3{font-size:15px;margin:6px 0 4px}"
	".badge{display:inline-block;font-size:12px;font-weight:600;padding:1px 10px;border-radius:10px;color:#fff}"
	".b0{background:#2f6fb7}.b1{background:#a4471d}.b2{background:#8a6508}.b3{background:#77808d}"
	"details{margin-top:6px}summary{cursor:pointer;color:var(--muted)}"
	"table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}.scroll{overflow-x:auto}"
	"th,td{padding:3px 12px 3px 0;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}"
	"th:first-child,td:first-child{text-align:left}th{color:var(--muted);font-weight:600}"
	"tr.head td{font-weight:600;padding-top:14px}@media(max-width:640px){.grid,.cards{grid-template-columns:1fr}}";

static void words(FILE *out, const char *tag, const char *text)
{
	fprintf(out, "<%s>", tag);
	xml_text(out, text);
	fprintf(out, "</%.*s>", (int)strcspn(tag, " "), tag);
}

static void cell(FILE *out, const char *text)
{
	words(out, "td", text);
}

static void head(FILE *out, const char *title, const char *explained)
{
	fprintf(out, "\n<h2>%s</h2>\n<p class=\"m\">%s</p>\n", title, explained);
}

static void begin_svg(FILE *out, int height)
{
	fprintf(out, "<div class=\"panel\"><svg viewBox=\"0 0 %d %d\" role=\"img\">\n", CHART_WIDTH, height);
}

static void end_svg(FILE *out)
{
	fputs("</svg></div>\n", out);
}

static void put_top(FILE *out)
{
	const char *warning = machine_warning();
	char text[800];

	fputs("<h1>What a virtual disk costs here</h1>\n", out);
	(void)snprintf(text, sizeof(text), "%s, %u processors, %s; %s; %s on %s. %s.", machine.processor, machine.processors,
		       text_size((double)machine.memory).text, machine.kernel, machine.filesystem, machine.device, machine.when);
	words(out, "p class=\"m\"", text);
	(void)snprintf(
		text, sizeof(text),
		"libvhdx %s%s%s%s%s. Disks of %s, %u rounds of at most %g s, in turns, %s time; %s read back and compared with "
		"what was written; load %.2f "
		"before, %.2f after; others took %.0f %% of the processors, the host %.0f %%.",
		vhdx_version(), settings.peer_qemu ? ", " : "", settings.peer_qemu ? qemu_version() : "",
		settings.peer_vhdi ? ", libvhdi " : "", settings.peer_vhdi ? vhdi_version() : "",
		text_size((double)settings.size).text, settings.rounds, settings.seconds,
		settings.by_cpu ? "processor" : "elapsed", text_size((double)results.verified).text, machine.load_before,
		machine.load_after, machine.busy > 0 ? machine.busy : 0, machine.steal > 0 ? machine.steal : 0);
	words(out, "p class=\"m\"", text);
	if (warning != NULL)
		words(out, "div class=\"warn\"", warning);
}

static void put_evidence(FILE *out, const struct claim *c)
{
	fputs("<details><summary>all figures</summary><table><tr><th></th><th>ratio</th><th>spread</th><th></th></tr>\n", out);
	for (unsigned i = 0; i < c->evidence_count; i++) {
		const struct evidence *e = &c->evidence[i];
		char text[64];

		fputs("<tr>", out);
		cell(out, e->text);
		cell(out, text_ratio(e->ratio).text);
		(void)snprintf(text, sizeof(text), "%.2f to %.2f", e->spread.low, e->spread.high);
		cell(out, text);
		cell(out, verdict_names[e->verdict]);
		fputs("</tr>\n", out);
	}
	fputs("</table></details>", out);
}

static void put_claims(FILE *out)
{
	head(out, "The folklore",
	     "Less than 1.10x is nothing that anybody would notice, and what lies within the spread of the rounds is no "
	     "difference.");
	fputs("<div class=\"cards\">\n", out);
	for (unsigned i = 0; i < claim_count; i++) {
		const struct claim *c = &claims[i];

		if (c->verdict == NOT_MEASURED)
			continue;
		fprintf(out, "<div class=\"card\"><span class=\"badge b%d\">%s</span>", (int)c->verdict,
			verdict_names[c->verdict]);
		words(out, "h3", c->text);
		words(out, "div class=\"m\"", c->answer);
		put_evidence(out, c);
		fputs("</div>\n", out);
	}
	fputs("</div>\n", out);
}

static void put_speeds(FILE *out)
{
	head(out, "Speed",
	     "Bars are medians, longer is better; the thin line is the spread of the rounds. The last column is the speed "
	     "against the first row.");
	fprintf(out, "<svg width=\"%d\" height=\"26\">", CHART_WIDTH);
	(void)chart_legend(out);
	fputs("</svg>\n<div class=\"grid\">\n", out);
	for (unsigned i = 0; i < settings.work_count; i++) {
		if (!work_has_rows(&settings.works[i]))
			continue;
		begin_svg(out, chart_speeds(NULL, &settings.works[i]));
		(void)chart_speeds(out, &settings.works[i]);
		end_svg(out);
	}
	fputs("</div>\n", out);
}

static void put_latencies(FILE *out)
{
	head(out, "Latency",
	     "Of each operation, on a scale of powers of ten: the dots are the 50th, 90th, 99th and 99.9th of a hundred, from "
	     "large to small. "
	     "Right: 50th / 99th.");
	fputs("<div class=\"grid\">\n", out);
	for (unsigned i = 0; i < settings.work_count; i++) {
		if (!work_has_rows(&settings.works[i]))
			continue;
		begin_svg(out, chart_latencies(NULL, &settings.works[i]));
		(void)chart_latencies(out, &settings.works[i]);
		end_svg(out);
	}
	fputs("</div>\n", out);
}

static void put_clones(FILE *out)
{
	fputs("<div class=\"panel\"><table><tr><th>Clones of a full disk</th><th>time</th><th>on the host</th></tr>\n", out);
	for (unsigned i = 0; i < results.clone_count; i++) {
		fputs("<tr>", out);
		cell(out, results.clones[i].title);
		cell(out, text_seconds(results.clones[i].seconds).text);
		cell(out, text_size((double)results.clones[i].bytes).text);
		fputs("</tr>\n", out);
	}
	fputs("</table></div>\n", out);
}

static void put_makings(FILE *out)
{
	if (results.making_count == 0)
		return;
	head(out, "Creation, space, clones",
	     "Everything is made durable while the clock runs. A differencing disk counts without its parent.");
	fputs("<div class=\"grid\">\n", out);
	begin_svg(out, chart_create(NULL));
	(void)chart_create(out);
	end_svg(out);
	begin_svg(out, chart_space(NULL));
	(void)chart_space(out);
	end_svg(out);
	put_clones(out);
	fputs("</div>\n", out);
}

static void put_aged_row(FILE *out, const struct aged *a)
{
	char text[64];

	fputs("<tr>", out);
	cell(out, a->title);
	(void)snprintf(text, sizeof(text), "%.1f %%", a->reached);
	cell(out, a->how == AGE_FIXED ? "-" : text);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)a->runs);
	cell(out, text);
	cell(out, text_size(a->mean_seek).text);
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)a->host_extents);
	cell(out, a->host_known ? text : "-");
	for (unsigned w = 0; w < 4; w++) {
		(void)snprintf(text, sizeof(text), "%s (%.2fx)", text_speed(a->speeds[w].median).text, a->to_fixed[w].median);
		cell(out, text);
	}
	fputs("</tr>\n", out);
}

static void put_aged(FILE *out)
{
	static const char *const formats[] = { "VHDX", "VHD" };

	if (results.aged_count == 0)
		return;
	head(out, "Fragmentation",
	     "Inside the image: of the blocks that are neighbours on the disk, how many are not neighbours in the file. On the "
	     "host: the extents of "
	     "the file. Speeds against a fixed disk in brackets.");
	fputs("<div class=\"grid\">\n", out);
	for (unsigned i = 0; i < 2; i++) {
		if (!has_aged(formats[i]))
			continue;
		begin_svg(out, chart_fragmentation(NULL, formats[i]));
		(void)chart_fragmentation(out, formats[i]);
		end_svg(out);
	}
	fputs("</div>\n<div class=\"scroll\"><table>\n", out);
	for (unsigned i = 0; i < results.aged_count; i++) {
		if (i == 0 || strcmp(results.aged[i].format, results.aged[i - 1].format) != 0)
			fprintf(out,
				"<tr class=\"head\"><td>%s</td><td>torn apart</td><td>runs</td><td>mean "
				"seek</td><td>extents</td><td>sequential</td>"
				"<td>sequential, cold</td><td>random 4 KiB</td><td>random, cold</td></tr>\n",
				results.aged[i].format);
		put_aged_row(out, &results.aged[i]);
	}
	fputs("</table></div>\n", out);
}

static void put_figures_row(FILE *out, const struct row *row)
{
	char name[120], text[80];

	(void)snprintf(name, sizeof(name), "%s%s%s", row->way == way_of(row->kind) ? "" : row->way->name,
		       row->way == way_of(row->kind) ? "" : ": ", row->kind->title);
	fputs("<tr>", out);
	cell(out, name);
	cell(out, text_seconds(row->seconds.median).text);
	(void)snprintf(text, sizeof(text), "%.2f (%.2f-%.2f)", row->to_reference.median, row->to_reference.low,
		       row->to_reference.high);
	cell(out, text);
	cell(out, text_seconds(row->processor.median).text);
	cell(out, row->has_latency ? text_seconds(row->p99).text : "-");
	cell(out, row->has_latency ? text_seconds(row->p999).text : "-");
	cell(out, row->has_counts ? text_count(row->each.reads).text : "-");
	cell(out, row->has_counts ? text_count(row->each.writes).text : "-");
	cell(out, row->has_counts ? text_count(row->each.flushes).text : "-");
	cell(out, row->has_counts ? text_count(row->each.others).text : "-");
	cell(out, row->has_counts ? text_size(row->each.bytes_read).text : "-");
	cell(out, row->has_counts ? text_size(row->each.bytes_written).text : "-");
	fputs("</tr>\n", out);
}

static void put_figures(FILE *out)
{
	head(out, "All figures",
	     "Of one operation: time, time by that of the first row with its spread, processor time, latencies, calls, bytes.");
	fputs("<div class=\"scroll\"><table>\n<tr><th></th><th>time</th><th>to first "
	      "row</th><th>CPU</th><th>p99</th><th>p99.9</th><th>reads</th>"
	      "<th>writes</th><th>flushes</th><th>others</th><th>read</th><th>written</th></tr>\n",
	      out);
	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];

		if (i == 0 || row->work != results.rows[i - 1].work) {
			fputs("<tr class=\"head\">", out);
			words(out, "td colspan=\"12\"", row->work->title);
			fputs("</tr>\n", out);
		}
		put_figures_row(out, row);
	}
	fputs("</table></div>\n", out);
}

bool report_html(const char *path)
{
	bool failed;
	FILE *out = fopen(path, "w");

	if (out == NULL)
		return false;
	fprintf(out,
		"<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\"><head><meta charset=\"utf-8\"/>"
		"<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"/><meta name=\"color-scheme\" "
		"content=\"light dark\"/>"
		"<title>vhdx-bench</title>\n<style>%s%s</style></head>\n<body>\n",
		CHART_STYLE, STYLE);
	put_top(out);
	put_claims(out);
	put_speeds(out);
	put_latencies(out);
	put_makings(out);
	put_aged(out);
	put_figures(out);
	fputs("</body></html>\n", out);
	failed = ferror(out) != 0;
	return fclose(out) == 0 && !failed;
}
