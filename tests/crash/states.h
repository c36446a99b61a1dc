/* SPDX-License-Identifier: MIT */
/*
 * All states in which a crash can leave a file. Between two completed flushes, every change that was issued is kept, lost, or (a write) torn at sectors of 512
 * bytes, each independent of the others; what came before is durable.
 */
#ifndef STATES_H
#define STATES_H

#include "cowfile.h"

/* Returns non-zero to stop. `end`: number of changes issued by the time of the crash. */
typedef int (*state_check)(void *context, struct cowfile *state, size_t end, const char *what);

/*
 * Calls `check` for the states after a crash during the changes from index `from` on, starting from `base` (before any change). Every subset while there are at most 12
 * unsynced changes, else prefixes, single losses, single survivors and `samples` seeded random subsets; and torn writes.
 */
int states_enumerate(const struct cowfile *base, const struct record *record, size_t from, unsigned samples, uint64_t seed, state_check check,
		     void *context);

#endif
