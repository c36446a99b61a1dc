/* SPDX-License-Identifier: MIT */
/* Rules VHDX-091 and VHDX-096 to VHDX-113: which entries are replayed, and what replay does. The library replays in memory. */
#include <stdlib.h>
#include <string.h>

#include "rules/vhdx_sample.h"

#define LOG_PLACE(sector) (MIB + UINT64_C(4096) * (sector))

/* Entries of two sectors each, that follow each other: the i-th gives page 0 pattern 10 + i, and page i + 1 pattern 20. */
enum { ENTRIES = 4 };
struct run {
	struct recipe_descriptor descriptors[ENTRIES][2];
	struct recipe_entry entries[ENTRIES];
};

static struct run run_of(void)
{
	struct run run;

	for (unsigned i = 0; i < ENTRIES; i++) {
		run.descriptors[i][0] = sample_data(0, 10 + i);
		run.descriptors[i][1] = sample_data(i + 1, 20);
		run.entries[i] = (struct recipe_entry){ .at = 3 * 4096 * i, .tail = 0, .sequence_number = 100 + i, .descriptor_count = 2 };
	}
	return run;
}

static struct memfile *image_of(struct run *run, size_t count)
{
	for (unsigned i = 0; i < ENTRIES; i++)
		run->entries[i].descriptors = run->descriptors[i];
	return sample_log(run->entries, count);
}

/* The first `count` entries count, but not those before `first`. */
static void expect_replayed(struct memfile *m, unsigned first, unsigned count)
{
	expect_page(m, 0, 10 + count - 1);
	for (unsigned i = 0; i < ENTRIES; i++)
		expect_page(m, i + 1, i >= first && i < count ? 20 : 5);
	cr_assert_eq(sample_info(m).log_entries, count - first);
}

Test(vhdx_rules, VHDX_091_valid_sequence)
{
	struct run run = run_of();
	struct memfile *m = image_of(&run, 4);
	struct vhdx_guid other = recipe_guid(9);

	expect_replayed(m, 0, 4);
	recipe_put(m, LOG_PLACE(9) + 100, 1, 0xFF); /* an invalid entry ends it */
	expect_replayed(m, 0, 3);
	recipe_put_guid(m, LOG_PLACE(6) + 32, &other); /* so does another GUID */
	recipe_fix_log_entry(m, LOG_PLACE(6));
	expect_replayed(m, 0, 2);
	memfile_free(m);
	run.entries[1].sequence_number = 102; /* and a number that is not the next one */
	m = image_of(&run, 2);
	expect_replayed(m, 0, 1);
	memfile_free(m);
}

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
	struct run run = run_of();
	struct memfile *m = image_of(&run, 1);

	expect_replayed(m, 0, 1);
	expect_open_fails_with(m, VHDX_OPEN_NO_REPLAY, VHDX_E_NEEDS_REPLAY, "VHDX-098");
	memfile_free(m);
	m = sample();
	expect_opens_with(m, VHDX_OPEN_NO_REPLAY);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_098_replay_in_memory_leaves_the_file_alone)
{
	struct run run = run_of();
	struct memfile *m = image_of(&run, 4), *before = memfile_copy(m);

	expect_replayed(m, 0, 4);
	cr_assert_eq(sample_info(m).log_state, VHDX_LOG_REPLAYED_IN_MEMORY);
	cr_assert(memfile_equal(m, before, NULL));
	cr_assert_eq(memfile_count(m, MEMFILE_WRITE) + memfile_count(m, MEMFILE_SET_SIZE) + memfile_count(m, MEMFILE_ZERO), 0);
	expect_open_fails_with(m, VHDX_OPEN_NO_REPLAY, VHDX_E_NEEDS_REPLAY, "VHDX-098");
	memfile_free(before);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_099_only_the_newest_valid_sequence_is_applied)
{
	struct run run = run_of();
	struct memfile *m;

	run.entries[3].sequence_number = 90; /* older, valid by itself, and behind the newest */
	run.entries[3].tail = RECIPE_SELF;
	m = image_of(&run, 4);
	expect_replayed(m, 0, 3);
	memfile_free(m);
	run.entries[3].sequence_number = 1000; /* newer: alone */
	m = image_of(&run, 4);
	expect_replayed(m, 3, 4);
	run.entries[3].tail = 0; /* newer, but not complete */
	memfile_free(m);
	m = image_of(&run, 4);
	expect_replayed(m, 0, 3);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_100_tail_of_the_head_names_an_entry_of_the_sequence)
{
	static const uint32_t bad[] = { 4096, 2 * 4096, 12 * 4096, (1u << 20) - 4096 }; /* inside an entry, behind all */
	struct run run = run_of();
	struct memfile *m = image_of(&run, 2);

	expect_replayed(m, 0, 2);
	for (unsigned i = 0; i < 4; i++) {
		recipe_put(m, LOG_PLACE(3) + 12, 4, bad[i]);
		recipe_fix_log_entry(m, LOG_PLACE(3));
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	}
	memfile_free(m);
}

