/* SPDX-License-Identifier: MIT */
/* Some sectors of a disk, kept to be compared with what the disk says later. */
#ifndef FUZZ_SAMPLES_H
#define FUZZ_SAMPLES_H

#include "fuzz.h"

enum { SAMPLE_COUNT = 96, SAMPLE_SIZE = 512 };

struct samples {
	uint64_t size; /* of the disk */
	unsigned count;
	struct {
		uint64_t offset;
		bool known; /* false: reading it failed */
		uint8_t bytes[SAMPLE_SIZE];
	} sectors[SAMPLE_COUNT];
};

/* Places near the beginnings of blocks, and some that the input says. */
void samples_take(struct samples *s, vhdx_disk *disk, uint64_t block_size, struct fuzz_input in);
/* A finding unless the disk still reads so, as far as it has these places. Places below `same` only. */
void samples_compare(const struct samples *s, vhdx_disk *disk, uint64_t same, const char *after);

#endif
