/* SPDX-License-Identifier: MIT */
/* What creation refuses and what it just allows; children; files of the host. Layer: tests/public. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "public/creating.h"
#include "support/hostdir.h"

/* Fails with this status and leaves the file as it was: empty. */
static void expect_refused(struct vhdx_create_options o, int status)
{
	struct memfile *m = memfile_new();
	struct vhdx_error e = { .status = 0 };
	int found = create_into(m, o, &e);

	cr_expect(found == status && e.status == status && e.message[0] != '\0', "%s: %s", vhdx_status_name(found), e.message);
	cr_expect(memfile_size(m) == 0 && memfile_count(m, MEMFILE_WRITE) + memfile_count(m, MEMFILE_SET_SIZE) == 0);
	memfile_free(m);
}

static struct vhdx_create_options options_of(enum vhdx_format format, uint64_t size)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;

	o.format = format;
	o.size = size;
	return o;
}

static void expect_size(struct vhdx_create_options o)
{
	struct memfile *m = create_or_die(o);
	vhdx_disk *disk = open_created(m);

	cr_expect(vhdx_disk_size(disk) == o.size);
	expect_zeros(disk, o.size - 512, 512);
	vhdx_close(disk);
	memfile_free(m);
}

Test(create_limits, sizes)
{
	struct vhdx_create_options o = options_of(VHDX_FORMAT_VHDX, 0);
	const uint64_t tib64 = UINT64_C(64) << 40, gib2040 = UINT64_C(2040) << 30;

	expect_refused(o, VHDX_E_ARGUMENT);
	expect_size(options_of(VHDX_FORMAT_VHDX, 512));
	expect_size(options_of(VHDX_FORMAT_VHDX, tib64));
	expect_refused(options_of(VHDX_FORMAT_VHDX, tib64 + 512), VHDX_E_RANGE);
	expect_refused(options_of(VHDX_FORMAT_VHDX, UINT64_MAX - 511), VHDX_E_RANGE);
	expect_size(options_of(VHDX_FORMAT_VHD, 512));
	expect_size(options_of(VHDX_FORMAT_VHD, gib2040));
	expect_refused(options_of(VHDX_FORMAT_VHD, gib2040 + 512), VHDX_E_RANGE);
	expect_refused(options_of(VHDX_FORMAT_VHD, UINT64_MAX - 511), VHDX_E_RANGE);
	expect_refused(options_of(VHDX_FORMAT_VHDX, 1000), VHDX_E_ALIGNMENT);
	expect_refused(options_of(VHDX_FORMAT_VHD, 511), VHDX_E_ALIGNMENT);
	o.size = RECIPE_MIB + 512;
	o.logical_sector_size = 4096;
	expect_refused(o, VHDX_E_ALIGNMENT);
	o.size = RECIPE_MIB + 4096;
	expect_size(o);
}

Test(create_limits, options)
{
	static const uint32_t blocks[] = { 1, 512, 512 << 10, (1u << 20) + 1, 3u << 20, 512u << 20, UINT32_MAX };
	static const uint32_t sectors[][2] = { { 1024, 4096 }, { 512, 1024 }, { 4096, 512 },
					       { 8192, 8192 }, { 511, 512 },  { 256, 512 } };
	struct vhdx_create_options o;

	for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
		o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);
		o.block_size = blocks[i];
		expect_refused(o, VHDX_E_ARGUMENT);
	}
	for (size_t i = 0; i < sizeof(sectors) / sizeof(sectors[0]); i++) {
		o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);
		o.logical_sector_size = sectors[i][0];
		o.physical_sector_size = sectors[i][1];
		expect_refused(o, VHDX_E_ARGUMENT);
	}
	o = options_of((enum vhdx_format)4, RECIPE_MIB);
	expect_refused(o, VHDX_E_ARGUMENT);
	o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);
	o.log_length = 4096;
	expect_refused(o, VHDX_E_ARGUMENT);
	o.log_length = 3u << 20;
	expect_size(o);
	o = options_of(VHDX_FORMAT_VHD, RECIPE_MIB);
	o.log_length = 1u << 20;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = options_of(VHDX_FORMAT_VHD, RECIPE_MIB);
	o.preallocation = VHDX_PREALLOCATE_FULL;
	o.type = VHDX_TYPE_FIXED;
	o.file_flags = VHDX_FILE_SPARSE;
	expect_refused(o, VHDX_E_ARGUMENT);
	o.type = VHDX_TYPE_ANY;
	o.file_flags = 0;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);
	o.type = VHDX_TYPE_DIFFERENCING;
	expect_refused(o, VHDX_E_ARGUMENT);
}

