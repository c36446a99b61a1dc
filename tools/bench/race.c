/* SPDX-License-Identifier: MIT */
/*
 * The workloads, each on every type of disk by every way, in turns: round after round, beginning with another one each time, so that what the machine does
 * meanwhile meets all alike. Reads and overwrites find the same files all the time; what allocates finds new ones each time.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

/* Operations of the round that counts, which no clock ends, so that counts do not depend on the machine; with flushes, which take their time; of QEMU. */
enum { COUNTED = 500, COUNTED_FLUSHED = 100, TRIAL = 50 };
static const double LEAST_WHOLE = 0.1;                                      /* seconds: QEMU tells whole milliseconds */
static const struct way *const all_ways[] = { NULL, &way_qemu, &way_vhdi }; /* NULL: ours */

struct group {
	enum action action;
	enum state state;
	bool keeps; /* its files */
	struct subject subjects[MAX_KINDS];
	struct subject others[MAX_KINDS]; /* for QEMU, which writes something else */
};

static bool is_wanted(const struct way *way)
{
	return way == NULL || (way == &way_qemu && settings.peer_qemu) || (way == &way_vhdi && settings.peer_vhdi);
}

static bool has_action(enum action action)
{
	for (unsigned i = 0; i < settings.work_count; i++)
		if (settings.works[i].action == action)
			return true;
	return false;
}

static bool needs_other(const struct group *g, const struct kind *kind)
{
	static const struct work any = { .threads = 1 };
	const struct subject s = { .kind = kind };

	return g->action == ACT_OVERWRITE && settings.peer_qemu && way_qemu.can(&s, &any);
}

static void make_kept(struct group *g)
{
	for (unsigned i = 0; i < settings.kind_count; i++) {
		const struct kind *kind = &settings.kinds[i];

		if (kind->device != NULL && g->action != ACT_READ)
			continue;
		subject_make(&g->subjects[i], kind, g->state, "kept");
		subject_sync(&g->subjects[i]);
		if (kind->device == NULL)
			results.wrong += verify_all(way_of(kind), &g->subjects[i]);
		if (needs_other(g, kind)) {
			subject_make(&g->others[i], kind, g->state, "other");
			subject_sync(&g->others[i]);
		}
		progress_done(0.3, "files: %s", kind->title);
	}
}

static void remove_kept(struct group *g)
{
	for (unsigned i = 0; i < settings.kind_count; i++) {
		if (g->subjects[i].kind != NULL && g->action == ACT_OVERWRITE)
			results.wrong += verify_all(way_of(g->subjects[i].kind), &g->subjects[i]);
		if (g->subjects[i].kind != NULL)
			subject_remove(&g->subjects[i]);
		if (g->others[i].kind != NULL)
			subject_remove(&g->others[i]);
	}
}

/* Zeros that were written when a fixed disk was created are overwritten by its first writes; that need not be done anew for each round. */
static bool keeps_anyway(const struct group *g, const struct kind *kind)
{
	return g->state == STATE_EMPTY && kind->preallocation == VHDX_PREALLOCATE_FULL;
}

static unsigned kind_index(const struct row *row)
{
	return (unsigned)(row->kind - settings.kinds);
}

static uint64_t counted_operations(const struct work *work)
{
	unsigned most = work->flush != 0 ? COUNTED_FLUSHED : COUNTED;

	return most < settings.operations ? most : settings.operations;
}

/* One run of a row; the first one (`round` -1) counts, and finds how much a peer that runs whole can do in the time. */
static struct sample run_row(struct group *g, struct row *row, int round, struct length length, struct histogram *latencies)
{
	bool whole = row->way->whole != NULL, first = round < 0, counting = first && row->way == way_of(row->kind);
	bool keeps = g->keeps || keeps_anyway(g, row->kind);
	struct subject fresh,
		*subject = whole && g->action != ACT_READ ? &g->others[kind_index(row)] : &g->subjects[kind_index(row)];
	uint64_t seed = mix(settings.seed + (unsigned)(round + 1) + mix(row->work->io));
	struct sample sample = { .operations = row->operations };
	struct counts counts = { .lazy = false };

