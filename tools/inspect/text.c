/* SPDX-License-Identifier: MIT */
/* Lines, sizes, dates and names as text, without locale or time zone: those cost system calls and make output differ between
 * hosts. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "inspect.h"

enum { LABEL_WIDTH = 17 };

void text_line(const char *label, const char *format, ...)
{
	size_t length = strlen(label);
	va_list arguments;

	fputs(label, stdout);
	fwrite("                 ", 1, length < LABEL_WIDTH ? LABEL_WIDTH - length : 1, stdout);
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	putchar('\n');
}

struct text text_size(uint64_t size)
{
	struct text out;

	tool_format_size(size, out.text, sizeof(out.text));
	return out;
}

struct text text_exact(uint64_t size)
{
	struct text out = text_size(size);
	size_t length = strlen(out.text);

	if (size >= 1024)
		snprintf(out.text + length, sizeof(out.text) - length, " (%" PRIu64 " bytes)", size);
	return out;
}

/* Days since 1970 to a date of the Gregorian calendar, by eras of 400 years that start on 1 March. */
struct text text_date(uint64_t seconds)
{
	uint64_t days = seconds / 86400 + 719468;
	uint64_t era = days / 146097, day = days % 146097;
	uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	uint64_t month;
	struct text out;

	day -= 365 * year + year / 4 - year / 100;
	month = (5 * day + 2) / 153;
	day -= (153 * month + 2) / 5;
	month = month < 10 ? month + 3 : month - 9;
	year += 400 * era + (month <= 2);
	seconds %= 86400;
	snprintf(out.text, sizeof(out.text), "%04" PRIu64 "-%02" PRIu64 "-%02" PRIu64 " %02u:%02u:%02u UTC", year, month, day + 1,
		 (unsigned)(seconds / 3600), (unsigned)(seconds / 60 % 60), (unsigned)(seconds % 60));
	return out;
}

struct text text_guid(const struct vhdx_guid *guid)
{
	struct text out;

	vhdx_guid_format(guid, out.text);
	return out;
}

struct text text_clean(const char *text)
{
	struct text out;
	size_t length = strlen(text);

	if (length >= sizeof(out.text)) {
		for (length = sizeof(out.text) - 4; length && ((unsigned char)text[length] & 0xC0) == 0x80;)
			length--;
		memcpy(out.text, text, length);
		memcpy(out.text + length, "...", 4);
	} else {
		memcpy(out.text, text, length + 1);
	}
	tool_clean(out.text);
	return out;
}

double text_percent(uint64_t part, uint64_t whole)
{
	return whole ? 100.0 * (double)part / (double)whole : 0;
}

const char *text_base(const char *path)
{
	const char *base = path;

	for (; *path; path++)
		if (*path == '/' || *path == '\\')
			base = path + 1;
	return base;
}
