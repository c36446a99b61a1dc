/* SPDX-License-Identifier: MIT */
/*
 * Puts the blocks that a recipe gives to one level into its empty differencing file, as a disk in use would have left them:
 * blocks in ascending order, each behind the last one. The library reads only, so the bytes are placed here by hand.
 *
 *   VHDX  payload blocks at multiples of 1 MiB; a block that is here in part is PARTIALLY_PRESENT, its chunk has a bitmap block
 *   VHD   bitmap and data, data at multiples of 4 KiB, the footer behind the last block
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "readbench.h"

enum { SECTOR = 512, FULLY_PRESENT = 6, PARTIALLY_PRESENT = 7, RUNS_IN_BLOCK = CHILD_BLOCK / RUN, CHUNK_BLOCKS = 2048 };

struct craft {
	const char *name;
	int fd;
	bool is_vhd;
	uint64_t end; /* where the next block goes */
	uint64_t bat_offset;
	size_t bat_length;
	uint8_t *bat;
	uint8_t *bitmap;        /* VHDX: of the current chunk */
	uint64_t bitmap_offset; /* 0: none yet */
	uint8_t footer[SECTOR];
};

static void write_at(const struct craft *c, const void *bytes, size_t length, uint64_t offset)
{
	if (pwrite(c->fd, bytes, length, (off_t)offset) != (ssize_t)length)
		stop("%s: cannot be written: is the disk full?", c->name);
}

static void put_entry(struct craft *c, uint64_t index, uint64_t value)
{
	size_t width = c->is_vhd ? 4 : 8;

	for (size_t i = 0; i < width; i++)
		c->bat[index * width + i] = (uint8_t)(value >> (c->is_vhd ? 8 * (3 - i) : 8 * i));
}

static void craft_begin(struct craft *c, const char *name)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = VHDX_OPEN_NO_PARENTS;
	if (vhdx_open(&disk, name, &options, &error) < 0 || vhdx_get_info(disk, 0, &info, &error) < 0)
		stop_error("open", &error);
	vhdx_close(disk);
	*c = (struct craft){
		.name = name, .is_vhd = info.format == VHDX_FORMAT_VHD, .end = info.file_size, .bat_offset = info.bat_offset
	};
	c->bat_length = (size_t)(c->is_vhd ? info.block_count * 4
					   : (info.block_count / CHUNK_BLOCKS + 1) * (CHUNK_BLOCKS + 1) * 8);
	c->bat = allocate(c->bat_length);
	memset(c->bat, c->is_vhd ? 0xFF : 0, c->bat_length);
	c->bitmap = allocate(LARGE);
	memset(c->bitmap, 0, LARGE);
	c->fd = open(name, O_RDWR | O_CLOEXEC);
	if (c->fd < 0)
		stop("%s: cannot be opened", name);
	if (c->is_vhd) {
		c->end -= SECTOR;
		if (pread(c->fd, c->footer, SECTOR, (off_t)c->end) != SECTOR)
			stop("%s: cannot be read", name);
	}
}

/* VHDX: the chunk that ends before block `next` gets its bitmap. */
static void end_chunk(struct craft *c, uint64_t next)
{
	uint64_t chunk = (next - 1) / CHUNK_BLOCKS;

	if (c->bitmap_offset == 0)
		return;
	write_at(c, c->bitmap, LARGE, c->bitmap_offset);
	put_entry(c, (chunk + 1) * (CHUNK_BLOCKS + 1) - 1, c->bitmap_offset | FULLY_PRESENT);
	memset(c->bitmap, 0, LARGE);
	c->bitmap_offset = 0;
}

static uint64_t place_vhdx(struct craft *c, uint64_t block, bool partial)
{
	uint64_t offset;

	c->end = (c->end + LARGE - 1) / LARGE * LARGE;
	if (partial && c->bitmap_offset == 0) {
		c->bitmap_offset = c->end;
		c->end += LARGE;
	}
	offset = c->end;
	put_entry(c, block + block / CHUNK_BLOCKS, offset | (partial ? PARTIALLY_PRESENT : FULLY_PRESENT));
	c->end += CHILD_BLOCK;
	return offset;
}

static uint64_t place_vhd(struct craft *c, uint64_t block)
{
	uint64_t offset = (c->end + SECTOR + SMALL - 1) / SMALL * SMALL;

	put_entry(c, block, offset / SECTOR - 1);
	c->end = offset + CHILD_BLOCK;
	return offset;
}

/*
 * One block: `here` tells for each run of 64 KiB, 128 sectors or 16 bytes of bitmap, whether it is this level's. Neighbouring
 * runs are written together, because the system keeps in larger pieces of memory what came in larger pieces.
 */
static void put_block(struct craft *c, uint64_t block, const bool here[RUNS_IN_BLOCK], bool partial, enum recipe recipe)
{
	static uint8_t data[CHILD_BLOCK];
	uint64_t offset = c->is_vhd ? place_vhd(c, block) : place_vhdx(c, block, partial);
	uint8_t vhd_bitmap[SECTOR] = { 0 };
	uint8_t *bits = c->is_vhd ? vhd_bitmap : c->bitmap + block % CHUNK_BLOCKS * SECTOR;

	for (unsigned run = 0, next; run < RUNS_IN_BLOCK; run = next) {
		next = run + 1;
		if (!here[run])
			continue;
		while (next < RUNS_IN_BLOCK && here[next])
			next++;
		recipe_fill(recipe, data, (size_t)(next - run) * RUN, block * CHILD_BLOCK + (uint64_t)run * RUN);
		write_at(c, data, (size_t)(next - run) * RUN, offset + (uint64_t)run * RUN);
		if (c->is_vhd || partial)
			memset(bits + run * (RUN / SECTOR / 8), 0xFF, (next - run) * (RUN / SECTOR / 8));
	}
	if (c->is_vhd)
		write_at(c, vhd_bitmap, SECTOR, offset - SECTOR);
}

static void craft_end(struct craft *c)
{
	write_at(c, c->bat, c->bat_length, c->bat_offset);
	if (c->is_vhd)
		write_at(c, c->footer, SECTOR, (c->end + SECTOR - 1) / SECTOR * SECTOR);
	else if (ftruncate(c->fd, (off_t)c->end) != 0)
		stop("%s: cannot grow", c->name);
	if (fdatasync(c->fd) != 0 || close(c->fd) != 0)
		stop("%s: cannot be flushed", c->name);
	free(c->bat);
	free(c->bitmap);
}

void craft_level(const char *name, enum recipe recipe, unsigned level)
{
	uint64_t count = settings.size / CHILD_BLOCK;
	struct craft c;

	craft_begin(&c, name);
	for (uint64_t block = 0; block < count; block++) {
		bool here[RUNS_IN_BLOCK];
		unsigned runs = 0;

		for (unsigned run = 0; run < RUNS_IN_BLOCK; run++) {
			here[run] = recipe_owner(recipe, block * CHILD_BLOCK + (uint64_t)run * RUN) == level;
			runs += here[run];
		}
		if (runs != 0)
			put_block(&c, block, here, runs != RUNS_IN_BLOCK, recipe);
		if ((block + 1) % CHUNK_BLOCKS == 0 || block + 1 == count)
			end_chunk(&c, block + 1);
	}
	craft_end(&c);
}
