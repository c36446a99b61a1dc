/* SPDX-License-Identifier: MIT */
/* The rules of a VHDX writer on its log, judged by all that it does to the file. */
#include <string.h>

#include "rules/vhdx_stream.h"

enum { ROUNDS = 300 }; /* the log of 1 MiB wraps */

typedef void (*check_walk)(const struct stream *s, const struct journal_walk *walk);

static void judge(struct written *w, check_walk check)
{
	struct journal_walk walk;
	struct stream s;

	written_close(w);
	stream_start(&s, w);
	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk))
		check(&s, &walk);
	journal_walk_end(&walk);
	stream_end(&s);
}

static void finish(struct written *w, check_walk check)
{
	judge(w, check);
	written_expect(w, w->file);
	written_end(w);
}

static void both_histories(check_walk check)
{
	struct written w;

	stream_dynamic(&w);
	written_history(&w, ROUNDS);
	finish(&w, check);
	stream_child(&w);
	written_history(&w, ROUNDS);
	finish(&w, check);
}

/* Entries came to the end of the log, and there was still more. */
static bool stream_wraps(const struct written *w)
{
	struct stream s;
	bool wraps = false;

	stream_start(&s, w);
	for (size_t i = 1; i < s.count; i++)
		wraps = wraps || s.entries[i].at < s.entries[i - 1].at;
	stream_end(&s);
	return wraps;
}

/* Nobody flushes, so that the log fills up: a BAT of many pages, all of them dirty again and again. */
static void full_log(check_walk check)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct written w;

	knobs.size = 100 * 512 * MIB;
	written_start(&w, build(&knobs), NULL);
	for (uint64_t round = 0; round < 6; round++)
		for (uint64_t page = 0; page < 100; page++)
			written_put(&w, (page * 512 + round) * MIB, 512, (uint32_t)(page + 1));
	cr_assert(stream_wraps(&w), "the log did not fill up");
	judge(&w, check);
	written_end(&w);
}

/* Calls `check` with each entry, as far as the walk has come when it is written. */
typedef void (*check_entry)(const struct stream *s, size_t index, const struct journal_walk *walk);
static check_entry entry_check;

static void at_entry(const struct stream *s, const struct journal_walk *walk)
{
	const struct stream_entry *e = stream_begins(s, walk->index);

	if (e != NULL)
		entry_check(s, (size_t)(e - s->entries), walk);
}

static void each_entry(check_entry check)
{
	entry_check = check;
	both_histories(at_entry);
}

/* Larger, so that the BAT must move, and smaller again; what is read is not compared here. */
static void resized(check_walk check)
{
	struct vhdx_error error = { 0 };
	struct written w;

	stream_dynamic(&w);
	written_history(&w, 20);
	cr_assert_eq(vhdx_resize(w.disk, 200 * 1024 * MIB, 0, &error), VHDX_OK, "%s", error.message);
	written_put(&w, 15 * MIB, 3 * 512, 8);
	written_flush(&w);
	cr_assert_eq(vhdx_resize(w.disk, 5 * MIB + 512, VHDX_RESIZE_CUT, &error), VHDX_OK, "%s", error.message);
	written_put(&w, MIB, 512, 9);
	judge(&w, check);
	written_end(&w);
}

/* The durable region table has its BAT somewhere else. */
static bool bat_has_moved(const struct journal_walk *walk)
{
	return recipe_get(walk->durable, RECIPE_REGION(0, 0) + 16, 8) != 3 * MIB &&
	       recipe_get(walk->durable, RECIPE_REGION(0, 1) + 16, 8) != 3 * MIB;
}

/* A write into metadata puts there, page by page, what the newest durable entry that has the page says. */
static void is_logged_before(const struct stream *s, const struct journal_walk *walk)
{
	const struct journal_event *e = walk->event;
	uint8_t page[STREAM_PAGE];

	if (!stream_is_body(s, e) || e->kind == JOURNAL_SIZE || !stream_is_metadata(s, e->offset) ||
	    (e->offset >= 3 * MIB && e->offset < 4 * MIB && bat_has_moved(walk)))
		return;
	cr_assert(e->kind == JOURNAL_WRITE && e->offset % STREAM_PAGE == 0 && e->length % STREAM_PAGE == 0);
	for (uint64_t done = 0; done < e->length; done += STREAM_PAGE) {
		int newest = stream_newest(s, e->offset + done, walk->pending);

		cr_assert_geq(newest, 0, "metadata at %llu changes without a durable log entry",
			      (unsigned long long)(e->offset + done));
		for (uint32_t i = 0; i < s->entries[newest].count; i++)
			if (stream_page(&s->entries[newest], i, page) == e->offset + done)
				break;
		cr_assert_arr_eq(e->bytes + done, page, STREAM_PAGE);
	}
}

