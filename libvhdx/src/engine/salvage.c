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
static int search(struct vhdx_image *v, int (*judge)(void *context, uint64_t offset, uint8_t *bytes, struct vhdx_error *error),
		  void *context, struct vhdx_error *error)
{
	uint64_t end = min_u64(v->base.view.size, PLACES * MIB);
	uint8_t *bytes = memory_allocate(v->base.env, SAMPLE);
	int status = bytes == NULL ? fail_memory(error) : VHDX_OK;

	for (uint64_t at = VHDX_HEADER_SECTION_SIZE; status == VHDX_OK && at < end;) {
		uint64_t hole = view_hole(&v->base.view, at, end - at);

		if (hole < SAMPLE)
			status = judge(context, at, bytes, error);
		at += max_u64(round_down(hole, MIB), MIB);
	}
	memory_release(v->base.env, bytes);
	return status;
}

/*
 * The blocks that entries name, each with its length, the BAT itself and the metadata, sorted. All of them, and how many entries name blocks inside the
 * file; that is 0 as soon as one makes no sense, or two overlap.
 */
struct blocks {
	struct range ranges[SAMPLE / 8 + 2];
	size_t count;
	uint64_t inside;
};

/* False: no writer puts such an entry. */
static bool add_entry(const struct vhdx_image *v, struct blocks *b, uint64_t index, uint64_t entry)
{
	const struct vhdx_geometry *g = &v->geometry;
	uint64_t offset = vhdx_bat_file_offset(entry), length = VHDX_BITMAP_BLOCK_SIZE,
		 stride = (UINT64_C(1) << g->chunk_shift) + 1;
	unsigned state = vhdx_bat_state(entry);

	if ((entry & 0xFFFF8) != 0 || state == BLOCK_RESERVED_4 || state == BLOCK_RESERVED_5)
		return false;
	if (state < BLOCK_FULLY_PRESENT)
		return true;
	if (!vhdx_is_bitmap_index(g, index)) {
		uint64_t block = index - index / stride;

		if (block >= g->block_count)
			return false;
		length = min_u64(v->parameters.block_size, v->parameters.virtual_disk_size - (block << g->block_shift));
	}
	if (offset < VHDX_HEADER_SECTION_SIZE || offset > INT64_MAX)
		return false;
	b->ranges[b->count++] = (struct range){ offset, length };
	b->inside += offset < v->base.view.size;
	return true;
}

/* Of a BAT at `place`, as far as SAMPLE goes. `bytes` has room for SAMPLE. */
static int read_blocks(const struct vhdx_image *v, uint64_t place, uint8_t *bytes, struct blocks *b, struct vhdx_error *error)
{
	uint64_t count = min_u64(v->geometry.entry_count, SAMPLE / 8);
	int status = view_read(&v->base.view, bytes, (size_t)count * 8, place, error);

	b->count = 0;
	b->inside = 0;
	if (status < 0)
		return status;
	b->ranges[b->count++] = (struct range){ place, round_up(v->geometry.entry_count * 8, MIB) };
	b->ranges[b->count++] = (struct range){ v->metadata.file_offset, MIB };
	for (uint64_t i = 0; i < count; i++)
		if (!add_entry(v, b, i, get_le64(bytes + i * 8))) {
			b->inside = 0;
			return VHDX_OK;
		}
	ranges_sort(b->ranges, b->count);
	if (ranges_find_overlap(b->ranges, b->count) < b->count)
		b->inside = 0;
	return VHDX_OK;
}

static void set_geometry(struct vhdx_image *v)
{
	const struct vhdx_parameters *p = &v->parameters;

	v->geometry = vhdx_geometry(p->virtual_disk_size, p->block_size, p->logical_sector_size, p->has_parent);
}

static bool is_damage(int status)
{
	return status == VHDX_E_DAMAGED || status == VHDX_E_UNSUPPORTED;
}

static void forget_regions(struct vhdx_image *v)
{
	memory_release(v->base.env, v->reserved);
	v->reserved = NULL;
	v->reserved_count = 0;
	v->bat.length = v->metadata.length = 0;
}

/* A copy of the region table, whatever its checksum; `metadata` instead of its own when it is known. */
static int take_table(struct vhdx_image *v, unsigned copy, const struct vhdx_region *metadata, struct vhdx_error *error)
{
	int status;

	forget_regions(v);
	status = vhdx_load_regions(v, (struct region_attempts){ 2 + copy, 3 + copy }, error);
	if (status == VHDX_OK && metadata->length != 0)
		v->metadata = *metadata;
	if (status == VHDX_OK)
		status = vhdx_load_parameters(v, error);
	if (status < 0)
		return status;
	set_geometry(v);
	return v->geometry.entry_count * 8 <= v->bat.length
		       ? VHDX_OK
		       : broken(error, RULE_VHDX_118, v->bat.file_offset, "the BAT region is too short for the disk");
}