Test(vhdx_rules, VHDX_101_highest_head_is_active)
{
	struct run run = run_of();
	struct memfile *m;

	run.entries[0].sequence_number = UINT64_MAX; /* unsigned */
	for (unsigned i = 1; i < 3; i++)
		run.entries[i].tail = 3 * 4096;
	m = image_of(&run, 3);
	expect_replayed(m, 0, 1);
	memfile_free(m);
	run.entries[0].sequence_number = 50;
	m = image_of(&run, 3);
	expect_replayed(m, 1, 3);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_102_log_guid_without_a_sequence_is_corrupt)
{
	struct memfile *m = sample_log(NULL, 0);
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1 };

	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	expect_open_fails_with(m, VHDX_OPEN_IGNORE_CHECKSUMS, VHDX_E_DAMAGED, "VHDX-102"); /* decision D-21 */
	(void)recipe_log_entry(m, &entry, 0);
	expect_opens(m);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_103_file_shorter_than_flushed_file_offset_is_truncated)
{
	struct run run = run_of();
	struct memfile *m;

	run.entries[0].flushed_file_offset = 64 * MIB; /* only the head's counts */
	run.entries[1].flushed_file_offset = 5 * MIB;
	m = image_of(&run, 2);
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
	struct recipe_descriptor order[3] = { sample_data(0, 6), { .file_offset = SAMPLE_BLOCK, .zero_length = 12288 }, sample_data(1, 7) };
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = order, .descriptor_count = 3 };
	struct run run = run_of();
	struct memfile *m = image_of(&run, 3);

	expect_page(m, 0, 12); /* each entry wrote it; the last one stays */
	memfile_free(m);
	m = sample_log(&entry, 1);
	expect_page(m, 0, 0); /* descriptor after descriptor */
	expect_page(m, 1, 7);
	expect_page(m, 2, 0);
	memfile_free(m);
}

/* An entry that places block 2 at 8 MiB, in a file of 5 MiB. */
static struct memfile *beyond(uint64_t last_file_offset, bool with_data)
{
	static uint8_t bat[4096];
	struct recipe_descriptor descriptors[2] = { { .file_offset = 3 * MIB, .page = bat }, { .file_offset = 9 * MIB - 4096, .seed = 8 } };
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .last_file_offset = last_file_offset,
				      .descriptors = descriptors, .descriptor_count = with_data ? 2 : 1 };
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

Test(vhdx_rules, VHDX_107_replay_starts_at_the_tail)
{
	struct run run = run_of();
	struct memfile *m = image_of(&run, 4);

	expect_replayed(m, 0, 4);
	memfile_free(m);
	run.entries[3].tail = 2 * 3 * 4096;
	m = image_of(&run, 4);
	expect_replayed(m, 2, 4);
	memfile_free(m);
	run.entries[3].tail = RECIPE_SELF;
	m = image_of(&run, 4);
	expect_replayed(m, 3, 4);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_108_replay_is_idempotent)
{
	struct run run = run_of();
	struct memfile *m = image_of(&run, 4);

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

Test(vhdx_rules, VHDX_110_torn_last_entry_ends_the_sequence)
{
	static const uint8_t stale[512];
	struct run run = run_of();
	struct memfile *m;

	for (unsigned part = 0; part < 24; part++) { /* any of its 24 sectors of 512 bytes was not written */
		m = image_of(&run, 4);
		if (part == 0 || part > 7)
			memfile_write(m, LOG_PLACE(9) + 512 * part, stale, sizeof(stale));
		else
			recipe_put(m, LOG_PLACE(9) + 512 * part, 1, 1); /* these should be zeros: something older is in them */
		expect_replayed(m, 0, 3);
		memfile_free(m);
	}
	run.entries[2].tail = 9 * 4096; /* the entry before it needs it */
	m = image_of(&run, 4);
	expect_replayed(m, 0, 4);
	recipe_put(m, LOG_PLACE(9) + 4, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(m);
}

static void watch_log(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	if (call == MEMFILE_READ && file_offset >= 16 * MIB)
		*(uint64_t *)context += length;
}

/* Opens an image with a log of 8 MiB at 16 MiB and says how many bytes of the log were read. */
static uint64_t bytes_read(struct memfile *m, int expected)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, NULL);
	vhdx_disk *disk = NULL;
	uint64_t bytes = 0;

	options.format = VHDX_FORMAT_VHDX;
	memfile_watch(m, watch_log, &bytes);
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), expected);
	vhdx_close(disk);
	return bytes;
}

