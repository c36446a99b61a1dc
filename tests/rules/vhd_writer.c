/* SPDX-License-Identifier: MIT */
/* The rules of a VHD writer, judged by all that it does to the file. A VHD has no log: order is all that it has. */
#include <string.h>

#include "rules/vhd_images.h"
#include "rules/written.h"

enum { SECTOR = 512, BLOCKS = 8, BLOCK_SECTORS = VHD_BLOCK / SECTOR };
#define ABSENT UINT32_MAX

static struct recipe_vhd_places places;

/* Blocks 0 and 3 of 8 are present, with the pattern that the images have. */
static void vhd_session(struct written *w, struct memfile *m, uint32_t seed)
{
	written_start(w, m, NULL);
	model_set(&w->model, 0, VHD_BLOCK, seed);
	model_set(&w->model, 3 * VHD_BLOCK, VHD_BLOCK, seed);
}

static void dynamic_session(struct written *w)
{
	vhd_session(w, vhd_dynamic(&places), VHD_PARENT_SEED);
}

static void child_session(struct written *w)
{
	struct memfile *parent = vhd_dynamic(NULL);

	written_start(w, vhd_child(&places), parent);
	model_set(&w->model, 0, VHD_BLOCK, VHD_CHILD_SEED);
	model_set(&w->model, 3 * VHD_BLOCK, VHD_BLOCK, VHD_CHILD_SEED);
}

static void history(struct written *w)
{
	for (unsigned r = 0; r < 40; r++) {
		uint64_t offset = (r * 37 % 7900) * UINT64_C(512) + r * 5 % 8 * VHD_BLOCK;

		written_put(w, offset % (4 * RECIPE_MIB - 8 * SECTOR), 8 * SECTOR, r + 10);
		if (r % 6 == 5)
			written_put(w, r % 8 * VHD_BLOCK + SECTOR, 3 * SECTOR, 0);
		if (r % 3 == 2)
			written_flush(w);
	}
}

static bool is_footer(const struct memfile *m, uint64_t offset)
{
	uint8_t bytes[SECTOR];
	uint32_t sum = 0, found;

	if (offset + SECTOR > memfile_size(m))
		return false;
	memfile_read(m, offset, bytes, sizeof(bytes));
	found = (uint32_t)recipe_get_be(m, offset + 64, 4);
	memset(bytes + 64, 0, 4);
	for (size_t i = 0; i < sizeof(bytes); i++)
		sum += bytes[i];
	return memcmp(bytes, "conectix", 8) == 0 && found == ~sum;
}

static bool has_end_footer(const struct memfile *m)
{
	return memfile_size(m) >= SECTOR && is_footer(m, memfile_size(m) - SECTOR);
}

static void expect_equal_footers(const struct memfile *m)
{
	cr_assert(is_footer(m, 0) && has_end_footer(m));
	for (unsigned i = 0; i < SECTOR; i++)
		cr_assert_eq(recipe_get(m, i, 1), recipe_get(m, memfile_size(m) - SECTOR + i, 1));
}

static uint32_t bat(const struct memfile *m, unsigned block)
{
	return (uint32_t)recipe_get_be(m, places.bat + block * UINT64_C(4), 4);
}

static uint64_t place_of(const struct memfile *m, unsigned block)
{
	return bat(m, block) * UINT64_C(512);
}

/* Bit of a sector of a block that is present, the highest of a byte first. */
static bool bit(const struct memfile *m, uint64_t bitmap, unsigned sector)
{
	return recipe_get(m, bitmap + sector / 8, 1) >> (7 - sector % 8) & 1;
}

typedef void (*check_walk)(const struct journal_walk *walk);

static void each_event(const struct written *w, check_walk check)
{
	struct journal_walk walk;

	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk))
		check(&walk);
	journal_walk_end(&walk);
}

static void both_histories(check_walk check)
{
	void (*const subjects[])(struct written *) = { dynamic_session, child_session };

	for (unsigned i = 0; i < 2; i++) {
		struct written w;

		subjects[i](&w);
		history(&w);
		written_close(&w);
		written_open(&w);
		written_put(&w, 6 * VHD_BLOCK + 100 * SECTOR, SECTOR, 99);
		written_close(&w);
		each_event(&w, check);
		written_expect(&w, w.file);
		written_end(&w);
	}
}

