/* SPDX-License-Identifier: MIT */
/* The rules of a VHDX writer on blocks, their states and their space, judged by all that it does to the file. */
#include <string.h>

#include "rules/vhdx_stream.h"

/* An unknown region behind everything, where a trim would begin, and an unknown item. */
Test(vhdx_rules, VHDX_008_unknown_structures_survive_writing)
{
	struct recipe_item item = { recipe_guid(9), 0, "somebody's", 10 };
	struct recipe_region region = { recipe_guid(8), 40 * MIB, 2 << 20, 0 };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;
	struct written w;
	struct stream s;
	char text[10];

	knobs.items = &item;
	knobs.item_count = 1;
	knobs.regions = &region;
	knobs.region_count = 1;
	m = build(&knobs);
	recipe_fill(m, region.file_offset, region.length, 0, 77);
	written_start(&w, m, NULL);
	written_history(&w, 60);
	written_discard(&w, 0, 16 * MIB);
	written_close(&w);
	written_open(&w);
	written_history(&w, 60);
	written_close(&w);
	stream_start(&s, &w);
	for (size_t i = 0; i < w.journal.count; i++) {
		const struct journal_event *e = &w.journal.events[i];

		cr_assert(e->kind == JOURNAL_FLUSH || (e->kind == JOURNAL_SIZE && e->offset >= 42 * MIB) ||
				  (e->kind != JOURNAL_SIZE && (e->offset + e->length <= 40 * MIB || e->offset >= 42 * MIB)),
			  "something is done to an unknown region");
		cr_assert(e->kind != JOURNAL_WRITE || e->offset + e->length <= 2 * MIB || e->offset >= 3 * MIB,
			  "something is written into the metadata region");
	}
	memfile_read(w.file, at.items[5], text, sizeof(text));
	cr_assert_arr_eq(text, "somebody's", 10);
	stream_end(&s);
	written_expect(&w, w.file);
	written_end(&w);
}

Test(vhdx_rules, VHDX_130_unmapped_block_keeps_no_place_of_others)
{
	struct written w;

	stream_dynamic(&w);
	cr_assert_eq(stream_bat(w.file, 1), SAMPLE_BLOCK | RECIPE_FULL);
	written_discard(&w, MIB, MIB);
	written_close(&w);
	cr_assert(stream_bat(w.file, 1) == RECIPE_UNMAPPED || stream_bat(w.file, 1) == (SAMPLE_BLOCK | RECIPE_UNMAPPED));
	written_open(&w);
	written_put(&w, 5 * MIB, MIB, 8); /* whoever gets the place now, this block does not name it */
	written_close(&w);
	cr_assert_neq(stream_bat(w.file, 1) & ~(MIB - 1), stream_bat(w.file, 5) & ~(MIB - 1));
	written_expect(&w, w.file);
	written_end(&w);
}

/* Bits of a block as log entries and the file give them. */
static void bits_of(const struct memfile *m, unsigned block, uint8_t *bits)
{
	memfile_read(m, (stream_bitmap_entry(m) & ~(MIB - 1)) + block * UINT64_C(256), bits, 256);
}

static bool bit(const uint8_t *bits, unsigned sector)
{
	return bits[sector / 8] >> sector % 8 & 1;
}

/* Block 6 of the sample child is NOT_PRESENT; old bits of it are set in the bitmap block. */
Test(vhdx_rules, VHDX_140_all_bits_of_a_block_that_becomes_partially_present)
{
	struct sample_pair pair = sample_pair();
	struct memfile *logged;
	struct written w;
	struct stream s;
	uint8_t bits[256], stale[256];
	bool seen = false;

	memset(stale, 0xA5, sizeof(stale));
	memfile_write(pair.child, bitmap_of(pair.child) + 6 * 256, stale, sizeof(stale));
	written_start(&w, pair.child, pair.parent);
	written_put(&w, 6 * MIB + 40 * 512, 3 * 512, 9);
	written_flush(&w);
	stream_start(&s, &w);
	logged = memfile_copy(w.start);
	for (size_t i = 0; i < s.count; i++) {
		bool whole = false;

		stream_replay(&s.entries[i], logged);
		if (stream_bat(logged, 6) % 8 != RECIPE_PARTIAL || seen)
			continue;
		seen = true;
		for (uint32_t p = 0; p < s.entries[i].count; p++)
			whole = whole || stream_page(&s.entries[i], p, NULL) == s.bitmap;
		cr_assert(whole, "the entry that shows the block does not hold its bits");
		bits_of(logged, 6, bits);
		for (unsigned sector = 0; sector < 2048; sector++)
			cr_assert_eq(bit(bits, sector), sector >= 40 && sector < 43, "bit %u", sector);
	}
	cr_assert(seen);
	memfile_free(logged);
	stream_end(&s);
	written_close(&w);
	EXPECT_OK(check_reads((struct memfile *const[]){ w.file, w.parent }, 2, 0, 6 * MIB, 40 * 512, 1));
	EXPECT_OK(check_reads((struct memfile *const[]){ w.file, w.parent }, 2, 0, 6 * MIB + 40 * 512, 3 * 512, 9));
	EXPECT_OK(check_reads((struct memfile *const[]){ w.file, w.parent }, 2, 0, 6 * MIB + 43 * 512, MIB - 43 * 512, 1));
	written_end(&w);
}