Test(create_limits, defaults)
{
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct memfile *m;
	vhdx_disk *disk;

	o.size = UINT64_C(1) << 30;
	m = create_or_die(o);
	disk = open_created(m);
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	cr_expect(info.format == VHDX_FORMAT_VHDX && info.type == VHDX_TYPE_DYNAMIC && info.block_size == 32u << 20);
	cr_expect(info.logical_sector_size == 512 && info.physical_sector_size == 4096 && info.log_length == 1u << 20);
	cr_expect_str_eq(info.creator, "libvhdx " VHDX_VERSION_STRING);
	vhdx_close(disk);
	memfile_free(m);
}

Test(create_limits, creator)
{
	struct vhdx_create_options o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);
	char text[300];
	struct vhdx_info info = VHDX_INFO_INIT;
	struct memfile *m;
	vhdx_disk *disk;

	memset(text, 'c', sizeof(text));
	text[256] = '\0';
	o.creator = text;
	expect_refused(o, VHDX_E_ARGUMENT);
	text[255] = '\0';
	m = create_or_die(o);
	disk = open_created(m);
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	cr_expect_str_eq(info.creator, text);
	vhdx_close(disk);
	memfile_free(m);
	o.creator = "caf\xC3\xA9 \xF0\x9F\x98\x80";
	m = create_or_die(o);
	disk = open_created(m);
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	cr_expect_str_eq(info.creator, o.creator);
	vhdx_close(disk);
	memfile_free(m);
	o.creator = "no UTF-8: \xC3(";
	expect_refused(o, VHDX_E_ARGUMENT);
	o.creator = "";
	memfile_free(create_or_die(o));
}

Test(create_limits, sources)
{
	struct content c = { .size = 2 * RECIPE_MIB };
	struct vhdx_source source = content_source(&c, true);
	struct vhdx_create_options o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);

	o.source = &source;
	expect_refused(o, VHDX_E_ARGUMENT);
	o.size = 2 * RECIPE_MIB - 512;
	expect_refused(o, VHDX_E_ARGUMENT);
	o.size = 2 * RECIPE_MIB;
	memfile_free(create_or_die(o));
	o.size = 0;
	c.size = source.size = 0; /* nothing, and no size either */
	expect_refused(o, VHDX_E_ARGUMENT);
}

Test(create_limits, files_that_are_not_empty)
{
	for (unsigned i = 0; i < 2; i++) {
		struct memfile *m = memfile_new(), *before;
		struct vhdx_error e = { .status = 0 };

		memfile_write(m, 0, "x", 1);
		before = memfile_copy(m);
		cr_expect(create_into(m, options_of(i == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD, RECIPE_MIB), &e) ==
			  VHDX_E_EXISTS);
		cr_expect(memfile_equal(m, before, NULL) && memfile_count(m, MEMFILE_SET_SIZE) == 0);
		cr_expect_str_eq(e.file, "new");
		memfile_free(m);
		memfile_free(before);
	}
}

/* A parent in memory with one block of data. */
static struct memfile *make_parent(enum vhdx_format format, uint32_t sector_size)
{
	struct content_run run = { 0, RECIPE_MIB, 44 };
	struct content c = { .size = 4 * RECIPE_MIB, .runs = &run, .count = 1 };
	struct vhdx_source source = content_source(&c, true);
	struct vhdx_create_options o = options_of(format, 0);

	o.logical_sector_size = sector_size;
	o.source = &source;
	return create_or_die(o);
}

