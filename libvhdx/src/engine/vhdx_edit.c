/* SPDX-License-Identifier: MIT */
#include "engine/vhdx_edit.h"

#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/error.h"
#include "format/fields.h"
#include "format/vhdx_layout.h"

static uint32_t pages_of(const struct edit *edits, size_t count)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		pages += divide_up(edits[i].file_offset % CACHE_PAGE + edits[i].length, CACHE_PAGE);
	return pages > UINT32_MAX ? UINT32_MAX : (uint32_t)pages;
}

/* Calls pages_get for each page, so that nothing can fail later; with `set` also changes it. */
static int walk(struct vhdx_writer *w, const struct edit *e, bool set, struct vhdx_error *error)
{
	for (size_t done = 0, part; done < e->length; done += part) {
		uint64_t at = e->file_offset + done;
		struct page *page;
		int status = pages_get(&w->pages, at, &page, error);

		if (status < 0)
			return status;
		part = (size_t)min_u64(e->length - done, CACHE_PAGE - at % CACHE_PAGE);
		if (set)
			pages_set(&w->pages, page, at, e->bytes + done, part);
	}
	return VHDX_OK;
}

int vhdx_edit(struct vhdx_writer *w, const struct edit *edits, size_t count, struct vhdx_error *error)
{
	int status = vhdx_lock_change(w, pages_of(edits, count), error);

	if (status < 0)
		return status;
	for (size_t i = 0; status == VHDX_OK && i < count; i++)
		status = walk(w, &edits[i], false, error);
	for (size_t i = 0; status == VHDX_OK && i < count; i++)
		status = walk(w, &edits[i], true, error);
	vhdx_unlock_change(w);
	return status;
}

/* The metadata table as the file has it. */
struct table {
	uint8_t *bytes; /* VHDX_TABLE_SIZE */
	uint16_t count;
	struct vhdx_metadata_entry *entries; /* in the order of the file */
	uint16_t found;                      /* index, or `count` when the item is not there */
};

static void table_release(const struct vhdx_image *v, struct table *t)
{
	memory_release(v->base.env, t->entries);
	memory_release(v->base.env, t->bytes);
}

static void table_find(struct table *t, const struct vhdx_metadata_entry *like)
{
	t->found = t->count;
	for (uint16_t i = 0; i < t->count; i++)
		if (guid_equal(&t->entries[i].item_id, &like->item_id) && t->entries[i].is_user == like->is_user)
			t->found = i;
}

static int table_load(const struct vhdx_image *v, struct table *t, const struct vhdx_metadata_entry *like,
		      struct vhdx_error *error)
{
	int status;

	*t = (struct table){ .bytes = memory_allocate(v->base.env, VHDX_TABLE_SIZE),
			     .entries = memory_zeroed(v->base.env, VHDX_MAX_ENTRIES * sizeof(*t->entries)) };
	if (t->bytes == NULL || t->entries == NULL)
		return fail_memory(error);
	status = view_read(&v->base.view, t->bytes, VHDX_TABLE_SIZE, v->metadata.file_offset, error);
	if (status == VHDX_OK)
		status = vhdx_metadata_table_decode(&t->count, t->bytes, v->metadata.file_offset, error);
	for (uint16_t i = 0; status == VHDX_OK && i < t->count; i++) {
		size_t at = vhdx_metadata_table_size + (size_t)i * vhdx_metadata_entry_size;

		status = vhdx_metadata_entry_decode(&t->entries[i], t->bytes + at, v->metadata.file_offset + at,
						    v->metadata.length, error);
	}
	if (status == VHDX_OK)
		table_find(t, like);
	return status;
}

int vhdx_read_item(struct vhdx_writer *w, const struct vhdx_metadata_entry *like, uint8_t **value, uint32_t *length,
		   struct vhdx_error *error)
{
	struct vhdx_image *v = w->v;
	struct table t;
	int status = table_load(w->v, &t, like, error);

