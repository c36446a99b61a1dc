/* SPDX-License-Identifier: MIT */
/* What vhdx-check says, as text and as JSON. The last line of text for each file sums up. */
#include <inttypes.h>
#include <string.h>

#include "check.h"

static const char *severity_name(enum vhdx_severity severity)
{
	switch (severity) {
	case VHDX_SEVERITY_NOTE: return "note";
	case VHDX_SEVERITY_WARNING: return "warning";
	case VHDX_SEVERITY_ERROR: return "error";
	}
	return "error";
}

bool is_damaged(const struct request *request, const struct result *result)
{
	return result->counts[VHDX_SEVERITY_ERROR] != 0 || (request->strict && result->counts[VHDX_SEVERITY_WARNING] != 0);
}

static const char *file_of(const struct result *r, unsigned level)
{
	return level != 0 && level < r->depth ? r->names[level] : r->image;
}

static void show_finding(const struct result *r, const struct finding *f)
{
	printf("%s: ", file_of(r, f->level));
	if (f->file_offset != VHDX_NO_OFFSET)
		printf("at 0x%" PRIx64 ": ", f->file_offset);
	printf("%s: ", severity_name(f->severity));
	if (f->rule[0] != '\0')
		printf("%s: ", f->rule);
	printf("%s%s\n", f->message,
	       f->mend == VHDX_MEND_NONE          ? ""
	       : f->mend == VHDX_MEND_DISCARD_LOG ? " [--repair --discard-log]"
						  : " [--repair]");
}

static void show_steps(const struct result *r)
{
	for (unsigned i = 0; i < r->step_count; i++)
		printf("%s: at 0x%" PRIx64 ": %s%s\n", r->image, r->steps[i].file_offset, r->is_mended ? "done: " : "would ",
		       r->steps[i].message);
	if (r->is_mended)
		printf("%s: repaired; --restore --undo=%s puts it back\n", r->image, r->undo);
}

static void count(uint64_t number, const char *what)
{
	printf(", %" PRIu64 " %s%s", number, what, number == 1 ? "" : "s");
}

static void show_sum(const struct request *request, const struct result *r)
{
	uint64_t errors = r->counts[VHDX_SEVERITY_ERROR],
		 all = errors + r->counts[VHDX_SEVERITY_WARNING] + r->counts[VHDX_SEVERITY_NOTE];

	if (all > r->finding_count)
		printf("%s: %" PRIu64 " more findings are not shown\n", r->image, all - r->finding_count);
	if (errors == 0)
		printf("%s: no errors", r->image);
	else
		printf("%s: %" PRIu64 " error%s", r->image, errors, errors == 1 ? "" : "s");
	if (r->counts[VHDX_SEVERITY_WARNING] != 0)
		count(r->counts[VHDX_SEVERITY_WARNING], "warning");
	if (r->mendable != 0 && (!request->repair || request->dry_run))
		printf("; --repair would mend %" PRIu64, r->mendable);
	if (r->discardable != 0)
		printf("; only --repair --discard-log would help, at the price of what the log holds");
	if (r->beyond_repair != 0)
		printf("; %" PRIu64 " cannot be repaired", r->beyond_repair);
	putchar('\n');
}

void report_text(const struct request *request, const struct result *r)
{
	for (size_t i = 0; i < r->finding_count; i++)
		show_finding(r, &r->findings[i]);
	show_steps(r);
	show_sum(request, r);
}

static void put_offset(struct json *json, uint64_t offset)
{
	if (offset != VHDX_NO_OFFSET)
		json_number(json, "file_offset", offset);
	else
		json_null(json, "file_offset");
}

static void put_mend(struct json *json, enum vhdx_mend mend)
{
	json_string(json, "mend", mend != VHDX_MEND_NONE ? vhdx_mend_name(mend) : NULL);
}

static void put_findings(struct json *json, const struct result *r)
{
	json_array(json, "findings", false);
	for (size_t i = 0; i < r->finding_count; i++) {
		const struct finding *f = &r->findings[i];

		json_object(json, NULL, true);
		json_number(json, "level", f->level);
		json_string(json, "severity", severity_name(f->severity));
		json_string(json, "rule", f->rule[0] != '\0' ? f->rule : NULL);
		put_offset(json, f->file_offset);
		json_string(json, "message", f->message);
		put_mend(json, f->mend);
		json_close(json);
	}
	json_close(json);
}

static void put_repair(struct json *json, const struct request *request, const struct result *r)
{
	if (!request->repair) {
		json_null(json, "repair");
		return;
	}
	json_object(json, "repair", false);
	json_bool(json, "dry_run", request->dry_run);
	json_bool(json, "done", r->is_mended);
	json_string(json, "undo", r->is_mended ? r->undo : NULL);
	json_array(json, "steps", false);
	for (unsigned i = 0; i < r->step_count; i++) {
		const struct step *s = &r->steps[i];

		json_object(json, NULL, true);
		put_mend(json, s->mend);
		json_string(json, "rule", s->rule[0] != '\0' ? s->rule : NULL);
		put_offset(json, s->file_offset);
		json_number(json, "length", s->length);
		json_string(json, "message", s->message);
		json_close(json);
	}
	json_close(json);
	json_close(json);
}

void report_json(struct json *json, const struct request *request, const struct result *r)
{
	bool opens = r->info.format != VHDX_FORMAT_ANY;

	json_object(json, NULL, false);
	json_string(json, "file", r->image);
	json_string(json, "format", opens ? vhdx_format_name(r->info.format) : NULL);
	json_string(json, "type", opens ? vhdx_type_name(r->info.type) : NULL);
	json_bool(json, "opens", opens);
	json_bool(json, "damaged", is_damaged(request, r));
	json_number(json, "errors", r->counts[VHDX_SEVERITY_ERROR]);
	json_number(json, "warnings", r->counts[VHDX_SEVERITY_WARNING]);
	json_number(json, "notes", r->counts[VHDX_SEVERITY_NOTE]);
	json_number(json, "mendable", r->mendable);
	json_number(json, "discardable", r->discardable);
	json_number(json, "beyond_repair", r->beyond_repair);
	json_bool(json, "chain_is_whole", r->chain_is_whole);
	json_array(json, "chain", true);
	for (unsigned level = 0; level < r->depth; level++)
		json_string(json, NULL, r->names[level]);
	json_close(json);
	put_findings(json, r);
	put_repair(json, request, r);
	json_close(json);
}
