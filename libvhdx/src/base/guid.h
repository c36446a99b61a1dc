/* SPDX-License-Identifier: MIT */
/*
 * GUIDs. In memory the bytes stand in the order of the text form; on disk VHDX uses the Windows form (first three groups little-endian,
 * specs/vhdx.md section 1.1), VHD the plain one. Layer: base.
 */
#ifndef BASE_GUID_H
#define BASE_GUID_H

#include <stdbool.h>

#include "vhdx.h"

struct vhdx_guid guid_from_windows(const uint8_t bytes[16]);
void guid_to_windows(uint8_t bytes[16], const struct vhdx_guid *guid);
bool guid_equal(const struct vhdx_guid *a, const struct vhdx_guid *b);
bool guid_is_zero(const struct vhdx_guid *guid);
void guid_text(const struct vhdx_guid *guid, char text[VHDX_GUID_TEXT_SIZE]);
/* `length` characters, any case, braces optional. */
bool guid_from_text(struct vhdx_guid *out, const char *text, size_t length);

#endif
