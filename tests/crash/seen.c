/* SPDX-License-Identifier: MIT */
#include "seen.h"

#include <stdlib.h>

static uint64_t *find(uint64_t *table, size_t size, uint64_t hash)
{
	size_t i = (size_t)hash & (size - 1);

	while (table[i] != 0 && table[i] != hash)
		i = (i + 1) & (size - 1);
	return &table[i];
}

static void grow(struct seen *seen)
{
	size_t size = seen->size == 0 ? 256 : seen->size * 2;
	uint64_t *table = calloc(size, sizeof(*table));

	if (table == NULL)
		abort();
	for (size_t i = 0; i < seen->size; i++)
		if (seen->table[i] != 0)
			*find(table, size, seen->table[i]) = seen->table[i];
	free(seen->table);
	seen->table = table;
	seen->size = size;
}

bool seen_add(struct seen *seen, uint64_t hash)
{
	uint64_t *place;

	hash |= hash == 0;
	if (seen->count * 2 >= seen->size)
		grow(seen);
	place = find(seen->table, seen->size, hash);
	if (*place == hash)
		return false;
	*place = hash;
	seen->count++;
	return true;
}

void seen_clear(struct seen *seen)
{
	free(seen->table);
	*seen = (struct seen){ NULL, 0, 0 };
}
