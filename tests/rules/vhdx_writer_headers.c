/* SPDX-License-Identifier: MIT */
/* The rules of a VHDX writer on identifier and headers, judged by all that it does to the file. */
#include <string.h>

#include "rules/vhdx_inside.h"
#include "rules/vhdx_stream.h"

struct step {
	const struct stream *stream;
	const struct journal_walk *walk;
	size_t last_flush; /* index behind it; 0: none yet */
};
typedef void (*check_step)(const struct step *step);

static void each_event(const struct written *w, check_step check)
{
	struct stream stream;
	struct journal_walk walk;
	struct step step = { &stream, &walk, 0 };

	stream_start(&stream, w);
	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk)) {
		check(&step);
		if (walk.event->kind == JOURNAL_FLUSH)
			step.last_flush = walk.index + 1;
	}
	journal_walk_end(&walk);
	stream_end(&stream);
}

static void finish(struct written *w, check_step check)
{
	written_close(w);
	each_event(w, check);
	written_expect(w, w->file);
	written_end(w);
}

static void two_sessions(struct written *w)
{
	written_history(w, 60);
	written_close(w);
	written_open(w);
	written_history(w, 20);
}

/* A log that gives page 2 of block 1 another pattern. */
static void with_pending_log(struct written *w)
{
	static struct recipe_descriptor data;
	static struct recipe_entry entry = {
		.tail = RECIPE_SELF, .sequence_number = 5, .descriptors = &data, .descriptor_count = 1
	};

	data = sample_data(2, 6);
	written_start(w, sample_log(&entry, 1), NULL);
	model_set(&w->model, MIB, MIB, 5);
	model_set(&w->model, MIB + 8192, 4096, 6);
}

/* Of a dynamic and a differencing disk, two sessions each, and of a session that begins with a replay. */
static void all_histories(check_step check)
{
	struct written w;

	stream_dynamic(&w);
	two_sessions(&w);
	finish(&w, check);
	stream_child(&w);
	two_sessions(&w);
	finish(&w, check);
	with_pending_log(&w);
	written_put(&w, 0, 512, 9);
	finish(&w, check);
	stream_child(&w);
	written_put(&w, 9 * MIB, 512, 8);
	cr_assert_eq(vhdx_resize(w.disk, 30 * MIB, 0, NULL), VHDX_OK);
	model_resize(&w.model, 30 * MIB);
	written_put(&w, 20 * MIB, 512, 8);
	finish(&w, check);
}

static void first_64_kib_stay(const struct step *step)
{
	const struct journal_event *e = step->walk->event;

	cr_assert(e->kind == JOURNAL_FLUSH || e->offset >= RECIPE_HEADER(0), "a write at %llu", (unsigned long long)e->offset);
}

Test(vhdx_rules, VHDX_012_identifier_is_never_overwritten)
{
	all_histories(first_64_kib_stay);
}

/* What counts when a crash loses all that was not flushed: identifiers that were not those before the session. */
static void new_guid_before_body(const struct step *step)
{
	static struct stream_header before;
	struct stream_header durable;

	if (step->walk->index == 0)
		before = stream_current_header(step->walk->now);
	if (!stream_is_body(step->stream, step->walk->event))
		return;
	durable = stream_current_header(step->walk->durable);
	cr_assert(!same_guid(&durable.file_write, &before.file_write));
}

Test(vhdx_rules, VHDX_020_new_file_write_guid_before_the_first_modification)
{
	struct written w;

	all_histories(new_guid_before_body);
	with_pending_log(&w); /* replay alone */
	cr_assert_gt(w.journal.count, 0);
	finish(&w, new_guid_before_body);
}

Test(vhdx_rules, VHDX_021_no_new_guid_only_where_nothing_is_written)
{
	struct written w;
	uint8_t byte;

	stream_dynamic(&w);
	cr_assert_eq(vhdx_read(w.disk, &byte, 1, MIB, NULL), VHDX_OK);
	written_put(&w, 4 * MIB, 2 * MIB, 0); /* zeros already */
	written_flush(&w);
	written_expect(&w, w.file); /* a read-only open */
	written_close(&w);
	cr_assert_eq(w.journal.count, 0);
	written_end(&w);
}

static void new_data_guid_before_body(const struct step *step)
{
	static struct stream_header before;
	struct stream_header durable;

	if (step->walk->index == 0)
		before = stream_current_header(step->walk->now);
	if (!stream_is_body(step->stream, step->walk->event))
		return;
	durable = stream_current_header(step->walk->durable);
	cr_assert(!same_guid(&durable.data_write, &before.data_write));
}

Test(vhdx_rules, VHDX_022_new_data_write_guid_before_the_first_visible_change)
{
	struct written w;

	stream_dynamic(&w);
	two_sessions(&w);
	finish(&w, new_data_guid_before_body);
	stream_child(&w);
	two_sessions(&w);
	finish(&w, new_data_guid_before_body);
	stream_dynamic(&w); /* a block state alone */
	written_discard(&w, MIB, MIB);
	cr_assert_gt(w.journal.count, 0);
	finish(&w, new_data_guid_before_body);
}

