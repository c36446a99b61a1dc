/* SPDX-License-Identifier: MIT */
/*
 * VHDX_OPEN_SALVAGE: whatever is damaged, each byte of the disk either reads as it did or is told to be lost; and nothing is lost that damage elsewhere does not touch.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/recipe.h"
#include "support/specimen.h"
#include "support/testenv.h"

#define MIB RECIPE_MIB
enum { PIECE = 65536 };

struct found {
	bool opens;
	uint64_t present, zero, lost, parent;
};

static vhdx_disk *open_with(const struct specimen *s, struct memfile *m, unsigned flags, bool with_parent)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "image"), parent = { .io = NULL };
	vhdx_disk *disk = NULL;

	if (s->parent != NULL && with_parent)
		parent = memfile_file(s->parent, "parent");
	options.flags = flags;
	options.format = s->format;
	options.parents = &parent;
	options.parent_count = parent.io != NULL;
	return vhdx_open_file(&disk, &file, &options, NULL) == VHDX_OK ? disk : NULL;
}

static void compare(vhdx_disk *disk, vhdx_disk *model, const struct vhdx_extent *extent, const char *what)
{
	static uint8_t bytes[PIECE], wanted[PIECE], zeros[PIECE];
	bool lost = extent->kind == VHDX_EXTENT_LOST || extent->kind == VHDX_EXTENT_PARENT;

	/* of what is long the beginning */
	for (uint64_t at = extent->disk_offset, end = at + extent->length; at < end && at < extent->disk_offset + 4 * MIB;
	     at += PIECE) {
		size_t length = end - at < PIECE ? (size_t)(end - at) : PIECE;

		cr_assert_eq(vhdx_read(disk, bytes, length, at, NULL), VHDX_OK, "%s: cannot be read", what);
		if (!lost)
			cr_assert_eq(vhdx_read(model, wanted, length, at, NULL), VHDX_OK);
		cr_assert_eq(memcmp(bytes, lost ? zeros : wanted, length), 0, "%s: is not as it was at 0x%llx", what,
			     (unsigned long long)at);
	}
}

static struct found salvage(const struct specimen *s, struct memfile *m, bool with_parent, const char *what)
{
	vhdx_disk *disk = open_with(s, m, VHDX_OPEN_SALVAGE, with_parent), *model = open_with(s, s->file, 0, true);
	struct found f = { .opens = disk != NULL };
	struct vhdx_extent extent;

	for (uint64_t at = 0; disk != NULL && at < vhdx_disk_size(disk); at += extent.length) {
		cr_assert_eq(vhdx_get_extent(disk, &extent, at, vhdx_disk_size(disk) - at, NULL), VHDX_OK, "%s", what);
		f.present += extent.kind == VHDX_EXTENT_DATA ? extent.length : 0;
		f.lost += extent.kind == VHDX_EXTENT_LOST ? extent.length : 0;
		f.parent += extent.kind == VHDX_EXTENT_PARENT ? extent.length : 0;
		if (at + extent.length <= vhdx_disk_size(model))
			compare(disk, model, &extent, what);
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_assert_eq(vhdx_close(model), VHDX_OK);
	return f;
}

static enum vhdx_log_state log_state(const struct specimen *s, struct memfile *m)
{
	vhdx_disk *disk = open_with(s, m, VHDX_OPEN_SALVAGE, true);
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_not_null(disk);
	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	return info.log_state;
}

/* Cut off anywhere: what stands before the cut is there. */
static void cut_everywhere(enum specimen_kind kind)
{
	const struct specimen *s = specimen_get(kind);
	uint64_t size = memfile_size(s->file), before = 0;
	char what[100];

	for (uint64_t cut = 0; cut <= size; cut += size > 4 * MIB ? 100000 + 512 : 3 * 512 + 7) {
		struct memfile *m = memfile_copy(s->file);
		struct found f;

		memfile_set_size(m, cut);
		(void)snprintf(what, sizeof(what), "%s cut at 0x%llx", s->name, (unsigned long long)cut);
		f = salvage(s, m, true, what);
		cr_assert_geq(f.present, before, "%s: less is present", what);
		before = f.present;
		memfile_free(m);
	}
	cr_assert_gt(before, 0);
}

Test(salvage, of_files_that_were_cut_off)
{
	cut_everywhere(SPECIMEN_VHDX_DYNAMIC);
	cut_everywhere(SPECIMEN_VHDX_CHILD);
	cut_everywhere(SPECIMEN_VHD_DYNAMIC);
	cut_everywhere(SPECIMEN_VHD_CHILD);
	specimen_end();
}

/* Places full of junk; everything that they do not hold is as it was. */
static struct found with_junk(enum specimen_kind kind, uint64_t offset, uint64_t length, uint64_t again)
{
	const struct specimen *s = specimen_get(kind);
	struct memfile *m = memfile_copy(s->file);
	struct found f;