Test(vhdx_rules, VHDX_111_search_is_linear_in_the_log)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.log_guid = recipe_guid(3);
	knobs.log_offset = 16 * MIB;
	knobs.log_length = 8u << 20;
	for (unsigned kind = 0; kind < 3; kind++) { /* 2,048 entries: too long; wrong checksums; a full ring, each the tail of the next */
		static const uint32_t lengths[] = { 8u << 20, 4096, 4096 };
		uint64_t sector = 0;

		m = build(&knobs);
		for (; sector < 2048; sector++) {
			struct recipe_entry entry = { .sequence_number = 1 + sector, .tail = 0, .last_file_offset = 1 };
			uint64_t place = 16 * MIB + 4096 * sector;

			(void)recipe_log_entry(m, &entry, (uint32_t)(4096 * sector));
			recipe_put(m, place + 8, 4, lengths[kind]);
			if (kind == 1)
				recipe_put(m, place + 4, 4, 0);
		}
		cr_assert_leq(bytes_read(m, kind == 2 ? VHDX_OK : VHDX_E_DAMAGED), 5 * 8 * MIB);
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_111_entry_as_long_as_the_log)
{
	static struct recipe_descriptor all[254]; /* 2 descriptor sectors + 254 data sectors */
	struct recipe_entry entry = { .at = 5 * 4096, .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = all, .descriptor_count = 254 };
	struct memfile *m;

	for (unsigned i = 0; i < 254; i++)
		all[i] = (struct recipe_descriptor){ .file_offset = SAMPLE_BLOCK + 4096 * i, .seed = 9 };
	m = sample_log(&entry, 1);
	expect_opens(m);
	cr_assert_eq(sample_info(m).log_entries, 1);
	recipe_put(m, MIB + 5 * 4096 + 4, 1, recipe_get(m, MIB + 5 * 4096 + 4, 1) ^ 1);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(m);
}

Test(vhdx_rules, VHDX_111_more_descriptors_than_we_keep)
{
	static const uint32_t count = (1u << 20) + 1; /* 33 MiB of zero descriptors */
	struct recipe_descriptor *all = calloc(count, sizeof(*all));
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = all, .descriptor_count = count };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	for (uint32_t i = 0; i < count; i++)
		all[i] = (struct recipe_descriptor){ .file_offset = SAMPLE_BLOCK, .zero_length = 4096 };
	knobs.log_guid = recipe_guid(3);
	knobs.log_offset = 16 * MIB;
	knobs.log_length = 40u << 20;
	knobs.first_block_offset = SAMPLE_BLOCK;
	m = sample_of(knobs);
	(void)recipe_log_entry(m, &entry, 0);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-111");
	entry.descriptor_count--;
	(void)recipe_log_entry(m, &entry, 0);
	expect_page(m, 0, 0);
	memfile_free(m);
	free(all);
}

Test(vhdx_rules, VHDX_112_entry_may_wrap)
{
	for (uint32_t behind = 1; behind < 3; behind++) { /* the end of the ring comes after its first, or second sector */
		struct run run = run_of();
		struct memfile *m;

		run.entries[0].at = (1u << 20) - behind * 4096;
		run.entries[0].tail = run.entries[0].at;
		run.entries[1].at = RECIPE_NEXT;
		run.entries[1].tail = run.entries[0].at;
		m = image_of(&run, 2);
		expect_replayed(m, 0, 2);
		recipe_put(m, MIB + 50, 1, 0xFF); /* in the part that wrapped */
		expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
		memfile_free(m);
	}
}

Test(vhdx_rules, VHDX_113_empty_entry_is_a_sequence)
{
	struct recipe_entry entry = { .tail = RECIPE_SELF, .sequence_number = UINT64_C(0xFEDCBA9876543210) };
	struct memfile *m = sample_log(&entry, 1);

	expect_reads(m, MIB, MIB, 5);
	cr_assert_eq(sample_info(m).log_entries, 1);
	recipe_put(m, MIB + 4, 4, 0);
	expect_open_fails(m, VHDX_E_DAMAGED, "VHDX-102");
	memfile_free(m);
}
