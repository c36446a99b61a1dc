/* SPDX-License-Identifier: MIT */
#include "support/recipe.h"

#include <stdlib.h>
#include <string.h>

uint64_t recipe_get(const struct memfile *m, uint64_t offset, unsigned size)
{
	uint8_t bytes[8] = { 0 };
	uint64_t value = 0;

	memfile_read(m, offset, bytes, size);
	for (unsigned i = size; i > 0; i--)
		value = value << 8 | bytes[i - 1];
	return value;
}

void recipe_put(struct memfile *m, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> 8 * i);
	memfile_write(m, offset, bytes, size);
}

uint64_t recipe_get_be(const struct memfile *m, uint64_t offset, unsigned size)
{
	uint8_t bytes[8] = { 0 };
	uint64_t value = 0;

	memfile_read(m, offset, bytes, size);
	for (unsigned i = 0; i < size; i++)
		value = value << 8 | bytes[i];
	return value;
}

void recipe_put_be(struct memfile *m, uint64_t offset, unsigned size, uint64_t value)
{
	uint8_t bytes[8];

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> 8 * (size - 1 - i));
	memfile_write(m, offset, bytes, size);
}

struct vhdx_guid recipe_guid(uint8_t seed)
{
	struct vhdx_guid guid;

	for (unsigned i = 0; i < 16; i++)
		guid.bytes[i] = (uint8_t)(seed * 7 + i * 11 + 1);
	return guid;
}

struct vhdx_guid recipe_guid_text(const char *text)
{
	struct vhdx_guid guid;

	for (unsigned i = 0; i < 16; i++) {
		char digits[3] = { 0 };

		if (*text == '-')
			text++;
		memcpy(digits, text, 2);
		guid.bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
		text += 2;
	}
	return guid;
}

/* Reverses the first three groups: 4, 2 and 2 bytes. */
static void turn(uint8_t out[16], const uint8_t in[16])
{
	static const unsigned starts[3] = { 0, 4, 6 }, lengths[3] = { 4, 2, 2 };

	memcpy(out, in, 16);
	for (unsigned g = 0; g < 3; g++)
		for (unsigned i = 0; i < lengths[g]; i++)
			out[starts[g] + i] = in[starts[g] + lengths[g] - 1 - i];
}

struct vhdx_guid recipe_get_guid(const struct memfile *m, uint64_t offset)
{
	uint8_t stored[16];
	struct vhdx_guid guid;

	memfile_read(m, offset, stored, 16);
	turn(guid.bytes, stored);
	return guid;
}

void recipe_put_guid(struct memfile *m, uint64_t offset, const struct vhdx_guid *guid)
{
	uint8_t stored[16];

	turn(stored, guid->bytes);
	memfile_write(m, offset, stored, 16);
}

/* Bit by bit from the polynomial; a table of bytes is made once per call to be fast enough for megabytes. */
uint32_t recipe_crc32c(const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	uint32_t table[256], crc = 0xFFFFFFFFu;

	for (uint32_t i = 0; i < 256; i++) {
		uint32_t rest = i;

		for (int bit = 0; bit < 8; bit++)
			rest = (rest & 1) != 0 ? rest >> 1 ^ 0x82F63B78u : rest >> 1;
		table[i] = rest;
	}
	for (size_t i = 0; i < length; i++)
		crc = crc >> 8 ^ table[(crc ^ p[i]) & 0xFF];
	return crc ^ 0xFFFFFFFFu;
}

static uint64_t pattern_word(uint64_t index, uint32_t seed)
{
	uint64_t word = (index + 1) * UINT64_C(0x9E3779B97F4A7C15) + seed * UINT64_C(0xBF58476D1CE4E5B9);

	return seed == 0 ? 0 : word ^ word >> 29;
}

void recipe_pattern(void *buffer, size_t length, uint64_t disk_offset, uint32_t seed)
{
	uint8_t *out = buffer;

	for (size_t i = 0; i < length;) {
		uint64_t at = disk_offset + i, word = pattern_word(at / 8, seed);

		for (uint64_t k = at % 8; k < 8 && i < length; k++, i++)
			out[i] = (uint8_t)(word >> 8 * k);
	}
}

void recipe_fill(struct memfile *m, uint64_t file_offset, uint64_t length, uint64_t disk_offset, uint32_t seed)
{
	uint8_t buffer[4096];

	while (length != 0) {
		size_t part = length < sizeof(buffer) ? (size_t)length : sizeof(buffer);

		recipe_pattern(buffer, part, disk_offset, seed);
		memfile_write(m, file_offset, buffer, part);
		file_offset += part;
		disk_offset += part;
		length -= part;
	}
}
