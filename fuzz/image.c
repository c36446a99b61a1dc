/* SPDX-License-Identifier: MIT */
/* Inputs to images: a specimen, edits, and checksums made right most of the time. */
#include <string.h>

#include "fuzz.h"
#include "support/recipe.h"

enum { MAX_CALLS = 2000000 };

/*
 * Byte 0 the specimen, 1 the number of edits, 2 whether checksums are repaired (0 of 8: not), 3 the kind of failing calls, 4 and 5 which one, 6 and 7 for the target.
 */
struct edit {
	uint8_t kind;
	uint8_t part;
	uint8_t field;
	uint8_t choice;
	uint64_t value;
	uint32_t more;
};

enum { EDIT_FIELD, EDIT_BYTES, EDIT_FAR_BYTES, EDIT_SIZE, EDIT_COPY, EDIT_ARRAY, EDIT_FILL, EDIT_KINDS };

static const struct field_info *field_of(enum structure_id structure, unsigned number)
{
	unsigned first = 0, count = 0;

	while (fields[first].structure != structure)
		first++;
	while (first + count < field_count && fields[first + count].structure == structure)
		count++;
	return &fields[first + number % count];
}

static void put(struct memfile *m, uint64_t offset, unsigned size, uint64_t value, bool big_endian)
{
	if (big_endian)
		recipe_put_be(m, offset, size, value);
	else
		recipe_put(m, offset, size, value);
}

static void edit_field(struct memfile *m, const struct specimen *s, const struct specimen_part *part, const struct edit *e)
{
	const struct field_info *field = field_of(part->structure, e->field);
	uint64_t at = part->file_offset + field->offset, value = e->value;
	bool big_endian;

	if (!specimen_is_number(field->type, &big_endian)) {
		at += e->more % field->length;
		recipe_put(m, at, field->length - e->more % field->length < 8 ? 1 : 8, e->value);
		return;
	}
	if (e->choice < 2 * SPECIMEN_VALUES)
		(void)specimen_value(s, e->choice / 2,
				     big_endian ? recipe_get_be(m, at, field->length) : recipe_get(m, at, field->length),
				     field->length, &value);
	put(m, at, field->length, value, big_endian);
}

static void edit_array(struct memfile *m, const struct specimen *s, const struct specimen_part *part, const struct edit *e)
{
	bool big_endian = s->format == VHDX_FORMAT_VHD;
	unsigned size = big_endian ? 4 : 8;
	uint64_t value = e->value;

	if (e->choice < 2 * SPECIMEN_VALUES)
		(void)specimen_value(s, e->choice / 2, e->value, size, &value);
	put(m, part->file_offset + (uint64_t)size * (e->more % 4096), size, value, big_endian);
}

static void edit_copy(struct memfile *m, const struct specimen *s, const struct specimen_part *part, const struct edit *e)
{
	const struct specimen_part *from = &s->parts[e->field % s->part_count];
	uint32_t length = structures[from->structure].size;
	uint8_t bytes[4096];

	length = length < sizeof(bytes) ? length : (uint32_t)sizeof(bytes);
	memfile_read(m, from->file_offset, bytes, length);
	memfile_write(m, part->file_offset, bytes, length);
}

static void edit_fill(struct memfile *m, const struct specimen_part *part, const struct edit *e)
{
	uint8_t bytes[512];

	memset(bytes, e->choice, sizeof(bytes));
	memfile_write(m, part->file_offset + (e->value & 0xFFFF), bytes, 1 + e->more % sizeof(bytes));
}

/* The part whose checksum is concerned. */
static const struct specimen_part *apply(struct memfile *m, const struct specimen *s, const struct edit *e)
{
	const struct specimen_part *part = &s->parts[e->part % s->part_count];

	switch (e->kind % (EDIT_KINDS + 3)) {
	case EDIT_BYTES: recipe_put(m, part->file_offset + (e->more & 0xFFFF), 1 + e->choice % 8, e->value); break;
	case EDIT_FAR_BYTES: recipe_put(m, e->value % (memfile_size(m) + 65536), 1 + e->choice % 4, e->more); break;
	case EDIT_SIZE:
		memfile_set_size(m, e->choice % 2 == 0 ? e->value % (memfile_size(s->file) + 65536) : e->value >> 1);
		break;
	case EDIT_COPY: edit_copy(m, s, part, e); break;
	case EDIT_ARRAY: edit_array(m, s, part, e); break;
	case EDIT_FILL: edit_fill(m, part, e); break;
	default: edit_field(m, s, part, e); break;
	}
	return part;
}

static struct edit take_edit(struct fuzz_input *in)
{
	struct edit e;

	e.kind = fuzz_byte(in);
	e.part = fuzz_byte(in);
	e.field = fuzz_byte(in);
	e.choice = fuzz_byte(in);
	e.value = fuzz_take(in, 8);
	e.more = (uint32_t)fuzz_take(in, 4);
	return e;
}

