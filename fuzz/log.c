/* SPDX-License-Identifier: MIT */
/*
 * fuzz_log: the ring of a VHDX. The image is edited as in the other targets; the tail of the input adds log entries of its own, with whatever lengths, tails, numbers
 * and descriptors. A replay in memory and a replay into the file must agree: both fail the same way, or read the same, and a second open finds the log empty.
 */
#include <string.h>

#include "fuzz.h"
#include "support/recipe.h"

enum { ENTRIES = 6, DESCRIPTORS = 5, SAMPLE = 4096, SAMPLES = 48 };

struct reading {
	int status;
	char rule[12];
	uint64_t size;
	uint64_t sum; /* of what was read */
};

static void take_descriptor(struct fuzz_input *in, struct recipe_descriptor *d)
{
	static uint8_t pages[DESCRIPTORS][4096];
	static unsigned next;
	uint8_t choice = fuzz_byte(in);
	uint64_t value = fuzz_take(in, 4);

	*d = (struct recipe_descriptor){ .file_offset = (value & 0x7FFF) * 4096, .seed = choice };
	if (choice % 8 == 0)
		d->file_offset = fuzz_take(in, 8);
	if (choice % 4 == 1)
		d->zero_length = (value >> 16) * (choice % 8 == 5 ? 512 : 4096) + 4096;
	if (choice % 4 == 2) { /* a page of a BAT */
		uint8_t *page = pages[next++ % DESCRIPTORS];

		memset(page, 0, 4096);
		for (unsigned i = 0; i < 16; i++) {
			uint64_t entry = fuzz_take(in, 2);

			page[i * 8] = entry & 7;
			page[i * 8 + 2] = (uint8_t)(entry >> 4 & 0xF0);
			page[i * 8 + 3] = (uint8_t)(entry >> 12);
		}
		d->page = page;
		d->file_offset = 3 * RECIPE_MIB;
	}
}

static void add_entries(struct memfile *m, struct fuzz_input *in)
{
	uint32_t at = (uint32_t)fuzz_byte(in) * 4096, first = at;
	uint64_t sequence = fuzz_take(in, 2);
	unsigned count = fuzz_byte(in) % (ENTRIES + 1);

	if (recipe_get(m, RECIPE_HEADER(0), 4) == 0 || recipe_get(m, RECIPE_HEADER(0) + 68, 4) != RECIPE_MIB ||
	    recipe_get(m, RECIPE_HEADER(0) + 72, 8) != RECIPE_MIB) /* the recipe takes the place of the log from there */
		return;
	for (unsigned i = 0; i < count; i++) {
		struct recipe_descriptor descriptors[DESCRIPTORS];
		struct recipe_entry e = { .tail = first, .descriptors = descriptors };
		uint8_t choice = fuzz_byte(in);

		e.descriptor_count = fuzz_byte(in) % (DESCRIPTORS + 1);
		for (unsigned d = 0; d < e.descriptor_count; d++)
			take_descriptor(in, &descriptors[d]);
		sequence += choice % 8 == 7 ? 2 : 1;
		e.sequence_number = sequence;
		e.tail = choice % 16 == 9 ? RECIPE_SELF : choice % 16 == 10 ? (uint32_t)fuzz_take(in, 2) * 512 : first;
		e.flushed_file_offset = choice % 16 == 11 ? fuzz_take(in, 8) : RECIPE_MIB * 6;
		e.last_file_offset = choice % 16 == 12 ? fuzz_take(in, 8) : RECIPE_MIB * (6 + choice % 16);
		at = recipe_log_entry(m, &e, at % (1u << 20));
	}
}

static void sum_up(struct reading *r, const uint8_t *bytes, size_t length)
{
	for (size_t i = 0; i < length; i++)
		r->sum = (r->sum ^ bytes[i]) * UINT64_C(0x100000001B3);
}

static void read_samples(struct reading *r, vhdx_disk *disk)
{
	struct vhdx_error error;
	uint8_t bytes[SAMPLE];

	r->size = vhdx_disk_size(disk);
	for (unsigned i = 0; i < SAMPLES && r->size >= SAMPLE; i++) {
		uint64_t offset = i * (RECIPE_MIB / 2);
		int status;

		if (offset > r->size - SAMPLE)
			break;
		status = vhdx_read(disk, bytes, SAMPLE, offset, &error);
		sum_up(r, (const uint8_t *)&status, sizeof(status));
		if (status == VHDX_OK)
			sum_up(r, bytes, sizeof(bytes));
	}
}

static struct reading read_image(struct fuzz_env *env, const struct specimen *s, struct memfile *m, unsigned flags)
{
	struct reading r = { .sum = 1 };
	struct vhdx_error error = { .rule = "" };
	vhdx_disk *disk = NULL;

	r.status = specimen_open(&disk, s, m, flags, &env->t.env, &error);
	fuzz_check(env, "open", r.status, &error);
	if (r.status == VHDX_OK)
		read_samples(&r, disk);
	else
		memcpy(r.rule, error.rule, sizeof(r.rule));
	if (vhdx_close(disk) < 0)
		fuzz_finding("closing");
	return r;
}

static void compare(const struct reading *a, const struct reading *b, const char *what)
{
	if (a->status != b->status)
		fuzz_finding("%s: %s %s, but in memory %s %s", what, vhdx_status_name(b->status), b->rule,
			     vhdx_status_name(a->status), a->rule);
	if (a->status == VHDX_OK && (a->size != b->size || a->sum != b->sum))
		fuzz_finding("%s reads something else than the replay in memory", what);
}

static void run(struct fuzz_input *in)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_LOG };
	struct reading memory, replayed, again;
	struct fuzz_image image;
	struct memfile *copy;
	struct fuzz_env env;

	fuzz_image_take(&image, in, kinds, 1);
	add_entries(image.file, in);
	copy = memfile_copy(image.file);
	fuzz_env_start(&env);
	memory = read_image(&env, image.specimen, image.file, 0);
	replayed = read_image(&env, image.specimen, copy, VHDX_OPEN_WRITE);
	if (memory.status == VHDX_OK && replayed.status == VHDX_OK) {
		compare(&memory, &replayed, "a replay into the file");
		again = read_image(&env, image.specimen, copy, VHDX_OPEN_NO_REPLAY);
		compare(&memory, &again, "the file after its replay");
	} else if (memory.status != VHDX_OK && replayed.status == VHDX_OK) {
		compare(&memory, &replayed, "a replay into the file");
	}
	memfile_free(copy);
	fuzz_env_end(&env);
	fuzz_visit(&image, in);
	fuzz_image_end(&image);
}

static size_t seed(unsigned number, uint8_t *out, size_t size)
{
	size_t length = fuzz_image_seed(number, 1, out, size);

	if (number >= 12 || length == 0)
		return 0;
	out[1] = 0;
	for (size_t i = FUZZ_HEADER; i < length; i++)
		out[i] = (uint8_t)(i * 59 * number);
	out[FUZZ_HEADER] = (uint8_t)(number == 0 ? 250 : number * 20);
	out[FUZZ_HEADER + 1] = 20;
	out[FUZZ_HEADER + 2] = 0;
	out[FUZZ_HEADER + 3] = (uint8_t)(number % 4);
	return length;
}

const struct fuzz_target fuzz_log = { "fuzz_log", run, seed, 1 };