/* A table whose checksum is wrong may say anything; it is believed when a BAT stands where it says. */
static int believe_table(struct vhdx_image *v, unsigned copy, struct vhdx_error *error)
{
	const struct vhdx_region none = { .length = 0 };
	struct blocks *b = memory_allocate(v->base.env, sizeof(*b));
	uint8_t *bytes = memory_allocate(v->base.env, SAMPLE);
	int status = b == NULL || bytes == NULL ? fail_memory(error) : take_table(v, copy, &none, error);

	if (status == VHDX_OK)
		b->inside = 0;
	if (status == VHDX_OK && v->bat.file_offset < v->base.view.size)
		status = read_blocks(v, v->bat.file_offset, bytes, b, error);
	if (status == VHDX_OK && b->inside == 0)
		status = broken(error, RULE_VHDX_060, VHDX_REGION_TABLE_OFFSET(copy),
				"there is no BAT where the region table says");
	memory_release(v->base.env, bytes);
	memory_release(v->base.env, b);
	return status;
}

/* When nothing looks like a BAT: the disk may be empty, or its BAT damaged too. */
static int take_any_table(struct vhdx_image *v, struct vhdx_error *error)
{
	const struct vhdx_region metadata = v->metadata;
	int status = take_table(v, 0, &metadata, error);

	return is_damage(status) ? take_table(v, 1, &metadata, error) : status;
}

static int judge_metadata(void *context, uint64_t offset, uint8_t *bytes, struct vhdx_error *error)
{
	struct vhdx_image *v = context;
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
	for (unsigned copy = 0; is_damage(status) && copy < 2; copy++)
		status = believe_table(v, copy, error);
	if (!is_damage(status))
		return status;
	forget_regions(v);
	v->bat_is_guessed = true;
	status = search(v, judge_metadata, v, error);
	if (status == VHDX_OK && v->metadata.length == 0)
		status = take_any_table(v, error);
	if (is_damage(status))
		*error = why;
	return is_damage(status) ? why.status : status;
}

struct candidate {
	uint64_t offset, inside;
	bool is_out;
};

struct bat_search {
	struct vhdx_image *v;
	struct blocks blocks;
	uint8_t bytes[SAMPLE];
	struct candidate candidates[PLACES];
	size_t count;
};

static int judge_bat(void *context, uint64_t offset, uint8_t *bytes, struct vhdx_error *error)
{
	struct bat_search *s = context;
	int status = read_blocks(s->v, offset, bytes, &s->blocks, error);

	if (status == VHDX_OK && s->blocks.inside != 0)
		s->candidates[s->count++] = (struct candidate){ offset, s->blocks.inside, false };
	return status;
}

/*
 * What stands inside a block that a candidate names is content of the disk, however much it looks like a BAT: a guest may keep images of its own. Of two
 * that name each other the first one counts, for writers put the BAT in front of the blocks.
 */
static int drop_content(struct bat_search *s, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (size_t i = 0; status == VHDX_OK && s->count > 1 && i < s->count; i++) {
		if (s->candidates[i].is_out)
			continue;
		status = read_blocks(s->v, s->candidates[i].offset, s->bytes, &s->blocks, error);
		for (size_t k = 0; status == VHDX_OK && k < s->count; k++)
			if (k != i && ranges_hit(s->blocks.ranges, s->blocks.count, s->candidates[k].offset, 1))
				s->candidates[k].is_out = true;
	}
	return status;
}

static int find_bat(struct vhdx_image *v, struct vhdx_error *error)
{
	struct bat_search *s = memory_zeroed(v->base.env, sizeof(*s));
	uint64_t most = 0;
	int status;

	if (s == NULL)
		return fail_memory(error);
	s->v = v;
	status = search(v, judge_bat, s, error);
	if (status == VHDX_OK)
		status = drop_content(s, error);
	for (size_t i = 0; status == VHDX_OK && i < s->count; i++) {
		if (s->candidates[i].is_out || s->candidates[i].inside <= most)
			continue;
		most = s->candidates[i].inside;
		v->bat = (struct vhdx_region){ vhdx_region_bat, s->candidates[i].offset,
					       (uint32_t)round_up(v->geometry.entry_count * 8, MIB), true };
	}
	memory_release(v->base.env, s);
	return status;
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
	int status;

	if (v->bat.length != 0)
		return VHDX_OK;
	set_geometry(v);
	status = find_bat(v, error);
	if (status < 0)
		return status;
	if (v->bat.length != 0)
		return reserve(v, error);
	status = take_any_table(v, error);
	return is_damage(status) ? broken(error, RULE_VHDX_060, VHDX_REGION_TABLE_OFFSET(0),
					  "neither region table is valid, and nothing in front looks like a BAT")
				 : status;
}
