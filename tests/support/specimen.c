/* SPDX-License-Identifier: MIT */
#include "support/specimen.h"

#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"

static struct specimen built[SPECIMEN_ALL];

static void add(struct specimen *s, enum structure_id id, unsigned index, uint64_t offset, enum specimen_sum sum,
		uint64_t sum_offset)
{
	if (s->part_count == SPECIMEN_PARTS)
		abort();
	s->parts[s->part_count++] = (struct specimen_part){ id, index, offset, sum, sum_offset };
}

/* VHDX */

static void add_headers(struct specimen *s, const struct recipe_vhdx *k)
{
	add(s, STRUCTURE_vhdx_file_identifier, 0, 0, SUM_NONE, 0);
	for (unsigned i = 0; i < 2; i++)
		add(s, STRUCTURE_vhdx_header, i, RECIPE_HEADER(i), SUM_HEADER, RECIPE_HEADER(i));
	for (unsigned copy = 0; copy < 2; copy++) {
		uint64_t table = RECIPE_REGION_TABLE(copy);

		add(s, STRUCTURE_vhdx_region_table, copy, table, SUM_REGION_TABLE, table);
		for (unsigned i = 0; i < 2 + k->region_count; i++)
			add(s, STRUCTURE_vhdx_region_entry, copy * 8 + i, RECIPE_REGION(copy, i), SUM_REGION_TABLE, table);
	}
}

static void add_metadata(struct specimen *s, const struct recipe_vhdx *k, const struct recipe_vhdx_places *p)
{
	static const enum structure_id items[] = { STRUCTURE_vhdx_file_parameters,     STRUCTURE_vhdx_virtual_disk_size,
						   STRUCTURE_vhdx_logical_sector_size, STRUCTURE_vhdx_physical_sector_size,
						   STRUCTURE_vhdx_virtual_disk_id,     STRUCTURE_vhdx_locator_header };

	add(s, STRUCTURE_vhdx_metadata_table, 0, p->metadata, SUM_NONE, 0);
	for (unsigned i = 0; i < p->item_count; i++)
		add(s, STRUCTURE_vhdx_metadata_entry, i, p->entries[i], SUM_NONE, 0);
	for (unsigned i = 0; i < (k->pair_count != 0 ? 6 : 5); i++)
		add(s, items[i], 0, p->items[i], SUM_NONE, 0);
	for (unsigned i = 0; i < k->pair_count; i++)
		add(s, STRUCTURE_vhdx_locator_entry, i, p->items[RECIPE_LOCATOR] + 20 + UINT64_C(12) * i, SUM_NONE, 0);
}

static void add_log(struct specimen *s, const struct recipe_vhdx *k)
{
	uint64_t at = k->log_offset;

	for (unsigned e = 0; e < k->entry_count; e++) {
		uint64_t sector = at + 4096; /* our entries have one sector of descriptors */

		add(s, STRUCTURE_vhdx_log_entry, e, at, SUM_LOG_ENTRY, at);
		for (unsigned i = 0; i < k->entries[e].descriptor_count; i++) {
			bool is_zero = k->entries[e].descriptors[i].zero_length != 0;

			add(s, is_zero ? STRUCTURE_vhdx_zero_descriptor : STRUCTURE_vhdx_data_descriptor, e * 8 + i,
			    at + 64 + UINT64_C(32) * i, SUM_LOG_ENTRY, at);
			if (is_zero)
				continue;
			add(s, STRUCTURE_vhdx_data_sector, e * 8 + i, sector, SUM_LOG_ENTRY, at);
			sector += 4096;
		}
		at = sector;
	}
}

/* The blocks of the recipe, the one behind each, and their bitmaps. */
static void add_bat(struct specimen *s, const struct recipe_vhdx *k, const struct recipe_vhdx_places *p)
{
	for (unsigned i = 0; i < k->block_count; i++) {
		add(s, STRUCTURE_vhdx_bat_entry, 2 * i, recipe_bat_place(p, k->blocks[i].index), SUM_NONE, 0);
		if (k->blocks[i].state == RECIPE_PARTIAL)
			add(s, STRUCTURE_vhdx_bat_entry, 2 * i + 1, recipe_bitmap_place(p, k->blocks[i].index), SUM_NONE, 0);
	}
	add(s, STRUCTURE_vhdx_bat_entry, 90, recipe_bat_place(p, 1), SUM_NONE, 0);
}