Test(vhdx_rules, VHDX_064_metadata_changes_in_place_only_as_the_log_says)
{
	both_histories(is_logged_before);
	full_log(is_logged_before);
	resized(is_logged_before);
}

static void region_tables_are_logged_before(const struct stream *s, const struct journal_walk *walk)
{
	if (walk->event->kind == JOURNAL_WRITE && walk->event->offset < MIB)
		is_logged_before(s, walk);
}

static unsigned moves;

/* What an entry says of one copy, it says of the other too. */
static void both_copies_in_one_entry(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	const struct stream_entry *e = &s->entries[index];
	uint8_t one[STREAM_PAGE], other[STREAM_PAGE];

	(void)walk;
	for (uint32_t i = 0; i < e->count; i++) {
		uint64_t place = stream_page(e, i, one);
		bool found = false;

		if (place < RECIPE_REGION_TABLE(0) || place >= RECIPE_REGION_TABLE(1))
			continue;
		moves++;
		for (uint32_t k = 0; k < e->count; k++)
			if (stream_page(e, k, other) == place + 65536)
				found = memcmp(one, other, sizeof(one)) == 0;
		cr_assert(found, "an entry changes one copy of the region table only");
	}
}

/* A copy that is not as the other: whoever mends it does so through the log. */
Test(vhdx_rules, VHDX_047_region_tables_change_only_through_the_log)
{
	struct written w;
	struct memfile *m = sample();

	both_histories(region_tables_are_logged_before);
	resized(region_tables_are_logged_before);
	entry_check = both_copies_in_one_entry;
	resized(at_entry);
	cr_assert_gt(moves, 0, "the BAT did not move");
	recipe_put(m, RECIPE_REGION_TABLE(1) + 100, 1, 0xFF); /* wrong checksum */
	written_start(&w, m, NULL);
	model_set(&w.model, MIB, MIB, 5);
	written_history(&w, 10);
	finish(&w, region_tables_are_logged_before);
}

static void names_only_metadata(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	(void)walk;
	for (uint32_t i = 0; i < s->entries[index].count; i++)
		cr_assert(stream_is_metadata(s, stream_page(&s->entries[index], i, NULL)), "the log holds payload");
}

Test(vhdx_rules, VHDX_065_payload_is_never_logged)
{
	each_entry(names_only_metadata);
}

/* Durable at the place of this page is what entry `index` or a later one of the log says. */
static bool is_applied(const struct stream *s, size_t index, uint32_t page_index, const struct memfile *durable, size_t event)
{
	uint8_t wanted[STREAM_PAGE], found[STREAM_PAGE];
	uint64_t place = stream_page(&s->entries[index], page_index, NULL);

	memfile_read(durable, place, found, sizeof(found));
	for (size_t i = index; i < s->count && s->entries[i].last < event; i++)
		for (uint32_t p = 0; p < s->entries[i].count; p++)
			if (stream_page(&s->entries[i], p, wanted) == place && memcmp(wanted, found, sizeof(found)) == 0)
				return true;
	return false;
}

static void expect_applied(const struct stream *s, size_t from, size_t to, const struct journal_walk *walk)
{
	for (size_t i = from; i < to; i++)
		for (uint32_t p = 0; p < s->entries[i].count; p++)
			cr_assert(is_applied(s, i, p, walk->durable, walk->index),
				  "entry %zu is dropped, and its page %u is not durable in its place", i, p);
}

/* Entries leave the sequence by the Tail of a new one; all at once when a header clears LogGuid. */
static void dropped_when_applied(const struct stream *s, const struct journal_walk *walk)
{
	static size_t oldest;
	const struct stream_entry *e = stream_begins(s, walk->index);

	if (walk->index == 0)
		oldest = 0;
	if (e != NULL) {
		size_t tail = stream_tail(s, (size_t)(e - s->entries));

		expect_applied(s, oldest, tail, walk);
		oldest = tail;
	} else if (stream_header_slot(walk->event) >= 0 && zero_guid((const struct vhdx_guid *)(walk->event->bytes + 48))) {
		size_t written = oldest;

		while (written < s->count && s->entries[written].last < walk->index)
			written++;
		expect_applied(s, oldest, written, walk);
	}
}

Test(vhdx_rules, VHDX_066_entries_are_dropped_when_their_pages_are_durable_in_place)
{
	both_histories(dropped_when_applied);
	full_log(dropped_when_applied);
	resized(dropped_when_applied);
}

static uint32_t distance(const struct stream *s, uint32_t from, uint32_t to)
{
	return (uint32_t)((to + s->log_length - from) % s->log_length);
}

