/* SPDX-License-Identifier: MIT */
/*
 * Ways to read a disk: pread on a raw file, the library, and the limit of a chain: preads at the places where the library says
 * that the data is, each as long as the data lies in one piece, and nothing else.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "readbench.h"

static const struct job small_job = { SMALL, false, 0 };

/*
 * All of the disk in order, so that the system has the file in memory and the library has seen each place; twice, because the library
 * begins to remember only after some reads.
 */
void warm_reader(const struct reader *reader)
{
	static const struct job whole = { LARGE, true, 0 };
	size_t reads = (size_t)(settings.size / LARGE);

	(void)timed(reader, &whole, reads, 0);
	(void)timed(reader, &whole, reads, 0);
}

static bool raw_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	return pread(*(int *)handle, buffer, length, (off_t)offset) == (ssize_t)length;
}

struct reader raw_reader(const char *name)
{
	int *fd = allocate(sizeof(*fd));

	*fd = open(name, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		stop("%s: cannot be opened", name);
	return (struct reader){ .name = "pread", .read = raw_read, .handle = fd, .reads = 40000 };
}

void raw_close(struct reader *reader)
{
	(void)close(*(int *)reader->handle);
	free(reader->handle);
}

static bool our_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	struct vhdx_error error;

	if (vhdx_read(handle, buffer, length, offset, &error) < 0)
		stop_error("read", &error);
	return true;
}

struct reader our_reader(vhdx_disk *disk)
{
	return (struct reader){ .name = "libvhdx", .read = our_read, .handle = disk, .reads = 40000 };
}

vhdx_disk *open_disk(const char *name)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;

	options.open_parent = vhdx_resolve_parent;
	if (vhdx_open(&disk, name, &options, &error) < 0)
		stop_error("open", &error);
	return disk;
}

void check_reader(const struct reader *reader, enum recipe recipe)
{
	static uint8_t found[LARGE], wanted[LARGE];
	size_t checks = reader->reads < 1000 ? reader->reads : 1000;

	for (size_t i = 0; i < checks; i++) {
		bool large = i % 100 == 0;
		size_t length = large ? LARGE : SMALL;
		uint64_t offset = mix(i) % (settings.size / length) * length;

		recipe_fill(recipe, wanted, length, offset);
		if (!reader->read(reader->handle, found, length, offset) || memcmp(found, wanted, length) != 0)
			stop("%s reads wrong bytes at %llu", reader->name, (unsigned long long)offset);
	}
	if (reader->is_slow)
		(void)timed(reader, &small_job, reader->reads, 4711);
	else
		warm_reader(reader);
}

struct placed {
	int fds[LEVELS];
	struct place {
		int fd;
		uint64_t file_offset;
	} runs[]; /* of 64 KiB */
};

static bool placed_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	const struct placed *p = handle;
	uint8_t *bytes = buffer;

	while (length != 0) {
		const struct place *first = &p->runs[offset / RUN], *next = first;
		size_t part = RUN - offset % RUN;

		while (part < length && next[1].fd == first->fd && next[1].file_offset == next->file_offset + RUN) {
			next++;
			part += RUN;
		}
		part = part < length ? part : length;
		if (pread(first->fd, bytes, part, (off_t)(first->file_offset + offset % RUN)) != (ssize_t)part)
			return false;
		bytes += part;
		offset += part;
		length -= part;
	}
	return true;
}

struct reader placed_reader(const struct chain *chain, vhdx_disk *disk)
{
	size_t count = (size_t)(settings.size / RUN);
	struct placed *p = allocate(sizeof(*p) + count * sizeof(p->runs[0]));
	struct vhdx_extent extent;
	struct vhdx_error error;

	for (unsigned level = 0; level < LEVELS; level++) {
		p->fds[level] = open(chain->names[level], O_RDONLY | O_CLOEXEC);
		if (p->fds[level] < 0)
			stop("%s: cannot be opened", chain->names[level]);
	}
	for (size_t i = 0; i < count; i++) {
		if (vhdx_get_extent(disk, &extent, (uint64_t)i * RUN, RUN, &error) < 0)
			stop_error("extent", &error);
		if (extent.kind != VHDX_EXTENT_DATA || extent.length != RUN)
			stop("a run of 64 KiB is not in one piece");
		p->runs[i] = (struct place){ p->fds[extent.level], extent.file_offset };
	}
	return (struct reader){ .name = "its preads", .read = placed_read, .handle = p, .reads = 40000 };
}

void placed_close(struct reader *reader)
{
	struct placed *p = reader->handle;

	for (unsigned level = 0; level < LEVELS; level++)
		(void)close(p->fds[level]);
	free(p);
}
