/* SPDX-License-Identifier: MIT */
/* What reading the code found in VHD files, the writers' part: places that an entry cannot name, footers that count too early, structures that only one copy leads to. */
#include <criterion/criterion.h>
#include <string.h>

#include "write/changing.h"

static const struct recipe_vhd_locator path_locator[] = { { "W2ru", ".\\parent", RECIPE_UTF16LE, 512, 0 } };

/* A child with one locator, whose text is moved to `text_at`. */
static struct memfile *make_child(struct memfile *parent, const struct recipe_vhd_block *blocks, unsigned count, uint64_t text_at,
				  struct recipe_vhd_places *places)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	vhdx_disk *disk = open_over(parent, NULL, 0);
	struct memfile *made;
	uint8_t path[16];

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.block_size = 65536;
	knobs.parent_unique_id = info_of(disk).data_identity;
	knobs.parent_name = "parent";
	knobs.locators = path_locator;
	knobs.locator_count = 1;
	knobs.blocks = blocks;
	knobs.block_count = count;
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	made = recipe_vhd_new(&knobs, places);
	memfile_read(made, places->locators[0], path, sizeof(path));
	memfile_write(made, text_at, path, sizeof(path));
	recipe_put_be(made, places->dynamic + 576 + 16, 8, text_at);
	recipe_fix_dynamic(made, places->dynamic);
	return made;
}

/* A locator may end at any byte, and a gap behind it begins there; entries of the BAT count sectors. */
Test(found_vhd, compaction_moves_blocks_to_whole_sectors)
{
	struct memfile *parent = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL, 65536);
	const struct recipe_vhd_block blocks[] = { { .index = 0, .file_offset = 70656, .seed = 3 },
						   { .index = 1, .file_offset = 70656 + 66048, .seed = 4 } };
	struct recipe_vhd_places places;
	struct memfile *image = make_child(parent, blocks, 2, 3600, &places);
	vhdx_disk *disk = open_over(image, parent, VHDX_OPEN_WRITE);

	cr_assert_eq(vhdx_compact(disk, NULL, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(image, parent, 0);
	expect_at(disk, 0, 65536, 3);
	expect_at(disk, 65536, 65536, 4);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_free(image);
	memfile_free(parent);
}

Test(found_vhd, VHD_056_a_block_over_the_path_to_the_parent_is_not_written)
{
	struct memfile *parent = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL, 65536);
	const struct recipe_vhd_block block = { .index = 0, .file_offset = 70656, .seed = 3 };
	struct recipe_vhd_places places;
	struct memfile *image = make_child(parent, &block, 1, 70656 + 512 + 8192, &places), *before = memfile_copy(image);
	vhdx_disk *disk = open_over(image, parent, VHDX_OPEN_WRITE);
	uint8_t bytes[4096] = { 7 };

	cr_expect_eq(vhdx_write(disk, bytes, sizeof(bytes), 8192, NULL), VHDX_E_DAMAGED);
	(void)vhdx_close(disk);
	cr_expect(memfile_equal(image, before, NULL));
	memfile_free(before);
	memfile_free(image);
	memfile_free(parent);
}

/* Where a footer may stand already that names another place, nothing more is written. */
Test(found_vhd, a_resize_that_fails_at_its_footer_writes_nothing_over_what_it_names)
{
	static const enum memfile_call calls[] = { MEMFILE_GET_SIZE, MEMFILE_SET_SIZE, MEMFILE_WRITE };

	for (unsigned i = 0; i < 3; i++) {
		for (unsigned long n = 1; n < 12; n++) {
			struct memfile *image = make_disk(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 100 * GIB, NULL), *killed;
			vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
			uint8_t *bytes = malloc(MIB);

			memset(bytes, 0x10, MIB);
			put_at(disk, MIB, 4096, 1);
			cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
			memfile_fail(image, calls[i], n, i == 0 ? VHDX_E_IO : VHDX_E_NO_SPACE, false);
			(void)vhdx_resize(disk, 400 * GIB, 0, NULL);
			memfile_fail(image, calls[i], 0, 0, false);
			(void)vhdx_write(disk, bytes, MIB, 60 * MIB, NULL);
			killed = memfile_copy(image);
			(void)vhdx_close(disk);
			disk = open_over(killed, NULL, 0);
			expect_at(disk, MIB, 4096, 1);
			for (uint64_t at = 700 * MIB; at < vhdx_disk_size(disk); at += 30000 * MIB)
				expect_at(disk, at, 4096, 0);
			(void)vhdx_close(disk);
			disk = open_over(image, NULL, 0);
			expect_at(disk, MIB, 4096, 1);
			(void)vhdx_close(disk);
			memfile_free(killed);
			memfile_free(image);
			free(bytes);
		}
	}
}

