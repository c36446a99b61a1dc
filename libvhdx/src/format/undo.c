/* SPDX-License-Identifier: MIT */
#include "format/undo.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checked.h"
#include "base/crc32c.h"

enum { VERSION = 2, HEADER = 40, ZEROS = 1 };

void undo_header_encode(uint8_t *bytes, const struct undo_header *header)
{
	memset(bytes, 0, UNDO_BLOCK);
	memcpy(bytes, "vhdxundo", 8);
	put_le32(bytes + 8, VERSION);
	put_le64(bytes + 16, header->old_size);
	put_le64(bytes + 24, header->end);
	put_le32(bytes + 32, header->knows_others ? header->others : 0);
	put_le32(bytes + 36, header->knows_others);
	put_le32(bytes + 12, crc32c(0, bytes, HEADER));
}

int undo_header_decode(struct undo_header *out, const uint8_t *bytes, struct vhdx_error *error)
{
	uint8_t copy[HEADER];

	memcpy(copy, bytes, sizeof(copy));
	put_le32(copy + 12, 0);
	if (memcmp(bytes, "vhdxundo", 8) != 0 || get_le32(bytes + 12) != crc32c(0, copy, sizeof(copy)))
		return fail(error, VHDX_E_NOT_IMAGE, "this is no undo file, or one that was never finished");
	if (get_le32(bytes + 8) != VERSION)
		return fail(error, VHDX_E_UNSUPPORTED, "the undo file has version %u, not %d", get_le32(bytes + 8), VERSION);
	*out = (struct undo_header){ get_le64(bytes + 16), get_le64(bytes + 24), get_le32(bytes + 32),
				     get_le32(bytes + 36) != 0 };
	return VHDX_OK;
}

void undo_done_encode(uint8_t *bytes, const struct undo_done *done)
{
	memset(bytes, 0, UNDO_BLOCK);
	memcpy(bytes, "vhdxdone", 8);
	put_le64(bytes + 8, done->new_size);
	put_le32(bytes + 16, done->fingerprint);
	put_le32(bytes + 20, crc32c(0, bytes, 20));
}

bool undo_done_decode(struct undo_done *out, const uint8_t *bytes)
{
	*out = (struct undo_done){ get_le64(bytes + 8), get_le32(bytes + 16) };
	return memcmp(bytes, "vhdxdone", 8) == 0 && get_le32(bytes + 20) == crc32c(0, bytes, 20);
}

void undo_begun_encode(uint8_t *bytes)
{
	memset(bytes, 0, UNDO_BLOCK);
	memcpy(bytes, "vhdxback", 8);
}

bool undo_begun_present(const uint8_t *bytes)
{
	return memcmp(bytes, "vhdxback", 8) == 0;
}

void undo_record_encode(uint8_t *bytes, const struct undo_record *record)
{
	put_le64(bytes, record->file_offset);
	put_le64(bytes + 8, record->length);
	put_le32(bytes + 16, record->is_zero ? ZEROS : 0);
	put_le32(bytes + 20, record->checksum);
	put_le32(bytes + 24, 0);
	put_le32(bytes + 28, crc32c(0, bytes, 28));
}

int undo_record_decode(struct undo_record *out, const uint8_t *bytes, uint64_t old_size, uint64_t place, struct vhdx_error *error)
{
	*out = (struct undo_record){ get_le64(bytes), get_le64(bytes + 8), get_le32(bytes + 16) == ZEROS, get_le32(bytes + 20) };
	if (get_le32(bytes + 28) != crc32c(0, bytes, 28) || out->length == 0 ||
	    !range_fits(out->file_offset, out->length, old_size) || (!out->is_zero && out->length > UNDO_MOST))
		return fail_at(error, VHDX_E_DAMAGED, "", place, "a record of the undo file is damaged");
	return VHDX_OK;
}
