/* SPDX-License-Identifier: MIT */
/* Finds the format of a file to inspect, and tells fields and findings to the caller. Layer: engine. */
#include "engine/inspect.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "format/vhd_dynamic.h"
#include "format/vhd_footer.h"
#include "format/vhdx_header.h"
#include "format/vhdx_layout.h"
#include "io/file.h"

static int cancelled(struct inspection *in)
{
	return fail(in->error, VHDX_E_CANCELLED, "the caller stopped the inspection");
}

int inspect_judged(struct inspection *in, enum vhdx_severity severity, int status)
{
	struct inspect_problem *problem;

	if (status == VHDX_OK)
		return VHDX_OK;
	if (status != VHDX_E_DAMAGED && status != VHDX_E_UNSUPPORTED) {
		*in->error = in->why;
		return status;
	}
	/* no structure has as many checks as there is room; if one had, the last problems would share a place */
	problem = &in->problems[in->problem_count < INSPECT_PROBLEMS ? in->problem_count++ : INSPECT_PROBLEMS - 1];
	problem->severity = severity;
	problem->mend = VHDX_MEND_NONE;
	problem->what = in->why;
	return VHDX_OK;
}

void inspect_mends(struct inspection *in, enum vhdx_mend mend)
{
	in->problems[in->problem_count - 1].mend = mend;
}

int inspect_finding(struct inspection *in, enum vhdx_part part, enum vhdx_severity severity, enum vhdx_mend mend,
		    const struct vhdx_error *what)
{
	struct vhdx_finding finding = { severity, what->rule, what->file_offset, what->message, mend };

	in->has_errors = in->has_errors || severity == VHDX_SEVERITY_ERROR;
	in->is_foreign = in->is_foreign || (severity == VHDX_SEVERITY_ERROR && what->status == VHDX_E_UNSUPPORTED);
	if (in->options->on_finding == NULL || (severity != VHDX_SEVERITY_ERROR && !inspect_wants(in, part)))
		return VHDX_OK;
	return in->options->on_finding(in->options->context, &finding) == 0 ? VHDX_OK : cancelled(in);
}

int inspect_problems(struct inspection *in, enum vhdx_part part)
{
	int status = VHDX_OK;

	for (size_t i = 0; status == VHDX_OK && i < in->problem_count; i++)
		status = inspect_finding(in, part, in->problems[i].severity, in->problems[i].mend, &in->problems[i].what);
	in->problem_count = 0;
	return status;
}

int inspect_field(struct inspection *in, const struct inspect_item *item, struct vhdx_field *field)
{
	field->part = item->part;
	field->structure = structures[item->id].name;
	field->title = structures[item->id].title;
	field->index = item->index;
	field->structure_offset = item->file_offset;
	field->rule = "";
	field->problem = "";
	for (size_t i = in->problem_count; i != 0; i--) { /* the first one wins */
		const struct vhdx_error *what = &in->problems[i - 1].what;

		if (what->file_offset >= field->file_offset && what->file_offset - field->file_offset < field->length) {
			field->rule = what->rule;
			field->problem = what->message;
		}
	}
	return in->options->on_field(in->options->context, field) == 0 ? VHDX_OK : cancelled(in);
}

/* The rule that a field called reserved breaks when it is not zero; NULL when it breaks none. */
static const char *reserved_rule(const struct field_info *field)
{
	switch (field->structure) {
	case STRUCTURE_vhdx_file_identifier: return NULL; /* not said to be zero */
	case STRUCTURE_vhdx_bat_entry: return NULL;       /* judged with its state */
	case STRUCTURE_vhdx_region_entry: return "";      /* the rule of the field is about another bit */
	default: return field->rule;
	}
}

/* Decision D-01: ignored on reading, reported. */
static void judge_reserved(struct inspection *in, const struct field_info *field, const uint8_t *bytes, uint64_t place)
{
	const char *rule = reserved_rule(field);

	if (rule == NULL)
		return;
	if (strncmp(field->name, "reserved", 8) == 0 && !bytes_are_zero(bytes, field->length)) {
		fail_at(&in->why, VHDX_E_DAMAGED, rule, place, "the reserved field %s is not zero", field->name);
		inspect_judged(in, VHDX_SEVERITY_WARNING, VHDX_E_DAMAGED);
	}
	for (size_t i = 0; i < bit_part_count; i++) {
		const struct bits_info *part = &bit_parts[i];

		if (part->structure != field->structure || strcmp(part->field, field->name) != 0 ||
		    (strcmp(part->part, "reserved") != 0 && strcmp(part->part, "undefined") != 0) ||
		    (field_number(field, bytes) >> part->low & ((UINT64_C(1) << part->count) - 1)) == 0)
			continue;
		fail_at(&in->why, VHDX_E_DAMAGED, rule, place, "bits of %s that are %s are not zero", field->name, part->part);
		inspect_judged(in, VHDX_SEVERITY_WARNING, VHDX_E_DAMAGED);
	}
}

int inspect_fields(struct inspection *in, const struct inspect_item *item)
{
	size_t first = in->first_field[item->id];
	int status = VHDX_OK;

	for (size_t i = first; i < field_count && fields[i].structure == item->id; i++)
		judge_reserved(in, &fields[i], item->bytes + fields[i].offset, item->file_offset + fields[i].offset);
	for (size_t i = first; status == VHDX_OK && i < field_count && fields[i].structure == item->id; i++) {
		struct vhdx_field field = { .name = fields[i].name, .length = fields[i].length, .meaning = fields[i].meaning };
		bool noted = item->note_field != NULL && strcmp(item->note_field, fields[i].name) == 0;

		if (!inspect_wants_fields(in, item->part) || item->file_offset + fields[i].offset >= in->size)
			break;
		field.bytes = item->bytes + fields[i].offset;
		field.file_offset = item->file_offset + fields[i].offset;
		field.value = in->text;
		inspect_value(in, &fields[i], field.bytes, noted ? item->note : NULL);
		status = inspect_field(in, item, &field);
	}
	return status;
}

