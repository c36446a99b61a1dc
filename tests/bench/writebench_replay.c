/* SPDX-License-Identifier: MIT */
/*
 * Replay. The image is built by recipe: 64 MiB of disk, all blocks there, and in its log of 32 MiB 64 entries of 125 data sectors each (QEMU fails on entries of more than one descriptor sector), every
 * one for a page of its own. It is copied for each run, because replay changes it. QEMU's time is that of "qemu-img check
 * -r all" on such a copy less that of the same on a clean file; ours is from open to close.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/recipe.h"
#include "writebench.h"

enum { ENTRIES = 64, SECTORS = 125, BLOCKS = 32, LOG_LENGTH = 32 << 20, SEED = 77 };
static const uint64_t FIRST_BLOCK = UINT64_C(64) << 20; /* behind log, metadata and BAT */

/* In the file: every second page of all blocks, in an order without runs. */
static uint64_t target(unsigned number)
{
	return FIRST_BLOCK + (uint64_t)(number * 4999U % 8192) * 2 * PAGE;
}

static void add_entries(struct memfile *m)
{
	static struct recipe_descriptor descriptors[SECTORS];
	uint32_t at = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		struct recipe_entry entry = {
			.tail = 0, .sequence_number = 1 + i, .descriptors = descriptors, .descriptor_count = SECTORS
		};

		for (unsigned j = 0; j < SECTORS; j++)
			descriptors[j] = (struct recipe_descriptor){ .file_offset = target(i * SECTORS + j), .seed = SEED };
		entry.flushed_file_offset = memfile_size(m);
		at = recipe_log_entry(m, &entry, at);
	}
}

static void put_file(const char *name, const struct memfile *m)
{
	uint8_t *buffer = allocate(REQUEST);
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	for (uint64_t at = 0; at < memfile_size(m); at += REQUEST) {
		memfile_read(m, at, buffer, REQUEST);
		if (pwrite(fd, buffer, REQUEST, (off_t)at) != REQUEST)
			stop("%s: cannot be written: is the disk full?", name);
	}
	if (fd < 0 || fdatasync(fd) != 0 || close(fd) != 0)
		stop("%s: cannot be made", name);
	free(buffer);
}

static void make_images(const char *dirty, const char *clean)
{
	struct recipe_block blocks[BLOCKS];
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	memset(blocks, 0, sizeof(blocks));
	for (unsigned i = 0; i < BLOCKS; i++)
		blocks[i] = (struct recipe_block){
			.index = i, .state = RECIPE_FULL, .seed = 1, .file_offset = FIRST_BLOCK + (uint64_t)i * BLOCK
		};
	knobs.size = (uint64_t)BLOCKS * BLOCK;
	knobs.block_size = BLOCK;
	knobs.log_length = LOG_LENGTH;
	knobs.metadata_offset = knobs.log_offset + LOG_LENGTH;
	knobs.bat_offset = knobs.metadata_offset + knobs.metadata_length;
	knobs.blocks = blocks;
	knobs.block_count = BLOCKS;
	m = recipe_vhdx_new(&knobs, NULL);
	put_file(clean, m);
	memfile_free(m);
	knobs.log_guid = recipe_guid(3);
	m = recipe_vhdx_new(&knobs, NULL);
	add_entries(m);
	put_file(dirty, m);
	memfile_free(m);
}

static void copy(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	while (copy_file_range(in, NULL, out, NULL, 1 << 30, 0) > 0)
		;
	if (in < 0 || out < 0 || lseek(in, 0, SEEK_CUR) != lseek(in, 0, SEEK_END) || syncfs(out) != 0)
		stop("%s: cannot be copied", from);
	(void)close(in);
	(void)close(out);
}

static void check_replayed(const char *name)
{
	uint8_t wanted_page[PAGE], found[PAGE];
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	for (unsigned i = 0; i < ENTRIES * SECTORS; i++) {
		recipe_pattern(wanted_page, PAGE, target(i), SEED);
		if (pread(fd, found, PAGE, (off_t)target(i)) != PAGE || memcmp(found, wanted_page, PAGE) != 0)
			stop("%s: replay left the page at %llu behind", name, (unsigned long long)target(i));
	}
	(void)close(fd);
	vhdx_close(open_to_write(name, VHDX_OPEN_NO_REPLAY));
}

static double replay_ours(const char *name)
{
	double begin = settings.clock();

	if (vhdx_close(open_to_write(name, VHDX_OPEN_WRITE)) < 0)
		stop("%s: cannot be closed", name);
	return settings.clock() - begin;
}

static double replay(double (*how)(const char *), const char *from, const char *name, bool check)
{
	double seconds;

	copy(from, name);
	seconds = how(name);
	if (check)
		check_replayed(name);
	work_remove(name);
	return seconds;
}

static void row_flushes(const char *dirty, const char *name)
{
	struct counter counter = { 0 };
	double flushes;
	char text[24];

	copy(dirty, name);
	if (vhdx_close(open_counted(name, VHDX_OPEN_WRITE, &counter)) < 0)
		stop("%s: cannot be closed", name);
	check_replayed(name);
	work_remove(name);
	flushes = (double)counter.flushes;
	(void)snprintf(text, sizeof(text), "%.0f fdatasync", flushes);
	table_value("e", "  fdatasyncs of open and close", text, flushes, AT_MOST, 4, "");
	(void)snprintf(text, sizeof(text), "%lu writes", (unsigned long)counter.writes);
	table_value("e", "  writes of open and close", text, 0, NO_GOAL, 0, "");
}

static void race_replay(const char *dirty, const char *clean, const char *name)
{
	double ours[MAX_ROUNDS], theirs[MAX_ROUNDS] = { 0 }, ratio[MAX_ROUNDS];
	char a[24], b[32];

	for (unsigned round = 0; round < settings.rounds; round++) {
		ours[round] = replay(replay_ours, dirty, name, true);
		if (qemu_exists())
			theirs[round] = replay(qemu_check, dirty, name, true) - replay(qemu_check, clean, name, false);
		ratio[round] = theirs[round] / ours[round];
	}
	(void)snprintf(a, sizeof(a), "%.1f ms", spread_of(ours, settings.rounds).median * 1e3);
	(void)snprintf(b, sizeof(b), "QEMU %.0f ms", spread_of(theirs, settings.rounds).median * 1e3);
	if (qemu_exists())
		table_row("e", "replay of 8,000 sectors in a log of 32 MiB", a, b, spread_of(ratio, settings.rounds), AT_LEAST,
			  50);
	else
		table_value("e", "replay of 8,000 sectors in a log of 32 MiB", a, 0, NO_GOAL, 0, "");
}

void rows_replay(void)
{
	const char *dirty = work_name("dirty.vhdx"), *clean = work_name("clean.vhdx"), *name = work_name("replayed.vhdx");

	make_images(dirty, clean);
	race_replay(dirty, clean, name);
	row_flushes(dirty, name);
	work_remove(dirty);
	work_remove(clean);
}
