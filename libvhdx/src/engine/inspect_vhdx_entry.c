/* SPDX-License-Identifier: MIT */
/* Judges and tells one entry of the BAT of a VHDX file, with the checks that reads make. Layer: engine. */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/inspect_vhdx_bat.h"
#include "format/vhdx_layout.h"

#define RESERVED_BITS UINT64_C(0xFFFF8)

static bool is_anchor(uint64_t entry)
{
	unsigned state = vhdx_bat_state(entry);

	return (state == BLOCK_UNDEFINED || state == BLOCK_UNMAPPED) && vhdx_bat_file_offset(entry) != 0;
}

static bool is_present(uint64_t entry)
{
	return vhdx_bat_state(entry) == BLOCK_FULLY_PRESENT || vhdx_bat_state(entry) == BLOCK_PARTIALLY_PRESENT;
}

/* Bytes that a block must have in the file; the last one may end with the disk: decision D-30. */
static uint64_t needed_length(const struct bat_walk *b, uint64_t block)
{
	const struct vhdx_image *v = &b->w->v;

	return min_u64(v->parameters.block_size, v->parameters.virtual_disk_size - (block << v->geometry.block_shift));
}

/* An anchor may be anywhere, even where 64 bits end. */
static bool anchor_fits(const struct bat_walk *b, uint64_t entry)
{
	return range_fits(vhdx_bat_file_offset(entry), b->w->v.parameters.block_size, b->w->v.base.view.size);
}

static void judge_overlap(struct bat_walk *b, uint64_t index, uint64_t offset, uint64_t length)
{
	if (claims_hit(&b->claims, offset, length))
		inspect_broken(b->w->in, VHDX_SEVERITY_ERROR, RULE_VHDX_122, inspect_bat_place(b, index),
			       "the block at 0x%" PRIx64 " shares bytes of the file with another one", offset);
}

/* What any entry may break without harm to a reader. */
static void judge_unused_bits(struct bat_walk *b, uint64_t index, uint64_t entry, bool is_absent)
{
	struct inspection *in = b->w->in;

	if ((entry & RESERVED_BITS) != 0)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_120, inspect_bat_place(b, index),
			       "the reserved bits of BAT entry %" PRIu64 " are not zero", index);
	if (is_absent && vhdx_bat_file_offset(entry) != 0)
		inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_143, inspect_bat_place(b, index),
			       "BAT entry %" PRIu64 " has file offset 0x%" PRIx64 " in state %s", index,
			       vhdx_bat_file_offset(entry), vhdx_block_state_name(vhdx_bat_state(entry)));
}

static int tell(struct bat_walk *b, uint64_t index, uint64_t entry, const char *note)
{
	struct inspection *in = b->w->in;
	uint8_t bytes[vhdx_bat_entry_size];
	struct inspect_item item = { .part = VHDX_PART_BAT,
				     .id = STRUCTURE_vhdx_bat_entry,
				     .index = index,
				     .file_offset = inspect_bat_place(b, index),
				     .bytes = bytes,
				     .note_field = "entry",
				     .note = note };

	put_le64(bytes, entry);
	return inspect_structure(in, &item);
}

static int tell_payload(struct bat_walk *b, uint64_t index, uint64_t block, uint64_t entry)
{
	struct vhdx_image *v = &b->w->v;
	struct inspection *in = b->w->in;
	uint64_t offset = vhdx_bat_file_offset(entry);
	unsigned state = vhdx_bat_state(entry);
	char note[120];
	int status = vhdx_check_payload_entry(v, block, entry, &in->why);

	inspect_judged(in, VHDX_SEVERITY_ERROR, status);
	judge_unused_bits(b, index, entry, state == BLOCK_NOT_PRESENT || state == BLOCK_ZERO);
	b->anchors += is_anchor(entry);
	if (is_anchor(entry) && anchor_fits(b, entry))
		b->file_end = max_u64(b->file_end, offset + v->base.block_size);
	b->present += state >= BLOCK_FULLY_PRESENT;
	if (status == VHDX_OK && is_present(entry)) {
		b->file_end = max_u64(b->file_end, min_u64(offset + v->base.block_size, v->base.view.size));
		judge_overlap(b, index, offset, needed_length(b, block));
		if (!range_fits(offset, v->base.block_size, v->base.view.size))
			inspect_broken(in, VHDX_SEVERITY_WARNING, RULE_VHDX_114, inspect_bat_place(b, index),
				       "the last block, at 0x%" PRIx64 ", is not whole in the file", offset);
	}
	if (!inspect_wants_fields(in, VHDX_PART_BAT))
		return inspect_problems(in, VHDX_PART_BAT);
	format_text(note, sizeof(note), "payload block %" PRIu64 " %s", block, vhdx_block_state_name(state));
	if (offset != 0)
		format_text(note + strlen(note), sizeof(note) - strlen(note), " at 0x%" PRIx64, offset);
	return tell(b, index, entry, note);
}

