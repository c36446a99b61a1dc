/* SPDX-License-Identifier: MIT */
/*
 * Two ways to the same number: the CRC32 instruction of SSE 4.2 or of ARMv8 (8 bytes at a time), and a 16-entry nibble table that costs
 * no set-up and no cache. The choice is made at each call from a flag that the compiler's runtime keeps; no state of ours.
 */
#include "base/crc32c.h"

#include <string.h>

static const uint32_t nibbles[16] = {
	0x00000000, 0x105EC76F, 0x20BD8EDE, 0x30E349B1, 0x417B1DBC, 0x5125DAD3, 0x61C69362, 0x7198540D,
	0x82F63B78, 0x92A8FC17, 0xA24BB5A6, 0xB21572C9, 0xC38D26C4, 0xD3D3E1AB, 0xE330A81A, 0xF36E6F75,
};

uint32_t crc32c_table(uint32_t crc, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	crc = ~crc;
	while (length-- != 0) {
		crc ^= *p++;
		crc = crc >> 4 ^ nibbles[crc & 15];
		crc = crc >> 4 ^ nibbles[crc & 15];
	}
	return ~crc;
}

#if defined(__GNUC__) && defined(__x86_64__)
#include <nmmintrin.h>
__attribute__((target("sse4.2"))) static uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	uint64_t state = (uint32_t)~crc;

	for (; length >= 8; length -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		state = _mm_crc32_u64(state, word);
	}
	for (; length != 0; length--, p++)
		state = _mm_crc32_u8((uint32_t)state, *p);
	return ~(uint32_t)state;
}

static int has_hardware(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__GNUC__) && defined(__ARM_FEATURE_CRC32) && defined(__LITTLE_ENDIAN__)
#include <arm_acle.h>
static uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t length)
{
	const uint8_t *p = bytes;

	crc = ~crc;
	for (; length >= 8; length -= 8, p += 8) {
		uint64_t word;

		memcpy(&word, p, 8);
		crc = __crc32cd(crc, word);
	}
	for (; length != 0; length--, p++)
		crc = __crc32cb(crc, *p);
	return ~crc;
}

static int has_hardware(void)
{
	return 1;
}
#else
static uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t length)
{
	return crc32c_table(crc, bytes, length);
}

static int has_hardware(void)
{
	return 0;
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t length)
{
	return has_hardware() ? crc32c_hardware(crc, bytes, length) : crc32c_table(crc, bytes, length);
}

uint32_t crc32c_with_hole(const void *bytes, size_t length, size_t hole)
{
	static const uint8_t zeros[4];
	const uint8_t *p = bytes;
	uint32_t crc = crc32c(0, p, hole);

	crc = crc32c(crc, zeros, 4);
	return crc32c(crc, p + hole + 4, length - hole - 4);
}
