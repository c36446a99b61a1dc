/* SPDX-License-Identifier: MIT */
/* A raw file as a disk: written, discarded, resized, and what a change of it is refused for. Layer: tests/write. */
#include <criterion/criterion.h>

#include "support/expect.h"
#include "support/recipe.h"

#define MIB RECIPE_MIB

static vhdx_disk *open_raw(struct memfile *m, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "disk.raw");
	struct vhdx_error error;
	vhdx_disk *disk;

	options.flags = flags;
	options.format = VHDX_FORMAT_RAW;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	return disk;
}

/* 8 MiB of pattern 3. */
static struct memfile *sample(void)
{
	struct memfile *m = memfile_new();

	recipe_fill(m, 0, 8 * MIB, 0, 3);
	return m;
}

Test(raw, usage_and_information)
{
	struct memfile *m = sample();
	vhdx_disk *disk = open_raw(m, 0);
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	cr_expect(info.format == VHDX_FORMAT_RAW && info.type == VHDX_TYPE_FIXED && info.file_size == 8 * MIB);
	cr_assert_eq(vhdx_get_usage(disk, 0, &usage, NULL), VHDX_OK);
	cr_expect(usage.payload_bytes == 8 * MIB && usage.file_end == 8 * MIB && usage.blocks_total == 1);
	cr_expect_eq(vhdx_get_usage(disk, 1, &usage, NULL), VHDX_E_RANGE);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_free(m);
}

Test(raw, what_is_discarded_is_given_back)
{
	struct memfile *m = sample();
	vhdx_disk *disk = open_raw(m, VHDX_OPEN_WRITE);
	uint64_t before = memfile_allocated(m);

	cr_assert_eq(vhdx_discard(disk, 2 * MIB + 1, 4 * MIB, NULL), VHDX_OK); /* one whole granule of 2 MiB */
	cr_expect_eq(memfile_allocated(m), before - 2 * MIB);
	expect_pattern(disk, 0, 4 * MIB, 3);
	expect_zeros(disk, 4 * MIB, 2 * MIB);
	cr_assert_eq(vhdx_write_zeroes(disk, 1, 2 * MIB, NULL), VHDX_OK);
	expect_zeros(disk, 1, 2 * MIB);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_eq(memfile_size(m), 8 * MIB);
	memfile_free(m);
}

Test(raw, resized)
{
	struct memfile *m = sample();
	vhdx_disk *disk = open_raw(m, VHDX_OPEN_WRITE);

	cr_expect_eq(vhdx_resize(disk, 0, VHDX_RESIZE_CUT, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_resize(disk, 9 * MIB + 1, 0, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_resize(disk, UINT64_MAX / 512 * 512, 0, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_resize(disk, 4 * MIB, 0, NULL), VHDX_E_ARGUMENT);
	cr_assert_eq(vhdx_resize(disk, 12 * MIB, 0, NULL), VHDX_OK);
	expect_pattern(disk, 0, 8 * MIB, 3);
	expect_zeros(disk, 8 * MIB, 4 * MIB);
	cr_assert_eq(vhdx_resize(disk, 5 * MIB, VHDX_RESIZE_CUT, NULL), VHDX_OK);
	cr_assert_eq(vhdx_resize(disk, 8 * MIB, 0, NULL), VHDX_OK);
	expect_pattern(disk, 0, 5 * MIB, 3);
	expect_zeros(disk, 5 * MIB, 3 * MIB);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_eq(memfile_size(m), 8 * MIB);
	memfile_free(m);
}

Test(raw, has_no_settings)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct vhdx_guid id = recipe_guid(1);
	struct memfile *m = sample();
	vhdx_disk *disk = open_raw(m, VHDX_OPEN_WRITE);

	settings.disk_id = &id;
	cr_expect_eq(vhdx_set(disk, &settings, NULL), VHDX_E_UNSUPPORTED);
	cr_expect_eq(vhdx_compact(disk, NULL, NULL), VHDX_E_UNSUPPORTED);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_free(m);
}

/* A change whose flush fails has perhaps happened: nothing more is written. Without room the disk lives on. */
Test(raw, that_fails)
{
	static const struct {
		enum memfile_call call;
		int status, later;
	} rows[] = { { MEMFILE_SET_SIZE, VHDX_E_NO_SPACE, VHDX_OK },
		     { MEMFILE_SET_SIZE, VHDX_E_IO, VHDX_E_DEAD },
		     { MEMFILE_FLUSH, VHDX_E_IO, VHDX_E_DEAD } };

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct memfile *m = sample();
		vhdx_disk *disk = open_raw(m, VHDX_OPEN_WRITE);

		memfile_fail(m, rows[i].call, 1, rows[i].status, false);
		cr_expect_eq(vhdx_resize(disk, 12 * MIB, 0, NULL), rows[i].status);
		cr_expect_eq(vhdx_write(disk, "x", 1, 0, NULL), rows[i].later, "%u", i);
		cr_expect_eq(vhdx_discard(disk, 0, 4 * MIB, NULL), rows[i].later, "%u", i);
		(void)vhdx_close(disk);
		memfile_free(m);
	}
}

Test(raw, that_is_only_read)
{
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	struct memfile *m = sample();
	vhdx_disk *disk = open_raw(m, 0);

	cr_expect_eq(vhdx_write(disk, "x", 1, 0, NULL), VHDX_E_READ_ONLY);
	cr_expect_eq(vhdx_write_zeroes(disk, 0, 1, NULL), VHDX_E_READ_ONLY);
	cr_expect_eq(vhdx_discard(disk, 0, 4 * MIB, NULL), VHDX_E_READ_ONLY);
	cr_expect_eq(vhdx_flush(disk, NULL), VHDX_E_READ_ONLY);
	cr_expect_eq(vhdx_resize(disk, 9 * MIB, 0, NULL), VHDX_E_READ_ONLY);
	cr_expect_eq(vhdx_set(disk, &settings, NULL), VHDX_E_READ_ONLY);
	cr_expect_lt(vhdx_compact(disk, NULL, NULL), 0);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_free(m);
}
