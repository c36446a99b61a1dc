/* SPDX-License-Identifier: MIT */
/*
 * Sizes as people write and read them.
 *
 * K, M, G, T, P, E and KiB ... EiB are powers of 1024; KB ... EB are powers of 1000, in either case of letters. Decimal fractions
 * are computed exactly: "1.5T" is right to the byte, "0.3K" is refused because it is no whole number of bytes.
 */
#include <inttypes.h>
#include <string.h>

#include "tool.h"

static const char unit_letters[] = "KMGTPE";

static bool multiply(uint64_t *value, uint64_t factor)
{
	if (factor != 0 && *value > UINT64_MAX / factor)
		return false;
	*value *= factor;
	return true;
}

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* The digits at *text in `base`; false without any, or on overflow. */
static bool parse_digits(const char **text, unsigned base, uint64_t *value, unsigned *count)
{
	*value = 0;
	for (*count = 0; (unsigned)digit_value(**text) < base; (*text)++, (*count)++) {
		uint64_t digit = (uint64_t)digit_value(**text);

		if (!multiply(value, base) || *value > UINT64_MAX - digit)
			return false;
		*value += digit;
	}
	return *count > 0;
}

/* "", "B", "K", "KiB", "KB" and so on up to E. */
static bool parse_unit(const char *text, uint64_t *unit)
{
	const char *letter;
	uint64_t step = 1024;

	*unit = 1;
	if (*text == '\0' || ((*text | 0x20) == 'b' && text[1] == '\0'))
		return true;
	letter = strchr(unit_letters, *text >= 'a' && *text <= 'z' ? *text - 0x20 : *text);
	if (letter == NULL)
		return false;
	text++;
	if ((*text | 0x20) == 'b' && text[1] == '\0')
		step = 1000;
	else if (*text != '\0' && ((text[0] | 0x20) != 'i' || (text[1] | 0x20) != 'b' || text[2] != '\0'))
		return false;
	for (const char *p = unit_letters; p <= letter; p++)
		*unit *= step;
	return true;
}

/* fraction / 10^digits of a unit; false when that is no whole number of bytes. */
static bool scale_fraction(uint64_t fraction, unsigned digits, uint64_t unit, uint64_t *value)
{
	uint64_t scale = 1;

	for (; digits > 0 && fraction % 10 == 0; digits--)
		fraction /= 10;
	for (; digits > 0; digits--) {
		if (!multiply(&scale, 10))
			return false;
	}
	/* Takes common factors out first, so that the product cannot overflow when the result is whole. */
	while (scale % 2 == 0 && unit % 2 == 0) {
		scale /= 2;
		unit /= 2;
	}
	while (scale % 5 == 0 && (unit % 5 == 0 || fraction % 5 == 0)) {
		scale /= 5;
		if (unit % 5 == 0)
			unit /= 5;
		else
			fraction /= 5;
	}
	*value = fraction;
	if (!multiply(value, unit) || *value % scale != 0)
		return false;
	*value /= scale;
	return true;
}

bool tool_parse_size(const char *text, uint64_t *size)
{
	uint64_t whole, fraction = 0, unit;
	unsigned count, fraction_digits = 0;
	unsigned base = 10;

	if (text[0] == '0' && (text[1] | 0x20) == 'x') {
		base = 16;
		text += 2;
	}
	if (!parse_digits(&text, base, &whole, &count))
		return false;
	if (*text == '.' && base == 10) {
		text++;
		if (!parse_digits(&text, base, &fraction, &fraction_digits))
			return false;
	}
	if (*text == ' ')
		text++;
	if (!parse_unit(text, &unit) || !multiply(&whole, unit) || !scale_fraction(fraction, fraction_digits, unit, &fraction) ||
	    whole > UINT64_MAX - fraction)
		return false;
	*size = whole + fraction;
	return true;
}

/* Three significant digits of size / unit, where unit <= size < 1024 * unit. */
static void format_rounded(uint64_t size, uint64_t unit, const char *letter, char *text, size_t text_size)
{
	uint64_t whole = size / unit;
	uint64_t scale = whole < 10 ? 100 : whole < 100 ? 10 : 1;
	uint64_t rounded = whole * scale + ((size % unit) * scale + unit / 2) / unit;

	if (scale == 100)
		snprintf(text, text_size, "%" PRIu64 ".%02" PRIu64 " %ciB", rounded / 100, rounded % 100, *letter);
	else if (scale == 10)
		snprintf(text, text_size, "%" PRIu64 ".%" PRIu64 " %ciB", rounded / 10, rounded % 10, *letter);
	else if (rounded == 1024 && letter[1] != 'E')
		snprintf(text, text_size, "1 %ciB", letter[1]);
	else
		snprintf(text, text_size, "%" PRIu64 " %ciB", rounded, *letter);
}

char *tool_format_size(uint64_t size, char *text, size_t text_size)
{
	const char *letter = unit_letters;
	uint64_t unit = 1024;
	uint64_t hundredths;

	if (size < 1024) {
		snprintf(text, text_size, size == 1 ? "%" PRIu64 " byte" : "%" PRIu64 " bytes", size);
		return text;
	}
	/* Up to PiB, so that a remainder times 100 stays far below 2^64. */
	for (; *letter != 'P' && size / unit >= 1024; letter++)
		unit *= 1024;
	hundredths = (size % unit) * 100;
	if (hundredths % unit != 0) {
		format_rounded(size, unit, letter, text, text_size);
		return text;
	}
	hundredths /= unit;
	if (hundredths == 0)
		snprintf(text, text_size, "%" PRIu64 " %ciB", size / unit, *letter);
	else if (hundredths % 10 == 0)
		snprintf(text, text_size, "%" PRIu64 ".%" PRIu64 " %ciB", size / unit, hundredths / 10, *letter);
	else
		snprintf(text, text_size, "%" PRIu64 ".%02" PRIu64 " %ciB", size / unit, hundredths, *letter);
	return text;
}