/* The durable header names no log at all, or the one that is written. */
static void log_is_not_in_use(const struct step *step)
{
	const struct stream_entry *entry = stream_begins(step->stream, step->walk->index);
	struct stream_header durable;

	if (entry == NULL)
		return;
	durable = stream_current_header(step->walk->durable);
	cr_assert(zero_guid(&durable.log) || same_guid(&durable.log, &entry->guid),
		  "log space is overwritten while the durable header names another log");
	cr_assert(!zero_guid(&entry->guid));
}

static void header_names_a_log_that_is_there(const struct step *step)
{
	struct stream_header h;
	struct memfile *after;

	if (stream_header_slot(step->walk->event) < 0)
		return;
	after = memfile_copy(step->walk->durable);
	journal_apply(step->walk->event, after);
	h = stream_current_header(after);
	if (!zero_guid(&h.log)) {
		uint64_t place = h.log_offset;
		uint8_t start[64];
		bool found = false;

		for (; place < h.log_offset + h.log_length; place += STREAM_PAGE) {
			memfile_read(after, place, start, sizeof(start));
			found = found || (memcmp(start, "loge", 4) == 0 && memcmp(start + 32, &h.log, 16) == 0);
		}
		cr_assert(found, "a header names a log of which nothing is durable");
	}
	memfile_free(after);
}

Test(vhdx_rules, VHDX_026_fresh_log_guid_before_used_log_space_is_overwritten)
{
	struct written w;
	struct stream s;
	struct stream_header first;

	all_histories(log_is_not_in_use);
	all_histories(header_names_a_log_that_is_there);
	stream_dynamic(&w); /* each session has one of its own */
	written_put(&w, 0, 512, 1);
	written_close(&w);
	written_open(&w);
	written_put(&w, 2 * MIB, 512, 1);
	written_close(&w);
	stream_start(&s, &w);
	first = stream_current_header(w.start);
	cr_assert_gt(s.count, 2);
	cr_assert(!same_guid(&s.entries[0].guid, &s.entries[s.count - 1].guid));
	cr_assert(!same_guid(&s.entries[0].guid, &first.log));
	stream_end(&s);
	written_end(&w);
}

static void header_before_all_else(const struct step *step)
{
	if (step->walk->index == 0 || stream_is_body(step->stream, step->walk->event)) {
		size_t i = 0;

		while (i < step->walk->index && stream_header_slot(&step->walk->journal->events[i]) < 0)
			i++;
		cr_assert(step->walk->index == 0 || i < step->last_flush, "no header is durable before other changes");
	}
}

Test(vhdx_rules, VHDX_038_headers_before_any_other_part)
{
	struct written w;
	size_t first = 0;

	all_histories(header_before_all_else);
	stream_dynamic(&w);
	written_put(&w, 0, 512, 1);
	while (w.journal.events[first].kind == JOURNAL_FLUSH)
		first++;
	cr_assert_geq(stream_header_slot(&w.journal.events[first]), 0, "the first change is no header");
	written_end(&w);
}

/* The first header write of each session, and the identifiers it carries. */
Test(vhdx_rules, VHDX_039_first_header_has_a_random_file_write_guid)
{
	struct vhdx_guid seen[6];
	unsigned count = 0;

	for (unsigned seed = 1; seed <= 3; seed++) {
		struct written w;

		stream_dynamic(&w);
		atomic_store(&w.env.random_state, seed);
		for (unsigned session = 0; session < 2; session++) {
			size_t first = w.journal.count;

			written_put(&w, session * 2 * MIB, 512, 1);
			while (stream_header_slot(&w.journal.events[first]) < 0)
				first++;
			memcpy(&seen[count], w.journal.events[first].bytes + 16, 16);
			cr_assert((seen[count].bytes[7] & 0xF0) == 0x40, "version 4: random");
			for (unsigned i = 0; i < count; i++)
				cr_assert(!same_guid(&seen[i], &seen[count]));
			count++;
			written_close(&w);
			written_open(&w);
		}
		written_end(&w);
	}
}

Test(vhdx_rules, VHDX_040_data_write_guid_stays_until_contents_may_change)
{
	struct written w;
	struct stream_header before, after;

	with_pending_log(&w); /* replayed, flushed, closed: not one visible change */
	before = stream_current_header(w.start);
	written_flush(&w);
	written_expect(&w, w.file);
	written_close(&w);
	after = stream_current_header(w.file);
	cr_assert(!same_guid(&before.file_write, &after.file_write) && same_guid(&before.data_write, &after.data_write));
	written_end(&w);
}