Test(create_limits, children)
{
	static const struct {
		enum vhdx_format format;
		uint32_t sector_size;
	} cases[] = { { VHDX_FORMAT_VHDX, 512 }, { VHDX_FORMAT_VHDX, 4096 }, { VHDX_FORMAT_VHD, 512 } };

	for (unsigned i = 0; i < 3; i++) {
		static const uint32_t vhdx_blocks[] = { 1u << 20, 2u << 20, 32u << 20, 256u << 20 },
				      vhd_blocks[] = { 512, 65536, 2u << 20, 256u << 20 };
		struct memfile *parent = make_parent(cases[i].format, cases[i].sector_size);
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct vhdx_info base = VHDX_INFO_INIT;
		vhdx_disk *disk = open_created(parent);

		cr_assert(vhdx_get_info(disk, 0, &base, NULL) == VHDX_OK);
		o.parent = disk;
		o.parent_relative = ".\\p";
		for (unsigned b = 0; b < 5; b++)
			for (unsigned larger = 0; larger < 2; larger++) {
				struct vhdx_info info = VHDX_INFO_INIT;
				struct memfile *files[2] = { NULL, parent };
				struct vhdx_error e = { .status = 0 };
				vhdx_disk *chain = NULL;

				o.block_size = b == 4 ? 0 : cases[i].format == VHDX_FORMAT_VHD ? vhd_blocks[b] : vhdx_blocks[b];
				o.size = larger ? 6 * RECIPE_MIB : 0;
				files[0] = create_in_memory(o, 7, &e); /* other random numbers than the parent's */
				cr_assert(files[0] != NULL, "%s", e.message);
				cr_assert(test_open_chain(&chain, files, 2, 0, NULL) == VHDX_OK);
				cr_assert(vhdx_get_info(chain, 0, &info, NULL) == VHDX_OK);
				cr_expect(info.type == VHDX_TYPE_DIFFERENCING && info.format == cases[i].format);
				cr_expect(info.block_size == (b == 4 ? 2u << 20 : o.block_size) &&
					  info.logical_sector_size == cases[i].sector_size);
				cr_expect(info.virtual_size == (larger ? 6 : 4) * RECIPE_MIB);
				cr_expect_arr_eq(info.parent_identity.bytes, base.data_identity.bytes, 16);
				cr_expect_arr_neq(info.data_identity.bytes, base.data_identity.bytes, 16);
				if (cases[i].format == VHDX_FORMAT_VHDX)
					cr_expect_arr_eq(info.disk_id.bytes, base.disk_id.bytes, 16, "VHDX-168");
				expect_pattern(chain, 0, RECIPE_MIB, 44);
				expect_zeros(chain, RECIPE_MIB, info.virtual_size - RECIPE_MIB);
				vhdx_close(chain);
				memfile_free(files[0]);
			}
		vhdx_close(disk);
		memfile_free(parent);
	}
}

Test(create_limits, children_that_cannot_be)
{
	struct memfile *parent = make_parent(VHDX_FORMAT_VHDX, 512), *raw = memfile_new();
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file raw_file = memfile_file(raw, "raw");
	struct content c = { .size = 4 * RECIPE_MIB };
	struct vhdx_source source = content_source(&c, true);
	struct vhdx_create_options good = VHDX_CREATE_OPTIONS_INIT, o;
	vhdx_disk *disk = open_created(parent), *raw_disk = NULL;

	good.parent = disk;
	good.parent_relative = ".\\p";
	memfile_free(create_or_die(good));
	o = good, o.size = 4 * RECIPE_MIB - 512;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = good, o.type = VHDX_TYPE_DYNAMIC;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = good, o.format = VHDX_FORMAT_VHD;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = good, o.source = &source;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = good, o.logical_sector_size = 4096;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = good, o.parent_relative = NULL;
	expect_refused(o, VHDX_E_ARGUMENT);
	o = good, o.parent_relative = "";
	cr_expect(create_into(raw, o, NULL) == VHDX_E_ARGUMENT && !holds_an_image(raw));
	o = good, o.parent_relative = "no UTF-8 \xFF";
	cr_expect(create_into(raw, o, NULL) == VHDX_E_ARGUMENT && !holds_an_image(raw));
	memfile_set_size(raw, RECIPE_MIB); /* B-37: raw has no identity that a child could name */
	options.format = VHDX_FORMAT_RAW;
	cr_assert(vhdx_open_file(&raw_disk, &raw_file, &options, NULL) == VHDX_OK);
	o = good, o.parent = raw_disk;
	expect_refused(o, VHDX_E_ARGUMENT);
	o.format = VHDX_FORMAT_VHDX;
	expect_refused(o, VHDX_E_ARGUMENT);
	vhdx_close(raw_disk);
	vhdx_close(disk);
	memfile_free(parent);
	memfile_free(raw);
}