/* VHDX-136 to VHDX-138. Without a parent PRESENT exists and harms nobody: specs/errata.md. */
static void judge_bitmap(struct bat_walk *b, uint64_t index, uint64_t entry)
{
	struct inspection *in = b->w->in;
	unsigned state = vhdx_bat_state(entry);

	if (!b->w->v.parameters.has_parent) {
		if (state != BITMAP_NOT_PRESENT)
			inspect_broken(in, state == BITMAP_PRESENT ? VHDX_SEVERITY_WARNING : VHDX_SEVERITY_ERROR, RULE_VHDX_137,
				       inspect_bat_place(b, index),
				       "sector bitmap entry %" PRIu64 " has state %u in a disk without parent", index, state);
	} else if (state == BITMAP_PRESENT || b->first_partial != NO_BLOCK) {
		int status = vhdx_check_bitmap_entry(&b->w->v, index, entry, &in->why);

		inspect_judged(in, VHDX_SEVERITY_ERROR, status);
		if (status == VHDX_OK)
			judge_overlap(b, index, vhdx_bat_file_offset(entry), VHDX_BITMAP_BLOCK_SIZE);
	} else if (state != BITMAP_NOT_PRESENT) {
		inspect_broken(in, VHDX_SEVERITY_ERROR, RULE_VHDX_138, inspect_bat_place(b, index),
			       "sector bitmap entry %" PRIu64 " has the reserved state %u", index, state);
	}
	judge_unused_bits(b, index, entry, state == BITMAP_NOT_PRESENT);
}

static int tell_bitmap(struct bat_walk *b, uint64_t index, uint64_t entry)
{
	struct inspection *in = b->w->in;
	uint64_t offset = vhdx_bat_file_offset(entry);
	unsigned state = vhdx_bat_state(entry);
	char note[120];

	if (entry == 0 && b->first_partial == NO_BLOCK)
		return VHDX_OK;
	judge_bitmap(b, index, entry);
	if (state == BITMAP_PRESENT && range_fits(offset, VHDX_BITMAP_BLOCK_SIZE, b->w->v.base.view.size))
		b->file_end = max_u64(b->file_end, offset + VHDX_BITMAP_BLOCK_SIZE);
	if (!inspect_wants_fields(in, VHDX_PART_BAT) || (entry == 0 && in->problem_count == 0))
		return inspect_problems(in, VHDX_PART_BAT);
	format_text(note, sizeof(note), "sector bitmap of chunk %" PRIu64 " %s", index / b->stride,
		    state == BITMAP_PRESENT       ? "PRESENT"
		    : state == BITMAP_NOT_PRESENT ? "NOT_PRESENT"
						  : "reserved state");
	if (offset != 0)
		format_text(note + strlen(note), sizeof(note) - strlen(note), " at 0x%" PRIx64, offset);
	return tell(b, index, entry, note);
}

int inspect_bat_tell_anchor(struct bat_walk *b, uint64_t index, uint64_t entry)
{
	uint64_t offset = vhdx_bat_file_offset(entry);

	if (!is_anchor(entry) || !anchor_fits(b, entry) || !claims_hit(&b->claims, offset, b->w->v.base.block_size))
		return VHDX_OK;
	return inspect_say(b->w->in, VHDX_PART_BAT, VHDX_SEVERITY_WARNING, RULE_VHDX_122, inspect_bat_place(b, index),
			   "the place 0x%" PRIx64 " that an absent block keeps is also another one's", offset);
}

int inspect_bat_collect(struct bat_walk *b, uint64_t index, uint64_t block, uint64_t entry)
{
	struct inspection *in = b->w->in;
	uint64_t length = VHDX_BITMAP_BLOCK_SIZE;
	bool counts;

	if (block == NO_BLOCK) {
		counts = b->w->v.parameters.has_parent && vhdx_check_bitmap_entry(&b->w->v, index, entry, &in->why) == VHDX_OK;
	} else if (is_anchor(entry)) {
		b->keeps_places = true;
		counts = b->pass == COLLECT_ALL && anchor_fits(b, entry);
		length = b->w->v.base.block_size;
	} else {
		counts = is_present(entry) && vhdx_check_payload_entry(&b->w->v, block, entry, &in->why) == VHDX_OK;
		length = needed_length(b, block);
	}
	return counts ? claims_add(&b->claims, vhdx_bat_file_offset(entry), length, in->error) : VHDX_OK;
}

int inspect_bat_tell(struct bat_walk *b, uint64_t index, uint64_t block, uint64_t entry)
{
	int status;

	if (block == NO_BLOCK) {
		status = tell_bitmap(b, index, entry);
		b->first_partial = NO_BLOCK;
		return status;
	}
	if (vhdx_bat_state(entry) == BLOCK_PARTIALLY_PRESENT && b->first_partial == NO_BLOCK)
		b->first_partial = block;
	return entry != 0 ? tell_payload(b, index, block, entry) : VHDX_OK;
}