	recipe_fill(m, offset, length, offset, 99);
	if (again != 0)
		recipe_fill(m, again, length, again, 98);
	f = salvage(s, m, true, s->name);
	memfile_free(m);
	return f;
}

static void expect_all(enum specimen_kind kind, uint64_t offset, uint64_t length, uint64_t again)
{
	const struct specimen *s = specimen_get(kind);
	struct memfile *m = memfile_copy(s->file);
	struct found f = with_junk(kind, offset, length, again), whole = salvage(s, m, true, "whole");

	cr_assert(f.opens, "%s with junk at 0x%llx does not open", s->name, (unsigned long long)offset);
	cr_assert_eq(f.lost, 0);
	cr_assert_eq(f.present, whole.present, "%s with junk at 0x%llx", s->name, (unsigned long long)offset);
	memfile_free(m);
}

Test(salvage, without_copies)
{
	uint64_t end;

	expect_all(SPECIMEN_VHDX_DYNAMIC, 0, 512, 0);
	expect_all(SPECIMEN_VHDX_DYNAMIC, RECIPE_HEADER(0), 4096, RECIPE_HEADER(1));
	expect_all(SPECIMEN_VHDX_DYNAMIC, RECIPE_REGION_TABLE(0), 65536, RECIPE_REGION_TABLE(1));
	expect_all(SPECIMEN_VHDX_CHILD, RECIPE_REGION_TABLE(0), 65536, RECIPE_REGION_TABLE(1));
	expect_all(SPECIMEN_VHDX_HUGE, RECIPE_REGION_TABLE(0), 65536, RECIPE_REGION_TABLE(1));
	end = memfile_size(specimen_get(SPECIMEN_VHD_DYNAMIC)->file) - 512;
	expect_all(SPECIMEN_VHD_DYNAMIC, 0, 512, end);
	expect_all(SPECIMEN_VHD_DYNAMIC, 64, 4, end + 64); /* checksums */
	specimen_end();
}

static bool is_guessed(const struct specimen *s, struct memfile *m)
{
	vhdx_disk *disk = open_with(s, m, VHDX_OPEN_SALVAGE, true);
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_not_null(disk);
	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	return info.bat_is_guessed != 0;
}

/* A region table with a wrong checksum is believed when there is a BAT where it says. */
Test(salvage, believes_no_region_table_without_a_bat)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_DYNAMIC);
	uint64_t whole = salvage(s, s->file, true, "whole").present;

	for (unsigned wrong = 0; wrong < 4; wrong++) { /* a bit for each copy */
		struct memfile *m = memfile_copy(s->file);
		struct found f;

		for (unsigned copy = 0; copy < 2; copy++) {
			recipe_put(m, RECIPE_REGION_TABLE(copy) + 4, 4, 1);
			if ((wrong >> copy & 1) != 0)
				recipe_put(m, RECIPE_REGION(copy, 0) + 16, 8, 5 * MIB);
		}
		f = salvage(s, m, true, "wrong region tables");
		cr_assert(f.opens);
		cr_assert_eq(f.lost, 0);
		cr_assert_eq(f.present, whole, "%u", wrong);
		cr_assert_eq(is_guessed(s, m), wrong == 3, "%u", wrong);
		memfile_free(m);
	}
	/* of an empty disk nothing can be seen */
	{
		struct recipe_vhdx k = RECIPE_VHDX_INIT;
		struct memfile *m = recipe_vhdx_new(&k, NULL);

		recipe_put(m, RECIPE_REGION_TABLE(0) + 4, 4, 1);
		recipe_put(m, RECIPE_REGION_TABLE(1) + 4, 4, 1);
		cr_assert(is_guessed(s, m));
		memfile_free(m);
	}
	specimen_end();
}

static void expect_the_bat(const struct specimen *s, struct memfile *file, const char *what)
{
	struct specimen model = *s;
	struct memfile *m = memfile_copy(file);
	uint64_t whole;

	model.file = file;
	whole = salvage(&model, file, true, what).present;
	recipe_fill(m, RECIPE_REGION_TABLE(0), 65536, 0, 99);
	recipe_fill(m, RECIPE_REGION_TABLE(1), 65536, 0, 99);
	cr_assert_eq(salvage(&model, m, true, what).present, whole, "%s", what);
	cr_assert(is_guessed(&model, m));
	memfile_free(m);
}

