/* SPDX-License-Identifier: MIT */
/* What a file costs its host: size, space, and the attributes of NTFS that keep Windows from attaching an image. */
#ifndef OCCUPANCY_H
#define OCCUPANCY_H

#include <stdbool.h>
#include <stdint.h>

struct occupancy {
	bool known;             /* a regular file that could be looked at; otherwise all the rest is 0 */
	uint64_t size;
	uint64_t allocated;     /* bytes of the host's disk in use */
	bool attributes_known;  /* Windows; Linux when the file is on NTFS and has holes */
	bool sparse;            /* NTFS attributes */
	bool compressed;
	bool encrypted;
};

void occupancy_of(struct occupancy *out, const char *path);

#endif
