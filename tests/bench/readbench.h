/* SPDX-License-Identifier: MIT */
/*
 * vhdx-readbench: what reading costs, beside the same work done by pread on a raw file (the limit) and by libvhdi (a peer). Job:
 * the parts' common ground.
 *
 *   readbench.c        options, order of the rows
 *   readbench_rows.c   one function for each group of rows
 *   readbench_race.c   interleaved timing, medians
 *   readbench_readers.c  ways to read a disk
 *   readbench_make.c   the images in the work directory
 *   readbench_craft.c  puts blocks into the files of a chain
 *   readbench_peer.c   libvhdi, where there is one
 *
 * Every byte of every image follows from its recipe and its place, so any reader can be checked without keeping a copy.
 */
#ifndef READBENCH_H
#define READBENCH_H

#include "bench.h"

enum { SMALL = 4096, LARGE = 1 << 20, RUN = 65536, CHILD_BLOCK = 2 << 20, LEVELS = 64 };

/* Who holds what in a chain of LEVELS files. The base holds everything that the others do not. */
enum recipe {
	RECIPE_BASE,   /* one file, or nothing but empty files above it */
	RECIPE_BLOCKS, /* each block of 2 MiB belongs wholly to one of the levels, chosen by chance */
	RECIPE_RUNS    /* each run of 64 KiB does: blocks are partially present in many levels */
};
unsigned recipe_owner(enum recipe recipe, uint64_t offset);
/* What a disk of this recipe holds; also the level's own data, when all of the range is its. */
void recipe_fill(enum recipe recipe, uint8_t *buffer, size_t length, uint64_t offset);

const char *make_raw(void);
const char *make_image(const char *name, enum vhdx_format format, uint32_t block_size, bool full);

struct chain {
	enum recipe recipe;
	unsigned depth;
	const char *names[LEVELS]; /* nearest first */
};
/* Children on `base`, until there are LEVELS files. */
void make_chain(struct chain *chain, const char *base, const char *stem, enum vhdx_format format, enum recipe recipe);
void remove_chain(struct chain *chain); /* not its base */
void craft_level(const char *name, enum recipe recipe, unsigned level);

/* One way to read a disk. */
struct reader {
	const char *name;
	bool (*read)(void *handle, void *buffer, size_t length, uint64_t offset);
	void *handle;
	size_t reads; /* in a round: enough to be measured, few enough to wait for */
	bool is_slow; /* reading the whole disk would take too long */
};
struct reader raw_reader(const char *name);
void raw_close(struct reader *reader);
struct reader our_reader(vhdx_disk *disk);
vhdx_disk *open_disk(const char *name);
/* The preads that reading an open chain cannot do without. */
struct reader placed_reader(const struct chain *chain, vhdx_disk *disk);
void placed_close(struct reader *reader);
void warm_reader(const struct reader *reader);
/* Compares some places with the recipe, and warms. */
void check_reader(const struct reader *reader, enum recipe recipe);

bool peer_exists(void);
const char *peer_version(void);
struct reader peer_reader(const struct chain *chain, size_t reads);
void peer_close(struct reader *reader);

struct race {
	struct spread ours, other, ratio; /* seconds for each read; ours / other of each round */
};
struct job {
	size_t length;
	bool sequential;
	unsigned threads; /* 0: one, without starting a thread */
};
/* Seconds for each of `reads` reads (by each thread). */
double timed(const struct reader *reader, const struct job *job, size_t reads, uint64_t seed);
void race(struct race *out, const struct reader *ours, const struct reader *other, const struct job *job);
/* User-space instructions for each of `reads` small reads; negative when the machine does not count them. */
double instructions(const struct reader *reader, size_t reads);

void rows_dynamic(const char *raw, const char *image, const char *what);
void rows_unallocated(void);
void rows_threads(const char *raw, const char *image);
void rows_vhd(const char *raw, const char *image);
void rows_chain(const char *base, const char *what, enum vhdx_format format, enum recipe recipe, double peer_goal);

#endif
