/* SPDX-License-Identifier: MIT */
/*
 * A memory file whose copies cost one pointer for each MiB: pages, and groups of pages, are shared until one side writes. Can record every change, so that any state
 * after a crash can be made from a copy of the beginning and some of the changes. Knows the hash of its content. Not thread-safe.
 */
#ifndef COWFILE_H
#define COWFILE_H

#include <stdbool.h>

#include "vhdx.h"

#define COW_GROUP UINT64_C(1048576)

struct cow_group;

/*
 * Makes calls fail. SHORT: half of a read or write is done, which is no failure. PARTIAL: half of a write is done, and the rest fails. NO_SPACE: the same, for lack of
 * space; also of zeroing and growing. IO: any call.
 */
enum fault_kind { FAULT_IO, FAULT_PARTIAL, FAULT_NO_SPACE, FAULT_SHORT };

struct fault {
	enum fault_kind kind;
	uint64_t at;    /* which call, 1 is the next; 0: none */
	bool sticky;    /* and all later ones */
	uint64_t calls; /* that could have failed */
	uint64_t hits;
	bool harmed; /* one of them was to change the file or to make it durable */
};

struct cowfile {
	uint64_t size;
	struct cow_group **groups; /* NULL: zeros */
	size_t group_count;
	struct record *record; /* NULL: not recording */
	struct fault *fault;   /* NULL: nothing fails */
};

enum change_kind { CHANGE_WRITE, CHANGE_ZERO, CHANGE_SIZE, CHANGE_FLUSH };

struct change {
	enum change_kind kind;
	uint64_t offset; /* CHANGE_SIZE: the new size */
	uint64_t length;
	uint8_t *bytes; /* CHANGE_WRITE */
};

struct record {
	struct change *changes;
	size_t count;
	size_t capacity;
};

struct cowfile *cow_new(void);
struct cowfile *cow_copy(const struct cowfile *from);
void cow_free(struct cowfile *file);
bool cow_equal(const struct cowfile *a, const struct cowfile *b);
/* Of the size and of the content between two multiples of COW_GROUP. */
uint64_t cow_hash(struct cowfile *file, uint64_t from, uint64_t limit);
/* For the library; the handle does not own the file. */
struct vhdx_file cow_file(struct cowfile *file, const char *name);
void cow_read(const struct cowfile *file, void *buffer, size_t length, uint64_t offset);
void cow_write(struct cowfile *file, const void *buffer, size_t length, uint64_t offset);
/* Makes a host file with the same content and holes. Returns 0 or -1. */
int cow_save(const struct cowfile *file, const char *path);
int cow_load(struct cowfile *file, const char *path);

void record_clear(struct record *record);
/* Applies a change; of a write only the sectors of 512 bytes whose bit is set in `mask` (sector i: bit i % 64), all when mask is UINT64_MAX. */
void cow_apply(struct cowfile *file, const struct change *change, uint64_t mask);

#endif
