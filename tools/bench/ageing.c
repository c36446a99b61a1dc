/* SPDX-License-Identifier: MIT */
/*
 * Fragmentation: images that were aged, read beside a fixed one and beside one put in order again.
 *
 *   growth       blocks come in an order in which just so many of the neighbours on the disk are torn apart as was asked for
 *   side by side four images grow at once, each block flushed: the file of each is torn apart on the host
 *   trims        thrice a third of the blocks is discarded and comes back in another order, with small overwrites in between
 *
 * All are read in turns: in sequence and at random, from memory and not from memory.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "pieces.h"
#include "sys.h"

enum { MAX_AGED = 16, NEIGHBOURS = 4, REQUEST = 1 << 20, TRIES = 200 };

const char *const aged_works[4] = { "seq-read", "seq-read:cold", "rand-read", "rand-read:cold" };

/* An image of the curve. */
struct specimen {
	struct kind kind;
	struct subject subject;
	struct aged *aged;
	double speeds[4][MAX_ROUNDS];
};

static void write_block(void *handle, struct subject *s, uint64_t block, uint16_t generation)
{
	uint64_t size = s->kind->block_size, begin = block * size, end = begin + size;

	if (end > s->model.size)
		end = s->model.size;
	for (uint64_t at = begin; at < end; at += REQUEST) {
		size_t length = end - at < REQUEST ? (size_t)(end - at) : REQUEST;

		way_ours.write(handle, pattern_bytes(at, generation), length, at);
		model_set(&s->model, at, length, generation);
	}
	heed_interrupts();
}

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state = mix(*state);
	return *state % below;
}

static void shuffle(uint64_t *list, uint64_t count, uint64_t *state)
{
	for (uint64_t i = count; i > 1; i--) {
		uint64_t other = draw(state, i), kept = list[i - 1];

		list[i - 1] = list[other];
		list[other] = kept;
	}
}

/* Runs in an order in which none stands behind its predecessor. */
static void tear_runs(uint64_t *runs, uint64_t count, uint64_t *state)
{
	for (uint64_t i = 0; i < count; i++)
		runs[i] = i;
	for (unsigned t = 0; t < TRIES; t++) {
		bool torn = true;

		shuffle(runs, count, state);
		for (uint64_t i = 1; i < count; i++)
			torn = torn && runs[i] != runs[i - 1] + 1;
		if (torn)
			return;
	}
	for (uint64_t i = 0; i < count; i++)
		runs[i] = count - 1 - i;
}

/* Blocks in an order of which `percent` of the pairs of neighbours are torn apart. */
static uint64_t *growth_order(uint64_t blocks, double percent)
{
	uint64_t cuts = (uint64_t)((double)(blocks - 1) * percent / 100 + 0.5), state = settings.seed, n = 0;
	uint64_t *places = calloc(blocks + 1, sizeof(*places)), *runs = calloc(cuts + 1, sizeof(*runs));
	uint64_t *starts = calloc(cuts + 2, sizeof(*starts)), *order = calloc(blocks, sizeof(*order));
	bool *cut = calloc(blocks + 1, sizeof(*cut));

	if (places == NULL || runs == NULL || starts == NULL || order == NULL || cut == NULL)
		stop("no memory");
	for (uint64_t i = 0; i + 1 < blocks; i++)
		places[i] = i + 1;
	shuffle(places, blocks - 1, &state);
	for (uint64_t i = 0; i < cuts; i++)
		cut[places[i]] = true;
	for (uint64_t block = 0, run = 0; block < blocks; block++)
		if (block == 0 || cut[block])
			starts[run++] = block;
	starts[cuts + 1] = blocks;
	tear_runs(runs, cuts + 1, &state);
	for (uint64_t i = 0; i <= cuts; i++)
		for (uint64_t block = starts[runs[i]]; block < starts[runs[i] + 1]; block++)
			order[n++] = block;
	free(places);
	free(runs);
	free(starts);
	free(cut);
	return order;
}

static uint64_t block_count(const struct subject *s)
{
	return (s->model.size + s->kind->block_size - 1) / s->kind->block_size;
}

static void grow(struct subject *s, double percent)
{
	uint64_t count = block_count(s), *order = growth_order(count, percent);
	void *handle = way_ours.open(s, true, NULL);

	for (uint64_t i = 0; i < count; i++)
		write_block(handle, s, order[i], 1);
	way_ours.flush(handle);
	way_ours.close(handle);
	free(order);
}

static void grow_beside(struct subject *s)
{
	struct subject all[NEIGHBOURS];
	void *handles[NEIGHBOURS];

	for (unsigned i = 1; i < NEIGHBOURS; i++) {
		char label[16];

		(void)snprintf(label, sizeof(label), "beside%u", i);
		subject_make(&all[i], s->kind, STATE_EMPTY, label);
	}
	all[0] = *s;
	for (unsigned i = 0; i < NEIGHBOURS; i++)
		handles[i] = way_ours.open(&all[i], true, NULL);
	for (uint64_t block = 0; block < block_count(s); block++) {
		for (unsigned i = 0; i < NEIGHBOURS; i++) {
			write_block(handles[i], &all[i], block, 1);
			way_ours.flush(handles[i]);
		}
	}
	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		way_ours.close(handles[i]);
		if (i != 0)
			subject_remove(&all[i]);
	}
}

