/* SPDX-License-Identifier: MIT */
#include "base/utf.h"

#include "base/bytes.h"

static uint32_t unit_at(const uint8_t *bytes, size_t index, bool big_endian)
{
	return big_endian ? get_be16(bytes + index * 2) : get_le16(bytes + index * 2);
}

static char *put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		*out++ = (char)c;
	} else if (c < 0x800) {
		*out++ = (char)(0xC0 | c >> 6);
		*out++ = (char)(0x80 | (c & 0x3F));
	} else if (c < 0x10000) {
		*out++ = (char)(0xE0 | c >> 12);
		*out++ = (char)(0x80 | (c >> 6 & 0x3F));
		*out++ = (char)(0x80 | (c & 0x3F));
	} else {
		*out++ = (char)(0xF0 | c >> 18);
		*out++ = (char)(0x80 | (c >> 12 & 0x3F));
		*out++ = (char)(0x80 | (c >> 6 & 0x3F));
		*out++ = (char)(0x80 | (c & 0x3F));
	}
	return out;
}

size_t utf8_from_utf16(char *text, const uint8_t *bytes, size_t units, bool big_endian)
{
	char *out = text;

	for (size_t i = 0; i < units; i++) {
		uint32_t c = unit_at(bytes, i, big_endian);

		if ((c & 0xFC00) == 0xD800 && i + 1 < units) {
			uint32_t low = unit_at(bytes, i + 1, big_endian);

			if ((low & 0xFC00) == 0xDC00) {
				c = 0x10000 + ((c & 0x3FF) << 10 | (low & 0x3FF));
				i++;
			}
		}
		out = put_utf8(out, c);
	}
	*out = '\0';
	return (size_t)(out - text);
}

/* Reads one character; returns the bytes it takes, 0 when they are no UTF-8. */
static size_t get_utf8(const uint8_t *p, uint32_t *c)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t length = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
	uint32_t value;

	if (length == 0)
		return 0;
	value = length == 1 ? p[0] : p[0] & (0xFFu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if (p[i] >> 6 != 2)
			return 0;
		value = value << 6 | (p[i] & 0x3Fu);
	}
	if (value < least[length] || value > 0x10FFFF)
		return 0;
	*c = value;
	return length;
}

static void put_unit(uint8_t *bytes, size_t index, uint32_t unit, bool big_endian)
{
	if (big_endian)
		put_be16(bytes + index * 2, (uint16_t)unit);
	else
		put_le16(bytes + index * 2, (uint16_t)unit);
}

size_t utf16_from_utf8(uint8_t *bytes, size_t max_units, const char *text, bool big_endian)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t count = 0;

	while (*p != 0) {
		uint32_t c = 0;
		size_t length = get_utf8(p, &c);
		size_t needed = c >= 0x10000 ? 2 : 1;

		if (length == 0 || needed > max_units - count)
			return SIZE_MAX;
		if (bytes != NULL && needed == 2) {
			put_unit(bytes, count, 0xD800 | (c - 0x10000) >> 10, big_endian);
			put_unit(bytes, count + 1, 0xDC00 | (c & 0x3FF), big_endian);
		} else if (bytes != NULL) {
			put_unit(bytes, count, c, big_endian);
		}
		count += needed;
		p += length;
	}
	return count;
}

size_t utf16_length(const uint8_t *bytes, size_t units)
{
	size_t length = 0;

	while (length < units && (bytes[length * 2] | bytes[length * 2 + 1]) != 0)
		length++;
	return length;
}
