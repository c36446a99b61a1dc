/* SPDX-License-Identifier: MIT */
/* GUIDs, UTF-16, and the text form of errors. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/guid.h"
#include "base/utf.h"
#include "format/rules.h"
#include "support/testenv.h"

/* GUIDs */

#define BAT_TEXT "2dc27766-f623-4200-9d64-115e9bfd4a08"
static const uint8_t bat_on_disk[16] = { 0x66, 0x77, 0xC2, 0x2D, 0x23, 0xF6, 0x00, 0x42,
					 0x9D, 0x64, 0x11, 0x5E, 0x9B, 0xFD, 0x4A, 0x08 };

Test(guid, stored_form_and_text_form)
{
	struct vhdx_guid guid = guid_from_windows(bat_on_disk), parsed;
	char text[VHDX_GUID_TEXT_SIZE];
	uint8_t stored[16];

	vhdx_guid_format(&guid, text);
	cr_assert_str_eq(text, BAT_TEXT);
	guid_to_windows(stored, &guid);
	cr_assert_arr_eq(stored, bat_on_disk, 16);
	cr_assert_eq(vhdx_guid_parse(&parsed, text), VHDX_OK);
	cr_assert(guid_equal(&parsed, &guid));
	cr_assert(!guid_is_zero(&guid) && guid_is_zero(&(struct vhdx_guid){ { 0 } }));
}

Test(guid, texts_that_are_guids_and_texts_that_are_not)
{
	static const char *const good[] = { BAT_TEXT, "2DC27766-F623-4200-9D64-115E9BFD4A08", "{" BAT_TEXT "}",
					    "2dC27766-f623-4200-9D64-115e9bfd4a08" };
	static const char *const bad[] = { "",
					   "{}",
					   BAT_TEXT "0",
					   " " BAT_TEXT,
					   "{" BAT_TEXT,
					   BAT_TEXT "}",
					   "[" BAT_TEXT "]",
					   "{{" BAT_TEXT "}}",
					   "2dc27766f62342009d64115e9bfd4a08",
					   "2dc27766-f623-4200-9d64-115e9bfd4a0g",
					   "2dc27766-f623-4200-9d64_115e9bfd4a08",
					   "2dc2776-6f623-4200-9d64-115e9bfd4a08",
					   "2dc27766-f623-4200-9d64-115e9bfd4a0",
					   "2dc27766-f623-4200-9d64-115e9bfd4a -" };
	struct vhdx_guid expected = guid_from_windows(bat_on_disk), guid;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		cr_assert_eq(vhdx_guid_parse(&guid, good[i]), VHDX_OK, "%s", good[i]);
		cr_assert(guid_equal(&guid, &expected));
	}
	guid = expected;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(vhdx_guid_parse(&guid, bad[i]), VHDX_E_ARGUMENT, "%s", bad[i]);
	cr_assert_eq(vhdx_guid_parse(&guid, NULL), VHDX_E_ARGUMENT);
	cr_assert(guid_equal(&guid, &expected)); /* written on success only */
}

/* UTF-16 */

static void there_and_back(const char *utf8, const uint16_t *units, size_t count)
{
	for (unsigned big = 0; big < 2; big++) {
		uint8_t bytes[64];
		char text[UTF8_SIZE(32)];

		cr_assert_eq(utf16_from_utf8(NULL, 32, utf8, big), count);
		cr_assert_eq(utf16_from_utf8(bytes, count, utf8, big), count);
		for (size_t i = 0; i < count; i++)
			cr_assert_eq(bytes[2 * i + !big] << 8 | bytes[2 * i + big], units[i]);
		cr_assert_eq(utf8_from_utf16(text, bytes, count, big), strlen(utf8));
		cr_assert_str_eq(text, utf8);
		if (count > 0)
			cr_assert_eq(utf16_from_utf8(bytes, count - 1, utf8, big), SIZE_MAX); /* does not fit */
	}
}

Test(utf, conversions)
{
	there_and_back("", NULL, 0);
	there_and_back("a\\b", (const uint16_t[]){ 'a', '\\', 'b' }, 3);
	there_and_back("\x7F\xC2\x80\xDF\xBF", (const uint16_t[]){ 0x7F, 0x80, 0x7FF }, 3);
	there_and_back("\xE0\xA0\x80\xEF\xBF\xBF", (const uint16_t[]){ 0x800, 0xFFFF }, 2);
	there_and_back("\xF0\x90\x80\x80\xF4\x8F\xBF\xBF", (const uint16_t[]){ 0xD800, 0xDC00, 0xDBFF, 0xDFFF }, 4);
	there_and_back("x\xF0\x9F\x92\xBE", (const uint16_t[]){ 'x', 0xD83D, 0xDCBE }, 3);
}

