/* SPDX-License-Identifier: MIT */
#include "engine/salvage.h"

#include "base/bytes.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

enum { PLACES = 1024 /* MiB in front, where every writer puts regions */, SAMPLE = 65536 };

bool salvage_is_vhdx(const struct vhdx_image *v)
{
	uint8_t bytes[vhdx_header_size];
	struct vhdx_header header;
	struct vhdx_error ignored;

	for (unsigned slot = 0; slot < 2; slot++)
		if (file_read(&v->base.view.file, bytes, sizeof(bytes), VHDX_HEADER_OFFSET(slot), &ignored) == VHDX_OK &&
		    vhdx_header_decode(&header, bytes, 0, false, &ignored) == VHDX_OK)
			return true;
	return false;
}

/* Headers say where the log is, and nothing else that the disk needs. */
int salvage_header(struct vhdx_image *v, int status)
{
	if (status != VHDX_E_DAMAGED || !v->salvages)
		return status;
	v->header = (struct vhdx_header){ .version = 1 };
	v->log_is_lost = true;
	return VHDX_OK;
}

int salvage_log(struct vhdx_image *v, int status)
{
	struct vhdx_error ignored;

	if (status != VHDX_E_DAMAGED || !v->salvages)
		return status;
	memory_release(v->base.env, v->base.view.pieces);
	v->base.view.pieces = NULL;
	v->base.view.piece_count = 0;
	v->log_entries = 0;
	v->log_is_lost = true;
	return view_load_size(&v->base.view, &ignored);
}

/* Calls `judge` for each MiB in front that holds something. */
static int search(struct vhdx_image *v,
		  int (*judge)(struct vhdx_image *v, uint64_t offset, uint8_t *bytes, struct vhdx_error *error),
		  struct vhdx_error *error)
{
	uint64_t end = min_u64(v->base.view.size, PLACES * MIB);
	uint8_t *bytes = memory_allocate(v->base.env, SAMPLE);
	int status = bytes == NULL ? fail_memory(error) : VHDX_OK;

	for (uint64_t at = VHDX_HEADER_SECTION_SIZE; status == VHDX_OK && at < end;) {
		uint64_t hole = view_hole(&v->base.view, at, end - at);

		if (hole < SAMPLE)
			status = judge(v, at, bytes, error);
		at += max_u64(round_down(hole, MIB), MIB);
	}
	memory_release(v->base.env, bytes);
	return status;
}

static int judge_metadata(struct vhdx_image *v, uint64_t offset, uint8_t *bytes, struct vhdx_error *error)
{
	struct vhdx_error ignored;
	uint16_t count;
	int status = view_read(&v->base.view, bytes, vhdx_metadata_table_size, offset, error);

	if (status == VHDX_OK && v->metadata.length == 0 &&
	    vhdx_metadata_table_decode(&count, bytes, offset, &ignored) == VHDX_OK && count >= ITEM_PARENT_LOCATOR)
		v->metadata = (struct vhdx_region){ vhdx_region_metadata, offset, (uint32_t)MIB, true };
	return status;
}

int salvage_regions(struct vhdx_image *v, int status, struct vhdx_error *error)
{
	struct vhdx_error why = *error;

	if (status != VHDX_E_DAMAGED || !v->salvages)
		return status;
	memory_release(v->base.env, v->reserved);
	v->reserved = NULL;
	v->reserved_count = 0;
	v->bat.length = v->metadata.length = 0;
	status = search(v, judge_metadata, error);
	if (status == VHDX_OK && v->metadata.length == 0) {
		*error = why;
		return why.status;
	}
	return status;
}

/* How many entries name blocks; 0 as soon as one makes no sense. */
static uint64_t count_blocks(const struct vhdx_image *v, uint64_t place, const uint8_t *bytes, uint64_t count)
{
	uint64_t blocks = 0;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t entry = get_le64(bytes + i * 8), offset = vhdx_bat_file_offset(entry);
		unsigned state = vhdx_bat_state(entry);

		if ((entry & 0xFFFF8) != 0 || state == BLOCK_RESERVED_4 || state == BLOCK_RESERVED_5)
			return 0;
		if (state < BLOCK_FULLY_PRESENT)
			continue;
		if (offset < VHDX_HEADER_SECTION_SIZE || offset == place || offset == v->metadata.file_offset)
			return 0;
		blocks += offset < v->base.view.size;
	}
	return blocks;
}

static int judge_bat(struct vhdx_image *v, uint64_t offset, uint8_t *bytes, struct vhdx_error *error)
{
	uint64_t count = min_u64(v->geometry.entry_count, SAMPLE / 8), blocks;
	int status = view_read(&v->base.view, bytes, (size_t)count * 8, offset, error);

	if (status < 0 || offset == v->metadata.file_offset)
		return status;
	blocks = count_blocks(v, offset, bytes, count);
	if (blocks > v->salvaged_blocks) {
		v->salvaged_blocks = blocks;
		v->bat = (struct vhdx_region){ vhdx_region_bat, offset, 0, true };
	}
	return VHDX_OK;
}

static int reserve(struct vhdx_image *v, struct vhdx_error *error)
{
	v->reserved = memory_allocate(v->base.env, 2 * sizeof(*v->reserved));
	if (v->reserved == NULL)
		return fail_memory(error);
	v->reserved[0] = (struct range){ v->metadata.file_offset, v->metadata.length };
	v->reserved[1] = (struct range){ v->bat.file_offset, v->bat.length };
	ranges_sort(v->reserved, 2);
	v->reserved_count = ranges_merge(v->reserved, 2);
	v->reserved_end = v->reserved[v->reserved_count - 1].offset + v->reserved[v->reserved_count - 1].length;
	return VHDX_OK;
}

int salvage_bat(struct vhdx_image *v, struct vhdx_error *error)
{
	const struct vhdx_parameters *p = &v->parameters;
	int status;

	if (v->bat.length != 0)
		return VHDX_OK;
	v->geometry = vhdx_geometry(p->virtual_disk_size, p->block_size, p->logical_sector_size, p->has_parent);
	status = search(v, judge_bat, error);
	if (status == VHDX_OK && v->salvaged_blocks == 0)
		return broken(error, RULE_VHDX_060, VHDX_REGION_TABLE_OFFSET(0),
			      "neither region table is valid, and nothing in front looks like a BAT");
	v->bat.length = (uint32_t)round_up(v->geometry.entry_count * 8, MIB);
	return status == VHDX_OK ? reserve(v, error) : status;
}
