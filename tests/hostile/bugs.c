/* SPDX-License-Identifier: MIT */
/*
 * Bugs of other readers, numbered as in the collection that the tests of this project were planned from: those that no test of a rule or of the API covers already.
 * historical.txt lists the tests of all of them.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "support/expect.h"
#include "support/family.h"
#include "support/specimen.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define TIB (UINT64_C(1) << 40)

/* Opens with little memory and few calls; returns the status. */
static int open_cheaply(struct memfile *m, uint64_t peak)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "image");
	struct testenv env;
	vhdx_disk *disk = NULL;
	uint8_t byte;
	int status;

	testenv_start(&env, 1);
	options.env = &env.env;
	memfile_reset_counts(m);
	status = vhdx_open_file(&disk, &file, &options, NULL);
	if (status == VHDX_OK)
		(void)vhdx_read(disk, &byte, 1, vhdx_disk_size(disk) - 1, NULL);
	vhdx_close(disk);
	cr_expect_leq(atomic_load(&env.peak_bytes), peak, "%zu bytes of memory", (size_t)atomic_load(&env.peak_bytes));
	cr_expect_leq(memfile_count(m, MEMFILE_READ), 100);
	cr_expect_eq(testenv_live(&env), 0);
	return status;
}

/* An image with other numbers in its items. */
static int open_with(uint64_t disk_size, uint32_t block_size, uint32_t logical, uint32_t physical)
{
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct recipe_vhdx_places p;
	struct memfile *m = recipe_vhdx_new(&k, &p);
	int status;

	recipe_put(m, p.items[RECIPE_DISK_SIZE], 8, disk_size);
	recipe_put(m, p.items[RECIPE_FILE_PARAMETERS], 4, block_size);
	recipe_put(m, p.items[RECIPE_LOGICAL], 4, logical);
	recipe_put(m, p.items[RECIPE_PHYSICAL], 4, physical);
	status = open_cheaply(m, 8u << 20);
	memfile_free(m);
	return status;
}

Test(bugs, B_01_block_and_sector_sizes)
{
	static const uint32_t blocks[] = { 0,        1,        512,        (1u << 20) - 1, 1u << 20, (1u << 20) + 1,
					   3u << 20, 2u << 20, 256u << 20, 512u << 20,     1u << 31, UINT32_MAX };
	static const uint32_t sectors[] = { 0, 1, 511, 512, 513, 1024, 4096, 8192, 1u << 31, UINT32_MAX };

	for (unsigned b = 0; b < COUNT(blocks); b++)
		for (unsigned l = 0; l < COUNT(sectors); l++)
			for (unsigned p = 0; p < COUNT(sectors); p++) {
				bool good_block = blocks[b] == 1u << 20 || blocks[b] == 2u << 20 || blocks[b] == 256u << 20;
				bool good = good_block && (sectors[l] == 512 || sectors[l] == 4096) &&
					    (sectors[p] == 512 || sectors[p] == 4096);

				cr_expect_eq(open_with(16 * RECIPE_MIB, blocks[b], sectors[l], sectors[p]),
					     good ? VHDX_OK : VHDX_E_DAMAGED, "%" PRIu32 " %" PRIu32 " %" PRIu32, blocks[b],
					     sectors[l], sectors[p]);
			}
}

static int open_vhd_with(uint64_t offset, unsigned size, uint64_t value)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 0, .seed = 1 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places p;
	struct memfile *m;
	int status;

	k.blocks = blocks;
	k.block_count = 1;
	m = recipe_vhd_new(&k, &p);
	recipe_put_be(m, p.dynamic + offset, size, value);
	recipe_fix_dynamic(m, p.dynamic);
	status = open_cheaply(m, 8u << 20);
	memfile_free(m);
	return status;
}

Test(bugs, B_02_max_table_entries_of_a_vhd)
{
	static const uint32_t entries[] = { 0, 7, 1u << 16, 1u << 28, 1u << 30, 1u << 31, UINT32_MAX };

	cr_expect_eq(open_vhd_with(28, 4, 8), VHDX_OK);
	for (unsigned i = 0; i < COUNT(entries); i++)
		cr_expect_eq(open_vhd_with(28, 4, entries[i]), entries[i] == 1u << 16 ? VHDX_OK : VHDX_E_DAMAGED, "%" PRIu32,
			     entries[i]);
}

