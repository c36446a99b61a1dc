/* SPDX-License-Identifier: MIT */
/*
 * The hostile matrix: every field of every structure of a specimen gets every value that readers get wrong, with its checksum made right and left wrong; and the file
 * is cut at every 512 bytes of its first 4 MiB. Each such image is opened, read, inspected and written to in memory. Besides crashes, leaks and more memory or calls
 * than an image is worth, these are violations:
 *
 *   an open finds damage and the inspection no error
 *   a structure with a wrong checksum, or a field that says nothing of content, changes what is read
 *   a repair leaves something to mend, changes what is read, or cannot be undone
 *   what opens cannot be salvaged, or what is salvaged cannot be read
 *   a write that succeeds is not read back after reopening, or changes anything else
 *
 *   matrix [--every N] [SPECIMEN...]     prints "N images, 0 violations"; status 1 when there is one
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"
#include "support/specimen.h"
#include "support/testenv.h"

enum { SAMPLES = 40, PIECE = 4096, MOST_VIOLATIONS = 20, MOST_CALLS = 200000, CUTS_END = 4 << 20 };

struct content {
	int status[SAMPLES]; /* of reading it */
	uint8_t bytes[SAMPLES][PIECE];
};

struct matrix {
	const struct specimen *s;
	uint64_t offsets[SAMPLES];
	size_t lengths[SAMPLES];
	unsigned samples;
	struct content whole, found, after;
	struct testenv env;
	struct memfile *image; /* damaged */
	bool must_read_same;
	char what[300];
	unsigned long images, opened, written, repaired;
	unsigned violations;
};

static void violate(struct matrix *x, const char *why, const char *detail)
{
	printf("VIOLATION: %s: %s: %s %s\n", x->s->name, x->what, why, detail);
	x->violations++;
}

/* The beginning and the end of the first and the last blocks. */
static void choose_samples(struct matrix *x)
{
	uint64_t block = x->s->block_size != 0 ? x->s->block_size : 65536, count = x->s->size / block;

	for (uint64_t i = 0; i < count && x->samples + 2 <= SAMPLES; i++) {
		if (i == 16 && count > 18)
			i = count - 2;
		x->offsets[x->samples] = i * block;
		x->lengths[x->samples++] = block < PIECE ? (size_t)block : PIECE;
		x->offsets[x->samples] = (i + 1) * block - 512;
		x->lengths[x->samples++] = 512;
	}
}

static void read_samples(const struct matrix *x, vhdx_disk *disk, struct content *c)
{
	for (unsigned i = 0; i < x->samples; i++)
		c->status[i] = vhdx_read(disk, c->bytes[i], x->lengths[i], x->offsets[i], NULL);
}

static bool same_sample(const struct matrix *x, const struct content *a, const struct content *b, unsigned i)
{
	return memcmp(a->bytes[i], b->bytes[i], x->lengths[i]) == 0;
}

static int open_image(struct matrix *x, vhdx_disk **disk, unsigned flags, struct vhdx_error *error)
{
	return specimen_open(disk, x->s, x->image, flags, &x->env.env, error);
}

static int count_errors(void *context, const struct vhdx_finding *finding)
{
	*(unsigned *)context += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

static unsigned inspect(struct matrix *x, bool is_image)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(x->image, "image");
	struct vhdx_error error;
	unsigned errors = 0;
	int status;

	options.env = &x->env.env;
	options.context = &errors;
	options.on_finding = count_errors;
	status = vhdx_inspect(&file, &options, &error);
	if (status < 0 && (is_image || status != VHDX_E_NOT_IMAGE))
		violate(x, "the inspection fails", error.message);
	return errors;
}

/* Returns whether it opened. */
static bool look(struct matrix *x)
{
	struct vhdx_error error = { .rule = "" };
	vhdx_disk *disk = NULL;
	int status = open_image(x, &disk, 0, &error);
	unsigned errors = inspect(x, status != VHDX_E_NOT_IMAGE);

	if (status == VHDX_E_DAMAGED && errors == 0)
		violate(x, "the open finds damage, the inspection none:", error.rule);
	if (status < 0)
		return false;
	x->opened++;
	read_samples(x, disk, &x->found);
	for (unsigned i = 0; i < x->samples; i++) {
		if (x->found.status[i] == VHDX_E_DAMAGED && errors == 0)
			violate(x, "a read finds damage, the inspection none", "");
		else if (x->must_read_same && x->found.status[i] == VHDX_OK && !same_sample(x, &x->found, &x->whole, i))
			violate(x, "reads as good what is not", "");
		else
			continue;
		break;
	}
	(void)vhdx_close(disk);
	return true;
}

