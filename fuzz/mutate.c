/* SPDX-License-Identifier: MIT */
/* Changes that keep an input what it is: whole edits are made, dropped, copied and changed; checksums stay repaired 7 times of 8. */
#include <string.h>

#include "fuzz.h"

struct layout {
	uint8_t *header; /* NULL: the input is too short */
	uint8_t *edits;
	unsigned count;
	size_t *size;
	uint8_t *end;
	size_t room;
};

/* Image `which` of the input: those before it must be stepped over. */
static struct layout find(const struct fuzz_target *target, uint8_t *data, size_t *size, size_t max_size, uint64_t *random)
{
	unsigned which = (unsigned)(test_random(random) % target->images);
	struct layout l = { .size = size, .end = data + *size, .room = max_size - *size };
	uint8_t *at = data;

	for (unsigned i = 0; (size_t)(l.end - at) >= FUZZ_HEADER; i++) {
		size_t left = (size_t)(l.end - at) - FUZZ_HEADER;
		unsigned count = at[1] % (FUZZ_EDITS + 1);

		count = left / FUZZ_EDIT < count ? (unsigned)(left / FUZZ_EDIT) : count;
		l.header = at;
		l.edits = at + FUZZ_HEADER;
		l.count = count;
		if (i == which)
			break;
		at = l.edits + (size_t)count * FUZZ_EDIT;
	}
	return l;
}

static void new_edit(uint8_t *edit, uint64_t *random)
{
	uint64_t value = test_random(random);

	for (unsigned i = 0; i < 4; i++)
		edit[i] = (uint8_t)(value >> 8 * i);
	if (value >> 40 % 4 != 0)
		edit[0] = (uint8_t)(edit[0] % 8 == 0 ? 0 : edit[0]);
	value = test_random(random) >> test_random(random) % 64;
	if (test_random(random) % 3 == 0)
		value = value << 20 | (test_random(random) & 7);
	for (unsigned i = 0; i < 8; i++)
		edit[4 + i] = (uint8_t)(value >> 8 * i);
	value = test_random(random) >> test_random(random) % 32;
	for (unsigned i = 0; i < 4; i++)
		edit[12 + i] = (uint8_t)(value >> 8 * i);
}

static void insert_edit(struct layout *l, uint64_t *random)
{
	uint8_t *place;

	if (l->room < FUZZ_EDIT || l->count == FUZZ_EDITS)
		return;
	place = l->edits + test_random(random) % (l->count + 1) * FUZZ_EDIT;
	memmove(place + FUZZ_EDIT, place, (size_t)(l->end - place));
	new_edit(place, random);
	l->header[1] = (uint8_t)(l->count + 1);
	*l->size += FUZZ_EDIT;
}

static void drop_edit(struct layout *l, uint64_t *random)
{
	uint8_t *place;

	if (l->count == 0)
		return;
	place = l->edits + test_random(random) % l->count * FUZZ_EDIT;
	memmove(place, place + FUZZ_EDIT, (size_t)(l->end - place) - FUZZ_EDIT);
	l->header[1] = (uint8_t)(l->count - 1);
	*l->size -= FUZZ_EDIT;
}

static void change_edit(const struct layout *l, uint64_t *random)
{
	uint8_t *edit;

	if (l->count == 0)
		return;
	edit = l->edits + test_random(random) % l->count * FUZZ_EDIT;
	switch (test_random(random) % 4) {
	case 0: new_edit(edit, random); break;
	case 1: edit[3] = (uint8_t)(test_random(random) % (2 * SPECIMEN_VALUES)); break;
	case 2: edit[4 + test_random(random) % 12] ^= (uint8_t)(1u << test_random(random) % 8); break;
	default: edit[1 + test_random(random) % 2] = (uint8_t)test_random(random); break;
	}
}

static void change_header(const struct layout *l, uint64_t *random)
{
	switch (test_random(random) % 4) {
	case 0: l->header[0] = (uint8_t)test_random(random); break;
	case 1: l->header[3] = (uint8_t)(test_random(random) % (2 * FUZZ_FAULTS)); break;
	case 2: l->header[4] = (uint8_t)test_random(random); break;
	default: l->header[6] = (uint8_t)(test_random(random) % 3 == 0 ? test_random(random) : VHDX_OPEN_WRITE); break;
	}
}

size_t fuzz_mutate(const struct fuzz_target *target, uint8_t *data, size_t size, size_t max_size, uint64_t random,
		   fuzz_bytes_fn bytes)
{
	struct layout l;

	if (target->images == 0 || size < FUZZ_HEADER || test_random(&random) % 4 == 0)
		return bytes(data, size, max_size);
	l = find(target, data, &size, max_size, &random);
	if (l.header == NULL)
		return bytes(data, size, max_size);
	l.header[2] = test_random(&random) % 8 != 0;
	switch (test_random(&random) % 8) {
	case 0:
	case 1: insert_edit(&l, &random); break;
	case 2: drop_edit(&l, &random); break;
	case 3: change_header(&l, &random); break;
	default: change_edit(&l, &random); break;
	}
	return size;
}
