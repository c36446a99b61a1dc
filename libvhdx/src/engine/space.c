/* SPDX-License-Identifier: MIT */
#include "engine/space.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"

#define UNIT MIB
#define MAX_UNITS (UINT64_C(256) * TIB / UNIT) /* the largest disk with all its structures takes 65 TiB */

static bool is_used(const struct space *s, uint64_t unit)
{
	return unit < s->capacity && (s->used[unit / 64] >> unit % 64 & 1) != 0;
}

static void mark(struct space *s, uint64_t first, uint64_t count, bool used)
{
	for (uint64_t unit = first; unit < first + count; unit++) {
		if (used)
			s->used[unit / 64] |= UINT64_C(1) << unit % 64;
		else
			s->used[unit / 64] &= ~(UINT64_C(1) << unit % 64);
	}
}

static int make_room(struct space *s, uint64_t units, struct vhdx_error *error)
{
	uint64_t capacity = min_u64(max_u64(round_up(units, 4096), s->capacity * 2), MAX_UNITS);
	uint64_t *used;

	if (units <= s->capacity)
		return VHDX_OK;
	if (units > MAX_UNITS)
		return fail(error, VHDX_E_NO_SPACE, "the file would be too large");
	used = memory_zeroed(s->env, (size_t)(capacity / 8));
	if (used == NULL)
		return fail_memory(error);
	if (s->capacity != 0)
		memcpy(used, s->used, (size_t)(s->capacity / 8));
	memory_release(s->env, s->used);
	s->used = used;
	s->capacity = capacity;
	return VHDX_OK;
}

int space_start(struct space *s, const struct vhdx_env *env, uint64_t file_size, struct vhdx_error *error)
{
	int status;

	*s = (struct space){ .env = env };
	if (file_size / UNIT >= MAX_UNITS)
		return fail(error, VHDX_E_UNSUPPORTED, "a file of more than 256 TiB cannot be written");
	status = make_room(s, file_size / UNIT + 1, error);
	if (status < 0)
		return status;
	s->end = divide_up(file_size, UNIT);
	s->free_inside = s->end;
	return VHDX_OK;
}

void space_end(struct space *s)
{
	if (s->env == NULL)
		return;
	memory_release(s->env, s->used);
	memory_release(s->env, s->leaving);
	s->used = NULL;
	s->leaving = NULL;
}

int space_reach(struct space *s, uint64_t end, struct vhdx_error *error)
{
	uint64_t units = divide_up(end, UNIT);
	int status = units > s->end ? make_room(s, units, error) : VHDX_OK;

	if (status == VHDX_OK && units > s->end) {
		s->free_inside += units - s->end;
		s->end = units;
	}
	return status;
}

bool space_take(struct space *s, uint64_t file_offset, uint64_t length)
{
	uint64_t first = file_offset / UNIT, count = divide_up(length, UNIT);

	if (!range_fits(first, count, s->end))
		return false;
	for (uint64_t unit = first; unit < first + count; unit++)
		if (is_used(s, unit))
			return false;
	mark(s, first, count, true);
	s->free_inside -= count;
	return true;
}

/* First fit from the cursor on, then from the start. */
static bool find_inside(struct space *s, uint64_t count, uint64_t *first)
{
	uint64_t run = 0;

	if (s->free_inside < count || (s->no_run_of != 0 && count >= s->no_run_of))
		return false;
	for (uint64_t step = 0, unit = s->cursor; step < s->end + count; step++, unit++) {
		if (unit >= s->end) {
			unit = 0;
			run = 0;
		}
		run = is_used(s, unit) ? 0 : run + 1;
		if (run == count) {
			*first = unit + 1 - count;
			s->cursor = unit + 1;
			return true;
		}
	}
	s->no_run_of = count;
	return false;
}

int space_allocate(struct space *s, uint64_t length, uint64_t *file_offset, bool *is_zero, struct vhdx_error *error)
{
	uint64_t count = length / UNIT, first;
	int status;

	*is_zero = !find_inside(s, count, &first);
	if (*is_zero) {
		first = s->end;
		status = make_room(s, first + count, error);
		if (status < 0)
			return status;
		s->end = first + count;
	} else {
		s->free_inside -= count;
	}
	mark(s, first, count, true);
	*file_offset = first * UNIT;
	return VHDX_OK;
}

void space_cancel(struct space *s, uint64_t file_offset, uint64_t length)
{
	mark(s, file_offset / UNIT, length / UNIT, false);
	s->free_inside += length / UNIT;
	s->no_run_of = 0;
}

void space_retract(struct space *s, uint64_t file_offset, uint64_t length, bool is_zero)
{
	space_cancel(s, file_offset, length);
	if (is_zero) { /* it was the end */
		s->end = file_offset / UNIT;
		s->free_inside -= length / UNIT;
	}
}

int space_leave(struct space *s, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	if (!memory_grow(s->env, (void **)&s->leaving, s->leaving_count, sizeof(*s->leaving)))
		return fail_memory(error);
	s->leaving[s->leaving_count++] = (struct space_piece){ file_offset, min_u64(length, s->end * UNIT - file_offset) };
	return VHDX_OK;
}

void space_logged(struct space *s, size_t count)
{
	s->leaving_logged += count;
}

/* The array may be larger than memory_grow needs for so many. */
void space_durable(struct space *s)
{
	size_t left = s->leaving_count - s->leaving_logged;

	for (size_t i = 0; i < s->leaving_logged; i++)
		space_cancel(s, s->leaving[i].file_offset, s->leaving[i].length);
	if (left != 0)
		memmove(s->leaving, s->leaving + s->leaving_logged, left * sizeof(*s->leaving));
	s->leaving_count = left;
	s->leaving_logged = 0;
}

uint64_t space_used_end(const struct space *s)
{
	uint64_t unit = s->end;

	while (unit != 0 && !is_used(s, unit - 1))
		unit = unit % 64 == 0 && s->used[unit / 64 - 1] == 0 ? unit - 64 : unit - 1;
	return unit * UNIT;
}

bool space_is_used(const struct space *s, uint64_t file_offset)
{
	return is_used(s, file_offset / UNIT);
}

bool space_find(const struct space *s, uint64_t length, uint64_t *from, uint64_t below)
{
	uint64_t count = length / UNIT, run = 0;

	for (uint64_t unit = *from; unit < below / UNIT; unit++) {
		run = is_used(s, unit) ? 0 : run + 1;
		if (run == count) {
			*from = unit + 1 - count;
			return true;
		}
	}
	return false;
}

uint64_t space_below(const struct space *s, uint64_t high, uint64_t count)
{
	uint64_t unit = high / UNIT;

	while (unit != 0 && count != 0)
		count -= is_used(s, --unit);
	return unit * UNIT;
}

int space_copy(struct space *copy, const struct space *s, struct vhdx_error *error)
{
	int status;

	*copy = (struct space){ .env = s->env };
	status = make_room(copy, s->capacity, error);
	if (status < 0)
		return status;
	memcpy(copy->used, s->used, (size_t)(s->capacity / 8));
	copy->end = s->end;
	copy->free_inside = s->free_inside;
	return VHDX_OK;
}
