/* SPDX-License-Identifier: MIT */
/* The results as tables in a terminal, and the small texts that all reports are made of. */
#include <math.h>
#include <string.h>

#include "bench.h"

struct label text_seconds(double seconds)
{
	struct label out;

	if (seconds < 1e-6)
		(void)snprintf(out.text, sizeof(out.text), "%.0f ns", seconds * 1e9);
	else if (seconds < 1e-3)
		(void)snprintf(out.text, sizeof(out.text), seconds < 1e-5 ? "%.2f us" : "%.1f us", seconds * 1e6);
	else if (seconds < 1)
		(void)snprintf(out.text, sizeof(out.text), seconds < 1e-2 ? "%.2f ms" : "%.1f ms", seconds * 1e3);
	else
		(void)snprintf(out.text, sizeof(out.text), "%.2f s", seconds);
	return out;
}

struct label text_size(double bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	struct label out;
	unsigned unit = 0;

	for (; bytes >= 1024 && unit < 5; unit++)
		bytes /= 1024;
	(void)snprintf(out.text, sizeof(out.text),
		       unit == 0 || bytes >= 99.95 ? "%.0f %s"
		       : bytes >= 9.995            ? "%.1f %s"
						   : "%.2f %s",
		       bytes, units[unit]);
	return out;
}

struct label text_speed(double bytes_per_second)
{
	struct label out = text_size(bytes_per_second);

	(void)strncat(out.text, "/s", sizeof(out.text) - strlen(out.text) - 1);
	return out;
}

struct label text_count(double value)
{
	struct label out;

	(void)snprintf(out.text, sizeof(out.text), fabs(value - round(value)) < 0.005 ? "%.0f" : "%.2f", value);
	return out;
}

struct label text_ratio(double ratio)
{
	struct label out;

	(void)snprintf(out.text, sizeof(out.text), ratio < 100 ? "%.2fx" : "%.0fx", ratio);
	return out;
}

static struct label row_name(const struct row *row)
{
	struct label out;

	if (row->way == way_of(row->kind))
		(void)snprintf(out.text, sizeof(out.text), "%.46s", row->kind->title);
	else
		(void)snprintf(out.text, sizeof(out.text), "  %.12s: %.30s", row->way->name, row->kind->title);
	return out;
}

static void show_row(const struct row *row)
{
	struct label speed = text_speed(row_speed(row, row->seconds.median)), each = text_seconds(row->seconds.median);
	char ratio[48];

	(void)snprintf(ratio, sizeof(ratio), "%.2f (%.2f-%.2f)", row->to_reference.median, row->to_reference.low,
		       row->to_reference.high);
	printf("  %-39s %11s %9s  %-18s %9s", row_name(row).text, speed.text, each.text, ratio,
	       text_seconds(row->processor.median).text);
	if (row->has_latency)
		printf(" %9s %9s %9s", text_seconds(row->p50).text, text_seconds(row->p99).text, text_seconds(row->p999).text);
	else
		printf(" %9s %9s %9s", "-", "-", "-");
	if (row->has_counts)
		printf("  %s/%s/%s/%s %s", text_count(row->each.reads).text, text_count(row->each.writes).text,
		       text_count(row->each.flushes).text, text_count(row->each.others).text,
		       text_size(row->each.bytes_read + row->each.bytes_written).text);
	putchar('\n');
}

static void show_works(void)
{
	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];

		if (i == 0 || row->work != results.rows[i - 1].work)
			printf("\n%-41s %11s %9s  %-18s %9s %9s %9s %9s  %s\n", row->work->title, "speed", "each",
			       "time to first row", "CPU each", "p50", "p99", "p99.9", "reads/writes/flushes/others, bytes");
		show_row(row);
	}
}

