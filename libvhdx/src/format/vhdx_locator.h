/* SPDX-License-Identifier: MIT */
/* The VHDX parent locator item: key/value strings. Layer: format. Nothing is copied; entries point into the item's bytes. */
#ifndef FORMAT_VHDX_LOCATOR_H
#define FORMAT_VHDX_LOCATOR_H

#include <stdbool.h>
#include <stddef.h>

#include "format/rules.h"

extern const struct vhdx_guid vhdx_locator_type;

struct vhdx_locator_pair {
	const uint8_t *key; /* UTF-16LE */
	const uint8_t *value;
	size_t key_units;
	size_t value_units;
};

/* Header: locator type and number of pairs: VHDX-174. `file_offset` is that of the item. */
int vhdx_locator_decode(uint16_t *pair_count, const uint8_t *item, uint32_t length, uint64_t file_offset,
			struct vhdx_error *error);
/* Pair `index`, inside the item: VHDX-176, VHDX-177, VHDX-193. */
int vhdx_locator_pair_decode(struct vhdx_locator_pair *out, const uint8_t *item, uint32_t length, uint16_t index,
			     uint64_t file_offset, struct vhdx_error *error);
bool vhdx_locator_key_is(const struct vhdx_locator_pair *pair, const char *ascii);

struct vhdx_locator_text {
	const char *key;
	const char *value;
};

/* Writes an item with `count` pairs; returns its length, or 0 when it does not fit `size` or a text is not UTF-8. */
size_t vhdx_locator_encode(uint8_t *item, size_t size, const struct vhdx_locator_text *pairs, uint16_t count);

#endif
