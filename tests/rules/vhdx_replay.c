/* SPDX-License-Identifier: MIT */
/*
 * Rules VHDX-096 to VHDX-108, half of them: when a log is replayed, and what that does to the file. The others:
 * vhdx_sequence.c.
 */
#include "rules/vhdx_run.h"

static void watch_first(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	uint64_t *first = context;

	(void)length;
	if (call == MEMFILE_READ && file_offset >= RECIPE_REGION_TABLE(0) && *first == 0)
		*first = file_offset;
}

Test(vhdx_rules, VHDX_096_log_is_replayed_before_anything_else_is_read)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct recipe_descriptor fixes[4];
	uint8_t pages[4][4096];
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = fixes, .descriptor_count = 4 };
	struct memfile *m = sample_log(NULL, 0);
	uint64_t places[4] = { RECIPE_REGION_TABLE(0), at.metadata, at.metadata + 65536, at.bat }, first = 0;
	struct vhdx_file file = memfile_file(m, NULL);
	vhdx_disk *disk = NULL;

	for (unsigned i = 0; i < 4; i++) { /* everything that an open needs is in the log alone */
		memfile_read(m, places[i], pages[i], 4096);
		fixes[i] = (struct recipe_descriptor){ .file_offset = places[i], .page = pages[i] };
		recipe_fill(m, places[i], 4096, 0, 99);
	}
	recipe_put(m, RECIPE_REGION_TABLE(1), 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	(void)recipe_log_entry(m, &entry, 0);
	expect_reads(m, 0, MIB, 0);
	expect_reads(m, MIB, MIB, 5);
	options.format = VHDX_FORMAT_VHDX;
	memfile_watch(m, watch_first, &first);
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
	vhdx_close(disk);
	cr_assert(first >= MIB && first < 2 * MIB, "the first read behind the headers is at %llu", (unsigned long long)first);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_097_without_replay_a_pending_log_is_refused)
{
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 1);

	expect_replayed(m, 0, 1);
	expect_open_fails_with(m, VHDX_OPEN_NO_REPLAY, VHDX_E_NEEDS_REPLAY, "VHDX-098");
	memfile_free(m);
	m = sample();
	expect_opens_with(m, VHDX_OPEN_NO_REPLAY);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_098_replay_in_memory_leaves_the_file_alone)
{
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 4), *before = memfile_copy(m);

	expect_replayed(m, 0, 4);
	cr_assert_eq(sample_info(m).log_state, VHDX_LOG_REPLAYED_IN_MEMORY);
	cr_assert(memfile_equal(m, before, NULL));
	cr_assert_eq(memfile_count(m, MEMFILE_WRITE) + memfile_count(m, MEMFILE_SET_SIZE) + memfile_count(m, MEMFILE_ZERO), 0);
	expect_open_fails_with(m, VHDX_OPEN_NO_REPLAY, VHDX_E_NEEDS_REPLAY, "VHDX-098");
	memfile_free(before);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_098_extents_tell_what_is_in_memory)
{
	/* pages 0 to 1 as they are, 2 logged, 3 to 5 zeros, 6 logged, the rest as it is */
	struct recipe_descriptor descriptors[] = { sample_data(6, 7),
						   sample_data(2, 6),
						   { .file_offset = SAMPLE_BLOCK + 3 * 4096, .zero_length = 3 * 4096 } };
	static const struct {
		unsigned first, pages, in_memory;
	} rows[] = { { 0, 2, 0 }, { 2, 1, 1 }, { 3, 3, 1 }, { 4, 2, 1 }, { 6, 1, 1 }, { 7, 249, 0 } };
	struct recipe_entry entry = {
		.tail = RECIPE_SELF, .sequence_number = 1, .descriptors = descriptors, .descriptor_count = 3
	};
	struct memfile *m = sample_log(&entry, 1);
	vhdx_disk *disk = NULL;

	cr_assert_eq(test_open_chain(&disk, &m, 1, 0, NULL), VHDX_OK);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (unsigned inside = 0; inside < 4096; inside += 1500) { /* also from the middle of a page */
			uint64_t offset = UINT64_C(4096) * rows[i].first + inside;
			struct vhdx_extent e;

			cr_assert_eq(vhdx_get_extent(disk, &e, MIB + offset, MIB - offset, NULL), VHDX_OK);
			cr_assert(e.kind == VHDX_EXTENT_DATA && e.file_offset == SAMPLE_BLOCK + offset &&
				  e.in_memory == (int)rows[i].in_memory);
			cr_assert_eq(e.length, UINT64_C(4096) * rows[i].pages - inside);
		}
	expect_pattern(disk, MIB, 2 * 4096, 5);
	expect_pattern(disk, MIB + 2 * 4096, 4096, 6);
	expect_zeros(disk, MIB + 3 * 4096, 3 * 4096);
	expect_pattern(disk, MIB + 6 * 4096, 4096, 7);
	expect_pattern(disk, MIB + 7 * 4096, MIB - 7 * 4096, 5);
	vhdx_close(disk);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_103_file_shorter_than_flushed_file_offset_is_truncated)
{
	struct sample_run run = run_of_entries();
	struct memfile *m;

	run.entries[0].flushed_file_offset = 64 * MIB; /* only the head's counts */
	run.entries[1].flushed_file_offset = 5 * MIB;
	m = run_image(&run, 2);
	cr_assert_eq(memfile_size(m), 5 * MIB);
	expect_replayed(m, 0, 2);
	memfile_set_size(m, 5 * MIB - 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-103");
	memfile_set_size(m, 5 * MIB);
	recipe_put(m, LOG_PLACE(3) + 48, 8, UINT64_MAX);
	recipe_fix_log_entry(m, LOG_PLACE(3));
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-103");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_104_replay_in_order)
{
	struct recipe_descriptor order[3] = { sample_data(0, 6),
					      { .file_offset = SAMPLE_BLOCK, .zero_length = 12288 },
					      sample_data(1, 7) };
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = order, .descriptor_count = 3 };
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 3);

	expect_page(m, 0, 12); /* each entry wrote it; the last one stays */
	memfile_free(m);
	m = sample_log(&entry, 1);
	expect_page(m, 0, 0); /* descriptor after descriptor */
	expect_page(m, 1, 7);
	expect_page(m, 2, 0);
	memfile_free(m);
}

