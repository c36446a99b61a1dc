/* SPDX-License-Identifier: MIT */
/* The packing outlet of outlet.h. The header names no file, time or system, so the same content makes the same bytes. */
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>
#define ZLIB_CONST
#include <zlib.h>

#include "outlet.h"
#include "tool.h"

enum { BUFFER = 1 << 16, MOST = 1 << 30 };

struct outlet_gzip {
	struct outlet outlet;
	struct outlet *next;
	XXH3_state_t *digest;
	z_stream zlib;
	gz_header header;
	bool ready;
	unsigned char buffer[BUFFER];
};

static int out_of_memory(struct vhdx_error *error)
{
	*error = (struct vhdx_error){ .status = VHDX_E_NO_MEMORY,
				      .file_offset = VHDX_NO_OFFSET,
				      .message = "out of memory for packing" };
	return VHDX_E_NO_MEMORY;
}

/* Until all input is used, or with Z_FINISH all output is made. */
static int run(struct outlet_gzip *gzip, int mode, struct vhdx_error *error)
{
	int result = Z_OK, status = VHDX_OK;

	do {
		gzip->zlib.next_out = gzip->buffer;
		gzip->zlib.avail_out = BUFFER;
		result = deflate(&gzip->zlib, mode);
		if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
			return out_of_memory(error);
		if (gzip->zlib.avail_out < BUFFER)
			status = gzip->next->write(gzip->next, gzip->buffer, BUFFER - gzip->zlib.avail_out, error);
	} while (status == VHDX_OK && (mode == Z_FINISH ? result != Z_STREAM_END : gzip->zlib.avail_out == 0));
	return status;
}

static int gzip_write(struct outlet *outlet, const void *bytes, size_t length, struct vhdx_error *error)
{
	struct outlet_gzip *gzip = (struct outlet_gzip *)outlet;
	const unsigned char *p = bytes;
	int status = gzip->ready ? VHDX_OK : out_of_memory(error);

	XXH3_64bits_update(gzip->digest, bytes, length);
	while (status == VHDX_OK && length > 0) {
		size_t part = length < MOST ? length : MOST;

		gzip->zlib.next_in = p;
		gzip->zlib.avail_in = (uInt)part;
		status = run(gzip, Z_NO_FLUSH, error);
		p += part;
		length -= part;
	}
	return status;
}

static int gzip_finish(struct outlet *outlet, struct vhdx_error *error)
{
	struct outlet_gzip *gzip = (struct outlet_gzip *)outlet;
	int status = gzip->ready ? run(gzip, Z_FINISH, error) : out_of_memory(error);

	return status == VHDX_OK ? gzip->next->finish(gzip->next, error) : status;
}

struct outlet_gzip *outlet_gzip_begin(struct outlet *next)
{
	struct outlet_gzip *gzip = tool_allocate(NULL, sizeof(*gzip));

	*gzip = (struct outlet_gzip){ .outlet = { gzip_write, NULL, gzip_finish }, .next = next, .digest = XXH3_createState() };
	if (gzip->digest == NULL)
		exit(tool_fail("out of memory"));
	XXH3_64bits_reset(gzip->digest);
	gzip->header.os = 255; /* unknown */
	gzip->ready = deflateInit2(&gzip->zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK;
	if (gzip->ready)
		(void)deflateSetHeader(&gzip->zlib, &gzip->header);
	return gzip;
}

struct outlet *outlet_gzip_as_outlet(struct outlet_gzip *gzip)
{
	return &gzip->outlet;
}

uint64_t outlet_gzip_digest(const struct outlet_gzip *gzip)
{
	return XXH3_64bits_digest(gzip->digest);
}

void outlet_gzip_end(struct outlet_gzip *gzip)
{
	if (gzip != NULL && gzip->ready)
		deflateEnd(&gzip->zlib);
	if (gzip != NULL)
		XXH3_freeState(gzip->digest);
	free(gzip);
}