	*value = NULL;
	*length = 0;
	if (status == VHDX_OK && t.found < t.count) {
		*length = t.entries[t.found].length; /* at most 1 MiB: VHDX-149 */
		*value = memory_allocate(v->base.env, *length);
		status = *value == NULL ? fail_memory(error)
					: view_read(&v->base.view, *value, *length,
						    v->metadata.file_offset + t.entries[t.found].offset, error);
	}
	table_release(w->v, &t);
	return status;
}

/* Room behind the table that no item but the one to be replaced takes. */
static int find_room(const struct vhdx_image *v, const struct table *t, uint32_t length, uint32_t *offset,
		     struct vhdx_error *error)
{
	uint64_t at = VHDX_TABLE_SIZE;
	bool moved;

	do { /* each round passes at least one item */
		moved = false;
		for (uint16_t i = 0; i < t->count; i++) {
			const struct vhdx_metadata_entry *e = &t->entries[i];

			if (e->length != 0 && ranges_overlap(at, length, e->offset, e->length)) {
				at = round_up((uint64_t)e->offset + e->length, 8);
				moved = true;
			}
		}
	} while (moved);
	if (at + length > v->metadata.length)
		return fail(error, VHDX_E_NO_SPACE, "the metadata region of %u bytes has no room for an item of %u bytes",
			    v->metadata.length, length);
	*offset = (uint32_t)at;
	return VHDX_OK;
}

/* The last entry takes the place of the one that goes. */
static void take_away(struct table *t)
{
	uint8_t *entries = t->bytes + vhdx_metadata_table_size;
	size_t last = (size_t)(t->count - 1) * vhdx_metadata_entry_size;

	t->entries[t->found] = t->entries[t->count - 1];
	memmove(entries + (size_t)t->found * vhdx_metadata_entry_size, entries + last, vhdx_metadata_entry_size);
	memset(entries + last, 0, vhdx_metadata_entry_size);
	put_le16(t->bytes + vhdx_metadata_table_entry_count_at, --t->count);
}

/* VHDX-144, VHDX-152. */
static int check_counts(const struct table *t, const struct vhdx_metadata_entry *like, struct vhdx_error *error)
{
	unsigned users = 0;

	for (uint16_t i = 0; i < t->count; i++)
		users += t->entries[i].is_user;
	if (t->count == VHDX_MAX_ENTRIES)
		return fail(error, VHDX_E_NO_SPACE, "the metadata table is full");
	if (like->is_user && users >= VHDX_MAX_USER_ENTRIES)
		return fail(error, VHDX_E_NO_SPACE, "the metadata table has %u items of users, and more are not allowed", users);
	return VHDX_OK;
}

/* `fresh`: not over the old value. */
static int put_entry(const struct vhdx_image *v, struct table *t, const struct vhdx_metadata_entry *like, uint32_t length,
		     bool fresh, uint32_t *offset, struct vhdx_error *error)
{
	struct vhdx_metadata_entry entry = *like;
	bool is_there = t->found < t->count;
	int status = is_there ? VHDX_OK : check_counts(t, like, error);

	if (status < 0)
		return status;
	entry.length = length;
	entry.offset = 0;
	if (!fresh && is_there && length != 0 && length <= t->entries[t->found].length) {
		entry.offset = t->entries[t->found].offset;
	} else if (length != 0) {
		status = find_room(v, t, length, &entry.offset, error);
		if (status < 0)
			return status;
	}
	vhdx_metadata_entry_encode(t->bytes + vhdx_metadata_table_size + (size_t)t->found * vhdx_metadata_entry_size, &entry);
	t->entries[t->found] = entry;
	t->count = (uint16_t)(t->count + !is_there);
	put_le16(t->bytes + vhdx_metadata_table_entry_count_at, t->count);
	*offset = entry.offset;
	return VHDX_OK;
}

