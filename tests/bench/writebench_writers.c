/* SPDX-License-Identifier: MIT */
/* The library, and pwrite on a raw file: the same requests at the same places, flushed at the same points. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writebench.h"

uint64_t load_place(const struct load *load, unsigned number)
{
	return (load->first + number * load->step) % load->size;
}

static uint8_t *new_buffer(const struct load *load)
{
	uint8_t *buffer = allocate(load->length);

	memset(buffer, load->pattern, load->length);
	return buffer;
}

vhdx_disk *open_to_write(const char *name, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = flags;
	options.open_parent = vhdx_resolve_parent;
	if (vhdx_open(&disk, name, &options, &error) < 0)
		stop_error("open", &error);
	return disk;
}

void flush_disk(vhdx_disk *disk)
{
	struct vhdx_error error;

	if (vhdx_flush(disk, &error) < 0)
		stop_error("flush", &error);
}

void run_load(vhdx_disk *disk, const struct load *load)
{
	uint8_t *buffer = new_buffer(load);
	struct vhdx_error error;

	for (unsigned i = 0; i < load->count; i++) {
		if (vhdx_write(disk, buffer, load->length, load_place(load, i), &error) < 0)
			stop_error("write", &error);
		if (load->flush_each)
			flush_disk(disk);
	}
	free(buffer);
}

/* A load of no more than overwriting is measured in the middle of a session, so its first write comes before. */
static void begin_session(vhdx_disk *disk, const struct load *load)
{
	struct load one = *load;

	one.count = 1;
	run_load(disk, &one);
}

static double our_run(const struct writer *writer, const struct load *load, const char *file)
{
	vhdx_disk *disk = open_to_write(file, VHDX_OPEN_WRITE);
	double begin, seconds;

	(void)writer;
	if (!load->flush_each && !load->flush_end)
		begin_session(disk, load);
	begin = settings.clock();
	run_load(disk, load);
	if (load->flush_end)
		flush_disk(disk);
	seconds = settings.clock() - begin;
	if (vhdx_close(disk) < 0)
		stop("%s: cannot be closed", file);
	return seconds;
}

static double raw_run(const struct writer *writer, const struct load *load, const char *file)
{
	uint8_t *buffer = new_buffer(load);
	int fd = open(file, O_RDWR | O_CLOEXEC);
	double begin = settings.clock();

	(void)writer;
	for (unsigned i = 0; i < load->count; i++) {
		if (pwrite(fd, buffer, load->length, (off_t)load_place(load, i)) != (ssize_t)load->length)
			stop("%s: cannot be written: is the disk full?", file);
		if (load->flush_each && fdatasync(fd) != 0)
			stop("%s: cannot be flushed", file);
	}
	if (load->flush_end && fdatasync(fd) != 0)
		stop("%s: cannot be flushed", file);
	begin = settings.clock() - begin;
	(void)close(fd);
	free(buffer);
	return begin;
}

const struct writer our_writer = { .name = "libvhdx", .run = our_run };
const struct writer raw_writer = { .name = "pwrite", .run = raw_run, .is_raw = true };
