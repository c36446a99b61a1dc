/* SPDX-License-Identifier: MIT */
#include "oracle.h"

#include <stdlib.h>
#include <string.h>

void oracle_start(struct oracle *o, uint64_t sectors)
{
	*o = (struct oracle){ .sectors = sectors, .initial = calloc(sectors + 1, sizeof(int)) };
	if (o->initial == NULL)
		abort();
}

void oracle_end(struct oracle *o)
{
	free(o->initial);
	free(o->events);
}

static struct oracle_event *add(struct oracle *o)
{
	if (o->count == o->capacity) {
		o->capacity = o->capacity == 0 ? 64 : o->capacity * 2;
		o->events = realloc(o->events, o->capacity * sizeof(*o->events));
		if (o->events == NULL)
			abort();
	}
	return &o->events[o->count++];
}

void oracle_write(struct oracle *o, size_t position, uint64_t sector, uint64_t count, int value)
{
	*add(o) = (struct oracle_event){ position, false, false, sector, count, value };
}

void oracle_flush(struct oracle *o, size_t position)
{
	*add(o) = (struct oracle_event){ .position = position, .is_flush = true };
}

void oracle_doubt(struct oracle *o, size_t events)
{
	for (size_t i = o->count - events; i < o->count; i++)
		o->events[i].maybe = true;
}

static bool covers(const struct oracle_event *e, uint64_t sector)
{
	return !e->is_flush && sector >= e->sector && sector - e->sector < e->count;
}

int oracle_newest(const struct oracle *o, uint64_t sector)
{
	for (size_t i = o->count; i != 0; i--)
		if (covers(&o->events[i - 1], sector))
			return o->events[i - 1].maybe ? ORACLE_UNKNOWN : o->events[i - 1].value;
	return o->initial[sector];
}

void oracle_settle(struct oracle *o)
{
	for (size_t i = 0; i < o->count; i++)
		for (uint64_t s = 0; !o->events[i].is_flush && s < o->events[i].count; s++)
			o->initial[o->events[i].sector + s] = o->events[i].value;
	o->count = 0;
}

size_t oracle_allowed(const struct oracle *o, size_t end, uint64_t sector, int *values, size_t most)
{
	size_t flushed = 0, count = 1;

	for (size_t i = 0; i < o->count; i++)
		if (o->events[i].is_flush && o->events[i].position <= end)
			flushed = i;
	values[0] = o->initial[sector];
	for (size_t i = 0; i < o->count && o->events[i].position < end; i++) {
		if (!covers(&o->events[i], sector))
			continue;
		if (i < flushed && !o->events[i].maybe)
			count = 0;
		if (count < most)
			values[count++] = o->events[i].value;
	}
	return count;
}

/* The words of a sector are an arithmetic progression, and the multiplier is odd, so the first word gives value and sector back. */
#define STEP UINT64_C(0x9E3779B97F4A7C15)

static uint64_t first_word(uint64_t sector, int value)
{
	return ((uint64_t)(unsigned)value << 36 | (sector & 0xFFFFFFF) << 8) * STEP;
}

void oracle_fill(uint8_t *bytes, uint64_t sector, uint64_t count, int value)
{
	for (uint64_t s = 0; s < count; s++, bytes += ORACLE_SECTOR) {
		uint64_t w = first_word(sector + s, value);

		if (value == 0)
			memset(bytes, 0, ORACLE_SECTOR);
		for (unsigned i = 0; value != 0 && i < ORACLE_SECTOR / 8; i++, w += STEP)
			memcpy(bytes + (size_t)i * 8, &w, 8);
	}
}

static bool is_progression(const uint8_t *bytes, uint64_t first, uint64_t step)
{
	uint64_t words[ORACLE_SECTOR / 8], wrong = 0;

	memcpy(words, bytes, sizeof(words));
	for (unsigned i = 0; i < ORACLE_SECTOR / 8; i++)
		wrong |= words[i] ^ (first + i * step);
	return wrong == 0;
}

int oracle_value(const uint8_t *bytes, uint64_t sector)
{
	uint64_t w, inverse = UINT64_C(0xF1DE83E19937733D);
	int value;

	memcpy(&w, bytes, 8);
	if (w == 0)
		return is_progression(bytes, 0, 0) ? 0 : ORACLE_FOREIGN;
	value = (int)(w * inverse >> 36);
	return value != 0 && w == first_word(sector, value) && is_progression(bytes, w, STEP) ? value : ORACLE_FOREIGN;
}