static void keeps_the_id(const struct journal_walk *walk)
{
	const struct journal_event *e = walk->event;

	if (e->kind == JOURNAL_WRITE && e->length >= SECTOR && memcmp(e->bytes, "conectix", 8) == 0)
		for (size_t i = 0; i < SECTOR; i++)
			cr_assert_eq(e->bytes[i], recipe_get(walk->durable, i, 1), "byte %zu of the footer changes", i);
}

Test(vhd_rules, VHD_031_writes_do_not_change_the_unique_id)
{
	struct written w;
	struct vhdx_guid before, after;

	both_histories(keeps_the_id);
	dynamic_session(&w);
	before = recipe_get_guid(w.start, 68);
	history(&w);
	written_close(&w);
	after = recipe_get_guid(w.file, memfile_size(w.file) - SECTOR + 68);
	cr_assert_arr_eq(&before, &after, 16);
	written_end(&w);
}

/* What a crash before this event leaves for certain has a footer that this event does not touch. */
static void one_footer_is_valid(const struct journal_walk *walk)
{
	const struct journal_event *e = walk->event;
	uint64_t end = memfile_size(walk->durable) - SECTOR;
	bool front = is_footer(walk->durable, 0), back = is_footer(walk->durable, end);

	for (size_t i = walk->pending; i <= walk->index; i++) {
		e = &walk->journal->events[i];
		if (e->kind == JOURNAL_FLUSH)
			continue;
		if (e->kind == JOURNAL_SIZE)
			back = back && e->offset == end + SECTOR;
		else if (e->offset < SECTOR)
			front = false;
		else if (e->offset + e->length > end)
			back = false; /* also when the file grows: the footer is at its end no more */
	}
	cr_assert(front || back, "no valid footer is certain at event %zu", walk->index);
}

static void damage_front(struct memfile *m)
{
	recipe_put(m, 80, 1, 0xAA);
}

Test(vhd_rules, VHD_034_a_valid_footer_at_every_moment)
{
	struct written w;
	struct memfile *m = vhd_dynamic(&places);

	both_histories(one_footer_is_valid);
	damage_front(m); /* so both copies are written */
	vhd_session(&w, m, VHD_PARENT_SEED);
	history(&w);
	written_close(&w);
	each_event(&w, one_footer_is_valid);
	cr_assert(is_footer(w.file, 0) && has_end_footer(w.file));
	expect_equal_footers(w.file);
	written_end(&w);
}