/* Content of the disk that looks like a BAT, and names more blocks than the real one. */
Test(salvage, takes_no_content_for_a_bat)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_DYNAMIC);
	static const unsigned places[] = { 1, 3, 5, 6 };
	struct memfile *m = memfile_copy(s->file);
	uint64_t end;

	/* in a block: the BAT comes first */
	for (unsigned i = 0; i < 16; i++)
		recipe_put(m, 4 * MIB + i * 8, 8, i < 4 ? places[i] * MIB | RECIPE_FULL : 0);
	expect_the_bat(s, m, "in a block");
	memfile_free(m);
	/* where nobody claims it: its blocks overlap */
	m = memfile_copy(s->file);
	end = (memfile_size(m) + MIB - 1) / MIB * MIB;
	recipe_fill(m, end, MIB, 0, 0);
	for (unsigned i = 0; i < 16; i++)
		recipe_put(m, end + i * 8, 8, 4 * MIB | RECIPE_FULL);
	memfile_set_size(m, end + MIB);
	expect_the_bat(s, m, "behind the blocks");
	memfile_free(m);
	specimen_end();
}

/* A wrong entry loses its block, nothing else. */
Test(salvage, without_an_entry)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_DYNAMIC);
	struct memfile *m = memfile_copy(s->file);
	struct found f;

	recipe_put(m, 3 * MIB + 5 * 8, 8, 900 * MIB | RECIPE_FULL);
	f = salvage(s, m, true, "entry 5 beyond the end");
	cr_assert_eq(f.lost, MIB);
	recipe_put(m, 3 * MIB, 8, 5);
	f = salvage(s, m, true, "entry 0 of a reserved state");
	cr_assert_eq(f.lost, 2 * MIB);
	memfile_free(m);
	s = specimen_get(SPECIMEN_VHD_DYNAMIC);
	m = memfile_copy(s->file);
	recipe_put_be(m, 1536 + 7 * 4, 4, 0x12345678);
	f = salvage(s, m, true, "entry 7 beyond the end");
	cr_assert_eq(f.lost, 65536);
	memfile_free(m);
	/* the bitmap of a child: its partial blocks, not its whole ones */
	s = specimen_get(SPECIMEN_VHDX_CHILD);
	m = memfile_copy(s->file);
	recipe_put(m, 3 * MIB + 4096 * 8, 8, 0);
	f = salvage(s, m, true, "no bitmap");
	cr_assert_eq(f.lost, 2 * MIB);
	memfile_free(m);
	specimen_end();
}

/* Without the log the disk is more or less what it was before it, and that is told. */
Test(salvage, without_a_log)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_LOG);
	struct memfile *m = memfile_copy(s->file);

	recipe_fill(m, MIB + 100, 24576, 0, 99);
	cr_assert_null(open_with(s, m, 0, true));
	cr_assert_eq(log_state(s, m), VHDX_LOG_LOST);
	memfile_free(m);
	/* with both headers, nobody knows of it */
	m = memfile_copy(s->file);
	recipe_fill(m, RECIPE_HEADER(0), 4096, 0, 99);
	recipe_fill(m, RECIPE_HEADER(1), 4096, 0, 99);
	cr_assert_eq(log_state(s, m), VHDX_LOG_LOST);
	memfile_free(m);
	/* with wrong checksums, it is still there */
	m = memfile_copy(s->file);
	recipe_put(m, RECIPE_HEADER(0) + 4, 4, 1);
	recipe_put(m, RECIPE_HEADER(1) + 4, 4, 1);
	cr_assert_eq(log_state(s, m), VHDX_LOG_REPLAYED_IN_MEMORY);
	memfile_free(m);
	specimen_end();
}

/* A file that was cut off fails VHDX-103, but its log is whole: nothing reads as before it. */
Test(salvage, with_the_log_of_a_file_that_was_cut_off)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_LOG);
	uint64_t size = memfile_size(s->file), whole = salvage(s, s->file, true, "the whole file").present, before = 0;

	for (uint64_t cut = 2 * MIB; cut < size; cut += 100000 + 512) {
		struct memfile *m = memfile_copy(s->file);
		struct found f;
		char what[100];

		memfile_set_size(m, cut);
		(void)snprintf(what, sizeof(what), "cut at 0x%llx", (unsigned long long)cut);
		f = salvage(s, m, true, what);
		cr_assert_geq(f.present, before, "%s: less is present", what);
		cr_assert(!f.opens || log_state(s, m) == VHDX_LOG_REPLAYED_IN_MEMORY, "%s", what);
		cr_assert(!f.opens || f.present + f.lost >= whole, "%s: what is lost is told as zeros", what);
		before = f.present;
		memfile_free(m);
	}
	cr_assert_gt(before, 0);
	cr_assert_lt(before, whole);
	specimen_end();
}