/* What is written to sample `i`. */
static int write_sample(struct matrix *x, vhdx_disk *disk, unsigned i)
{
	for (size_t k = 0; k < x->lengths[i]; k++)
		x->found.bytes[i][k] = (uint8_t)(k * 5 + i + 1);
	return vhdx_write(disk, x->found.bytes[i], x->lengths[i], x->offsets[i], NULL);
}

static void compare_written(struct matrix *x)
{
	struct vhdx_error error = { .message = "" };
	vhdx_disk *disk = NULL;

	if (open_image(x, &disk, 0, &error) < 0) {
		violate(x, "does not open after a write:", error.message);
		return;
	}
	read_samples(x, disk, &x->after);
	for (unsigned i = 0; i < x->samples; i++) {
		if (x->found.status[i] != VHDX_OK || (x->after.status[i] == VHDX_OK && same_sample(x, &x->found, &x->after, i)))
			continue;
		violate(x, "a write is not read back, or has changed something else", "");
		break;
	}
	(void)vhdx_close(disk);
}

/* Sample 0 is present in most specimens, 2 and 9 are not. */
static void write_to(struct matrix *x)
{
	vhdx_disk *disk = NULL;
	bool good = true;

	if (open_image(x, &disk, VHDX_OPEN_WRITE, NULL) < 0)
		return;
	for (unsigned i = 0; i < x->samples; i = i == 0 ? 2 : i == 2 ? 9 : SAMPLES) {
		uint8_t before[PIECE];

		memcpy(before, x->found.bytes[i], sizeof(before));
		if (write_sample(x, disk, i) == VHDX_OK)
			continue;
		good = false;
		memcpy(x->found.bytes[i], before, sizeof(before));
		break;
	}
	good &= vhdx_flush(disk, NULL) == VHDX_OK;
	if (vhdx_close(disk) < 0)
		violate(x, "closing fails", "");
	x->written += good;
	if (good)
		compare_written(x);
}

static int count_step(void *context, const struct vhdx_repair_step *step)
{
	(void)step;
	++*(unsigned *)context;
	return 0;
}

/* Its status; `steps` of them were told. */
static int repair(struct matrix *x, struct memfile *image, struct memfile *undo, unsigned *steps)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "image"), undo_file = memfile_file(undo, "undo");

	*steps = 0;
	options.env = &x->env.env;
	options.undo = &undo_file;
	options.context = steps;
	options.on_step = count_step;
	return vhdx_repair(&file, &options, NULL);
}

static void compare_repaired(struct matrix *x, struct memfile *repaired)
{
	struct memfile *image = x->image;
	vhdx_disk *disk = NULL;

	x->image = repaired;
	if (open_image(x, &disk, 0, NULL) < 0) {
		violate(x, "does not open after a repair", "");
	} else {
		read_samples(x, disk, &x->after);
		for (unsigned i = 0; i < x->samples; i++) {
			if (x->found.status[i] == x->after.status[i] &&
			    (x->found.status[i] != VHDX_OK || same_sample(x, &x->found, &x->after, i)))
				continue;
			violate(x, "reads otherwise after a repair", "");
			break;
		}
		(void)vhdx_close(disk);
	}
	x->image = image;
}

static void mend(struct matrix *x, bool opens)
{
	struct memfile *copy = memfile_copy(x->image), *undo = memfile_new(), *rest = memfile_new();
	struct vhdx_file file = memfile_file(copy, "image"), undo_file = memfile_file(undo, "undo");
	unsigned steps, more;

	if (repair(x, copy, undo, &steps) == VHDX_OK && steps != 0) {
		x->repaired++;
		if (opens)
			compare_repaired(x, copy);
		if (repair(x, copy, rest, &more) != VHDX_OK || more != 0)
			violate(x, "a repair leaves something for the next one", "");
		if (vhdx_undo(&file, &undo_file, 0, &x->env.env, NULL) != VHDX_OK || !memfile_equal(copy, x->image, NULL))
			violate(x, "a repair cannot be undone", "");
	} else if (!memfile_equal(copy, x->image, NULL)) {
		violate(x, "a repair without steps changes the file", "");
	}
	memfile_free(copy);
	memfile_free(undo);
	memfile_free(rest);
}

static void salvage(struct matrix *x, bool opens)
{
	vhdx_disk *disk = NULL;

	if (open_image(x, &disk, VHDX_OPEN_SALVAGE, NULL) < 0) {
		if (opens)
			violate(x, "opens, but cannot be salvaged", "");
		return;
	}
	read_samples(x, disk, &x->after);
	for (unsigned i = 0; i < x->samples; i++) {
		if (x->after.status[i] == VHDX_OK || x->after.status[i] == VHDX_E_RANGE)
			continue;
		violate(x, "what is salvaged cannot be read", "");
		break;
	}
	(void)vhdx_close(disk);
}

