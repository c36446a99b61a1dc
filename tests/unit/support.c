/* SPDX-License-Identifier: MIT */
/* The tools of the tests: memory file and environment do what the other tests take for granted. */
#include <criterion/criterion.h>
#include <string.h>

#include "support/memfile.h"
#include "support/recipe.h"
#include "support/testenv.h"

static struct vhdx_error ignored;

Test(memfile, bytes_against_a_flat_array)
{
	static uint8_t model[400000], buffer[400000];
	struct memfile *m = memfile_new();
	struct vhdx_file f = memfile_file(m, NULL);
	uint64_t state = 1;
	size_t size = 0;

	for (unsigned round = 0; round < 3000; round++) {
		uint64_t offset = test_random_below(&state, 300000), length = test_random_below(&state, 99999);

		switch (test_random_below(&state, 5)) {
		case 0:
			recipe_pattern(model + offset, length, 0, round + 1);
			cr_assert_eq(f.io->write(f.handle, model + offset, length, offset, &ignored), (int64_t)length);
			size = length != 0 && offset + length > size ? offset + length : size;
			break;
		case 1:
			cr_assert_eq(f.io->set_size(f.handle, offset, &ignored), VHDX_OK);
			size = offset;
			memset(model + size, 0, sizeof(model) - size);
			break;
		case 2:
			length = offset > size ? 0 : offset + length > size ? size - offset : length;
			cr_assert_eq(f.io->punch(f.handle, offset, length, &ignored), VHDX_OK);
			memset(model + offset, 0, length);
			break;
		default:
			cr_assert_eq(f.io->read(f.handle, buffer, length, offset, &ignored),
				     (int64_t)(offset >= size           ? 0
					       : offset + length > size ? size - offset
									: length));
			memfile_read(m, offset, buffer, length);
			cr_assert_arr_eq(buffer, model + offset, length);
		}
		cr_assert_eq(memfile_size(m), size);
	}
	memfile_free(m);
}

Test(memfile, a_huge_file_costs_what_it_holds)
{
	struct memfile *m = memfile_new(), *copy;
	struct vhdx_file f = memfile_file(m, NULL);
	struct vhdx_file_extent e;
	uint64_t where;

	memfile_write(m, UINT64_C(1) << 46, "x", 1);
	memfile_write(m, 5, "y", 1);
	cr_assert_eq(memfile_size(m), (UINT64_C(1) << 46) + 1);
	cr_assert_eq(memfile_allocated(m), 2 * MEMFILE_PAGE);
	cr_assert_eq(f.io->extent(f.handle, &e, 0, UINT64_C(1) << 46, &ignored), VHDX_OK);
	cr_assert(!e.is_hole && e.length == MEMFILE_PAGE);
	cr_assert_eq(f.io->extent(f.handle, &e, 70000, UINT64_C(1) << 47, &ignored), VHDX_OK);
	cr_assert(e.is_hole && e.length == (UINT64_C(1) << 46) - 70000);
	copy = memfile_copy(m);
	cr_assert(memfile_equal(m, copy, NULL));
	memfile_write(copy, 4, "z", 1);
	cr_assert(!memfile_equal(m, copy, &where) && where == 4);
	memfile_free(copy);
	memfile_free(m);
}

Test(memfile, failures_and_short_transfers)
{
	struct memfile *m = memfile_new();
	struct vhdx_file f = memfile_file(m, NULL);
	uint8_t buffer[100] = { 1 };

	memfile_set_short(m, 7);
	cr_assert_eq(f.io->write(f.handle, buffer, 100, 0, &ignored), 7);
	cr_assert_eq(f.io->read(f.handle, buffer, 100, 0, &ignored), 7);
	memfile_fail(m, MEMFILE_WRITE, 2, VHDX_E_NO_SPACE, false);
	cr_assert_eq(f.io->write(f.handle, buffer, 1, 0, &ignored), 1);
	cr_assert_eq(f.io->write(f.handle, buffer, 1, 0, &ignored), VHDX_E_NO_SPACE);
	cr_assert_eq(f.io->write(f.handle, buffer, 1, 0, &ignored), 1);
	memfile_fail(m, MEMFILE_ANY, 2, VHDX_E_IO, true);
	cr_assert_eq(f.io->flush(f.handle, &ignored), VHDX_OK);
	cr_assert_eq(f.io->flush(f.handle, &ignored), VHDX_E_IO);
	cr_assert_eq(f.io->read(f.handle, buffer, 1, 0, &ignored), VHDX_E_IO);
	cr_assert_eq(memfile_count(m, MEMFILE_WRITE), 4);
	cr_assert_eq(memfile_count(m, MEMFILE_FLUSH), 2);
	memfile_reset_counts(m);
	cr_assert_eq(memfile_count(m, MEMFILE_WRITE), 0);
	memfile_set_minimal(m, true);
	f = memfile_file(m, NULL);
	cr_assert(f.io->identity == NULL && f.io->extent == NULL && f.io->zero == NULL);
	memfile_free(m);
}

Test(testenv, failures_leaks_and_repeatable_bytes)
{
	struct testenv a, b;
	uint8_t x[40], y[40];
	void *memory;

	testenv_start(&a, 5);
	testenv_start(&b, 5);
	memory = a.env.allocate(a.env.context, 1000);
	cr_assert(memory != NULL && testenv_live(&a) == 1);
	testenv_fail(&a, 2, false);
	a.env.release(a.env.context, a.env.allocate(a.env.context, 1));
	cr_assert_null(a.env.allocate(a.env.context, 1));
	a.env.release(a.env.context, memory);
	cr_assert(testenv_live(&a) == 0 && a.live_bytes == 0 && a.peak_bytes == 1001);
	cr_assert_eq(a.env.random(a.env.context, x, sizeof(x)) | b.env.random(b.env.context, y, sizeof(y)), 0);
	cr_assert_arr_eq(x, y, sizeof(x));
	cr_assert_eq(a.env.random(a.env.context, x, sizeof(x)), 0);
	cr_assert_arr_neq(x, y, sizeof(x));
	cr_assert_eq(a.env.now(a.env.context), TESTENV_NOW);
}