int inspect_structure(struct inspection *in, const struct inspect_item *item)
{
	int status = inspect_fields(in, item);

	return status == VHDX_OK ? inspect_problems(in, item->part) : status;
}

/* A few bytes of the file; what lies beyond its end is zeros. */
static int peek(struct inspection *in, uint8_t *bytes, size_t length, uint64_t file_offset)
{
	return file_read(in->file, bytes, length, file_offset, in->error);
}

/* Whether the last 512 or 511 bytes, or the first, begin as a footer does. In front that of a fixed disk is contents: VHD-029. */
static int looks_like_vhd(struct inspection *in, bool *out)
{
	const uint64_t size = in->size;
	const uint64_t places[] = { size - vhd_footer_size, size - vhd_footer_size + 1, 0 };
	uint8_t bytes[vhd_footer_size];
	struct vhd_footer footer;

	for (unsigned i = 0; !*out && size >= vhd_footer_size && i < 3; i++) {
		int status = peek(in, bytes, sizeof(bytes), places[i]);

		if (status < 0)
			return status;
		*out = vhd_footer_present(bytes) &&
		       (i < 2 || vhd_footer_decode(&footer, bytes, 0, true, &in->why) < 0 || footer.disk_type != VHD_DISK_FIXED);
	}
	return VHDX_OK;
}

/* An image whose identifier is lost shows itself by a structure with a checksum. */
static int guess(struct inspection *in, enum vhdx_format *out)
{
	uint8_t bytes[vhdx_header_size];
	struct vhd_dynamic dynamic;
	struct vhdx_header header;

	for (unsigned slot = 0; slot < 2; slot++) {
		int status = peek(in, bytes, sizeof(bytes), VHDX_HEADER_OFFSET(slot));

		if (status < 0)
			return status;
		if (vhdx_header_decode(&header, bytes, 0, false, &in->why) == VHDX_OK) {
			*out = VHDX_FORMAT_VHDX;
			return VHDX_OK;
		}
	}
	if (peek(in, bytes, vhd_dynamic_header_size, VHD_SECTOR) < 0)
		return in->error->status;
	if (vhd_dynamic_decode(&dynamic, bytes, 0, false, &in->why) != VHDX_OK)
		return fail(in->error, VHDX_E_NOT_IMAGE,
			    "this is neither a VHDX ('vhdxfile' in front) nor a VHD ('conectix' at the end)");
	*out = VHDX_FORMAT_VHD;
	return VHDX_OK;
}

/*
 * Decision D-03. Whoever may write the contents of a disk can make a file look like both; an open that is to find out refuses
 * it.
 */
static int detect(struct inspection *in, enum vhdx_format *out)
{
	uint8_t bytes[vhd_footer_size];
	struct vhd_footer footer;
	bool is_vhd = false;
	int status = file_get_size(in->file, &in->size, in->error);

	if (status == VHDX_OK)
		status = peek(in, bytes, sizeof(bytes), 0);
	if (status < 0)
		return status;
	if (!vhdx_identifier_present(bytes)) {
		status = looks_like_vhd(in, &is_vhd);
		*out = VHDX_FORMAT_VHD;
		return status == VHDX_OK && !is_vhd ? guess(in, out) : status;
	}
	*out = VHDX_FORMAT_VHDX;
	if (in->size <= vhd_footer_size)
		return VHDX_OK;
	status = peek(in, bytes, sizeof(bytes), in->size - vhd_footer_size);
	if (status == VHDX_OK && vhd_footer_present(bytes) && vhd_footer_decode(&footer, bytes, 0, false, &in->why) == VHDX_OK &&
	    footer.disk_type == VHD_DISK_FIXED) {
		in->is_foreign = true;
		status = inspect_say(in, VHDX_PART_HEADERS, VHDX_SEVERITY_ERROR, RULE_NONE, in->size - vhd_footer_size,
				     "the file begins as a VHDX and ends as a fixed VHD; shown as VHDX");
	}
	return status;
}

static int run(struct inspection *in)
{
	enum vhdx_format format = VHDX_FORMAT_ANY;
	int status = detect(in, &format);

	if (status < 0)
		return status;
	return format == VHDX_FORMAT_VHDX ? inspect_vhdx(in) : inspect_vhd(in);
}

int inspect_file(const struct vhdx_file *file, const struct vhdx_inspect_options *options, struct inspect_follow *follow,
		 struct vhdx_error *error)
{
	struct vhdx_env env = env_complete(options->env);
	struct inspection *in = memory_zeroed(&env, sizeof(*in));
	int status;

	if (in == NULL)
		return fail_memory(error);
	in->env = env;
	in->file = file;
	in->options = options;
	in->follow = follow;
	in->error = error;
	for (size_t i = field_count; i != 0; i--)
		in->first_field[fields[i - 1].structure] = i - 1;
	in->text = memory_allocate(&env, INSPECT_TEXT_SIZE);
	status = in->text == NULL ? fail_memory(error) : run(in);
	if (status < 0)
		error_in_file(error, file->name, 0);
	memory_release(&env, in->text);
	memory_release(&env, in);
	return status;
}
