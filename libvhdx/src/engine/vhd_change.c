/* SPDX-License-Identifier: MIT */
/*
 * Another size or parent for the disk in a VHD file: see vhd_writer.h. Layer: engine.
 *
 * The footer is one sector, says where the dynamic header is, and exists twice; so a new dynamic header with all that it names is written behind the last block, and
 * the two footers are changed one after the other, with a flush between (VHD-034). A crash leaves the old header or the new one, whole. The BAT goes last, behind
 * header and locators, because other writers take the end of the blocks and of the BAT for the end of the file.
 *
 * A fixed VHD has one footer, at its end. While it grows there is a moment in which a crash leaves the bytes of the old footer in the new part of the disk; when it becomes
 * smaller, the footer is written over what is cut off.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/utf.h"
#include "engine/vhd_writer.h"
#include "format/fields.h"

enum { COPY = 65536, DATA_ALIGN = 4096 };

/* A path on its way into a locator, as UTF-16LE. */
struct locator_text {
	uint32_t code;
	uint8_t *bytes;
	uint32_t length;
};

struct change {
	struct vhd_image *v;
	struct vhd_writer *w; /* NULL: fixed */
	uint8_t footer[vhd_footer_size];
	struct vhd_dynamic dynamic;
	bool moves; /* dynamic header, locators and BAT are written anew */
	struct locator_text texts[2];
	unsigned text_count;
};

static void seal_footer(uint8_t *footer)
{
	put_be32(footer + vhd_footer_checksum_at, vhd_checksum(footer, vhd_footer_size, vhd_footer_checksum_at));
}

static void set_size(uint8_t *footer, uint64_t size)
{
	struct vhd_geometry g = vhd_geometry_of(size);

	put_be64(footer + vhd_footer_current_size_at, size);
	put_be16(footer + vhd_footer_cylinders_at, g.cylinders);
	footer[vhd_footer_heads_at] = g.heads;
	footer[vhd_footer_sectors_per_track_at] = g.sectors_per_track;
	seal_footer(footer);
}

static int barrier(const struct change *c, enum barrier name, struct vhdx_error *error)
{
	int status = barrier_flush(&c->v->base.view.file, name, error);

	return status < 0 ? writing_flush_failed(&c->v->base, error) : VHDX_OK;
}

/* All changes of blocks are durable and in place, and the copy in front is good. */
static int start(struct change *c, struct vhd_image *v, struct vhdx_error *error)
{
	int status;

	*c = (struct change){ .v = v, .w = v->writer, .dynamic = v->dynamic };
	status = writing_check(&v->base, error);
	if (status == VHDX_OK)
		status = vhd_commit(&v->base, error);
	if (status == VHDX_OK && c->w == NULL)
		return file_read(&v->base.view.file, c->footer, sizeof(c->footer), v->blocks_limit, error);
	if (status == VHDX_OK)
		status = vhd_check_blocks(c->w, error);
	if (status == VHDX_OK)
		status = vhd_check_front_copy(c->w, error);
	if (status == VHDX_OK)
		memcpy(c->footer, c->w->footer, sizeof(c->footer));
	return status;
}

static int write_locators(struct change *c, uint64_t *at, struct vhdx_error *error)
{
	int status = VHDX_OK;

	for (unsigned i = 0; status == VHDX_OK && i < c->text_count; i++) {
		const struct locator_text *t = &c->texts[i];
		uint64_t space = round_up(t->length, VHD_SECTOR);

		c->dynamic.locators[i] = (struct vhd_locator){ t->code, (uint32_t)space, t->length, *at };
		status = writing_put(&c->v->base, NULL, space, *at, error);
		if (status == VHDX_OK)
			status = writing_put(&c->v->base, t->bytes, t->length, *at, error);
		*at += space;
	}
	return status;
}