static void read_footer_of_a_guest(uint8_t footer[512])
{
	struct memfile *fixed = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, MIB, NULL, 0);

	memfile_read(fixed, memfile_size(fixed) - 512, footer, 512);
	memfile_free(fixed);
}

struct end {
	struct memfile *image;
	uint64_t disk_size; /* 0: as long as it is being made, it is no disk */
	unsigned count;
};

/* Who writes is killed before this call. */
static void look_at_end(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct end *e = context;
	struct memfile *killed;
	struct vhdx_file file;
	vhdx_disk *disk;
	int status;

	(void)file_offset;
	(void)length;
	if (call != MEMFILE_SET_SIZE && call != MEMFILE_WRITE && call != MEMFILE_ZERO)
		return;
	killed = memfile_copy(e->image);
	file = memfile_file(killed, "killed");
	status = vhdx_open_file(&disk, &file, NULL, NULL);
	cr_expect_eq(status == VHDX_OK, e->disk_size != 0, "%d", status);
	if (status == VHDX_OK) {
		cr_expect_eq(vhdx_disk_size(disk), e->disk_size);
		(void)vhdx_close(disk);
	}
	memfile_free(killed);
	e->count++;
}

/* The last sector of a new block is the guest's; it must not be where a footer is looked for. */
Test(found_vhd, a_footer_that_the_guest_writes_is_never_that_of_the_file)
{
	struct end end = { make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL, 2u << 20), 16 * MIB, 0 };
	vhdx_disk *disk = open_over(end.image, NULL, VHDX_OPEN_WRITE);
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	uint8_t footer[512];

	read_footer_of_a_guest(footer);
	memfile_watch(end.image, look_at_end, &end);
	put_at(disk, 8 * MIB, MIB, 5);
	for (unsigned i = 4; i-- > 0;) {
		cr_assert_eq(vhdx_write(disk, footer, 512, (i + 1) * 2 * MIB - 512, NULL), VHDX_OK);
		cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	}
	options.flags = VHDX_COMPACT_DEFRAG;
	cr_assert_eq(vhdx_compact(disk, &options, NULL), VHDX_OK);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	memfile_watch(end.image, NULL, NULL);
	cr_expect_gt(end.count, 20);
	disk = open_over(end.image, NULL, 0);
	expect_at(disk, 8 * MIB, MIB, 5);
	(void)vhdx_close(disk);
	memfile_free(end.image);
}

static int read_footers(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	uint8_t *out = buffer;

	(void)error;
	for (size_t at = 0; at < length; at += 512)
		memcpy(out + at, context, 512);
	(void)disk_offset;
	return VHDX_OK;
}

/* Whatever the content ends with. */
Test(found_vhd, what_is_being_made_is_no_disk_until_it_is_whole)
{
	static const struct {
		enum vhdx_type type;
		uint32_t block_size;
	} kinds[] = { { VHDX_TYPE_FIXED, 0 }, { VHDX_TYPE_DYNAMIC, 2u << 20 }, { VHDX_TYPE_DYNAMIC, 512 } };

	for (unsigned i = 0; i < 3; i++) {
		struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
		struct end end = { memfile_new(), 0, 0 };
		struct vhdx_file file = memfile_file(end.image, "new");
		uint8_t footer[512];
		struct vhdx_source source = { .context = footer, .size = i == 2 ? 7 * 512 : 3 * MIB, .read = read_footers };

		read_footer_of_a_guest(footer);
		options.format = VHDX_FORMAT_VHD;
		options.type = kinds[i].type;
		options.block_size = kinds[i].block_size;
		options.source = &source;
		memfile_watch(end.image, look_at_end, &end);
		cr_assert_eq(vhdx_create_file(&file, &options, NULL), VHDX_OK);
		memfile_watch(end.image, NULL, NULL);
		cr_expect_gt(end.count, 3);
		memfile_free(end.image);
	}
}