static void fixed(struct written *w)
{
	static struct recipe_block blocks[16];
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	for (unsigned i = 0; i < 16; i++)
		blocks[i] = (struct recipe_block){ .index = i, .state = RECIPE_FULL, .seed = 3 };
	knobs.type = VHDX_TYPE_FIXED;
	knobs.blocks = blocks;
	knobs.block_count = 16;
	written_start(w, build(&knobs), NULL);
	model_set(&w->model, 0, 16 * MIB, 3);
}

static void change_fixed(struct written *w)
{
	cr_assert_eq(vhdx_discard(w->disk, 0, 16 * MIB, NULL), VHDX_OK); /* does nothing */
	written_put(w, 2 * MIB, 3 * MIB, 0);
	written_put(w, 15 * MIB, MIB, 0);
	written_put(w, 9 * MIB - 512, 1024, 4);
	written_close(w);
}

Test(vhdx_rules, VHDX_163_blocks_of_a_fixed_disk_stay_present)
{
	struct written w;
	struct stream s;
	struct memfile *logged;

	fixed(&w);
	change_fixed(&w);
	stream_start(&s, &w);
	logged = memfile_copy(w.start);
	for (size_t i = 0; i < s.count; i++)
		stream_replay(&s.entries[i], logged);
	for (unsigned i = 0; i < 16; i++) {
		cr_assert_eq(stream_bat(w.file, i), stream_bat(w.start, i));
		cr_assert_eq(stream_bat(logged, i), stream_bat(w.start, i));
	}
	written_expect(&w, w.file);
	memfile_free(logged);
	stream_end(&s);
	written_end(&w);
}

static void absent_end(struct written *w)
{
	static struct recipe_block blocks[8];
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	for (unsigned i = 0; i < 8; i++)
		blocks[i] = (struct recipe_block){ .index = i, .state = RECIPE_FULL, .seed = 3 };
	knobs.type = VHDX_TYPE_FIXED;
	knobs.blocks = blocks;
	knobs.block_count = 8;
	knobs.file_size = 20 * MIB;
	written_start(w, build(&knobs), NULL);
	model_set(&w->model, 0, 8 * MIB, 3);
}

Test(vhdx_rules, VHDX_164_fixed_file_never_gets_shorter)
{
	struct journal_walk walk;
	struct written w;

	fixed(&w);
	change_fixed(&w);
	journal_walk_start(&walk, &w.journal, w.start);
	while (journal_walk_next(&walk))
		cr_assert_geq(memfile_size(walk.now), 20 * MIB);
	cr_assert_geq(memfile_size(w.file), 20 * MIB);
	journal_walk_end(&walk);
	written_end(&w);
	absent_end(&w); /* somebody left the last blocks without a place, but the space for them in the file */
	written_put(&w, MIB, 512, 4);
	written_close(&w);
	cr_assert_geq(memfile_size(w.file), 20 * MIB);
	written_expect(&w, w.file);
	written_end(&w);
}

/* The metadata as it will be when all entries up to the one that begins here are replayed. */
struct reach {
	struct memfile *before, *after;
};

static void reach_start(struct reach *r, const struct written *w)
{
	r->before = memfile_copy(w->start);
	r->after = memfile_copy(w->start);
}

static void reach_end(struct reach *r)
{
	memfile_free(r->before);
	memfile_free(r->after);
}

typedef void (*check_reach)(const struct reach *r, unsigned block, const struct journal_walk *walk);

/* Calls `check` for each block that an entry gives another BAT entry or other bits. */
static void each_change(const struct written *w, check_reach check)
{
	struct journal_walk walk;
	struct reach r;
	struct stream s;

	stream_start(&s, w);
	reach_start(&r, w);
	journal_walk_start(&walk, &w->journal, w->start);
	while (journal_walk_next(&walk)) {
		const struct stream_entry *e = stream_begins(&s, walk.index);

		if (e == NULL)
			continue;
		stream_replay(e, r.after);
		for (unsigned block = 0; block < 16; block++)
			check(&r, block, &walk);
		stream_replay(e, r.before);
	}
	journal_walk_end(&walk);
	reach_end(&r);
	stream_end(&s);
}

static bool is_new_place(const struct reach *r, unsigned block)
{
	uint64_t old = stream_bat(r->before, block), new = stream_bat(r->after, block);

	return new % 8 >= RECIPE_FULL && (old % 8 < RECIPE_FULL || (old ^ new) >= MIB);
}

static unsigned reused, fresh;