/* Logged pages of block 1, not in the order of the file, with every kind of gap; pages 14 to 19 are a hole. */
static struct memfile *scattered(void)
{
	static const unsigned pages[] = { 40, 1, 0, 13, 3, 20, 12, 30, 60, 255, 61, 62 };
	struct recipe_descriptor descriptors[sizeof(pages) / sizeof(pages[0])];
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = descriptors };
	struct vhdx_file file;
	struct memfile *m;

	entry.descriptor_count = sizeof(pages) / sizeof(pages[0]);
	for (size_t i = 0; i < entry.descriptor_count; i++)
		descriptors[i] = sample_data(pages[i], 6 + pages[i]);
	m = sample_log(&entry, 1);
	file = memfile_file(m, NULL);
	(void)file.io->punch(file.handle, SAMPLE_BLOCK + 14 * 4096, UINT64_C(6) * 4096, NULL);
	return m;
}

struct writes {
	unsigned count;
	bool hole;
};

static void watch_block(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct writes *w = context;

	if (call != MEMFILE_WRITE || file_offset < SAMPLE_BLOCK || file_offset >= SAMPLE_BLOCK + MIB)
		return;
	w->count++;
	w->hole |= file_offset < SAMPLE_BLOCK + 20 * 4096 && file_offset + length > SAMPLE_BLOCK + 14 * 4096;
}

/* Whether it opened for writing. */
static bool replay_into(struct memfile *m)
{
	vhdx_disk *disk;
	int status = test_open_chain(&disk, &m, 1, VHDX_OPEN_WRITE, NULL);

	cr_assert(status == VHDX_OK || status == VHDX_E_IO);
	if (status == VHDX_OK)
		(void)vhdx_close(disk);
	return status == VHDX_OK;
}

/* In place what a replay in memory of the same file reads. */
static void expect_content(struct memfile *replayed)
{
	struct memfile *pending = scattered();
	static uint8_t wanted[MIB], found[MIB];
	vhdx_disk *disk;

	cr_assert_eq(test_open_chain(&disk, &pending, 1, 0, NULL), VHDX_OK);
	cr_assert_eq(vhdx_read(disk, wanted, MIB, MIB, NULL), VHDX_OK);
	vhdx_close(disk);
	memfile_read(replayed, SAMPLE_BLOCK, found, MIB);
	cr_assert_arr_eq(found, wanted, MIB);
	memfile_free(pending);
}