Test(utf, lone_surrogates_survive)
{
	there_and_back("\xED\xA0\x80", (const uint16_t[]){ 0xD800 }, 1);
	there_and_back("\xED\xB0\x80z", (const uint16_t[]){ 0xDC00, 'z' }, 2);
	there_and_back("\xED\xB0\x80\xED\xA0\x80", (const uint16_t[]){ 0xDC00, 0xD800 }, 2); /* in the wrong order */
	there_and_back("\xED\xA0\x80\xF0\x90\x80\x80", (const uint16_t[]){ 0xD800, 0xD800, 0xDC00 }, 3);
}

Test(utf, every_code_unit_and_many_characters)
{
	for (uint32_t unit = 1; unit < 0x10000; unit++) {
		uint8_t bytes[2] = { (uint8_t)unit, (uint8_t)(unit >> 8) }, back[2];
		char text[UTF8_SIZE(1)];

		cr_assert_leq(utf8_from_utf16(text, bytes, 1, false), 3);
		cr_assert_eq(utf16_from_utf8(back, 1, text, false), 1);
		cr_assert_arr_eq(back, bytes, 2);
	}
}

Test(utf, what_is_not_utf8_is_refused)
{
	static const char *const bad[] = {
		"\x80",
		"\xBF",
		"\xC0\x80",
		"\xC1\xBF",
		"\xE0\x80\x80",
		"\xE0\x9F\xBF",
		"\xF0\x80\x80\x80",
		"\xF0\x8F\xBF\xBF", /* overlong */
		"\xC2",
		"\xE1\x80",
		"\xF1\x80\x80",
		"\xC2z",
		"\xE1\x80z",
		"\xF1\x80\x80z",
		"a\xC2", /* cut off */
		"\xF4\x90\x80\x80",
		"\xF5\x80\x80\x80",
		"\xF8\x88\x80\x80\x80",
		"\xFE",
		"\xFF", /* beyond */
	};
	uint8_t bytes[64];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_assert_eq(utf16_from_utf8(bytes, 32, bad[i], false), SIZE_MAX, "number %u", i);
}

Test(utf, length_ends_at_the_first_zero_unit)
{
	static const uint8_t bytes[] = { 1, 0, 0, 1, 0, 0, 5, 5 };

	cr_assert_eq(utf16_length(bytes, 4), 2);
	cr_assert_eq(utf16_length(bytes, 2), 2);
	cr_assert_eq(utf16_length(bytes, 0), 0);
	cr_assert_eq(utf16_length(bytes + 4, 2), 0);
}

/* Errors */

Test(error, text_form)
{
	struct vhdx_error error;
	char text[1400];

	cr_assert_eq(fail_at(&error, VHDX_E_DAMAGED, "VHDX-029", 0x10042, "header version is %d, not 1", 2), VHDX_E_DAMAGED);
	cr_assert_eq(error_in_file(&error, "disk.vhdx", 3), VHDX_E_DAMAGED);
	cr_assert_str_eq(vhdx_error_text(&error, text, sizeof(text)),
			 "disk.vhdx: at 0x10042: VHDX-029: header version is 2, not 1");
	cr_assert_eq(error.level, 3);
	cr_assert_eq(error_in_file(&error, "other.vhdx", 4), VHDX_E_DAMAGED); /* the first file stays */
	cr_assert_eq(error.level, 3);
	cr_assert_str_eq(error.file, "disk.vhdx");
	fail(&error, VHDX_E_RANGE, "too far");
	cr_assert_str_eq(vhdx_error_text(&error, text, sizeof(text)), "too far");
	cr_assert_eq(error.file_offset, VHDX_NO_OFFSET);
	fail_at(&error, VHDX_E_DAMAGED, "", 0, "odd");
	cr_assert_str_eq(vhdx_error_text(&error, text, sizeof(text)), "at 0x0: odd");
	cr_assert_str_eq(vhdx_error_text(&error, text, 5), "at 0"); /* cut, with a NUL */
}

Test(error, long_file_names_are_shortened_in_front)
{
	struct vhdx_error error;
	char name[400];

	for (size_t length = 254; length < 258; length++) {
		memset(name, 'd', sizeof(name));
		memcpy(name + length - 5, ".vhdx", 6);
		fail(&error, VHDX_E_IO, "x");
		error_in_file(&error, name, 0);
		if (length <= 255) {
			cr_assert_str_eq(error.file, name);
		} else {
			cr_assert_eq(strlen(error.file), 255);
			cr_assert_eq(strncmp(error.file, "...d", 4), 0);
			cr_assert_str_eq(error.file + 250, ".vhdx");
		}
	}
}