/* To where no entry points yet, in as many log entries as it takes. */
static int write_ahead(struct vhdx_writer *w, const uint8_t *value, uint32_t length, uint64_t place, struct vhdx_error *error)
{
	uint32_t most = w->max_entry_pages / 2 * CACHE_PAGE;
	int status = VHDX_OK;

	for (uint32_t done = 0, part; status == VHDX_OK && done < length; done += part) {
		struct edit edit = { place + done, value + done, 0 };

		part = length - done < most ? length - done : most;
		edit.length = part;
		status = vhdx_edit(w, &edit, 1, error);
	}
	return status;
}

enum { MAX_ALSO = 4 };

/* Too long to be part of one log entry for sure. */
static bool is_long(const struct vhdx_image *v, uint32_t length)
{
	return length / CACHE_PAGE > vhdx_max_entry_pages(v) / 2;
}

int vhdx_settle_edits(struct vhdx_writer *w, struct vhdx_error *error)
{
	int status = vhdx_settle(w, BARRIER_COMMIT, error);

	return status < 0 ? writing_flush_failed(&w->v->base, error) : VHDX_OK;
}

int vhdx_check_item(struct vhdx_writer *w, const struct vhdx_metadata_entry *like, uint32_t length, struct vhdx_error *error)
{
	uint32_t offset;
	struct table t;
	int status = table_load(w->v, &t, like, error);

	if (status == VHDX_OK)
		status = put_entry(w->v, &t, like, length, is_long(w->v, length), &offset, error);
	table_release(w->v, &t);
	return status;
}

int vhdx_check_exchange(const struct vhdx_image *v, const struct vhdx_metadata_entry *old, size_t old_count,
			const struct vhdx_metadata_entry *fresh, size_t fresh_count, struct vhdx_error *error)
{
	struct vhdx_metadata_entry nothing = { .length = 0 };
	uint32_t offset;
	struct table t;
	int status = table_load(v, &t, &nothing, error);

	for (size_t i = 0; status == VHDX_OK && i < old_count; i++) {
		table_find(&t, &old[i]);
		if (t.found < t.count)
			take_away(&t);
	}
	for (size_t i = 0; status == VHDX_OK && i < fresh_count; i++) {
		table_find(&t, &fresh[i]);
		status = put_entry(v, &t, &fresh[i], fresh[i].length, is_long(v, fresh[i].length), &offset, error);
	}
	table_release(v, &t);
	return status;
}

int vhdx_edit_item(struct vhdx_writer *w, const struct vhdx_metadata_entry *like, const uint8_t *value, uint32_t length,
		   const struct edit *also, size_t also_count, struct vhdx_error *error)
{
	struct edit edits[3 + MAX_ALSO];
	uint64_t region = w->v->metadata.file_offset;
	size_t count = 0, at;
	uint32_t offset = 0;
	struct table t;
	int status = table_load(w->v, &t, like, error);

	if (status < 0 || (value == NULL && t.found == t.count)) {
		table_release(w->v, &t);
		return status;
	}
	if (value != NULL)
		status = put_entry(w->v, &t, like, length, is_long(w->v, length), &offset, error);
	else
		take_away(&t);
	if (status < 0) {
		table_release(w->v, &t);
		return status;
	}
	/* the count in front, the entry, and where the last one was */
	edits[count++] = (struct edit){ region, t.bytes, vhdx_metadata_table_size };
	at = vhdx_metadata_table_size + (size_t)t.found * vhdx_metadata_entry_size;
	edits[count++] = (struct edit){ region + at, t.bytes + at, vhdx_metadata_entry_size };
	if (value == NULL) {
		at = vhdx_metadata_table_size + (size_t)t.count * vhdx_metadata_entry_size;
		edits[count++] = (struct edit){ region + at, t.bytes + at, vhdx_metadata_entry_size };
	} else if (is_long(w->v, length)) {
		status = write_ahead(w, value, length, region + offset, error);
	} else if (length != 0) {
		edits[count++] = (struct edit){ region + offset, value, length };
	}
	for (size_t i = 0; i < also_count && i < MAX_ALSO; i++)
		edits[count++] = also[i];
	if (status == VHDX_OK)
		status = vhdx_edit(w, edits, count, error);
	table_release(w->v, &t);
	return status;
}

