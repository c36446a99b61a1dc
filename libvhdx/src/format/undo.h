/* SPDX-License-Identifier: MIT */
/*
 * Undo files: what a repair has overwritten. Our own format, little-endian. Layer: format.
 *
 *   0     header   written last, so that a file without one has no meaning
 *   512   done     the repair came to its end, and what the file was then
 *   1024  begun    putting back has begun
 *   4096  records  each 32 bytes, followed by its bytes unless they are zeros
 *
 * header  "vhdxundo", version, CRC-32C of the other 36 bytes, size of the old file, end of the last record, fingerprint of what no record touches, 1 when that could be read
 * done    "vhdxdone", size of the new file, fingerprint, CRC-32C of the 20 bytes before
 * begun   "vhdxback"
 * record  file offset, length, kind, CRC-32C of the bytes, zero, CRC-32C of the 28 bytes before
 */
#ifndef FORMAT_UNDO_H
#define FORMAT_UNDO_H

#include <stdbool.h>

#include "base/error.h"

enum { UNDO_BLOCK = 512, UNDO_DONE = 512, UNDO_BEGUN = 1024, UNDO_RECORDS = 4096, UNDO_RECORD = 32, UNDO_MOST = 1 << 20 };

struct undo_header {
	uint64_t old_size;
	uint64_t end;
	uint32_t
		others; /* fingerprint of what stands in the front of the file beside the records, which a repair does not change */
	bool knows_others; /* it could be read */
};

struct undo_done {
	uint64_t new_size;
	uint32_t fingerprint;
};

struct undo_record {
	uint64_t file_offset;
	uint64_t length;
	bool is_zero;
	uint32_t checksum; /* of the bytes; at most UNDO_MOST of them */
};

/* Each fills UNDO_BLOCK or UNDO_RECORD bytes. */
void undo_header_encode(uint8_t *bytes, const struct undo_header *header);
void undo_done_encode(uint8_t *bytes, const struct undo_done *done);
void undo_begun_encode(uint8_t *bytes);
void undo_record_encode(uint8_t *bytes, const struct undo_record *record);

/* VHDX_E_NOT_IMAGE when there is none. */
int undo_header_decode(struct undo_header *out, const uint8_t *bytes, struct vhdx_error *error);
/* False when there is none, or half of one. */
bool undo_done_decode(struct undo_done *out, const uint8_t *bytes);
bool undo_begun_present(const uint8_t *bytes);
/* A record that ends inside a file of `old_size` bytes; `place` is its own. */
int undo_record_decode(struct undo_record *out, const uint8_t *bytes, uint64_t old_size, uint64_t place,
		       struct vhdx_error *error);

#endif