/* Size and identifier change, the structures move. */
Test(vhd_rules, VHD_034_both_footers_change_with_a_flush_between)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_guid id = recipe_guid(99), found;
	struct vhdx_error error = { 0 };
	struct written w;

	dynamic_session(&w);
	history(&w);
	cr_assert_eq(vhdx_resize(w.disk, 400 * RECIPE_MIB, 0, &error), VHDX_OK, "%s", error.message);
	written_put(&w, 5 * VHD_BLOCK, SECTOR, 6);
	settings.disk_id = &id;
	cr_assert_eq(vhdx_set(w.disk, &settings, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(vhdx_resize(w.disk, 2 * RECIPE_MIB, VHDX_RESIZE_CUT, &error), VHDX_OK, "%s", error.message);
	model_resize(&w.model, 2 * RECIPE_MIB);
	written_close(&w);
	each_event(&w, one_footer_is_valid);
	expect_equal_footers(w.file);
	cr_assert_eq(recipe_get_be(w.file, 48, 8), 2 * RECIPE_MIB);
	memfile_read(w.file, 68, &found, sizeof(found));
	cr_assert_eq(memcmp(&found, &id, sizeof(id)), 0);
	written_expect(&w, w.file);
	written_end(&w);
}

/* The new BAT entries that this event writes: calls `check` with the block and its place. */
static void each_new_block(const struct journal_walk *walk, void (*check)(const struct journal_walk *, uint64_t place))
{
	struct memfile *after;

	if (walk->event->kind != JOURNAL_WRITE || walk->event->offset > places.bat ||
	    walk->event->offset + walk->event->length <= places.bat)
		return;
	after = memfile_copy(walk->now);
	journal_apply(walk->event, after);
	for (unsigned block = 0; block < BLOCKS; block++)
		if (bat(after, block) != bat(walk->now, block)) {
			cr_assert_eq(bat(walk->now, block), ABSENT);
			check(walk, place_of(after, block));
		}
	memfile_free(after);
}

static unsigned new_blocks;

/* Sectors that nobody wrote since it was made are zeros; the model's pattern is not known here, so all that was written since the start counts. */
static void rest_is_zero(const struct journal_walk *walk, uint64_t place)
{
	static const uint8_t zeros[SECTOR];

	new_blocks++;
	for (unsigned s = 0; s < BLOCK_SECTORS; s++) {
		uint64_t sector = place + SECTOR + s * UINT64_C(512);
		bool written = false;
		uint8_t now[SECTOR], durable[SECTOR];

		for (size_t i = 0; i < walk->index; i++) {
			const struct journal_event *e = &walk->journal->events[i];

			written = written ||
				  (e->kind == JOURNAL_WRITE && e->offset <= sector && e->offset + e->length >= sector + SECTOR &&
				   memcmp(e->bytes + (sector - e->offset), "conectix", 8) != 0);
		}
		memfile_read(walk->now, sector, now, SECTOR);
		memfile_read(walk->durable, sector, durable, SECTOR);
		if (!written) {
			cr_assert_arr_eq(now, zeros, SECTOR, "sector %u of a new block is not zero", s);
			cr_assert_arr_eq(durable, zeros, SECTOR);
		}
	}
}

static void new_blocks_are_zero(const struct journal_walk *walk)
{
	each_new_block(walk, rest_is_zero);
}

/* Where something stands behind the footer's new place: the file is longer than its structures, with rubbish at the end. */
Test(vhd_rules, VHD_068_the_part_that_a_block_adds_is_zeros)
{
	struct recipe_vhd knobs = vhd_dynamic_knobs();
	struct written w;
	struct memfile *m;

	both_histories(new_blocks_are_zero);
	cr_assert_gt(new_blocks, 4);
	knobs.slack = VHD_BLOCK;
	knobs.no_end_footer = true; /* a crash left a block that nothing names, and no footer */
	m = recipe_vhd_new(&knobs, &places);
	memfile_set_size(m, places.end + VHD_BLOCK + 4096);
	recipe_fill(m, places.end, VHD_BLOCK + 4096, 0, 77);
	vhd_session(&w, m, VHD_PARENT_SEED);
	written_put(&w, 5 * VHD_BLOCK + 7 * SECTOR, SECTOR, 8);
	written_close(&w);
	each_event(&w, new_blocks_are_zero);
	written_expect(&w, w.file);
	written_end(&w);
}

Test(vhd_rules, VHD_076_writes_go_to_the_child_and_set_bits)
{
	struct memfile *before;
	struct written w;

	child_session(&w);
	before = memfile_copy(w.parent);
	history(&w);
	written_put(&w, VHD_BLOCK + 9 * SECTOR, 3 * SECTOR, 200); /* absent here, and in the parent */
	written_put(&w, 2 * VHD_BLOCK + 1000 * SECTOR, 30 * SECTOR, 201);
	written_close(&w);
	cr_assert(memfile_equal(w.parent, before, NULL));
	cr_assert_eq(memfile_count(w.parent, MEMFILE_WRITE) + memfile_count(w.parent, MEMFILE_SET_SIZE) +
			     memfile_count(w.parent, MEMFILE_ZERO),
		     0);
	for (unsigned s = 9; s < 12; s++)
		cr_assert(bit(w.file, place_of(w.file, 1), s), "bit %u", s);
	for (unsigned s = 1000; s < 1024; s++)
		cr_assert(bit(w.file, place_of(w.file, 2), s), "bit %u", s);
	for (unsigned s = 0; s < 6; s++)
		cr_assert(bit(w.file, place_of(w.file, 3), s), "bit %u", s);
	written_expect(&w, w.file);
	memfile_free(before);
	written_end(&w);
}

/* Bitmap, data and a footer behind the block are durable when its BAT entry is written. */
static void block_is_durable(const struct journal_walk *walk, uint64_t place)
{
	uint8_t now[SECTOR], durable[SECTOR];

	new_blocks++;
	for (unsigned s = 0; s < BLOCK_SECTORS + 1; s++) {
		memfile_read(walk->now, place + s * UINT64_C(512), now, SECTOR);
		memfile_read(walk->durable, place + s * UINT64_C(512), durable, SECTOR);
		cr_assert_arr_eq(now, durable, SECTOR, "sector %u of a block is not durable before its BAT entry", s);
	}
	cr_assert(has_end_footer(walk->durable), "the footer is not durable at the new end");
	cr_assert_geq(memfile_size(walk->durable), place + SECTOR + VHD_BLOCK + SECTOR);
}

static void bat_comes_last(const struct journal_walk *walk)
{
	each_new_block(walk, block_is_durable);
}

Test(vhd_rules, VHD_096_the_bat_entry_comes_last)
{
	struct journal_walk walk;
	struct written w;

	both_histories(bat_comes_last);
	cr_assert_gt(new_blocks, 4);
	dynamic_session(&w); /* and it is durable when the flush returns */
	written_put(&w, 5 * VHD_BLOCK, SECTOR, 6);
	written_flush(&w);
	journal_walk_start(&walk, &w.journal, w.start);
	while (journal_walk_next(&walk))
		continue;
	cr_assert_neq(bat(walk.durable, 5), ABSENT);
	written_expect(&w, walk.durable);
	journal_walk_end(&walk);
	written_end(&w);
}

static uint64_t old_footer;

static void front_is_good_before(const struct journal_walk *walk)
{
	const struct journal_event *e = walk->event;

	if ((e->kind == JOURNAL_WRITE || e->kind == JOURNAL_ZERO) && e->offset + e->length > old_footer)
		cr_assert(is_footer(walk->durable, 0),
			  "the footer is overwritten, or no longer at the end, with no copy in front");
}

Test(vhd_rules, VHD_097_copy_in_front_is_valid_before_allocation)
{
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		struct memfile *m = vhd_dynamic(&places);
		struct written w;

		if (damaged)
			damage_front(m);
		old_footer = places.footer;
		vhd_session(&w, m, VHD_PARENT_SEED);
		history(&w);
		written_close(&w);
		each_event(&w, front_is_good_before);
		written_end(&w);
	}
}

