/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"

static uint64_t round_to(uint64_t value, uint64_t unit)
{
	return (value + unit - 1) / unit * unit;
}

void recipe_chs(uint64_t size, uint16_t *cylinders, uint8_t *heads, uint8_t *sectors_per_track)
{
	uint64_t sectors = size / 512, per_track, h, tracks;

	if (sectors > UINT64_C(65535) * 16 * 255)
		sectors = UINT64_C(65535) * 16 * 255;
	if (sectors >= UINT64_C(65535) * 16 * 63) {
		per_track = 255;
		h = 16;
	} else {
		per_track = 17;
		h = (sectors / 17 + 1023) / 1024;
		h = h < 4 ? 4 : h;
		if (sectors / 17 >= h * 1024 || h > 16) {
			per_track = 31;
			h = 16;
		}
		if (sectors / per_track >= h * 1024) {
			per_track = 63;
			h = 16;
		}
	}
	tracks = sectors / per_track;
	*cylinders = (uint16_t)(tracks / h);
	*heads = (uint8_t)h;
	*sectors_per_track = (uint8_t)per_track;
}

static void fix(struct memfile *m, uint64_t at, unsigned length, unsigned hole)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < length; i++)
		if (i < hole || i >= hole + 4)
			sum += (uint32_t)recipe_get(m, at + i, 1);
	recipe_put_be(m, at + hole, 4, ~sum);
}

void recipe_fix_footer(struct memfile *m, uint64_t file_offset)
{
	fix(m, file_offset, 512, 64);
}

void recipe_fix_dynamic(struct memfile *m, uint64_t file_offset)
{
	fix(m, file_offset, 1024, 36);
}

/* Composed in a file of its own: a footer of 511 bytes must not grow the image by its last byte. */
static void put_footer(struct memfile *m, const struct recipe_vhd *k, uint64_t at, unsigned length)
{
	struct memfile *f = memfile_new();
	uint8_t bytes[512], heads, per_track;
	uint16_t cylinders;

	recipe_chs(k->size, &cylinders, &heads, &per_track);
	memfile_set_size(f, 512);
	memfile_write(f, 0, "conectix", 8);
	recipe_put_be(f, 8, 4, k->features);
	recipe_put_be(f, 12, 4, k->version);
	recipe_put_be(f, 16, 8, k->type == VHDX_TYPE_FIXED ? UINT64_MAX : k->dynamic_offset);
	recipe_put_be(f, 24, 4, k->time_stamp);
	memfile_write(f, 28, k->creator_application, 4);
	recipe_put_be(f, 32, 4, k->creator_version);
	memfile_write(f, 36, k->creator_host_os, 4);
	recipe_put_be(f, 40, 8, k->original_size != 0 ? k->original_size : k->size);
	recipe_put_be(f, 48, 8, k->size);
	recipe_put_be(f, 56, 2, cylinders);
	recipe_put_be(f, 58, 1, heads);
	recipe_put_be(f, 59, 1, per_track);
	recipe_put_be(f, 60, 4, (uint64_t)k->type);
	memfile_write(f, 68, k->unique_id.bytes, 16);
	recipe_put_be(f, 84, 1, k->saved_state);
	recipe_fix_footer(f, 0);
	memfile_read(f, 0, bytes, sizeof(bytes));
	memfile_write(m, at, bytes, length);
	memfile_free(f);
}

/* Returns the bytes written. */
static uint32_t put_text(struct memfile *m, uint64_t at, const char *text, enum recipe_encoding encoding)
{
	uint32_t length = 0;

	for (; *text != '\0'; text++) {
		if (encoding == RECIPE_BYTES) {
			recipe_put(m, at + length++, 1, (uint8_t)*text);
			continue;
		}
		recipe_put(m, at + length + (encoding == RECIPE_UTF16BE), 1, (uint8_t)*text);
		recipe_put(m, at + length + (encoding == RECIPE_UTF16LE), 1, 0);
		length += 2;
	}
	return length;
}

static void put_locator(struct memfile *m, const struct recipe_vhd *k, struct recipe_vhd_places *p,
			const struct recipe_vhd_locator *l, uint64_t *next)
{
	uint64_t at = k->dynamic_offset + 576 + UINT64_C(24) * l->slot;
	uint32_t length = put_text(m, *next, l->text, l->encoding);

	memfile_write(m, at, l->code, 4);
	recipe_put_be(m, at + 4, 4, l->data_space != 0 ? l->data_space : round_to(length, 512));
	recipe_put_be(m, at + 8, 4, length);
	recipe_put_be(m, at + 16, 8, *next);
	p->locators[l->slot] = *next;
	*next = round_to(*next + length, 512);
}

