/* SPDX-License-Identifier: MIT */
/*
 * --headers, --regions, --metadata, --bat, --log, --all: every field of the structures with its place in the file, its value and
 * the rule it breaks; then what was found. Works on files that cannot be opened.
 *
 * The walk runs up to three times, for the verdict, the fields and the findings, because a file may have millions of each and
 * nothing is kept.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"

struct walk {
	struct inspect *inspect;
	uint64_t errors;
	uint64_t findings;
	uint64_t fields;
	char structure[64]; /* of the last field shown */
	uint64_t index;
	uint64_t structure_offset;
};

static int run(struct walk *walk, int (*on_field)(void *, const struct vhdx_field *),
	       int (*on_finding)(void *, const struct vhdx_finding *), struct vhdx_error *error)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct inspect *inspect = walk->inspect;
	struct vhdx_file file;
	int status = vhdx_file_open(&file, inspect->path, inspect->open.flags & VHDX_OPEN_NO_LOCK ? VHDX_FILE_NO_LOCK : 0, error);

	if (status != VHDX_OK)
		return status;
	options.parts = inspect->parts;
	options.context = walk;
	options.on_field = on_field;
	options.on_finding = on_finding;
	status = vhdx_inspect(&file, &options, error);
	vhdx_file_close(&file);
	return status;
}

static int count_finding(void *context, const struct vhdx_finding *finding)
{
	struct walk *walk = context;

	walk->findings++;
	walk->errors += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

bool fields_prepare(struct inspect *inspect)
{
	struct walk walk = { .inspect = inspect };
	struct vhdx_error error;

	if (run(&walk, NULL, count_finding, &error) != VHDX_OK) {
		inspect_raise(inspect, tool_error(&error));
		return false;
	}
	if (walk.errors)
		inspect_raise(inspect, TOOL_DAMAGED);
	return true;
}

/* BAT entries are one structure each; they share a title and show their index instead. */
static void show_title(struct walk *walk, const struct vhdx_field *field)
{
	bool is_same = strncmp(walk->structure, field->structure, sizeof(walk->structure) - 1) == 0;

	if (is_same &&
	    (field->part == VHDX_PART_BAT || (walk->index == field->index && walk->structure_offset == field->structure_offset)))
		return;
	if (walk->fields)
		putchar('\n');
	if (field->part == VHDX_PART_BAT)
		printf("%s\n", field->title);
	else
		printf("%s %" PRIu64 " at 0x%" PRIx64 "\n", field->title, field->index, field->structure_offset);
	snprintf(walk->structure, sizeof(walk->structure), "%s", field->structure);
	walk->index = field->index;
	walk->structure_offset = field->structure_offset;
}

static int show_field(void *context, const struct vhdx_field *field)
{
	struct walk *walk = context;
	char name[80];

	show_title(walk, field);
	walk->fields++;
	if (field->part == VHDX_PART_BAT)
		snprintf(name, sizeof(name), "%s %" PRIu64, field->name, field->index);
	else
		snprintf(name, sizeof(name), "%s", field->name);
	printf("  0x%010" PRIx64 "  %-24s %s\n", field->file_offset, name, text_clean(field->value).text);
	if (field->rule[0] || field->problem[0])
		printf("  ^ %s%s%s\n", field->rule, field->rule[0] && field->problem[0] ? ": " : "",
		       text_clean(field->problem).text);
	return 0;
}

static const char *severity_name(enum vhdx_severity severity)
{
	switch (severity) {
	case VHDX_SEVERITY_NOTE: return "note";
	case VHDX_SEVERITY_WARNING: return "warning";
	case VHDX_SEVERITY_ERROR: return "error";
	}
	return "error";
}

static int show_finding(void *context, const struct vhdx_finding *finding)
{
	struct walk *walk = context;

	if (walk->findings++ == 0)
		fputs(walk->fields ? "\nFindings\n" : "Findings\n", stdout);
	printf("  %s: ", severity_name(finding->severity));
	if (finding->file_offset != VHDX_NO_OFFSET)
		printf("at 0x%" PRIx64 ": ", finding->file_offset);
	if (finding->rule[0])
		printf("%s: ", finding->rule);
	printf("%s\n", text_clean(finding->message).text);
	return 0;
}

static void fields_text(struct walk *walk)
{
	struct vhdx_error error;

	inspect_section(walk->inspect);
	if (run(walk, show_field, NULL, &error) != VHDX_OK || run(walk, NULL, show_finding, &error) != VHDX_OK)
		inspect_raise(walk->inspect, tool_error(&error));
	else if (walk->findings == 0)
		fputs(walk->fields ? "\nNo rule is broken.\n" : "No rule is broken.\n", stdout);
}

static int put_field(void *context, const struct vhdx_field *field)
{
	struct walk *walk = context;
	struct json *json = &walk->inspect->json;

	json_object(json, NULL, true);
	json_string(json, "structure", field->structure);
	json_number(json, "index", field->index);
	json_number(json, "structure_offset", field->structure_offset);
	json_string(json, "field", field->name);
	json_number(json, "file_offset", field->file_offset);
	json_number(json, "length", field->length);
	json_string(json, "value", field->value);
	json_string(json, "rule", field->rule[0] ? field->rule : NULL);
	json_string(json, "problem", field->problem[0] ? field->problem : NULL);
	json_close(json);
	return 0;
}

static int put_finding(void *context, const struct vhdx_finding *finding)
{
	struct walk *walk = context;
	struct json *json = &walk->inspect->json;

	json_object(json, NULL, true);
	json_string(json, "severity", severity_name(finding->severity));
	json_string(json, "rule", finding->rule[0] ? finding->rule : NULL);
	if (finding->file_offset != VHDX_NO_OFFSET)
		json_number(json, "file_offset", finding->file_offset);
	else
		json_null(json, "file_offset");
	json_string(json, "message", finding->message);
	json_close(json);
	return 0;
}

static void fields_json(struct walk *walk)
{
	struct json *json = inspect_section(walk->inspect);
	struct vhdx_error error;

	json_array(json, "fields", false);
	if (run(walk, put_field, NULL, &error) != VHDX_OK)
		inspect_raise(walk->inspect, tool_error(&error));
	json_close(json);
	json_array(json, "findings", false);
	if (run(walk, NULL, put_finding, &error) != VHDX_OK)
		inspect_raise(walk->inspect, tool_error(&error));
	json_close(json);
}

void fields_show(struct inspect *inspect)
{
	struct walk walk = { .inspect = inspect };

	if (inspect->as_json)
		fields_json(&walk);
	else
		fields_text(&walk);
}
