/* SPDX-License-Identifier: MIT */
/* The rules of a VHDX writer on failures, flushes, crashes and closing, judged by all that it does to the file. */
#include <string.h>

#include "rules/vhdx_stream.h"

static void fails(struct written *w, uint64_t offset)
{
	uint8_t bytes[512] = { 1 };

	cr_assert_eq(vhdx_write(w->disk, bytes, sizeof(bytes), offset, NULL), VHDX_E_DEAD);
	cr_assert_eq(vhdx_write_zeroes(w->disk, offset, 512, NULL), VHDX_E_DEAD);
	cr_assert_eq(vhdx_discard(w->disk, offset, MIB, NULL), VHDX_E_DEAD);
	cr_assert_eq(vhdx_flush(w->disk, NULL), VHDX_E_DEAD);
}

/* The I/O is good again; all the same nothing more is written, not by closing either. */
static void expect_left_alone(struct written *w)
{
	size_t count = w->journal.count;

	w->journal.fail_to = w->journal.fail_from = 0;
	fails(w, 9 * MIB);
	cr_assert_neq(vhdx_close(w->disk), VHDX_OK);
	w->disk = NULL;
	cr_assert_eq(w->journal.count, count, "something is written after a failure");
}

Test(vhdx_rules, VHDX_199_no_more_metadata_after_a_failed_log_write)
{
	struct written w;
	struct vhdx_error error = { 0 };
	struct model flushed;

	stream_dynamic(&w);
	written_put(&w, 4 * MIB, 512, 6);
	written_flush(&w);
	flushed = w.model;
	written_put(&w, 6 * MIB, 512, 7);
	w.journal.fail_from = MIB;
	w.journal.fail_to = 2 * MIB;
	cr_assert_eq(vhdx_flush(w.disk, NULL), VHDX_E_IO);
	expect_left_alone(&w);
	w.model = flushed;
	model_set(&w.model, 6 * MIB, 512, 0);
	cr_assert_neq(recipe_get(w.file, RECIPE_HEADER(stream_current(w.file)) + 48, 8), 0); /* for replay */
	cr_assert_eq(written_try(&w, w.file, VHDX_OPEN_WRITE, &error), VHDX_OK, "%s", error.message);
	written_end(&w);
}

Test(vhdx_rules, VHDX_199_no_more_metadata_after_a_failed_apply_write)
{
	struct written w;
	struct vhdx_error error = { 0 };
	uint8_t bytes[512] = { 3 };
	int status = VHDX_OK;

	stream_dynamic(&w);
	written_put(&w, 4 * MIB, 512, 6);
	written_flush(&w);
	w.journal.fail_from = 2 * MIB;
	w.journal.fail_to = 4 * MIB;
	for (unsigned i = 0; status == VHDX_OK && i < 1000; i++) { /* the log must be emptied at last */
		(void)vhdx_discard(w.disk, 5 * MIB, MIB, NULL);
		status = vhdx_write(w.disk, bytes, sizeof(bytes), 5 * MIB, NULL);
		if (status == VHDX_OK)
			status = vhdx_flush(w.disk, NULL);
	}
	cr_assert_eq(status, VHDX_E_IO);
	expect_left_alone(&w);
	cr_assert_neq(recipe_get(w.file, RECIPE_HEADER(stream_current(w.file)) + 48, 8), 0);
	EXPECT_OK(check_reads((struct memfile *const[]){ w.file }, 1, 0, 4 * MIB, 512, 6));
	model_set(&w.model, 5 * MIB, 512, 0);
	cr_assert_eq(vhdx_open_file(&w.disk, &(struct vhdx_file){ w.journal.below.io, w.file, "again" },
				    &(struct vhdx_open_options){ .struct_size = sizeof(struct vhdx_open_options),
								 .flags = VHDX_OPEN_WRITE },
				    &error),
		     VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_close(w.disk), VHDX_OK);
	w.disk = NULL;
	EXPECT_OK(check_reads((struct memfile *const[]){ w.file }, 1, 0, 4 * MIB, 512, 6));
	EXPECT_OK(check_reads((struct memfile *const[]){ w.file }, 1, 0, MIB, MIB, 5));
	written_end(&w);
}

