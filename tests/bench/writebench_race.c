/* SPDX-License-Identifier: MIT */
/*
 * Writers in turns. An allocating load gets a new file for each run, made outside of the time, and the filesystem is at rest before each run, so
 * that no writer pays for what another left behind. Overwriting is done in short slices on files that are kept. After each run
 * the content is compared: the places written, what stands beside them, and how many blocks that took.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "writebench.h"

enum { SLICES = 10 };

static const uint8_t OLD = 0xA5; /* what a full disk holds before */

static const char *name_of(const struct writer *w, const struct disk_kind *kind, const char *stem)
{
	return work_name("%s.%s", stem, w->is_raw ? "raw" : kind->format == VHDX_FORMAT_VHDX ? "vhdx" : "vhd");
}

static void make_raw(const char *name, uint64_t size)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, (off_t)size) != 0 || fdatasync(fd) != 0 || close(fd) != 0)
		stop("%s: cannot be made", name);
}

static void make_ours(const char *name, const struct disk_kind *kind, uint64_t size)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_error error;

	options.format = kind->format;
	options.block_size = kind->block_size;
	if (kind->is_child)
		options.parent = open_to_write(kind->format == VHDX_FORMAT_VHDX ? "parent.vhdx" : "parent.vhd", 0);
	else
		options.size = size;
	if (vhdx_create(name, &options, &error) < 0)
		stop_error("create", &error);
	vhdx_close(options.parent);
}

static void make_file(const struct writer *w, const struct disk_kind *kind, const char *name, uint64_t size)
{
	if (w->is_raw)
		make_raw(name, size);
	else if (w->is_peer && kind->content == EMPTY)
		qemu_create(name, kind->format, size, kind->block_size);
	else
		make_ours(name, kind, size);
}

static double run_once(const struct writer *w, const struct load *load, const char *name)
{
	struct session s = { .writer = w, .file = name };
	double seconds;

	w->open(&s);
	seconds = w->run(&s, load);
	w->close(&s);
	return seconds;
}

/* In order, by the library also for a peer, so that all files of a format have the same layout. */
static void fill_file(const struct writer *w, const struct disk_kind *kind, const char *name, uint64_t size)
{
	struct load load = { .size = size, .length = REQUEST, .step = REQUEST, .pattern = OLD, .flush_end = true };
	const struct writer *filler = w->is_raw ? &raw_writer : &our_writer;

	load.count = (unsigned)(size / REQUEST);
	if (kind->content == NEARLY) {
		load.length = kind->block_size - PAGE;
		load.step = kind->block_size;
		load.count = (unsigned)(size / kind->block_size);
	}
	(void)run_once(filler, &load, name);
}

static void make_parent(const struct disk_kind *kind, uint64_t size)
{
	struct disk_kind parent = *kind;

	parent.is_child = false;
	make_ours(work_name("parent.%s", kind->format == VHDX_FORMAT_VHDX ? "vhdx" : "vhd"), &parent, size);
}

/* Reading what a run left behind. */
struct reading {
	const char *name;
	vhdx_disk *disk; /* NULL: the raw file */
	int fd;
};

static void read_place(const struct reading *r, uint8_t *buffer, size_t length, uint64_t place)
{
	struct vhdx_error error;

	if (r->disk != NULL ? vhdx_read(r->disk, buffer, length, place, &error) < 0
			    : pread(r->fd, buffer, length, (off_t)place) != (ssize_t)length)
		stop("%s: cannot be read after the run", r->name);
}

static void check_bytes(const struct reading *r, uint64_t place, size_t length, uint8_t wanted_byte)
{
	static uint8_t bytes[REQUEST];

	read_place(r, bytes, length, place);
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != wanted_byte)
			stop("%s holds a wrong byte at %llu", r->name, (unsigned long long)(place + i));
}

static void check_blocks(const struct reading *r, const struct load *load, uint32_t block_size)
{
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_error error;
	uint64_t wanted_blocks = load->length < REQUEST ? load->count : load->size / block_size;

	if (vhdx_get_usage(r->disk, 0, &usage, &error) < 0)
		stop_error("usage", &error);
	if (usage.blocks_present + usage.blocks_partial != wanted_blocks || usage.blocks_damaged != 0)
		stop("%s has %llu blocks, not %llu", r->name, (unsigned long long)(usage.blocks_present + usage.blocks_partial),
		     (unsigned long long)wanted_blocks);
}