static void put_dynamic(struct memfile *m, const struct recipe_vhd *k, struct recipe_vhd_places *p)
{
	uint64_t at = k->dynamic_offset;

	memfile_write(m, at, "cxsparse", 8);
	recipe_put_be(m, at + 8, 8, UINT64_MAX);
	recipe_put_be(m, at + 16, 8, k->table_offset);
	recipe_put_be(m, at + 24, 4, 0x00010000);
	recipe_put_be(m, at + 28, 4, p->entries_needed + k->extra_entries);
	recipe_put_be(m, at + 32, 4, k->block_size);
	memfile_write(m, at + 40, k->parent_unique_id.bytes, 16);
	recipe_put_be(m, at + 56, 4, k->parent_time_stamp);
	if (k->parent_name != NULL)
		(void)put_text(m, at + 64, k->parent_name, RECIPE_UTF16BE);
	if (recipe_get(m, at + 1023, 1) == 0)
		recipe_put(m, at + 1023, 1, 0);
}

static void put_bits(struct memfile *m, uint64_t bitmap, uint32_t first, uint32_t count)
{
	for (uint32_t s = first; s < first + count; s++)
		recipe_put(m, bitmap + s / 8, 1, recipe_get(m, bitmap + s / 8, 1) | UINT64_C(0x80) >> s % 8);
}

static bool has_bit(const struct memfile *m, uint64_t bitmap, uint32_t sector)
{
	return (recipe_get(m, bitmap + sector / 8, 1) & UINT64_C(0x80) >> sector % 8) != 0;
}

static void put_block(struct memfile *m, const struct recipe_vhd *k, const struct recipe_vhd_places *p,
		      const struct recipe_vhd_block *b, uint64_t at)
{
	uint32_t sectors = k->block_size / 512;

	recipe_put_be(m, p->bat + UINT64_C(4) * b->index, 4, at / 512);
	if (b->run_count == 0 && !b->no_bits)
		put_bits(m, at, 0, sectors);
	for (size_t i = 0; i < b->run_count; i++)
		put_bits(m, at, b->runs[i].first, b->runs[i].count);
	for (uint32_t s = 0; b->seed != 0 && s < sectors; s++)
		if (!b->zero_unset || has_bit(m, at, s))
			recipe_fill(m, at + p->bitmap_size + UINT64_C(512) * s, 512,
				    (uint64_t)b->index * k->block_size + UINT64_C(512) * s, b->seed);
	if (memfile_size(m) < at + p->bitmap_size + k->block_size)
		memfile_set_size(m, at + p->bitmap_size + k->block_size);
}

static void put_dynamic_body(struct memfile *m, const struct recipe_vhd *k, struct recipe_vhd_places *p)
{
	uint64_t next;

	p->dynamic = k->dynamic_offset;
	p->bat = k->table_offset;
	p->entries_needed = (uint32_t)((k->size + k->block_size - 1) / k->block_size);
	p->bitmap_size = (uint32_t)round_to((k->block_size / 512 + 7) / 8, 512);
	if (!k->no_front_footer)
		put_footer(m, k, 0, 512);
	put_dynamic(m, k, p);
	next = round_to(p->bat + UINT64_C(4) * (p->entries_needed + k->extra_entries), 512);
	for (uint64_t at = p->bat; at < next; at += 4)
		recipe_put_be(m, at, 4, 0xFFFFFFFF);
	if (next < k->dynamic_offset + 1024)
		next = k->dynamic_offset + 1024;
	for (size_t i = 0; i < k->locator_count; i++)
		put_locator(m, k, p, &k->locators[i], &next);
	recipe_fix_dynamic(m, p->dynamic);
	next = k->first_block_offset != 0 ? k->first_block_offset : next;
	for (size_t i = 0; i < k->block_count; i++) {
		uint64_t at = k->blocks[i].file_offset != 0 ? k->blocks[i].file_offset : next;

		put_block(m, k, p, &k->blocks[i], at);
		next = k->blocks[i].file_offset != 0 ? next : at + p->bitmap_size + k->block_size;
		if (i < sizeof(p->blocks) / sizeof(p->blocks[0]))
			p->blocks[i] = at;
	}
	p->end = next > memfile_size(m) ? next : round_to(memfile_size(m), 512);
}

void recipe_vhd(struct memfile *m, const struct recipe_vhd *k, struct recipe_vhd_places *places)
{
	struct recipe_vhd_places own, *p = places != NULL ? places : &own;
	unsigned length = k->footer_511 ? 511 : 512;

	memset(p, 0, sizeof(*p));
	if (k->type == VHDX_TYPE_FIXED) {
		if (k->fixed_seed != 0)
			recipe_fill(m, 0, k->size, 0, k->fixed_seed);
		p->end = k->size;
	} else {
		put_dynamic_body(m, k, p);
	}
	p->end += k->slack;
	memfile_set_size(m, p->end);
	p->footer = VHDX_NO_OFFSET;
	if (!k->no_end_footer) {
		p->footer = p->end;
		put_footer(m, k, p->footer, length);
		p->end += length;
	}
}

struct memfile *recipe_vhd_new(const struct recipe_vhd *knobs, struct recipe_vhd_places *places)
{
	struct memfile *m = memfile_new();

	recipe_vhd(m, knobs, places);
	return m;
}
