/* SPDX-License-Identifier: MIT */
/*
 * An image open for writing through a journal, with the model of what its disk holds: the tests of the rules for writers look at what was done to the file, and
 * at the content at the end. Layer: tests/rules.
 */
#ifndef RULES_WRITTEN_H
#define RULES_WRITTEN_H

#include "support/expect.h"
#include "support/journal.h"
#include "support/model.h"

struct written {
	struct memfile *file;
	struct memfile *parent; /* NULL without */
	struct memfile *start;  /* the file before the first event */
	struct journal journal;
	struct testenv env;
	struct model model;
	vhdx_disk *disk; /* NULL when closed */
};

/* Opens the file; both memory files go with it. The model says zeros; what else the image holds is for the caller to set. */
void written_start(struct written *w, struct memfile *file, struct memfile *parent);
void written_end(struct written *w);
/* Another session of the same journal. */
void written_open(struct written *w);
void written_close(struct written *w);
/* Forgets the events so far; the file as it is becomes the start. */
void written_restart(struct written *w);
/* Pattern `seed`; 0: vhdx_write_zeroes. */
void written_put(struct written *w, uint64_t offset, uint64_t length, uint32_t seed);
/* What reads as zeros then is zeros for the model; the rest must be as it was. */
void written_discard(struct written *w, uint64_t offset, uint64_t length);
void written_flush(struct written *w);
/* Some hundred small writes, zeros, discards and flushes on a disk of 16 MiB in 1 MiB blocks: the log wraps. */
void written_history(struct written *w, unsigned rounds);
/* The memory file opens for reading and holds what the model says. */
void written_expect(const struct written *w, struct memfile *state);
/* The same with `flags`; the status of the open is returned instead of failing the test. */
int written_try(const struct written *w, struct memfile *state, unsigned flags, struct vhdx_error *error);

#endif