static void next_number_in_the_other_slot(const struct step *step)
{
	int slot = stream_header_slot(step->walk->event);
	struct stream_header old, new;
	struct memfile *after;

	if (slot < 0)
		return;
	old = stream_current_header(step->walk->now);
	cr_assert_neq((unsigned)slot, stream_current(step->walk->now), "the current header is overwritten");
	after = memfile_copy(step->walk->now);
	journal_apply(step->walk->event, after);
	new = stream_header(after, (unsigned)slot);
	cr_assert(new.valid);
	cr_assert_eq(new.sequence, old.sequence + 1);
	memfile_free(after);
}

Test(vhdx_rules, VHDX_041_header_update_goes_to_the_slot_that_is_not_current)
{
	all_histories(next_number_in_the_other_slot);
}

/* Whatever relies on a header: other writes on new identifiers, entries that shall count on the log that is named, a shorter file and another log on the old one's end. */
static void header_is_durable_before_use(const struct step *step)
{
	const struct journal_event *e = step->walk->event;
	struct stream_header now = stream_current_header(step->walk->now), durable = stream_current_header(step->walk->durable);

	if (stream_is_body(step->stream, e) ||
	    (stream_begins(step->stream, step->walk->index) != NULL && !zero_guid(&durable.log)))
		cr_assert(same_guid(&now.file_write, &durable.file_write));
	if (e->kind == JOURNAL_SIZE && e->offset < memfile_size(step->walk->now))
		cr_assert(zero_guid(&durable.log), "the file shrinks under a log");
}

Test(vhdx_rules, VHDX_042_header_is_flushed_before_anything_relies_on_it)
{
	struct written w;
	struct stream s;
	struct journal_walk walk;
	struct stream_header h;

	all_histories(header_is_durable_before_use);
	stream_dynamic(&w); /* a flush relies on the header that names the log */
	written_put(&w, 4 * MIB, 512, 1);
	written_flush(&w);
	stream_start(&s, &w);
	journal_walk_start(&walk, &w.journal, w.start);
	while (journal_walk_next(&walk))
		continue;
	h = stream_current_header(walk.durable);
	cr_assert(same_guid(&h.log, &s.entries[s.count - 1].guid));
	journal_walk_end(&walk);
	stream_end(&s);
	written_end(&w);
}

/* A session takes a few numbers, and must not die half way: it is refused before it begins. */
Test(vhdx_rules, VHDX_044_sequence_number_never_wraps)
{
	for (unsigned left = 0; left < 6; left++) {
		struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
		struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
		struct memfile *m, *before;
		struct vhdx_error error = { 0 };
		struct vhdx_file file;
		vhdx_disk *disk;

		knobs.sequence_numbers[0] = UINT64_MAX - left;
		knobs.sequence_numbers[1] = UINT64_MAX - left - 1;
		m = sample_of(knobs);
		before = memfile_copy(m);
		file = memfile_file(m, "disk");
		options.flags = VHDX_OPEN_WRITE;
		cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_E_UNSUPPORTED);
		cr_assert_str_eq(error.rule, "VHDX-044");
		cr_assert(memfile_equal(m, before, NULL));
		expect_opens(m);
		memfile_free(before);
		memfile_free(m);
	}
}

static void flush_between_slots(const struct step *step)
{
	int slot = stream_header_slot(step->walk->event);

	for (size_t i = step->walk->index; slot >= 0 && i-- > step->last_flush;)
		cr_assert(stream_header_slot(&step->walk->journal->events[i]) < 0,
			  "both header slots are written without a flush between, or one twice");
}

Test(vhdx_rules, VHDX_045_flush_between_the_two_slots)
{
	all_histories(flush_between_slots);
}

/* A session that began without a new DataWriteGuid, and gets one before its first visible change. */
static void change_after_hidden_change(bool settle, check_step check)
{
	struct vhdx_error error = { 0 };
	struct stream_header before, after;
	struct written w;

	stream_dynamic(&w);
	before = stream_current_header(w.file);
	cr_assert_eq(inside_begin_unchanged(w.disk, &error), VHDX_OK);
	if (settle)
		cr_assert_eq(inside_settle(w.disk, &error), VHDX_OK);
	after = stream_current_header(w.file);
	cr_assert(!same_guid(&before.file_write, &after.file_write) && same_guid(&before.data_write, &after.data_write));
	written_history(&w, 20);
	finish(&w, check);
}

Test(vhdx_rules, VHDX_045_flush_between_the_two_slots_when_identity_is_renewed)
{
	for (int settle = 0; settle < 2; settle++) {
		change_after_hidden_change(settle != 0, flush_between_slots);
		change_after_hidden_change(settle != 0, next_number_in_the_other_slot);
	}
}

Test(vhdx_rules, VHDX_022_new_data_write_guid_in_a_session_that_began_without)
{
	for (int settle = 0; settle < 2; settle++)
		change_after_hidden_change(settle != 0, new_data_guid_before_body);
}
