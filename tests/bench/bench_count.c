/* SPDX-License-Identifier: MIT */
/*
 * An I/O table around that of host files. It passes everything on and counts it: each call is one system call of the host table.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

struct counted {
	struct vhdx_file inner;
	struct counter *counter;
};

static int64_t counted_read(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->reads, 1, memory_order_relaxed);
	return c->inner.io->read(c->inner.handle, buffer, length, file_offset, error);
}

static int64_t counted_write(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->writes, 1, memory_order_relaxed);
	return c->inner.io->write(c->inner.handle, buffer, length, file_offset, error);
}

static int counted_flush(void *handle, struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->flushes, 1, memory_order_relaxed);
	return c->inner.io->flush(c->inner.handle, error);
}

static int counted_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->others, 1, memory_order_relaxed);
	return c->inner.io->set_size(c->inner.handle, size, error);
}

static int counted_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->others, 1, memory_order_relaxed);
	return c->inner.io->get_size(c->inner.handle, size, error);
}

static int counted_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
			  struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->others, 1, memory_order_relaxed);
	return c->inner.io->extent(c->inner.handle, extent, file_offset, length, error);
}

static int counted_identity(void *handle, struct vhdx_file_id *id, struct vhdx_error *error)
{
	struct counted *c = handle;

	(void)atomic_fetch_add_explicit(&c->counter->others, 1, memory_order_relaxed);
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
	.set_size = counted_set_size,
	.get_size = counted_get_size,
	.extent = counted_extent,
	.identity = counted_identity,
	.close = counted_close,
};

static int open_file(struct vhdx_file *out, const char *name, unsigned flags, struct counter *counter, struct vhdx_error *error)
{
	struct counted *c = allocate(sizeof(*c));
	int status = vhdx_file_open(&c->inner, name, flags, error);

	if (status < 0) {
		free(c);
		return status;
	}
	c->counter = counter;
	*out = (struct vhdx_file){ &counted_io, c, c->inner.name };
	return VHDX_OK;
}

/* The files of a chain lie in one directory, the current one, so the last part of a path is its name. */
static int open_parent(void *context, struct vhdx_parent_request *request, struct vhdx_error *error)
{
	for (size_t i = 0; i < request->path_count; i++) {
		const char *slash = strrchr(request->paths[i].text, '\\');
		struct vhdx_file file;
		int status = open_file(&file, slash != NULL ? slash + 1 : request->paths[i].text, 0, context, error);

		if (status == VHDX_OK)
			status = vhdx_parent_offer(request, &file);
		if (status != 0)
			return status < 0 ? status : VHDX_OK;
	}
	return VHDX_OK;
}

vhdx_disk *open_counted(const char *name, unsigned flags, struct counter *counter)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	struct vhdx_file file;
	vhdx_disk *disk;

	options.flags = flags;
	options.open_parent = open_parent;
	options.open_parent_context = counter;
	if (open_file(&file, name, flags & VHDX_OPEN_WRITE ? VHDX_FILE_WRITE : 0, counter, &error) < 0 ||
	    vhdx_open_file(&disk, &file, &options, &error) < 0)
		stop_error("open", &error);
	return disk;
}