/* Only the first 4 KiB and the last 512 bytes of a block hold something, so that copies are cheap. */
static void fill_block(struct memfile *m, uint64_t file_offset, uint64_t disk_offset, uint64_t length, uint32_t seed)
{
	uint64_t head = length < 4096 ? length : 4096;

	recipe_fill(m, file_offset, head, disk_offset, seed);
	if (length > 8192)
		recipe_fill(m, file_offset + length - 512, 512, disk_offset + length - 512, seed);
}

static void build_vhdx(struct specimen *s, const struct recipe_vhdx *k)
{
	struct recipe_vhdx_places p;

	s->format = VHDX_FORMAT_VHDX;
	s->type = k->type;
	s->size = k->size;
	s->block_size = k->block_size;
	s->file = recipe_vhdx_new(k, &p);
	for (size_t i = 0; i < k->block_count; i++) {
		uint64_t entry = recipe_get(s->file, recipe_bat_place(&p, k->blocks[i].index), 8),
			 place = entry & ~UINT64_C(0xFFFFF);

		if (place != 0 && (entry & 7) >= RECIPE_FULL)
			fill_block(s->file, place, k->blocks[i].index * k->block_size, k->block_size, (uint32_t)(i + 1));
	}
	add_headers(s, k);
	add_log(s, k);
	add_metadata(s, k, &p);
	add_bat(s, k, &p);
}

static void build_vhdx_dynamic(struct specimen *s)
{
	static const struct recipe_block blocks[] = {
		{ .index = 0, .state = RECIPE_FULL },      { .index = 3, .state = RECIPE_ZERO },
		{ .index = 5, .state = RECIPE_FULL },      { .index = 6, .state = RECIPE_UNMAPPED },
		{ .index = 7, .state = RECIPE_UNDEFINED }, { .index = 15, .state = RECIPE_FULL }
	};
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	k.blocks = blocks;
	k.block_count = 6;
	build_vhdx(s, &k);
}

static void build_vhdx_fixed(struct specimen *s)
{
	struct recipe_block blocks[4];
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	for (unsigned i = 0; i < 4; i++)
		blocks[i] = (struct recipe_block){ .index = i, .state = RECIPE_FULL };
	k.type = VHDX_TYPE_FIXED;
	k.size = 4 * RECIPE_MIB;
	k.logical_sector_size = 4096;
	k.blocks = blocks;
	k.block_count = 4;
	build_vhdx(s, &k);
}

