/* SPDX-License-Identifier: MIT */
/*
 * Timing. Two readers take turns in short slices, so that what else the machine does falls on both; a round gives one ratio, and
 * the median of the rounds with its spread is what is shown. Each reader has places of its own, so none finds in the processor's
 * cache what the other has just read.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__linux__)
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "readbench.h"

enum { SLICES = 10, MAX_THREADS = 8 };

struct worker {
	const struct reader *reader;
	const struct job *job;
	size_t reads;
	uint64_t seed;
	pthread_barrier_t *start;
	double begin, end;
};

/* The buffer is used before, so that its pages are there. */
static uint8_t *new_buffer(size_t length)
{
	uint8_t *buffer = allocate(length);

	memset(buffer, 1, length);
	return buffer;
}

static void read_all(const struct worker *w, uint8_t *buffer)
{
	uint64_t places = settings.size / w->job->length, state = w->seed;

	for (size_t i = 0; i < w->reads; i++) {
		uint64_t place = w->job->sequential ? (w->seed * w->reads + i) % places : ((state >> 33) * places) >> 31;

		if (!w->reader->read(w->reader->handle, buffer, w->job->length, place * w->job->length))
			stop("%s fails to read at %llu", w->reader->name, (unsigned long long)(place * w->job->length));
		state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	}
}

static void *work(void *context)
{
	struct worker *w = context;
	uint8_t *buffer = new_buffer(w->job->length);

	(void)pthread_barrier_wait(w->start);
	w->begin = settings.clock();
	read_all(w, buffer);
	w->end = settings.clock();
	free(buffer);
	return NULL;
}

static double begin_of(const struct worker *workers, unsigned count)
{
	double begin = workers[0].begin;

	for (unsigned i = 1; i < count; i++)
		begin = workers[i].begin < begin ? workers[i].begin : begin;
	return begin;
}

/* From the first that begins to the last that ends; processor time: of the thread that needs most. */
static double timed_threads(const struct worker *model, unsigned count)
{
	pthread_barrier_t start;
	pthread_t threads[MAX_THREADS];
	struct worker workers[MAX_THREADS];
	double longest = 0;

	(void)pthread_barrier_init(&start, NULL, count);
	for (unsigned i = 0; i < count; i++) {
		workers[i] = *model;
		workers[i].seed = mix(model->seed + i);
		workers[i].start = &start;
		if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
			stop("no thread");
	}
	for (unsigned i = 0; i < count; i++)
		(void)pthread_join(threads[i], NULL);
	(void)pthread_barrier_destroy(&start);
	for (unsigned i = 0; i < count; i++) {
		double seconds = workers[i].end - (settings.clock == now ? begin_of(workers, count) : workers[i].begin);

		longest = seconds > longest ? seconds : longest;
	}
	return longest;
}

double timed(const struct reader *reader, const struct job *job, size_t reads, uint64_t seed)
{
	struct worker w = { reader, job, reads, seed, NULL, 0, 0 };
	uint8_t *buffer;
	double begin, seconds;

	if (job->threads != 0)
		return timed_threads(&w, job->threads) / (double)reads;
	buffer = new_buffer(job->length);
	begin = settings.clock();
	read_all(&w, buffer);
	seconds = settings.clock() - begin;
	free(buffer);
	return seconds / (double)reads;
}

static double slice(const struct reader *reader, const struct job *job, unsigned number, uint64_t salt)
{
	uint64_t seed = job->sequential ? number : mix(number + salt);

	return timed(reader, job, reader->reads / SLICES, seed) / SLICES;
}

void race(struct race *out, const struct reader *ours, const struct reader *other, const struct job *job)
{
	double a[MAX_ROUNDS] = { 0 }, b[MAX_ROUNDS] = { 0 }, ratio[MAX_ROUNDS];

	for (unsigned round = 0; round < settings.rounds; round++) {
		for (unsigned i = 0; i < SLICES; i++) {
			unsigned number = round * SLICES + i;
			bool swap = number % 2 != 0;

			if (swap)
				b[round] += slice(other, job, number, 1000);
			a[round] += slice(ours, job, number, 2000);
			if (!swap)
				b[round] += slice(other, job, number, 1000);
		}
		ratio[round] = a[round] / b[round];
	}
	out->ours = spread_of(a, settings.rounds);
	out->other = spread_of(b, settings.rounds);
	out->ratio = spread_of(ratio, settings.rounds);
}

double instructions(const struct reader *reader, size_t reads)
{
#if defined(__linux__)
	struct perf_event_attr what = { .type = PERF_TYPE_HARDWARE, .size = sizeof(what), .config = PERF_COUNT_HW_INSTRUCTIONS };
	static const struct job job = { SMALL, false, 0 };
	uint64_t count;
	int fd;

	what.disabled = 1;
	what.exclude_kernel = 1;
	what.exclude_hv = 1;
	fd = (int)syscall(SYS_perf_event_open, &what, 0, -1, -1, 0);
	if (fd < 0)
		return -1;
	(void)ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
	(void)timed(reader, &job, reads, 77);
	(void)ioctl(fd, PERF_EVENT_IOC_DISABLE, 0);
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		count = 0;
	(void)close(fd);
	return count == 0 ? -1 : (double)count / (double)reads;
#else
	(void)reader;
	(void)reads;
	return -1;
#endif
}
