/* SPDX-License-Identifier: MIT */
/* See gunzip.h. Built with VHDX_WITHOUT_ZLIB, it refuses every file. */
#include "gunzip.h"

#include <limits.h>
#include <stdlib.h>

#include "tool.h"

#ifndef VHDX_WITHOUT_ZLIB
#define ZLIB_CONST
#include <zlib.h>

struct gunzip {
	z_stream zlib;
	bool in_member;
	bool ready; /* zlib was initialised */
};

struct gunzip *gunzip_begin(void)
{
	struct gunzip *gunzip = tool_allocate(NULL, sizeof(*gunzip));

	*gunzip = (struct gunzip){ .in_member = false };
	gunzip->ready = inflateInit2(&gunzip->zlib, 15 + 16) == Z_OK;
	return gunzip;
}

static uInt bounded(size_t length)
{
	return length > INT_MAX ? INT_MAX : (uInt)length;
}

/* Between members: skips zeros, and begins the next member when there is one. */
static const char *next_member(struct gunzip *gunzip, struct gunzip_step *step)
{
	while (step->packed_length > 0 && *step->packed == 0) {
		step->packed++;
		step->packed_length--;
	}
	if (step->packed_length == 0)
		return NULL;
	if (*step->packed != 0x1f)
		return "something other than gzip follows the gzip data";
	gunzip->in_member = true;
	return inflateReset(&gunzip->zlib) == Z_OK ? NULL : "out of memory";
}

static const char *inflate_some(struct gunzip *gunzip, struct gunzip_step *step)
{
	z_stream *zlib = &gunzip->zlib;
	uInt in = bounded(step->packed_length);
	uInt out = bounded(step->out_length);
	int result;

	zlib->next_in = step->packed;
	zlib->avail_in = in;
	zlib->next_out = step->out;
	zlib->avail_out = out;
	result = inflate(zlib, Z_NO_FLUSH);
	step->packed += in - zlib->avail_in;
	step->packed_length -= in - zlib->avail_in;
	step->out += out - zlib->avail_out;
	step->out_length -= out - zlib->avail_out;
	if (result == Z_STREAM_END)
		gunzip->in_member = false;
	if (result == Z_MEM_ERROR)
		return "out of memory";
	return result == Z_OK || result == Z_STREAM_END || result == Z_BUF_ERROR ? NULL : "the gzip data is damaged";
}

const char *gunzip_run(struct gunzip *gunzip, struct gunzip_step *step)
{
	const char *problem = gunzip->ready ? NULL : "out of memory";

	while (problem == NULL && step->packed_length > 0 && step->out_length > 0)
		problem = gunzip->in_member ? inflate_some(gunzip, step) : next_member(gunzip, step);
	return problem;
}

bool gunzip_may_end(const struct gunzip *gunzip)
{
	return !gunzip->in_member;
}

void gunzip_end(struct gunzip *gunzip)
{
	if (gunzip != NULL && gunzip->ready)
		inflateEnd(&gunzip->zlib);
	free(gunzip);
}
#else
struct gunzip {
	bool unused;
};

struct gunzip *gunzip_begin(void)
{
	return tool_allocate(NULL, sizeof(struct gunzip));
}

const char *gunzip_run(struct gunzip *gunzip, struct gunzip_step *step)
{
	(void)gunzip;
	(void)step;
	return "is packed by gzip, and this program was built without zlib";
}

bool gunzip_may_end(const struct gunzip *gunzip)
{
	(void)gunzip;
	return true;
}

void gunzip_end(struct gunzip *gunzip)
{
	free(gunzip);
}
#endif