static void try_image(struct matrix *x)
{
	bool opens;

	unsigned long calls = 0;

	x->images++;
	testenv_start(&x->env, 1);
	opens = look(x);
	mend(x, opens);
	salvage(x, opens);
	if (opens)
		write_to(x);
	for (int call = 0; call < MEMFILE_CALLS; call++)
		calls += memfile_count(x->image, (enum memfile_call)call);
	if (calls > MOST_CALLS)
		violate(x, "too many calls of the I/O table", "");
	if (testenv_live(&x->env) != 0)
		violate(x, "memory is not given back", "");
	if (atomic_load(&x->env.peak_bytes) > 64u << 20)
		violate(x, "more than 64 MiB of memory", "");
}

/* Fields that say what the disk holds, or where; all others must not change a byte of it while the image opens. */
static bool is_content(const struct field_info *f)
{
	static const struct {
		enum structure_id structure;
		const char *field;                          /* NULL: all */
	} list[] = { { STRUCTURE_vhdx_header, "log_guid" }, /* zero: the log is empty */
		     { STRUCTURE_vhdx_region_entry, "file_offset" },
		     { STRUCTURE_vhdx_region_entry, "guid" },
		     { STRUCTURE_vhdx_log_entry, NULL },
		     { STRUCTURE_vhdx_zero_descriptor, NULL },
		     { STRUCTURE_vhdx_data_descriptor, NULL },
		     { STRUCTURE_vhdx_data_sector, NULL },
		     { STRUCTURE_vhdx_bat_entry, NULL },
		     { STRUCTURE_vhdx_metadata_entry, "offset" },
		     { STRUCTURE_vhdx_metadata_entry, "item_id" },
		     { STRUCTURE_vhdx_file_parameters, NULL },
		     { STRUCTURE_vhdx_virtual_disk_size, NULL },
		     { STRUCTURE_vhdx_logical_sector_size, NULL },
		     { STRUCTURE_vhd_footer, "data_offset" },
		     { STRUCTURE_vhd_footer, "current_size" },
		     { STRUCTURE_vhd_footer, "disk_type" },
		     { STRUCTURE_vhd_dynamic_header, "table_offset" },
		     { STRUCTURE_vhd_dynamic_header, "block_size" },
		     { STRUCTURE_vhd_bat_entry, NULL } };

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i].structure == f->structure && (list[i].field == NULL || strcmp(list[i].field, f->name) == 0))
			return true;
	return false;
}

static void describe(struct matrix *x, const struct specimen_part *part, const struct field_info *f, const char *value,
		     bool repaired)
{
	(void)snprintf(x->what, sizeof(x->what), "%s %u %s = %s, checksum %s", structures[part->structure].name, part->index,
		       f->name, value,
		       part->sum == SUM_NONE ? "none"
		       : repaired            ? "right"
					     : "wrong");
}

static void try_field(struct matrix *x, const struct specimen_part *part, const struct field_info *f, const uint8_t *bytes,
		      const char *value)
{
	bool is_log = part->sum == SUM_LOG_ENTRY;

	for (int repaired = 0; repaired < (part->sum == SUM_NONE ? 1 : 2) && x->violations < MOST_VIOLATIONS; repaired++) {
		describe(x, part, f, value, repaired);
		x->image = memfile_copy(x->s->file);
		memfile_write(x->image, part->file_offset + f->offset, bytes, f->length);
		if (repaired)
			specimen_repair_part(part, x->image);
		x->must_read_same = !is_log && ((part->sum != SUM_NONE && !repaired) || !is_content(f));
		try_image(x);
		memfile_free(x->image);
	}
}

static uint64_t number_of(const uint8_t *bytes, unsigned length, bool big_endian)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < length; i++)
		value |= (uint64_t)bytes[i] << 8 * (big_endian ? length - 1 - i : i);
	return value;
}

static void try_number(struct matrix *x, const struct specimen_part *part, const struct field_info *f, uint64_t value,
		       bool big_endian)
{
	uint8_t bytes[8];
	char text[40];

	for (unsigned i = 0; i < f->length; i++)
		bytes[i] = (uint8_t)(value >> 8 * (big_endian ? f->length - 1 - i : i));
	(void)snprintf(text, sizeof(text), "0x%" PRIx64, value);
	try_field(x, part, f, bytes, text);
}

