/* SPDX-License-Identifier: MIT */
/*
 * The on-disk fields of both formats, from fields.def. Decoders take their offsets and sizes from the enum, the dump and the specs test
 * walk the table. Layer: format.
 */
#ifndef FORMAT_FIELDS_H
#define FORMAT_FIELDS_H

#include <stddef.h>
#include <stdint.h>

/* vhdx_header_checksum_at, vhdx_header_checksum_length, vhdx_header_size, ... */
enum field_place {
#define STRUCTURE(id, bytes, title, section) id##_size = (bytes),
#define FIELD(id, field, offset, bytes, type, rule, meaning) id##_##field##_at = (offset), id##_##field##_length = (bytes),
#define BITS(id, field, part, low, count, meaning)
#include "format/fields.def"
#undef STRUCTURE
#undef FIELD
#undef BITS
};

enum structure_id {
#define STRUCTURE(id, bytes, title, section) STRUCTURE_##id,
#define FIELD(id, field, offset, bytes, type, rule, meaning)
#define BITS(id, field, part, low, count, meaning)
#include "format/fields.def"
#undef STRUCTURE
#undef FIELD
#undef BITS
	STRUCTURE_COUNT
};

enum field_type {
	TYPE_ASCII,
	TYPE_U8,
	TYPE_LE16,
	TYPE_LE32,
	TYPE_LE64,
	TYPE_BE16,
	TYPE_BE32,
	TYPE_BE64,
	TYPE_GUID,
	TYPE_UUID,
	TYPE_UTF16LE,
	TYPE_UTF16BE,
	TYPE_BYTES
};

struct field_info {
	enum structure_id structure;
	const char *name;
	uint32_t offset;
	uint32_t length;
	enum field_type type;
	const char *type_name;
	const char *rule; /* "" when none */
	const char *meaning;
};

struct bits_info {
	enum structure_id structure;
	const char *field;
	const char *part;
	unsigned low;
	unsigned count;
	const char *meaning;
};

struct structure_info {
	const char *name;
	uint32_t size;
	const char *title;
	const char *section;
};

extern const struct structure_info structures[STRUCTURE_COUNT];
/* In table order; fields of one structure stand together. */
extern const struct field_info fields[];
extern const size_t field_count;
extern const struct bits_info bit_parts[];
extern const size_t bit_part_count;

/* Integer types only: the value in host order. */
uint64_t field_number(const struct field_info *field, const uint8_t *bytes);

#endif