	if (!keeps) {
		subject_make(&fresh, row->kind, g->state, "fresh");
		subject = &fresh;
	} else if (subject->kind == NULL) {
		subject_make(subject, row->kind, g->state, whole ? "other" : "kept");
	}
	if (row->work->cold)
		subject_forget(subject);
	if (whole) {
		if (first)
			sample.operations = settings.operations < TRIAL ? settings.operations : TRIAL;
		row->way->whole(subject, row->work, sample.operations, &sample.elapsed, &sample.cpu);
	} else {
		sample = run_once(row->way, subject, row->work, seed, length, counting ? &counts : NULL, latencies);
		if (!g->keeps)
			results.wrong += verify_touched(row->way, subject, row->work, seed, sample.operations);
	}
	if (!keeps)
		subject_remove(&fresh);
	return sample;
}

static void take_counts(struct row *row, const struct sample *sample)
{
	double n = (double)sample->operations;

	row->has_counts = true;
	row->each = (struct tally){ sample->tally.reads / n,  sample->tally.writes / n,     sample->tally.flushes / n,
				    sample->tally.others / n, sample->tally.bytes_read / n, sample->tally.bytes_written / n };
}

static uint64_t most_of(const struct row *row, const struct subject *subject)
{
	struct places places;

	places_begin(&places, row->work, subject, 0, 0);
	return row->work->sequential || row->work->action == ACT_ALLOCATE ? places.per_thread : UINT64_MAX;
}

static void first_run(struct group *g, struct row *row)
{
	struct length counted = { counted_operations(row->work), row->way == way_of(row->kind) ? 0 : settings.seconds };
	struct sample sample = run_row(g, row, -1, counted, NULL);
	struct subject size = { .kind = row->kind, .model = { .size = kind_disk_size(row->kind, g->state) } };
	double wanted = settings.seconds > LEAST_WHOLE ? settings.seconds : LEAST_WHOLE;
	double fit = wanted / (sample.elapsed / (double)sample.operations + 1e-6);

	if (row->way == way_of(row->kind))
		take_counts(row, &sample);
	row->operations = sample.operations;
	if (row->way->whole == NULL)
		return;
	row->operations = fit < settings.operations ? (uint64_t)fit + 1 : settings.operations;
	if (row->operations > most_of(row, &size))
		row->operations = most_of(row, &size);
}

static void take_sample(struct row *row, const struct sample *sample)
{
	double seconds = settings.by_cpu ? sample->cpu : sample->elapsed;

	row->elapsed[row->rounds] = (seconds > 0 ? seconds : 1e-9) / (double)sample->operations;
	row->cpu[row->rounds] = sample->cpu / (double)sample->operations;
	row->operations = sample->operations;
	row->rounds++;
}

static void take_latencies(struct row *row, const struct histogram *h)
{
	if (h->total == 0)
		return;
	row->has_latency = true;
	row->p50 = histogram_percentile(h, 50) / 1e9;
	row->p90 = histogram_percentile(h, 90) / 1e9;
	row->p99 = histogram_percentile(h, 99) / 1e9;
	row->p999 = histogram_percentile(h, 99.9) / 1e9;
	row->worst = (double)h->worst / 1e9;
}

static struct row *add_row(const struct work *work, const struct kind *kind, const struct way *way)
{
	struct row *row;

	results.rows = tool_allocate(results.rows, (results.row_count + 1) * sizeof(*results.rows));
	row = &results.rows[results.row_count++];
	memset(row, 0, sizeof(*row));
	row->work = work;
	row->kind = kind;
	row->way = way;
	return row;
}

/* The rows of one work: ours on each type, then the peers. */
static unsigned add_rows(const struct work *work)
{
	unsigned before = results.row_count;

	for (size_t w = 0; w < sizeof(all_ways) / sizeof(all_ways[0]); w++) {
		if (!is_wanted(all_ways[w]))
			continue;
		for (unsigned i = 0; i < settings.kind_count; i++) {
			const struct kind *kind = &settings.kinds[i];
			const struct subject s = { .kind = kind };

			if (work_suits(work, kind) && (all_ways[w] == NULL || all_ways[w]->can(&s, work)))
				add_row(work, kind, all_ways[w] == NULL ? way_of(kind) : all_ways[w]);
		}
	}
	return results.row_count - before;
}

/* Times by the first row's, which is pass-through when that takes part. */
static void summarise(struct row *rows, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		double ratios[MAX_ROUNDS];

		for (unsigned r = 0; r < rows[i].rounds; r++)
			ratios[r] = rows[i].elapsed[r] / rows[0].elapsed[r];
		rows[i].seconds = spread_of(rows[i].elapsed, rows[i].rounds);
		rows[i].processor = spread_of(rows[i].cpu, rows[i].rounds);
		rows[i].to_reference = spread_of(ratios, rows[i].rounds);
	}
}