static void build_vhdx_parent(struct specimen *s)
{
	static const struct recipe_block blocks[] = { { .index = 0, .state = RECIPE_FULL },
						      { .index = 1, .state = RECIPE_FULL },
						      { .index = 15, .state = RECIPE_FULL } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	k.data_write_guid = recipe_guid(40);
	k.blocks = blocks;
	k.block_count = 3;
	build_vhdx(s, &k);
}

static void build_vhdx_child(struct specimen *s)
{
	static const struct recipe_run runs[] = { { 0, 3 }, { 9, 20 }, { 100, 1 } };
	static const struct recipe_block blocks[] = { { .index = 0, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 3 },
						      { .index = 2, .state = RECIPE_FULL },
						      { .index = 4, .state = RECIPE_ZERO },
						      { .index = 15, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 2 } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	const struct vhdx_guid parent = recipe_guid(40);
	char text[VHDX_GUID_TEXT_SIZE], linkage[VHDX_GUID_TEXT_SIZE + 2] = "{";
	const struct recipe_pair pairs[] = { { "parent_linkage", linkage },
					     { "relative_path", ".\\parent.vhdx" },
					     { "volume_path",
					       "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\parent.vhdx" },
					     { "absolute_win32_path", "C:\\disks\\parent.vhdx" } };

	s->parent = memfile_copy(specimen_get(SPECIMEN_VHDX_PARENT)->file);
	vhdx_guid_format(&parent, text);
	memcpy(linkage + 1, text, sizeof(text));
	memcpy(linkage + sizeof(text), "}", 2);
	k.type = VHDX_TYPE_DIFFERENCING;
	k.data_write_guid = recipe_guid(41);
	k.blocks = blocks;
	k.block_count = 4;
	k.pairs = pairs;
	k.pair_count = 4;
	build_vhdx(s, &k);
}

/* Two entries that allocate block 1 and take block 2 away. */
static void build_vhdx_log(struct specimen *s)
{
	static const struct recipe_block blocks[] = { { .index = 0, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_FULL } };
	static uint8_t page[4096];
	struct recipe_descriptor first[] = { { .file_offset = 3 * RECIPE_MIB, .page = page },
					     { .file_offset = 3 * RECIPE_MIB + 8192, .zero_length = 8192 } };
	struct recipe_descriptor second[] = { { .file_offset = 4 * RECIPE_MIB, .seed = 77 } };
	struct recipe_entry entries[] = {
		{ .at = 0, .tail = 0, .sequence_number = 10, .descriptors = first, .descriptor_count = 2 },
		{ .at = RECIPE_NEXT, .tail = 0, .sequence_number = 11, .descriptors = second, .descriptor_count = 1 }
	};
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places p;
	struct memfile *clean;

	k.blocks = blocks;
	k.block_count = 2;
	clean = recipe_vhdx_new(&k, &p);
	recipe_put(clean, p.bat + 8, 8, recipe_get(clean, p.bat + 16, 8));
	recipe_put(clean, p.bat + 16, 8, RECIPE_ZERO);
	memfile_read(clean, p.bat, page, sizeof(page));
	memfile_free(clean);
	for (unsigned i = 0; i < 2; i++) {
		entries[i].flushed_file_offset = p.end;
		entries[i].last_file_offset = p.end;
	}
	k.log_guid = recipe_guid(50);
	k.entries = entries;
	k.entry_count = 2;
	build_vhdx(s, &k);
}

static void build_vhdx_huge(struct specimen *s)
{
	static const struct recipe_block blocks[] = {
		{ .index = 0, .state = RECIPE_FULL, .file_offset = 64 * RECIPE_MIB },
		{ .index = 2097151, .state = RECIPE_FULL, .file_offset = UINT64_C(8) << 40 }
	};
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	k.size = UINT64_C(64) << 40;
	k.block_size = 32u << 20;
	k.physical_sector_size = 512;
	k.blocks = blocks;
	k.block_count = 2;
	build_vhdx(s, &k);
	memfile_set_size(s->file, (UINT64_C(8) << 40) + 32 * RECIPE_MIB);
}

static void build_vhdx_extras(struct specimen *s)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL } };
	const struct recipe_region regions[] = { { recipe_guid(60), 4 * RECIPE_MIB, 1u << 20, 0 } };
	const struct recipe_item items[] = { { recipe_guid(61), 1, "user item", 9 },
					     { recipe_guid(62), 2, "system item", 11 },
					     { recipe_guid(63), 1, "", 0 } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	k.size = 5 * RECIPE_MIB + 512;
	k.sequence_numbers[0] = 9;
	k.regions = regions;
	k.region_count = 1;
	k.items = items;
	k.item_count = 3;
	k.blocks = blocks;
	k.block_count = 1;
	build_vhdx(s, &k);
}

/* VHD */

static void add_vhd(struct specimen *s, const struct recipe_vhd *k, const struct recipe_vhd_places *p)
{
	add(s, STRUCTURE_vhd_footer, 0, p->footer, SUM_FOOTER, p->footer);
	if (k->type == VHDX_TYPE_FIXED)
		return;
	add(s, STRUCTURE_vhd_footer, 1, 0, SUM_FOOTER, 0);
	add(s, STRUCTURE_vhd_dynamic_header, 0, p->dynamic, SUM_DYNAMIC, p->dynamic);
	for (unsigned i = 0; i < 8; i++)
		add(s, STRUCTURE_vhd_locator_entry, i, p->dynamic + 576 + UINT64_C(24) * i, SUM_DYNAMIC, p->dynamic);
	for (unsigned i = 0; i < k->block_count; i++)
		add(s, STRUCTURE_vhd_bat_entry, i, p->bat + UINT64_C(4) * k->blocks[i].index, SUM_NONE, 0);
	add(s, STRUCTURE_vhd_bat_entry, 90, p->bat + 4, SUM_NONE, 0);
}

static void build_vhd(struct specimen *s, const struct recipe_vhd *k)
{
	struct recipe_vhd_places p;

	s->format = VHDX_FORMAT_VHD;
	s->type = k->type;
	s->size = k->size;
	s->block_size = k->type == VHDX_TYPE_FIXED ? 0 : k->block_size;
	s->file = recipe_vhd_new(k, &p);
	for (size_t i = 0; i < k->block_count; i++)
		fill_block(s->file, p.blocks[i] + p.bitmap_size, (uint64_t)k->blocks[i].index * k->block_size, k->block_size,
			   (uint32_t)(i + 1));
	add_vhd(s, k, &p);
}

