/* SPDX-License-Identifier: MIT */
/*
 * Workloads: their names, and the places they touch.
 *
 *   seq-read rand-read seq-overwrite rand-overwrite seq-write rand-write seq-allocate rand-allocate
 *   :io=SIZE :flush=N :threads=N :cold
 *
 * Threads touch disjoint places. Random new blocks are touched in an order in which neighbours on the disk do not follow each other.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { PLACES = 2048 };

static const struct {
	const char *name, *title;
	enum action action;
	bool sequential;
} bases[] = {
	{ "seq-read", "sequential read", ACT_READ, true },
	{ "rand-read", "random read", ACT_READ, false },
	{ "seq-overwrite", "sequential overwrite", ACT_OVERWRITE, true },
	{ "rand-overwrite", "random overwrite", ACT_OVERWRITE, false },
	{ "seq-write", "sequential write, half new", ACT_WRITE, true },
	{ "rand-write", "random write, half new", ACT_WRITE, false },
	{ "seq-allocate", "sequential first write", ACT_ALLOCATE, true },
	{ "rand-allocate", "random first write", ACT_ALLOCATE, false },
};

static const char *take_option(struct work *w, const char *text)
{
	const char *value = strchr(text, '=');
	uint64_t number = 0;

	if (strcmp(text, "cold") == 0) {
		w->cold = true;
		return w->action == ACT_READ ? NULL : "only reads can be cold";
	}
	if (value == NULL || !tool_parse_size(value + 1, &number))
		return "wants io=SIZE, flush=N, threads=N or cold behind the colon";
	if (strncmp(text, "io=", 3) == 0) {
		w->io = (uint32_t)number;
		return number >= 512 && number <= 4 << 20 && (number & (number - 1)) == 0 ? NULL
											  : "io is a power of two from 512 to 4M";
	}
	if (strncmp(text, "flush=", 6) == 0) {
		w->flush = (unsigned)number;
		return w->action != ACT_READ && number <= 1000000 ? NULL : "flush is for writes, and at most 1000000";
	}
	if (strncmp(text, "threads=", 8) == 0) {
		w->threads = (unsigned)number;
		return number >= 1 && number <= 64 ? NULL : "threads is 1 to 64";
	}
	return "wants io=SIZE, flush=N, threads=N or cold behind the colon";
}

static void make_title(struct work *w, const char *base)
{
	char size[32], extra[64] = "";
	size_t used = 0;

	tool_format_size(w->io, size, sizeof(size));
	if (w->flush == 1)
		used += (size_t)snprintf(extra + used, sizeof(extra) - used, ", flush each");
	else if (w->flush != 0)
		used += (size_t)snprintf(extra + used, sizeof(extra) - used, ", flush each %u", w->flush);
	if (w->threads > 1)
		used += (size_t)snprintf(extra + used, sizeof(extra) - used, ", %u threads", w->threads);
	if (w->cold)
		snprintf(extra + used, sizeof(extra) - used, ", cold");
	snprintf(w->title, sizeof(w->title), "%.30s %.12s%.40s", base, size, extra);
}

const char *work_parse(struct work *out, const char *text)
{
	char copy[NAME_SIZE];
	char *rest;
	size_t i;

	if (strlen(text) >= sizeof(copy))
		return "is too long";
	memset(out, 0, sizeof(*out));
	memcpy(out->name, text, strlen(text) + 1);
	memcpy(copy, text, strlen(text) + 1);
	rest = strchr(copy, ':');
	if (rest != NULL)
		*rest++ = '\0';
	for (i = 0; i < sizeof(bases) / sizeof(bases[0]) && strcmp(copy, bases[i].name) != 0; i++)
		;
	if (i == sizeof(bases) / sizeof(bases[0]))
		return "is no workload; see --help";
	out->action = bases[i].action;
	out->sequential = bases[i].sequential;
	out->io = bases[i].sequential ? 1 << 20 : 4096;
	out->threads = 1;
	for (char *next; rest != NULL; rest = next) {
		const char *wrong;

		next = strchr(rest, ':');
		if (next != NULL)
			*next++ = '\0';
		wrong = take_option(out, rest);
		if (wrong != NULL)
			return wrong;
	}
	make_title(out, bases[i].title);
	return NULL;
}

bool work_suits(const struct work *work, const struct kind *kind)
{
	if (kind->device != NULL)
		return work->action == ACT_READ;
	return kind->sector_size <= work->io;
}

void places_begin(struct places *p, const struct work *work, const struct subject *subject, unsigned thread, uint64_t seed)
{
	const struct kind *kind = subject->kind;
	uint64_t size = subject->model.size, block = kind->type == VHDX_TYPE_FIXED ? 0 : kind->block_size;

	*p = (struct places){ .work = work, .thread = thread, .seed = seed, .stride = 1 };
	if (work->sequential && size > settings.size)
		size = settings.size;
	p->slots = size / work->io;
	p->per_thread = p->slots / work->threads;
	if (work->action == ACT_ALLOCATE && !work->sequential) {
		/* Each to a block of its own; without blocks to as many places as there would be blocks of 32 MiB. */
		if (block == 0)
			block = size / PLACES / work->io * work->io;
		p->stride = block > work->io ? block / work->io : 1;
		p->per_thread = p->slots / p->stride / work->threads;
	}
	if (p->per_thread == 0)
		stop("%s is too small for %s", kind->device != NULL ? kind->device : "the size", work->name);
}

/* A step that comes to every one of `count` places before it comes to one again, and to neighbours late. */
static uint64_t leap_of(uint64_t count)
{
	uint64_t leap = count * 5 / 8 | 1;

	for (;; leap++) {
		uint64_t a = leap, b = count;

		while (b != 0) {
			uint64_t rest = a % b;

			a = b;
			b = rest;
		}
		if (a == 1)
			return leap;
	}
}

bool places_next(struct places *p, uint64_t *offset)
{
	const struct work *w = p->work;
	uint64_t slot, n = p->next++;

	if (w->sequential) {
		if (n >= p->per_thread)
			return false;
		slot = p->thread * p->per_thread + n;
	} else if (w->action == ACT_ALLOCATE) {
		if (n >= p->per_thread)
			return false;
		slot = (p->thread * p->per_thread + n * leap_of(p->per_thread) % p->per_thread) * p->stride;
		slot += mix(p->seed ^ slot) % p->stride;
	} else {
		slot = mix(p->seed * 64 + p->thread + (n << 20)) % p->per_thread * w->threads + p->thread;
	}
	*offset = slot * w->io;
	return true;
}
