/* SPDX-License-Identifier: MIT */
/*
 * The rows of the table. Every reader is checked against the recipe first, which also warms the caches: of the system, and of
 * the library.
 */
#include <stdio.h>

#include "readbench.h"

static const struct job small_job = { SMALL, false, 0 }, large_job = { LARGE, true, 0 };

/* ours / other when the goal is a limit, other / ours when it is how much better we are. */
static void row(const char *key, const char *what, const struct reader *ours, const struct reader *other, const struct job *job,
		enum goal goal, double limit)
{
	char a[16], b[32];
	struct race r;

	race(&r, ours, other, job);
	if (goal == AT_LEAST)
		r.ratio = (struct spread){ 1 / r.ratio.median, 1 / r.ratio.high, 1 / r.ratio.low };
	table_row(key, what, micro(a, r.ours.median), beside(b, other->name, r.other.median), r.ratio, goal, limit);
	if (!other->is_slow)
		table_unsteady(other->name, r.other);
}

/* Calls of the I/O table for each small read, warm. */
static void row_calls(const char *key, const char *what, const char *name, double limit)
{
	struct counter counter = { 0 };
	struct reader reader = our_reader(open_counted(name, 0, &counter));
	unsigned long before;
	double calls;
	char text[24];

	warm_reader(&reader);
	before = counter.reads + counter.others;
	(void)timed(&reader, &small_job, reader.reads, 4712);
	calls = (double)(counter.reads + counter.others - before) / (double)reader.reads;
	(void)snprintf(text, sizeof(text), "%.3f calls", calls);
	table_value(key, what, text, calls, AT_MOST, limit, "");
	vhdx_close(reader.handle);
}

static void row_instructions(const char *key, const struct reader *reader)
{
	double count = instructions(reader, reader->reads);
	char text[24];

	if (count < 0) {
		table_value(key, "  instructions in user space for each", "not counted", 0, NO_GOAL, 0, "");
		return;
	}
	(void)snprintf(text, sizeof(text), "%.0f", count);
	table_value(key, "  instructions in user space for each", text, count, AT_MOST, 120, "");
}

void rows_dynamic(const char *raw, const char *image, const char *what)
{
	struct reader limit = raw_reader(raw), ours = our_reader(open_disk(image));
	char text[64];

	check_reader(&limit, RECIPE_BASE);
	check_reader(&ours, RECIPE_BASE);
	(void)snprintf(text, sizeof(text), "random 4 KiB, %s", what);
	row("a", text, &ours, &limit, &small_job, AT_MOST, 1.15);
	row_calls("a", "  system calls for each", image, 1);
	row_instructions("a", &ours);
	ours.reads = limit.reads = 500;
	(void)snprintf(text, sizeof(text), "sequential 1 MiB, %s", what);
	row("b", text, &ours, &limit, &large_job, AT_LEAST, 0.95);
	vhdx_close(ours.handle);
	raw_close(&limit);
}

void rows_unallocated(void)
{
	const char *name = make_image("empty.vhdx", VHDX_FORMAT_VHDX, LARGE, false);
	struct reader ours = our_reader(open_disk(name));
	char text[16];

	row_calls("a", "system calls for 4 KiB of an unallocated block", name, 0);
	(void)timed(&ours, &small_job, ours.reads, 1);
	table_value("a", "random 4 KiB of unallocated blocks", micro(text, timed(&ours, &small_job, ours.reads, 2)), 0, NO_GOAL,
		    0, "");
	vhdx_close(ours.handle);
	work_remove(name);
}

void rows_vhd(const char *raw, const char *image)
{
	struct chain chain = { .depth = 1, .names = { image } };
	struct reader limit = raw_reader(raw), ours = our_reader(open_disk(image)), peer;

	check_reader(&limit, RECIPE_BASE);
	check_reader(&ours, RECIPE_BASE);
	row("c", "random 4 KiB, dynamic VHD", &ours, &limit, &small_job, NO_GOAL, 0);
	row_calls("c", "  system calls for each", image, 1);
	if (peer_exists()) {
		peer = peer_reader(&chain, 1000);
		check_reader(&peer, RECIPE_BASE);
		row("c", "  beside libvhdi", &ours, &peer, &small_job, AT_LEAST, 50);
		peer_close(&peer);
	}
	vhdx_close(ours.handle);
	raw_close(&limit);
}

