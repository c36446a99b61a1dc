/* SPDX-License-Identifier: MIT */
#include "base/guid.h"

#include <string.h>

/* Position on disk of each byte of the text order. */
static const uint8_t windows_order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };

struct vhdx_guid guid_from_windows(const uint8_t bytes[16])
{
	struct vhdx_guid guid;

	for (unsigned i = 0; i < 16; i++)
		guid.bytes[i] = bytes[windows_order[i]];
	return guid;
}

void guid_to_windows(uint8_t bytes[16], const struct vhdx_guid *guid)
{
	for (unsigned i = 0; i < 16; i++)
		bytes[windows_order[i]] = guid->bytes[i];
}

bool guid_equal(const struct vhdx_guid *a, const struct vhdx_guid *b)
{
	return memcmp(a->bytes, b->bytes, 16) == 0;
}

bool guid_is_zero(const struct vhdx_guid *guid)
{
	static const struct vhdx_guid zero;

	return guid_equal(guid, &zero);
}

void guid_text(const struct vhdx_guid *guid, char text[VHDX_GUID_TEXT_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	char *out = text;

	for (unsigned i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[guid->bytes[i] >> 4];
		*out++ = digits[guid->bytes[i] & 15];
	}
	*out = '\0';
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool guid_from_text(struct vhdx_guid *out, const char *text, size_t length)
{
	struct vhdx_guid guid;

	if (length == 38 && text[0] == '{' && text[37] == '}') {
		text++;
		length -= 2;
	}
	if (length != 36)
		return false;
	for (unsigned i = 0; i < 16; i++) {
		int high, low;

		if (i == 4 || i == 6 || i == 8 || i == 10)
			if (*text++ != '-')
				return false;
		high = digit(text[0]);
		low = digit(text[1]);
		if (high < 0 || low < 0)
			return false;
		guid.bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	*out = guid;
	return true;
}
