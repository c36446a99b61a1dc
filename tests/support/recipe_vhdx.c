/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"

static uint64_t round_to(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

static void put_utf16(struct memfile *m, uint64_t offset, const char *ascii)
{
	for (; *ascii != '\0'; ascii++, offset += 2)
		recipe_put(m, offset, 2, (uint8_t)*ascii);
}

static void put_identifier(struct memfile *m, const struct recipe_vhdx *k)
{
	memfile_write(m, 0, "vhdxfile", 8);
	put_utf16(m, 8, k->creator);
}

static void put_header(struct memfile *m, const struct recipe_vhdx *k, unsigned slot)
{
	uint64_t at = RECIPE_HEADER(slot);

	if (k->sequence_numbers[slot] == 0)
		return;
	memfile_write(m, at, "head", 4);
	recipe_put(m, at + 8, 8, k->sequence_numbers[slot]);
	recipe_put_guid(m, at + 16, &k->file_write_guid);
	recipe_put_guid(m, at + 32, &k->data_write_guid);
	recipe_put_guid(m, at + 48, &k->log_guid);
	recipe_put(m, at + 64, 2, 0);
	recipe_put(m, at + 66, 2, 1);
	recipe_put(m, at + 68, 4, k->log_length);
	recipe_put(m, at + 72, 8, k->log_offset);
	recipe_fix_header(m, slot);
}

static void put_region(struct memfile *m, uint64_t at, const struct recipe_region *region)
{
	recipe_put_guid(m, at, &region->guid);
	recipe_put(m, at + 16, 8, region->file_offset);
	recipe_put(m, at + 24, 4, region->length);
	recipe_put(m, at + 28, 4, region->required);
}

static void put_regions(struct memfile *m, const struct recipe_vhdx *k, uint32_t bat_length, unsigned copy)
{
	struct recipe_region bat = { recipe_guid_text("2DC27766-F623-4200-9D64-115E9BFD4A08"), k->bat_offset, bat_length,
				     k->known_required };
	struct recipe_region metadata = { recipe_guid_text("8B7CA206-4790-4B9A-B8FE-575F050F886E"), k->metadata_offset,
					  k->metadata_length, k->known_required };

	memfile_write(m, RECIPE_REGION_TABLE(copy), "regi", 4);
	recipe_put(m, RECIPE_REGION_TABLE(copy) + 8, 4, 2 + k->region_count);
	put_region(m, RECIPE_REGION(copy, 0), &bat);
	put_region(m, RECIPE_REGION(copy, 1), &metadata);
	for (size_t i = 0; i < k->region_count; i++)
		put_region(m, RECIPE_REGION(copy, 2 + i), &k->regions[i]);
	recipe_fix_region_table(m, copy);
}

/* Metadata: items are packed from 64 KiB in the region on, in table order, each aligned to 8. */

static void put_item(struct memfile *m, struct recipe_vhdx_places *p, uint64_t *next, const struct recipe_item *item)
{
	uint64_t entry = p->metadata + 32 + 32 * p->item_count;

	if (p->item_count == RECIPE_ITEMS_MAX)
		abort();
	p->entries[p->item_count] = entry;
	p->items[p->item_count] = item->length == 0 ? 0 : *next;
	p->item_count++;
	recipe_put_guid(m, entry, &item->id);
	recipe_put(m, entry + 16, 4, item->length == 0 ? 0 : *next - p->metadata);
	recipe_put(m, entry + 20, 4, item->length);
	recipe_put(m, entry + 24, 4, item->flags);
	memfile_write(m, *next, item->bytes, item->length);
	*next += round_to(item->length, 8);
}

static uint32_t make_locator(uint8_t *out, const struct recipe_pair *pairs, size_t count)
{
	struct memfile *m = memfile_new();
	struct vhdx_guid type = recipe_guid_text("B04AEFB7-D19E-4A81-B789-25B8E9445913");
	uint32_t at = 20 + 12 * (uint32_t)count;

	recipe_put_guid(m, 0, &type);
	recipe_put(m, 18, 2, count);
	for (size_t i = 0; i < count; i++) {
		uint32_t key = (uint32_t)strlen(pairs[i].key) * 2, value = (uint32_t)strlen(pairs[i].value) * 2;

		recipe_put(m, 20 + 12 * i, 4, at);
		recipe_put(m, 24 + 12 * i, 4, at + key);
		recipe_put(m, 28 + 12 * i, 2, key);
		recipe_put(m, 30 + 12 * i, 2, value);
		put_utf16(m, at, pairs[i].key);
		put_utf16(m, at + key, pairs[i].value);
		at += key + value;
	}
	memfile_read(m, 0, out, at);
	memfile_free(m);
	return at;
}

static void put_known_items(struct memfile *m, const struct recipe_vhdx *k, struct recipe_vhdx_places *p, uint64_t *next)
{
	static const struct {
		const char *id;
		uint32_t length, flags;
	} known[] = {
		{ "CAA16737-FA36-4D43-B3B6-33F0AA44E76B", 8, 4 },  { "2FA54224-CD1B-4876-B211-5DBED83BF4B8", 8, 6 },
		{ "8141BF1D-A96F-4709-BA47-F233A8FAAB5F", 4, 6 },  { "CDA348C7-445D-4471-9CC9-E9885251C556", 4, 6 },
		{ "BECA12AB-B2E6-4523-93EF-C309E000C746", 16, 6 },
	};
	static const uint8_t zeros[16];

	for (unsigned i = 0; i < 5; i++) {
		struct recipe_item item = { recipe_guid_text(known[i].id), known[i].flags, zeros, known[i].length };

		put_item(m, p, next, &item);
	}
	recipe_put(m, p->items[RECIPE_FILE_PARAMETERS], 4, k->block_size);
	recipe_put(m, p->items[RECIPE_FILE_PARAMETERS] + 4, 4,
		   k->type == VHDX_TYPE_FIXED          ? 1
		   : k->type == VHDX_TYPE_DIFFERENCING ? 2
						       : 0);
	recipe_put(m, p->items[RECIPE_DISK_SIZE], 8, k->size);
	recipe_put(m, p->items[RECIPE_LOGICAL], 4, k->logical_sector_size);
	recipe_put(m, p->items[RECIPE_PHYSICAL], 4, k->physical_sector_size);
	recipe_put_guid(m, p->items[RECIPE_DISK_ID], &k->disk_id);
}

static void put_metadata(struct memfile *m, const struct recipe_vhdx *k, struct recipe_vhdx_places *p)
{
	uint64_t next = k->metadata_offset + 65536;

	p->metadata = k->metadata_offset;
	memfile_write(m, p->metadata, "metadata", 8);
	put_known_items(m, k, p, &next);
	if (k->type == VHDX_TYPE_DIFFERENCING || k->pair_count != 0) {
		uint8_t *bytes = calloc(1, 1u << 20);
		struct recipe_item item = { recipe_guid_text("A8D35F2D-B30B-454D-ABF7-D3D84834AB0C"), 4, bytes, 0 };

		if (bytes == NULL)
			abort();
		item.length = make_locator(bytes, k->pairs, k->pair_count);
		put_item(m, p, &next, &item);
		free(bytes);
	}
	for (size_t i = 0; i < k->item_count; i++)
		put_item(m, p, &next, &k->items[i]);
	recipe_put(m, p->metadata + 10, 2, p->item_count);
}

/* Blocks */

uint64_t recipe_bat_place(const struct recipe_vhdx_places *p, uint64_t block)
{
	return p->bat + 8 * (block + block / p->chunk_ratio);
}

uint64_t recipe_bitmap_place(const struct recipe_vhdx_places *p, uint64_t block)
{
	return p->bat + 8 * (block / p->chunk_ratio * (p->chunk_ratio + 1) + p->chunk_ratio);
}

static void put_bits(struct memfile *m, uint64_t bitmap, uint64_t first_bit, const struct recipe_block *block)
{
	for (size_t r = 0; r < block->run_count; r++)
		for (uint64_t s = block->runs[r].first; s < (uint64_t)block->runs[r].first + block->runs[r].count; s++) {
			uint64_t bit = first_bit + s;

			recipe_put(m, bitmap + bit / 8, 1, recipe_get(m, bitmap + bit / 8, 1) | UINT64_C(1) << bit % 8);
		}
}

static void put_bitmap(struct memfile *m, const struct recipe_vhdx *k, const struct recipe_vhdx_places *p,
		       const struct recipe_block *block, uint64_t *next)
{
	uint64_t entry = recipe_get(m, recipe_bitmap_place(p, block->index), 8);
	uint64_t sectors = k->block_size / k->logical_sector_size;

	if (entry == 0) {
		entry = *next | 6;
		*next += RECIPE_MIB;
		recipe_put(m, recipe_bitmap_place(p, block->index), 8, entry);
		recipe_put(m, *next - 1, 1, 0);
	}
	put_bits(m, entry & ~UINT64_C(0xFFFFF), block->index % p->chunk_ratio * sectors, block);
}

static void put_block(struct memfile *m, const struct recipe_vhdx *k, const struct recipe_vhdx_places *p,
		      const struct recipe_block *block, uint64_t *next)
{
	uint64_t place = block->file_offset;

	if (place == 0 && block->state >= RECIPE_FULL) {
		place = *next;
		*next += k->block_size;
	} else if (place == RECIPE_NO_PLACE) {
		place = 0;
	}
	recipe_put(m, recipe_bat_place(p, block->index), 8, place | block->state);
	if (place != 0 && block->seed != 0)
		recipe_fill(m, place, k->block_size, block->index * k->block_size, block->seed);
	if (block->state == RECIPE_PARTIAL)
		put_bitmap(m, k, p, block, next);
}

static void plan_bat(const struct recipe_vhdx *k, struct recipe_vhdx_places *p)
{
	uint64_t blocks = (k->size + k->block_size - 1) / k->block_size;

	p->bat = k->bat_offset;
	p->chunk_ratio = (UINT64_C(1) << 23) * k->logical_sector_size / k->block_size;
	if (k->type == VHDX_TYPE_DIFFERENCING)
		p->bat_entries = (blocks + p->chunk_ratio - 1) / p->chunk_ratio * (p->chunk_ratio + 1);
	else
		p->bat_entries = blocks + (blocks - 1) / p->chunk_ratio;
}

static uint64_t end_of_regions(const struct recipe_vhdx *k, uint32_t bat_length)
{
	uint64_t ends[3] = { k->log_offset + k->log_length, k->metadata_offset + k->metadata_length, k->bat_offset + bat_length };
	uint64_t end = RECIPE_MIB;

	for (unsigned i = 0; i < 3; i++)
		end = ends[i] > end ? ends[i] : end;
	for (size_t i = 0; i < k->region_count; i++)
		if (k->regions[i].file_offset + k->regions[i].length > end)
			end = k->regions[i].file_offset + k->regions[i].length;
	return end;
}

void recipe_vhdx(struct memfile *m, const struct recipe_vhdx *k, struct recipe_vhdx_places *places)
{
	struct recipe_vhdx_places own, *p = places != NULL ? places : &own;
	uint32_t bat_length;
	uint64_t next;

	memset(p, 0, sizeof(*p));
	plan_bat(k, p);
	bat_length = k->bat_length != 0 ? k->bat_length : (uint32_t)round_to(p->bat_entries * 8, RECIPE_MIB);
	p->end = end_of_regions(k, bat_length);
	put_identifier(m, k);
	for (unsigned i = 0; i < 2; i++) {
		put_header(m, k, i);
		put_regions(m, k, bat_length, i);
	}
	put_metadata(m, k, p);
	next = k->first_block_offset != 0 ? k->first_block_offset : p->end;
	for (size_t i = 0; i < k->block_count; i++)
		put_block(m, k, p, &k->blocks[i], &next);
	p->end = next > p->end ? next : p->end;
	if (memfile_size(m) < p->end)
		memfile_set_size(m, p->end);
	for (size_t i = 0; i < k->entry_count; i++)
		p->log_end = recipe_log_entry(m, &k->entries[i], k->entries[i].at == RECIPE_NEXT ? p->log_end : k->entries[i].at);
	if (k->file_size != 0)
		memfile_set_size(m, k->file_size);
}

struct memfile *recipe_vhdx_new(const struct recipe_vhdx *knobs, struct recipe_vhdx_places *places)
{
	struct memfile *m = memfile_new();

	recipe_vhdx(m, knobs, places);
	return m;
}

/* Checksums */

static void fix(struct memfile *m, uint64_t at, size_t length)
{
	uint8_t *bytes = malloc(length);

	if (bytes == NULL)
		abort();
	memfile_read(m, at, bytes, length);
	memset(bytes + 4, 0, 4);
	recipe_put(m, at + 4, 4, recipe_crc32c(bytes, length));
	free(bytes);
}

void recipe_fix_header(struct memfile *m, unsigned slot)
{
	fix(m, RECIPE_HEADER(slot), 4096);
}

void recipe_fix_region_table(struct memfile *m, unsigned copy)
{
	fix(m, RECIPE_REGION_TABLE(copy), 65536);
}

void recipe_put_headers(struct memfile *m, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned slot = 0; slot < 2; slot++) {
		recipe_put(m, RECIPE_HEADER(slot) + offset, size, value);
		recipe_fix_header(m, slot);
	}
}

void recipe_put_region_tables(struct memfile *m, uint64_t offset, unsigned size, uint64_t value)
{
	for (unsigned copy = 0; copy < 2; copy++) {
		recipe_put(m, RECIPE_REGION_TABLE(copy) + offset, size, value);
		recipe_fix_region_table(m, copy);
	}
}