static int write_bat(const struct change *c, uint64_t place, struct vhdx_error *error)
{
	struct vhd_image *v = c->v;
	uint64_t old = min_u64((uint64_t)v->dynamic.max_table_entries, c->dynamic.max_table_entries) * 4;
	uint64_t length = round_up((uint64_t)c->dynamic.max_table_entries * 4, VHD_SECTOR);
	uint8_t *bytes = memory_allocate(v->base.env, COPY);
	int status = bytes == NULL ? fail_memory(error) : VHDX_OK;

	for (uint64_t at = 0; status == VHDX_OK && at < length; at += COPY) {
		size_t part = (size_t)min_u64(COPY, length - at), known = at < old ? (size_t)min_u64(part, old - at) : 0;

		memset(bytes, 0xFF, part); /* VHD-060 */
		if (known != 0)
			status = view_read(&v->base.view, bytes, known, v->dynamic.table_offset + at, error);
		if (status == VHDX_OK)
			status = writing_put(&v->base, bytes, part, place + at, error);
	}
	memory_release(v->base.env, bytes);
	return status;
}

/* Locators, header, BAT, behind what is there. The footer at the end may be overwritten: the copy in front stands for it. */
static int write_structures(struct change *c, uint64_t *end, struct vhdx_error *error)
{
	uint8_t header[vhd_dynamic_header_size];
	uint64_t at = round_up(c->w->end, VHD_SECTOR), header_at;
	int status = write_locators(c, &at, error);

	header_at = at;
	c->dynamic.table_offset = at + vhd_dynamic_header_size;
	*end = c->dynamic.table_offset + round_up((uint64_t)c->dynamic.max_table_entries * 4, VHD_SECTOR);
	if (status == VHDX_OK && *end / VHD_SECTOR >= VHD_UNALLOCATED)
		return fail(error, VHDX_E_NO_SPACE, "the file would exceed 2 TiB, which a VHD cannot address");
	vhd_dynamic_encode(header, &c->dynamic);
	if (status == VHDX_OK)
		status = writing_put(&c->v->base, header, sizeof(header), header_at, error);
	if (status == VHDX_OK)
		status = write_bat(c, c->dynamic.table_offset, error);
	put_be64(c->footer + vhd_footer_data_offset_at, header_at);
	seal_footer(c->footer);
	return status;
}

static void take_over(struct change *c, uint64_t old_end, uint64_t end)
{
	struct vhd_image *v = c->v;

	mutex_lock(&v->base.cache->fill);
	memcpy(c->w->footer, c->footer, sizeof(c->footer));
	cache_forget(v->base.cache, v->base.level, v->dynamic.table_offset, (uint64_t)v->dynamic.max_table_entries * 4);
	cache_forget(v->base.cache, v->base.level, old_end, end - old_end);
	v->dynamic = c->dynamic;
	v->footer.current_size = get_be64(c->footer + vhd_footer_current_size_at);
	v->footer.data_offset = get_be64(c->footer + vhd_footer_data_offset_at);
	v->footer.geometry = (struct vhd_geometry){ get_be16(c->footer + vhd_footer_cylinders_at), c->footer[vhd_footer_heads_at],
						    c->footer[vhd_footer_sectors_per_track_at] };
	memcpy(v->footer.unique_id.bytes, c->footer + vhd_footer_unique_id_at, 16);
	v->base.data_identity = v->footer.unique_id;
	v->base.disk_size = v->footer.current_size;
	v->block_count = divide_up(v->footer.current_size, v->dynamic.block_size);
	v->structures_end = max_u64(v->footer.data_offset + vhd_dynamic_header_size,
				    v->dynamic.table_offset + (uint64_t)v->dynamic.max_table_entries * 4);
	vhd_set_end(c->w, end);
	c->w->footer_due = false;
	mutex_unlock(&v->base.cache->fill);
}