/* What others do on the machine may have pushed the files out of memory. */
static void warm(const struct group *g, const struct work *work)
{
	enum { PIECE = 1 << 20 };
	unsigned char *buffer = tool_allocate(NULL, PIECE);

	for (unsigned i = 0; i < settings.kind_count; i++) {
		const struct subject *s = &g->subjects[i];
		const struct way *way;
		void *handle;

		if (s->kind == NULL || s->kind->device != NULL || !work_suits(work, s->kind))
			continue;
		way = way_of(s->kind);
		handle = way->open(s, false, NULL);
		for (uint64_t at = 0; at < s->model.size; at += PIECE)
			way->read(handle, buffer, s->model.size - at < PIECE ? (size_t)(s->model.size - at) : PIECE, at);
		way->close(handle);
	}
	free(buffer);
}

static void race(struct group *g, const struct work *work)
{
	unsigned count = add_rows(work);
	struct row *rows = results.rows + results.row_count - count;
	struct histogram *latencies = calloc(count, sizeof(*latencies));
	struct length trial = { settings.operations, settings.seconds };
	uint64_t operations;

	if (latencies == NULL)
		stop("no memory");
	if (work->action == ACT_READ && !work->cold)
		warm(g, work);
	for (unsigned i = 0; i < count; i++) {
		first_run(g, &rows[i]);
		progress_done(settings.seconds, "%s: %s", work->title, rows[i].kind->title);
	}
	operations = count != 0 ? run_row(g, &rows[0], 0, trial, NULL).operations : 0;
	for (unsigned round = 0; round < settings.rounds; round++) {
		for (unsigned i = 0; i < count; i++) {
			unsigned turn = (i + round) % count;
			struct sample sample = run_row(g, &rows[turn], (int)round, length_like(operations), &latencies[turn]);

			take_sample(&rows[turn], &sample);
			progress_done(settings.seconds, "%s: %s", work->title, rows[turn].kind->title);
		}
	}
	for (unsigned i = 0; i < count; i++)
		take_latencies(&rows[i], &latencies[i]);
	summarise(rows, count);
	free(latencies);
}

static void race_group(enum action action, enum state state, bool keeps)
{
	struct group *g = calloc(1, sizeof(*g));

	if (g == NULL)
		stop("no memory");
	*g = (struct group){ .action = action, .state = state, .keeps = keeps };
	if (has_action(action)) {
		if (keeps)
			make_kept(g);
		/* cold ones last, because the others would find nothing in memory after them */
		for (unsigned cold = 0; cold < 2; cold++)
			for (unsigned i = 0; i < settings.work_count; i++)
				if (settings.works[i].action == action && settings.works[i].cold == (cold == 1))
					race(g, &settings.works[i]);
		remove_kept(g);
	}
	free(g);
}

void race_all(void)
{
	race_group(ACT_READ, STATE_READ, true);
	race_group(ACT_OVERWRITE, STATE_FULL, true);
	race_group(ACT_WRITE, STATE_HALF, false);
	race_group(ACT_ALLOCATE, STATE_EMPTY, false);
}

void race_plan(void)
{
	for (unsigned w = 0; w < settings.work_count; w++) {
		const struct work *work = &settings.works[w];

		for (unsigned i = 0; i < settings.kind_count; i++) {
			const struct subject s = { .kind = &settings.kinds[i] };

			for (size_t n = 0; n < sizeof(all_ways) / sizeof(all_ways[0]); n++)
				if (is_wanted(all_ways[n]) && work_suits(work, s.kind) && (n == 0 || all_ways[n]->can(&s, work)))
					progress_plan(settings.seconds * (settings.rounds + 1));
		}
	}
	progress_plan(0.3 * settings.kind_count * ((has_action(ACT_READ) ? 1 : 0) + (has_action(ACT_OVERWRITE) ? 1 : 0)));
}

const struct row *row_find(const char *kind, const char *work, const struct way *way)
{
	for (unsigned i = 0; i < results.row_count; i++) {
		const struct row *row = &results.rows[i];

		if (strcmp(row->kind->name, kind) == 0 && strcmp(row->work->name, work) == 0 &&
		    row->way == (way != NULL ? way : way_of(row->kind)))
			return row;
	}
	return NULL;
}

double row_speed(const struct row *row, double seconds)
{
	return seconds > 0 ? row->work->io / seconds : 0;
}
