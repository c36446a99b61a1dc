/* SPDX-License-Identifier: MIT */
/* What vhdx-compact says, as text and as JSON. */
#include <inttypes.h>

#include "compact.h"
#include "json.h"

static void count(const char *before, uint64_t number, const char *what)
{
	if (number != 0)
		printf("%s%" PRIu64 " %s", before, number, what);
}

static void report_punched(const struct vhdx_compact_result *r, bool estimate)
{
	char punched[32];

	tool_format_size(r->bytes_punched, punched, sizeof(punched));
	printf("%s of zeros %s", punched, estimate ? "to give back" : "given back");
}

static void report_text(const struct request *request, const struct outcome *o)
{
	const struct vhdx_compact_result *r = &o->result;
	uint64_t freed = r->blocks_unused + r->blocks_zero + r->blocks_equal;
	bool estimate = (request->flags & VHDX_COMPACT_ESTIMATE) != 0;
	char before[32], after[32];

	if (o->info.type == VHDX_TYPE_FIXED) {
		printf("%s: a fixed disk has nothing to free", request->image);
		if ((request->flags & VHDX_COMPACT_PUNCH) != 0) {
			printf("; ");
			report_punched(r, estimate);
		}
		putchar('\n');
		return;
	}
	tool_format_size(r->bytes_before, before, sizeof(before));
	tool_format_size(r->bytes_after, after, sizeof(after));
	printf("%s: %s, %s %s; %" PRIu64 " blocks %s", request->image, estimate ? before : after, estimate ? "would be" : "was",
	       estimate ? after : before, freed, estimate ? "to free" : "freed");
	if (freed != 0) {
		const char *comma = " (";

		count(comma, r->blocks_unused, "unused");
		comma = r->blocks_unused != 0 ? ", " : comma;
		count(comma, r->blocks_zero, "zero");
		comma = r->blocks_zero != 0 ? ", " : comma;
		count(comma, r->blocks_equal, "as in the parent");
		printf(")");
	}
	printf(", %" PRIu64 " %s", r->blocks_moved, estimate ? "to move" : "moved");
	if ((request->flags & VHDX_COMPACT_DEFRAG) != 0)
		printf("; %" PRIu64 " run%s, %s %" PRIu64, estimate ? r->runs_before : r->runs_after,
		       (estimate ? r->runs_before : r->runs_after) == 1 ? "" : "s", estimate ? "would be" : "was",
		       estimate ? r->runs_after : r->runs_before);
	if ((request->flags & VHDX_COMPACT_PUNCH) != 0) {
		printf("; ");
		report_punched(r, estimate);
	}
	putchar('\n');
}

static void report_json(const struct request *request, const struct outcome *o)
{
	const struct vhdx_compact_result *r = &o->result;
	struct json json;

	json_begin(&json, stdout);
	json_object(&json, NULL, false);
	json_string(&json, "file", request->image);
	json_string(&json, "format", vhdx_format_name(o->info.format));
	json_string(&json, "type", vhdx_type_name(o->info.type));
	json_bool(&json, "estimate", (request->flags & VHDX_COMPACT_ESTIMATE) != 0);
	json_number(&json, "bytes_before", r->bytes_before);
	json_number(&json, "bytes_after", r->bytes_after);
	json_number(&json, "block_size", o->info.block_size);
	json_number(&json, "blocks_unused", r->blocks_unused);
	json_number(&json, "blocks_zero", r->blocks_zero);
	json_number(&json, "blocks_equal", r->blocks_equal);
	json_number(&json, "blocks_moved", r->blocks_moved);
	if ((request->flags & VHDX_COMPACT_DEFRAG) != 0) {
		json_number(&json, "runs_before", r->runs_before);
		json_number(&json, "runs_after", r->runs_after);
	}
	if ((request->flags & VHDX_COMPACT_PUNCH) != 0)
		json_number(&json, "bytes_punched", r->bytes_punched);
	json_number(&json, "bitmap_blocks", r->bitmap_blocks);
	json_number(&json, "anchors", r->anchors);
	json_array(&json, "filesystems", false);
	for (unsigned i = 0; i < o->unused.note_count; i++) {
		const struct unused_note *note = &o->unused.notes[i];

		json_object(&json, NULL, true);
		if (note->partition != 0)
			json_number(&json, "partition", note->partition);
		json_string(&json, "type", note->type);
		if (note->problem[0] == '\0')
			json_number(&json, "free", note->free);
		else
			json_string(&json, "problem", note->problem);
		json_close(&json);
	}
	json_close(&json);
	json_close(&json);
	json_end(&json);
}

void report(const struct request *request, const struct outcome *outcome)
{
	if (request->json)
		report_json(request, outcome);
	else if (!request->quiet)
		report_text(request, outcome);
}

void report_notes(const struct request *request, const struct unused *unused)
{
	for (unsigned i = 0; i < unused->note_count && !request->quiet; i++) {
		const struct unused_note *note = &unused->notes[i];

		if (note->problem[0] != '\0' && note->partition != 0)
			tool_warn("%s: %s in partition %u: %s", request->image, note->type, note->partition, note->problem);
		else if (note->problem[0] != '\0')
			tool_warn("%s: %s: %s", request->image, note->type, note->problem);
	}
}
