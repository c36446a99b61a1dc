/* SPDX-License-Identifier: MIT */
/* Reaching a disk through the library, and a raw file or block device without it. Both end in the same I/O table of the host. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static struct vhdx_file file_of(const char *path, unsigned flags, struct counts *counts)
{
	struct vhdx_file file;
	struct vhdx_error error;

	if ((counts != NULL ? counted_open(&file, path, flags, counts, &error) : vhdx_file_open(&file, path, flags, &error)) < 0)
		stop_error("opening", &error);
	return file;
}

vhdx_disk *open_disk(const struct subject *subject, unsigned flags, struct counts *counts)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file first, parents[MAX_DEPTH];
	struct vhdx_error error;
	vhdx_disk *disk;

	first = file_of(subject->paths[0], flags & VHDX_OPEN_WRITE ? VHDX_FILE_WRITE : 0, counts);
	for (unsigned level = 1; level < subject->depth; level++)
		parents[level - 1] = file_of(subject->paths[level], 0, counts);
	options.flags = flags;
	options.parents = parents;
	options.parent_count = subject->depth - 1;
	if (vhdx_open_file(&disk, &first, &options, &error) < 0)
		stop_error("opening", &error);
	return disk;
}

static bool ours_can(const struct subject *subject, const struct work *work)
{
	(void)subject;
	(void)work;
	return true;
}

static void *ours_open(const struct subject *subject, bool write, struct counts *counts)
{
	return open_disk(subject, write ? VHDX_OPEN_WRITE : 0, counts);
}

static void ours_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	struct vhdx_error error;

	if (vhdx_read(handle, buffer, length, offset, &error) < 0)
		stop_error("reading", &error);
}

static void ours_write(void *handle, const void *buffer, size_t length, uint64_t offset)
{
	struct vhdx_error error;

	if (vhdx_write(handle, buffer, length, offset, &error) < 0)
		stop_error("writing", &error);
}

static void ours_flush(void *handle)
{
	struct vhdx_error error;

	if (vhdx_flush(handle, &error) < 0)
		stop_error("flushing", &error);
}

static void ours_close(void *handle)
{
	if (vhdx_close(handle) < 0)
		stop("a disk cannot be closed");
}

const struct way way_ours = { .name = "libvhdx",
			      .can = ours_can,
			      .open = ours_open,
			      .read = ours_read,
			      .write = ours_write,
			      .flush = ours_flush,
			      .close = ours_close };

static void *raw_open(const struct subject *subject, bool write, struct counts *counts)
{
	struct vhdx_file *file = tool_allocate(NULL, sizeof(*file));
	unsigned flags = subject->kind->device != NULL ? VHDX_FILE_NO_LOCK : 0;

	*file = file_of(subject->paths[0], flags | (write ? VHDX_FILE_WRITE : 0), counts);
	return file;
}

static void raw_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	const struct vhdx_file *file = handle;
	struct vhdx_error error;

	if (file->io->read(file->handle, buffer, length, offset, &error) != (int64_t)length)
		stop("%s cannot be read", file->name);
}

static void raw_write(void *handle, const void *buffer, size_t length, uint64_t offset)
{
	const struct vhdx_file *file = handle;
	struct vhdx_error error;

	if (file->io->write(file->handle, buffer, length, offset, &error) != (int64_t)length)
		stop("%s cannot be written", file->name);
}

static void raw_flush(void *handle)
{
	const struct vhdx_file *file = handle;
	struct vhdx_error error;

	if (file->io->flush(file->handle, &error) < 0)
		stop("%s cannot be flushed", file->name);
}

static void raw_close(void *handle)
{
	vhdx_file_close(handle);
	free(handle);
}

const struct way way_raw = { .name = "pass-through",
			     .can = ours_can,
			     .open = raw_open,
			     .read = raw_read,
			     .write = raw_write,
			     .flush = raw_flush,
			     .close = raw_close };

const struct way *way_of(const struct kind *kind)
{
	return kind->format == VHDX_FORMAT_RAW ? &way_raw : &way_ours;
}