/* The last steps of a close, in the order in which they must come; both slots name no log before the file is cut. */
static void check_close(struct written *w)
{
	struct journal_walk walk;
	struct stream s;
	unsigned cleared = 0, cuts = 0;
	size_t body = 0;

	stream_start(&s, w);
	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk)) {
		const struct journal_event *e = walk.event;
		struct stream_header durable = stream_current_header(walk.durable);

		if (s.count != 0 && walk.index > s.entries[s.count - 1].last && stream_header_slot(e) >= 0 &&
		    zero_guid((const struct vhdx_guid *)(e->bytes + 48))) {
			if (cleared++ == 0)
				cr_assert_leq(body, walk.pending, "LogGuid is cleared before all metadata is durable in place");
			else
				cr_assert(zero_guid(&durable.log), "no flush between the two slots");
		}
		if (stream_is_body(&s, e) && e->kind != JOURNAL_SIZE) {
			cr_assert_eq(cleared, 0, "something is written behind the end of the log");
			body = walk.index + 1;
		}
		if (e->kind == JOURNAL_SIZE && e->offset < memfile_size(walk.now)) {
			struct stream_header a = stream_header(walk.now, 0), b = stream_header(walk.now, 1);

			cuts++;
			cr_assert(zero_guid(&durable.log), "the file is cut while the durable header names the log");
			cr_assert(zero_guid(&a.log) && zero_guid(&b.log));
		}
	}
	cr_assert_eq(cleared, 2);
	cr_assert_eq(cuts, 1);
	journal_walk_end(&walk);
	stream_end(&s);
}

Test(vhdx_rules, VHDX_200_clean_close)
{
	struct stream_header a, b;
	struct written w;

	stream_dynamic(&w);
	written_history(&w, 40);
	written_close(&w);
	check_close(&w);
	a = stream_header(w.file, 0);
	b = stream_header(w.file, 1);
	cr_assert(a.valid && b.valid && zero_guid(&a.log) && zero_guid(&b.log));
	cr_assert(same_guid(&a.file_write, &b.file_write) && same_guid(&a.data_write, &b.data_write));
	written_expect(&w, w.file);
	written_end(&w);
	stream_child(&w);
	written_history(&w, 40);
	written_close(&w);
	check_close(&w);
	written_end(&w);
}

/* Every prefix of what was done, with all of it or only what a flush covers; tests/crash looks at every order and torn write. */
static void crash_everywhere(struct written *w)
{
	struct journal_walk walk;
	struct vhdx_error error = { 0 };

	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk)) {
		struct memfile *all = memfile_copy(walk.now), *durable = memfile_copy(walk.durable);

		cr_assert_eq(written_try(w, all, VHDX_OPEN_WRITE, &error), VHDX_OK, "before event %zu: %s", walk.index,
			     error.message);
		cr_assert_eq(written_try(w, durable, VHDX_OPEN_WRITE, &error), VHDX_OK, "before event %zu: %s", walk.index,
			     error.message);
		memfile_free(all);
		memfile_free(durable);
	}
	journal_walk_end(&walk);
}

/* Zeros as data make blocks, and discards take them away again, but what can be read stays as it was flushed: so every state must read the same. */
Test(vhdx_rules, VHDX_201_a_crash_leaves_what_was_flushed)
{
	static const uint8_t zeros[8192];
	struct written w;

	stream_dynamic(&w);
	written_put(&w, 4 * MIB, 3 * MIB, 6);
	written_put(&w, MIB, MIB, 7);
	written_flush(&w);
	written_restart(&w);
	for (unsigned i = 0; i < 8; i++) {
		written_put(&w, (4 + i % 3) * MIB, 512, 6);
		cr_assert_eq(vhdx_write(w.disk, zeros, sizeof(zeros), (8 + i) * MIB + i * 4096, NULL), VHDX_OK);
		if (i % 2 == 0)
			written_flush(&w);
		if (i > 1)
			written_discard(&w, (6 + i) * MIB, MIB);
	}
	written_close(&w);
	written_open(&w);
	cr_assert_eq(vhdx_write(w.disk, zeros, sizeof(zeros), 0, NULL), VHDX_OK);
	written_close(&w);
	crash_everywhere(&w);
	written_end(&w);
}

/* When vhdx_flush returns, what a crash leaves for certain reads as the disk does. */
Test(vhdx_rules, VHDX_202_flush_returns_when_all_is_durable)
{
	void (*const subjects[])(struct written *) = { stream_dynamic, stream_child };

	for (unsigned i = 0; i < 2; i++) {
		struct journal_walk walk;
		struct written w;
		struct stream s;

		subjects[i](&w);
		for (unsigned round = 1; round < 12; round++) {
			written_history(&w, round);
			written_put(&w, round * MIB + 4096, 2 * MIB, round + 100);
			written_flush(&w);
			journal_walk_start(&walk, &w.journal, w.start);
			while (journal_walk_next(&walk))
				continue;
			written_expect(&w, walk.durable);
			journal_walk_end(&walk);
		}
		stream_start(&s, &w); /* and the pages of the newest entries are not in place yet: that may come later */
		cr_assert_gt(s.count, 0);
		stream_end(&s);
		written_end(&w);
	}
}
