/* SPDX-License-Identifier: MIT */
/* A streaming JSON writer: nothing is kept but the nesting, so a map of a million extents costs no memory. */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { JSON_MAX_DEPTH = 16, JSON_BUFFER = 8192 };

struct json {
	FILE *out;
	unsigned depth;
	bool has_member[JSON_MAX_DEPTH]; /* a comma is due before the next member */
	bool flat[JSON_MAX_DEPTH];       /* members of this level stand on one line */
	bool is_array[JSON_MAX_DEPTH];
	size_t used; /* bytes in `buffer`, which json_end hands to `out` */
	char buffer[JSON_BUFFER];
};

void json_begin(struct json *json, FILE *out);
/* Ends the document with a newline. */
void json_end(struct json *json);
/* `key` is NULL inside arrays and at the top. `flat` objects stand on one line. */
void json_object(struct json *json, const char *key, bool flat);
void json_array(struct json *json, const char *key, bool flat);
void json_close(struct json *json); /* the innermost object or array */
/* Bytes that are not UTF-8 become U+FFFD. NULL is written as null. */
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_fraction(struct json *json, const char *key, double value); /* two decimals */
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif
