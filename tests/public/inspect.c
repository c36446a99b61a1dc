/* SPDX-License-Identifier: MIT */
/*
 * vhdx_inspect on healthy images of every kind, its values and options. With $VHDX_SAMPLES, a directory, the images of other
 * writers in it are healthy too, as far as they open.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "public/inspected.h"
#include "support/content.h"

#define MIB RECIPE_MIB

static struct memfile *create(enum vhdx_format format, enum vhdx_type type, uint32_t block_size, uint32_t sector_size,
			      struct memfile *parent)
{
	static const struct content_run runs[] = { { 0, 5000, 3 }, { 5 * MIB, 3 * MIB, 4 }, { 15 * MIB, 512, 5 } };
	struct content content = { .size = 16 * MIB + 4096, .runs = runs, .count = 3 };
	struct vhdx_source source = content_source(&content, true);
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "test.img");
	struct vhdx_error error;
	vhdx_disk *disk = NULL;

	options.format = format;
	options.type = type;
	options.block_size = block_size;
	options.logical_sector_size = sector_size;
	if (parent != NULL) {
		cr_assert_eq(test_open_chain(&disk, &parent, 1, 0, NULL), VHDX_OK);
		options.parent = disk;
		options.parent_relative = ".\\parent.img";
		options.parent_absolute = "\\\\?\\C:\\parent.img";
	} else {
		options.size = content.size;
		options.source = &source;
	}
	cr_assert(vhdx_create_file(&file, &options, &error) == VHDX_OK, "%s", error.message);
	vhdx_close(disk);
	return m;
}

static void check_created(enum vhdx_format format, uint32_t block_size, uint32_t sector_size)
{
	struct memfile *fixed = create(format, VHDX_TYPE_FIXED, format == VHDX_FORMAT_VHD ? 0 : block_size, sector_size, NULL);
	struct memfile *dynamic = create(format, VHDX_TYPE_DYNAMIC, block_size, sector_size, NULL);
	struct memfile *child = create(format, VHDX_TYPE_DIFFERENCING, block_size, sector_size, dynamic);

	expect_clean(fixed);
	expect_clean(dynamic);
	expect_clean(child);
	memfile_free(fixed);
	memfile_free(dynamic);
	memfile_free(child);
}

Test(inspect, what_we_create_is_clean)
{
	check_created(VHDX_FORMAT_VHDX, 0, 512);
	check_created(VHDX_FORMAT_VHDX, 1u << 20, 4096);
	check_created(VHDX_FORMAT_VHDX, 256u << 20, 512);
	check_created(VHDX_FORMAT_VHD, 0, 0);
	check_created(VHDX_FORMAT_VHD, 512 * 1024, 0);
}

static void check_value(struct memfile *m, const char *structure, uint64_t index, const char *name, const char *value)
{
	const char *found = field_of(m, structure, index, name);

	cr_assert_str_eq(found, value, "%s.%s is \"%s\", not \"%s\"", structure, name, found, value);
}

Test(inspect, values_of_a_vhdx)
{
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m = recipe_vhdx_new(&knobs, NULL);

	check_value(m, "vhdx_file_identifier", 0, "signature", "vhdxfile");
	check_value(m, "vhdx_file_identifier", 0, "creator", "recipe");
	check_value(m, "vhdx_file_identifier", 0, "reserved", "65016 zero bytes");
	check_value(m, "vhdx_header", 0, "sequence_number", "7 (not current)");
	check_value(m, "vhdx_header", 1, "sequence_number", "8 (current: the greater one)");
	check_value(m, "vhdx_header", 1, "log_length", "1048576 (0x100000)");
	check_value(m, "vhdx_header", 1, "log_offset", "0x100000");
	check_value(m, "vhdx_header", 1, "file_write_guid", "f1000000-0000-0000-0000-000000000000");
	check_value(m, "vhdx_region_entry", 0, "guid", "2dc27766-f623-4200-9d64-115e9bfd4a08 (BAT)");
	check_value(m, "vhdx_region_entry", 0, "required", "0x1 (is_required)");
	check_value(m, "vhdx_metadata_entry", 1, "flags", "0x6 (is_virtual_disk, is_required)");
	check_value(m, "vhdx_metadata_entry", 1, "item_id", "2fa54224-cd1b-4876-b211-5dbed83bf4b8 (Virtual Disk Size)");
	check_value(m, "vhdx_virtual_disk_size", 0, "size", "16777216 (0x1000000)");
	check_value(m, "vhdx_logical_sector_size", 0, "size", "512");
	recipe_put(m, 520 + 300, 4, 0x01020304);
	check_value(m, "vhdx_file_identifier", 0, "reserved",
		    "65016 bytes, the first that is not zero at 300: 04 03 02 01 00 00 00 00 00 00 00 00 00 00 00 00 ...");
	memfile_write(m, 8, "\x3d\xd8\xbf\xdc\xe9\0\0", 8); /* a surrogate pair, then e with acute */
	check_value(m, "vhdx_file_identifier", 0, "creator", "\xf0\x9f\x92\xbf\xc3\xa9");
	memfile_free(m);
}

