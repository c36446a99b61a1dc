/* SPDX-License-Identifier: MIT */
/* What becomes of discarded and zeroed ranges: the host gets its space back, long empty ranges cost little, and blocks that share a place are not written. */
#include <criterion/criterion.h>
#include <string.h>

#include "support/expect.h"
#include "support/recipe.h"

#define MIB UINT64_C(1048576)
#define TIB (MIB * MIB)

static struct memfile *make(enum vhdx_format format, uint64_t size)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *made = memfile_new();
	struct vhdx_file file = memfile_file(made, "disk");
	struct vhdx_error error;

	options.format = format;
	options.type = VHDX_TYPE_DYNAMIC;
	options.size = size;
	options.block_size = 2 * (uint32_t)MIB;
	cr_assert_eq(vhdx_create_file(&file, &options, &error), VHDX_OK, "%s", error.message);
	return made;
}

static vhdx_disk *open_disk(struct memfile *image)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk");
	vhdx_disk *disk;

	options.flags = VHDX_OPEN_WRITE;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
	return disk;
}

static void put(vhdx_disk *disk, uint64_t offset, size_t length, int byte)
{
	static uint8_t bytes[8 << 20];

	memset(bytes, byte, length);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
}

static void zeros_at(vhdx_disk *disk, uint64_t offset, size_t length)
{
	static uint8_t bytes[8 << 20];

	cr_assert_eq(vhdx_read(disk, bytes, length, offset, NULL), VHDX_OK);
	for (size_t i = 0; i < length; i++)
		cr_assert_eq(bytes[i], 0);
}

Test(freed, discard_gives_space_back_to_the_host)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct memfile *image = make((enum vhdx_format)format, 64 * MIB);
		vhdx_disk *disk = open_disk(image);
		uint64_t before;

		put(disk, 0, 8 * MIB, 1);
		put(disk, 8 * MIB, 8 * MIB, 2);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		before = memfile_allocated(image);
		cr_assert_eq(vhdx_discard(disk, 2 * MIB, 4 * MIB, NULL), VHDX_OK);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		cr_expect_leq(memfile_allocated(image), before - 4 * MIB + 4 * MEMFILE_PAGE, "format %d", format);
		cr_expect_geq(memfile_count(image, MEMFILE_PUNCH), 1);
		if (format == VHDX_FORMAT_VHDX) /* neighbours go together */
			cr_expect_eq(memfile_count(image, MEMFILE_PUNCH), 1);
		zeros_at(disk, 2 * MIB, 4 * MIB);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_disk(image);
		zeros_at(disk, 2 * MIB, 4 * MIB);
		vhdx_close(disk);
		memfile_free(image);
	}
}

Test(freed, a_host_that_cannot_punch_is_no_failure)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct memfile *image = make((enum vhdx_format)format, 64 * MIB);
		vhdx_disk *disk = open_disk(image);

		put(disk, 0, 8 * MIB, 1);
		memfile_fail(image, MEMFILE_PUNCH, 1, VHDX_E_UNSUPPORTED, true);
		cr_assert_eq(vhdx_discard(disk, 2 * MIB, 4 * MIB, NULL), VHDX_OK);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
		put(disk, 2 * MIB, 4096, 3);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		memfile_free(image);
	}
}

/* 67 million blocks, two of them present: the others cost no call each. */
Test(freed, long_empty_ranges_are_passed_over)
{
	struct memfile *image = make(VHDX_FORMAT_VHDX, 64 * TIB);
	vhdx_disk *disk = open_disk(image);
	struct vhdx_usage usage = VHDX_USAGE_INIT;

	put(disk, 3 * TIB, 4096, 1);
	put(disk, 64 * TIB - 4096, 4096, 1);
	cr_assert_eq(vhdx_write_zeroes(disk, 4096, 32 * TIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_discard(disk, 32 * TIB, 32 * TIB, NULL), VHDX_OK);
	zeros_at(disk, 3 * TIB, 4096);
	cr_assert_eq(vhdx_get_usage(disk, 0, &usage, NULL), VHDX_OK);
	cr_expect_eq(usage.blocks_present, 0);
	cr_expect_eq(usage.blocks_zero, 1);
	cr_expect_eq(usage.blocks_unmapped, 1);
	vhdx_close(disk);
	memfile_free(image);
}

/* Writing one would change the other in silence. Reading is judged block by block and may go on. */
Test(freed, VHD_070_blocks_that_share_a_place_are_not_written)
{
	struct memfile *image = make(VHDX_FORMAT_VHD, 64 * MIB), *before;
	vhdx_disk *disk = open_disk(image);
	uint64_t table = 512 + 1024;
	struct vhdx_error error;
	uint8_t bytes[512] = { 1 };

	put(disk, 0, 4 * MIB, 1);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	recipe_put_be(image, table + 4, 4, recipe_get_be(image, table, 4) + 8);
	before = memfile_copy(image);
	disk = open_disk(image);
	cr_expect_eq(vhdx_read(disk, bytes, 512, 0, NULL), VHDX_OK);
	cr_expect_eq(vhdx_write(disk, bytes, 512, 40 * MIB, &error), VHDX_E_DAMAGED);
	cr_expect_not_null(strstr(error.message, "overlaps"), "%s", error.message);
	cr_expect_eq(vhdx_discard(disk, 0, 2 * MIB, NULL), VHDX_E_DAMAGED);
	vhdx_close(disk);
	cr_expect(memfile_equal(image, before, NULL));
	memfile_free(before);
	memfile_free(image);
}