/* Each round: the same work by one thread and by each of two, ours and raw. Perfect is twice as many reads in the same time. */
void rows_threads(const char *raw, const char *image)
{
	static const struct job one = { SMALL, false, 1 }, two = { SMALL, false, 2 };
	struct reader limit = raw_reader(raw), ours = our_reader(open_disk(image));
	double mine[MAX_ROUNDS], theirs[MAX_ROUNDS], ratio[MAX_ROUNDS];
	char a[16], b[32];

	check_reader(&limit, RECIPE_BASE);
	check_reader(&ours, RECIPE_BASE);
	for (unsigned round = 0; round < settings.rounds; round++) {
		double t[4] = { 0 };

		for (unsigned i = 0; i < 5; i++) {
			uint64_t seed = round * 5 + i;

			t[0] += timed(&ours, &one, ours.reads / 2, seed);
			t[1] += timed(&limit, &one, limit.reads / 2, seed + 1000);
			t[2] += timed(&ours, &two, ours.reads / 2, seed + 2000);
			t[3] += timed(&limit, &two, limit.reads / 2, seed + 3000);
		}
		mine[round] = 2 * t[0] / t[2];
		theirs[round] = 2 * t[1] / t[3];
		ratio[round] = mine[round] / theirs[round];
	}
	(void)snprintf(a, sizeof(a), "%.2fx", spread_of(mine, settings.rounds).median);
	(void)snprintf(b, sizeof(b), "pread %.2fx", spread_of(theirs, settings.rounds).median);
	table_row("e", "two threads on one handle: reads of one, times", a, b, spread_of(ratio, settings.rounds), AT_LEAST, 0.95);
	ours.reads = limit.reads = 200000;
	row("e", "  random 4 KiB by each of two threads", &ours, &limit, &two, AT_MOST, 1.15);
	vhdx_close(ours.handle);
	raw_close(&limit);
}

static double open_ours(const struct chain *chain)
{
	double begin = settings.clock(), opened;
	vhdx_disk *disk = open_disk(chain->names[0]);

	opened = settings.clock() - begin;
	vhdx_close(disk);
	return opened;
}

static double open_peer(const struct chain *chain)
{
	double begin = settings.clock(), opened;
	struct reader reader = peer_reader(chain, 1);

	opened = settings.clock() - begin;
	peer_close(&reader);
	return opened;
}

static void row_open(const struct chain *chain, const char *what)
{
	double mine[MAX_ROUNDS] = { 0 }, theirs[MAX_ROUNDS] = { 0 }, ratio[MAX_ROUNDS], median;
	char a[24], b[32];

	for (unsigned round = 0; round < settings.rounds; round++) {
		for (unsigned i = 0; i < 10; i++) {
			mine[round] += open_ours(chain) / 10;
			theirs[round] += peer_exists() ? open_peer(chain) / 10 : 0;
		}
		ratio[round] = theirs[round] / mine[round];
	}
	median = spread_of(mine, settings.rounds).median * 1e3;
	(void)snprintf(a, sizeof(a), "%.2f ms", median);
	table_value("f", what, a, median, AT_MOST, 2.5, " ms");
	(void)snprintf(b, sizeof(b), "libvhdi %.2f ms", spread_of(theirs, settings.rounds).median * 1e3);
	if (peer_exists())
		table_row("f", "  beside libvhdi", a, b, spread_of(ratio, settings.rounds), NO_GOAL, 0);
}

static void rows_open(const struct chain *chain, const char *what)
{
	struct counter counter = { 0 };
	char calls[24], text[64];
	double per_level;

	vhdx_close(open_counted(chain->names[0], 0, &counter));
	per_level = (double)(counter.reads + counter.others) / chain->depth;
	(void)snprintf(text, sizeof(text), "open %s", what);
	(void)snprintf(calls, sizeof(calls), "%.1f calls", per_level);
	table_value("f", text, calls, per_level, AT_MOST, 16, " a level");
	row_open(chain, "  time");
}

static void row_chain_peer(const struct chain *chain, const struct reader *ours, double goal)
{
	struct reader peer;

	if (!peer_exists())
		return;
	peer = peer_reader(chain, 400);
	check_reader(&peer, chain->recipe);
	row("d", "  beside libvhdi", ours, &peer, &small_job, AT_LEAST, goal);
	peer_close(&peer);
}

void rows_chain(const char *base, const char *what, enum vhdx_format format, enum recipe recipe, double peer_goal)
{
	struct reader one = our_reader(open_disk(base)), deep, placed;
	struct chain chain;
	char text[64];

	make_chain(&chain, base, "level", format, recipe);
	deep = our_reader(open_disk(chain.names[0]));
	placed = placed_reader(&chain, deep.handle);
	one.name = "depth 1";
	check_reader(&one, RECIPE_BASE);
	check_reader(&deep, recipe);
	check_reader(&placed, recipe);
	(void)snprintf(text, sizeof(text), "random 4 KiB, %s", what);
	row("d", text, &deep, &one, &small_job, recipe == RECIPE_RUNS ? NO_GOAL : AT_MOST, 1.3);
	row("d", "  beside the same preads alone", &deep, &placed, &small_job, AT_MOST, 1.15);
	row_calls("d", "  system calls for each", chain.names[0], 1);
	row_chain_peer(&chain, &deep, peer_goal);
	deep.reads = placed.reads = 500;
	row("d", "  sequential 1 MiB beside the same preads", &deep, &placed, &large_job, AT_LEAST, 0.95);
	vhdx_close(deep.handle);
	vhdx_close(one.handle);
	placed_close(&placed);
	if (recipe == RECIPE_BASE)
		rows_open(&chain, what);
	remove_chain(&chain);
}