static void build_vhd_dynamic(struct specimen *s)
{
	static const struct recipe_run runs[] = { { 0, 64 }, { 127, 1 } };
	static const struct recipe_vhd_block blocks[] = { { .index = 0 },
							  { .index = 3, .runs = runs, .run_count = 2 },
							  { .index = 7 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.size = 8 * 65536;
	k.block_size = 65536;
	k.blocks = blocks;
	k.block_count = 3;
	build_vhd(s, &k);
}

static void build_vhd_fixed(struct specimen *s)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.type = VHDX_TYPE_FIXED;
	k.size = 4 * 65536;
	build_vhd(s, &k);
	fill_block(s->file, 0, 0, k.size, 1);
}

enum { VHD_CHAIN_BLOCK = 32768, VHD_CHAIN_SIZE = 8 * VHD_CHAIN_BLOCK - 512 };

static void build_vhd_parent(struct specimen *s)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 1 }, { .index = 2 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.size = VHD_CHAIN_SIZE;
	k.block_size = VHD_CHAIN_BLOCK;
	k.unique_id = recipe_guid(70);
	k.blocks = blocks;
	k.block_count = 2;
	build_vhd(s, &k);
}

static void build_vhd_child(struct specimen *s)
{
	static const struct recipe_run runs[] = { { 0, 2 }, { 5, 3 }, { 64, 1 } };
	static const struct recipe_vhd_block blocks[] = { { .index = 1, .runs = runs, .run_count = 3 }, { .index = 6 } };
	static const struct recipe_vhd_locator locators[] = {
		{ .code = "W2ru", .text = ".\\parent.vhd", .encoding = RECIPE_UTF16LE, .slot = 0 },
		{ .code = "W2ku", .text = "C:\\disks\\parent.vhd", .encoding = RECIPE_UTF16LE, .slot = 1 },
		{ .code = "MacX", .text = "file://localhost/disks/parent.vhd", .encoding = RECIPE_BYTES, .slot = 5 }
	};
	struct recipe_vhd k = RECIPE_VHD_INIT;

	s->parent = memfile_copy(specimen_get(SPECIMEN_VHD_PARENT)->file);
	k.size = VHD_CHAIN_SIZE;
	k.block_size = VHD_CHAIN_BLOCK;
	k.type = VHDX_TYPE_DIFFERENCING;
	k.parent_unique_id = recipe_guid(70);
	k.unique_id = recipe_guid(71);
	k.parent_name = "parent.vhd";
	k.locators = locators;
	k.locator_count = 3;
	k.blocks = blocks;
	k.block_count = 2;
	build_vhd(s, &k);
}

static void build_vhd_huge(struct specimen *s)
{
	static const struct recipe_run run = { 0, 8 };
	static const struct recipe_vhd_block blocks[] = { { .index = 0, .runs = &run, .run_count = 1 },
							  { .index = 8159, .runs = &run, .run_count = 1 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.size = UINT64_C(2040) << 30;
	k.block_size = 256u << 20;
	k.blocks = blocks;
	k.block_count = 2;
	build_vhd(s, &k);
}

static void (*const builders[SPECIMEN_ALL])(struct specimen *) = {
	build_vhdx_dynamic, build_vhdx_fixed, build_vhdx_child, build_vhdx_log, build_vhdx_huge,   build_vhdx_extras,
	build_vhd_dynamic,  build_vhd_fixed,  build_vhd_child,  build_vhd_huge, build_vhdx_parent, build_vhd_parent,
};
static const char *const names[SPECIMEN_ALL] = { "vhdx-dynamic", "vhdx-fixed",  "vhdx-child",  "vhdx-log",
						 "vhdx-huge",    "vhdx-extras", "vhd-dynamic", "vhd-fixed",
						 "vhd-child",    "vhd-huge",    "vhdx-parent", "vhd-parent" };

const struct specimen *specimen_get(enum specimen_kind kind)
{
	struct specimen *s = &built[kind];

	if (s->file == NULL) {
		s->name = names[kind];
		builders[kind](s);
	}
	return s;
}

void specimen_end(void)
{
	for (unsigned i = 0; i < SPECIMEN_ALL; i++) {
		memfile_free(built[i].file);
		memfile_free(built[i].parent);
		built[i] = (struct specimen){ .name = NULL };
	}
}

int specimen_open(vhdx_disk **out, const struct specimen *s, struct memfile *m, unsigned flags, const struct vhdx_env *env,
		  struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "specimen"), parent;

	options.flags = flags;
	options.env = env;
	if (s->parent != NULL) {
		parent = memfile_file(s->parent, "parent");
		options.parents = &parent;
		options.parent_count = 1;
	}
	return vhdx_open_file(out, &file, &options, error);
}
