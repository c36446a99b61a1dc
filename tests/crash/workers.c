/* SPDX-License-Identifier: MIT */
#include "workers.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(_WIN32)
void *workers_memory(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		abort();
	return memory;
}

void workers_start(unsigned limit, void (*work)(void *context), void *context)
{
	(void)limit;
	work(context);
}

void workers_wait(void)
{
}
#else
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned running;

void *workers_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return memory;
}

void workers_start(unsigned limit, void (*work)(void *context), void *context)
{
	pid_t child;

	if (running >= limit && running > 0) {
		(void)wait(NULL);
		running--;
	}
	(void)fflush(stdout);
	child = fork();
	if (child == 0) {
		work(context);
		_exit(0);
	}
	if (child < 0) {
		perror("fork");
		exit(1);
	}
	running++;
}

void workers_wait(void)
{
	for (; running > 0; running--)
		(void)wait(NULL);
}
#endif