Test(bugs, B_03_block_sizes_of_a_vhd)
{
	static const uint32_t sizes[] = { 0, 1, 0x80, 511, 513, 0x12345678, 1u << 31, UINT32_MAX };

	for (unsigned i = 0; i < COUNT(sizes); i++)
		cr_expect_eq(open_vhd_with(32, 4, sizes[i]), VHDX_E_DAMAGED, "%" PRIu32, sizes[i]);
}

Test(bugs, B_04_virtual_disk_sizes)
{
	static const uint64_t sizes[] = { 0,
					  1,
					  511,
					  513,
					  64 * TIB + 512,
					  128 * TIB,
					  ((UINT64_C(1) << 32) + 25) << 20,
					  (UINT64_C(1) << 63) - 1,
					  UINT64_C(1) << 63,
					  UINT64_MAX - 511,
					  UINT64_MAX };

	for (unsigned i = 0; i < COUNT(sizes); i++)
		for (unsigned b = 0; b < 2; b++)
			cr_expect_eq(open_with(sizes[i], b == 0 ? 1u << 20 : 256u << 20, 512, 512), VHDX_E_DAMAGED, "%" PRIu64,
				     sizes[i]);
	/* legal, but this BAT region of 1 MiB holds 131,072 entries */
	cr_expect_eq(open_with(64 * TIB, 1u << 20, 512, 512), VHDX_E_DAMAGED);
	cr_expect_eq(open_with(64 * TIB - 512, 1u << 20, 512, 512), VHDX_E_DAMAGED);
	cr_expect_eq(open_with(32 * TIB - 512, 256u << 20, 512, 512), VHDX_E_DAMAGED); /* 131,072, and the bitmaps' */
	cr_expect_eq(open_with(30 * TIB - 512, 256u << 20, 512, 512), VHDX_OK);
	cr_expect_eq(open_with(512, 256u << 20, 512, 512), VHDX_OK);
}

/* Whatever the count, the entry is not valid, and nothing beyond it is read. */
Test(bugs, B_05_descriptor_counts_of_a_log_entry)
{
	static const uint32_t counts[] = { 3, 126, 127, 253, 254, 1u << 20, 1u << 27, (1u << 28) - 1, 1u << 31, UINT32_MAX };

	for (unsigned i = 0; i < COUNT(counts); i++) {
		const struct specimen *s = specimen_get(SPECIMEN_VHDX_LOG);
		struct memfile *m = memfile_copy(s->file);
		int status;

		recipe_put(m, RECIPE_MIB + 24, 4,
			   counts[i]); /* the first entry: no sequence is left, for the second names it as its tail */
		specimen_repair(s, m);
		status = open_cheaply(m, 8u << 20);
		cr_expect_eq(status, VHDX_E_DAMAGED, "%" PRIu32 ": %s", counts[i], vhdx_status_name(status));
		memfile_free(m);
	}
}

Test(bugs, B_10_a_bat_region_of_4_gib_in_a_small_file)
{
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct memfile *m = recipe_vhdx_new(&k, NULL);

	recipe_put_region_tables(m, 16 + 24, 4, UINT32_MAX - RECIPE_MIB + 1);
	cr_expect_eq(open_cheaply(m, 8u << 20), VHDX_E_DAMAGED);
	memfile_free(m);
}

Test(bugs, B_14_current_sizes_of_a_fixed_vhd)
{
	static const uint64_t sizes[] = { 1048576 + 1, 1048576 + 512, UINT64_C(1) << 63, UINT64_MAX, UINT64_MAX - 511 };
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.type = VHDX_TYPE_FIXED;
	k.size = 1048576;
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		struct memfile *m = recipe_vhd_new(&k, NULL);

		recipe_put_be(m, 1048576 + 48, 8, sizes[i]);
		recipe_fix_footer(m, 1048576);
		cr_expect_eq(open_cheaply(m, 8u << 20), VHDX_E_DAMAGED, "%" PRIu64, sizes[i]);
		memfile_free(m);
	}
}

Test(bugs, B_16_disk_types_with_and_without_header_and_parent)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHD_FIXED, SPECIMEN_VHD_CHILD };
	static const uint32_t types[] = { 0, 1, 2, 3, 4, 5, 6, 7, UINT32_MAX };

	for (unsigned k = 0; k < COUNT(kinds); k++)
		for (unsigned t = 0; t < COUNT(types); t++) {
			const struct specimen *s = specimen_get(kinds[k]);
			struct memfile *m = memfile_copy(s->file);
			int status;

			for (size_t i = 0; i < s->part_count; i++)
				if (s->parts[i].structure == STRUCTURE_vhd_footer)
					recipe_put_be(m, s->parts[i].file_offset + 60, 4, types[t]);
			specimen_repair(s, m);
			status = open_cheaply(m, 8u << 20);
			if (types[t] < 2 || types[t] > 4)
				cr_expect_eq(status, VHDX_E_UNSUPPORTED, "%s as %" PRIu32 ": %d", s->name, types[t], status);
			else if (types[t] == 4)
				cr_expect(status == VHDX_E_PARENT_MISSING || status == VHDX_E_DAMAGED, "%s: %d", s->name, status);
			memfile_free(m);
		}
}