static void check_file(const struct disk_kind *kind, const struct load *load, const char *name, bool is_raw)
{
	struct reading r = { .name = name, .disk = NULL, .fd = -1 };

	if (is_raw)
		r.fd = open(name, O_RDONLY | O_CLOEXEC);
	else
		r.disk = open_to_write(name, 0);
	for (unsigned i = 0; i < load->count; i++) {
		uint64_t place = load_place(load, i);

		check_bytes(&r, place, load->length, load->pattern);
		if (kind->content == EMPTY && load->length < REQUEST) {
			check_bytes(&r, place - PAGE, PAGE, 0);
			check_bytes(&r, place + load->length, PAGE, 0);
		}
	}
	if (!is_raw && kind->content == EMPTY)
		check_blocks(&r, load, kind->block_size);
	if (is_raw)
		(void)close(r.fd);
	else
		vhdx_close(r.disk);
}

static void rest(void)
{
	int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || syncfs(fd) != 0)
		stop("the filesystem cannot be flushed");
	(void)close(fd);
}

/*
 * Forgets the pages of a file. The system keeps what came in large writes in large pieces, and a small write into such a piece costs it several
 * times as much, more in one file than in another; after this all come back page by page.
 */
static void forget_pages(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		stop("%s: cannot be opened", name);
	(void)close(fd);
}

static double run_new(const struct writer *w, const struct disk_kind *kind, const struct load *load, const char *name)
{
	double seconds;

	make_file(w, kind, name, load->size);
	rest();
	seconds = run_once(w, load, name);
	check_file(kind, load, name, w->is_raw);
	work_remove(name);
	return seconds / load->count;
}

typedef double round_seconds[MAX_WRITERS];

static void round_new(const struct write_race *race, const struct disk_kind *kind, const struct load *load,
		      const char *const names[], unsigned round, round_seconds seconds)
{
	for (unsigned turn = 0; turn < race->count; turn++) {
		unsigned i = (turn + round) % race->count;

		seconds[i] = run_new(race->writers[i], kind, load, names[i]);
	}
}

static void round_kept(const struct write_race *race, const struct load *load, struct session *sessions, unsigned round,
		       round_seconds seconds)
{
	for (unsigned i = 0; i < race->count; i++)
		seconds[i] = 0;
	for (unsigned slice = 0; slice < SLICES; slice++) {
		struct load part = *load;

		part.first = load_place(load, (round * SLICES + slice) * load->count);
		for (unsigned turn = 0; turn < race->count; turn++) {
			unsigned i = (turn + slice) % race->count;

			seconds[i] += race->writers[i]->run(&sessions[i], &part) / load->count / SLICES;
		}
	}
}

/* Every place is written once before: that begins the sessions, and brings the pages. */
static void rounds_kept(const struct write_race *race, const struct load *load, const char *const names[], round_seconds *rounds)
{
	struct session sessions[MAX_WRITERS];
	struct load all = *load;

	all.count = (unsigned)(load->size / (2 * PAGE));
	for (unsigned i = 0; i < race->count; i++) {
		sessions[i] = (struct session){ .writer = race->writers[i], .file = names[i] };
		forget_pages(names[i]);
		race->writers[i]->open(&sessions[i]);
		(void)race->writers[i]->run(&sessions[i], &all);
	}
	for (unsigned round = 0; round < settings.rounds; round++)
		round_kept(race, load, sessions, round, rounds[round]);
	for (unsigned i = 0; i < race->count; i++)
		race->writers[i]->close(&sessions[i]);
}

static void judge(struct write_race *race, round_seconds *rounds)
{
	for (unsigned i = 0; i < race->count; i++) {
		double seconds[MAX_ROUNDS], ratio[MAX_ROUNDS];

		for (unsigned round = 0; round < settings.rounds; round++) {
			seconds[round] = rounds[round][i];
			ratio[round] = rounds[round][0] / rounds[round][i];
		}
		race->seconds[i] = spread_of(seconds, settings.rounds);
		race->ratio[i] = spread_of(ratio, settings.rounds);
	}
}

void write_race(struct write_race *race, const struct disk_kind *kind, const struct load *load)
{
	static const char *const stems[MAX_WRITERS] = { "a", "b", "c", "d" };
	const char *names[MAX_WRITERS];
	round_seconds rounds[MAX_ROUNDS];
	bool is_new = kind->content == EMPTY;

	if (kind->is_child)
		make_parent(kind, load->size);
	for (unsigned i = 0; i < race->count; i++) {
		names[i] = name_of(race->writers[i], kind, stems[i]);
		if (is_new)
			continue;
		make_file(race->writers[i], kind, names[i], load->size);
		fill_file(race->writers[i], kind, names[i], load->size);
	}
	rest();
	for (unsigned round = 0; is_new && round < settings.rounds; round++)
		round_new(race, kind, load, names, round, rounds[round]);
	if (!is_new)
		rounds_kept(race, load, names, rounds);
	for (unsigned i = 0; !is_new && i < race->count; i++) {
		check_file(kind, load, names[i], race->writers[i]->is_raw);
		work_remove(names[i]);
	}
	if (kind->is_child)
		work_remove(kind->format == VHDX_FORMAT_VHDX ? "parent.vhdx" : "parent.vhd");
	judge(race, rounds);
}