/* Found by fuzz_repair: without a sector size there is no disk, and no division by it. A parent locator is not needed. */
Test(salvage, without_metadata)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_CHILD };

	for (unsigned i = 0; i < 2; i++) {
		const struct specimen *s = specimen_get(kinds[i]);

		for (unsigned k = 0; k < s->part_count; k++) {
			const struct specimen_part *part = &s->parts[k];
			bool is_locator = part->structure == STRUCTURE_vhdx_locator_header;
			struct memfile *m;
			vhdx_disk *disk;

			if (part->structure != STRUCTURE_vhdx_logical_sector_size &&
			    part->structure != STRUCTURE_vhdx_file_parameters && !is_locator)
				continue;
			m = memfile_copy(s->file);
			recipe_put(m, part->file_offset, 4, 0);
			disk = open_with(s, m, VHDX_OPEN_SALVAGE, !is_locator);
			cr_assert_eq(disk != NULL, is_locator, "%s", structures[part->structure].name);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			memfile_free(m);
		}
	}
	specimen_end();
}

Test(salvage, without_the_parent)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct specimen *s = specimen_get(i == 0 ? SPECIMEN_VHDX_CHILD : SPECIMEN_VHD_CHILD);
		struct memfile *m = memfile_copy(s->file);
		struct found f = salvage(s, m, false, s->name);

		cr_assert(f.opens);
		cr_assert_gt(f.parent, 0);
		cr_assert_gt(f.present, 0);
		memfile_free(m);
	}
	specimen_end();
}

/* What a footer overlaps is lost; the footer is not what the disk holds there. */
Test(salvage, shows_no_footer)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHD_FIXED);
	uint64_t size = memfile_size(s->file);
	struct memfile *m = memfile_copy(s->file);
	uint8_t footer[512];
	struct found f;

	recipe_put_be(m, size - 512 + 48, 8, size - 512 + 4096);
	recipe_fix_footer(m, size - 512);
	f = salvage(s, m, true, "a fixed disk larger than its file");
	cr_assert(f.opens);
	cr_assert_eq(f.present, size - 512);
	cr_assert_eq(f.lost, 4096);
	memfile_free(m);
	s = specimen_get(SPECIMEN_VHD_DYNAMIC);
	size = memfile_size(s->file);
	m = memfile_copy(s->file);
	memfile_read(m, size - 512, footer, sizeof(footer));
	memfile_write(m, size - 1024, footer, sizeof(footer));
	memfile_set_size(m, size - 512);
	f = salvage(s, m, true, "a footer in the last block");
	cr_assert_eq(f.lost, 512);
	recipe_put_be(m, size - 1024 + 64, 4, 1); /* its checksum */
	f = salvage(s, m, true, "a damaged footer in the last block");
	cr_assert_eq(f.lost, 512);
	memfile_free(m);
	specimen_end();
}

/* Behind the end of the BAT, or of the file, everything is lost in one piece, however many blocks it has. */
static void expect_one_rest(struct memfile *m, enum vhdx_format format, uint64_t size, uint64_t from)
{
	struct specimen s = { .name = "hostile", .file = m, .format = format };
	vhdx_disk *disk = open_with(&s, m, VHDX_OPEN_SALVAGE, false);
	struct vhdx_extent extent;

	cr_assert_not_null(disk);
	cr_assert_eq(vhdx_disk_size(disk), size);
	cr_assert_eq(vhdx_get_extent(disk, &extent, from, size - from, NULL), VHDX_OK);
	cr_assert_eq(extent.kind, VHDX_EXTENT_LOST);
	cr_assert_eq(extent.length, size - from);
	vhdx_close(disk);
	memfile_free(m);
}

Test(salvage, loses_the_rest_in_one_piece)
{
	struct recipe_vhd vhd = RECIPE_VHD_INIT;
	struct recipe_vhdx vhdx = RECIPE_VHDX_INIT;
	struct memfile *m = recipe_vhd_new(&vhd, NULL);

	/* a dynamic header and 128 of 2^32 entries */
	recipe_put_be(m, vhd.dynamic_offset + 28, 4, UINT32_MAX);
	recipe_put_be(m, vhd.dynamic_offset + 32, 4, 512);
	recipe_fix_dynamic(m, vhd.dynamic_offset);
	recipe_put(m, 0, 8, 0);
	memfile_set_size(m, 2048);
	expect_one_rest(m, VHDX_FORMAT_ANY, 2040 * 1024 * MIB, 128 * 512);
	/* 1,024 of 2^26 entries */
	vhdx.size = 64 * MIB * MIB;
	m = recipe_vhdx_new(&vhdx, NULL);
	memfile_set_size(m, vhdx.bat_offset + 8192);
	expect_one_rest(m, VHDX_FORMAT_ANY, vhdx.size, 1024 * MIB + 4096);
}