Test(bugs, B_31_a_child_without_its_parent_cannot_be_read)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHD_CHILD, SPECIMEN_VHDX_CHILD };

	for (unsigned k = 0; k < COUNT(kinds); k++) {
		struct memfile *m = specimen_get(kinds[k])->file;
		struct vhdx_error error;
		uint8_t bytes[512];
		vhdx_disk *disk;

		expect_open_fails(m, VHDX_E_PARENT_MISSING, "");
		cr_assert_eq(test_open_chain(&disk, &m, 1, VHDX_OPEN_NO_PARENTS, &error), VHDX_OK);
		cr_expect_lt(
			vhdx_read(disk, bytes, sizeof(bytes), 3 * (kinds[k] == SPECIMEN_VHD_CHILD ? 32768 : RECIPE_MIB), &error),
			0);
		vhdx_close(disk);
	}
}

Test(bugs, B_35_a_parent_written_after_its_child)
{
	const struct specimen *s = specimen_get(SPECIMEN_VHDX_CHILD);
	struct memfile *files[] = { s->file, memfile_copy(s->parent) };
	struct vhdx_error error;
	vhdx_disk *disk;

	cr_assert_eq(test_open_chain(&disk, files + 1, 1, VHDX_OPEN_WRITE, &error), VHDX_OK);
	cr_assert_eq(vhdx_write(disk, "x", 1, 0, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	EXPECT_OK(check_open_fails(files, 2, 0, VHDX_E_PARENT_MISMATCH, "VHDX-184"));
	memfile_free(files[1]);
}

/* Names that lead to secrets, devices, other machines, nowhere, or back: none is opened, with and without the resolver. */
Test(bugs, B_29_parents_that_are_none)
{
	static const char *const paths[] = { "/etc/shadow",
					     "..\\..\\..\\..\\..\\..\\etc\\shadow",
					     "..\\..\\..\\..\\..\\..\\proc\\self\\mem",
					     "..\\..\\..\\..\\..\\..\\dev\\zero",
					     "..\\..\\..\\..\\..\\..\\dev\\stdin",
					     "\\\\host\\share\\parent.vhdx",
					     "\\\\.\\PhysicalDrive0",
					     "\\\\?\\GLOBALROOT\\Device\\Null",
					     "\\\\?\\UNC\\host\\share\\parent.vhdx",
					     "C:\\Windows\\System32\\config\\SAM",
					     "/dev/mem",
					     ".\\loop",
					     ".\\child",
					     ".\\directory",
					     ".\\",
					     ".",
					     "..",
					     " ",
					     "con",
					     ".\\child\\.." };
	static const enum vhdx_format formats[] = { VHDX_FORMAT_VHDX, VHDX_FORMAT_VHD };
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "directory");
	hostdir_link(&d, "loop", "loop2");
	hostdir_link(&d, "loop2", "loop");
	for (unsigned f = 0; f < 2; f++)
		for (unsigned i = 0; i < COUNT(paths); i++)
			for (int kind = VHDX_PATH_RELATIVE; kind <= VHDX_PATH_ABSOLUTE; kind++) {
				struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
				struct vhdx_error error = { .status = 0 };
				const char *child = hostdir_path(&d, "child");
				vhdx_disk *disk = NULL;
				struct diary diary;
				int status;

				family_put_child(&d, "child", formats[f], 1, (enum vhdx_path_kind)kind, paths[i]);
				cr_expect_eq(vhdx_open(&disk, child, NULL, &error), VHDX_E_PARENT_MISSING);
				resolver.root = i % 2 == 0 ? d.path : NULL;
				status = family_open(&disk, child, &resolver, &diary, &error);
				cr_expect(status == VHDX_E_PARENT_MISSING || status == VHDX_E_PARENT_DENIED ||
						  status == VHDX_E_PARENT_MISMATCH || status == VHDX_E_CHAIN,
					  "%s: %s: %s", paths[i], vhdx_status_name(status), error.message);
			}
	hostdir_end(&d);
}
