/* SPDX-License-Identifier: MIT */
/* The images in the work directory. All data is random (seeded), so nothing is left out as zeros. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "readbench.h"

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
