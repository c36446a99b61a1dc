/* SPDX-License-Identifier: MIT */
#include "format/vhdx_locator.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/guid.h"
#include "base/utf.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

const struct vhdx_guid vhdx_locator_type = { { 0xB0, 0x4A, 0xEF, 0xB7, 0xD1, 0x9E, 0x4A, 0x81, 0xB7, 0x89, 0x25, 0xB8, 0xE9, 0x44,
					       0x59, 0x13 } };

int vhdx_locator_decode(uint16_t *pair_count, const uint8_t *item, uint32_t length, uint64_t file_offset,
			struct vhdx_error *error)
{
	struct vhdx_guid type;
	uint16_t count;

	if (length < vhdx_locator_header_size || length > VHDX_MAX_LOCATOR_LENGTH)
		return broken(error, RULE_VHDX_193, file_offset, "parent locator of %u bytes is not between %d and %d bytes",
			      length, vhdx_locator_header_size, VHDX_MAX_LOCATOR_LENGTH);
	type = guid_from_windows(item + vhdx_locator_header_locator_type_at);
	if (!guid_equal(&type, &vhdx_locator_type)) {
		char text[VHDX_GUID_TEXT_SIZE];

		guid_text(&type, text);
		return unsupported(error, RULE_VHDX_174, file_offset, "parent locator type {%s} is unknown", text);
	}
	count = get_le16(item + vhdx_locator_header_key_value_count_at);
	if (count > VHDX_MAX_LOCATOR_PAIRS || vhdx_locator_header_size + (uint32_t)count * vhdx_locator_entry_size > length)
		return broken(error, RULE_VHDX_193, file_offset + vhdx_locator_header_key_value_count_at,
			      "parent locator of %u bytes cannot hold %u entries", length, count);
	*pair_count = count;
	return VHDX_OK;
}

static bool has_nul(const uint8_t *bytes, size_t units)
{
	return utf16_length(bytes, units) != units;
}

int vhdx_locator_pair_decode(struct vhdx_locator_pair *out, const uint8_t *item, uint32_t length, uint16_t index,
			     uint64_t file_offset, struct vhdx_error *error)
{
	uint32_t at = vhdx_locator_header_size + (uint32_t)index * vhdx_locator_entry_size;
	uint32_t key = get_le32(item + at + vhdx_locator_entry_key_offset_at);
	uint32_t value = get_le32(item + at + vhdx_locator_entry_value_offset_at);
	uint16_t key_length = get_le16(item + at + vhdx_locator_entry_key_length_at);
	uint16_t value_length = get_le16(item + at + vhdx_locator_entry_value_length_at);

	if (key == 0 || value == 0 || key_length == 0 || value_length == 0)
		return broken(error, RULE_VHDX_176, file_offset + at, "parent locator entry %u has an empty key or value", index);
	if (key_length % 2 != 0 || value_length % 2 != 0 || !range_fits(key, key_length, length) ||
	    !range_fits(value, value_length, length))
		return broken(error, RULE_VHDX_193, file_offset + at,
			      "parent locator entry %u (key %u+%u, value %u+%u) does not fit the item of %u bytes", index, key,
			      key_length, value, value_length, length);
	if (has_nul(item + key, key_length / 2u) || has_nul(item + value, value_length / 2u))
		return broken(error, RULE_VHDX_177, file_offset + at, "parent locator entry %u contains a NUL character", index);
	*out = (struct vhdx_locator_pair){ item + key, item + value, key_length / 2u, value_length / 2u };
	return VHDX_OK;
}

bool vhdx_locator_key_is(const struct vhdx_locator_pair *pair, const char *ascii)
{
	if (strlen(ascii) != pair->key_units)
		return false;
	for (size_t i = 0; i < pair->key_units; i++)
		if (get_le16(pair->key + i * 2) != (uint8_t)ascii[i])
			return false;
	return true;
}

static size_t put_text(uint8_t *item, size_t size, size_t at, const char *text)
{
	size_t units = utf16_from_utf8(item + at, (size - at) / 2, text, false);

	return units == 0 || units > UINT16_MAX / 2 ? SIZE_MAX : units * 2;
}

size_t vhdx_locator_encode(uint8_t *item, size_t size, const struct vhdx_locator_text *pairs, uint16_t count)
{
	size_t at = vhdx_locator_header_size + (size_t)count * vhdx_locator_entry_size;

	if (at > size || count > VHDX_MAX_LOCATOR_PAIRS)
		return 0;
	memset(item, 0, at);
	guid_to_windows(item + vhdx_locator_header_locator_type_at, &vhdx_locator_type);
	put_le16(item + vhdx_locator_header_key_value_count_at, count);
	for (uint16_t i = 0; i < count; i++) {
		uint8_t *entry = item + vhdx_locator_header_size + (size_t)i * vhdx_locator_entry_size;
		size_t key = put_text(item, size, at, pairs[i].key), value;

		if (key == SIZE_MAX)
			return 0;
		value = put_text(item, size, at + key, pairs[i].value);
		if (value == SIZE_MAX)
			return 0;
		put_le32(entry + vhdx_locator_entry_key_offset_at, (uint32_t)at);
		put_le32(entry + vhdx_locator_entry_value_offset_at, (uint32_t)(at + key));
		put_le16(entry + vhdx_locator_entry_key_length_at, (uint16_t)key);
		put_le16(entry + vhdx_locator_entry_value_length_at, (uint16_t)value);
		at += key + value;
	}
	return at;
}
