/* SPDX-License-Identifier: MIT */
/*
 * vhdx-writebench: what writing costs, beside the same work done by pwrite on a raw file (the limit) and by QEMU (a peer). Job:
 * the parts' common ground.
 *
 *   writebench.c          options, order of the rows
 *   writebench_rows.c     one function for each group of rows
 *   writebench_race.c     files made, writers run in turns, content checked
 *   writebench_writers.c  ways to write a disk: the library, pwrite
 *   writebench_qemu.c     QEMU, by the benchmark that qemu-img has
 *   writebench_replay.c   a VHDX with a full log, and its replay
 */
#ifndef WRITEBENCH_H
#define WRITEBENCH_H

#include "bench.h"

enum { PAGE = 4096, REQUEST = 1 << 20, BLOCK = 2 << 20, LARGE_BLOCK = 32 << 20 };

/* Writes of `length` bytes of `pattern` at first, first + step, first + 2 * step, ... modulo the size of the disk. */
struct load {
	uint64_t size;
	uint64_t first, step;
	size_t length;
	unsigned count;
	bool flush_each;
	bool flush_end; /* one flush behind the last write */
	uint8_t pattern;
};
uint64_t load_place(const struct load *load, unsigned number);

/* One way to write. */
struct session;
struct writer {
	const char *name;
	void (*open)(struct session *session);
	/* Seconds by settings.clock for all of a load. */
	double (*run)(struct session *session, const struct load *load);
	void (*close)(struct session *session);
	bool is_raw;
	bool is_peer;
	const char *cache; /* QEMU: cache mode, and requests at once */
	unsigned depth;
};
struct session {
	const struct writer *writer;
	const char *file;
	vhdx_disk *disk; /* ours */
	int fd;          /* raw */
};
extern const struct writer our_writer, raw_writer, qemu_writer, qemu_deep_writer, qemu_unsafe_writer;

vhdx_disk *open_to_write(const char *name, unsigned flags);
/* The parts of a load, for counting what each of them does. */
void run_load(vhdx_disk *disk, const struct load *load);
void flush_disk(vhdx_disk *disk);

bool qemu_exists(void);
const char *qemu_version(void);
void qemu_create(const char *name, enum vhdx_format format, uint64_t size, uint32_t block_size);
/* Elapsed or processor seconds of all of "qemu-img check -r all". */
double qemu_check(const char *name);

/* The disks that a race is about. */
enum content {
	EMPTY, /* a new file for each run */
	FULL,  /* all of it is written before, and the file is kept */
	NEARLY /* all but the last page of each block; of a child: PARTIALLY_PRESENT */
};
struct disk_kind {
	enum vhdx_format format;
	bool is_child; /* of an empty disk */
	uint32_t block_size;
	enum content content;
};
enum { MAX_WRITERS = 4 };
struct write_race {
	unsigned count;
	const struct writer *writers[MAX_WRITERS]; /* the first is ours */
	struct spread seconds[MAX_WRITERS];        /* for each write */
	struct spread ratio[MAX_WRITERS];          /* ours / this one, of each round */
};
void write_race(struct write_race *race, const struct disk_kind *kind, const struct load *load);

void rows_allocating(unsigned writes);
void rows_flushing(unsigned writes);
void rows_overwriting(void);
void rows_filling(void);
void rows_replay(void);

#endif