/* The table that counts: VHDX-060. */
static int load_regions(struct vhdx_writer *w, uint8_t *table, uint32_t *count, unsigned *copy, struct vhdx_error *error)
{
	struct vhdx_image *v = w->v;
	int status = VHDX_OK;

	for (*copy = 0; *copy < 2; ++*copy) {
		uint64_t offset = VHDX_REGION_TABLE_OFFSET(*copy);

		status = view_read(&v->base.view, table, VHDX_TABLE_SIZE, offset, error);
		if (status == VHDX_OK)
			status = vhdx_region_table_decode(count, table, offset, false, error);
		if (status == VHDX_OK || error->status != VHDX_E_DAMAGED)
			break;
	}
	return status;
}

/* How much of a table may differ from zero. */
static size_t table_length(uint32_t count)
{
	return (size_t)round_up(vhdx_region_table_size + (uint64_t)count * vhdx_region_entry_size, CACHE_PAGE);
}

int vhdx_edit_region(struct vhdx_writer *w, const struct vhdx_region *region, uint8_t *table, struct edit edits[2],
		     struct vhdx_error *error)
{
	struct vhdx_region known;
	uint32_t count;
	unsigned copy;
	int status = load_regions(w, table, &count, &copy, error);

	for (uint32_t i = 0; status == VHDX_OK && i < count; i++) {
		uint8_t *entry = table + vhdx_region_table_size + (size_t)i * vhdx_region_entry_size;

		status = vhdx_region_decode(&known, table, i, VHDX_REGION_TABLE_OFFSET(copy), error);
		if (status == VHDX_OK && memcmp(&known.guid, &region->guid, sizeof(known.guid)) == 0) {
			put_le64(entry + vhdx_region_entry_file_offset_at, region->file_offset);
			put_le32(entry + vhdx_region_entry_length_at, region->length);
		}
	}
	if (status < 0)
		return status;
	put_le32(table + vhdx_region_table_checksum_at, 0);
	put_le32(table + vhdx_region_table_checksum_at, crc32c(0, table, VHDX_TABLE_SIZE));
	for (unsigned i = 0; i < 2; i++)
		edits[i] = (struct edit){ VHDX_REGION_TABLE_OFFSET(i), table, table_length(count) };
	return VHDX_OK;
}

int vhdx_mend_regions(struct vhdx_writer *w, struct vhdx_error *error)
{
	const struct vhdx_env *env = w->v->base.env;
	uint8_t *table = memory_allocate(env, VHDX_TABLE_SIZE), *other = memory_allocate(env, VHDX_TABLE_SIZE);
	uint32_t count;
	unsigned copy;
	int status = table == NULL || other == NULL ? fail_memory(error) : load_regions(w, table, &count, &copy, error);

	if (status == VHDX_E_DAMAGED) { /* open for all that, with VHDX_OPEN_IGNORE_CHECKSUMS: nothing to mend it by */
		status = VHDX_OK;
	} else if (status == VHDX_OK) {
		status = view_read(&w->v->base.view, other, VHDX_TABLE_SIZE, VHDX_REGION_TABLE_OFFSET(!copy), error);
		if (status == VHDX_OK && memcmp(table, other, VHDX_TABLE_SIZE) != 0) {
			struct edit edit = { VHDX_REGION_TABLE_OFFSET(!copy), table, VHDX_TABLE_SIZE };

			status = vhdx_edit(w, &edit, 1, error);
		}
	}
	memory_release(env, other);
	memory_release(env, table);
	return status;
}
