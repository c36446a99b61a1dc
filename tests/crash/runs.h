/* SPDX-License-Identifier: MIT */
/* The histories of the crash test. Each returns 1 when there is a violation, which the test describes. */
#ifndef RUNS_H
#define RUNS_H

#include "check.h"

/* All sequences of operations of a length. */
int run_all(struct test *t, unsigned length);
/* Sequences in which the barriers matter. */
int run_chosen(struct test *t);
/* A long history with many flushes, so that the log wraps; crashes are looked at near its end. */
int run_random(struct test *t, unsigned operations, uint64_t seed);
/* For the wide disk: more dirty pages than an entry takes, and more entries than the log holds. */
int run_wide(struct test *t);
/* The disk is created: W10. */
int run_creation(struct test *t);

#endif
