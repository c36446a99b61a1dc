/* SPDX-License-Identifier: MIT */
/*
 * Opening and mapping a VHD file: fixed, dynamic, differencing. Layer: engine. specs/vhd.md sections 3.1 to 3.4 and 3.11.
 *
 * The footer is looked for in the last 512 bytes, then the last 511, then in front (decision D-31). A block is a sector bitmap followed by data; the
 * entry of the BAT is the sector number of the bitmap.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf.h"
#include "engine/bitmap.h"
#include "engine/usage.h"
#include "engine/vhd_writer.h"
#include "format/fields.h"

static const struct image_ops vhd_ops;

/* A footer at `offset`, of which the file may hold only the first 511 bytes. */
static int try_footer(struct vhd_image *v, uint64_t offset, struct vhdx_error *error)
{
	uint8_t bytes[vhd_footer_size];
	int status = file_read(&v->base.view.file, bytes, sizeof(bytes), offset, error);

	if (status == VHDX_OK && !vhd_footer_present(bytes))
		return fail_at(error, VHDX_E_NOT_IMAGE, rule_name(RULE_VHD_009), offset, "no VHD footer ('conectix')");
	return status < 0 ? status : vhd_footer_decode(&v->footer, bytes, offset, v->lenient, error);
}

/* A footer was read and is none, or none that we can use: another may stand in for it. A failed read says nothing of the footer. */
static bool is_unusable(int status)
{
	return status == VHDX_E_NOT_IMAGE || status == VHDX_E_DAMAGED || status == VHDX_E_UNSUPPORTED;
}

/* No footer, but a dynamic header where it mostly is: it knows the size in blocks. */
static int salvage_footer(struct vhd_image *v, struct vhdx_error *error)
{
	uint8_t bytes[vhd_dynamic_header_size];
	struct vhd_dynamic header;
	int status = file_read(&v->base.view.file, bytes, sizeof(bytes), VHD_SECTOR, error);

	if (status == VHDX_OK)
		status = vhd_dynamic_decode(&header, bytes, VHD_SECTOR, false, error);
	if (status < 0)
		return status;
	v->blocks_limit = v->base.view.size;
	v->footer = (struct vhd_footer){
		.data_offset = VHD_SECTOR,
		.current_size = min_u64((uint64_t)header.max_table_entries * header.block_size, VHD_MAX_DISK_SIZE),
		.disk_type = guid_is_zero(&header.parent_unique_id) ? VHD_DISK_DYNAMIC : VHD_DISK_DIFFERENCING,
	};
	return v->footer.current_size != 0 ? VHDX_OK : fail(error, VHDX_E_NOT_IMAGE, "no VHD footer ('conectix')");
}

static int find_footer(struct vhd_image *v, struct vhdx_error *error)
{
	uint64_t size = v->base.view.size;
	struct vhdx_error first;
	int status;

	if (size < vhd_footer_size)
		return fail_at(error, VHDX_E_NOT_IMAGE, "", VHDX_NO_OFFSET, "%" PRIu64 " bytes are too few for a VHD footer",
			       size);
	v->blocks_limit = size - vhd_footer_size;
	status = try_footer(v, v->blocks_limit, &first);
	if (status == VHDX_E_NOT_IMAGE) {
		v->blocks_limit++;
		status = try_footer(v, v->blocks_limit, &first); /* VHD-010 */
	}
	if (status == VHDX_OK)
		return status;
	if (is_unusable(status)) {
		if (!v->salvages || first.status == VHDX_E_NOT_IMAGE)
			v->blocks_limit = size; /* else a footer stands there, as damaged as it is: no block */
		v->front_copy_used = true;
		status = try_footer(v, 0, error);
		if (status == VHDX_OK && v->footer.disk_type != VHD_DISK_FIXED)
			return VHDX_OK;
		if (status < 0 && (first.status == VHDX_E_NOT_IMAGE || !is_unusable(status)))
			return status;
	}
	*error = first;
	return error->status;
}

/* With salvage, good footers first, then any, then none. */
static int load_footer(struct vhd_image *v, struct vhdx_error *error)
{
	struct vhdx_error first, ignored;
	int status;

	v->lenient = v->lenient && !v->salvages;
	status = find_footer(v, error);
	if (!v->salvages || !is_unusable(status))
		return status;
	first = *error;
	v->lenient = true;
	status = find_footer(v, &ignored);
	if (is_unusable(status))
		status = salvage_footer(v, &ignored);
	if (status < 0)
		*error = is_unusable(status) ? first : ignored;
	return status < 0 ? error->status : status;
}

