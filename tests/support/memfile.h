/* SPDX-License-Identifier: MIT */
/*
 * A sparse file in memory behind a struct vhdx_io, with everything a test wants to know or to break. Layer:
 * tests/support; depends on vhdx.h alone. Only pages of 64 KiB that were written take memory, so a file of 64 TiB costs
 * what it holds.
 *
 * A struct vhdx_file from memfile_file does not own the memory file: closing it only counts, and the bytes can be looked
 * at afterwards. Reads may run in parallel with reads; everything else excludes the others. Counters can be read at any
 * time.
 */
#ifndef SUPPORT_MEMFILE_H
#define SUPPORT_MEMFILE_H

#include <stdbool.h>

#include "vhdx.h"

#define MEMFILE_PAGE UINT64_C(65536)

enum memfile_call {
	MEMFILE_READ,
	MEMFILE_WRITE,
	MEMFILE_FLUSH,
	MEMFILE_GET_SIZE,
	MEMFILE_SET_SIZE,
	MEMFILE_ZERO,
	MEMFILE_PUNCH,
	MEMFILE_RESERVE,
	MEMFILE_EXTENT,
	MEMFILE_IDENTITY,
	MEMFILE_CLOSE,
	MEMFILE_CALLS,
	MEMFILE_ANY = MEMFILE_CALLS /* for memfile_fail: whichever comes n-th, but close */
};

struct memfile;

struct memfile *memfile_new(void);
void memfile_free(struct memfile *m);
/* A deep copy of size and bytes; counters, faults and settings start afresh, and it is another file by identity. */
struct memfile *memfile_copy(const struct memfile *m);
/* `name` is not copied and may be NULL. */
struct vhdx_file memfile_file(struct memfile *m, const char *name);

/*
 * Straight access to the bytes: not counted, never failing. What lies beyond the end reads as zeros; a write there grows
 * the file.
 */
void memfile_read(const struct memfile *m, uint64_t offset, void *buffer, size_t length);
void memfile_write(struct memfile *m, uint64_t offset, const void *buffer, size_t length);
uint64_t memfile_size(const struct memfile *m);
void memfile_set_size(struct memfile *m, uint64_t size);
/* Bytes of pages that take memory. */
uint64_t memfile_allocated(const struct memfile *m);
/* Whether two files have the same size and bytes; if not, `*where` (may be NULL) is the first difference. */
bool memfile_equal(const struct memfile *a, const struct memfile *b, uint64_t *where);

/* Calls through the I/O table so far. */
unsigned long memfile_count(const struct memfile *m, enum memfile_call call);
void memfile_reset_counts(struct memfile *m);

/* Settings, to be made while nobody uses the file. */
/* Every read and write moves at most `length` bytes; 0: no limit. */
void memfile_set_short(struct memfile *m, size_t length);
/* Only the functions that are not optional, and no identity: for files taken from memfile_file after this. */
void memfile_set_minimal(struct memfile *m, bool minimal);
/* The n-th call from now on (1 is the next) returns `status`, and with `sticky` all later ones too. n 0: no more failures. */
void memfile_fail(struct memfile *m, enum memfile_call call, unsigned long n, int status, bool sticky);
/* By default each file has an identity of its own. */
void memfile_set_identity(struct memfile *m, uint64_t volume, uint64_t file);
/* For all files from now on: zeros written where nothing was written before stay a hole, so that a gigabyte of them takes no memory. */
void memfile_keep_holes(bool keep);
/* Called before each call through the table is carried out. */
typedef void (*memfile_watch_fn)(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length);
void memfile_watch(struct memfile *m, memfile_watch_fn watch, void *context);

#endif
