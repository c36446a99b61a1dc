/* SPDX-License-Identifier: MIT */
/*
 * CRC-32C (Castagnoli), the checksum of VHDX: specs/vhdx.md section 1.15. Layer: base. Start with 0, feed the pieces in order:
 * crc32c(crc32c(0, a), b) is the checksum of ab. Uses the processor's instruction where there is one.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length);
/* The portable form, for tests. */
uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t length);
/* The checksum of `length` bytes with the four at `hole` counted as zero. */
uint32_t crc32c_with_hole(const void *bytes, size_t length, size_t hole);

#endif