/* One run with a failing call or allocation: what is said to be there is right, or cannot be read; no memory is kept. How many calls or allocations there were. */
static unsigned long salvage_once(const struct specimen *s, struct memfile *damaged, unsigned long n, bool memory)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *m = memfile_copy(damaged);
	struct vhdx_file file = memfile_file(m, "image"), parent;
	vhdx_disk *disk = NULL, *model = open_with(s, s->file, 0, true);
	struct vhdx_extent e;
	struct testenv env;
	unsigned long count = 0;
	int status;

	testenv_start(&env, 1);
	testenv_fail(&env, memory ? n : 0, n % 2 != 0);
	memfile_fail(m, MEMFILE_ANY, memory ? 0 : n, VHDX_E_IO, n % 2 != 0);
	options.flags = VHDX_OPEN_SALVAGE;
	options.format = s->format;
	options.env = &env.env;
	if (s->parent != NULL) {
		parent = memfile_file(s->parent, "parent");
		options.parents = &parent;
		options.parent_count = 1;
	}
	status = vhdx_open_file(&disk, &file, &options, NULL);
	cr_assert(status <= 0 && (n != 0 || status == VHDX_OK) && (!memory || status == VHDX_OK || status == VHDX_E_NO_MEMORY));
	for (uint64_t at = 0; status == VHDX_OK && at < vhdx_disk_size(disk) && at < 64 * MIB; at += e.length) {
		uint8_t bytes[512], wanted[512];

		e.length = PIECE;
		if (vhdx_get_extent(disk, &e, at, vhdx_disk_size(disk) - at, NULL) == VHDX_OK && e.kind == VHDX_EXTENT_DATA &&
		    vhdx_read(disk, bytes, sizeof(bytes), at, NULL) == VHDX_OK) {
			cr_assert_eq(vhdx_read(model, wanted, sizeof(wanted), at, NULL), VHDX_OK);
			cr_assert_eq(memcmp(bytes, wanted, sizeof(bytes)), 0, "%s: %lu: wrong at 0x%llx", s->name, n,
				     (unsigned long long)at);
		}
	}
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_assert_eq(testenv_live(&env), 0);
	for (int call = 0; call < MEMFILE_CLOSE; call++)
		count += memfile_count(m, (enum memfile_call)call);
	(void)vhdx_close(model);
	memfile_free(m);
	return memory ? atomic_load(&env.allocations) : count;
}

Test(salvage, while_calls_and_allocations_fail)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_CHILD, SPECIMEN_VHDX_LOG,
						    SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHD_CHILD };

	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		for (unsigned damage = 0; damage < 3; damage++) {
			const struct specimen *s = specimen_get(kinds[i]);
			struct memfile *m = memfile_copy(s->file);
			bool vhd = s->format == VHDX_FORMAT_VHD;

			if (damage == 1) { /* both copies of what leads to the rest */
				recipe_put(m, vhd ? 64 : RECIPE_REGION_TABLE(0) + 4, 4, 1);
				recipe_put(m, vhd ? memfile_size(m) - 448 : RECIPE_REGION_TABLE(1) + 4, 4, 1);
				if (!vhd)
					recipe_fill(m, RECIPE_REGION_TABLE(0), 4096, 0, 9);
			} else if (damage == 2) {
				memfile_set_size(m, memfile_size(m) - (vhd ? 512 : MIB) - 512);
			}
			for (int memory = 0; memory < 2; memory++) {
				unsigned long count = salvage_once(s, m, 0, memory != 0);

				cr_assert(count > 5 && count < 20000, "%s: %lu", s->name, count);
				for (unsigned long n = 1; n <= count; n += n < 100 ? 1 : 7)
					(void)salvage_once(s, m, n, memory != 0);
			}
			memfile_free(m);
		}
	specimen_end();
}

Test(salvage, only_reads)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_DYNAMIC);
	struct memfile *m = memfile_copy(s->file);

	cr_assert_null(open_with(s, m, VHDX_OPEN_SALVAGE | VHDX_OPEN_WRITE, true));
	memfile_free(m);
	specimen_end();
}
