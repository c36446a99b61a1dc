/* SPDX-License-Identifier: MIT */
/*
 * Inspects the BAT of a VHD file. Layer: engine. The first pass notes the places of the blocks, to find those that two entries
 * claim; the second tells every entry of a block that is allocated. Entries that are 0, which is no place, come in long runs
 * when a table is lost; only the first of a run is told as a field.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/claims.h"
#include "engine/inspect_vhd.h"
#include "engine/leaks.h"
#include "engine/usage.h"

enum { SPARE = 65536 }; /* aligning blocks and footer, and how Windows makes empty disks, leave less than this between them */

struct bat {
	struct vhd_walk *w;
	bool is_telling;
	uint64_t zeros;  /* entries that are 0, before the next one */
	uint64_t unused; /* entries beyond the disk that are not default */
	uint64_t file_end;
	struct claims claims;
	struct leaks leaks;
};

static uint64_t place_of(const struct bat *b, uint64_t block)
{
	return b->w->dynamic.table_offset + block * vhd_bat_entry_size;
}

static uint64_t stride(const struct bat *b)
{
	return (uint64_t)vhd_bitmap_size(b->w->dynamic.block_size) + b->w->dynamic.block_size;
}

/* VHD-070, VHD-071, as vhd_image.c judges them, with more words. The error is in in->why. */
static int check_entry(const struct bat *b, uint64_t block, uint32_t entry)
{
	const struct vhd_walk *w = b->w;
	struct vhdx_error *why = &w->in->why;
	uint64_t offset = (uint64_t)entry * VHD_SECTOR, place = place_of(b, block);

	if (entry == 0)
		return broken(why, RULE_VHD_071, place, "the BAT entry of block %" PRIu64 " is 0", block);
	if (!range_fits(offset, stride(b), w->limit))
		return broken(why, RULE_VHD_070, place,
			      "block %" PRIu64 " at 0x%" PRIx64 " ends beyond 0x%" PRIx64 ", where blocks must end", block,
			      offset, w->limit);
	if (ranges_overlap(offset, stride(b), w->dynamic_offset, vhd_dynamic_header_size))
		return broken(why, RULE_VHD_070, place, "block %" PRIu64 " at 0x%" PRIx64 " overlaps the dynamic header", block,
			      offset);
	if (ranges_overlap(offset, stride(b), w->dynamic.table_offset,
			   (uint64_t)w->dynamic.max_table_entries * vhd_bat_entry_size))
		return broken(why, RULE_VHD_070, place, "block %" PRIu64 " at 0x%" PRIx64 " overlaps the BAT", block, offset);
	return VHDX_OK;
}

/* Reads do not suffer, but to write the block would be the end of the path. */
static void judge_locators(const struct bat *b, uint64_t block, uint64_t offset, uint64_t place)
{
	for (unsigned i = 0; i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &b->w->dynamic.locators[i];

		if (l->platform_code != 0 && range_fits(l->data_offset, l->data_length, b->w->in->size) &&
		    ranges_overlap(offset, stride(b), l->data_offset, l->data_length))
			inspect_broken(b->w->in, VHDX_SEVERITY_WARNING, RULE_VHD_070, place,
				       "block %" PRIu64 " at 0x%" PRIx64 " overlaps the path to the parent in locator %u", block,
				       offset, i);
	}
}

static int tell_entry(struct bat *b, uint64_t block, uint32_t entry, const uint8_t *bytes)
{
	struct inspection *in = b->w->in;
	uint64_t offset = (uint64_t)entry * VHD_SECTOR;
	char note[80];
	struct inspect_item item = { .part = VHDX_PART_BAT,
				     .id = STRUCTURE_vhd_bat_entry,
				     .index = block,
				     .file_offset = place_of(b, block),
				     .bytes = bytes,
				     .note_field = "sector",
				     .note = note };
	int status = check_entry(b, block, entry);

	inspect_judged(in, VHDX_SEVERITY_ERROR, status);
	if (status == VHDX_OK) {
		b->file_end = max_u64(b->file_end, offset + stride(b));
		judge_locators(b, block, offset, item.file_offset);
		if (claims_hit(&b->claims, offset, stride(b)))
			inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHD_070, item.file_offset,
				       "block %" PRIu64 " at 0x%" PRIx64 " shares bytes of the file with another one", block,
				       offset);
	}
	if (!inspect_wants_fields(in, item.part))
		return inspect_problems(in, item.part);
	format_text(note, sizeof(note), "block %" PRIu64 " at 0x%" PRIx64, block, offset);
	return inspect_structure(in, &item);
}

