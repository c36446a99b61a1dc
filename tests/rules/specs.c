/* SPDX-License-Identifier: MIT */
/*
 * specs/vhdx.md and specs/vhd.md repeat the tables rules.def and fields.def word for word: each row is rendered in the
 * shape that the specifications use and must be a line of its file, and no line there may look like a row that the
 * tables do not have.
 */
#include <criterion/criterion.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/fields.h"
#include "format/rules.h"

enum { MAX_LINES = 4000 };

struct document {
	char *bytes;
	const char *lines[MAX_LINES];
	size_t line_count;
};

static struct document load(const char *name)
{
	struct document d = { .bytes = malloc(1u << 20) };
	char path[1000];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/specs/%s", TEST_SOURCE_DIR, name);
	file = fopen(path, "rb");
	cr_assert_not_null(file, "%s cannot be opened", path);
	length = fread(d.bytes, 1, (1u << 20) - 1, file);
	(void)fclose(file);
	d.bytes[length] = '\0';
	for (char *line = strtok(d.bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
		cr_assert_lt(d.line_count, MAX_LINES);
		d.lines[d.line_count++] = line;
	}
	return d;
}

static size_t find(const struct document *d, const char *line, size_t from)
{
	for (size_t i = from; i < d->line_count; i++)
		if (strcmp(d->lines[i], line) == 0)
			return i;
	return d->line_count;
}

static bool is_vhdx(const char *name)
{
	return strncmp(name, "VHDX", 4) == 0 || strncmp(name, "vhdx", 4) == 0;
}

static size_t lines_that_begin(const struct document *d, const char *prefix)
{
	size_t count = 0;

	for (size_t i = 0; i < d->line_count; i++)
		count += strncmp(d->lines[i], prefix, strlen(prefix)) == 0;
	return count;
}

/* Whether a field of this structure and name has rows in BITS. */
static bool has_bits(enum structure_id id)
{
	for (size_t i = 0; i < bit_part_count; i++)
		if (bit_parts[i].structure == id)
			return true;
	return false;
}

Test(specs, each_rule_stands_in_its_specification)
{
	struct document vhdx = load("vhdx.md"), vhd = load("vhd.md");
	size_t counts[2] = { 0, 0 };
	char line[2000];

	for (int i = 1; i < RULE_COUNT; i++) {
		const struct rule_info *r = rule_info((enum rule)i);

		snprintf(line, sizeof(line), "- **%s** [%s %s %s] %s", r->name, r->level, r->role, r->section, r->text);
		cr_expect_lt(find(is_vhdx(r->name) ? &vhdx : &vhd, line, 0), (is_vhdx(r->name) ? &vhdx : &vhd)->line_count,
			     "not in the specification: %s", line);
		counts[is_vhdx(r->name)]++;
	}
	/* as many lines that look like rules, so none of another number and none twice */
	cr_expect_eq(lines_that_begin(&vhdx, "- **VHD"), counts[1]);
	cr_expect_eq(lines_that_begin(&vhd, "- **VHD"), counts[0]);
	free(vhdx.bytes);
	free(vhd.bytes);
}

/* The lines `| ...` from `at` on are the rows, and after them comes something else. Returns the line behind. */
static size_t expect_rows(const struct document *d, size_t at, const char *structure, char rows[][400], size_t count)
{
	for (size_t i = 0; i < count; i++, at++)
		cr_expect(at < d->line_count && strcmp(d->lines[at], rows[i]) == 0, "%s: found \"%s\", expected \"%s\"",
			  structure, at < d->line_count ? d->lines[at] : "the end", rows[i]);
	return at;
}

static size_t render_fields(char rows[][400], enum structure_id id)
{
	size_t count = 0;

	snprintf(rows[count++], 400, "| offset | size | type | field | rule | meaning |");
	snprintf(rows[count++], 400, "|---|---|---|---|---|---|");
	for (size_t i = 0; i < field_count; i++)
		if (fields[i].structure == id)
			snprintf(rows[count++], 400, "| %u | %u | %s | %s | %s | %s |", fields[i].offset, fields[i].length,
				 fields[i].type_name, fields[i].name, fields[i].rule[0] != '\0' ? fields[i].rule : "-",
				 fields[i].meaning);
	return count;
}

static size_t render_bits(char rows[][400], enum structure_id id)
{
	size_t count = 0;

	snprintf(rows[count++], 400, "| bits | part | meaning |");
	snprintf(rows[count++], 400, "|---|---|---|");
	for (size_t i = 0; i < bit_part_count; i++)
		if (bit_parts[i].structure == id)
			snprintf(rows[count++], 400, "| %s bits %u..%u | %s | %s |", bit_parts[i].field, bit_parts[i].low,
				 bit_parts[i].low + bit_parts[i].count - 1, bit_parts[i].part, bit_parts[i].meaning);
	return count;
}

/* Next line from `at` on that begins a table. */
static size_t next_table(const struct document *d, size_t at)
{
	while (at < d->line_count && d->lines[at][0] != '|' && d->lines[at][0] != '#')
		at++;
	return at;
}

static void check_structure(const struct document *d, enum structure_id id)
{
	static char rows[64][400];
	const struct structure_info *s = &structures[id];
	char heading[200];
	size_t at;

	snprintf(heading, sizeof(heading), "### %s (`%s`)", s->title, s->name);
	at = find(d, heading, 0);
	cr_assert_lt(at, d->line_count, "no heading: %s", heading);
	cr_expect_eq(find(d, heading, at + 1), d->line_count, "heading twice: %s", heading);
	at = expect_rows(d, next_table(d, at + 1), s->name, rows, render_fields(rows, id));
	/* a blank line is no line here, so a table of bits may follow at once; it is never one of fields */
	if (has_bits(id))
		(void)expect_rows(d, next_table(d, at), s->name, rows, render_bits(rows, id));
}

Test(specs, each_structure_stands_in_its_specification)
{
	struct document vhdx = load("vhdx.md"), vhd = load("vhd.md");
	size_t counts[2] = { 0, 0 }, with_bits[2] = { 0, 0 };

	for (unsigned i = 0; i < STRUCTURE_COUNT; i++) {
		bool first = is_vhdx(structures[i].name);

		check_structure(first ? &vhdx : &vhd, (enum structure_id)i);
		counts[first]++;
		with_bits[first] += has_bits((enum structure_id)i);
	}
	cr_expect_eq(lines_that_begin(&vhdx, "| offset | size |"), counts[1]);
	cr_expect_eq(lines_that_begin(&vhd, "| offset | size |"), counts[0]);
	cr_expect_eq(lines_that_begin(&vhdx, "| bits | part |"), with_bits[1]);
	cr_expect_eq(lines_that_begin(&vhd, "| bits | part |"), with_bits[0]);
	free(vhdx.bytes);
	free(vhd.bytes);
}

/* Rows with an offset or a bit range in front: as many as the tables have, so no row is made up. */
Test(specs, no_field_is_made_up)
{
	const char *const names[] = { "vhdx.md", "vhd.md" };

	for (unsigned n = 0; n < 2; n++) {
		struct document d = load(names[n]);
		size_t found = 0, found_bits = 0, expected = 0, expected_bits = 0;

		for (size_t i = 0; i < d.line_count; i++) {
			unsigned a, b;
			char word[64], rest[64];

			found += sscanf(d.lines[i], "| %u | %u | %63[A-Z0-9] | %63s |", &a, &b, word, rest) == 4;
			found_bits += sscanf(d.lines[i], "| %63s bits %u..%u |", word, &a, &b) == 3;
		}
		for (size_t i = 0; i < field_count; i++)
			expected += is_vhdx(structures[fields[i].structure].name) == (n == 0);
		for (size_t i = 0; i < bit_part_count; i++)
			expected_bits += is_vhdx(structures[bit_parts[i].structure].name) == (n == 0);
		cr_expect_eq(found, expected);
		cr_expect_eq(found_bits, expected_bits);
		free(d.bytes);
	}
}

/* A rule number that anything cites is one of a rule. */
Test(specs, cited_rules_exist)
{
	const char *const names[] = { "vhdx.md", "vhd.md", "decisions.md", "errata.md" };

	for (unsigned n = 0; n < 4; n++) {
		struct document d = load(names[n]);

		for (size_t i = 0; i < d.line_count; i++)
			for (const char *p = strstr(d.lines[i], "VHD"); p != NULL; p = strstr(p + 1, "VHD")) {
				size_t prefix = strncmp(p, "VHDX-", 5) == 0 ? 5 : 4;
				char name[9] = { 0 };
				bool known = false;

				if ((p[prefix - 1] != '-') || strspn(p + prefix, "0123456789") != 3)
					continue;
				memcpy(name, p, prefix + 3);
				for (int r = 1; r < RULE_COUNT && !known; r++)
					known = strcmp(rule_info((enum rule)r)->name, name) == 0;
				cr_expect(known, "%s: there is no rule %s", names[n], name);
			}
		free(d.bytes);
	}
	for (size_t i = 0; i < field_count; i++) {
		bool known = fields[i].rule[0] == '\0';

		for (int r = 1; r < RULE_COUNT && !known; r++)
			known = strcmp(rule_info((enum rule)r)->name, fields[i].rule) == 0;
		cr_expect(known, "%s.%s: there is no rule %s", structures[fields[i].structure].name, fields[i].name,
			  fields[i].rule);
	}
}
