/* SPDX-License-Identifier: MIT */
/*
 * What is written, and whether it is there again.
 *
 * The disk is cut into units (4 KiB, or less when less is written at once). A unit of generation g at offset o holds the bytes of a table of random bytes
 * at (o / unit + 389 g) mod 1021: nothing is made while the clock runs, and since 1021 is a prime, a block that ends up at the place of
 * another shows, as does a write that was lost. Generation 0 are zeros. The table goes on for one largest request behind its end.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { PERIOD = 1021, STEP = 389, LARGEST = 4 << 20 };

static unsigned char *table;

void pattern_begin(void)
{
	size_t size = (size_t)PERIOD * settings.unit + LARGEST;

	table = tool_allocate(table, size);
	for (size_t i = 0; i < size; i += 8) {
		uint64_t word = mix((settings.seed << 32) + i % ((size_t)PERIOD * settings.unit));

		memcpy(table + i, &word, 8);
	}
}

const unsigned char *pattern_bytes(uint64_t offset, uint16_t generation)
{
	return table + (offset / settings.unit + (uint64_t)generation * STEP) % PERIOD * settings.unit;
}

void model_begin(struct model *model, uint64_t size)
{
	model->size = size;
	model->generations = calloc((size_t)(size / settings.unit) + 1, sizeof(*model->generations));
	if (model->generations == NULL)
		stop("not enough memory to remember what a disk of this size holds");
}

void model_end(struct model *model)
{
	free(model->generations);
	model->generations = NULL;
}

void model_set(struct model *model, uint64_t offset, uint64_t length, uint16_t generation)
{
	for (uint64_t unit = offset / settings.unit; unit < (offset + length) / settings.unit; unit++)
		model->generations[unit] = generation;
}

uint16_t model_get(const struct model *model, uint64_t offset)
{
	return model->generations[offset / settings.unit];
}

static bool is_zero(const unsigned char *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

bool model_agrees(const struct model *model, const unsigned char *bytes, uint64_t offset, uint64_t length)
{
	for (uint64_t at = 0; at < length; at += settings.unit) {
		uint16_t generation = model_get(model, offset + at);

		if (generation == 0 ? !is_zero(bytes + at, settings.unit)
				    : memcmp(bytes + at, pattern_bytes(offset + at, generation), settings.unit) != 0)
			return false;
	}
	return true;
}