/* The footer at the end, then the one in front. The first flush also covers what was written for the new state before. */
static int switch_over(struct change *c, struct vhdx_error *error)
{
	uint64_t old_end = c->w->end, end = old_end;
	uint8_t old[vhd_footer_size];
	int status = c->moves ? write_structures(c, &end, error) : VHDX_OK;

	memcpy(old, c->w->footer, sizeof(old));
	memcpy(c->w->footer, c->footer, sizeof(old));
	mutex_lock(&c->v->base.cache->fill);
	vhd_set_end(c->w, end);
	mutex_unlock(&c->v->base.cache->fill);
	if (status == VHDX_OK &&
	    c->moves) /* durable before a footer names it; with the end overwritten, the copy in front counts */
		status = barrier(c, BARRIER_VHD_STRUCTURES_BEFORE_FOOTER, error);
	if (status == VHDX_OK) {
		status = vhd_write_footer(c->w, end, error);
		if (status < 0) /* it may stand at the end and count there: nothing may be written over what it names */
			(void)writing_flush_failed(&c->v->base, error);
	}
	if (status < 0) {
		memcpy(c->w->footer, old, sizeof(old));
		mutex_lock(&c->v->base.cache->fill);
		c->w->stale_end = max_u64(c->w->stale_end, c->v->base.view.size);
		vhd_set_end(c->w, old_end);
		mutex_unlock(&c->v->base.cache->fill);
		atomic_fetch_add(&c->v->base.writing->change, 1); /* the footer is due */
		return status;
	}
	take_over(c, old_end, end);
	atomic_store(&c->w->front_is_good, false);
	status = barrier(c, BARRIER_VHD_END_BEFORE_FRONT, error);
	if (status == VHDX_OK)
		status = writing_put(&c->v->base, c->footer, sizeof(c->footer), 0, error);
	if (status == VHDX_OK)
		status = barrier(c, BARRIER_VHD_COMMIT, error);
	atomic_store(&c->w->front_is_good, status == VHDX_OK);
	return status;
}

/* As in vhdx_resize.c. The bits of the last block are left as they are: set ones show zeros, and others a parent that ends before. */
static int clear_tail(const struct change *c, struct vhdx_error *error)
{
	struct vhd_image *v = c->v;
	uint64_t end = v->base.disk_size & (v->base.block_size - 1), file_offset;
	uint32_t entry;
	int status;

	if (end == 0)
		return VHDX_OK;
	status = vhd_load_entry(v, v->block_count - 1, &entry, error);
	if (status < 0 || entry == VHD_UNALLOCATED)
		return status;
	file_offset = (uint64_t)entry * VHD_SECTOR + v->bitmap_size;
	return writing_put(&v->base, NULL, v->base.block_size - end, file_offset + end, error);
}

static int set_entries(struct change *c, uint64_t from, uint64_t to, struct vhdx_error *error)
{
	uint8_t bytes[COPY];
	uint64_t at = c->v->dynamic.table_offset + from * 4, end = c->v->dynamic.table_offset + to * 4;
	int status = VHDX_OK;

	memset(bytes, 0xFF, sizeof(bytes));
	mutex_lock(&c->v->base.cache->fill);
	pages_sweep(&c->w->pages); /* a block that could not be made may have left one behind */
	cache_forget(c->v->base.cache, c->v->base.level, at, end - at);
	mutex_unlock(&c->v->base.cache->fill);
	for (size_t part; status == VHDX_OK && at < end; at += part) {
		part = (size_t)min_u64(COPY, end - at);
		status = writing_put(&c->v->base, bytes, part, at, error);
	}
	return status;
}

static int resize_dynamic(struct change *c, uint64_t size, struct vhdx_error *error)
{
	struct vhd_image *v = c->v;
	uint64_t old_count = v->block_count, count = divide_up(size, v->base.block_size);
	bool grows = size > v->base.disk_size;
	int status = VHDX_OK;

	if (grows && v->base.type == VHDX_TYPE_DIFFERENCING && v->base.parent_is_longer)
		return fail(error, VHDX_E_UNSUPPORTED,
			    "the parent is longer than this disk, and its content would show in the part that is added");
	if (count > UINT32_MAX)
		return fail(error, VHDX_E_ARGUMENT, "the disk would have too many blocks");
	if (grows)
		status = clear_tail(c, error);
	if (status == VHDX_OK && grows) /* whatever was there behind the last entry */
		status = set_entries(c, old_count, min_u64(count, v->dynamic.max_table_entries), error);
	if (status == VHDX_OK && grows)
		status = barrier(c, BARRIER_VHD_CONTENT_BEFORE_SIZE, error);
	set_size(c->footer, size);
	c->moves = count > v->dynamic.max_table_entries;
	if (c->moves)
		c->dynamic.max_table_entries = (uint32_t)count;
	if (status == VHDX_OK)
		status = switch_over(c, error);
	if (status < 0 || grows)
		return status;
	status = set_entries(c, count, old_count, error);
	return status == VHDX_OK ? barrier(c, BARRIER_VHD_COMMIT, error) : status;
}

