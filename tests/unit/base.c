/* SPDX-License-Identifier: MIT */
/* Integers in byte strings, checked arithmetic, ranges, the environment. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/memory.h"
#include "base/ranges.h"
#include "support/testenv.h"

Test(bytes, every_reader_and_writer_at_every_alignment)
{
	const uint8_t stored[8] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF };

	for (unsigned shift = 0; shift < 8; shift++) {
		uint8_t from[16] = { 0 }, to[16] = { 0 };

		memcpy(from + shift, stored, 8);
		cr_assert_eq(get_le16(from + shift), 0x2301);
		cr_assert_eq(get_be16(from + shift), 0x0123);
		cr_assert_eq(get_le32(from + shift), 0x67452301);
		cr_assert_eq(get_be32(from + shift), 0x01234567);
		cr_assert_eq(get_le64(from + shift), UINT64_C(0xEFCDAB8967452301));
		cr_assert_eq(get_be64(from + shift), UINT64_C(0x0123456789ABCDEF));
		put_le64(to + shift, UINT64_C(0xEFCDAB8967452301));
		cr_assert_arr_eq(to, from, 16);
		put_be64(to + shift, UINT64_C(0x0123456789ABCDEF));
		cr_assert_arr_eq(to, from, 16);
		put_le32(to + shift, 0x67452301);
		put_be32(to + shift + 4, 0x89ABCDEF);
		cr_assert_arr_eq(to, from, 16);
		put_le16(to + shift, 0x2301);
		put_be16(to + shift + 2, 0x4567);
		cr_assert_arr_eq(to, from, 16);
	}
}

Test(bytes, are_zero_finds_one_bit_anywhere)
{
	uint8_t buffer[100];

	for (size_t length = 0; length <= sizeof(buffer); length++) {
		memset(buffer, 0xFF, sizeof(buffer));
		memset(buffer, 0, length);
		cr_assert(bytes_are_zero(buffer, length));
		for (size_t at = 0; at < length; at++)
			for (unsigned bit = 0; bit < 8; bit++) {
				buffer[at] = (uint8_t)(1u << bit);
				cr_assert(!bytes_are_zero(buffer, length));
				buffer[at] = 0;
			}
	}
}

Test(bytes, are_zero_at_every_offset_of_a_large_buffer)
{
	uint8_t *buffer = calloc(1, 70000);

	for (size_t start = 0; start < 40; start++) {
		cr_assert(bytes_are_zero(buffer + start, 70000 - start));
		buffer[69999] = 1;
		cr_assert(!bytes_are_zero(buffer + start, 70000 - start));
		cr_assert(bytes_are_zero(buffer + start, 69999 - start));
		buffer[69999] = 0;
	}
	free(buffer);
}

Test(checked, additions_and_ranges_at_the_edges)
{
	uint64_t sum;

	cr_assert(add_fits(UINT64_MAX, 0, &sum) && sum == UINT64_MAX);
	cr_assert(add_fits(UINT64_MAX - 5, 5, &sum) && sum == UINT64_MAX);
	cr_assert(!add_fits(UINT64_MAX - 5, 6, &sum));
	cr_assert(!add_fits(UINT64_MAX, UINT64_MAX, &sum));
	cr_assert(range_fits(0, 0, 0));
	cr_assert(range_fits(10, 0, 10));
	cr_assert(!range_fits(11, 0, 10));
	cr_assert(range_fits(3, 7, 10));
	cr_assert(!range_fits(3, 8, 10));
	cr_assert(!range_fits(UINT64_MAX, 2, UINT64_MAX));
	cr_assert(!range_fits(2, UINT64_MAX, UINT64_MAX));
	cr_assert(range_fits(1, UINT64_MAX - 1, UINT64_MAX));
}

Test(checked, overlap_against_a_model)
{
	for (uint64_t a = 0; a < 6; a++)
		for (uint64_t n = 0; n < 6; n++)
			for (uint64_t b = 0; b < 6; b++)
				for (uint64_t k = 0; k < 6; k++) {
					bool shared = false;

					for (uint64_t i = a; i < a + n; i++)
						shared = shared || (i >= b && i < b + k);
					cr_assert_eq(ranges_overlap(a, n, b, k), shared);
				}
}

Test(checked, rounding)
{
	cr_assert_eq(round_up(0, 4096), 0);
	cr_assert_eq(round_up(1, 4096), 4096);
	cr_assert_eq(round_up(4096, 4096), 4096);
	cr_assert_eq(round_down(4095, 4096), 0);
	cr_assert_eq(round_down(8191, 4096), 4096);
	cr_assert_eq(divide_up(0, 3), 0);
	cr_assert_eq(divide_up(9, 3), 3);
	cr_assert_eq(divide_up(10, 3), 4);
	cr_assert_eq(divide_up(UINT64_MAX, 2), UINT64_C(1) << 63);
	cr_assert(!is_power_of_two(0) && is_power_of_two(1) && is_power_of_two(UINT64_C(1) << 63) &&
		  !is_power_of_two(UINT64_MAX));
	for (unsigned shift = 0; shift < 64; shift++)
		cr_assert_eq(shift_of(UINT64_C(1) << shift), shift);
	cr_assert_eq(min_u64(3, UINT64_MAX), 3);
	cr_assert_eq(max_u64(3, UINT64_MAX), UINT64_MAX);
}

Test(ranges, sort_overlap_and_hit_against_a_model)
{
	uint64_t state = 1;

	for (unsigned round = 0; round < 3000; round++) {
		struct range ranges[8];
		size_t count = test_random_below(&state, 9);
		unsigned covered[64] = { 0 };
		bool overlap = false;

		for (size_t i = 0; i < count; i++) {
			ranges[i] = (struct range){ test_random_below(&state, 50), 1 + test_random_below(&state, 6) };
			for (uint64_t k = 0; k < ranges[i].length; k++)
				overlap = covered[ranges[i].offset + k]++ != 0 || overlap;
		}
		ranges_sort(ranges, count);
		for (size_t i = 1; i < count; i++)
			cr_assert_leq(ranges[i - 1].offset, ranges[i].offset);
		cr_assert_eq(ranges_find_overlap(ranges, count) < count, overlap);
		for (uint64_t offset = 0; !overlap && offset < 56; offset++)
			for (uint64_t length = 1; length < 8; length++) {
				bool hit = false;

				for (uint64_t k = offset; k < offset + length; k++)
					hit = hit || covered[k] != 0;
				cr_assert_eq(ranges_hit(ranges, count, offset, length), hit);
			}
	}
}

Test(memory, missing_functions_get_their_defaults)
{
	struct vhdx_env given = VHDX_ENV_INIT, full = env_complete(NULL);
	uint8_t bytes[16] = { 0 };
	void *memory = memory_zeroed(&full, 100);

	cr_assert(memory != NULL && bytes_are_zero(memory, 100));
	memory_release(&full, memory);
	memory_release(&full, NULL);
	cr_assert_eq(full.random(full.context, bytes, sizeof(bytes)), 0);
	cr_assert(!bytes_are_zero(bytes, sizeof(bytes)));
	cr_assert_gt(full.now(full.context), UINT64_C(1600000000));
	given.struct_size = offsetof(struct vhdx_env, random); /* an older caller: what lies behind is not looked at */
	given.random = NULL;
	full = env_complete(&given);
	cr_assert(full.allocate != NULL && full.release != NULL && full.random != NULL && full.now != NULL);
}