static int load_dynamic(struct vhd_image *v, struct vhdx_error *error)
{
	uint64_t offset = v->footer.data_offset, table_length, header_end = offset + vhd_dynamic_header_size;
	uint8_t bytes[vhd_dynamic_header_size];
	int status;

	if (!range_fits(offset, vhd_dynamic_header_size, v->base.view.size) || offset < VHD_SECTOR)
		return broken(error, RULE_VHD_016, VHDX_NO_OFFSET, "the dynamic header at 0x%" PRIx64 " is outside the file",
			      offset);
	status = file_read(&v->base.view.file, bytes, sizeof(bytes), offset, error);
	if (status == VHDX_OK)
		status = vhd_dynamic_decode(&v->dynamic, bytes, offset, v->lenient, error);
	if (status < 0)
		return status;
	v->base.block_size = v->dynamic.block_size;
	v->block_shift = shift_of(v->dynamic.block_size);
	v->bitmap_size = vhd_bitmap_size(v->dynamic.block_size);
	v->block_count = divide_up(v->footer.current_size, v->dynamic.block_size);
	table_length = (uint64_t)v->dynamic.max_table_entries * 4;
	if (v->dynamic.max_table_entries < v->block_count && !v->salvages)
		return broken(error, RULE_VHD_043, offset + vhd_dynamic_header_max_table_entries_at,
			      "the BAT has %" PRIu32 " entries, the disk needs %" PRIu64, v->dynamic.max_table_entries,
			      v->block_count);
	if (!range_fits(v->dynamic.table_offset, v->salvages ? 4 : table_length, v->base.view.size) ||
	    v->dynamic.table_offset < VHD_SECTOR ||
	    ranges_overlap(v->dynamic.table_offset, table_length, offset, vhd_dynamic_header_size))
		return broken(error, RULE_VHD_040, offset + vhd_dynamic_header_table_offset_at,
			      "the BAT at 0x%" PRIx64 ", %" PRIu64 " bytes, is outside the file or overlaps the header",
			      v->dynamic.table_offset, table_length);
	v->structures_end = max_u64(header_end, v->dynamic.table_offset + table_length);
	return VHDX_OK;
}

/* 8-bit paths are in a code page that nobody recorded; only ASCII is certain. */
static char *text_of_bytes(const struct vhdx_env *env, const uint8_t *bytes, size_t length)
{
	char *text = memory_allocate(env, length + 1);

	if (text != NULL) {
		memcpy(text, bytes, length);
		text[length] = '\0';
	}
	return text;
}

static char *text_of_utf16(const struct vhdx_env *env, const uint8_t *bytes, size_t max_units, bool big_endian)
{
	size_t units = utf16_length(bytes, max_units); /* VHD-058: some writers count a NUL */
	char *text = memory_allocate(env, UTF8_SIZE(units));

	if (text != NULL)
		utf8_from_utf16(text, bytes, units, big_endian);
	return text;
}

static int add_locator(struct vhd_image *v, const struct vhd_locator *l, enum vhdx_path_kind kind, bool utf16,
		       struct vhdx_error *error)
{
	uint8_t *bytes;
	char *text;
	int status;

	if (l->data_length == 0)
		return VHDX_OK;
	if (l->data_length > VHD_MAX_LOCATOR_LENGTH || !range_fits(l->data_offset, l->data_length, v->base.view.size) ||
	    (utf16 && l->data_length % 2 != 0))
		return broken(error, RULE_VHD_056, v->footer.data_offset + vhd_dynamic_header_parent_locator_entries_at,
			      "the parent locator at 0x%" PRIx64 ", %" PRIu32
			      " bytes, is outside the file or has an impossible length",
			      l->data_offset, l->data_length);
	bytes = memory_allocate(v->base.env, l->data_length);
	if (bytes == NULL)
		return fail_memory(error);
	status = file_read(&v->base.view.file, bytes, l->data_length, l->data_offset, error);
	if (status == VHDX_OK) {
		text = utf16 ? text_of_utf16(v->base.env, bytes, l->data_length / 2, false)
			     : text_of_bytes(v->base.env, bytes, l->data_length);
		status = image_add_parent_path(&v->base, kind, text, error);
	}
	memory_release(v->base.env, bytes);
	return status;
}

