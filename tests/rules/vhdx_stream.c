/* SPDX-License-Identifier: MIT */
#include "rules/vhdx_stream.h"

#include <stdlib.h>
#include <string.h>

enum { BITMAP_INDEX = 4096 };

bool same_guid(const struct vhdx_guid *a, const struct vhdx_guid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

bool zero_guid(const struct vhdx_guid *guid)
{
	return same_guid(guid, &(struct vhdx_guid){ { 0 } });
}

struct stream_header stream_header(const struct memfile *m, unsigned slot)
{
	uint64_t place = RECIPE_HEADER(slot);
	struct stream_header h = { .sequence = recipe_get(m, place + 8, 8),
				   .log_length = (uint32_t)recipe_get(m, place + 68, 4),
				   .log_offset = recipe_get(m, place + 72, 8) };
	uint8_t bytes[STREAM_PAGE];

	memfile_read(m, place, bytes, sizeof(bytes));
	memcpy(&h.file_write, bytes + 16, 16);
	memcpy(&h.data_write, bytes + 32, 16);
	memcpy(&h.log, bytes + 48, 16);
	memset(bytes + 4, 0, 4);
	h.valid = memcmp(bytes, "head", 4) == 0 && recipe_get(m, place + 4, 4) == recipe_crc32c(bytes, sizeof(bytes));
	return h;
}

unsigned stream_current(const struct memfile *m)
{
	struct stream_header a = stream_header(m, 0), b = stream_header(m, 1);

	cr_assert(a.valid || b.valid, "no valid header");
	cr_assert(!a.valid || !b.valid || a.sequence != b.sequence, "two current headers");
	return b.valid && (!a.valid || b.sequence > a.sequence);
}

struct stream_header stream_current_header(const struct memfile *m)
{
	return stream_header(m, stream_current(m));
}

int stream_header_slot(const struct journal_event *e)
{
	if (e->kind == JOURNAL_FLUSH || e->kind == JOURNAL_SIZE || e->offset >= RECIPE_REGION_TABLE(0) ||
	    e->offset + e->length <= RECIPE_HEADER(0))
		return -1;
	cr_assert_eq(e->kind, JOURNAL_WRITE);
	cr_assert_eq(e->length, STREAM_PAGE, "a header is written whole");
	cr_assert(e->offset == RECIPE_HEADER(0) || e->offset == RECIPE_HEADER(1));
	return e->offset == RECIPE_HEADER(1);
}

bool stream_in_log(const struct stream *s, const struct journal_event *e)
{
	return e->kind != JOURNAL_FLUSH && e->kind != JOURNAL_SIZE && e->offset >= s->log && e->offset < s->log + s->log_length;
}

bool stream_is_body(const struct stream *s, const struct journal_event *e)
{
	return e->kind != JOURNAL_FLUSH && stream_header_slot(e) < 0 && !stream_in_log(s, e);
}

static uint64_t get(const uint8_t *bytes, unsigned size)
{
	uint64_t value = 0;

	while (size-- != 0)
		value = value << 8 | bytes[size];
	return value;
}

static void check_checksum(const struct stream_entry *e)
{
	uint8_t *copy = malloc(e->length);

	memcpy(copy, e->bytes, e->length);
	memset(copy + 4, 0, 4);
	cr_assert_eq(get(e->bytes + 4, 4), recipe_crc32c(copy, e->length), "checksum of log entry %llu",
		     (unsigned long long)e->sequence);
	free(copy);
}

/* Puts together the entry that begins with event `first`; returns the event behind it. */
static size_t read_entry(struct stream *s, const struct journal *j, size_t first)
{
	const struct journal_event *e = &j->events[first];
	struct stream_entry *entry;
	uint64_t done = 0;
	size_t i = first;

	cr_assert(e->kind == JOURNAL_WRITE && e->length >= STREAM_PAGE && memcmp(e->bytes, "loge", 4) == 0,
		  "a write into the log is no entry");
	s->entries = realloc(s->entries, (s->count + 1) * sizeof(*s->entries));
	entry = &s->entries[s->count++];
	*entry = (struct stream_entry){ .first = first,
					.at = (uint32_t)(e->offset - s->log),
					.length = (uint32_t)get(e->bytes + 8, 4),
					.tail = (uint32_t)get(e->bytes + 12, 4),
					.sequence = get(e->bytes + 16, 8),
					.count = (uint32_t)get(e->bytes + 24, 4),
					.flushed = get(e->bytes + 48, 8),
					.last_offset = get(e->bytes + 56, 8) };
	memcpy(&entry->guid, e->bytes + 32, 16);
	entry->bytes = calloc(1, entry->length);
	for (; done < entry->length; i++) {
		cr_assert(i < j->count && stream_in_log(s, &j->events[i]) &&
				  j->events[i].offset == s->log + (entry->at + done) % s->log_length &&
				  done + j->events[i].length <= entry->length,
			  "an entry is not written in one piece");
		memcpy(entry->bytes + done, j->events[i].bytes, j->events[i].length);
		done += j->events[i].length;
	}
	entry->last = i - 1;
	check_checksum(entry);
	return i;
}

void stream_start(struct stream *s, const struct written *w)
{
	struct stream_header h = stream_current_header(w->start);

	*s = (struct stream){ .log = h.log_offset, .log_length = h.log_length };
	s->bitmap = stream_bitmap_entry(w->file) & ~(MIB - 1);
	for (size_t i = 0; i < w->journal.count;)
		i = stream_in_log(s, &w->journal.events[i]) ? read_entry(s, &w->journal, i) : i + 1;
}

void stream_end(struct stream *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->entries[i].bytes);
	free(s->entries);
}