static void discard_block(vhdx_disk *disk, struct subject *s, uint64_t block)
{
	uint64_t at = block * s->kind->block_size, length = s->kind->block_size;
	struct vhdx_error error;

	if (length > s->model.size - at)
		length = s->model.size - at;
	if (vhdx_discard(disk, at, length, &error) < 0)
		stop_error("discarding", &error);
}

static void grow_trim(struct subject *s)
{
	uint64_t count = block_count(s), state = settings.seed, *order = calloc(count, sizeof(*order));
	void *handle;

	if (order == NULL)
		stop("no memory");
	grow(s, 0);
	handle = way_ours.open(s, true, NULL);
	for (unsigned round = 0; round < 3; round++) {
		for (uint64_t i = 0; i < count; i++)
			order[i] = i;
		shuffle(order, count, &state);
		for (uint64_t i = 0; i < count / 3; i++)
			discard_block(handle, s, order[i]);
		way_ours.flush(handle);
		shuffle(order, count / 3, &state);
		for (uint64_t i = 0; i < count / 3; i++)
			write_block(handle, s, order[i], (uint16_t)(2 + round));
		for (uint64_t i = 0; i < count; i++) {
			uint64_t at = draw(&state, s->model.size / settings.unit) * settings.unit;

			way_ours.write(handle, pattern_bytes(at, 9), settings.unit, at);
			model_set(&s->model, at, settings.unit, 9);
		}
		way_ours.flush(handle);
	}
	way_ours.close(handle);
	free(order);
}

/* A copy in disk order. */
static void rewrite(struct subject *to, const struct subject *from)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	vhdx_disk *disk = open_disk(from, 0, NULL);
	struct vhdx_source source;
	struct vhdx_error error;

	vhdx_disk_source(&source, disk);
	options.format = to->kind->format;
	options.type = VHDX_TYPE_DYNAMIC;
	options.block_size = to->kind->block_size;
	options.source = &source;
	workdir_remove(to->paths[0]);
	if (vhdx_create(to->paths[0], &options, &error) < 0)
		stop_error("rewriting", &error);
	vhdx_close(disk);
	memcpy(to->model.generations, from->model.generations,
	       (size_t)(from->model.size / settings.unit) * sizeof(*from->model.generations));
}

/* The program beside this one, or in the path. */
static const char *compact_program(void)
{
	static char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 20);
	char *slash;

	path[length > 0 ? length : 0] = '\0';
	slash = strrchr(path, '/');
	if (slash == NULL)
		return "vhdx-compact";
	memcpy(slash + 1, "vhdx-compact", 13);
	return access(path, X_OK) == 0 ? path : "vhdx-compact";
}

static bool can_defragment(void)
{
	const char *const arguments[] = { compact_program(), "--help", NULL };
	char text[4096];
	double cpu;

	return process_run(arguments, text, sizeof(text), &cpu) && strstr(text, "--defrag") != NULL;
}

static void defragment(struct subject *s)
{
	const char *const arguments[] = { compact_program(), "-q", "--defrag", s->paths[0], NULL };
	char text[1024];
	double cpu;

	if (!process_run(arguments, text, sizeof(text), &cpu))
		stop("vhdx-compact --defrag fails: %.300s", text);
}

static void look(struct specimen *p)
{
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_error error;
	struct aged *a = p->aged;
	struct pieces pieces;
	vhdx_disk *disk = open_disk(&p->subject, 0, NULL);

	if (vhdx_get_usage(disk, 0, &usage, &error) < 0)
		stop_error("usage", &error);
	vhdx_close(disk);
	a->reached = usage.pairs != 0 ? 100.0 * (double)usage.breaks / (double)usage.pairs : 0;
	a->runs = usage.runs;
	a->mean_seek = usage.runs > 1 ? (double)usage.seek_bytes / (double)(usage.runs - 1) : 0;
	pieces_of(&pieces, p->subject.paths[0]);
	a->host_known = pieces.known;
	a->host_extents = pieces.count;
	a->host_seek = pieces.count > 1 ? (double)pieces.seek_bytes / (double)(pieces.count - 1) : 0;
}

static void age(struct specimen *p, const struct specimen *worst)
{
	switch (p->aged->how) {
	case AGE_GROWTH:
	case AGE_DEFRAGMENTED: grow(&p->subject, p->aged->asked); break;
	case AGE_BESIDE: grow_beside(&p->subject); break;
	case AGE_TRIM: grow_trim(&p->subject); break;
	case AGE_FIXED: grow(&p->subject, 0); break;
	case AGE_REWRITTEN: rewrite(&p->subject, &worst->subject); break;
	}
	if (p->aged->how == AGE_DEFRAGMENTED)
		defragment(&p->subject);
	subject_sync(&p->subject);
	look(p);
	if (p->aged->how == AGE_FIXED)
		p->aged->reached = 0;
	results.wrong += verify_all(&way_ours, &p->subject);
}

