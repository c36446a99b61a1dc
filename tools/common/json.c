/* SPDX-License-Identifier: MIT */
/*
 * The streaming JSON writer: two spaces of indentation per level, members of flat levels on one line. Output errors are left to
 * the stream (tool_end reports them).
 */
#include "json.h"

#include <assert.h>
#include <string.h>

/* What the first byte of a UTF-8 sequence says about its length; 0 when it cannot be a first byte. */
static unsigned announced_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first >= 0xf5)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Length of the valid sequence at `p`: no overlong forms, surrogates, or code points above U+10FFFF; 0 when there is none. */
static unsigned utf8_length(const unsigned char *p)
{
	unsigned length = announced_length(p[0]);

	for (unsigned i = 1; i < length; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] >= 0x90))
		return 0;
	return length;
}

static void flush_buffer(struct json *json)
{
	fwrite(json->buffer, 1, json->used, json->out);
	json->used = 0;
}

/* At most JSON_BUFFER bytes. */
static void put(struct json *json, const char *text, size_t length)
{
	if (length > sizeof(json->buffer) - json->used)
		flush_buffer(json);
	memcpy(json->buffer + json->used, text, length);
	json->used += length;
}

static void put_word(struct json *json, const char *text)
{
	put(json, text, strlen(text));
}

static void put_escape(struct json *json, unsigned char c)
{
	char text[8];

	if (c == '"' || c == '\\')
		snprintf(text, sizeof(text), "\\%c", c);
	else if (c == '\n' || c == '\t')
		snprintf(text, sizeof(text), "\\%c", c == '\n' ? 'n' : 't');
	else
		snprintf(text, sizeof(text), "\\u%04x", c);
	put_word(json, text);
}

static void put_text(struct json *json, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	put(json, "\"", 1);
	while (*p) {
		unsigned length = utf8_length(p);

		if (length == 0)
			put_word(json, "\xef\xbf\xbd");
		else if (*p == '"' || *p == '\\' || *p < 0x20 || *p == 0x7f)
			put_escape(json, *p);
		else
			put(json, (const char *)p, length);
		p += length == 0 ? 1 : length;
	}
	put(json, "\"", 1);
}

static void put_number(struct json *json, uint64_t value)
{
	char digits[20];
	size_t first = sizeof(digits);

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	put(json, digits + first, sizeof(digits) - first);
}

static void indent(struct json *json, unsigned depth)
{
	put(json, "\n                                ", 1 + 2 * (size_t)depth);
}

/* Whatever stands before a value: comma, line break, key. */
static void before_value(struct json *json, const char *key)
{
	unsigned level = json->depth;

	if (json->has_member[level])
		put_word(json, json->flat[level] ? ", " : ",");
	if (level > 0 && !json->flat[level])
		indent(json, level);
	else if (level > 0 && !json->has_member[level] && !json->is_array[level])
		put(json, " ", 1);
	json->has_member[level] = true;
	if (key != NULL) {
		put_text(json, key);
		put(json, ": ", 2);
	}
}

static void open_level(struct json *json, const char *key, bool flat, bool is_array)
{
	assert(json->depth + 1 < JSON_MAX_DEPTH);
	before_value(json, key);
	put(json, is_array ? "[" : "{", 1);
	json->flat[json->depth + 1] = flat || json->flat[json->depth];
	json->depth++;
	json->has_member[json->depth] = false;
	json->is_array[json->depth] = is_array;
}

void json_begin(struct json *json, FILE *out)
{
	*json = (struct json){ .out = out };
}

void json_end(struct json *json)
{
	while (json->depth > 0)
		json_close(json);
	put(json, "\n", 1);
	flush_buffer(json);
	json->has_member[0] = false;
}

void json_object(struct json *json, const char *key, bool flat)
{
	open_level(json, key, flat, false);
}

void json_array(struct json *json, const char *key, bool flat)
{
	open_level(json, key, flat, true);
}

void json_close(struct json *json)
{
	unsigned level = json->depth;

	assert(level > 0);
	json->depth--;
	if (json->has_member[level] && !json->flat[level])
		indent(json, json->depth);
	else if (json->has_member[level] && !json->is_array[level])
		put(json, " ", 1);
	put(json, json->is_array[level] ? "]" : "}", 1);
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (value == NULL) {
		json_null(json, key);
		return;
	}
	before_value(json, key);
	put_text(json, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	before_value(json, key);
	put_number(json, value);
}

void json_fraction(struct json *json, const char *key, double value)
{
	char text[400];

	before_value(json, key);
	snprintf(text, sizeof(text), "%.2f", value);
	put_word(json, text);
}

void json_bool(struct json *json, const char *key, bool value)
{
	before_value(json, key);
	put_word(json, value ? "true" : "false");
}

void json_null(struct json *json, const char *key)
{
	before_value(json, key);
	put_word(json, "null");
}