/* The values, and each part of a field of bits on, off and the other way round. */
static void try_numbers(struct matrix *x, const struct specimen_part *part, const struct field_info *f, bool big_endian,
			unsigned first, unsigned every)
{
	uint8_t bytes[8];
	uint64_t original, value;

	memfile_read(x->s->file, part->file_offset + f->offset, bytes, f->length);
	original = number_of(bytes, f->length, big_endian);
	for (unsigned n = first % every; specimen_value(x->s, n, original, f->length, &value); n += every)
		if (value != original)
			try_number(x, part, f, value, big_endian);
	for (size_t i = 0; i < bit_part_count; i++) {
		uint64_t mask = (bit_parts[i].count == 64 ? 0 : UINT64_C(1) << bit_parts[i].count) - 1;

		if (bit_parts[i].structure != f->structure || strcmp(bit_parts[i].field, f->name) != 0)
			continue;
		mask <<= bit_parts[i].low;
		try_number(x, part, f, original | mask, big_endian);
		try_number(x, part, f, original & ~mask, big_endian);
		try_number(x, part, f, original ^ mask, big_endian);
	}
}

/* Zeros, ones, a bit at either end, and what stands in the next structure. */
static void try_bytes(struct matrix *x, const struct specimen_part *part, const struct field_info *f)
{
	static const char *const names[] = { "zeros", "ones", "first bit", "last bit", "other" };
	const struct specimen_part *other = part + 1 < x->s->parts + x->s->part_count ? part + 1 : x->s->parts;
	uint8_t *bytes = malloc(f->length);

	for (unsigned n = 0; bytes != NULL && n < 5; n++) {
		memfile_read(x->s->file, (n == 4 ? other : part)->file_offset + f->offset, bytes, f->length);
		if (n < 2)
			memset(bytes, n == 0 ? 0 : 0xFF, f->length);
		else if (n == 2)
			bytes[0] ^= 1;
		else if (n == 3)
			bytes[f->length - 1] ^= 0x80;
		try_field(x, part, f, bytes, names[n]);
	}
	free(bytes);
}

static void try_part(struct matrix *x, const struct specimen_part *part, unsigned every)
{
	for (unsigned i = 0; i < field_count; i++) {
		bool big_endian;

		if (fields[i].structure != part->structure)
			continue;
		if (specimen_is_number(fields[i].type, &big_endian))
			try_numbers(x, part, &fields[i], big_endian, i, every);
		else
			try_bytes(x, part, &fields[i]);
	}
}

static void try_cuts(struct matrix *x, unsigned every)
{
	uint64_t size = memfile_size(x->s->file);

	x->must_read_same = true;
	for (uint64_t cut = 0; cut < size && cut <= CUTS_END && x->violations < MOST_VIOLATIONS; cut += UINT64_C(512) * every) {
		(void)snprintf(x->what, sizeof(x->what), "cut at 0x%" PRIx64, cut);
		x->image = memfile_copy(x->s->file);
		memfile_set_size(x->image, cut);
		try_image(x);
		memfile_free(x->image);
	}
}

static unsigned run(const struct specimen *s, unsigned every)
{
	struct matrix *x = calloc(1, sizeof(*x));
	vhdx_disk *disk = NULL;
	unsigned violations;

	if (x == NULL)
		return 1;
	x->s = s;
	choose_samples(x);
	if (specimen_open(&disk, s, s->file, 0, NULL, NULL) < 0) {
		printf("VIOLATION: %s does not open as it is\n", s->name);
		free(x);
		return 1;
	}
	read_samples(x, disk, &x->whole);
	(void)vhdx_close(disk);
	for (size_t i = 0; i < s->part_count; i++)
		try_part(x, &s->parts[i], every);
	try_cuts(x, every);
	printf("%-14s %7lu images, %7lu opened, %7lu repaired, %7lu written, %u violations\n", s->name, x->images, x->opened,
	       x->repaired, x->written, x->violations);
	violations = x->violations;
	free(x);
	return violations;
}

int main(int argc, char **argv)
{
	unsigned every = 1, violations = 0, known = 0;
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "--every") == 0) {
		every = (unsigned)strtoul(argv[2], NULL, 10);
		first = 3;
	}
	for (int kind = 0; kind < SPECIMEN_COUNT; kind++) {
		const struct specimen *s = specimen_get((enum specimen_kind)kind);
		bool wanted = first == argc;

		for (int i = first; i < argc; i++)
			wanted |= strcmp(argv[i], s->name) == 0;
		known += wanted;
		violations += wanted ? run(s, every == 0 ? 1 : every) : 0;
	}
	specimen_end();
	return violations != 0 || known == 0;
}