Test(inspect, values_of_a_vhd)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct memfile *m = recipe_vhd_new(&knobs, NULL);
	uint64_t footer = memfile_size(m) - 512;

	check_value(m, "vhd_footer", 0, "cookie", "conectix");
	check_value(m, "vhd_footer", 0, "features", "0x2 (reserved_set)");
	check_value(m, "vhd_footer", 0, "file_format_version", "1.0 (0x00010000)");
	check_value(m, "vhd_footer", 1, "time_stamp", "2017-01-04T18:48:32Z (536870912)");
	check_value(m, "vhd_footer", 0, "creator_application", "win  (Windows)");
	check_value(m, "vhd_footer", 0, "disk_type", "3 (dynamic)");
	check_value(m, "vhd_footer", 0, "unique_id", "1d000000-0000-0000-0000-000000000000");
	check_value(m, "vhd_dynamic_header", 0, "table_offset", "0x600");
	check_value(m, "vhd_dynamic_header", 0, "block_size", "2097152 (0x200000)");
	check_value(m, "vhd_dynamic_header", 0, "parent_time_stamp", "0");
	recipe_put_be(m, footer + 24, 4, 0);
	recipe_put_be(m, footer + 28, 4, 0x61006200);
	check_value(m, "vhd_footer", 0, "time_stamp", "2000-01-01T00:00:00Z (0)");
	check_value(m, "vhd_footer", 0, "creator_application", "a\\x00b\\x00");
	recipe_put_be(m, footer + 24, 4, 5097600); /* 59 days */
	check_value(m, "vhd_footer", 0, "time_stamp", "2000-02-29T00:00:00Z (5097600)");
	recipe_put_be(m, footer + 24, 4, 0xFFFFFFFF);
	check_value(m, "vhd_footer", 0, "time_stamp", "2136-02-07T06:28:15Z (4294967295)");
	memfile_free(m);
}

Test(inspect, what_is_no_image)
{
	static struct inspected i;
	struct memfile *m = memfile_new(), *other;
	uint8_t footer[512];

	inspect_now(&i, m, 0);
	cr_assert_eq(i.status, VHDX_E_NOT_IMAGE);
	recipe_fill(m, 0, 5 * MIB, 0, 9);
	inspect_now(&i, m, 0);
	cr_assert_eq(i.status, VHDX_E_NOT_IMAGE);
	cr_assert_eq(i.error.status, VHDX_E_NOT_IMAGE);
	cr_assert_str_eq(i.error.file, "test.img");
	cr_assert_eq(i.fields + i.found_count, 0);
	memfile_free(m);
	/* what both formats may claim is refused by an open, and shown */
	other = create(VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 0, 0, NULL);
	memfile_read(other, memfile_size(other) - 512, footer, 512);
	memfile_free(other);
	m = create(VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 0, 512, NULL);
	memfile_write(m, memfile_size(m) - 512, footer, 512);
	expect_open_fails(m, VHDX_E_NOT_IMAGE, "");
	expect_found(m, VHDX_SEVERITY_ERROR, "", memfile_size(m) - 512);
	memfile_free(m);
}

