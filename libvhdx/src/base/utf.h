/* SPDX-License-Identifier: MIT */
/* UTF-16 of either byte order to UTF-8 and back. Layer: base. Unpaired surrogates survive the way there and back (WTF-8). */
#ifndef BASE_UTF_H
#define BASE_UTF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that utf8_from_utf16 may need for `units` code units, with the NUL. */
#define UTF8_SIZE(units) ((units)*3 + 1)

/* Converts `units` code units; writes a NUL; returns the length without it. `text` has UTF8_SIZE(units) bytes. */
size_t utf8_from_utf16(char *text, const uint8_t *bytes, size_t units, bool big_endian);

/* Converts `text` to at most `max_units` code units; returns their number, or SIZE_MAX when they do not fit or the text is not UTF-8.
 * `bytes` may be NULL to count. */
size_t utf16_from_utf8(uint8_t *bytes, size_t max_units, const char *text, bool big_endian);

/* Code units before the first zero unit, at most `units`. */
size_t utf16_length(const uint8_t *bytes, size_t units);

#endif
