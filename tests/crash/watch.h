/* SPDX-License-Identifier: MIT */
#ifndef WATCH_H
#define WATCH_H

#include "check.h"

/* Chooses the sectors for the history recorded so far. */
void watch_choose(struct test *t);
void watch_drop(struct test *t);
/* Reads them, one behind the other. */
int watch_read(const struct test *t, const struct watch *watch, vhdx_disk *disk, uint8_t *content, struct vhdx_error *error);
/* False when one holds what it must not: which, and what. */
bool watch_compare(struct watch *watch, const struct oracle *oracle, size_t end, const uint8_t *content, uint64_t *wrong,
		   int *value);

#endif