/* VHD-086: by code, in this order, then the name. */
static const struct {
	uint32_t code;
	enum vhdx_path_kind kind;
	bool utf16;
} locator_order[] = {
	{ VHD_CODE_W2RU, VHDX_PATH_RELATIVE, true },  { VHD_CODE_W2KU, VHDX_PATH_ABSOLUTE, true },
	{ VHD_CODE_MACX, VHDX_PATH_URL, false },      { VHD_CODE_WI2R, VHDX_PATH_RELATIVE, false },
	{ VHD_CODE_WI2K, VHDX_PATH_ABSOLUTE, false },
};

static int load_parent(struct vhd_image *v, struct vhdx_error *error)
{
	int status = VHDX_OK;

	v->base.parent_identities[0] = v->dynamic.parent_unique_id;
	v->base.parent_identity_count = 1;
	v->base.parent_time_stamp = v->dynamic.parent_time_stamp;
	for (size_t i = 0; i < sizeof(locator_order) / sizeof(locator_order[0]); i++)
		for (unsigned slot = 0; status == VHDX_OK && slot < VHD_LOCATOR_COUNT; slot++)
			if (v->dynamic.locators[slot].platform_code == locator_order[i].code)
				status = add_locator(v, &v->dynamic.locators[slot], locator_order[i].kind, locator_order[i].utf16,
						     error);
	if (status == VHDX_OK && utf16_length(v->dynamic.parent_name, VHD_NAME_UNITS) != 0)
		status = image_add_parent_path(&v->base, VHDX_PATH_NAME,
					       text_of_utf16(v->base.env, v->dynamic.parent_name, VHD_NAME_UNITS, true), error);
	return status;
}

static int load_body(struct vhd_image *v, struct vhdx_error *error)
{
	struct image *base = &v->base;
	int status;

	base->format = VHDX_FORMAT_VHD;
	base->type = (enum vhdx_type)v->footer.disk_type;
	base->disk_size = v->footer.current_size; /* VHD-092: never the geometry */
	base->logical_sector_size = VHD_SECTOR;
	base->physical_sector_size = VHD_SECTOR;
	base->data_identity = v->footer.unique_id;
	if (base->type == VHDX_TYPE_FIXED)
		return base->disk_size <= v->blocks_limit || v->salvages
			       ? VHDX_OK
			       : broken(error, RULE_VHD_035, v->blocks_limit + vhd_footer_current_size_at,
					"current size %" PRIu64 " exceeds the %" PRIu64 " bytes before the footer",
					base->disk_size, v->blocks_limit);
	status = load_dynamic(v, error);
	if (status == VHDX_OK && base->type == VHDX_TYPE_DIFFERENCING) {
		status = load_parent(v, error);
		if ((status == VHDX_E_DAMAGED || status == VHDX_E_UNSUPPORTED) && v->salvages) /* without its parent, then */
			status = VHDX_OK;
	}
	return status;
}

int vhd_image_open(struct image **out, const struct image_request *request, struct vhdx_error *error)
{
	struct vhd_image *v = memory_zeroed(request->env, sizeof(*v));
	int status;

	if (v == NULL)
		return fail_memory(error);
	v->base.ops = &vhd_ops;
	v->base.env = request->env;
	v->base.cache = request->cache;
	v->base.view.file = *request->file;
	v->base.level = request->level;
	v->salvages = (request->flags & VHDX_OPEN_SALVAGE) != 0;
	v->lenient = (request->flags & (VHDX_OPEN_IGNORE_CHECKSUMS | VHDX_OPEN_SALVAGE)) != 0;
	status = view_load_size(&v->base.view, error);
	if (status == VHDX_OK)
		status = load_footer(v, error);
	v->base.view.held = v->blocks_limit;
	if (status == VHDX_OK)
		status = load_body(v, error);
	if (status < 0) {
		image_release(&v->base);
		return status;
	}
	*out = &v->base;
	return VHDX_OK;
}