/* What a resize of a fixed disk writes over. */
struct covered {
	uint64_t size, footer_at, end;   /* new size; of the old footer; of the file */
	uint8_t footer[vhd_footer_size]; /* the old one */
	uint8_t under[vhd_footer_size];  /* where the new one comes */
};

/* As it was before; who cannot have that either uses the disk no more. Returns what has failed before. */
static int take_back(struct change *c, const struct covered *o, int failed)
{
	struct image *base = &c->v->base;
	struct vhdx_error ignored;
	int status = VHDX_OK;

	if (o->size < o->footer_at)
		status = writing_put(base, o->under, vhd_footer_size, o->size, &ignored);
	if (status == VHDX_OK)
		status = writing_put(base, o->footer, vhd_footer_size, o->footer_at, &ignored);
	if (status == VHDX_OK) /* the old one is durable before the new one goes */
		status = barrier(c, BARRIER_VHD_FOOTER_MOVED, &ignored);
	if (status == VHDX_OK)
		status = file_set_size(&base->view.file, o->end, &ignored);
	if (status == VHDX_OK)
		status = barrier(c, BARRIER_VHD_COMMIT, &ignored);
	if (status < 0)
		(void)writing_flush_failed(base, &ignored);
	return failed;
}

/* The new footer, then what the old one leaves: a part of the disk, or of what is cut off. Whatever stood between the disk and the old footer belongs to nobody. */
static int resize_fixed(struct change *c, uint64_t size, struct vhdx_error *error)
{
	struct vhd_image *v = c->v;
	struct covered o = { .size = size, .footer_at = v->blocks_limit, .end = v->base.view.size };
	uint64_t old = v->base.disk_size, gap = min_u64(o.footer_at, size);
	int status = file_read(&v->base.view.file, o.footer, sizeof(o.footer), o.footer_at, error);

	set_size(c->footer, size);
	if (status == VHDX_OK && gap > old)
		status = writing_put(&v->base, NULL, gap - old, old, error);
	if (status == VHDX_OK && size < o.footer_at)
		status = file_read(&v->base.view.file, o.under, sizeof(o.under), size, error);
	if (status == VHDX_OK && size < o.footer_at && o.footer_at - size < vhd_footer_size) {
		/* the new one covers a part of the old one, which has a copy behind it meanwhile */
		status = writing_put(&v->base, o.footer, sizeof(o.footer), round_up(o.end, VHD_SECTOR), error);
		if (status == VHDX_OK)
			status = barrier(c, BARRIER_VHD_FOOTER_MOVED, error);
		if (status < 0)
			return take_back(c, &o, status);
	}
	if (status < 0)
		return status;
	status = writing_put(&v->base, c->footer, sizeof(c->footer), size, error);
	if (status == VHDX_OK)
		status = barrier(c, BARRIER_VHD_FOOTER_MOVED, error);
	if (status == VHDX_OK && size > o.footer_at)
		status = writing_put(&v->base, NULL, min_u64(vhd_footer_size, size - o.footer_at), o.footer_at, error);
	if (status == VHDX_OK && o.end > size + VHD_SECTOR)
		status = file_set_size(&v->base.view.file, size + VHD_SECTOR, error);
	if (status < 0)
		return take_back(c, &o, status);
	v->base.disk_size = v->footer.current_size = size;
	v->footer.geometry = vhd_geometry_of(size);
	v->blocks_limit = size;
	v->base.view.size = size + VHD_SECTOR;
	return barrier(c, BARRIER_VHD_COMMIT, error);
}

int vhd_resize_image(struct image *image, uint64_t size, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)image;
	struct change c;
	int status;

	if (size == 0 || size > VHD_MAX_DISK_SIZE || size % VHD_SECTOR != 0)
		return fail(error, VHDX_E_ARGUMENT,
			    "a VHD disk has 512 bytes to 2040 GiB in whole sectors, not %" PRIu64 " bytes", size);
	status = start(&c, v, error);
	if (status < 0)
		return status;
	return c.w == NULL ? resize_fixed(&c, size, error) : resize_dynamic(&c, size, error);
}

int vhd_reserve(struct image *image, uint64_t length, struct vhdx_error *error)
{
	struct vhd_writer *w = ((struct vhd_image *)image)->writer;

	return w == NULL ? VHDX_OK : file_reserve(&image->view.file, w->end, length, error);
}