static void make(struct specimen *p, unsigned number, enum ageing how, double asked, const char *title, const char *base)
{
	struct aged *a = p->aged;
	uint64_t sparse = settings.sparse_size;
	char label[24];

	(void)kind_parse(&p->kind, base);
	memset(a, 0, sizeof(*a));
	a->how = how;
	a->asked = asked;
	a->format = vhdx_format_name(p->kind.format);
	a->block_size = p->kind.block_size;
	if (p->kind.type == VHDX_TYPE_FIXED)
		p->kind.block_size = 2 << 20; /* for filling it */
	(void)snprintf(a->title, sizeof(a->title), "%.60s", title);
	(void)snprintf(label, sizeof(label), "aged%u", number);
	settings.sparse_size = settings.size;
	subject_make(&p->subject, &p->kind, STATE_EMPTY, label);
	settings.sparse_size = sparse;
}

static double speed_of(struct specimen *p, const struct work *work, uint64_t seed, struct length length, uint64_t *operations)
{
	struct sample sample;

	if (work->cold)
		subject_forget(&p->subject);
	sample = run_once(&way_ours, &p->subject, work, seed, length, NULL, NULL);
	*operations = sample.operations;
	return (double)sample.operations * work->io / (settings.by_cpu && sample.cpu > 0 ? sample.cpu : sample.elapsed);
}

static void measure(struct specimen *list, unsigned count)
{
	static const unsigned order[4] = { 0, 2, 1, 3 }; /* cold ones last */

	for (unsigned o = 0; o < 4; o++) {
		struct length trial = { settings.operations, settings.seconds };
		uint64_t operations, ignored;
		struct work work;

		(void)work_parse(&work, aged_works[order[o]]);
		(void)speed_of(&list[0], &work, settings.seed, trial, &operations);
		for (unsigned round = 0; round < settings.rounds; round++) {
			for (unsigned i = 0; i < count; i++) {
				struct specimen *p = &list[(i + round) % count];

				p->speeds[order[o]][round] = speed_of(p, &work, mix(settings.seed + round),
								      length_like(operations), &ignored);
				progress_done(settings.seconds, "fragmentation: %s, %s", p->aged->title, work.title);
			}
		}
	}
}

/* Against the first one, which is fixed, and the second, which is in order. */
static void summarise(struct specimen *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		for (unsigned w = 0; w < 4; w++) {
			double fixed[MAX_ROUNDS], slowdown[MAX_ROUNDS];

			for (unsigned round = 0; round < settings.rounds; round++) {
				fixed[round] = list[i].speeds[w][round] / list[0].speeds[w][round];
				slowdown[round] = list[1].speeds[w][round] / list[i].speeds[w][round];
			}
			list[i].aged->speeds[w] = spread_of(list[i].speeds[w], settings.rounds);
			list[i].aged->to_fixed[w] = spread_of(fixed, settings.rounds);
			list[i].aged->slowdown[w] = spread_of(slowdown, settings.rounds);
		}
	}
}

static const struct {
	enum ageing how;
	double asked;
	const char *title;
} plans[] = {
	{ AGE_FIXED, 0, "fixed" },
	{ AGE_GROWTH, 0, "grown in order" },
	{ AGE_GROWTH, 10, "10 % torn apart" },
	{ AGE_GROWTH, 25, "25 % torn apart" },
	{ AGE_GROWTH, 50, "50 % torn apart" },
	{ AGE_GROWTH, 100, "100 % torn apart" },
	{ AGE_BESIDE, 0, "four growing side by side" },
	{ AGE_TRIM, 0, "trims and rewrites" },
	{ AGE_REWRITTEN, 0, "100 %, then rewritten" },
	{ AGE_DEFRAGMENTED, 100, "100 %, then defragmented" },
};
enum { PLANS = sizeof(plans) / sizeof(plans[0]), WORST = 5 };

static void age_one(const char *fixed, const char *dynamic)
{
	static struct specimen list[PLANS];
	unsigned count = 0;

	memset(list, 0, sizeof(list));
	results.aged = tool_allocate(results.aged, (results.aged_count + PLANS) * sizeof(*results.aged));
	for (unsigned i = 0; i < PLANS; i++) {
		struct specimen *p = &list[count];

		if (plans[i].how == AGE_DEFRAGMENTED && !can_defragment())
			continue;
		p->aged = &results.aged[results.aged_count + count++];
		make(p, i, plans[i].how, plans[i].asked, plans[i].title, plans[i].how == AGE_FIXED ? fixed : dynamic);
		age(p, &list[WORST]);
		progress_done(0.4, "ageing: %s", p->aged->title);
	}
	measure(list, count);
	summarise(list, count);
	for (unsigned i = 0; i < count; i++)
		subject_remove(&list[i].subject);
	results.aged_count += count;
}

void ageing_all(void)
{
	age_one("vhdx-fixed", "vhdx-dynamic:block=1M");
	if (!settings.quick)
		age_one("vhd-fixed", "vhd-dynamic");
}

void ageing_plan(void)
{
	progress_plan((settings.quick ? 1 : 2) * (PLANS - 1) * (0.4 + 4 * settings.seconds * settings.rounds));
}