static void show_makings(void)
{
	if (results.making_count == 0)
		return;
	printf("\n%-36s %11s %-22s %11s %11s %11s\n", "create; the same files", "create", "  spread", "when empty", "with files",
	       "file size");
	for (unsigned i = 0; i < results.making_count; i++) {
		const struct making *m = &results.makings[i];
		char name[64], spread[120];

		(void)snprintf(name, sizeof(name), "%s%.40s", strcmp(m->by, "libvhdx") == 0 ? "" : "  QEMU: ", m->kind->title);
		(void)snprintf(spread, sizeof(spread), "  %s-%s", text_seconds(m->create_seconds.low).text,
			       text_seconds(m->create_seconds.high).text);
		printf("  %-34s %11s %-22s", name, text_seconds(m->create_seconds.median).text, spread);
		if (m->file_size != 0)
			printf(" %11s %11s %11s", text_size((double)m->empty_bytes).text, text_size((double)m->allocated).text,
			       text_size((double)m->file_size).text);
		putchar('\n');
	}
	if (results.makings[0].content_bytes != 0)
		printf("  (files of %s on a disk of %s)\n", text_size((double)results.makings[0].content_bytes).text,
		       text_size((double)settings.size).text);
	printf("\n%-36s %11s %11s\n", "clones", "time", "on the host");
	for (unsigned i = 0; i < results.clone_count; i++)
		printf("  %-34s %11s %11s\n", results.clones[i].title, text_seconds(results.clones[i].seconds).text,
		       text_size((double)results.clones[i].bytes).text);
}

static void show_aged(void)
{
	for (unsigned i = 0; i < results.aged_count; i++) {
		const struct aged *a = &results.aged[i];
		char host[24], degree[40];

		if (i == 0 || strcmp(a->format, results.aged[i - 1].format) != 0)
			printf("\nfragmentation, %s, %s blocks%*s %8s %5s %9s %7s %11s %11s %11s %11s\n", a->format,
			       text_size(results.aged[i + 1].block_size).text, (int)(8 - strlen(a->format)), "", "degree", "runs",
			       "mean seek", "extents", "seq", "seq, cold", "rand", "rand, cold");
		(void)snprintf(host, sizeof(host), a->host_known ? "%llu" : "-", (unsigned long long)a->host_extents);
		(void)snprintf(degree, sizeof(degree), "%.1f %%", a->reached);
		printf("  %-34s %8s %5llu %9s %7s", a->title, a->how == AGE_FIXED ? "-" : degree, (unsigned long long)a->runs,
		       text_size(a->mean_seek).text, host);
		for (unsigned w = 0; w < 4; w++)
			printf(" %11s", text_speed(a->speeds[w].median).text);
		putchar('\n');
	}
}

static void show_claims(void)
{
	printf("\nThe folklore (above 1.10x is noticeable)\n");
	for (unsigned i = 0; i < claim_count; i++) {
		const struct claim *c = &claims[i];

		if (c->verdict == NOT_MEASURED)
			continue;
		printf("  %-10s %s:\n             %s\n", verdict_names[c->verdict], c->text, c->answer);
	}
}

void report_text(void)
{
	const char *warning = machine_warning();

	printf("libvhdx %s%s%s%s%s; %s, %u processors, %s; %s; %s on %s\n", vhdx_version(), settings.peer_qemu ? ", " : "",
	       settings.peer_qemu ? qemu_version() : "", settings.peer_vhdi ? ", libvhdi " : "",
	       settings.peer_vhdi ? vhdi_version() : "", machine.processor, machine.processors,
	       text_size((double)machine.memory).text, machine.kernel, machine.filesystem, machine.device);
	printf("%s: disks of %s, %u rounds of %g s, in turns, %s time; %s read back and compared; %.0f s in all; load %.2f to "
	       "%.2f\n",
	       machine.when, text_size((double)settings.size).text, settings.rounds, settings.seconds,
	       settings.by_cpu ? "processor" : "elapsed", text_size((double)results.verified).text, results.took,
	       machine.load_before, machine.load_after);
	if (warning != NULL)
		printf("%s\n", warning);
	show_works();
	show_makings();
	show_aged();
	show_claims();
}
