/* SPDX-License-Identifier: MIT */
/*
 * Rules VHDX-091 to VHDX-113, half of them: which entries of the log make the sequence that is replayed. The others:
 * vhdx_replay.c.
 */
#include <stdlib.h>
#include <string.h>

#include "rules/vhdx_run.h"

Test(vhdx_rules, VHDX_091_valid_sequence)
{
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 4);
	struct vhdx_guid other = recipe_guid(9);

	expect_replayed(m, 0, 4);
	recipe_put(m, LOG_PLACE(9) + 100, 1, 0xFF); /* an invalid entry ends it */
	expect_replayed(m, 0, 3);
	recipe_put_guid(m, LOG_PLACE(6) + 32, &other); /* so does another GUID */
	recipe_fix_log_entry(m, LOG_PLACE(6));
	expect_replayed(m, 0, 2);
	memfile_free(m);
	run.entries[1].sequence_number = 102; /* and a number that is not the next one */
	m = run_image(&run, 2);
	expect_replayed(m, 0, 1);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_099_only_the_newest_valid_sequence_is_applied)
{
	struct sample_run run = run_of_entries();
	struct memfile *m;

	run.entries[3].sequence_number = 90; /* older, valid by itself, and behind the newest */
	run.entries[3].tail = RECIPE_SELF;
	m = run_image(&run, 4);
	expect_replayed(m, 0, 3);
	memfile_free(m);
	run.entries[3].sequence_number = 1000; /* newer: alone */
	m = run_image(&run, 4);
	expect_replayed(m, 3, 4);
	run.entries[3].tail = 0; /* newer, but not complete */
	memfile_free(m);
	m = run_image(&run, 4);
	expect_replayed(m, 0, 3);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_100_tail_of_the_head_names_an_entry_of_the_sequence)
{
	static const uint32_t bad[] = { 4096, 2 * 4096, 12 * 4096, (1u << 20) - 4096 }; /* inside an entry, behind all */
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 2);

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
	struct sample_run run = run_of_entries();
	struct memfile *m;

	run.entries[0].sequence_number = UINT64_MAX; /* unsigned */
	for (unsigned i = 1; i < 3; i++)
		run.entries[i].tail = 3 * 4096;
	m = run_image(&run, 3);
	expect_replayed(m, 0, 1);
	memfile_free(m);
	run.entries[0].sequence_number = 50;
	m = run_image(&run, 3);
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

Test(vhdx_rules, VHDX_107_replay_starts_at_the_tail)
{
	struct sample_run run = run_of_entries();
	struct memfile *m = run_image(&run, 4);

	expect_replayed(m, 0, 4);
	memfile_free(m);
	run.entries[3].tail = 2 * 3 * 4096;
	m = run_image(&run, 4);
	expect_replayed(m, 2, 4);
	memfile_free(m);
	run.entries[3].tail = RECIPE_SELF;
	m = run_image(&run, 4);
	expect_replayed(m, 3, 4);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_110_torn_last_entry_ends_the_sequence)
{
	static const uint8_t stale[512];
	struct sample_run run = run_of_entries();
	struct memfile *m;

	for (unsigned part = 0; part < 24; part++) { /* any of its 24 sectors of 512 bytes was not written */
		m = run_image(&run, 4);
		if (part == 0 || part > 7)
			memfile_write(m, LOG_PLACE(9) + 512 * part, stale, sizeof(stale));
		else
			recipe_put(m, LOG_PLACE(9) + 512 * part, 1, 1); /* these should be zeros: something older is in them */
		expect_replayed(m, 0, 3);
		memfile_free(m);
	}
	run.entries[2].tail = 9 * 4096; /* the entry before it needs it */
	m = run_image(&run, 4);
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
	for (unsigned kind = 0; kind < 3;
	     kind++) { /* 2,048 entries: too long; wrong checksums; a full ring, each the tail of the next */
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
	struct recipe_entry entry = {
		.at = 5 * 4096, .tail = RECIPE_SELF, .sequence_number = 1, .descriptors = all, .descriptor_count = 254
	};
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
	static const uint32_t count = (1u << 18) + 1; /* 8 MiB of zero descriptors */
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
		struct sample_run run = run_of_entries();
		struct memfile *m;

		run.entries[0].at = (1u << 20) - behind * 4096;
		run.entries[0].tail = run.entries[0].at;
		run.entries[1].at = RECIPE_NEXT;
		run.entries[1].tail = run.entries[0].at;
		m = run_image(&run, 2);
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
