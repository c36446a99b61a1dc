/* SPDX-License-Identifier: MIT */
/*
 * All that is done to a file, in order: each write with its bytes, each zeroing, hole, change of size and flush. Layer: tests/support.
 *
 * A journal stands between the library and any other struct vhdx_file, which carries the calls out. Only what was carried out is noted. Not thread-safe.
 */
#ifndef SUPPORT_JOURNAL_H
#define SUPPORT_JOURNAL_H

#include "support/memfile.h"

enum journal_kind { JOURNAL_WRITE, JOURNAL_ZERO, JOURNAL_PUNCH, JOURNAL_SIZE, JOURNAL_FLUSH };

struct journal_event {
	enum journal_kind kind;
	uint64_t offset; /* JOURNAL_SIZE: the new size */
	uint64_t length;
	uint8_t *bytes; /* JOURNAL_WRITE */
};

struct journal {
	struct vhdx_file below;
	struct journal_event *events;
	size_t count;
	size_t capacity;
	/* Writes that begin in this range fail; empty: none. */
	uint64_t fail_from;
	uint64_t fail_to;
	bool no_punch; /* the caller's table cannot make holes: for files taken from journal_file after this */
};

/* Everything that goes through the returned file goes on to `below`, and is noted in `j`, which is zeroed at first, and must stay where it is. */
struct vhdx_file journal_file(struct journal *j, struct vhdx_file below);
void journal_end(struct journal *j);
/* Does to a memory file what the event did. */
void journal_apply(const struct journal_event *event, struct memfile *m);

/*
 * Goes through a journal, keeping the file as it was before `event` (`now`), and what a crash before it would have left for certain (`durable`): all that was
 * done before the last flush.
 */
struct journal_walk {
	const struct journal *journal;
	size_t index; /* of event */
	const struct journal_event *event;
	struct memfile *now;
	struct memfile *durable;
	size_t pending; /* the first event that `durable` lacks */
};

/* `start`: the file before the first event. */
void journal_walk_start(struct journal_walk *walk, const struct journal *j, const struct memfile *start);
/* To the next event; false behind the last one, where event is NULL and `now` is the end. */
bool journal_walk_next(struct journal_walk *walk);
void journal_walk_end(struct journal_walk *walk);

#endif