/* A guest tries again and again. */
Test(found_vhd, writes_without_room_do_not_make_the_file_grow)
{
	struct memfile *image = make_disk(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 100 * GIB, NULL);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	uint8_t bytes[4096] = { 1 };
	uint64_t size;

	put_at(disk, 0, 4096, 1);
	cr_assert_eq(vhdx_flush(disk, NULL), VHDX_OK);
	size = memfile_size(image);
	memfile_fail(image, MEMFILE_ZERO, 1, VHDX_E_NO_SPACE, true);
	memfile_fail(image, MEMFILE_WRITE, 1, VHDX_E_NO_SPACE, true);
	for (unsigned i = 0; i < 100; i++)
		cr_assert_eq(vhdx_write(disk, bytes, sizeof(bytes), 5 * MIB, NULL), VHDX_E_NO_SPACE);
	memfile_fail(image, MEMFILE_ZERO, 0, 0, false);
	memfile_fail(image, MEMFILE_WRITE, 0, 0, false);
	put_at(disk, 5 * MIB, 4096, 2);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	cr_expect_leq(memfile_size(image), size + 3 * MIB);
	memfile_free(image);
}

/* What is asked of the open disk is what stands in the file: a child made over it must open. */
Test(found_vhd, a_fixed_disk_knows_what_was_changed)
{
	struct memfile *image = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 4 * MIB, NULL, 0);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	struct vhdx_settings settings = VHDX_SETTINGS_INIT;
	const struct vhdx_guid id = { { 9, 8, 7 } };
	struct vhdx_info now, stored;

	settings.disk_id = &id;
	cr_assert_eq(vhdx_set(disk, &settings, NULL), VHDX_OK);
	resize_to(disk, 40 * MIB);
	now = info_of(disk);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(image, NULL, 0);
	stored = info_of(disk);
	cr_expect(memcmp(&now.disk_id, &id, sizeof(id)) == 0);
	cr_expect(memcmp(&now.disk_id, &stored.disk_id, sizeof(id)) == 0);
	cr_expect(memcmp(&now.data_identity, &stored.data_identity, sizeof(id)) == 0);
	cr_expect_eq(now.cylinders, stored.cylinders);
	cr_expect_eq(now.heads, stored.heads);
	(void)vhdx_close(disk);
	memfile_free(image);
	image = make_disk(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 4 * MIB, NULL);
	disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	resize_to(disk, 40 * MIB);
	now = info_of(disk);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	disk = open_over(image, NULL, 0);
	cr_expect_eq(now.cylinders, info_of(disk).cylinders);
	(void)vhdx_close(disk);
	memfile_free(image);
}

/* Neither the new size nor the old one could be had: who closes it hears so. */
Test(found_vhd, a_resize_that_could_not_be_taken_back_is_told_at_the_close)
{
	unsigned dead = 0;

	for (unsigned long n = 1; n < 20; n++) {
		struct memfile *image = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 4 * MIB, NULL, 0);
		vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
		uint8_t bytes[512] = { 1 };
		bool is_dead;

		memfile_fail(image, MEMFILE_ANY, n, VHDX_E_NO_SPACE, true);
		(void)vhdx_resize(disk, 8 * MIB, 0, NULL);
		memfile_fail(image, MEMFILE_ANY, 0, 0, false);
		is_dead = vhdx_write(disk, bytes, sizeof(bytes), 0, NULL) == VHDX_E_DEAD;
		dead += is_dead;
		cr_expect_eq(vhdx_close(disk), is_dead ? VHDX_E_DEAD : VHDX_OK, "call %lu", n);
		memfile_free(image);
	}
	cr_expect_gt(dead, 0);
}

struct kills {
	struct memfile *image;
	unsigned count;
};

static void try_killed(void *context, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	struct kills *k = context;
	struct memfile *killed;

	(void)file_offset;
	(void)length;
	if (call != MEMFILE_SET_SIZE && call != MEMFILE_WRITE && call != MEMFILE_FLUSH && call != MEMFILE_ZERO)
		return;
	killed = memfile_copy(k->image);
	vhdx_disk *disk = open_over(killed, NULL, 0);

	expect_at(disk, 0, MIB - 512, 3);
	(void)vhdx_close(disk);
	memfile_free(killed);
	k->count++;
}

