/* SPDX-License-Identifier: MIT */
/*
 * Bugs of other writers, one test each, numbered as in the collection that the tests of this project were planned from.
 *
 *   elsewhere                             where
 *   56, 63, 74                            checked.c
 *   58                                    interrupted.c
 *   59, 66, 71, 75, 78, 82                fault.c (short and failed calls, poisoned handles), crash.c (every order and torn write, replay interrupted)
 *   60                                    threads.c
 *   62, 79                                crash.c and script.c on every kind of disk
 *   67                                    compact.c, and compactions in crash.c
 *   68 (merge), 72                        merge.c
 *   69                                    cli/merge.sh: killed and begun again
 *   70                                    cli/convert-chains.sh: every block size into every other
 *   76, 77, 80, 81                        rules/vhdx_log.c and rules/vhdx_replay.c
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "cowfile.h"

#define MIB UINT64_C(1048576)

static struct cowfile *make(enum vhdx_format format, enum vhdx_type type, uint64_t size, struct cowfile *parent)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	struct cowfile *made = cow_new();
	struct vhdx_file file = cow_file(made, "disk"), below;
	vhdx_disk *disk = NULL;

	options.format = format;
	options.type = type;
	options.size = size;
	options.block_size = type == VHDX_TYPE_FIXED && format == VHDX_FORMAT_VHD ? 0 : (uint32_t)MIB;
	if (parent != NULL) {
		below = cow_file(parent, "parent");
		cr_assert_eq(vhdx_open_file(&disk, &below, &plain, NULL), VHDX_OK);
		options.parent = disk;
		options.parent_relative = ".\\parent";
	}
	cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
	vhdx_close(disk);
	return made;
}

static vhdx_disk *open_disk(struct cowfile *image, struct cowfile *parent, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = cow_file(image, "disk"), below = cow_file(parent != NULL ? parent : image, "parent");
	vhdx_disk *disk;

	options.flags = flags;
	options.parents = &below;
	options.parent_count = parent != NULL;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, NULL), VHDX_OK);
	return disk;
}

static void put(vhdx_disk *disk, uint64_t offset, size_t length, int byte)
{
	uint8_t *bytes = malloc(length);

	memset(bytes, byte, length);
	cr_assert_eq(vhdx_write(disk, bytes, length, offset, NULL), VHDX_OK);
	free(bytes);
}

static void expect(vhdx_disk *disk, uint64_t offset, size_t length, int byte)
{
	uint8_t *bytes = malloc(length);

	cr_assert_eq(vhdx_read(disk, bytes, length, offset, NULL), VHDX_OK);
	for (size_t i = 0; i < length; i++)
		cr_assert_eq(bytes[i], byte, "byte at %llu is %u, not %d", (unsigned long long)(offset + i), bytes[i], byte);
	free(bytes);
}

static struct vhdx_info info_of(vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;

	cr_assert_eq(vhdx_get_info(disk, 0, &info, NULL), VHDX_OK);
	return info;
}

static uint64_t entry_at(const struct cowfile *image, uint64_t bat, uint64_t index)
{
	uint8_t bytes[8];
	uint64_t entry = 0;

	cow_read(image, bytes, 8, bat + index * 8);
	for (unsigned i = 8; i-- != 0;)
		entry = entry << 8 | bytes[i];
	return entry;
}

Test(bugs, B_52_first_write_of_a_block_lands_on_its_sector)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct cowfile *image = make((enum vhdx_format)format, VHDX_TYPE_DYNAMIC, 2048 * MIB, NULL);
		vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);

		for (uint64_t i = 0; i < 2048; i += 7)
			put(disk, i * MIB + i * 512, 512, (int)(i % 255) + 1);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_disk(image, NULL, 0);
		for (uint64_t i = 0; i < 2048; i += 7) {
			expect(disk, i * MIB + i * 512, 512, (int)(i % 255) + 1);
			expect(disk, i * MIB, (size_t)i * 512, 0);
		}
		vhdx_close(disk);
		cow_free(image);
	}
}

Test(bugs, B_53_changed_bat_entry_at_page_start)
{
	static const uint64_t blocks[] = { 512, 513, 1023, 0 };
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 2048 * MIB, NULL);
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
	uint64_t bat = info_of(disk).bat_offset, before[1536];

	for (uint64_t i = 0; i < 1536; i += 3)
		put(disk, i * MIB, 512, 9);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	for (uint64_t i = 0; i < 1536; i++)
		before[i] = entry_at(image, bat, i);
	for (size_t b = 0; b < 4; b++) {
		disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
		cr_assert_eq(vhdx_discard(disk, blocks[b] * MIB, MIB, NULL), VHDX_OK);
		put(disk, blocks[b] * MIB, 512, 7);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		before[blocks[b]] = entry_at(image, bat, blocks[b]);
		cr_assert_eq(before[blocks[b]] & 7, 6);
		for (uint64_t i = 0; i < 1536; i++)
			cr_assert_eq(entry_at(image, bat, i), before[i], "entry %llu changed", (unsigned long long)i);
	}
	cow_free(image);
}

Test(bugs, B_54_fixed_file_keeps_its_length)
{
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 8 * MIB, NULL);
	uint64_t size = image->size;
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);

	put(disk, 0, 8 * MIB, 3);
	cr_assert_eq(vhdx_write_zeroes(disk, MIB, 2 * MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_discard(disk, 3 * MIB, MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_assert_eq(image->size, size);
	cow_free(image);
}

Test(bugs, B_55_no_offset_in_zero_states)
{
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 8 * MIB, NULL);
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
	uint64_t bat = info_of(disk).bat_offset;

	put(disk, 0, 8 * MIB, 3);
	cr_assert_eq(vhdx_write_zeroes(disk, MIB, MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_discard(disk, 2 * MIB, MIB, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_assert_eq(entry_at(image, bat, 1), 2);
	cr_assert_eq(entry_at(image, bat, 2), 3);
	for (uint64_t i = 0; i < 8; i++)
		cr_assert_eq(entry_at(image, bat, i) & 0xFFFF8, 0, "reserved bits of entry %llu", (unsigned long long)i);
	cow_free(image);
}

Test(bugs, B_57_open_and_close_change_nothing)
{
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 8 * MIB, NULL), *before = cow_copy(image);
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
	uint64_t sequence = info_of(disk).sequence_number;

	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_assert(cow_equal(before, image));
	disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
	put(disk, 0, 512, 1);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_disk(image, NULL, 0);
	cr_assert_gt(info_of(disk).sequence_number, sequence);
	vhdx_close(disk);
	cow_free(before);
	cow_free(image);
}

Test(bugs, B_61_first_partial_write_of_each_chunk)
{
	struct cowfile *parent = make(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 16384 * MIB, NULL);
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 16384 * MIB, parent);
	vhdx_disk *disk = open_disk(image, parent, VHDX_OPEN_WRITE);

	for (uint64_t at = 0; at < 16384; at += 4096)
		put(disk, at * MIB + 4096, 512, 5);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_disk(image, parent, 0);
	for (uint64_t at = 0; at < 16384; at += 4096) {
		expect(disk, at * MIB + 4096, 512, 5);
		expect(disk, at * MIB + 4608, 512, 0);
	}
	vhdx_close(disk);
	cow_free(image);
	cow_free(parent);
}

Test(bugs, B_64_writes_beyond_the_end)
{
	static const uint64_t sizes[] = { 0, UINT64_C(64) << 40, UINT64_C(2040) << 30 };

	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
		struct cowfile *image = cow_new(), *before;
		struct vhdx_file file = cow_file(image, "disk");
		uint8_t two[1024] = { 1 };
		vhdx_disk *disk;

		options.format = (enum vhdx_format)format;
		options.type = VHDX_TYPE_DYNAMIC;
		options.size = sizes[format];
		options.block_size = format == VHDX_FORMAT_VHDX ? (uint32_t)(256 * MIB) : (uint32_t)(2 * MIB);
		cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
		disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
		before = cow_copy(image);
		cr_assert_eq(vhdx_write(disk, two, 1024, sizes[format] - 512, NULL), VHDX_E_RANGE);
		cr_assert_eq(vhdx_write(disk, two, 1024, UINT64_MAX - 511, NULL), VHDX_E_RANGE);
		cr_assert(cow_equal(before, image));
		put(disk, sizes[format] - 512, 512, 4);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_disk(image, NULL, 0);
		expect(disk, sizes[format] - 512, 512, 4);
		vhdx_close(disk);
		cow_free(before);
		cow_free(image);
	}
}

Test(bugs, B_65_zeros_mask_the_parent)
{
	for (int format = VHDX_FORMAT_VHDX; format <= VHDX_FORMAT_VHD; format++) {
		struct cowfile *parent = make((enum vhdx_format)format, VHDX_TYPE_DYNAMIC, 4 * MIB, NULL), *image;
		vhdx_disk *disk = open_disk(parent, NULL, VHDX_OPEN_WRITE);

		put(disk, 0, 4 * MIB, 8);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		image = make((enum vhdx_format)format, VHDX_TYPE_DIFFERENCING, 4 * MIB, parent);
		disk = open_disk(image, parent, VHDX_OPEN_WRITE);
		cr_assert_eq(vhdx_write_zeroes(disk, 0, MIB, NULL), VHDX_OK);
		cr_assert_eq(vhdx_write_zeroes(disk, MIB + 512, 1024, NULL), VHDX_OK);
		cr_assert_eq(vhdx_close(disk), VHDX_OK);
		disk = open_disk(image, parent, 0);
		expect(disk, 0, MIB, 0);
		expect(disk, MIB, 512, 8);
		expect(disk, MIB + 512, 1024, 0);
		expect(disk, MIB + 1536, 512, 8);
		vhdx_close(disk);
		cow_free(image);
		cow_free(parent);
	}
}

Test(bugs, B_68_no_space_keeps_what_was_flushed)
{
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 64 * MIB, NULL);
	struct fault full = { .kind = FAULT_NO_SPACE, .sticky = true };
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);
	uint8_t byte = 1;

	put(disk, 0, 512, 2);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	full.at = 1;
	image->fault = &full;
	cr_assert_eq(vhdx_write(disk, &byte, 1, 40 * MIB, NULL), VHDX_E_NO_SPACE);
	expect(disk, 0, 512, 2);
	full.at = 0;
	put(disk, 40 * MIB, 512, 3);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	image->fault = NULL;
	disk = open_disk(image, NULL, 0);
	expect(disk, 0, 512, 2);
	expect(disk, 40 * MIB, 512, 3);
	vhdx_close(disk);
	cow_free(image);
}

Test(bugs, B_73_unaligned_writes_change_nothing_else)
{
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 4 * MIB, NULL);
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);

	put(disk, 0, 4096, 1);
	put(disk, 511, 3, 2);
	put(disk, 1500, 1000, 3);
	expect(disk, 0, 511, 1);
	expect(disk, 511, 3, 2);
	expect(disk, 514, 986, 1);
	expect(disk, 1500, 1000, 3);
	expect(disk, 2500, 1596, 1);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cow_free(image);
}

Test(bugs, B_75_no_flush_succeeds_after_one_that_failed)
{
	struct cowfile *image = make(VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 4 * MIB, NULL);
	struct fault fault = { .kind = FAULT_IO, .sticky = true, .at = 1 };
	vhdx_disk *disk = open_disk(image, NULL, VHDX_OPEN_WRITE);

	put(disk, 0, 512, 1);
	image->fault = &fault;
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_E_IO);
	image->fault = NULL;
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_E_DEAD);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_E_DEAD);
	cr_assert_neq(vhdx_close(disk), VHDX_OK);
	cow_free(image);
}