/* Entries that a crash now could still need: from the tail of the newest durable one on. */
static void keeps_the_active_sequence(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	const struct stream_entry *e = &s->entries[index];
	size_t head = index, i;

	while (head != 0 && s->entries[head - 1].last >= walk->pending)
		head--;
	if (head == 0)
		return; /* nothing durable yet */
	for (i = stream_tail(s, head - 1); i < index; i++)
		cr_assert(distance(s, e->at, s->entries[i].at) >= e->length &&
				  distance(s, s->entries[i].at, e->at) >= s->entries[i].length,
			  "entry %zu overwrites entry %zu of the active sequence", index, i);
}

Test(vhdx_rules, VHDX_071_log_space_of_the_active_sequence_is_not_reused)
{
	struct written w;

	each_entry(keeps_the_active_sequence);
	full_log(at_entry);
	stream_dynamic(&w);
	written_history(&w, ROUNDS);
	cr_assert(stream_wraps(&w), "the history is too short to reuse anything");
	written_end(&w);
}

static void reserved_is_zero(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	const struct stream_entry *e = &s->entries[index];
	static const uint8_t zeros[STREAM_PAGE];
	size_t end = 64 + (size_t)e->count * 32;

	(void)walk;
	cr_assert_arr_eq(e->bytes + 28, zeros, 4);
	cr_assert_arr_eq(e->bytes + end, zeros,
			 STREAM_PAGE - end % STREAM_PAGE); /* nor is there anything behind the descriptors */
}

Test(vhdx_rules, VHDX_078_reserved_field_of_an_entry_is_zero)
{
	each_entry(reserved_is_zero);
}

/* The file as a crash may leave it: no change of size since the last flush, or all, or some. */
static uint64_t least_size(const struct journal_walk *walk)
{
	uint64_t least = memfile_size(walk->durable);

	for (size_t i = walk->pending; i < walk->index; i++)
		if (walk->journal->events[i].kind == JOURNAL_SIZE && walk->journal->events[i].offset < least)
			least = walk->journal->events[i].offset;
	return least;
}

static void flushed_is_durable(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	cr_assert_leq(s->entries[index].flushed, least_size(walk));
}

static void never_shorter_than_flushed(const struct stream *s, const struct journal_walk *walk)
{
	struct stream_header h = stream_current_header(walk->durable);

	if (walk->event->kind != JOURNAL_SIZE || zero_guid(&h.log))
		return;
	for (size_t i = 0; i < s->count && s->entries[i].last < walk->index; i++)
		cr_assert(!same_guid(&s->entries[i].guid, &h.log) || walk->event->offset >= s->entries[i].flushed);
}

Test(vhdx_rules, VHDX_080_flushed_file_offset_is_durable)
{
	each_entry(flushed_is_durable);
	full_log(at_entry);
	both_histories(never_shorter_than_flushed);
}

/* A shorter file under a live log needs an entry first that says so, and is durable. */
static void cut_is_announced(const struct stream *s, const struct journal_walk *walk)
{
	struct stream_header h = stream_current_header(walk->durable);
	const struct journal_event *e = walk->event;
	size_t head = s->count;

	if (e->kind != JOURNAL_SIZE || e->offset >= memfile_size(walk->now))
		return;
	moves++;
	while (head != 0 && s->entries[head - 1].last >= walk->pending)
		head--;
	cr_assert(zero_guid(&h.log) || (head != 0 && s->entries[head - 1].flushed <= e->offset));
}

Test(vhdx_rules, VHDX_083_file_shrinks_only_when_the_log_allows_it)
{
	both_histories(cut_is_announced);
	resized(cut_is_announced);
	cr_assert_gt(moves, 2, "the file never shrank");
}

static void flushed_is_largest(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	cr_assert_eq(s->entries[index].flushed, memfile_size(walk->durable) / MIB * MIB);
}

Test(vhdx_rules, VHDX_081_flushed_file_offset_is_the_largest_known)
{
	each_entry(flushed_is_largest);
}

static void flushed_is_aligned(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	(void)walk;
	cr_assert_eq(s->entries[index].flushed % MIB, 0);
	cr_assert_geq(s->entries[index].flushed, 4 * MIB);
}

Test(vhdx_rules, VHDX_082_flushed_file_offset_is_whole_mebibytes)
{
	struct written w;
	struct memfile *m = sample();

	each_entry(flushed_is_aligned);
	memfile_set_size(m, memfile_size(m) + 12345);
	written_start(&w, m, NULL);
	model_set(&w.model, MIB, MIB, 5);
	written_history(&w, 10);
	finish(&w, at_entry);
}