/* The new footer covers the head of the old one, when that does not stand at a whole number of sectors behind the disk. */
Test(found_vhd, a_fixed_disk_always_has_a_footer)
{
	for (uint64_t slack = 0; slack < 1100; slack += 100) {
		for (uint64_t size = MIB - 512; size <= MIB + 1536; size += 512) {
			struct recipe_vhd knobs = RECIPE_VHD_INIT;
			struct kills kills = { NULL, 0 };
			vhdx_disk *disk;

			knobs.type = VHDX_TYPE_FIXED;
			knobs.fixed_seed = 3;
			knobs.size = MIB;
			knobs.slack = slack;
			kills.image = recipe_vhd_new(&knobs, NULL);
			disk = open_over(kills.image, NULL, VHDX_OPEN_WRITE);
			memfile_watch(kills.image, try_killed, &kills);
			cr_assert_eq(vhdx_resize(disk, size, VHDX_RESIZE_CUT, NULL), VHDX_OK);
			memfile_watch(kills.image, NULL, NULL);
			cr_assert_eq(vhdx_close(disk), VHDX_OK);
			disk = open_over(kills.image, NULL, 0);
			cr_expect_eq(vhdx_disk_size(disk), size);
			(void)vhdx_close(disk);
			memfile_free(kills.image);
		}
	}
}

/* Both copies are valid and say other things; the one that counts leads nowhere. */
Test(found_vhd, a_repair_leaves_the_footer_that_alone_leads_to_the_disk)
{
	struct memfile *image = make_disk(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL);
	vhdx_disk *disk = open_over(image, NULL, VHDX_OPEN_WRITE);
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(image, "disk");
	uint64_t footer;

	put_at(disk, 0, MIB, 5);
	cr_assert_eq(vhdx_close(disk), VHDX_OK);
	footer = memfile_size(image) - 512;
	recipe_put_be(image, footer + 16, 8, 0x8000);
	recipe_fix_footer(image, footer);
	options.flags = VHDX_REPAIR_NO_UNDO;
	cr_expect_eq(vhdx_repair(&file, &options, NULL), VHDX_OK);
	memfile_set_size(image, footer);
	disk = open_over(image, NULL, 0);
	expect_at(disk, 0, MIB, 5);
	(void)vhdx_close(disk);
	memfile_free(image);
}

Test(found_vhd, VHD_056_a_repair_does_not_write_over_the_path_to_the_parent)
{
	struct memfile *parent = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 16 * MIB, NULL, 65536);
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct recipe_vhd_places places;
	struct memfile *image = make_child(parent, NULL, 0, 16, &places), *before;
	struct vhdx_file file = memfile_file(image, "disk");

	recipe_put(image, 0, 8, 0);
	before = memfile_copy(image);
	options.flags = VHDX_REPAIR_NO_UNDO;
	cr_expect_eq(vhdx_repair(&file, &options, NULL), VHDX_E_UNSUPPORTED);
	cr_expect(memfile_equal(image, before, NULL));
	memfile_free(before);
	memfile_free(image);
	memfile_free(parent);
}

/* A table of many entries that the file does not hold. */
Test(found_vhd, a_table_in_a_hole_is_not_judged_entry_by_entry)
{
	struct memfile *image = make_disk_of(VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 8 * MIB, NULL, 2u << 20);
	uint64_t entries = UINT64_C(1) << 30;
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	vhdx_disk *disk;

	memfile_set_size(image, entries * 4 + 3 * MIB);
	recipe_put_be(image, 48, 8, entries * 512);
	recipe_fix_footer(image, 0);
	recipe_put_be(image, 512 + 16, 8, MIB);
	recipe_put_be(image, 512 + 28, 4, entries);
	recipe_put_be(image, 512 + 32, 4, 512);
	recipe_fix_dynamic(image, 512);
	disk = open_over(image, NULL, 0);
	cr_expect_eq(vhdx_get_usage(disk, 0, &usage, NULL), VHDX_OK);
	cr_expect_eq(usage.blocks_damaged, entries);
	(void)vhdx_close(disk);
	memfile_free(image);
}
