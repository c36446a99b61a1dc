/* SPDX-License-Identifier: MIT */
/*
 * Values of fields as text for people: numbers decimal, places and checksums hexadecimal, both where that helps; codes, GUIDs,
 * UTF-16, times and versions in their own form. Layer: engine. No value is longer than INSPECT_TEXT_SIZE: the longest UTF-16
 * field has 256 units.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/guid.h"
#include "engine/inspect.h"
#include "format/vhd_layout.h"

enum { SHOWN_BYTES = 16 };

/* A value being written. */
struct line {
	char *text;
	size_t length;
};

static void added(struct line *line, int length)
{
	if (length > 0)
		line->length = (size_t)min_u64(line->length + (uint64_t)length, INSPECT_TEXT_SIZE - 1);
}

#define add(line, ...) added(line, format_text((line)->text + (line)->length, INSPECT_TEXT_SIZE - (line)->length, __VA_ARGS__))

static void add_code(struct line *line, const uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (bytes[i] >= 0x20 && bytes[i] < 0x7F)
			add(line, "%c", bytes[i]);
		else
			add(line, "\\x%02x", bytes[i]);
	}
}

static void add_bytes(struct line *line, const uint8_t *bytes, uint32_t length)
{
	uint32_t first = 0;

	if (bytes_are_zero(bytes, length)) {
		add(line, "%" PRIu32 " zero bytes", length);
		return;
	}
	while (bytes[first] == 0)
		first++;
	if (length > SHOWN_BYTES)
		add(line, "%" PRIu32 " bytes, the first that is not zero at %" PRIu32 ": ", length, first);
	else
		first = 0;
	for (uint32_t i = first; i < length && i < first + SHOWN_BYTES; i++)
		add(line, "%s%02x", i == first ? "" : " ", bytes[i]);
	if (length - first > SHOWN_BYTES)
		add(line, " ...");
}

static void add_guid(struct line *line, struct vhdx_guid guid)
{
	char text[VHDX_GUID_TEXT_SIZE];

	guid_text(&guid, text);
	add(line, "%s", text);
}

/* Seconds since 2000 as a date of the Gregorian calendar, by counting in years that begin in March. */
static void add_time(struct line *line, uint32_t seconds)
{
	uint32_t days = seconds / 86400 + 730425; /* since 0000-03-01 */
	uint32_t era = days / 146097, day_of_era = days % 146097;
	uint32_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint32_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
	uint32_t day = day_of_year - (153 * month + 2) / 5 + 1;
	uint32_t year = era * 400 + year_of_era + (month >= 10 ? 1 : 0), time = seconds % 86400;

	add(line, "%04" PRIu32 "-%02" PRIu32 "-%02" PRIu32 "T%02" PRIu32 ":%02" PRIu32 ":%02" PRIu32 "Z (%" PRIu32 ")", year,
	    month < 10 ? month + 3 : month - 9, day, time / 3600, time / 60 % 60, time % 60, seconds);
}

/* "0x2 (reserved_set)", "0x7 (is_user, reserved 1)"; false when the field has no parts. */
static bool add_parts(struct line *line, const struct field_info *field, uint64_t number, const char *note)
{
	const char *between = " (";
	bool has_parts = false;

	for (size_t i = 0; i < bit_part_count; i++) {
		const struct bits_info *part = &bit_parts[i];
		uint64_t bits = number >> part->low & ((UINT64_C(1) << part->count) - 1);

		if (part->structure != field->structure || strcmp(part->field, field->name) != 0)
			continue;
		if (!has_parts)
			add(line, "0x%" PRIx64, number);
		has_parts = true;
		if (bits == 0 || note != NULL)
			continue;
		add(line, "%s%s", between, part->part);
		if (part->count > 1)
			add(line, " 0x%" PRIx64, bits);
		between = ", ";
	}
	if (between[0] == ',')
		add(line, ")");
	return has_parts;
}

static bool ends_with(const char *name, const char *end)
{
	size_t length = strlen(name), end_length = strlen(end);

	return length >= end_length && strcmp(name + length - end_length, end) == 0;
}

/* Fields of VHD that are no plain numbers. */
static bool add_special(struct line *line, const struct field_info *field, uint64_t number)
{
	bool is_footer = field->structure == STRUCTURE_vhd_footer;

	if (!is_footer && field->structure != STRUCTURE_vhd_dynamic_header)
		return false;
	if (ends_with(field->name, "_version")) {
		add(line, "%" PRIu64 ".%" PRIu64 " (0x%08" PRIx64 ")", number >> 16, number & 0xFFFF, number);
		return true;
	}
	if (strcmp(field->name, "time_stamp") == 0 || (strcmp(field->name, "parent_time_stamp") == 0 && number != 0)) {
		add_time(line, (uint32_t)number);
		return true;
	}
	if (strcmp(field->name, "disk_type") == 0 && number >= VHD_DISK_FIXED && number <= VHD_DISK_DIFFERENCING) {
		add(line, "%" PRIu64 " (%s)", number, vhdx_type_name((enum vhdx_type)number));
		return true;
	}
	return false;
}

static void add_number(struct line *line, const struct field_info *field, uint64_t number, const char *note)
{
	if (add_parts(line, field, number, note) || add_special(line, field, number))
		return;
	if (ends_with(field->name, "checksum"))
		add(line, "0x%08" PRIx64, number);
	else if (ends_with(field->name, "offset") || ends_with(field->name, "tail"))
		add(line, "0x%" PRIx64, number);
	else if (number >= 4096 && number % 512 == 0)
		add(line, "%" PRIu64 " (0x%" PRIx64 ")", number, number);
	else
		add(line, "%" PRIu64, number);
}

void inspect_value(struct inspection *in, const struct field_info *field, const uint8_t *bytes, const char *note)
{
	struct line line = { in->text, 0 };
	size_t units = field->length / 2;

	line.text[0] = '\0';
	switch (field->type) {
	case TYPE_ASCII: add_code(&line, bytes, field->length); break;
	case TYPE_GUID: add_guid(&line, guid_from_windows(bytes)); break;
	case TYPE_UUID: {
		struct vhdx_guid guid;

		memcpy(guid.bytes, bytes, sizeof(guid.bytes));
		add_guid(&line, guid);
		break;
	}
	case TYPE_UTF16LE: line.length = utf8_from_utf16(line.text, bytes, utf16_length(bytes, units), false); break;
	case TYPE_UTF16BE: line.length = utf8_from_utf16(line.text, bytes, utf16_length(bytes, units), true); break;
	case TYPE_BYTES: add_bytes(&line, bytes, field->length); break;
	case TYPE_U8:
	case TYPE_LE16:
	case TYPE_LE32:
	case TYPE_LE64:
	case TYPE_BE16:
	case TYPE_BE32:
	case TYPE_BE64: add_number(&line, field, field_number(field, bytes), note); break;
	}
	if (note != NULL)
		add(&line, " (%s)", note);
}
