/* SPDX-License-Identifier: MIT */
/*
 * All states in which a crash can leave a file. Between two completed flushes, every change that was issued is kept, lost, torn or spoiled, each independent of
 * the others; what came before is durable. Torn: some sectors of 512 bytes are new, the others old. Spoiled: one of its sectors holds neither, as when the power fails
 * under the head; a format can only survive that where it keeps a second copy, which is what the VHDX log and header slots are for, so `spoil_below` bounds it.
 */
#ifndef STATES_H
#define STATES_H

#include "cowfile.h"

/* Returns non-zero to stop. `end`: number of changes issued by the time of the crash. */
typedef int (*state_check)(void *context, struct cowfile *state, size_t end, const char *what);

struct states {
	const struct cowfile *start; /* before any change */
	const struct record *record;
	size_t from;      /* only crashes during the changes from this index on */
	unsigned samples; /* random subsets where there are more than 12 unsynced changes */
	uint64_t seed;
	bool few;             /* one torn and one spoiled state for each change */
	uint64_t spoil_below; /* changes below this file offset may be spoiled; 0: none */
	bool spoil_footers;   /* and the footers of a VHD, of which there are two */
	state_check check;    /* for each state whose content was not seen since the last flush */
	void *context;
	uint64_t made; /* counts all of them */
};

/*
 * Every subset while there are at most 12 unsynced changes, else prefixes, single losses, single survivors, neighbours and random subsets; torn and spoiled changes in
 * each case. Returns what stopped it, or 0.
 */
int states_enumerate(struct states *states);

#endif
