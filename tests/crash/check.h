/* SPDX-License-Identifier: MIT */
/*
 * Looks at one state after a crash with a fresh library:
 *
 *   the file opens, and each sector holds a value that the oracle allows
 *   nothing but headers and log has changed under the old FileWriteGuid, and no content under the old DataWriteGuid (W1)
 *   opening it for writing (a real replay) changes nothing that can be read, and doing so again changes no byte
 *   a crash during that replay leaves a file that reads the same
 *
 * Read are the sectors where anything was ever written, at the same place of every block, because bytes of one block can only show at that place of another; now and
 * then the whole disk. Replays are tried for every new content of the headers, log, metadata and BAT, and for some of the others. `full`: no such economies.
 */
#ifndef CHECK_H
#define CHECK_H

#include "seen.h"
#include "states.h"
#include "workload.h"

/* Sectors to read, and what each may hold at one moment. */
struct watch {
	struct watch_range {
		uint64_t sector;
		uint64_t count;
		uint64_t at; /* sectors before it in the list */
	} * ranges;
	size_t count;
	uint64_t sectors;
	size_t end; /* the moment */
	int *sets;  /* WATCH_SET for each sector: how many, and the values */
};
enum { WATCH_SET = 8 };

struct test {
	struct workload w;
	struct watch some;
	struct watch all;
	struct seen logs;
	uint8_t *content;
	uint8_t *found;
	uint64_t states;   /* made */
	uint64_t distinct; /* looked at */
	uint64_t replays;
	bool full;
	const char *dump; /* directory for some states with a pending log, or NULL */
	const char *part; /* of the work, in the names of the dumped files: several processes dump at once */
	unsigned dumped;
	char description[400];
	char violation[2400];
};

void check_start(struct test *t, const struct kind *kind);
void check_end(struct test *t);
int violate(struct test *t, const char *what, const char *detail);
int violate_error(struct test *t, const char *what, const char *step, const struct vhdx_error *error);
/* Looks at all crashes during the recorded changes from `from` on. Returns 1 when there is a violation. */
int check_crashes(struct test *t, size_t from, unsigned samples, uint64_t seed);

#endif
