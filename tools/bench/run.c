/* SPDX-License-Identifier: MIT */
/*
 * One run: a disk is opened, threads touch the places of a work, each operation between two looks at the clock; the disk is flushed and closed when
 * the clock has stopped. Flushes that the work asks for are inside.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"
#include "sys.h"

struct worker {
	pthread_t thread;
	const struct way *way;
	void *handle;
	struct subject *subject;
	const struct work *work;
	struct places places;
	uint64_t most;
	uint64_t duration; /* nanoseconds */
	uint64_t done;
	uint16_t generation;
	unsigned char *buffer;
	struct histogram latencies;
};

static uint64_t clock_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static double cpu_now(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void operate(struct worker *w, uint64_t offset)
{
	if (w->work->action == ACT_READ) {
		w->way->read(w->handle, w->buffer, w->work->io, offset);
		return;
	}
	w->way->write(w->handle, pattern_bytes(offset, w->generation), w->work->io, offset);
	if (w->work->flush != 0 && (w->done + 1) % w->work->flush == 0)
		w->way->flush(w->handle);
}

static void *work_on(void *context)
{
	struct worker *w = context;
	uint64_t offset, before = clock_now(), deadline = w->duration < UINT64_MAX - before ? before + w->duration : UINT64_MAX;

	while (w->done < w->most && (w->done == 0 || before < deadline) && places_next(&w->places, &offset) &&
	       !sys_interrupted()) {
		uint64_t after;

		operate(w, offset);
		after = clock_now();
		histogram_add(&w->latencies, after - before);
		before = after;
		w->done++;
	}
	return NULL;
}

/* After the clock has stopped: what is where now. */
static void note_content(struct worker *w, uint64_t seed)
{
	struct places places;
	uint64_t offset;

	places_begin(&places, w->work, w->subject, w->places.thread, seed);
	for (uint64_t i = 0; i < w->done && places_next(&places, &offset); i++)
		model_set(&w->subject->model, offset, w->work->io, w->generation);
}

static uint16_t next_generation(void)
{
	static uint16_t last = 99; /* those below are of filling */

	last = last < 999 ? (uint16_t)(last + 1) : 100;
	return last;
}

static void start_all(struct worker *workers, unsigned count)
{
	for (unsigned i = 1; i < count; i++)
		if (pthread_create(&workers[i].thread, NULL, work_on, &workers[i]) != 0)
			stop("no thread");
	(void)work_on(&workers[0]);
	for (unsigned i = 1; i < count; i++)
		pthread_join(workers[i].thread, NULL);
}

static struct worker *workers_new(const struct way *way, void *handle, struct subject *subject, const struct work *work,
				  uint64_t seed, struct length length)
{
	struct worker *workers = calloc(work->threads, sizeof(*workers));
	uint16_t generation = next_generation();

	if (workers == NULL)
		stop("no memory");
	for (unsigned i = 0; i < work->threads; i++) {
		struct worker *w = &workers[i];

		w->way = way;
		w->handle = handle;
		w->subject = subject;
		w->work = work;
		w->generation = generation;
		w->most = (length.operations + work->threads - 1) / work->threads;
		w->duration = length.seconds > 0 ? (uint64_t)(length.seconds * 1e9) : UINT64_MAX;
		places_begin(&w->places, work, subject, i, seed);
		if (posix_memalign((void **)&w->buffer, 4096, work->io) != 0)
			stop("no memory");
		memset(w->buffer, 0, work->io);
	}
	return workers;
}

struct length length_like(uint64_t operations)
{
	return (struct length){ operations, 4 * settings.seconds };
}

static struct tally tally_of(struct counts *counts)
{
	return (struct tally){ (double)counts->reads,  (double)counts->writes,     (double)counts->flushes,
			       (double)counts->others, (double)counts->bytes_read, (double)counts->bytes_written };
}

static void workers_end(struct worker *workers, unsigned count, struct sample *sample, uint64_t seed, struct histogram *latencies)
{
	for (unsigned i = 0; i < count; i++) {
		struct worker *w = &workers[i];

		sample->operations += w->done;
		if (latencies != NULL)
			histogram_merge(latencies, &w->latencies);
		if (w->work->action != ACT_READ)
			note_content(w, seed);
		free(w->buffer);
	}
	free(workers);
}

struct sample run_once(const struct way *way, struct subject *subject, const struct work *work, uint64_t seed,
		       struct length length, struct counts *counts, struct histogram *latencies)
{
	struct sample sample = { .operations = 0 };
	void *handle = way->open(subject, work->action != ACT_READ, counts);
	struct worker *workers = workers_new(way, handle, subject, work, seed, length);
	uint64_t begin;

	if (counts != NULL)
		*counts = (struct counts){ .lazy = counts->lazy };
	sample.cpu = -cpu_now();
	begin = clock_now();
	start_all(workers, work->threads);
	sample.elapsed = (double)(clock_now() - begin) / 1e9;
	sample.cpu += cpu_now();
	if (counts != NULL)
		sample.tally = tally_of(counts);
	workers_end(workers, work->threads, &sample, seed, latencies);
	if (work->action != ACT_READ)
		way->flush(handle); /* so that the next one does not pay for it */
	way->close(handle);
	heed_interrupts();
	if (sample.operations == 0)
		stop("%s: not one operation was done", work->name);
	return sample;
}

static void compare(const struct way *way, void *handle, const struct subject *subject, unsigned char *buffer, uint64_t offset,
		    uint64_t length, uint64_t *wrong)
{
	way->read(handle, buffer, (size_t)length, offset);
	if (!model_agrees(&subject->model, buffer, offset, length))
		++*wrong;
	results.verified += length;
}

/* Each place, and the unit behind it, which nobody may have touched. */
uint64_t verify_touched(const struct way *way, const struct subject *subject, const struct work *work, uint64_t seed,
			uint64_t operations)
{
	unsigned char *buffer = tool_allocate(NULL, (size_t)work->io + settings.unit);
	void *handle = way->open(subject, false, NULL);
	uint64_t offset, wrong = 0;

	for (unsigned thread = 0; thread < work->threads; thread++) {
		struct places places;

		places_begin(&places, work, subject, thread, seed);
		for (uint64_t i = 0; i <= operations / work->threads && places_next(&places, &offset); i++) {
			bool is_last = offset + work->io + settings.unit > subject->model.size;

			compare(way, handle, subject, buffer, offset, is_last ? work->io : work->io + settings.unit, &wrong);
		}
	}
	way->close(handle);
	free(buffer);
	return wrong;
}

uint64_t verify_all(const struct way *way, const struct subject *subject)
{
	enum { PIECE = 1 << 20 };
	unsigned char *buffer = tool_allocate(NULL, PIECE);
	void *handle = way->open(subject, false, NULL);
	uint64_t wrong = 0, size = subject->model.size;

	for (uint64_t at = 0; at < size; at += PIECE) {
		compare(way, handle, subject, buffer, at, size - at < PIECE ? size - at : PIECE, &wrong);
		heed_interrupts();
	}
	way->close(handle);
	free(buffer);
	return wrong;
}