Test(memory, arrays_grow_and_survive_failure)
{
	struct testenv t;
	uint32_t *array = NULL;

	testenv_start(&t, 1);
	for (uint32_t i = 0; i < 1000; i++) {
		cr_assert(memory_grow(&t.env, (void **)&array, i, sizeof(*array)));
		array[i] = i * 3;
	}
	for (uint32_t i = 0; i < 1000; i++)
		cr_assert_eq(array[i], i * 3);
	testenv_fail(&t, 1, true);
	cr_assert(memory_grow(&t.env, (void **)&array, 1001, sizeof(*array))); /* room is left up to 1,024 */
	cr_assert(!memory_grow(&t.env, (void **)&array, 1024, sizeof(*array)));
	cr_assert_eq(array[999], 2997);
	cr_assert(!memory_grow(&t.env, (void **)&array, (SIZE_MAX >> 1) + 1, 16));
	memory_release(&t.env, array);
	cr_assert_eq(testenv_live(&t), 0);
}

Test(memory, texts_are_copied)
{
	struct testenv t;
	char *copy;

	testenv_start(&t, 1);
	copy = memory_copy_text(&t.env, "a name");
	cr_assert_str_eq(copy, "a name");
	memory_release(&t.env, copy);
	testenv_fail(&t, 1, false);
	cr_assert_null(memory_copy_text(&t.env, "a name"));
	cr_assert_eq(testenv_live(&t), 0);
}

static int no_random(void *context, void *buffer, size_t length)
{
	(void)context;
	(void)buffer;
	(void)length;
	return -1;
}

Test(memory, failing_randomness_is_told)
{
	struct vhdx_guid guid = { { 1 } };
	struct vhdx_error error;
	struct testenv t;

	testenv_start(&t, 1);
	t.env.random = no_random;
	cr_assert_eq(env_random_guids(&t.env, &guid, 1, &error), VHDX_E_IO);
}

Test(memory, random_guids_are_of_version_4)
{
	struct vhdx_guid guids[9];
	struct vhdx_error error;
	struct testenv t;

	testenv_start(&t, 1);
	cr_assert_eq(env_random_guids(&t.env, guids, 9, &error), VHDX_OK);
	for (unsigned i = 0; i < 9; i++) {
		cr_assert_eq(guids[i].bytes[6] >> 4, 4);
		cr_assert_eq(guids[i].bytes[8] >> 6, 2);
		for (unsigned k = 0; k < i; k++)
			cr_assert_arr_neq(guids[i].bytes, guids[k].bytes, 16);
	}
}
