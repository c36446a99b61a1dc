/* SPDX-License-Identifier: MIT */
/* CRC-32C: the vectors of specs/vhdx.md, and both implementations against the bitwise one of the recipes. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/crc32c.h"
#include "support/recipe.h"

static void expect_crc(const void *bytes, size_t length, uint32_t expected)
{
	cr_assert_eq(crc32c(0, bytes, length), expected);
	cr_assert_eq(crc32c_table(0, bytes, length), expected);
}

Test(crc32c, vectors)
{
	uint8_t buffer[4096];

	expect_crc("", 0, 0);
	expect_crc("123456789", 9, 0xE3069283);
	memset(buffer, 0, sizeof(buffer));
	expect_crc(buffer, 32, 0x8A9136AA);
	expect_crc(buffer, 4096, 0x98F94189);
	memset(buffer, 0xFF, 32);
	expect_crc(buffer, 32, 0x62A8AB43);
	for (unsigned i = 0; i < 32; i++)
		buffer[i] = (uint8_t)i;
	expect_crc(buffer, 32, 0x46DD794E);
}

Test(crc32c, every_short_length_at_every_alignment)
{
	uint8_t buffer[128];

	recipe_pattern(buffer, sizeof(buffer), 0, 1);
	for (size_t start = 0; start < 16; start++)
		for (size_t length = 0; length <= 100; length++)
			expect_crc(buffer + start, length, recipe_crc32c(buffer + start, length));
}

Test(crc32c, pieces_in_order_are_the_whole)
{
	uint8_t buffer[100];
	uint32_t whole;

	recipe_pattern(buffer, sizeof(buffer), 0, 2);
	whole = recipe_crc32c(buffer, sizeof(buffer));
	for (size_t cut = 0; cut <= sizeof(buffer); cut++) {
		cr_assert_eq(crc32c(crc32c(0, buffer, cut), buffer + cut, sizeof(buffer) - cut), whole);
		cr_assert_eq(crc32c_table(crc32c(0, buffer, cut), buffer + cut, sizeof(buffer) - cut), whole);
	}
}

Test(crc32c, hole_counts_as_zero)
{
	uint8_t buffer[100], zeroed[100];

	recipe_pattern(buffer, sizeof(buffer), 0, 3);
	for (size_t hole = 0; hole + 4 <= sizeof(buffer); hole++) {
		memcpy(zeroed, buffer, sizeof(buffer));
		memset(zeroed + hole, 0, 4);
		cr_assert_eq(crc32c_with_hole(buffer, sizeof(buffer), hole), recipe_crc32c(zeroed, sizeof(zeroed)));
	}
}
