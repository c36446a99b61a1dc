/* SPDX-License-Identifier: MIT */
/* Which sectors a crash test reads, and what they may hold. */
#include "watch.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE_SECTORS = 8, PAGES = BLOCK_SECTORS / PAGE_SECTORS };

static void add(struct watch *watch, uint64_t sector, uint64_t count)
{
	struct watch_range *last = watch->count != 0 ? &watch->ranges[watch->count - 1] : NULL;

	if (last != NULL && last->sector + last->count == sector) {
		last->count += count;
	} else {
		watch->ranges = realloc(watch->ranges, (watch->count + 1) * sizeof(*watch->ranges));
		if (watch->ranges == NULL)
			abort();
		watch->ranges[watch->count++] = (struct watch_range){ sector, count, watch->sectors };
	}
	watch->sectors += count;
}

static void watch_free(struct watch *watch)
{
	free(watch->ranges);
	free(watch->sets);
	*watch = (struct watch){ .end = SIZE_MAX };
}

static void mark(bool *marks, uint64_t sector, uint64_t count)
{
	for (uint64_t s = sector; s < sector + count; s++)
		marks[s % BLOCK_SECTORS / PAGE_SECTORS] = true;
}

/* Every block, at the places where some block has or had anything of its own. */
static void watch_small(struct test *t)
{
	const struct oracle *o = &t->w.oracle;
	bool marks[PAGES] = { [0] = true, [PAGES - 1] = true };

	for (uint64_t s = 0; s < o->sectors; s++)
		if (o->initial[s] > 1)
			mark(marks, s, 1);
	for (size_t i = 0; i < o->count; i++)
		if (!o->events[i].is_flush && o->events[i].value > 0)
			mark(marks, o->events[i].sector, o->events[i].count);
	for (uint64_t s = 0; s < o->sectors; s += PAGE_SECTORS)
		if (marks[s % BLOCK_SECTORS / PAGE_SECTORS])
			add(&t->some, s, PAGE_SECTORS);
	add(&t->all, 0, o->sectors);
}

/* The beginning of each block that has something in the parent. */
static void watch_wide(struct test *t)
{
	for (uint64_t page = 0; page < t->w.kind->wide; page++)
		for (uint64_t round = 0; round < WIDE_ROUNDS; round++) {
			add(&t->some, (page * 512 + round) * BLOCK_SECTORS, WIDE_SECTORS);
			add(&t->all, (page * 512 + round) * BLOCK_SECTORS, WIDE_SECTORS);
		}
}

void watch_choose(struct test *t)
{
	watch_free(&t->some);
	watch_free(&t->all);
	if (t->w.kind->wide != 0)
		watch_wide(t);
	else
		watch_small(t);
}

void watch_drop(struct test *t)
{
	watch_free(&t->some);
	watch_free(&t->all);
}

int watch_read(const struct test *t, const struct watch *watch, vhdx_disk *disk, uint8_t *content, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (size_t i = 0; status == VHDX_OK && i < watch->count; i++) {
		const struct watch_range *r = &watch->ranges[i];

		status = workload_read_part(&t->w, disk, content + r->at * ORACLE_SECTOR, r->sector, r->count, error);
	}
	return status;
}

/* More values than fit are looked up again when they are needed. */
static void find_sets(struct watch *watch, const struct oracle *oracle, size_t end)
{
	int values[64];

	if (watch->sets == NULL)
		watch->sets = malloc((size_t)watch->sectors * WATCH_SET * sizeof(int));
	if (watch->sets == NULL)
		abort();
	for (size_t i = 0; i < watch->count; i++)
		for (uint64_t s = 0; s < watch->ranges[i].count; s++) {
			int *set = watch->sets + (watch->ranges[i].at + s) * WATCH_SET;
			size_t count = oracle_allowed(oracle, end, watch->ranges[i].sector + s, values, 64);

			set[0] = (int)count;
			memcpy(set + 1, values, (count < WATCH_SET ? count : WATCH_SET - 1) * sizeof(int));
		}
	watch->end = end;
}

static bool is_in(const int *values, size_t count, int value)
{
	for (size_t i = 0; i < count; i++)
		if (values[i] == value)
			return true;
	return false;
}

static bool sector_is_right(const int *set, const struct oracle *oracle, size_t end, uint64_t sector, int value)
{
	int values[64];

	if (set[0] < WATCH_SET || is_in(set + 1, WATCH_SET - 1, value))
		return is_in(set + 1, set[0] < WATCH_SET ? (size_t)set[0] : WATCH_SET - 1, value);
	return is_in(values, oracle_allowed(oracle, end, sector, values, 64), value);
}

bool watch_compare(struct watch *watch, const struct oracle *oracle, size_t end, const uint8_t *content, uint64_t *wrong,
		   int *value)
{
	if (watch->end != end)
		find_sets(watch, oracle, end);
	for (size_t i = 0; i < watch->count; i++)
		for (uint64_t s = 0; s < watch->ranges[i].count; s++) {
			uint64_t at = watch->ranges[i].at + s;

			*wrong = watch->ranges[i].sector + s;
			*value = oracle_value(content + at * ORACLE_SECTOR, *wrong);
			if (!sector_is_right(watch->sets + at * WATCH_SET, oracle, end, *wrong, *value))
				return false;
		}
	return true;
}
