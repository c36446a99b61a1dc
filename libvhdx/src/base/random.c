/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <stdint.h>

#if defined(_WIN32)
#include <windows.h>
#include <ntsecapi.h>

int random_bytes(void *buffer, size_t length)
{
	return length <= UINT32_MAX && RtlGenRandom(buffer, (ULONG)length) ? 0 : -1;
}
#else
#include <unistd.h>
#if defined(__linux__) || defined(__APPLE__)
#include <sys/random.h>
#endif

int random_bytes(void *buffer, size_t length)
{
	uint8_t *p = buffer;

	while (length != 0) {
		size_t part = length < 256 ? length : 256; /* getentropy gives no more at once */

		if (getentropy(p, part) != 0)
			return -1;
		p += part;
		length -= part;
	}
	return 0;
}
#endif
