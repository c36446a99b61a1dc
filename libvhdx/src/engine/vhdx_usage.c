/* SPDX-License-Identifier: MIT */
/* Counts the BAT of a VHDX file. Layer: engine. The loop over a full BAT costs a few instructions for each entry that continues a run. */
#include "base/bytes.h"
#include "engine/usage.h"
#include "engine/vhdx_image.h"
#include "format/vhdx_layout.h"

struct count {
	struct vhdx_image *v;
	struct vhdx_usage *usage;
	struct usage_runs runs;
	uint64_t block;        /* the next payload block */
	uint64_t bat_index;    /* the next entry */
	uint64_t until_bitmap; /* payload entries before the next sector bitmap entry */
	struct vhdx_error *error;
};

static void count_bitmap(struct count *c, uint64_t entry)
{
	struct vhdx_usage *u = c->usage;
	bool differencing = c->v->parameters.has_parent;

	if (vhdx_bat_state(entry) == BITMAP_NOT_PRESENT)
		return;
	/* PRESENT in a disk without parent exists and harms nobody: specs/errata.md */
	if (!differencing && vhdx_bat_state(entry) == BITMAP_PRESENT)
		return;
	if (!differencing || vhdx_check_bitmap_entry(c->v, c->bat_index, entry, c->error) < 0) {
		u->blocks_damaged++;
		return;
	}
	u->bitmap_blocks++;
	u->file_end = max_u64(u->file_end, vhdx_bat_file_offset(entry) + VHDX_BITMAP_BLOCK_SIZE);
}

static void count_present(struct count *c, uint64_t entry)
{
	struct vhdx_usage *u = c->usage;
	uint64_t offset = vhdx_bat_file_offset(entry), block_size = c->v->base.block_size;

	if (vhdx_bat_state(entry) == BLOCK_PARTIALLY_PRESENT)
		u->blocks_partial++;
	else
		u->blocks_present++;
	usage_add_block(u, &c->runs, c->block, offset, block_size, 0);
	u->file_end = max_u64(u->file_end, offset + block_size);
	u->payload_bytes += min_u64(block_size, c->v->base.disk_size - (c->block << c->v->geometry.block_shift));
}

static void count_payload(struct count *c, uint64_t entry)
{
	struct vhdx_usage *u = c->usage;

	if (vhdx_check_payload_entry(c->v, c->block, entry, c->error) < 0) {
		u->blocks_damaged++;
		return;
	}
	switch (vhdx_bat_state(entry)) {
	case BLOCK_NOT_PRESENT: u->blocks_absent++; break;
	case BLOCK_ZERO:
	case BLOCK_RESERVED_5: u->blocks_zero++; break;
	case BLOCK_UNDEFINED:
	case BLOCK_UNMAPPED: u->blocks_unmapped++; break;
	default: count_present(c, entry); break;
	}
}

/*
 * Entries from `bytes` on that continue a run of FULLY_PRESENT blocks: counts them in bulk, without a call for each. Stops before the last block, which
 * may be shorter, before a bitmap entry and at the end of the file.
 */
static uint64_t count_continuing(struct count *c, const uint8_t *bytes, uint64_t entries)
{
	uint64_t block_size = c->v->base.block_size, n = 0, expected = c->runs.next_offset | BLOCK_FULLY_PRESENT, limit;

	if (c->runs.next_block != c->block || c->block == 0 || c->runs.next_offset < c->v->reserved_end ||
	    c->runs.next_offset >= c->v->base.view.size)
		return 0;
	limit = min_u64(entries, min_u64(c->until_bitmap, c->v->geometry.block_count - 1 - c->block));
	limit = min_u64(limit, (c->v->base.view.size - c->runs.next_offset) >> c->v->geometry.block_shift);
	for (; n < limit && get_le64(bytes + n * 8) == expected; n++)
		expected += block_size;
	c->usage->blocks_present += n;
	c->usage->pairs += n;
	c->usage->payload_bytes += n * block_size;
	c->runs.next_block += n;
	c->runs.next_offset += n * block_size;
	if (n != 0)
		c->usage->file_end = max_u64(c->usage->file_end, c->runs.next_offset);
	return n;
}

static void step(struct count *c, uint64_t payload_entries)
{
	c->block += payload_entries;
	c->bat_index += payload_entries;
	c->until_bitmap -= payload_entries;
}

/* A hole of the file: NOT_PRESENT entries, and bitmap entries that are not there. */
static void count_hole(struct count *c, uint64_t entries)
{
	while (entries != 0 && c->block < c->v->geometry.block_count) {
		uint64_t part = min_u64(entries, min_u64(c->until_bitmap, c->v->geometry.block_count - c->block));

		c->usage->blocks_absent += part;
		step(c, part);
		entries -= part;
		if (c->until_bitmap == 0 && entries != 0) {
			c->bat_index++;
			entries--;
			c->until_bitmap = UINT64_C(1) << c->v->geometry.chunk_shift;
		}
	}
}

static int visit(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct count *c = context;
	uint64_t entries = length / 8;

	(void)at;
	(void)error;
	if (bytes == NULL) {
		count_hole(c, entries);
		return VHDX_OK;
	}
	for (uint64_t i = 0; i < entries;) {
		uint64_t bulk;

		if (c->until_bitmap == 0) {
			count_bitmap(c, get_le64(bytes + i * 8));
			c->until_bitmap = UINT64_C(1) << c->v->geometry.chunk_shift;
			c->bat_index++;
			i++;
			continue;
		}
		if (c->block == c->v->geometry.block_count) { /* the unused tail of a differencing chunk */
			c->bat_index++;
			c->until_bitmap--;
			i++;
			continue;
		}
		bulk = count_continuing(c, bytes + i * 8, entries - i);
		if (bulk == 0) {
			count_payload(c, get_le64(bytes + i * 8));
			bulk = 1;
		}
		step(c, bulk);
		i += bulk;
	}
	return VHDX_OK;
}

int vhdx_usage(struct image *base, struct vhdx_usage *usage, struct vhdx_error *error)
{
	struct vhdx_image *v = (struct vhdx_image *)base;
	struct vhdx_error ignored;
	struct count c = { .v = v, .usage = usage, .until_bitmap = UINT64_C(1) << v->geometry.chunk_shift, .error = &ignored };

	usage->blocks_total = v->geometry.block_count;
	usage->file_end = max_u64(VHDX_HEADER_SECTION_SIZE, v->reserved_end);
	return usage_scan(base, v->bat.file_offset, v->geometry.entry_count * 8, visit, &c, error);
}
