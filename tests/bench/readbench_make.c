/* SPDX-License-Identifier: MIT */
/*
 * The work directory and the images in it. All data is random (seeded), so nothing is left out as zeros. The program changes
 * into the directory, and removes its files by name; also when it is interrupted, which unlink, chdir and rmdir allow.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "readbench.h"

enum { MAX_FILES = 512, NAME_SIZE = 48 };

static char names[MAX_FILES][NAME_SIZE];
static volatile sig_atomic_t name_count;
static char directory_name[4096];

static void interrupted(int signal_number)
{
	work_end();
	_exit(128 + signal_number);
}

void work_begin(const char *directory)
{
	char place[4096];

	if (chdir(directory) != 0 || getcwd(place, sizeof(place) - 32) == NULL)
		stop("%s: no such directory", directory);
	(void)snprintf(directory_name, sizeof(directory_name), "%.4000s/vhdx-readbench-XXXXXX", place);
	if (mkdtemp(directory_name) == NULL || chdir(directory_name) != 0)
		stop("%s: a directory cannot be made here", directory);
	(void)signal(SIGINT, interrupted);
	(void)signal(SIGTERM, interrupted);
	(void)signal(SIGHUP, interrupted);
}

void work_end(void)
{
	if (directory_name[0] == '\0')
		return;
	for (int i = 0; i < name_count; i++)
		(void)unlink(names[i]);
	if (chdir("..") == 0)
		(void)rmdir(directory_name);
	directory_name[0] = '\0';
}

const char *work_name(const char *format, ...)
{
	va_list arguments;

	if (name_count == MAX_FILES)
		stop("too many files");
	va_start(arguments, format);
	(void)vsnprintf(names[name_count], NAME_SIZE, format, arguments);
	va_end(arguments);
	return names[name_count++];
}

void work_remove(const char *name)
{
	(void)unlink(name);
}

uint64_t mix(uint64_t value)
{
	value += UINT64_C(0x9E3779B97F4A7C15);
	value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
	return value ^ value >> 31;
}

unsigned recipe_owner(enum recipe recipe, uint64_t offset)
{
	switch (recipe) {
	case RECIPE_BASE: break;
	case RECIPE_BLOCKS: return (unsigned)(mix(offset / CHILD_BLOCK + 1000003) % LEVELS);
	case RECIPE_RUNS: return (unsigned)(mix(offset / RUN + 7000003) % LEVELS);
	}
	return LEVELS - 1;
}

void recipe_fill(enum recipe recipe, uint8_t *buffer, size_t length, uint64_t offset)
{
	uint64_t seed = 0;

	for (size_t i = 0; i + 8 <= length; i += 8) {
		uint64_t word;

		if (i == 0 || (offset + i) % RUN == 0)
			seed = mix(recipe_owner(recipe, offset + i));
		word = mix(offset + i + seed);
		memcpy(buffer + i, &word, 8);
	}
}

const char *make_raw(void)
{
	const char *name = work_name("base.raw");
	uint8_t *buffer = allocate(LARGE);
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		stop("%s: cannot be made", name);
	for (uint64_t at = 0; at < settings.size; at += LARGE) {
		recipe_fill(RECIPE_BASE, buffer, LARGE, at);
		if (pwrite(fd, buffer, LARGE, (off_t)at) != LARGE)
			stop("%s: cannot be written: is the disk full?", name);
	}
	if (fdatasync(fd) != 0 || close(fd) != 0)
		stop("%s: cannot be flushed", name);
	free(buffer);
	return name;
}

static int read_source(void *context, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	(void)context;
	(void)error;
	recipe_fill(RECIPE_BASE, buffer, length, offset);
	return VHDX_OK;
}

const char *make_image(const char *name, enum vhdx_format format, uint32_t block_size, bool full)
{
	struct vhdx_source source = { .size = settings.size, .read = read_source };
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_error error;

	name = work_name("%s", name);
	options.format = format;
	options.size = settings.size;
	options.block_size = block_size;
	if (full)
		options.source = &source;
	if (vhdx_create(name, &options, &error) < 0)
		stop_error("create", &error);
	return name;
}

static void make_child(const char *name, const char *parent, enum vhdx_format format)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options opening = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;

	options.format = format;
	options.block_size = CHILD_BLOCK;
	opening.flags = VHDX_OPEN_NO_PARENTS;
	if (vhdx_open(&options.parent, parent, &opening, &error) < 0)
		stop_error("open", &error);
	if (vhdx_create(name, &options, &error) < 0)
		stop_error("create", &error);
	vhdx_close(options.parent);
}

void make_chain(struct chain *chain, const char *base, const char *stem, enum vhdx_format format, enum recipe recipe)
{
	chain->recipe = recipe;
	chain->depth = LEVELS;
	chain->names[LEVELS - 1] = base;
	for (unsigned level = LEVELS - 1; level-- != 0;) {
		chain->names[level] = work_name("%s-%02u.%s", stem, level, format == VHDX_FORMAT_VHD ? "vhd" : "vhdx");
		make_child(chain->names[level], chain->names[level + 1], format);
		if (recipe != RECIPE_BASE)
			craft_level(chain->names[level], recipe, level);
	}
}

void remove_chain(struct chain *chain)
{
	for (unsigned level = 0; level + 1 < chain->depth; level++)
		work_remove(chain->names[level]);
}
