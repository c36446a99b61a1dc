/* SPDX-License-Identifier: MIT */
/*
 * Waiting until everybody who looked at something old is done with it. Layer: base. Readers count themselves in and out of one of two halves; whoever took
 * something out of reach turns the halves over and waits for the old one to empty. Readers never wait.
 */
#ifndef BASE_EPOCH_H
#define BASE_EPOCH_H

#include "base/thread.h"

struct epoch {
	_Atomic unsigned turn;
	_Atomic unsigned inside[2];
};

static inline unsigned epoch_enter(struct epoch *epoch)
{
	for (;;) {
		unsigned turn = atomic_load(&epoch->turn);

		atomic_fetch_add(&epoch->inside[turn & 1], 1);
		if (atomic_load(&epoch->turn) == turn)
			return turn & 1;
		atomic_fetch_sub(&epoch->inside[turn & 1], 1);
	}
}

static inline void epoch_leave(struct epoch *epoch, unsigned half)
{
	atomic_fetch_sub(&epoch->inside[half], 1);
}

/* One thread at a time. */
static inline void epoch_wait(struct epoch *epoch)
{
	unsigned old = atomic_fetch_add(&epoch->turn, 1) & 1;

	while (atomic_load(&epoch->inside[old]) != 0)
		thread_yield();
}

#endif
