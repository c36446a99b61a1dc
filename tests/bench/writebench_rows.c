/* SPDX-License-Identifier: MIT */
/* The rows of the table. Goals stand beside the rows that have one; of QEMU, the setting that serves it best is raced. */
#include <stdio.h>

#include "writebench.h"

/* A disk on which each write of an allocating load meets a block of its own, in scattered order: an odd number of blocks further each time. */
struct subject {
	const char *what;
	struct disk_kind kind;
	uint64_t stride; /* in blocks; QEMU takes no step of 2 GiB or more */
};

static const struct subject subjects[] = {
	{ "dynamic VHDX, 2 MiB blocks", { VHDX_FORMAT_VHDX, false, BLOCK, EMPTY }, 997 },
	{ "dynamic VHDX, 32 MiB blocks", { VHDX_FORMAT_VHDX, false, LARGE_BLOCK, EMPTY }, 61 },
	{ "dynamic VHD", { VHDX_FORMAT_VHD, false, BLOCK, EMPTY }, 997 },
	{ "differencing VHDX", { VHDX_FORMAT_VHDX, true, BLOCK, EMPTY }, 997 },
	{ "differencing VHD", { VHDX_FORMAT_VHD, true, BLOCK, EMPTY }, 997 },
};
enum { SUBJECTS = sizeof(subjects) / sizeof(subjects[0]), BLOCKS_OF_DISK = 32768 };

static bool is_main(const struct subject *s)
{
	return s->kind.format == VHDX_FORMAT_VHDX && !s->kind.is_child;
}

static bool has_peer(const struct disk_kind *kind)
{
	return !kind->is_child && qemu_exists();
}

/* ours / other when the goal is a limit, other / ours when it is how much better we are. */
static void row(const char *key, const char *what, const struct write_race *race, unsigned other, enum goal goal, double limit,
		bool is_better)
{
	struct spread ratio = race->ratio[other];
	char a[16], b[48];

	if (is_better)
		ratio = (struct spread){ 1 / ratio.median, 1 / ratio.high, 1 / ratio.low };
	table_row(key, what, micro(a, race->seconds[0].median),
		  beside(b, race->writers[other]->name, race->seconds[other].median), ratio, goal, limit);
	if (race->writers[other]->is_raw)
		table_unsteady(race->writers[other]->name, race->seconds[other]);
}

static struct load allocating_load(const struct subject *s, unsigned writes, bool flush_each)
{
	return (struct load){ .size = (uint64_t)s->kind.block_size * BLOCKS_OF_DISK,
			      .first = 20 * PAGE,
			      .step = s->stride * s->kind.block_size,
			      .length = PAGE,
			      .count = writes,
			      .flush_each = flush_each,
			      .flush_end = true,
			      .pattern = 0x5A };
}

static void row_allocating(const struct subject *s, unsigned writes)
{
	struct load load = allocating_load(s, writes, false);
	struct write_race race = { .count = has_peer(&s->kind) ? 4 : 2,
				   .writers = { &our_writer, &raw_writer, &qemu_deep_writer, &qemu_unsafe_writer } };
	char what[64];

	write_race(&race, &s->kind, &load);
	(void)snprintf(what, sizeof(what), "new block, %s", s->what);
	row("a", what, &race, 1, NO_GOAL, 0, false);
	if (race.count < 4)
		return;
	row("a", "  beside QEMU", &race, 2, is_main(s) ? AT_LEAST : NO_GOAL, 30, true);
	row("a", "  beside QEMU that makes nothing durable", &race, 3, NO_GOAL, 0, true);
}

void rows_allocating(unsigned writes)
{
	for (unsigned i = 0; i < SUBJECTS; i++)
		row_allocating(&subjects[i], writes);
}