/* Ends a run of zeros whose last entry is that of the block before `block`. The first was told when it came. */
static int end_zeros(struct bat *b, uint64_t block)
{
	uint64_t more = b->zeros == 0 ? 0 : b->zeros - 1;

	b->zeros = 0;
	return more == 0 ? VHDX_OK
			 : inspect_say(b->w->in, VHDX_PART_BAT, VHDX_SEVERITY_ERROR, RULE_VHD_071, place_of(b, block - more),
				       "the BAT entries of %" PRIu64 " more blocks from block %" PRIu64 " on are 0", more,
				       block - more);
}

static int visit_zeros(struct bat *b, uint64_t block, uint64_t count)
{
	static const uint8_t zero[vhd_bat_entry_size];
	int status = b->zeros == 0 ? tell_entry(b, block, 0, zero) : VHDX_OK;

	b->zeros += count;
	return status;
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct bat *b = context;
	uint64_t first = at / vhd_bat_entry_size, count = min_u64(length / vhd_bat_entry_size, b->w->block_count - first);
	int status = VHDX_OK;

	if (bytes == NULL)
		return b->is_telling ? visit_zeros(b, first, count) : VHDX_OK;
	for (uint64_t i = 0; status == VHDX_OK && i < count; i++) {
		const uint8_t *entry = bytes + i * vhd_bat_entry_size;
		uint32_t sector = get_be32(entry);

		if (sector == 0) {
			status = b->is_telling ? visit_zeros(b, first + i, 1) : VHDX_OK;
			continue;
		}
		if (b->is_telling)
			status = end_zeros(b, first + i);
		if (status < 0 || sector == VHD_UNALLOCATED)
			continue;
		if (b->is_telling)
			status = tell_entry(b, first + i, sector, entry);
		else if (check_entry(b, first + i, sector) == VHDX_OK)
			status = claims_add(&b->claims, (uint64_t)sector * VHD_SECTOR, stride(b), error);
	}
	return status;
}

static int visit_rest(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct bat *b = context;

	(void)at;
	(void)error;
	for (uint64_t i = 0; bytes != NULL && i + vhd_bat_entry_size <= length; i += vhd_bat_entry_size)
		b->unused += get_be32(bytes + i) != VHD_UNALLOCATED;
	b->unused += bytes == NULL ? length / vhd_bat_entry_size : 0;
	return VHDX_OK;
}

static int pass_over(struct bat *b, bool is_telling)
{
	int status;

	b->is_telling = is_telling;
	status = usage_scan(&b->w->base, b->w->dynamic.table_offset, b->w->block_count * vhd_bat_entry_size, visit, b,
			    b->w->in->error);
	return status == VHDX_OK && is_telling ? end_zeros(b, b->w->block_count) : status;
}

/* Where an entry is wrong, its block may be in the space that none claims. */
static enum vhdx_mend freeing(const struct vhd_walk *w)
{
	return w->has_footer && !w->in->has_errors && !w->in->is_foreign && !w->has_foreign ? VHDX_MEND_SPACE : VHDX_MEND_NONE;
}

/* Entries beyond the disk, places that were not compared, bytes behind the last block. */
static int tell_notes(struct bat *b)
{
	struct vhd_walk *w = b->w;
	uint64_t rest = w->dynamic.max_table_entries - w->block_count;
	int status = usage_scan(&w->base, place_of(b, w->block_count), rest * vhd_bat_entry_size, visit_rest, b, w->in->error);

	if (status == VHDX_OK && b->unused != 0)
		status = inspect_say(w->in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, RULE_NONE, place_of(b, w->block_count),
				     "%" PRIu64 " BAT entries beyond the end of the disk are in use", b->unused);
	if (status == VHDX_OK && b->claims.is_full)
		status = inspect_say(
			w->in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, RULE_NONE, w->dynamic.table_offset,
			"the blocks are scattered over more than %d places; only the first ones were searched for overlaps",
			CLAIMS_CHUNK * CLAIMS_CHUNKS);
	if (status == VHDX_OK && b->file_end < w->limit && w->limit - b->file_end >= SPARE)
		status = inspect_say_mend(w->in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, freeing(w), RULE_VHD_073, b->file_end,
					  "%" PRIu64 " bytes follow the last block", w->limit - b->file_end);
	if (status == VHDX_OK && b->leaks.places != 0)
		status = inspect_say_mend(w->in, VHDX_PART_BAT, VHDX_SEVERITY_NOTE, freeing(w), RULE_VHD_073, b->leaks.first,
					  "%" PRIu64 " bytes in %" PRIu64 " places of the file belong to nothing", b->leaks.bytes,
					  b->leaks.places);
	return status;
}

