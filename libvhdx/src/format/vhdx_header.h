/* SPDX-License-Identifier: MIT */
/* The two VHDX headers. Layer: format. */
#ifndef FORMAT_VHDX_HEADER_H
#define FORMAT_VHDX_HEADER_H

#include <stdbool.h>

#include "format/rules.h"

struct vhdx_header {
	uint64_t sequence_number;
	struct vhdx_guid file_write_guid;
	struct vhdx_guid data_write_guid;
	struct vhdx_guid log_guid;
	uint16_t log_version;
	uint16_t version;
	uint32_t log_length;
	uint64_t log_offset;
};

/* Signature and, unless `any_checksum`, checksum: VHDX-016. `file_offset` is for messages. */
int vhdx_header_decode(struct vhdx_header *out, const uint8_t *bytes, uint64_t file_offset, bool any_checksum,
		       struct vhdx_error *error);
/* What must hold of the current header: VHDX-028 to VHDX-036. */
int vhdx_header_check(const struct vhdx_header *header, uint64_t file_offset, struct vhdx_error *error);
/* Fills all 4,096 bytes, checksum included. */
void vhdx_header_encode(uint8_t *bytes, const struct vhdx_header *header);

/* VHDX-010. */
bool vhdx_identifier_present(const uint8_t *bytes);
/* Fills all of vhdx_file_identifier_size bytes. `creator` is cut at 255 characters. */
void vhdx_identifier_encode(uint8_t *bytes, const char *creator);

#endif
