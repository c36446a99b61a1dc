/* SPDX-License-Identifier: MIT */
/*
 * Work done by processes beside each other, so that one that dies is seen and takes no other along. On Windows, which has no fork, it is done at once by the
 * caller's.
 */
#ifndef WORKERS_H
#define WORKERS_H

#include <stddef.h>

/* Zeroed memory in which workers leave their results. Ends the program when there is none. */
void *workers_memory(size_t size);
/* Has `work` done by a process of its own; waits first while `limit` of them run. `context` is what it is at this moment. */
void workers_start(unsigned limit, void (*work)(void *context), void *context);
/* Waits for all. */
void workers_wait(void);

#endif
