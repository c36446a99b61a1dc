/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks vhdx-readbench and vhdx-writebench share.
 *
 *   bench.c        end, arguments, clocks, medians
 *   bench_work.c   the work directory
 *   bench_table.c  the table
 *   bench_count.c  an I/O table that counts the calls it passes on
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vhdx.h"

enum { MAX_ROUNDS = 99 };

extern const char program[]; /* its name, for messages */

struct settings {
	unsigned rounds;
	uint64_t size;         /* of every virtual disk */
	double (*clock)(void); /* now or processor_time */
};
extern struct settings settings;

double now(void);
double processor_time(void); /* of this thread: what others do on the machine matters less, but waiting does not show */

uint64_t mix(uint64_t value);

/* An argument; ends the program with status 2 when it is none. */
unsigned long number(const char *text, unsigned long least, unsigned long most);
/* Whether one of the keys of a group of rows is asked for; all are when `only` is empty. */
bool wanted(const char *only, const char *keys);

/* Ends the program with a message; the work directory goes too. */
_Noreturn void stop(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
_Noreturn void stop_error(const char *what, const struct vhdx_error *error);
void *allocate(size_t size);

/* The work directory; all files are made in it and are removed with it. */
void work_begin(const char *directory);
void work_end(void);
/* A name for a new file, remembered until work_end. */
const char *work_name(const char *format, ...) __attribute__((__format__(__printf__, 1, 2)));
void work_remove(const char *name);

struct spread {
	double median, low, high;
};
struct spread spread_of(const double *values, unsigned count);

struct counter {
	atomic_ulong reads;
	atomic_ulong writes;
	atomic_ulong flushes;
	atomic_ulong others;
};
/* `flags` as for vhdx_open. What a caller of the library may leave out of an I/O table is left out. */
vhdx_disk *open_counted(const char *name, unsigned flags, struct counter *counter);

/* Seconds as text. */
char *micro(char text[16], double seconds);
char *beside(char text[32], const char *name, double seconds);

enum goal { AT_MOST, AT_LEAST, NO_GOAL };
void table_head(void);
void table_row(const char *key, const char *what, const char *ours, const char *other, struct spread ratio, enum goal goal,
	       double limit);
/* Says below a row that its measure itself was not steady. */
void table_unsteady(const char *name, struct spread seconds);
/* A row of a count or a time of ours alone. */
void table_value(const char *key, const char *what, const char *ours, double value, enum goal goal, double limit,
		 const char *unit);

#endif