/* VHD-070, VHD-071. */
int vhd_check_entry(const struct vhd_image *v, uint64_t block, uint32_t entry, struct vhdx_error *error)
{
	uint64_t offset = (uint64_t)entry * VHD_SECTOR, length = (uint64_t)v->bitmap_size + v->base.block_size;
	bool inside;

	if (v->salvages && offset < v->blocks_limit && v->blocks_limit - offset > v->bitmap_size) /* the beginning is there */
		length = min_u64(length, v->blocks_limit - offset);
	inside = range_fits(offset, length, v->blocks_limit);
	if (inside && offset >= v->structures_end)
		return VHDX_OK;
	if (inside && offset >= VHD_SECTOR && !ranges_overlap(offset, length, v->footer.data_offset, vhd_dynamic_header_size) &&
	    !ranges_overlap(offset, length, v->dynamic.table_offset, (uint64_t)v->dynamic.max_table_entries * 4))
		return VHDX_OK;
	if (entry == 0)
		return broken(error, RULE_VHD_071, v->dynamic.table_offset + block * 4,
			      "block %" PRIu64 " is at sector 0, where the footer copy is", block);
	return broken(error, RULE_VHD_070, v->dynamic.table_offset + block * 4,
		      "block %" PRIu64 " at 0x%" PRIx64 " is outside the file or overlaps its structures", block, offset);
}

/* Then those behind it are gone too. */
static bool entry_is_cut_off(const struct vhd_image *v, uint64_t block)
{
	return v->salvages &&
	       (block >= v->dynamic.max_table_entries || !range_fits(v->dynamic.table_offset + block * 4, 4, v->base.view.size));
}

int vhd_load_entry(struct vhd_image *v, uint64_t block, uint32_t *entry, struct vhdx_error *error)
{
	uint64_t offset = v->dynamic.table_offset + block * 4;
	uint8_t bytes[8];
	int status;

	if (entry_is_cut_off(v, block))
		return broken(error, RULE_VHD_043, offset, "the BAT is cut off before block %" PRIu64, block);
	status = cache_word(v->base.cache, v->base.level, &v->base.view, round_down(offset, 8), bytes, error);

	if (status < 0)
		return status;
	*entry = get_be32(bytes + offset % 8);
	return *entry == VHD_UNALLOCATED ? VHDX_OK : vhd_check_entry(v, block, *entry, error);
}

static int map_block(struct vhd_image *v, uint32_t entry, uint64_t in_block, uint64_t length, struct mapping *out,
		     struct vhdx_error *error)
{
	struct bitmap bitmap = { v->base.cache, &v->base.view, v->base.level, (uint64_t)entry * VHD_SECTOR, true };
	uint64_t in_sector = in_block % VHD_SECTOR, run;
	bool here;
	int status = bitmap_run(&bitmap, in_block / VHD_SECTOR, divide_up(in_sector + length, VHD_SECTOR), &here, &run, error);

	if (status < 0)
		return status;
	out->kind = here ? MAP_DATA : v->base.type == VHDX_TYPE_DIFFERENCING ? MAP_ABSENT : MAP_ZERO;
	out->length = min_u64(length, run * VHD_SECTOR - in_sector);
	out->file_offset = (uint64_t)entry * VHD_SECTOR + v->bitmap_size + in_block;
	return VHDX_OK;
}

static int vhd_map(struct image *base, uint64_t disk_offset, uint64_t length, struct mapping *out, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)base;
	uint64_t block, in_block;
	uint32_t entry;
	int status;

	if (base->type == VHDX_TYPE_FIXED) {
		*out = (struct mapping){ MAP_DATA, length, disk_offset };
		return VHDX_OK;
	}
	block = disk_offset >> v->block_shift;
	in_block = disk_offset & (base->block_size - 1);
	status = vhd_load_entry(v, block, &entry, error);
	if (status < 0) {
		out->length = entry_is_cut_off(v, block) ? length : 0;
		return status;
	}
	out->length = min_u64(length, base->block_size - in_block);
	if (entry != VHD_UNALLOCATED)
		return map_block(v, entry, in_block, out->length, out, error);
	out->kind = MAP_ABSENT;
	while (out->length < length) {
		if (vhd_load_entry(v, ++block, &entry, error) < 0 || entry != VHD_UNALLOCATED)
			break;
		out->length = min_u64(length, out->length + base->block_size);
	}
	return VHDX_OK;
}