/* Finds a metadata item by the bytes of its id; the file offset of its entry, or 0. */
static uint64_t find_item(const struct memfile *m, const struct vhdx_guid *id)
{
	for (uint64_t table = RECIPE_MIB; table < 8 * RECIPE_MIB; table += RECIPE_MIB)
		if (recipe_get(m, table, 8) == UINT64_C(0x617461646174656D)) /* "metadata" */
			for (uint64_t i = 0; i < recipe_get(m, table + 10, 2); i++) {
				struct vhdx_guid found = recipe_get_guid(m, table + 32 + 32 * i);

				if (memcmp(&found, id, sizeof(found)) == 0)
					return table + 32 + 32 * i;
			}
	return 0;
}

/* VHDX-154: what describes the virtual disk goes to the child, known or not; what describes the file stays. */
Test(create_limits, unknown_items_of_the_disk_are_inherited)
{
	static const uint8_t value[] = "what this is nobody here knows";
	struct recipe_item items[] = {
		{ recipe_guid(61), 2, value, sizeof(value) },
		{ recipe_guid(62), 0, value, sizeof(value) },
		{ recipe_guid(63), 3, value, sizeof(value) - 7 },
		{ recipe_guid(64), 1, value, sizeof(value) },
		{ recipe_guid(65), 2, value, 0 },
	};
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *parent, *child;
	vhdx_disk *disk;

	k.items = items;
	k.item_count = 5;
	parent = recipe_vhdx_new(&k, NULL);
	disk = open_created(parent);
	o.parent = disk;
	o.parent_relative = ".\\p";
	child = create_or_die(o);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t entry = find_item(child, &items[i].id), table = entry / RECIPE_MIB * RECIPE_MIB;
		uint8_t found[sizeof(value)];

		cr_assert(find_item(parent, &items[i].id) != 0);
		cr_expect((entry != 0) == ((items[i].flags & 2) != 0), "item %u", i);
		if (entry == 0)
			continue;
		cr_expect(recipe_get(child, entry + 20, 4) == items[i].length &&
			  recipe_get(child, entry + 24, 4) == items[i].flags);
		memfile_read(child, table + recipe_get(child, entry + 16, 4), found, items[i].length);
		cr_expect(items[i].length == 0 || memcmp(found, value, items[i].length) == 0);
	}
	expect_pair_opens(child, parent);
	vhdx_close(disk);
	memfile_free(parent);
	memfile_free(child);
}

/* On the host */

static vhdx_disk *open_on_host(const char *path)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	options.open_parent = vhdx_resolve_parent;
	cr_assert(vhdx_open(&disk, path, &options, &e) == VHDX_OK, "%s: %s", path, e.message);
	return disk;
}

/* Children beside, above, below and aside of their parent find it by the path that was made for them. */
Test(create_limits, paths_between_host_files)
{
	static const struct {
		const char *parent, *child, *stored;
	} cases[] = {
		{ "p.x", "c.x", ".\\p.x" },          { "a/p.x", "c.x", ".\\a\\p.x" },     { "p.x", "a/c.x", "..\\p.x" },
		{ "a/p.x", "b/c.x", "..\\a\\p.x" },  { "a/p.x", "ab/c.x", "..\\a\\p.x" }, { "ab/p.x", "a/c.x", "..\\ab\\p.x" },
		{ "a/b/p.x", "a/c.x", ".\\b\\p.x" }, { "a/p.x", "a/b/c.x", "..\\p.x" },
	};

	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct content_run run = { 0, 5000, 3 };
		struct content c = { .size = RECIPE_MIB, .runs = &run, .count = 1 };
		struct vhdx_source source = content_source(&c, true);
		struct vhdx_create_options o = options_of(i % 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD, 0);
		const struct vhdx_parent_path *paths;
		struct vhdx_error e = { .status = 0 };
		struct hostdir d;
		vhdx_disk *disk;
		size_t count;

		hostdir_start(&d);
		hostdir_make(&d, "a");
		hostdir_make(&d, "a/b");
		hostdir_make(&d, "b");
		hostdir_make(&d, "ab");
		o.source = &source;
		cr_assert(vhdx_create(hostdir_path(&d, cases[i / 2].parent), &o, &e) == VHDX_OK, "%s", e.message);
		o = options_of(VHDX_FORMAT_ANY, 0);
		o.parent = open_on_host(hostdir_path(&d, cases[i / 2].parent));
		cr_assert(vhdx_create(hostdir_path(&d, cases[i / 2].child), &o, &e) == VHDX_OK, "%s", e.message);
		vhdx_close(o.parent);
		disk = open_on_host(hostdir_path(&d, cases[i / 2].child));
		paths = vhdx_parent_paths(disk, 0, &count);
		cr_assert(count >= 1);
		cr_expect_str_eq(paths[0].text, cases[i / 2].stored);
		content_expect(disk, &c);
		vhdx_close(disk);
		hostdir_end(&d);
	}
}