/* All of the block is durable, or what is not was zeros for a disk that read as zeros there. */
static void is_durable_or_zeros(const struct reach *r, unsigned block, const struct journal_walk *walk)
{
	static const uint8_t zeros[512];
	uint64_t place = stream_bat(r->after, block) & ~(MIB - 1);
	bool any_missing = false;

	if (!is_new_place(r, block))
		return;
	for (uint64_t i = 0; i < MIB; i += 512) {
		uint8_t now[512], durable[512];

		memfile_read(walk->now, place + i, now, 512);
		memfile_read(walk->durable, place + i, durable, 512);
		if (memcmp(now, durable, 512) == 0)
			continue;
		any_missing = true;
		cr_assert_arr_eq(durable, zeros, 512, "block %u could show foreign bytes at %llu", block, (unsigned long long)i);
	}
	reused += !any_missing;
	fresh += any_missing;
}

/* The same in a child: what is missing must not be zeros either where the parent showed. */
static void is_durable(const struct reach *r, unsigned block, const struct journal_walk *walk)
{
	uint64_t place = stream_bat(r->after, block) & ~(MIB - 1);
	uint8_t now[512], durable[512];

	if (!is_new_place(r, block) || stream_bat(r->after, block) % 8 != RECIPE_FULL || stream_bat(r->before, block) % 8 != 0)
		return;
	for (uint64_t i = 0; i < MIB; i += 512) {
		memfile_read(walk->now, place + i, now, 512);
		memfile_read(walk->durable, place + i, durable, 512);
		cr_assert_arr_eq(now, durable, 512, "block %u could show something else than the parent", block);
	}
}

Test(vhdx_rules, VHDX_196_new_block_is_durable_before_it_can_be_reached)
{
	struct written w;

	stream_dynamic(&w);
	written_close(&w);
	w.journal.no_punch = true; /* freed space keeps its bytes */
	written_open(&w);
	written_history(&w, 120);
	written_close(&w);
	each_change(&w, is_durable_or_zeros);
	written_expect(&w, w.file);
	cr_assert(reused > 0 && fresh > 0, "%u blocks in old space, %u in new", reused, fresh);
	written_end(&w);
	stream_child(&w);
	written_put(&w, 3 * MIB, MIB, 8);
	written_history(&w, 120);
	written_close(&w);
	each_change(&w, is_durable);
	written_end(&w);
}

static unsigned bits_shown;

static void sectors_are_durable(const struct reach *r, unsigned block, const struct journal_walk *walk)
{
	uint64_t place = stream_bat(r->after, block) & ~(MIB - 1);
	uint8_t old[256] = { 0 }, new[256], now[512], durable[512];

	if (stream_bat(r->after, block) % 8 != RECIPE_PARTIAL)
		return;
	if (stream_bat(r->before, block) % 8 == RECIPE_PARTIAL)
		bits_of(r->before, block, old);
	bits_of(r->after, block, new);
	for (unsigned sector = 0; sector < 2048; sector++) {
		if (!bit(new, sector) || bit(old, sector))
			continue;
		bits_shown++;
		memfile_read(walk->now, place + sector * UINT64_C(512), now, 512);
		memfile_read(walk->durable, place + sector * UINT64_C(512), durable, 512);
		cr_assert_arr_eq(now, durable, 512, "the bit of sector %u of block %u comes before its data", sector, block);
	}
}

Test(vhdx_rules, VHDX_197_sectors_are_durable_before_their_bits)
{
	struct written w;

	stream_child(&w);
	written_history(&w, 120);
	written_close(&w);
	each_change(&w, sectors_are_durable);
	cr_assert_gt(bits_shown, 100);
	written_end(&w);
}

static bool touches(const struct journal *j, size_t from, uint64_t place)
{
	for (size_t i = from; i < j->count; i++)
		if ((j->events[i].kind == JOURNAL_WRITE || j->events[i].kind == JOURNAL_ZERO) &&
		    j->events[i].offset < place + MIB && j->events[i].offset + j->events[i].length > place)
			return true;
	return false;
}

Test(vhdx_rules, VHDX_198_freed_space_waits_until_that_is_durable)
{
	struct written w;
	size_t flushed;

	stream_dynamic(&w);
	written_discard(&w, MIB, MIB);
	written_put(&w, 3 * MIB, MIB, 7);
	written_put(&w, 4 * MIB, 0x3000, 7);
	cr_assert(!touches(&w.journal, 0, SAMPLE_BLOCK), "reused before the discard is durable");
	written_flush(&w);
	cr_assert(!touches(&w.journal, 0, SAMPLE_BLOCK));
	flushed = w.journal.count;
	written_put(&w, 6 * MIB, MIB, 8);
	cr_assert(touches(&w.journal, flushed, SAMPLE_BLOCK), "never reused: then this test sees nothing");
	written_close(&w);
	written_expect(&w, w.file);
	written_end(&w);
}
