/* SPDX-License-Identifier: MIT */
/* What a file costs its host: size, space, and the attributes of NTFS that keep Windows from attaching an image. */
#ifndef OCCUPANCY_H
#define OCCUPANCY_H

#include <stdbool.h>
#include <stdint.h>

struct occupancy {
	bool known; /* a regular file that could be looked at; otherwise all the rest is 0 */
	uint64_t size;
	uint64_t allocated;    /* bytes of the host's disk in use */
	bool attributes_known; /* on Windows only */
	bool sparse;           /* these three are attributes of NTFS */
	bool compressed;
	bool encrypted;
};

void occupancy_of(struct occupancy *out, const char *path);

#endif