#if defined(_WIN32) /* which has neither, as far as a test may make them */
#define lstat stat
#define hostdir_link(d, name, target) hostdir_make(d, name)
#endif

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int stop(void *context, uint64_t done, uint64_t total)
{
	(void)context;
	(void)done;
	(void)total;
	return 1;
}

/* Never over something that is there; after a failure nothing is there. */
Test(create_limits, host_files_that_exist_or_fail)
{
	struct content_run run = { 0, RECIPE_MIB, 3 };
	struct content c = { .size = RECIPE_MIB, .runs = &run, .count = 1, .fail_at = 4096 };
	struct vhdx_source source = content_source(&c, true);
	struct vhdx_create_options o = options_of(VHDX_FORMAT_VHDX, RECIPE_MIB);
	struct vhdx_error e = { .status = 0 };
	struct stat before, after;
	struct hostdir d;
	vhdx_disk *disk;

	hostdir_start(&d);
	hostdir_make(&d, "directory");
	hostdir_link(&d, "dangling", "nowhere");
	cr_assert(vhdx_create(hostdir_path(&d, "x"), &o, &e) == VHDX_OK);
	cr_assert(stat(hostdir_path(&d, "x"), &before) == 0);
	cr_expect(vhdx_create(hostdir_path(&d, "x"), &o, &e) == VHDX_E_EXISTS);
	cr_expect_str_eq(e.file, hostdir_path(&d, "x"));
	cr_assert(stat(hostdir_path(&d, "x"), &after) == 0 && after.st_size == before.st_size && after.st_ino == before.st_ino);
	cr_expect(vhdx_create(hostdir_path(&d, "directory"), &o, &e) == VHDX_E_EXISTS && exists(hostdir_path(&d, "directory")));
	cr_expect(vhdx_create(hostdir_path(&d, "dangling"), &o, &e) == VHDX_E_EXISTS && exists(hostdir_path(&d, "dangling")),
		  "not through a link");
	cr_expect(vhdx_create(hostdir_path(&d, "absent/x"), &o, &e) == VHDX_E_NOT_FOUND);
	o.source = &source;
	cr_expect(vhdx_create(hostdir_path(&d, "y"), &o, &e) == VHDX_E_IO && !exists(hostdir_path(&d, "y")));
	c.fail_at = 0;
	source = content_source(&c, true);
	o.on_progress = stop;
	cr_expect(vhdx_create(hostdir_path(&d, "y"), &o, &e) == VHDX_E_CANCELLED && !exists(hostdir_path(&d, "y")));
	o = options_of(VHDX_FORMAT_VHDX, 1000);
	cr_expect(vhdx_create(hostdir_path(&d, "y"), &o, &e) == VHDX_E_ALIGNMENT && !exists(hostdir_path(&d, "y")));
	disk = open_on_host(hostdir_path(&d, "x"));
	vhdx_close(disk);
	hostdir_end(&d);
}

#if !defined(_WIN32)
/* B-38 of the host: sparse where it can be, allocated where it was asked for. */
Test(create_limits, space_on_the_host)
{
	for (unsigned i = 0; i < 4; i++) {
		struct vhdx_create_options o = options_of(i % 2 == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD, 8 * RECIPE_MIB);
		struct vhdx_error e = { .status = 0 };
		struct stat st;
		struct hostdir d;

		hostdir_start(&d);
		o.type = VHDX_TYPE_FIXED;
		o.block_size = i % 2 == 0 ? 1u << 20 : 0;
		o.preallocation = i < 2 ? VHDX_PREALLOCATE_NONE : VHDX_PREALLOCATE_FULL;
		cr_assert(vhdx_create(hostdir_path(&d, "f"), &o, &e) == VHDX_OK, "%s", e.message);
		cr_assert(stat(hostdir_path(&d, "f"), &st) == 0 && st.st_size > 8 << 20);
		cr_expect((st.st_blocks * 512 >= 8 << 20) == (i >= 2), "%ld blocks", (long)st.st_blocks);
		vhdx_close(open_on_host(hostdir_path(&d, "f")));
		hostdir_end(&d);
	}
}
#endif