/* The end of all that stands in the file when everything up to this entry has been replayed. */
static uint64_t allocated_end(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	struct memfile *m = memfile_copy(walk->now);
	uint64_t end = 4 * MIB;

	for (size_t i = stream_tail(s, index); i <= index; i++)
		stream_replay(&s->entries[i], m);
	for (unsigned block = 0; block < 16; block++) {
		uint64_t entry = stream_bat(m, block);

		if (entry % 8 >= 6 && (entry & ~(MIB - 1)) + MIB > end)
			end = (entry & ~(MIB - 1)) + MIB;
	}
	if (stream_bitmap_entry(m) % 8 == 6 && (stream_bitmap_entry(m) & ~(MIB - 1)) + MIB > end)
		end = (stream_bitmap_entry(m) & ~(MIB - 1)) + MIB;
	memfile_free(m);
	return end;
}

static void last_covers_all(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	cr_assert_eq(s->entries[index].last_offset % MIB, 0);
	cr_assert_geq(s->entries[index].last_offset, allocated_end(s, index, walk));
}

Test(vhdx_rules, VHDX_084_last_file_offset_covers_every_structure)
{
	each_entry(last_covers_all);
}

static void last_is_smallest(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	cr_assert_eq(s->entries[index].last_offset, allocated_end(s, index, walk));
}

/* While nothing is freed: that space counts until it is free for certain. The file has room at its end that nothing uses. */
Test(vhdx_rules, VHDX_085_last_file_offset_is_the_smallest)
{
	struct written w;
	struct memfile *m = sample();

	memfile_set_size(m, memfile_size(m) + 7 * MIB);
	written_start(&w, m, NULL);
	model_set(&w.model, MIB, MIB, 5);
	for (unsigned block = 2; block < 16; block++) {
		written_put(&w, block * MIB, 512, block);
		written_flush(&w);
	}
	entry_check = last_is_smallest;
	finish(&w, at_entry);
}

static void one_sector_is_free(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	const struct stream_entry *e = &s->entries[index];

	(void)walk;
	cr_assert_lt(distance(s, e->tail, e->at) + e->length, s->log_length);
	cr_assert_eq(s->log_length % STREAM_PAGE + e->at % STREAM_PAGE + e->length % STREAM_PAGE, 0);
}

Test(vhdx_rules, VHDX_094_a_sector_of_the_log_stays_free)
{
	each_entry(one_sector_is_free);
	full_log(at_entry);
}

static void targets_are_disjoint(const struct stream *s, size_t index, const struct journal_walk *walk)
{
	const struct stream_entry *e = &s->entries[index];

	(void)walk;
	for (uint32_t i = 0; i < e->count; i++)
		for (uint32_t k = 0; k < i; k++)
			cr_assert_neq(stream_page(e, i, NULL), stream_page(e, k, NULL));
}

Test(vhdx_rules, VHDX_095_descriptors_of_an_entry_do_not_overlap)
{
	each_entry(targets_are_disjoint);
	full_log(at_entry);
}

/* Replay in place, and the first session behind it. */
Test(vhdx_rules, VHDX_109_after_replay_the_log_is_cleared_before_it_is_reused)
{
	struct recipe_descriptor data = sample_data(2, 6);
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 5, .descriptors = &data, .descriptor_count = 1 };
	struct journal_walk walk;
	struct written w;
	struct stream s;
	struct stream_header h;
	uint8_t page[STREAM_PAGE];
	bool cleared = false, reused = false;

	written_start(&w, sample_log(&entry, 1), NULL);
	model_set(&w.model, MIB, MIB, 5);
	model_set(&w.model, MIB + 8192, 4096, 6);
	written_put(&w, 0, 512, 9);
	written_close(&w);
	stream_start(&s, &w);
	journal_walk_start(&walk, &w.journal, w.start);
	while (journal_walk_next(&walk)) {
		memfile_read(walk.durable, SAMPLE_BLOCK + 8192, page, sizeof(page));
		if (stream_header_slot(walk.event) >= 0 && zero_guid((const struct vhdx_guid *)(walk.event->bytes + 48))) {
			cleared = true;
			cr_assert_arr_eq(page, sample_page(8192, 6), STREAM_PAGE,
					 "LogGuid is cleared before the pages are durable");
		}
		h = stream_current_header(walk.durable);
		if (stream_in_log(&s, walk.event)) {
			reused = true;
			cr_assert(zero_guid(&h.log) || same_guid(&h.log, &s.entries[0].guid),
				  "the log is reused before it is cleared");
		}
	}
	cr_assert(cleared && reused);
	journal_walk_end(&walk);
	stream_end(&s);
	written_expect(&w, w.file);
	written_end(&w);
}
