/* SPDX-License-Identifier: MIT */
#include "public/inspected.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct looking {
	struct inspected *out;
	struct memfile *m;
	bool is_raw; /* no log is pending, so the bytes of fields are those of the file */
};

/* What is told of a field is complete, and true of the file. */
static int on_field(void *context, const struct vhdx_field *f)
{
	struct looking *looking = context;
	struct inspected *out = looking->out;

	cr_assert(f->structure[0] != '\0' && f->title[0] != '\0' && f->name[0] != '\0' && f->length != 0 && f->bytes != NULL);
	cr_assert(f->value != NULL && f->rule != NULL && f->problem != NULL && (f->problem[0] != '\0' || f->rule[0] == '\0'));
	cr_assert(f->part == VHDX_PART_HEADERS || f->part == VHDX_PART_REGIONS || f->part == VHDX_PART_METADATA ||
		  f->part == VHDX_PART_BAT || f->part == VHDX_PART_LOG);
	if (looking->is_raw) {
		uint8_t *bytes = malloc(f->length);

		cr_assert(bytes != NULL);
		memfile_read(looking->m, f->file_offset, bytes, f->length);
		cr_assert_arr_eq(bytes, f->bytes, f->length, "%s.%s", f->structure, f->name);
		free(bytes);
	}
	out->fields++;
	if (f->problem[0] != '\0' && out->marked_count < INSPECTED_MAX) {
		snprintf(out->marked[out->marked_count].rule, 12, "%s", f->rule);
		snprintf(out->marked[out->marked_count].name, 32, "%s", f->name);
		out->marked[out->marked_count++].file_offset = f->file_offset;
	}
	if (out->structure != NULL && strcmp(f->structure, out->structure) == 0 && strcmp(f->name, out->name) == 0 &&
	    f->index == out->index && out->value[0] == '\0') {
		snprintf(out->value, sizeof(out->value), "%s", f->value);
		out->place = f->file_offset;
	}
	return 0;
}

static int on_finding(void *context, const struct vhdx_finding *f)
{
	struct inspected *out = ((struct looking *)context)->out;

	cr_assert(f->message[0] != '\0' && strchr(f->message, '\n') == NULL && f->rule != NULL);
	out->counts[f->severity]++;
	if (out->found_count == INSPECTED_MAX)
		return 0;
	out->found[out->found_count].severity = f->severity;
	out->found[out->found_count].file_offset = f->file_offset;
	snprintf(out->found[out->found_count].rule, 12, "%s", f->rule);
	snprintf(out->found[out->found_count++].message, 200, "%s", f->message);
	return 0;
}

void inspect_now(struct inspected *out, struct memfile *m, unsigned parts)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct looking looking = { out, m, true };
	struct vhdx_file file = memfile_file(m, "test.img");
	const char *structure = out->structure, *name = out->name;
	uint64_t index = out->index;
	struct testenv env;
	uint8_t log_guids[2][16];
	static const uint8_t zero[16];

	memset(out, 0, sizeof(*out));
	memfile_read(m, RECIPE_HEADER(0) + 48, log_guids[0], 16);
	memfile_read(m, RECIPE_HEADER(1) + 48, log_guids[1], 16);
	looking.is_raw = memcmp(log_guids[0], zero, 16) == 0 && memcmp(log_guids[1], zero, 16) == 0;
	testenv_start(&env, 1);
	options.parts = parts;
	options.env = &env.env;
	options.context = &looking;
	options.on_field = on_field;
	options.on_finding = on_finding;
	out->structure = structure;
	out->name = name;
	out->index = index;
	out->status = vhdx_inspect(&file, &options, &out->error);
	out->peak_bytes = env.peak_bytes;
	cr_assert_eq(testenv_live(&env), 0);
}

bool inspected_has(const struct inspected *i, enum vhdx_severity severity, const char *rule, uint64_t place)
{
	for (unsigned n = 0; n < i->found_count; n++)
		if (i->found[n].severity == severity && strcmp(i->found[n].rule, rule) == 0 &&
		    (place == VHDX_NO_OFFSET || i->found[n].file_offset == place))
			return true;
	return false;
}

bool inspected_marks(const struct inspected *i, const char *rule, uint64_t place)
{
	for (unsigned n = 0; n < i->marked_count; n++)
		if (strcmp(i->marked[n].rule, rule) == 0 && i->marked[n].file_offset == place)
			return true;
	return false;
}

const char *inspected_text(const struct inspected *i)
{
	static const char *const names[] = { "note", "warning", "error" };
	static char text[INSPECTED_MAX * 260];
	size_t length = (size_t)snprintf(text, sizeof(text), "%s\n", vhdx_status_name(i->status));

	for (unsigned n = 0; n < i->found_count; n++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %s at 0x%" PRIx64 ": %s\n",
					   names[i->found[n].severity], i->found[n].rule, i->found[n].file_offset,
					   i->found[n].message);
	return text;
}

const char *field_of(struct memfile *m, const char *structure, uint64_t index, const char *name)
{
	static struct inspected i;

	i.structure = structure;
	i.index = index;
	i.name = name;
	inspect_now(&i, m, 0);
	return i.value;
}