static unsigned bits_shown;

/* A write into the bitmap of a block that the BAT names already. */
static void bits_come_after_data(const struct journal_walk *walk)
{
	const struct journal_event *e = walk->event;
	struct memfile *after;

	if (e->kind != JOURNAL_WRITE)
		return;
	after = memfile_copy(walk->now);
	journal_apply(e, after);
	for (unsigned block = 0; block < BLOCKS; block++) {
		uint64_t place = place_of(walk->now, block);

		if (bat(walk->now, block) == ABSENT || e->offset > place || e->offset + e->length <= place)
			continue;
		for (unsigned s = 0; s < BLOCK_SECTORS; s++) {
			uint8_t now[SECTOR], durable[SECTOR];

			if (bit(walk->now, place, s) || !bit(after, place, s))
				continue;
			bits_shown++;
			memfile_read(walk->now, place + SECTOR + s * UINT64_C(512), now, SECTOR);
			memfile_read(walk->durable, place + SECTOR + s * UINT64_C(512), durable, SECTOR);
			cr_assert_arr_eq(now, durable, SECTOR, "the bit of sector %u comes before its data", s);
		}
	}
	memfile_free(after);
}

Test(vhd_rules, VHD_098_bits_are_set_when_the_data_is_durable)
{
	both_histories(bits_come_after_data);
	cr_assert_gt(bits_shown, 20);
	both_histories(bat_comes_last); /* bits of new blocks show with the BAT entry */
}