static int note_part(void *context, const struct vhdx_field *field)
{
	*(unsigned *)context |= (unsigned)field->part;
	return 0;
}

Test(inspect, parts)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL } };
	struct recipe_entry entries[] = { { .at = RECIPE_NEXT, .tail = RECIPE_SELF, .sequence_number = 1 } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct memfile *m;
	struct vhdx_file file;
	struct vhdx_error error;

	knobs.blocks = blocks;
	knobs.block_count = 1;
	knobs.log_guid = recipe_guid(3);
	knobs.entries = entries;
	knobs.entry_count = 1;
	m = recipe_vhdx_new(&knobs, NULL);
	file = memfile_file(m, NULL);
	for (unsigned parts = 1; parts <= VHDX_PART_ALL; parts++) {
		unsigned seen = 0;

		options.parts = parts;
		options.on_field = note_part;
		options.context = &seen;
		cr_assert_eq(vhdx_inspect(&file, &options, &error), VHDX_OK);
		cr_assert_eq(seen, parts);
	}
	options.parts = 32;
	cr_assert_eq(vhdx_inspect(&file, &options, &error), VHDX_E_ARGUMENT);
	cr_assert_eq(vhdx_inspect(NULL, NULL, &error), VHDX_E_ARGUMENT);
	cr_assert_eq(vhdx_inspect(&file, NULL, NULL), VHDX_OK);
	options.parts = 0;
	options.on_field = NULL;
	cr_assert_eq(vhdx_inspect(&file, &options, NULL), VHDX_OK);
	memfile_free(m);
}

/* What a healthy disk takes. */
Test(inspect, memory_of_a_healthy_disk)
{
	struct memfile *m = create(VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 1u << 20, 512, NULL);
	static struct inspected i;

	inspect_now(&i, m, 0);
	cr_assert_lt(i.peak_bytes, MIB);
	memfile_free(m);
}

static int count_finding(void *context, const struct vhdx_finding *finding)
{
	((unsigned *)context)[finding->severity]++;
	return 0;
}

/* An image of another writer: it opens and has no error and no warning, or does neither. */
static void check_sample(const char *path)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_open_options open_options = VHDX_OPEN_OPTIONS_INIT;
	unsigned counts[3] = { 0 };
	struct vhdx_file file;
	struct vhdx_error error;
	vhdx_disk *disk = NULL;
	int status;

	open_options.flags = VHDX_OPEN_NO_PARENTS;
	status = vhdx_open(&disk, path, &open_options, &error);
	vhdx_close(disk);
	options.on_finding = count_finding;
	options.context = counts;
	cr_assert_eq(vhdx_file_open(&file, path, 0, &error), VHDX_OK);
	cr_assert_eq(vhdx_inspect(&file, &options, &error), VHDX_OK, "%s: %s", path, error.message);
	vhdx_file_close(&file);
	cr_assert_eq(status == VHDX_E_DAMAGED, counts[VHDX_SEVERITY_ERROR] != 0, "%s", path);
	cr_assert_eq(counts[VHDX_SEVERITY_WARNING], 0, "%s", path);
}

Test(inspect, images_of_other_writers)
{
	const char *directory = getenv("VHDX_SAMPLES");
	DIR *entries = directory != NULL ? opendir(directory) : NULL;
	struct dirent *entry;
	char path[4096];

	if (entries == NULL)
		cr_skip_test("VHDX_SAMPLES is not set");
	while ((entry = readdir(entries)) != NULL) {
		if (strstr(entry->d_name, ".vhd") == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		check_sample(path);
	}
	closedir(entries);
}
