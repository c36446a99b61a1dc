/* SPDX-License-Identifier: MIT */
/* Statuses and errors as text. Layer: api. */
#include <inttypes.h>
#include <stdio.h>

#include "base/error.h"

static const struct {
	int status;
	const char *name;
} names[] = {
	{ VHDX_OK, "ok" },
	{ VHDX_E_ARGUMENT, "wrong argument" },
	{ VHDX_E_RANGE, "out of range" },
	{ VHDX_E_ALIGNMENT, "not aligned" },
	{ VHDX_E_NOT_IMAGE, "not an image" },
	{ VHDX_E_DAMAGED, "damaged" },
	{ VHDX_E_UNSUPPORTED, "unsupported" },
	{ VHDX_E_NEEDS_REPLAY, "needs replay" },
	{ VHDX_E_PARENT_MISSING, "parent missing" },
	{ VHDX_E_PARENT_MISMATCH, "parent mismatch" },
	{ VHDX_E_PARENT_DENIED, "parent denied" },
	{ VHDX_E_CHAIN, "bad chain" },
	{ VHDX_E_READ_ONLY, "read-only" },
	{ VHDX_E_NO_SPACE, "no space" },
	{ VHDX_E_LOCKED, "locked" },
	{ VHDX_E_EXISTS, "exists" },
	{ VHDX_E_NOT_FOUND, "not found" },
	{ VHDX_E_DENIED, "access denied" },
	{ VHDX_E_IO, "input/output error" },
	{ VHDX_E_NO_MEMORY, "out of memory" },
	{ VHDX_E_CANCELLED, "cancelled" },
	{ VHDX_E_DEAD, "handle dead" },
};

const char *vhdx_status_name(int status)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].status == status)
			return names[i].name;
	return "unknown";
}

char *vhdx_error_text(const struct vhdx_error *error, char *text, size_t text_size)
{
	char place[32] = "";

	if (error->file_offset != VHDX_NO_OFFSET)
		format_text(place, sizeof(place), "at 0x%" PRIx64 ": ", error->file_offset);
	format_text(text, text_size, "%s%s%s%s%s%s", error->file, error->file[0] != '\0' ? ": " : "", place, error->rule,
		    error->rule[0] != '\0' ? ": " : "", error->message);
	if (text_size != 0)
		text_make_printable(text);
	return text;
}