static void add_place(struct vhd_walk *w, uint64_t offset, uint64_t length)
{
	if (offset < w->in->size && length != 0)
		w->places[w->place_count++] = (struct range){ offset, min_u64(length, w->in->size - offset) };
}

/* Everything but blocks and the footer at the end. What a locator has to spare is counted in bytes by some writers, in sectors by others: VHD-055. */
static void add_places(struct vhd_walk *w)
{
	add_place(w, 0, VHD_SECTOR);
	add_place(w, w->dynamic_offset, vhd_dynamic_header_size);
	add_place(w, w->dynamic.table_offset, (uint64_t)w->dynamic.max_table_entries * vhd_bat_entry_size);
	for (unsigned i = 0; i < VHD_LOCATOR_COUNT; i++) {
		const struct vhd_locator *l = &w->dynamic.locators[i];
		uint64_t length = max_u64(l->data_length, l->data_space);

		if (l->data_space <= VHD_MAX_LOCATOR_LENGTH / VHD_SECTOR)
			length = max_u64(length, (uint64_t)l->data_space * VHD_SECTOR);
		if (l->platform_code != 0)
			add_place(w, l->data_offset, length);
	}
	ranges_sort(w->places, w->place_count);
	w->place_count = ranges_merge(w->places, w->place_count);
}

static uint64_t end_of_places(const struct vhd_walk *w)
{
	return w->places[w->place_count - 1].offset + w->places[w->place_count - 1].length;
}

/* Xen keeps a map behind the BAT, which nothing names: errata E-39. */
static int look_for_batmap(struct vhd_walk *w)
{
	uint64_t place = round_up(w->dynamic.table_offset + (uint64_t)w->dynamic.max_table_entries * vhd_bat_entry_size,
				  VHD_SECTOR);
	uint8_t cookie[8];
	int status = file_read(w->in->file, cookie, sizeof(cookie), place, w->in->error);

	w->has_foreign = status == VHDX_OK && memcmp(cookie, "tdbatmap", sizeof(cookie)) == 0;
	return status;
}

/* Between the structures and blocks, all of which are claimed but not settled yet; not behind the last one. */
static int find_leaks(struct bat *b)
{
	struct vhd_walk *w = b->w;
	uint64_t end = w->structures_end;

	claims_sort(&b->claims);
	if (b->claims.is_full || w->has_foreign)
		return VHDX_OK;
	for (size_t i = 0; i < b->claims.count; i++) {
		struct range range = claims_get(&b->claims, i);

		end = max_u64(end, range.offset + range.length);
	}
	b->leaks.list = w->in->follow != NULL ? w->in->follow->leaks : NULL;
	return leaks_find(&b->leaks, &w->base.view, &b->claims, w->places, w->place_count, 0, min_u64(end, w->limit),
			  w->in->error);
}

int inspect_vhd_bat(struct vhd_walk *w)
{
	struct bat *b;
	int status;

	if (!inspect_wants(w->in, VHDX_PART_BAT))
		return VHDX_OK;
	b = memory_zeroed(&w->in->env, sizeof(*b));
	if (b == NULL)
		return fail_memory(w->in->error);
	b->w = w;
	b->claims.env = &w->in->env;
	status = look_for_batmap(w);
	add_places(w);
	b->file_end = max_u64(w->structures_end, end_of_places(w));
	if (status == VHDX_OK)
		status = pass_over(b, false);
	if (status == VHDX_OK)
		status = find_leaks(b);
	claims_settle(&b->claims);
	if (status == VHDX_OK)
		status = pass_over(b, true);
	if (status == VHDX_OK)
		status = tell_notes(b);
	w->knows_end = status == VHDX_OK;
	w->file_end = b->file_end;
	w->leaked = b->leaks.bytes;
	claims_release(&b->claims);
	memory_release(&w->in->env, b);
	return status;
}
