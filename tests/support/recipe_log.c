/* SPDX-License-Identifier: MIT */
/*
 * Log entries of the VHDX recipe. An entry is composed in one piece and then written into the ring, which may cut it in
 * two; fixing a checksum goes the same way back. The place of the log and the LogGuid are taken from header 1, or header
 * 2 when that slot is empty.
 */
#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"

struct ring {
	uint64_t offset;
	uint32_t length;
	struct vhdx_guid guid;
};

static struct ring ring_of(const struct memfile *m)
{
	uint64_t header = recipe_get(m, RECIPE_HEADER(0), 4) != 0 ? RECIPE_HEADER(0) : RECIPE_HEADER(1);

	return (struct ring){ recipe_get(m, header + 72, 8), (uint32_t)recipe_get(m, header + 68, 4),
			      recipe_get_guid(m, header + 48) };
}

static void put_number(uint8_t *at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> 8 * i);
}

static void put_guid(uint8_t *at, const struct vhdx_guid *guid)
{
	struct memfile *m = memfile_new();

	recipe_put_guid(m, 0, guid);
	memfile_read(m, 0, at, 16);
	memfile_free(m);
}

/* One descriptor, and its data sector when it has one. Returns how many data sectors that were. */
static uint32_t put_descriptor(uint8_t *at, uint8_t *sector, const struct recipe_descriptor *d, uint64_t sequence)
{
	uint8_t page[4096];

	put_number(at + 16, 8, d->file_offset);
	put_number(at + 24, 8, sequence);
	if (d->zero_length != 0) {
		memcpy(at, "zero", 4);
		put_number(at + 8, 8, d->zero_length);
		return 0;
	}
	recipe_pattern(page, sizeof(page), d->file_offset, d->seed);
	if (d->page != NULL)
		memcpy(page, d->page, sizeof(page));
	memcpy(at, "desc", 4);
	memcpy(at + 4, page + 4092, 4);
	memcpy(at + 8, page, 8);
	memcpy(sector, "data", 4);
	put_number(sector + 4, 4, sequence >> 32);
	memcpy(sector + 8, page + 8, 4084);
	put_number(sector + 4092, 4, sequence & 0xFFFFFFFF);
	return 1;
}

static void write_ring(struct memfile *m, const struct ring *ring, uint32_t at, const uint8_t *bytes, uint32_t length)
{
	uint32_t first = length < ring->length - at ? length : ring->length - at;

	memfile_write(m, ring->offset + at, bytes, first);
	memfile_write(m, ring->offset, bytes + first, length - first);
}

static uint32_t data_count(const struct recipe_entry *e)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < e->descriptor_count; i++)
		count += e->descriptors[i].zero_length == 0;
	return count;
}

uint32_t recipe_log_entry(struct memfile *m, const struct recipe_entry *e, uint32_t at)
{
	struct ring ring = ring_of(m);
	uint32_t head = (64 + 32 * e->descriptor_count + 4095) / 4096 * 4096, length = head + 4096 * data_count(e), used = 0;
	uint64_t last = e->last_file_offset != 0 ? e->last_file_offset
						 : (memfile_size(m) + RECIPE_MIB - 1) / RECIPE_MIB * RECIPE_MIB;
	uint8_t *bytes = calloc(1, length);

	if (bytes == NULL || length > ring.length)
		abort();
	memcpy(bytes, "loge", 4);
	put_number(bytes + 8, 4, length);
	put_number(bytes + 12, 4, e->tail == RECIPE_SELF ? at : e->tail);
	put_number(bytes + 16, 8, e->sequence_number);
	put_number(bytes + 24, 4, e->descriptor_count);
	put_guid(bytes + 32, e->log_guid != NULL ? e->log_guid : &ring.guid);
	put_number(bytes + 48, 8, e->flushed_file_offset);
	put_number(bytes + 56, 8, last);
	for (uint32_t i = 0; i < e->descriptor_count; i++)
		used += put_descriptor(bytes + 64 + 32 * i,
				       used == length / 4096 - head / 4096 ? NULL : bytes + head + 4096 * used,
				       &e->descriptors[i], e->sequence_number);
	put_number(bytes + 4, 4, recipe_crc32c(bytes, length));
	write_ring(m, &ring, at, bytes, length);
	free(bytes);
	return (at + length) % ring.length;
}

void recipe_fix_log_entry(struct memfile *m, uint64_t file_offset)
{
	struct ring ring = ring_of(m);
	uint32_t at = (uint32_t)(file_offset - ring.offset), length = (uint32_t)recipe_get(m, file_offset + 8, 4), first;
	uint8_t *bytes;

	if (length > ring.length || length < 64) /* such an entry cannot have a checksum */
		return;
	first = length < ring.length - at ? length : ring.length - at;
	bytes = malloc(length);
	if (bytes == NULL)
		abort();
	memfile_read(m, file_offset, bytes, first);
	memfile_read(m, ring.offset, bytes + first, length - first);
	put_number(bytes + 4, 4, 0);
	recipe_put(m, file_offset + 4, 4, recipe_crc32c(bytes, length));
	free(bytes);
}
