/* SPDX-License-Identifier: MIT */
/* An I/O table around that of host files, which counts what it passes on: each call is one system call of the host table. */
#include <stdlib.h>

#include "bench.h"

struct counted {
	struct vhdx_file inner;
	struct counts *counts;
};

static void one(atomic_ullong *counter)
{
	(void)atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void add(atomic_ullong *counter, int64_t bytes)
{
	if (bytes > 0)
		(void)atomic_fetch_add_explicit(counter, (unsigned long long)bytes, memory_order_relaxed);
}

static int64_t counted_read(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct counted *c = handle;
	int64_t got = c->inner.io->read(c->inner.handle, buffer, length, file_offset, error);

	one(&c->counts->reads);
	add(&c->counts->bytes_read, got);
	return got;
}

static int64_t counted_write(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct counted *c = handle;
	int64_t done = c->inner.io->write(c->inner.handle, buffer, length, file_offset, error);

	one(&c->counts->writes);
	add(&c->counts->bytes_written, done);
	return done;
}

static int counted_flush(void *handle, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->flushes);
	return c->counts->lazy ? VHDX_OK : c->inner.io->flush(c->inner.handle, error);
}

static int counted_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->get_size(c->inner.handle, size, error);
}

static int counted_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->set_size(c->inner.handle, size, error);
}

static int counted_zero(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->zero(c->inner.handle, file_offset, length, error);
}

static int counted_punch(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->punch(c->inner.handle, file_offset, length, error);
}

static int counted_reserve(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->reserve(c->inner.handle, file_offset, length, error);
}

static int counted_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
			  struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->extent(c->inner.handle, extent, file_offset, length, error);
}

static int counted_identity(void *handle, struct vhdx_file_id *id, struct vhdx_error *error)
{
	struct counted *c = handle;

	one(&c->counts->others);
	return c->inner.io->identity(c->inner.handle, id, error);
}

static void counted_close(void *handle)
{
	struct counted *c = handle;

	vhdx_file_close(&c->inner);
	free(c);
}

static const struct vhdx_io counted_io = {
	.struct_size = sizeof(struct vhdx_io),
	.read = counted_read,
	.write = counted_write,
	.flush = counted_flush,
	.get_size = counted_get_size,
	.set_size = counted_set_size,
	.zero = counted_zero,
	.punch = counted_punch,
	.reserve = counted_reserve,
	.extent = counted_extent,
	.identity = counted_identity,
	.close = counted_close,
};

int counted_open(struct vhdx_file *out, const char *path, unsigned flags, struct counts *counts, struct vhdx_error *error)
{
	struct counted *c = tool_allocate(NULL, sizeof(*c));
	int status = vhdx_file_open(&c->inner, path, flags, error);

	if (status < 0) {
		free(c);
		return status;
	}
	c->counts = counts;
	*out = (struct vhdx_file){ &counted_io, c, c->inner.name };
	return VHDX_OK;
}
