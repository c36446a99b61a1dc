/* SPDX-License-Identifier: MIT */
/*
 * Unpacks gzip, piece by piece. A file may consist of several members, and zeros may follow the last one (tape padding); anything
 * else after it is an error.
 */
#ifndef GUNZIP_H
#define GUNZIP_H

#include <stdbool.h>
#include <stddef.h>

struct gunzip;

/* What stands between the packed and the unpacked bytes; the pointers move as bytes are used and made. */
struct gunzip_step {
	const unsigned char *packed;
	size_t packed_length;
	unsigned char *out;
	size_t out_length;
};

struct gunzip *gunzip_begin(void);
/* Goes on until one of the two sides is used up. NULL, or what is wrong, in one line. */
const char *gunzip_run(struct gunzip *gunzip, struct gunzip_step *step);
/* Whether the packed bytes may end here. */
bool gunzip_may_end(const struct gunzip *gunzip);
void gunzip_end(struct gunzip *gunzip);

#endif
