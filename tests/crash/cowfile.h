/* SPDX-License-Identifier: MIT */
/*
 * A memory file whose copies cost a table of pointers: pages are shared until one side writes. Can record every change, so that any state after a crash can be
 * made from a copy of the beginning and some of the changes. Not thread-safe.
 */
#ifndef COWFILE_H
#define COWFILE_H

#include <stdbool.h>

#include "vhdx.h"

struct cow_page;

struct cowfile {
	uint64_t size;
	struct cow_page **pages;
	size_t page_count;
	struct record *record; /* NULL: not recording */
	const char *name;
};

enum change_kind { CHANGE_WRITE, CHANGE_ZERO, CHANGE_SIZE, CHANGE_FLUSH };

struct change {
	enum change_kind kind;
	uint64_t offset; /* CHANGE_SIZE: the new size */
	uint64_t length;
	uint8_t *bytes;  /* CHANGE_WRITE */
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
/* For the library; the handle does not own the file. */
struct vhdx_file cow_file(struct cowfile *file, const char *name);

void record_clear(struct record *record);
/* Applies a change; of a write only the sectors of 512 bytes whose bit is set in `mask` (sector i: bit i % 64), all when mask is UINT64_MAX. */
void cow_apply(struct cowfile *file, const struct change *change, uint64_t mask);

#endif