static void vhd_info(const struct image *base, struct vhdx_info *info)
{
	const struct vhd_image *v = (const struct vhd_image *)base;
	const uint8_t *a = v->footer.creator_application;
	char name[5] = { 0 };

	for (unsigned i = 0; i < 4; i++)
		name[i] = a[i] >= 0x20 && a[i] < 0x7F ? (char)a[i] : ' ';
	for (unsigned i = 4; i != 0 && name[i - 1] == ' '; i--)
		name[i - 1] = '\0';
	format_text(info->creator, sizeof(info->creator), "%s %u.%u", name, (unsigned)(v->footer.creator_version >> 16),
		    (unsigned)(v->footer.creator_version & 0xFFFF));
	info->disk_id = v->footer.unique_id;
	info->original_size = v->footer.original_size;
	info->created = VHD_TIME_ZERO + v->footer.time_stamp;
	info->cylinders = v->footer.geometry.cylinders;
	info->heads = v->footer.geometry.heads;
	info->sectors_per_track = v->footer.geometry.sectors_per_track;
	info->saved_state = v->footer.saved_state != 0;
	info->footer_copy_used = v->front_copy_used;
	info->block_count = v->block_count;
	info->bat_offset = v->dynamic.table_offset;
}

struct count {
	struct vhd_image *v;
	struct vhdx_usage *usage;
	struct usage_runs runs;
};

static int count_entries(void *context, const uint8_t *bytes, uint64_t at, uint64_t length, struct vhdx_error *error)
{
	struct count *c = context;
	struct vhd_image *v = c->v;
	struct vhdx_error ignored;

	(void)error;
	if (bytes == NULL) { /* entries of 0, which is no place */
		c->usage->blocks_damaged += min_u64(length / 4, v->block_count - at / 4);
		return VHDX_OK;
	}
	for (uint64_t i = 0; i + 4 <= length; i += 4) {
		uint64_t block = (at + i) / 4, stride = (uint64_t)v->bitmap_size + v->base.block_size;
		uint32_t entry = bytes == NULL ? 0 : get_be32(bytes + i);

		if (block >= v->block_count)
			break;
		if (entry == VHD_UNALLOCATED) {
			c->usage->blocks_absent++;
			continue;
		}
		if (vhd_check_entry(v, block, entry, &ignored) < 0) {
			c->usage->blocks_damaged++;
			continue;
		}
		if (v->base.type == VHDX_TYPE_DIFFERENCING)
			c->usage->blocks_partial++;
		else
			c->usage->blocks_present++;
		/* blocks aligned to 4 KiB have up to 4 KiB between them and are neighbours all the same */
		if (c->runs.next_block == block && block != 0 && (uint64_t)entry * VHD_SECTOR - c->runs.next_offset < 4096)
			c->runs.next_offset = (uint64_t)entry * VHD_SECTOR;
		usage_add_block(c->usage, &c->runs, block, (uint64_t)entry * VHD_SECTOR, stride, vhd_slack(v));
		c->usage->payload_bytes += min_u64(v->base.block_size, v->base.disk_size - (block << v->block_shift));
		c->usage->file_end = max_u64(c->usage->file_end, (uint64_t)entry * VHD_SECTOR + stride);
	}
	return VHDX_OK;
}

int vhd_usage(struct image *base, struct vhdx_usage *usage, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)base;
	struct count c = { v, usage, { 0, 0 } };
	int status = VHDX_OK;

	if (base->type == VHDX_TYPE_FIXED) {
		usage->blocks_total = usage->blocks_present = usage->runs = 1;
		usage->payload_bytes = base->disk_size;
		usage->file_end = base->disk_size;
	} else {
		usage->blocks_total = v->block_count;
		usage->file_end = v->structures_end;
		status = usage_scan(base, v->dynamic.table_offset, v->block_count * 4, count_entries, &c, error);
	}
	usage->file_end += v->writer != NULL ? VHD_SECTOR : base->view.size - v->blocks_limit; /* the footer */
	return status;
}

static void vhd_release(struct image *base)
{
	vhd_writer_release(((struct vhd_image *)base)->writer);
	memory_release(base->env, base);
}

static const struct image_ops vhd_ops = {
	.map = vhd_map,
	.info = vhd_info,
	.usage = vhd_usage,
	.release = vhd_release,
	.start = vhd_writer_start,
	.write = vhd_write_block,
	.discard = vhd_discard_block,
	.flush = vhd_commit,
	.finish = vhd_commit,
	.resize = vhd_resize_image,
	.set = vhd_set_image,
	.reserve = vhd_reserve,
	.compact = vhd_compact_image,
};