/* Whatever the crash: the copy in front is good, and what the BAT names lies in the file and overlaps nothing. */
static void expect_only_leaks(const struct memfile *m)
{
	cr_assert(is_footer(m, 0));
	for (unsigned a = 0; a < BLOCKS; a++) {
		if (bat(m, a) == ABSENT)
			continue;
		cr_assert_geq(place_of(m, a), places.bat + SECTOR);
		cr_assert_leq(place_of(m, a) + SECTOR + VHD_BLOCK, memfile_size(m));
		for (unsigned b = 0; b < a; b++)
			cr_assert(bat(m, b) == ABSENT || place_of(m, a) >= place_of(m, b) + SECTOR + VHD_BLOCK ||
				  place_of(m, b) >= place_of(m, a) + SECTOR + VHD_BLOCK);
	}
}

static void try_state(const struct written *w, struct memfile *state)
{
	struct vhdx_error error = { 0 };

	expect_only_leaks(state);
	cr_assert_eq(written_try(w, state, 0, &error), VHDX_OK, "%s", error.message);
	cr_assert_eq(written_try(w, state, VHDX_OPEN_WRITE, &error), VHDX_OK, "%s", error.message);
	memfile_free(state);
}

/* Every prefix; what is certain; and all but one of what is not. */
static void crash_everywhere(const struct written *w)
{
	struct journal_walk walk;

	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk)) {
		try_state(w, memfile_copy(walk.now));
		if (walk.event->kind != JOURNAL_FLUSH)
			continue;
		try_state(w, memfile_copy(walk.durable));
		for (size_t lost = walk.pending; lost < walk.index; lost++) {
			struct memfile *state = memfile_copy(walk.durable);

			for (size_t i = walk.pending; i < walk.index; i++)
				if (i != lost)
					journal_apply(&w->journal.events[i], state);
			try_state(w, state);
		}
	}
	journal_walk_end(&walk);
}

/* Zeros as data make blocks and set bits, and what can be read stays as it is. */
Test(vhd_rules, VHD_100_a_crash_leaves_leaked_blocks_and_a_lost_footer_at_most)
{
	void (*const subjects[])(struct written *) = { dynamic_session, child_session };
	static const uint8_t zeros[8 * SECTOR];

	for (unsigned i = 0; i < 2; i++) {
		struct written w;

		subjects[i](&w);
		for (unsigned r = 0; r < 12; r++) {
			cr_assert_eq(
				vhdx_write(w.disk, zeros, sizeof(zeros), (1 + r % 6 + (r % 6 > 1)) * VHD_BLOCK + r * 4096, NULL),
				VHDX_OK);
			if (r % 3 == 1)
				written_flush(&w);
		}
		written_close(&w);
		cr_assert_gt(w.journal.count, 10);
		crash_everywhere(&w);
		written_end(&w);
	}
}

/* Decision D-53. */
Test(vhd_rules, VHD_099_lost_footer_is_written_again_by_the_first_change)
{
	struct recipe_vhd knobs = vhd_dynamic_knobs();
	struct written w;

	knobs.no_end_footer = true;
	vhd_session(&w, recipe_vhd_new(&knobs, &places), VHD_PARENT_SEED);
	cr_assert(!has_end_footer(w.file));
	written_expect(&w, w.file);
	written_close(&w);
	cr_assert_eq(w.journal.count, 0, "opening alone changes nothing");
	written_open(&w);
	written_put(&w, 3 * VHD_BLOCK, SECTOR, 6); /* in place, no new block */
	written_flush(&w);
	cr_assert(has_end_footer(w.file) && is_footer(w.file, 0));
	cr_assert_eq(memfile_size(w.file) % 4096, 0);
	written_put(&w, 5 * VHD_BLOCK, SECTOR, 7);
	written_close(&w);
	cr_assert(has_end_footer(w.file) && is_footer(w.file, 0));
	expect_equal_footers(w.file);
	written_expect(&w, w.file);
	cr_assert_eq(vhd_info(w.file).footer_copy_used, 0);
	written_end(&w);
}
