/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>

#include "public/inspect_subject.h"

static void aim(struct subject *s, uint64_t offset, uint64_t length)
{
	cr_assert_lt(s->target_count, TARGETS);
	s->targets[s->target_count++] = (struct target){ offset, length };
}

static void aim_at_vhdx(struct subject *s, const struct recipe_vhdx_places *p, size_t region_count)
{
	aim(s, 0, 16);
	for (unsigned copy = 0; copy < 2; copy++) {
		aim(s, RECIPE_HEADER(copy), 84);
		aim(s, RECIPE_HEADER(copy) + 64, 16);
		aim(s, RECIPE_REGION_TABLE(copy), 16 + 32 * (2 + region_count) + 8);
	}
	aim(s, p->metadata, 32);
	for (size_t i = 0; i < p->item_count; i++) {
		aim(s, p->entries[i], 32);
		if (p->items[i] != 0)
			aim(s, p->items[i],
			    i == RECIPE_LOCATOR                                    ? 160
			    : i == RECIPE_DISK_SIZE || i == RECIPE_FILE_PARAMETERS ? 8
										   : 4);
	}
	aim(s, p->bat, 8 * 17);
	aim(s, p->bat + 8 * p->chunk_ratio, 8);
}

void subject_dynamic(struct subject *s)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_FULL },
						      { .index = 4, .state = RECIPE_ZERO },
						      { .index = 5, .state = RECIPE_UNMAPPED, .file_offset = 9 * RECIPE_MIB } };
	static const uint8_t value[] = "a user's";
	struct recipe_item items[] = { { .flags = 1, .bytes = value, .length = 8 }, { .flags = 2, .bytes = value, .length = 4 } };
	struct recipe_region regions[] = { { .file_offset = 10 * RECIPE_MIB, .length = 1u << 20 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;

	items[0].id = recipe_guid(21);
	items[1].id = recipe_guid(22);
	regions[0].guid = recipe_guid(23);
	knobs.blocks = blocks;
	knobs.block_count = 4;
	knobs.items = items;
	knobs.item_count = 2;
	knobs.regions = regions;
	knobs.region_count = 1;
	knobs.first_block_offset = 5 * RECIPE_MIB;
	knobs.file_size = 11 * RECIPE_MIB;
	s->m = recipe_vhdx_new(&knobs, &places);
	aim_at_vhdx(s, &places, 1);
}

void subject_child(struct subject *s)
{
	static const struct recipe_run runs[] = { { 3, 4 } };
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL },
						      { .index = 2, .state = RECIPE_PARTIAL, .runs = runs, .run_count = 1 },
						      { .index = 3, .state = RECIPE_ZERO } };
	static const struct recipe_pair pairs[] = { { "parent_linkage", "{da000000-0000-0000-0000-000000000000}" },
						    { "relative_path", ".\\p.vhdx" },
						    { "parent_linkage2", "{00000000-0000-0000-0000-000000000000}" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.blocks = blocks;
	knobs.block_count = 3;
	knobs.pairs = pairs;
	knobs.pair_count = 3;
	s->m = recipe_vhdx_new(&knobs, &places);
	aim_at_vhdx(s, &places, 0);
	aim(s, places.items[RECIPE_LOCATOR], 60);
}

void subject_log(struct subject *s)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places places;
	uint8_t pages[2][4096];
	struct recipe_descriptor first[] = { { .file_offset = 3 * RECIPE_MIB, .page = pages[0] },
					     { .file_offset = 6 * RECIPE_MIB, .zero_length = 8192 } };
	struct recipe_descriptor second[] = { { .file_offset = 2 * RECIPE_MIB, .page = pages[1] } };
	struct recipe_entry entries[] = {
		{ .at = RECIPE_NEXT, .tail = RECIPE_SELF, .sequence_number = 5 },
		{ .at = RECIPE_NEXT, .tail = 0, .sequence_number = 6, .descriptors = first, .descriptor_count = 2 },
		{ .at = RECIPE_NEXT,
		  .tail = 0,
		  .sequence_number = 7,
		  .descriptors = second,
		  .descriptor_count = 1,
		  .flushed_file_offset = 4 * RECIPE_MIB },
	};
	static const uint64_t at[] = { 0, 4096, 12288 };

	knobs.blocks = blocks;
	knobs.block_count = 1;
	s->m = recipe_vhdx_new(&knobs, &places); /* once without log, for the pages */
	memfile_read(s->m, 3 * RECIPE_MIB, pages[0], 4096);
	memfile_read(s->m, 2 * RECIPE_MIB, pages[1], 4096);
	memfile_free(s->m);
	knobs.log_guid = recipe_guid(3);
	knobs.entries = entries;
	knobs.entry_count = 3;
	s->m = recipe_vhdx_new(&knobs, &places);
	aim_at_vhdx(s, &places, 0);
	for (unsigned i = 0; i < 3; i++) {
		s->log_entries[s->log_entry_count++] = RECIPE_MIB + at[i];
		aim(s, RECIPE_MIB + at[i], 64 + 32 * 3);
		aim(s, RECIPE_MIB + at[i] + 4096, i == 0 ? 64 : 80);
	}
	aim(s, RECIPE_MIB + 12288 + 4096 + 32, 200); /* the metadata table in the log */
}

static void aim_at_vhd(struct subject *s, const struct recipe_vhd *knobs)
{
	const struct recipe_vhd_places *p = &s->vhd;

	s->is_vhd = true;
	if (p->footer != VHDX_NO_OFFSET)
		aim(s, p->footer, 86);
	if (knobs->type == VHDX_TYPE_FIXED)
		return;
	aim(s, 0, 86);
	aim(s, p->dynamic, 64);
	aim(s, p->dynamic + 16, 24);
	aim(s, p->dynamic + 576, 72);
	aim(s, p->bat, 4 * p->entries_needed);
}

void subject_vhd(struct subject *s, enum vhdx_type type, bool is_511, bool no_end)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 1 }, { .index = 2 }, { .index = 6 } };
	static const struct recipe_vhd_locator locators[] = {
		{ .code = "W2ru", .text = ".\\p.vhd", .slot = 0 },
		{ .code = "W2ku", .text = "C:\\p.vhd", .slot = 2 },
		{ .code = "MacX", .text = "file://p", .encoding = RECIPE_BYTES, .slot = 3 }
	};
	struct recipe_vhd knobs = RECIPE_VHD_INIT;

	knobs.type = type;
	knobs.size = 4 * RECIPE_MIB;
	knobs.block_size = 512 * 1024;
	knobs.footer_511 = is_511;
	knobs.no_end_footer = no_end;
	if (type != VHDX_TYPE_FIXED) {
		knobs.blocks = blocks;
		knobs.block_count = 3;
	}
	if (type == VHDX_TYPE_DIFFERENCING) {
		knobs.parent_unique_id = recipe_guid(9);
		knobs.parent_name = "p.vhd";
		knobs.locators = locators;
		knobs.locator_count = 3;
	}
	s->m = recipe_vhd_new(&knobs, &s->vhd);
	aim_at_vhd(s, &knobs);
}
