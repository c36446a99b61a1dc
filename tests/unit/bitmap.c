/* SPDX-License-Identifier: MIT */
/*
 * bitmap_run against a naive model, in the bit orders of both formats: every byte value at every place in a word, every
 * start bit, and lengths around the edges of bytes and words. (A reader is known that takes sectors of a mixed byte as
 * present that are not: E-37.)
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "engine/bitmap.h"
#include "support/memfile.h"
#include "support/testenv.h"

static bool model_bit(const uint8_t *bytes, uint64_t bit, bool msb_first)
{
	return (bytes[bit / 8] >> (msb_first ? 7 - bit % 8 : bit % 8) & 1) != 0;
}

static uint64_t model_run(const uint8_t *bytes, uint64_t first, uint64_t count, bool msb_first)
{
	uint64_t run = 1;

	while (run < count && model_bit(bytes, first + run, msb_first) == model_bit(bytes, first, msb_first))
		run++;
	return run;
}

/* A bitmap in a memory file behind a cache. */
struct fixture {
	struct testenv env;
	struct memfile *m;
	struct view view;
	struct cache *cache;
	uint8_t *bytes;
	size_t size;
};

static void start(struct fixture *f, size_t size)
{
	struct vhdx_error error;

	testenv_start(&f->env, 1);
	f->m = memfile_new();
	f->size = size;
	f->bytes = calloc(1, size);
	f->view = (struct view){ .file = memfile_file(f->m, NULL), .size = size };
	cr_assert_eq(cache_start(&f->cache, &f->env.env, CACHE_SETS, &error), VHDX_OK);
}

static void end(struct fixture *f)
{
	cache_end(f->cache);
	memfile_free(f->m);
	free(f->bytes);
	cr_assert_eq(testenv_live(&f->env), 0);
}

static void expect_run(const struct fixture *f, uint64_t first, uint64_t count, bool msb_first)
{
	const struct bitmap bitmap = { f->cache, &f->view, 0, 0, msb_first };
	struct vhdx_error error;
	uint64_t run = 0;
	bool value = false;

	cr_assert_eq(bitmap_run(&bitmap, first, count, &value, &run, &error), VHDX_OK);
	if (value != model_bit(f->bytes, first, msb_first) || run != model_run(f->bytes, first, count, msb_first))
		cr_assert_fail("bit %llu, %llu bits: found %llu of %d", (unsigned long long)first, (unsigned long long)count,
			       (unsigned long long)run, value);
}

/* Byte `place` of each group of 24 counts through all values; the others are `fill`. */
static void check_all_bytes(unsigned place, uint8_t fill)
{
	static const uint64_t lengths[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 15, 16, 17, 24, 56, 63, 64, 65, 71, 72, 73, 100, 127 };
	struct fixture f;

	start(&f, 256 * 24);
	for (unsigned i = 0; i < 256 * 24; i++)
		f.bytes[i] = i % 24 == place ? (uint8_t)(i / 24) : fill;
	memfile_write(f.m, 0, f.bytes, f.size);
	for (uint64_t value = 0; value < 256; value++)
		for (uint64_t bit = 0; bit < 8; bit++)
			for (unsigned l = 0; l < sizeof(lengths) / sizeof(lengths[0]); l++)
				for (unsigned order = 0; order < 2; order++) {
					uint64_t first = (value * 24 + place) * 8 + bit;

					if (first + lengths[l] <= f.size * 8)
						expect_run(&f, first, lengths[l], order != 0);
				}
	end(&f);
}

Test(bitmap, B_42_every_byte_among_zeros)
{
	for (unsigned place = 0; place < 8; place++)
		check_all_bytes(place, 0x00);
}

Test(bitmap, B_42_every_byte_among_ones)
{
	for (unsigned place = 0; place < 8; place++)
		check_all_bytes(place, 0xFF);
}

Test(bitmap, random_bitmaps_with_long_runs)
{
	struct fixture f;
	uint64_t state = 5;

	start(&f, 65536);
	for (size_t i = 0; i < f.size;) { /* runs of equal bytes of very different length, crossing the pages of the cache */
		uint64_t run = UINT64_C(1) << test_random_below(&state, 13);
		uint64_t kind = test_random_below(&state, 3);

		for (; run > 0 && i < f.size; run--, i++)
			f.bytes[i] = kind == 0 ? 0 : kind == 1 ? 0xFF : (uint8_t)test_random(&state);
	}
	memfile_write(f.m, 0, f.bytes, f.size);
	for (unsigned round = 0; round < 20000; round++) {
		uint64_t first = test_random_below(&state, f.size * 8);

		expect_run(&f, first, 1 + test_random_below(&state, f.size * 8 - first), round % 2 != 0);
	}
	end(&f);
}

Test(bitmap, read_failures_come_through)
{
	struct vhdx_error error;
	struct fixture f;
	uint64_t run;
	bool value;

	start(&f, 8192);
	memfile_set_size(f.m, 8192);
	memfile_fail(f.m, MEMFILE_READ, 2, VHDX_E_IO, false);
	cr_assert_eq(bitmap_run(&(struct bitmap){ f.cache, &f.view, 0, 0, false }, 0, 8192 * 8, &value, &run, &error), VHDX_E_IO);
	cr_assert_eq(bitmap_run(&(struct bitmap){ f.cache, &f.view, 0, 0, false }, 0, 8192 * 8, &value, &run, &error), VHDX_OK);
	cr_assert(!value && run == 8192 * 8);
	end(&f);
}