Test(error, long_messages_are_cut)
{
	struct vhdx_error error;
	char text[3000];

	memset(text, 'm', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fail(&error, VHDX_E_IO, "%s", text);
	cr_assert_eq(strlen(error.message), sizeof(error.message) - 1);
}

Test(error, system_errors_have_a_status_and_a_number)
{
	static const struct {
		int number, status;
#if defined(_WIN32) /* GetLastError */
	} pairs[] = { { 2, VHDX_E_NOT_FOUND }, { 5, VHDX_E_DENIED },    { 80, VHDX_E_EXISTS },    { 112, VHDX_E_NO_SPACE },
		      { 32, VHDX_E_LOCKED },   { 8, VHDX_E_NO_MEMORY }, { 19, VHDX_E_READ_ONLY }, { 23, VHDX_E_IO } };
#else /* errno */
	} pairs[] = { { 2, VHDX_E_NOT_FOUND },  { 13, VHDX_E_DENIED },    { 17, VHDX_E_EXISTS }, { 28, VHDX_E_NO_SPACE },
		      { 12, VHDX_E_NO_MEMORY }, { 30, VHDX_E_READ_ONLY }, { 5, VHDX_E_IO } };
#endif
	struct vhdx_error error;

	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		cr_assert_eq(fail_os(&error, pairs[i].number, "opening"), pairs[i].status);
		cr_assert_eq(error.os_error, pairs[i].number);
		cr_assert_eq(strncmp(error.message, "opening: ", 9), 0);
	}
}

Test(error, what_the_caller_told)
{
	struct vhdx_error told, error;

	memset(&told, 0xAA, sizeof(told));
	error_clear(&told);
	cr_assert_eq(error_take(&error, &told, VHDX_E_IO, "nothing told"), VHDX_E_IO);
	cr_assert_str_eq(error.message, "nothing told");
	cr_assert(error.os_error == 0 && error.status == VHDX_E_IO && error.file[0] == '\0' && error.rule[0] == '\0');
	told.os_error = 5; /* an error number alone */
	cr_assert_eq(error_take(&error, &told, VHDX_E_IO, "nothing told"), VHDX_E_IO);
	cr_assert_eq(error.os_error, 5);
	fail_at(&told, VHDX_E_NO_SPACE, "", 4096, "full");
	cr_assert_eq(error_take(&error, &told, VHDX_E_NO_SPACE, "nothing told"), VHDX_E_NO_SPACE);
	cr_assert(strcmp(error.message, "full") == 0 && error.file_offset == 4096);
	cr_assert_eq(error_take(&error, &told, VHDX_E_IO, "another"), VHDX_E_IO); /* told of something else */
	cr_assert_str_eq(error.message, "another");
}

Test(error, each_status_has_a_name_of_its_own)
{
	for (int a = VHDX_OK; a >= VHDX_E_DEAD; a--) {
		cr_assert_str_neq(vhdx_status_name(a), "unknown");
		for (int b = VHDX_OK; b > a; b--)
			cr_assert_str_neq(vhdx_status_name(a), vhdx_status_name(b));
	}
	cr_assert_str_eq(vhdx_status_name(VHDX_E_DEAD - 1), "unknown");
	cr_assert_str_eq(vhdx_status_name(1), "unknown");
}

Test(error, rules_have_names_that_fit)
{
	cr_assert_str_eq(rule_name(RULE_NONE), "");
	cr_assert_str_eq(rule_name(RULE_COUNT), "");
	cr_assert_str_eq(rule_name(RULE_VHDX_029), "VHDX-029");
	cr_assert_str_eq(rule_name(RULE_VHD_100), "VHD-100");
	for (int i = 1; i < RULE_COUNT; i++) {
		const struct rule_info *r = rule_info((enum rule)i);

		cr_assert_lt(strlen(r->name), sizeof(((struct vhdx_error *)0)->rule));
		cr_assert(strchr("RWB", r->role[0]) != NULL && r->role[1] == '\0');
		for (const char *p = r->text; *p != '\0'; p++)
			cr_assert(*p >= ' ' && *p <= '~', "%s is not plain ASCII", r->name);
		cr_assert_eq(r->text[strlen(r->text) - 1], '.');
	}
}
