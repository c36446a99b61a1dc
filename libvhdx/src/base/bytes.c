/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <string.h>

/* Compares the buffer with itself shifted by 16: memcmp is the fastest byte scanner that every C library has. */
int bytes_are_zero(const void *bytes, size_t length)
{
	const uint8_t *p = bytes;
	size_t head = length < 16 ? length : 16;

	for (size_t i = 0; i < head; i++)
		if (p[i] != 0)
			return 0;
	return length <= 16 || memcmp(p, p + 16, length - 16) == 0;
}