const struct stream_entry *stream_begins(const struct stream *s, size_t event)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->entries[i].first == event)
			return &s->entries[i];
	return NULL;
}

uint64_t stream_page(const struct stream_entry *e, uint32_t index, uint8_t *page)
{
	const uint8_t *descriptor = e->bytes + 64 + (size_t)index * 32;
	size_t tables = (64 + (size_t)e->count * 32 + STREAM_PAGE - 1) / STREAM_PAGE;
	const uint8_t *sector = e->bytes + (tables + index) * STREAM_PAGE;

	cr_assert_eq(memcmp(descriptor, "desc", 4), 0, "zero descriptors are not looked at here");
	cr_assert_eq(get(descriptor + 24, 8), e->sequence);
	cr_assert_eq(memcmp(sector, "data", 4), 0);
	if (page != NULL) {
		memcpy(page, descriptor + 8, 8);
		memcpy(page + 8, sector + 8, STREAM_PAGE - 12);
		memcpy(page + STREAM_PAGE - 4, descriptor + 4, 4);
	}
	return get(descriptor + 16, 8);
}

void stream_replay(const struct stream_entry *e, struct memfile *m)
{
	uint8_t page[STREAM_PAGE];

	for (uint32_t i = 0; i < e->count; i++) {
		uint64_t place = stream_page(e, i, page);

		memfile_write(m, place, page, sizeof(page));
	}
}

int stream_newest(const struct stream *s, uint64_t file_offset, size_t event)
{
	for (size_t i = s->count; i-- != 0;)
		for (uint32_t p = 0; s->entries[i].last < event && p < s->entries[i].count; p++)
			if (stream_page(&s->entries[i], p, NULL) == file_offset)
				return (int)i;
	return -1;
}

size_t stream_tail(const struct stream *s, size_t index)
{
	for (size_t i = index + 1; i-- != 0 && same_guid(&s->entries[i].guid, &s->entries[index].guid);)
		if (s->entries[i].at == s->entries[index].tail)
			return i;
	cr_assert(false, "the tail of entry %zu names no entry", index);
	return index;
}

bool stream_is_metadata(const struct stream *s, uint64_t file_offset)
{
	return (file_offset >= RECIPE_REGION_TABLE(0) && file_offset < MIB) ||
	       (file_offset >= 2 * MIB && file_offset < 4 * MIB) ||
	       (s->bitmap != 0 && file_offset >= s->bitmap && file_offset < s->bitmap + MIB);
}

uint64_t stream_bat(const struct memfile *m, unsigned block)
{
	return recipe_get(m, 3 * MIB + block * UINT64_C(8), 8);
}

uint64_t stream_bitmap_entry(const struct memfile *m)
{
	return recipe_get(m, 3 * MIB + BITMAP_INDEX * UINT64_C(8), 8);
}

void stream_dynamic(struct written *w)
{
	written_start(w, sample(), NULL);
	model_set(&w->model, MIB, MIB, 5);
}

void stream_child(struct written *w)
{
	static const struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", ".\\parent" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *parent = sample_parent();

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.data_write_guid = recipe_guid(77);
	knobs.pairs = pairs;
	knobs.pair_count = 2;
	written_start(w, build(&knobs), parent);
	model_set(&w->model, 0, 8 * MIB, 1);
}
