/* SPDX-License-Identifier: MIT */
#include "format/fields.h"

#include "base/bytes.h"

const struct structure_info structures[STRUCTURE_COUNT] = {
#define STRUCTURE(id, bytes, title, section) [STRUCTURE_##id] = { #id, (bytes), title, section },
#define FIELD(id, field, offset, bytes, type, rule, meaning)
#define BITS(id, field, part, low, count, meaning)
#include "format/fields.def"
#undef STRUCTURE
#undef FIELD
#undef BITS
};

const struct field_info fields[] = {
#define STRUCTURE(id, bytes, title, section)
#define FIELD(id, field, offset, bytes, type, rule, meaning)                                                                     \
	{ STRUCTURE_##id, #field, (offset), (bytes), TYPE_##type, #type, rule, meaning },
#define BITS(id, field, part, low, count, meaning)
#include "format/fields.def"
#undef STRUCTURE
#undef FIELD
#undef BITS
};
const size_t field_count = sizeof(fields) / sizeof(fields[0]);

const struct bits_info bit_parts[] = {
#define STRUCTURE(id, bytes, title, section)
#define FIELD(id, field, offset, bytes, type, rule, meaning)
#define BITS(id, field, part, low, count, meaning) { STRUCTURE_##id, #field, #part, (low), (count), meaning },
#include "format/fields.def"
#undef STRUCTURE
#undef FIELD
#undef BITS
};
const size_t bit_part_count = sizeof(bit_parts) / sizeof(bit_parts[0]);

uint64_t field_number(const struct field_info *field, const uint8_t *bytes)
{
	switch (field->type) {
	case TYPE_U8: return bytes[0];
	case TYPE_LE16: return get_le16(bytes);
	case TYPE_LE32: return get_le32(bytes);
	case TYPE_LE64: return get_le64(bytes);
	case TYPE_BE16: return get_be16(bytes);
	case TYPE_BE32: return get_be32(bytes);
	case TYPE_BE64: return get_be64(bytes);
	case TYPE_ASCII:
	case TYPE_GUID:
	case TYPE_UUID:
	case TYPE_UTF16LE:
	case TYPE_UTF16BE:
	case TYPE_BYTES: break;
	}
	return 0;
}