static void count_calls(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct fuzz_image *image = context;

	(void)file_offset;
	if (call == MEMFILE_READ && length > 64 << 20)
		fuzz_finding("a read of %llu bytes", (unsigned long long)length);
	if (++image->calls > MAX_CALLS)
		fuzz_finding("too many calls of the I/O table");
}

void fuzz_image_take(struct fuzz_image *image, struct fuzz_input *in, const enum specimen_kind *kinds, size_t kind_count)
{
	unsigned edits, repair;

	memset(image, 0, sizeof(*image));
	image->specimen = specimen_get(kinds[fuzz_byte(in) % kind_count]);
	edits = fuzz_byte(in) % (FUZZ_EDITS + 1);
	repair = fuzz_byte(in);
	image->repaired = repair % 8 != 0;
	image->fault = (enum fuzz_fault)(fuzz_byte(in) % (2 * FUZZ_FAULTS));
	image->fault_at = (uint16_t)fuzz_take(in, 2);
	image->flags = (unsigned)fuzz_take(in, 2);
	image->file = memfile_copy(image->specimen->file);
	for (unsigned i = 0; i < edits && in->left != 0; i++) {
		struct edit e = take_edit(in);
		const struct specimen_part *part = apply(image->file, image->specimen, &e);

		if (image->repaired)
			specimen_repair_part(part, image->file);
	}
	memfile_watch(image->file, count_calls, image);
}

void fuzz_image_end(struct fuzz_image *image)
{
	memfile_free(image->file);
}

void fuzz_image_arm(struct fuzz_image *image, struct fuzz_env *env, struct memfile *file)
{
	unsigned long n = image->fault_at % 2048 + 1;

	env->failing = true;
	switch (image->fault) {
	case FUZZ_ALLOCATION: testenv_fail(&env->t, n % 64 + 1, false); return;
	case FUZZ_ALLOCATIONS: testenv_fail(&env->t, n % 64 + 1, true); return;
	case FUZZ_READ: memfile_fail(file, MEMFILE_READ, n, VHDX_E_IO, false); return;
	case FUZZ_READS: memfile_fail(file, MEMFILE_READ, n, VHDX_E_IO, true); return;
	case FUZZ_WRITE: memfile_fail(file, MEMFILE_WRITE, n % 64 + 1, VHDX_E_IO, false); return;
	case FUZZ_ANY_CALL: memfile_fail(file, MEMFILE_ANY, n, VHDX_E_IO, false); return;
	case FUZZ_ALL_CALLS: memfile_fail(file, MEMFILE_ANY, n, VHDX_E_IO, true); return;
	case FUZZ_FULL: memfile_fail(file, MEMFILE_WRITE, n % 64 + 1, VHDX_E_NO_SPACE, true); return;
	case FUZZ_SHORT:
		memfile_set_short(file, image->specimen->size < UINT64_C(1) << 32 ? n + 63 : n + 4096);
		break;     /* or it takes too long: blocks of megabytes are moved */
	case FUZZ_MINIMAL: /* nobody says then where the holes of a file are that an edit made petabytes long */
		memfile_set_minimal(file, image->specimen->size < UINT64_C(1) << 32 && memfile_size(file) < UINT64_C(1) << 30);
		break;
	case FUZZ_NO_FAULT:
	case FUZZ_FAULTS: break;
	}
	env->failing = false;
}

void fuzz_image_disarm(struct fuzz_env *env, struct memfile *file)
{
	testenv_fail(&env->t, 0, false);
	for (int call = 0; call <= MEMFILE_ANY; call++)
		memfile_fail(file, (enum memfile_call)call, 0, 0, false);
	memfile_set_short(file, 0);
	memfile_set_minimal(file, false);
	env->failing = false;
}

size_t fuzz_image_seed(unsigned number, size_t kind_count, uint8_t *out, size_t size)
{
	unsigned kind = (unsigned)(number % kind_count), variant = (unsigned)(number / kind_count);
	size_t length = FUZZ_HEADER + FUZZ_EDIT + 32;

	if (variant >= 12 || size < length)
		return 0;
	memset(out, 0, length);
	out[0] = (uint8_t)kind;
	out[1] = variant != 0;
	out[2] = 1;
	out[3] = variant > 6 ? (uint8_t)(variant - 6) : 0;
	out[4] = (uint8_t)(variant * 3);
	out[6] = (uint8_t)(variant % 3 != 2 ? 1 << 5 : variant);
	out[FUZZ_HEADER] = (uint8_t)variant;
	out[FUZZ_HEADER + 1] = (uint8_t)(variant * 5);
	out[FUZZ_HEADER + 2] = (uint8_t)(variant * 3);
	out[FUZZ_HEADER + 3] = (uint8_t)(variant * 7);
	for (size_t i = FUZZ_HEADER + FUZZ_EDIT; i < length; i++)
		out[i] = (uint8_t)(i * 37 + number);
	return length;
}
