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

static void our_open(struct session *s)
{
	s->disk = open_to_write(s->file, VHDX_OPEN_WRITE);
}

static double our_run(struct session *s, const struct load *load)
{
	double begin = settings.clock();

	run_load(s->disk, load);
	if (load->flush_end)
		flush_disk(s->disk);
	return settings.clock() - begin;
}

static void our_close(struct session *s)
{
	if (vhdx_close(s->disk) < 0)
		stop("%s: cannot be closed", s->file);
}

static void raw_open(struct session *s)
{
	s->fd = open(s->file, O_RDWR | O_CLOEXEC);
}

static double raw_run(struct session *s, const struct load *load)
{
	double begin = settings.clock();
	uint8_t *buffer = new_buffer(load);

	for (unsigned i = 0; i < load->count; i++) {
		if (pwrite(s->fd, buffer, load->length, (off_t)load_place(load, i)) != (ssize_t)load->length)
			stop("%s: cannot be written: is the disk full?", s->file);
		if (load->flush_each && fdatasync(s->fd) != 0)
			stop("%s: cannot be flushed", s->file);
	}
	if (load->flush_end && fdatasync(s->fd) != 0)
		stop("%s: cannot be flushed", s->file);
	free(buffer);
	return settings.clock() - begin;
}

static void raw_close(struct session *s)
{
	(void)close(s->fd);
}

const struct writer our_writer = { .name = "libvhdx", .open = our_open, .run = our_run, .close = our_close };
const struct writer raw_writer = { .name = "pwrite", .open = raw_open, .run = raw_run, .close = raw_close, .is_raw = true };