static int add_text(struct change *c, uint32_t code, const char *path, struct vhdx_error *error)
{
	size_t units = path == NULL ? 0 : utf16_from_utf8(NULL, VHD_MAX_LOCATOR_LENGTH / 2, path, false);
	struct locator_text *t = &c->texts[c->text_count];

	if (path == NULL)
		return VHDX_OK;
	if (units == 0 || units == SIZE_MAX)
		return fail(error, VHDX_E_ARGUMENT, "a path to the parent is empty, too long or not UTF-8");
	*t = (struct locator_text){ code, memory_allocate(c->v->base.env, units * 2), (uint32_t)units * 2 };
	if (t->bytes == NULL)
		return fail_memory(error);
	c->text_count++;
	(void)utf16_from_utf8(t->bytes, units, path, false);
	return VHDX_OK;
}

/* VHD-051, VHD-052: the absolute path when it fits, else the last part. */
static int set_name(struct change *c, const struct image_settings *s, struct vhdx_error *error)
{
	const char *name = s->parent_absolute != NULL ? s->parent_absolute : s->parent_relative;

	memset(c->dynamic.parent_name, 0, sizeof(c->dynamic.parent_name));
	if (s->parent_absolute == NULL || utf16_from_utf8(NULL, VHD_NAME_UNITS, name, true) == SIZE_MAX)
		for (const char *p = name; *p != '\0'; p++)
			if (*p == '\\' || *p == '/')
				name = p + 1;
	if (utf16_from_utf8(c->dynamic.parent_name, VHD_NAME_UNITS, name, true) == SIZE_MAX)
		return fail(error, VHDX_E_ARGUMENT,
			    "the name of the parent is not UTF-8, or longer than the %d code units of a VHD", VHD_NAME_UNITS);
	return VHDX_OK;
}

static int set_parent(struct change *c, const struct image_settings *s, struct vhdx_error *error)
{
	int status = VHDX_OK;

	if (s->parent_identity != NULL) {
		c->moves = true;
		c->dynamic.parent_unique_id = *s->parent_identity;
	}
	if (s->parent_relative == NULL && s->parent_absolute == NULL)
		return s->parent_volume == NULL
			       ? VHDX_OK
			       : fail(error, VHDX_E_ARGUMENT,
				      "a VHD child stores a relative or an absolute path to its parent, not a volume "
				      "path alone");
	c->moves = true;
	memset(c->dynamic.locators, 0, sizeof(c->dynamic.locators));
	status = set_name(c, s, error);
	if (status == VHDX_OK)
		status = add_text(c, VHD_CODE_W2KU, s->parent_absolute, error);
	return status == VHDX_OK ? add_text(c, VHD_CODE_W2RU, s->parent_relative, error) : status;
}

int vhd_set_image(struct image *image, const struct image_settings *settings, struct vhdx_error *error)
{
	struct vhd_image *v = (struct vhd_image *)image;
	struct change c;
	int status;

	if (settings->physical_sector_size != 0 && settings->physical_sector_size != VHD_SECTOR)
		return fail(error, VHDX_E_UNSUPPORTED, "a VHD has sectors of 512 bytes only");
	status = start(&c, v, error);
	if (status == VHDX_OK && settings->disk_id != NULL) {
		memcpy(c.footer + vhd_footer_unique_id_at, settings->disk_id->bytes, 16);
		seal_footer(c.footer);
	}
	if (status == VHDX_OK && image->type == VHDX_TYPE_DIFFERENCING)
		status = set_parent(&c, settings, error);
	if (status == VHDX_OK && c.w != NULL)
		status = switch_over(&c, error);
	else if (status == VHDX_OK) {
		status = writing_put(image, c.footer, sizeof(c.footer), v->blocks_limit, error);
		if (status == VHDX_OK) {
			memcpy(v->footer.unique_id.bytes, c.footer + vhd_footer_unique_id_at, 16);
			image->data_identity = v->footer.unique_id;
			status = barrier(&c, BARRIER_VHD_COMMIT, error);
		}
	}
	for (unsigned i = 0; i < c.text_count; i++)
		memory_release(image->env, c.texts[i].bytes);
	return status;
}