Test(vhdx_rules, VHDX_104_pages_near_each_other_are_written_together)
{
	struct memfile *m = scattered();
	struct writes w = { 0, false };

	memfile_watch(m, watch_block, &w);
	cr_assert(replay_into(m));
	/* 0 to 13 and, behind the hole, 20; 30 is 9 pages away, 40 too, 60 to 62, 255 */
	cr_expect_eq(w.count, 6);
	cr_expect(!w.hole, "a hole between two pages stays one");
	expect_content(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_104_a_gap_that_cannot_be_read_does_not_lose_the_log)
{
	struct memfile *m = scattered();
	unsigned long calls, opened = 0;

	cr_assert(replay_into(m));
	calls = memfile_count(m, MEMFILE_READ);
	memfile_free(m);
	for (unsigned long n = 1; n <= calls; n++) {
		m = scattered();
		memfile_fail(m, MEMFILE_READ, n, VHDX_E_IO, false);
		opened += replay_into(m);
		memfile_fail(m, MEMFILE_READ, 0, VHDX_OK, false);
		cr_assert(replay_into(m));
		expect_content(m);
		memfile_free(m);
	}
	cr_expect(opened != 0, "the gap was not read, or its failure was one of the open");
}

/* An entry that places block 2 at 8 MiB, in a file of 5 MiB. */
static struct memfile *beyond(uint64_t last_file_offset, bool with_data)
{
	static uint8_t bat[4096];
	struct recipe_descriptor descriptors[2] = { { .file_offset = 3 * MIB, .page = bat },
						    { .file_offset = 9 * MIB - 4096, .seed = 8 } };
	struct recipe_entry entry = { .tail = RECIPE_SELF,
				      .sequence_number = 1,
				      .last_file_offset = last_file_offset,
				      .descriptors = descriptors,
				      .descriptor_count = with_data ? 2 : 1 };
	struct memfile *m = sample_log(NULL, 0);

	memfile_read(m, at.bat, bat, sizeof(bat));
	bat[16] = RECIPE_FULL;
	bat[18] = 0x80; /* 8 MiB */
	(void)recipe_log_entry(m, &entry, 0);
	return m;
}

Test(vhdx_rules, VHDX_105_descriptor_beyond_the_end_extends_the_file)
{
	struct memfile *m = beyond(5 * MIB, true);
	vhdx_disk *disk = NULL;
	uint8_t page[4096], expected[4096];

	cr_assert_eq(memfile_size(m), 5 * MIB);
	cr_assert_eq(sample_info(m).file_size, 9 * MIB);
	expect_reads(m, 2 * MIB, MIB - 4096, 0);
	cr_assert_eq(test_open_chain(&disk, &m, 1, 0, NULL), VHDX_OK);
	cr_assert_eq(vhdx_read(disk, page, sizeof(page), 3 * MIB - 4096, NULL), VHDX_OK);
	recipe_pattern(expected, sizeof(expected), 9 * MIB - 4096, 8);
	cr_assert_arr_eq(page, expected, sizeof(page));
	vhdx_close(disk);
	memfile_free(m);
	m = beyond(5 * MIB, false);
	expect_read_fails(m, 2 * MIB, 512, VHDX_E_DAMAGED, "VHDX-141");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_106_file_is_as_long_as_last_file_offset_says)
{
	struct memfile *m = beyond(9 * MIB, false);

	cr_assert_eq(sample_info(m).file_size, 9 * MIB);
	expect_reads(m, 2 * MIB, MIB, 0);
	recipe_put(m, MIB + 56, 8, 2 * MIB); /* smaller than the file: it stays as it is */
	recipe_fix_log_entry(m, MIB);
	cr_assert_eq(sample_info(m).file_size, 5 * MIB);
	expect_reads(m, MIB, MIB, 5);
	recipe_put(m, MIB + 56, 8, UINT64_MAX & ~(MIB - 1)); /* no file is that long */
	recipe_fix_log_entry(m, MIB);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-106");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_108_replay_is_idempotent)
{
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 4);

	expect_replayed(m, 0, 4);
	expect_replayed(m, 0, 4);
	memfile_write(m, SAMPLE_BLOCK, sample_page(0, 11), 4096); /* a replay that came as far as the second entry */
	memfile_write(m, SAMPLE_BLOCK + 4096, sample_page(4096, 20), 4096);
	expect_replayed(m, 0, 4);
	memfile_write(m, SAMPLE_BLOCK, sample_page(0, 13), 4096); /* one that was complete, but LogGuid is still there */
	for (unsigned i = 1; i <= 4; i++)
		memfile_write(m, SAMPLE_BLOCK + 4096 * i, sample_page(4096 * i, 20), 4096);
	expect_replayed(m, 0, 4);
	memfile_free(m);
}
