/* SPDX-License-Identifier: MIT */
/* overlay_flatten against a model that writes pieces one after the other into an array of pages. */
#include <criterion/criterion.h>
#include <string.h>

#include "engine/overlay.h"
#include "support/testenv.h"

enum { PAGES = 96, MAX_PIECES = 40, PAGE = 4096 };

struct script {
	struct overlay_piece pieces[MAX_PIECES];
	size_t count;
	int owner[PAGES]; /* piece that wrote the page last; -1: none */
};

static void add(struct script *s, uint64_t first, uint64_t pages, bool is_data)
{
	struct overlay_piece *piece = &s->pieces[s->count];

	*piece = (struct overlay_piece){ .file_offset = first * PAGE,
					 .length = pages * PAGE,
					 .data_offset = is_data ? (s->count + 1) * 65536 : 0 };
	memset(piece->leading_bytes, (int)s->count, sizeof(piece->leading_bytes));
	for (uint64_t i = first; i < first + pages; i++)
		s->owner[i] = (int)s->count;
	s->count++;
}

static struct script random_script(uint64_t *state)
{
	struct script s = { .count = 0 };
	size_t count = test_random_below(state, MAX_PIECES + 1);
	uint64_t width = 1 + test_random_below(state, 24);

	for (unsigned i = 0; i < PAGES; i++)
		s.owner[i] = -1;
	while (s.count < count) {
		bool is_data = test_random_below(state, 2) != 0;
		uint64_t pages = is_data ? 1 : test_random_below(state, width + 1);

		add(&s, test_random_below(state, PAGES - pages + 1), pages, is_data);
	}
	return s;
}

static void check(const struct script *s)
{
	struct overlay_piece *out = NULL;
	struct vhdx_error error;
	struct testenv t;
	size_t count = 99;
	uint64_t page = 0;

	testenv_start(&t, 1);
	cr_assert_eq(overlay_flatten(&t.env, &out, &count, s->pieces, s->count, &error), VHDX_OK);
	cr_assert_leq(count, 2 * s->count);
	for (size_t i = 0; i < count; i++) {
		cr_assert(out[i].length != 0 && out[i].length % PAGE == 0 && out[i].file_offset % PAGE == 0);
		for (; page < out[i].file_offset / PAGE; page++)
			cr_assert_eq(s->owner[page], -1, "page %u is lost", (unsigned)page);
		cr_assert_eq(page, out[i].file_offset / PAGE, "piece %zu is out of order", i);
		for (; page < (out[i].file_offset + out[i].length) / PAGE; page++) {
			const struct overlay_piece *owner = &s->pieces[s->owner[page]];

			cr_assert_neq(s->owner[page], -1);
			cr_assert_eq(out[i].data_offset, owner->data_offset);
			if (owner->data_offset != 0)
				cr_assert(out[i].length == PAGE && out[i].leading_bytes[0] == owner->leading_bytes[0]);
		}
	}
	for (; page < PAGES; page++)
		cr_assert_eq(s->owner[page], -1);
	memory_release(&t.env, out);
	cr_assert_eq(testenv_live(&t), 0);
}

Test(overlay, random_scripts_against_the_model)
{
	uint64_t state = 42;

	for (unsigned round = 0; round < 20000; round++) {
		struct script s = random_script(&state);

		check(&s);
	}
}

Test(overlay, later_pieces_win)
{
	struct script s = { .count = 0 };

	for (unsigned i = 0; i < PAGES; i++)
		s.owner[i] = -1;
	check(&s);
	add(&s, 0, PAGES, false);
	check(&s);
	for (unsigned i = 0; i < 20; i++)
		add(&s, 2 * i, 1, true);
	check(&s);
	add(&s, 5, 30, false);
	check(&s);
	add(&s, 10, 0, false); /* nothing */
	check(&s);
}

Test(overlay, out_of_memory_gives_everything_back)
{
	uint64_t state = 7;
	struct script s = random_script(&state);

	for (unsigned long n = 1;; n++) {
		struct overlay_piece *out = NULL;
		struct vhdx_error error;
		struct testenv t;
		size_t count;
		int status;

		testenv_start(&t, 1);
		testenv_fail(&t, n, false);
		status = overlay_flatten(&t.env, &out, &count, s.pieces, s.count, &error);
		memory_release(&t.env, out);
		cr_assert_eq(testenv_live(&t), 0);
		if (status == VHDX_OK) {
			cr_assert_gt(n, 1);
			break;
		}
		cr_assert_eq(status, VHDX_E_NO_MEMORY);
	}
}
