/* SPDX-License-Identifier: MIT */
/* The main results as tables of Markdown, for the documents: speeds by type and work, space, fragmentation, and the word on the folklore. */
#include <string.h>

#include "bench.h"

static void put_claims(FILE *out)
{
	fputs("| the folklore | | figures |\n|---|---|---|\n", out);
	for (unsigned i = 0; i < claim_count; i++)
		if (claims[i].verdict != NOT_MEASURED)
			fprintf(out, "| %s | **%s** | %s |\n", claims[i].text, verdict_names[claims[i].verdict],
				claims[i].answer);
	putc('\n', out);
}

/* One line of a table: a type by a way, with a cell for each work. */
static void put_line(FILE *out, const struct kind *kind, const struct way *way)
{
	bool any = false;

	for (unsigned w = 0; w < settings.work_count; w++)
		any = any || row_find(kind->name, settings.works[w].name, way) != NULL;
	if (!any)
		return;
	fprintf(out, "| %s%s%s |", way == way_of(kind) ? "" : way->name, way == way_of(kind) ? "" : ": ", kind->title);
	for (unsigned w = 0; w < settings.work_count; w++) {
		const struct row *row = row_find(kind->name, settings.works[w].name, way);

		if (row == NULL)
			fputs(" |", out);
		else
			fprintf(out, " %s (%.2f) |", text_seconds(row->seconds.median).text, row->to_reference.median);
	}
	putc('\n', out);
}

static void put_works(FILE *out)
{
	fputs("Time of an operation, and in brackets by that of the first row:\n\n| |", out);
	for (unsigned w = 0; w < settings.work_count; w++)
		fprintf(out, " %s |", settings.works[w].title);
	fputs("\n|---|", out);
	for (unsigned w = 0; w < settings.work_count; w++)
		fputs("--:|", out);
	putc('\n', out);
	for (unsigned i = 0; i < settings.kind_count; i++)
		put_line(out, &settings.kinds[i], way_of(&settings.kinds[i]));
	for (unsigned i = 0; i < settings.kind_count && settings.peer_qemu; i++)
		put_line(out, &settings.kinds[i], &way_qemu);
	for (unsigned i = 0; i < settings.kind_count && settings.peer_vhdi; i++)
		put_line(out, &settings.kinds[i], &way_vhdi);
	putc('\n', out);
}

static void put_makings(FILE *out)
{
	if (results.making_count == 0)
		return;
	fprintf(out, "Creation of a disk of %s, and the space of the same %s of files on it:\n\n",
		text_size((double)settings.size).text, text_size((double)results.makings[0].content_bytes).text);
	fputs("| | create | empty, on the host | with files, on the host | size of the file |\n|---|--:|--:|--:|--:|\n", out);
	for (unsigned i = 0; i < results.making_count; i++) {
		const struct making *m = &results.makings[i];

		fprintf(out, "| %s%s | %s |", strcmp(m->by, "libvhdx") == 0 ? "" : "QEMU: ", m->kind->title,
			text_seconds(m->create_seconds.median).text);
		if (m->file_size != 0)
			fprintf(out, " %s | %s | %s |\n", text_size((double)m->empty_bytes).text,
				text_size((double)m->allocated).text, text_size((double)m->file_size).text);
		else
			fputs(" | | |\n", out);
	}
	fputs("\n| clones of a full disk | time | on the host |\n|---|--:|--:|\n", out);
	for (unsigned i = 0; i < results.clone_count; i++)
		fprintf(out, "| %s | %s | %s |\n", results.clones[i].title, text_seconds(results.clones[i].seconds).text,
			text_size((double)results.clones[i].bytes).text);
	putc('\n', out);
}

static void put_aged(FILE *out)
{
	for (unsigned i = 0; i < results.aged_count; i++) {
		const struct aged *a = &results.aged[i];

		if (i == 0 || strcmp(a->format, results.aged[i - 1].format) != 0)
			fprintf(out,
				"%s| reads of a %s, blocks of %s | torn apart | runs | extents | sequential | cold | random 4 "
				"KiB | cold |\n"
				"|---|--:|--:|--:|--:|--:|--:|--:|\n",
				i == 0 ? "" : "\n", a->format, text_size(results.aged[i + 1].block_size).text);
		fprintf(out, "| %s | %.0f %% | %llu | %llu |", a->title, a->reached, (unsigned long long)a->runs,
			(unsigned long long)a->host_extents);
		for (unsigned w = 0; w < 4; w++)
			fprintf(out, " %s (%.2f) |", text_speed(a->speeds[w].median).text, a->to_fixed[w].median);
		putc('\n', out);
	}
	if (results.aged_count != 0)
		fputs("\nIn brackets: by the speed of the fixed disk.\n", out);
}

bool report_markdown(const char *path)
{
	bool failed;
	FILE *out = fopen(path, "w");
	const char *warning = machine_warning();

	if (out == NULL)
		return false;
	fprintf(out,
		"%s; %s, %u processors, %s; %s; %s. Disks of %s, %s time, medians of %u rounds in turns, %s read back and "
		"compared.%s%s%s\n\n",
		machine.when, machine.processor, machine.processors, text_size((double)machine.memory).text, machine.kernel,
		machine.filesystem, text_size((double)settings.size).text, settings.by_cpu ? "processor" : "elapsed",
		settings.rounds, text_size((double)results.verified).text, warning != NULL ? " **" : "",
		warning != NULL ? warning : "", warning != NULL ? "**" : "");
	put_claims(out);
	put_works(out);
	put_makings(out);
	put_aged(out);
	failed = ferror(out) != 0;
	return fclose(out) == 0 && !failed;
}