static void row_flushing(const struct subject *s, unsigned writes)
{
	struct load load = allocating_load(s, writes, true);
	struct write_race race = { .count = has_peer(&s->kind) ? 3 : 2, .writers = { &our_writer, &raw_writer, &qemu_writer } };
	char what[64];

	load.flush_end = false;
	write_race(&race, &s->kind, &load);
	(void)snprintf(what, sizeof(what), "new block and flush, %s", s->what);
	row("b", what, &race, 1, is_main(s) ? AT_MOST : NO_GOAL, 1.5, false);
	if (race.count > 2)
		row("b", "  beside QEMU", &race, 2, is_main(s) ? AT_LEAST : NO_GOAL, 4, true);
}

/* What a flush costs changes from second to second with what others do on the device, so the turns are short and many. */
void rows_flushing(unsigned writes)
{
	unsigned rounds = settings.rounds;

	settings.rounds = rounds * 3 <= MAX_ROUNDS ? rounds * 3 : MAX_ROUNDS;
	for (unsigned i = 0; i < SUBJECTS; i++)
		row_flushing(&subjects[i], (writes + 4) / 5);
	settings.rounds = rounds;
}

/* Every second page, so that the last page of each block stays as it is; scattered by the golden ratio. */
static void row_overwriting(const char *what, struct disk_kind kind)
{
	uint64_t size = settings.size < (UINT64_C(128) << 20) ? settings.size : UINT64_C(128) << 20;
	struct load load = { .size = size, .length = PAGE, .count = 2000, .pattern = 0x5A };
	struct write_race race = { .count = has_peer(&kind) ? 3 : 2, .writers = { &our_writer, &raw_writer, &qemu_writer } };
	char text[64];

	load.step = (uint64_t)((double)size * 0.6180339887 / (2 * PAGE)) * (2 * PAGE) | 2 * PAGE;
	write_race(&race, &kind, &load);
	(void)snprintf(text, sizeof(text), "overwrite, %s", what);
	row("c", text, &race, 1, AT_MOST, 1.15, false);
	if (race.count > 2)
		row("c", "  beside QEMU", &race, 2, NO_GOAL, 0, true);
}

void rows_overwriting(void)
{
	row_overwriting("dynamic VHDX, 2 MiB blocks", (struct disk_kind){ VHDX_FORMAT_VHDX, false, BLOCK, FULL });
	row_overwriting("dynamic VHDX, 32 MiB blocks", (struct disk_kind){ VHDX_FORMAT_VHDX, false, LARGE_BLOCK, FULL });
	row_overwriting("dynamic VHD", (struct disk_kind){ VHDX_FORMAT_VHD, false, BLOCK, FULL });
	row_overwriting("differencing VHDX", (struct disk_kind){ VHDX_FORMAT_VHDX, true, BLOCK, FULL });
	row_overwriting("differencing VHDX, blocks in part", (struct disk_kind){ VHDX_FORMAT_VHDX, true, BLOCK, NEARLY });
	row_overwriting("differencing VHD", (struct disk_kind){ VHDX_FORMAT_VHD, true, BLOCK, FULL });
}

static void row_filling(const struct subject *s)
{
	struct load load = { .size = settings.size,
			     .length = REQUEST,
			     .step = REQUEST,
			     .count = (unsigned)(settings.size / REQUEST),
			     .flush_end = true,
			     .pattern = 0x5A };
	struct write_race race = { .count = has_peer(&s->kind) ? 3 : 2,
				   .writers = { &our_writer, &raw_writer, &qemu_deep_writer } };
	char what[64];

	write_race(&race, &s->kind, &load);
	(void)snprintf(what, sizeof(what), "fill by 1 MiB, %s", s->what);
	row("d", what, &race, 1, s == &subjects[0] ? AT_LEAST : NO_GOAL, 0.90, true);
	if (race.count > 2)
		row("d", "  beside QEMU", &race, 2, s == &subjects[0] ? AT_LEAST : NO_GOAL, 3, true);
}

void rows_filling(void)
{
	for (unsigned i = 0; i < SUBJECTS; i++)
		row_filling(&subjects[i]);
}
