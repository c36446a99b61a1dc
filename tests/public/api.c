/* SPDX-License-Identifier: MIT */
/* The contract of vhdx.h: errors, outputs, sizes of structs, ranges, names, files, closing. Layer: tests/public. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/chains.h"
#include "support/expect.h"
#include "support/hostdir.h"

static struct memfile *sample(void)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .seed = 8 },
						      { .index = 5, .state = RECIPE_FULL, .seed = 8 } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	k.blocks = blocks;
	k.block_count = 2;
	return recipe_vhdx_new(&k, NULL);
}

Test(api, version_and_names)
{
	static const int statuses[] = {
		VHDX_OK,
		VHDX_E_ARGUMENT,
		VHDX_E_RANGE,
		VHDX_E_ALIGNMENT,
		VHDX_E_NOT_IMAGE,
		VHDX_E_DAMAGED,
		VHDX_E_UNSUPPORTED,
		VHDX_E_NEEDS_REPLAY,
		VHDX_E_PARENT_MISSING,
		VHDX_E_PARENT_MISMATCH,
		VHDX_E_PARENT_DENIED,
		VHDX_E_CHAIN,
		VHDX_E_READ_ONLY,
		VHDX_E_NO_SPACE,
		VHDX_E_LOCKED,
		VHDX_E_EXISTS,
		VHDX_E_NOT_FOUND,
		VHDX_E_DENIED,
		VHDX_E_IO,
		VHDX_E_NO_MEMORY,
		VHDX_E_CANCELLED,
		VHDX_E_DEAD,
	};
	char version[40];

	(void)snprintf(version, sizeof(version), "%d.%d.%d", VHDX_VERSION_MAJOR, VHDX_VERSION_MINOR, VHDX_VERSION_PATCH);
	cr_expect_str_eq(vhdx_version(), version);
	cr_expect_str_eq(VHDX_VERSION_STRING, version);
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		cr_expect(statuses[i] == -(int)i, "numbers are never changed");
		cr_expect_str_neq(vhdx_status_name(statuses[i]), "unknown");
		for (size_t k = 0; k < i; k++)
			cr_expect_str_neq(vhdx_status_name(statuses[i]), vhdx_status_name(statuses[k]));
	}
	cr_expect_str_eq(vhdx_status_name(VHDX_E_DAMAGED), "damaged");
	cr_expect_str_eq(vhdx_status_name(1), "unknown");
	cr_expect_str_eq(vhdx_status_name(-1000), "unknown");
	cr_expect_str_eq(vhdx_format_name(VHDX_FORMAT_VHDX), "VHDX");
	cr_expect_str_eq(vhdx_format_name(VHDX_FORMAT_VHD), "VHD");
	cr_expect_str_eq(vhdx_format_name(VHDX_FORMAT_RAW), "raw");
	cr_expect_str_eq(vhdx_type_name(VHDX_TYPE_FIXED), "fixed");
	cr_expect_str_eq(vhdx_type_name(VHDX_TYPE_DYNAMIC), "dynamic");
	cr_expect_str_eq(vhdx_type_name(VHDX_TYPE_DIFFERENCING), "differencing");
}

Test(api, guids)
{
	static const char text[] = "2dc27766-f623-4200-9d64-115e9bfd4a08";
	static const char *const bad[] = { "",
					   "2dc27766",
					   "2dc27766-f623-4200-9d64-115e9bfd4a0",
					   "2dc27766-f623-4200-9d64-115e9bfd4a080",
					   "2dc27766-f623-4200-9d64-115e9bfd4a0g",
					   "{2dc27766-f623-4200-9d64-115e9bfd4a08",
					   "2dc27766-f623-4200-9d64-115e9bfd4a08}",
					   " 2dc27766-f623-4200-9d64-115e9bfd4a08",
					   "2dc27766f623-4200-9d64-115e9bfd4a08-",
					   "2dc27766-f6234200--9d64-115e9bfd4a08" };
	struct vhdx_guid guid, before;
	char out[VHDX_GUID_TEXT_SIZE];

	cr_assert(vhdx_guid_parse(&guid, text) == VHDX_OK);
	cr_expect(guid.bytes[0] == 0x2D && guid.bytes[3] == 0x66 && guid.bytes[4] == 0xF6 && guid.bytes[15] == 0x08,
		  "in the order of the text");
	vhdx_guid_format(&guid, out);
	cr_expect_str_eq(out, text);
	cr_assert(vhdx_guid_parse(&before, "{2DC27766-F623-4200-9D64-115E9BFD4A08}") == VHDX_OK);
	cr_expect_arr_eq(before.bytes, guid.bytes, 16);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_expect(vhdx_guid_parse(&guid, bad[i]) == VHDX_E_ARGUMENT, "%s", bad[i]);
		cr_expect_arr_eq(before.bytes, guid.bytes, 16, "written on success only");
	}
	cr_expect(vhdx_guid_parse(&guid, NULL) == VHDX_E_ARGUMENT);
}

Test(api, error_text)
{
	struct vhdx_error e = { .status = VHDX_E_DAMAGED,
				.rule = "VHDX-029",
				.file_offset = 0x10042,
				.file = "disk.vhdx",
				.message = "header version is 2, not 1" };
	char text[200], small[20];

	cr_expect(vhdx_error_text(&e, text, sizeof(text)) == text);
	cr_expect_str_eq(text, "disk.vhdx: at 0x10042: VHDX-029: header version is 2, not 1");
	(void)vhdx_error_text(&e, small, sizeof(small));
	cr_expect_str_eq(small, "disk.vhdx: at 0x100");
	e.rule[0] = e.file[0] = '\0';
	e.file_offset = VHDX_NO_OFFSET;
	cr_expect_str_eq(vhdx_error_text(&e, text, sizeof(text)), "header version is 2, not 1");
}

/* NULL for the error is accepted by every function, in success and failure; outputs stay as they are on failure. */
Test(api, null_errors_and_untouched_outputs)
{
	struct memfile *m = sample(), *junk = memfile_new();
	struct vhdx_file file = memfile_file(m, NULL), bad = memfile_file(junk, NULL), opened = { NULL, &opened, NULL },
			 before = opened;
	struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_extent extent, extent_before;
	struct vhdx_usage usage = VHDX_USAGE_INIT, usage_before;
	struct vhdx_info info = VHDX_INFO_INIT;
	vhdx_disk *disk, *const sentinel = (vhdx_disk *)(void *)&file;
	uint8_t byte = 0xA5;

	disk = sentinel;
	cr_expect(vhdx_open_file(&disk, &bad, NULL, NULL) == VHDX_E_NOT_IMAGE && disk == sentinel);
	cr_expect(vhdx_open(&disk, "no such file", NULL, NULL) == VHDX_E_NOT_FOUND && disk == sentinel);
	cr_expect(vhdx_open(&disk, "", NULL, NULL) == VHDX_E_ARGUMENT && disk == sentinel);
	cr_expect(vhdx_open(&disk, NULL, NULL, NULL) == VHDX_E_ARGUMENT && disk == sentinel);
	cr_expect(vhdx_open_file(&disk, NULL, NULL, NULL) == VHDX_E_ARGUMENT && disk == sentinel);
	cr_expect(vhdx_open_file(NULL, &file, NULL, NULL) == VHDX_E_ARGUMENT);
	cr_expect(vhdx_file_open(&opened, "no such file", 0, NULL) == VHDX_E_NOT_FOUND);
	cr_expect(vhdx_file_open(&opened, NULL, 0, NULL) == VHDX_E_ARGUMENT);
	cr_expect(memcmp(&opened, &before, sizeof(opened)) == 0);
	cr_assert(vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_OK && disk != sentinel);
	cr_expect(vhdx_read(disk, &byte, 1, vhdx_disk_size(disk), NULL) == VHDX_E_RANGE && byte == 0xA5);
	cr_expect(vhdx_read(disk, &byte, 1, RECIPE_MIB, NULL) == VHDX_OK);
	memset(&extent, 0x5A, sizeof(extent));
	extent_before = extent;
	cr_expect(vhdx_get_extent(disk, &extent, vhdx_disk_size(disk), 1, NULL) == VHDX_E_RANGE);
	cr_expect(vhdx_get_extent(disk, &extent, 0, 0, NULL) == VHDX_E_RANGE);
	cr_expect(memcmp(&extent, &extent_before, sizeof(extent)) == 0);
	cr_expect(vhdx_get_extent(disk, &extent, 0, 1, NULL) == VHDX_OK);
	memset(&usage, 0x5A, sizeof(usage));
	usage.struct_size = sizeof(usage);
	usage_before = usage;
	cr_expect(vhdx_get_usage(disk, 1, &usage, NULL) == VHDX_E_RANGE && memcmp(&usage, &usage_before, sizeof(usage)) == 0);
	cr_expect(vhdx_get_usage(disk, 0, &usage, NULL) == VHDX_OK);
	info.block_count = 77;
	cr_expect(vhdx_get_info(disk, 1, &info, NULL) == VHDX_E_RANGE && info.block_count == 77);
	cr_expect(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK && info.block_count == 16);
	cr_expect(vhdx_create_file(&bad, NULL, NULL) == VHDX_E_ARGUMENT);
	cr_expect(vhdx_create_file(&bad, &o, NULL) == VHDX_E_ARGUMENT, "no size");
	cr_expect(vhdx_create(NULL, &o, NULL) == VHDX_E_ARGUMENT && vhdx_create("", &o, NULL) == VHDX_E_ARGUMENT);
	cr_expect(vhdx_inspect(&bad, NULL, NULL) != VHDX_E_CANCELLED);
	vhdx_close(disk);
	vhdx_close(NULL);
	memfile_free(m);
	memfile_free(junk);
}

Test(api, files_need_their_functions)
{
	struct memfile *m = sample();
	struct vhdx_file file = memfile_file(m, NULL);
	struct vhdx_io io = *file.io;
	vhdx_disk *disk = NULL;

	file.io = NULL;
	cr_expect(vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_E_ARGUMENT);
	file.io = &io;
	io.read = NULL;
	cr_expect(vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_E_ARGUMENT);
	io = *memfile_file(m, NULL).io;
	io.get_size = NULL;
	cr_expect(vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_E_ARGUMENT);
	io = *memfile_file(m, NULL).io; /* reading needs these two alone */
	io.write = NULL, io.flush = NULL, io.set_size = NULL, io.zero = NULL, io.punch = NULL, io.reserve = NULL,
	io.extent = NULL;
	io.copy_range = NULL, io.identity = NULL, io.close = NULL;
	cr_assert(vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_OK);
	expect_pattern(disk, RECIPE_MIB, RECIPE_MIB, 8);
	vhdx_close(disk);
	cr_expect(memfile_count(m, MEMFILE_CLOSE) == 0);
	memfile_free(m);
}

Test(api, parents_without_a_list)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *m = sample();
	struct vhdx_file file = memfile_file(m, NULL);
	vhdx_disk *disk = NULL;

	options.parent_count = 1;
	cr_expect(vhdx_open_file(&disk, &file, &options, NULL) == VHDX_E_ARGUMENT);
	memfile_free(m);
}

/* A caller built with an older header has shorter structs: what it does not have is the default, and nothing is written behind its end. */
Test(api, shorter_structs)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_create_options create = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m = sample(), *created = memfile_new();
	struct vhdx_file file = memfile_file(m, NULL), new_file = memfile_file(created, NULL);
	struct vhdx_usage usage;
	struct vhdx_info info;
	struct testenv env;
	vhdx_disk *disk = NULL;
	size_t cut = offsetof(struct vhdx_info, block_size);

	memset((char *)&options + offsetof(struct vhdx_open_options, env), 0x5A,
	       sizeof(options) - offsetof(struct vhdx_open_options, env));
	options.struct_size = offsetof(struct vhdx_open_options, env);
	cr_assert(vhdx_open_file(&disk, &file, &options, NULL) == VHDX_OK);
	memset(&info, 0x5A, sizeof(info));
	info.struct_size = (uint32_t)cut;
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	cr_expect(info.virtual_size == 16 * RECIPE_MIB && info.struct_size == cut);
	for (size_t i = cut; i < sizeof(info); i++)
		cr_assert(((unsigned char *)&info)[i] == 0x5A);
	memset(&usage, 0x5A, sizeof(usage));
	usage.struct_size = (uint32_t)offsetof(struct vhdx_usage, blocks_partial);
	cr_assert(vhdx_get_usage(disk, 0, &usage, NULL) == VHDX_OK);
	cr_expect(usage.blocks_total == 16 && usage.blocks_present == 2);
	for (size_t i = offsetof(struct vhdx_usage, blocks_partial); i < sizeof(usage); i++)
		cr_assert(((unsigned char *)&usage)[i] == 0x5A);
	vhdx_close(disk);
	testenv_start(&env, 1);
	env.env.struct_size = offsetof(struct vhdx_env, random); /* an allocator alone */
	env.env.random = NULL;
	memset(&create, 0x5A, sizeof(create));
	create = (struct vhdx_create_options){ .struct_size = offsetof(struct vhdx_create_options, env),
					       .size = RECIPE_MIB,
					       .format = VHDX_FORMAT_VHD };
	cr_assert(vhdx_create_file(&new_file, &create, NULL) == VHDX_OK);
	options = (struct vhdx_open_options){ .struct_size = sizeof(options), .env = &env.env };
	cr_assert(vhdx_open_file(&disk, &new_file, &options, NULL) == VHDX_OK);
	cr_expect(atomic_load(&env.live) != 0);
	vhdx_close(disk);
	cr_expect(testenv_live(&env) == 0);
	memfile_free(m);
	memfile_free(created);
}

/* A struct of a later version is longer; what this version knows of it counts. */
Test(api, longer_structs)
{
	struct {
		struct vhdx_open_options options;
		uint64_t later[4];
	} open = { VHDX_OPEN_OPTIONS_INIT, { 1, 2, 3, 4 } };
	struct {
		struct vhdx_info info;
		uint64_t later[4];
	} out = { VHDX_INFO_INIT, { 1, 2, 3, 4 } };
	struct memfile *m = sample();
	struct vhdx_file file = memfile_file(m, NULL);
	vhdx_disk *disk = NULL;

	open.options.struct_size = sizeof(open);
	out.info.struct_size = sizeof(out);
	cr_assert(vhdx_open_file(&disk, &file, &open.options, NULL) == VHDX_OK);
	cr_assert(vhdx_get_info(disk, 0, &out.info, NULL) == VHDX_OK);
	cr_expect(out.info.virtual_size == 16 * RECIPE_MIB && out.later[0] == 1 && out.later[3] == 4);
	vhdx_close(disk);
	memfile_free(m);
}

/* B-23: inside is read, outside is VHDX_E_RANGE, and no arithmetic in between. */
static void expect_ranges(struct memfile *m)
{
	struct vhdx_file file = memfile_file(m, NULL);
	uint64_t size, state = 23;
	vhdx_disk *disk = NULL;
	uint8_t *buffer = malloc(70000);

	cr_assert(buffer != NULL && vhdx_open_file(&disk, &file, NULL, NULL) == VHDX_OK);
	size = vhdx_disk_size(disk);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t bases[] = { 0, size, size / 2, UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 32 };
		uint64_t offset = bases[test_random_below(&state, 6)] + test_random_below(&state, 5) - 2,
			 length = test_random_below(&state, 65540);
		struct vhdx_extent extent;
		bool inside;

		if (i % 4 == 0)
			length = test_random_below(&state, 4);
		if (i % 7 == 0)
			offset = size - length + test_random_below(&state, 3) - 1;
		inside = offset <= size && length <= size - offset;
		cr_assert(vhdx_read(disk, buffer, (size_t)length, offset, NULL) == (inside ? VHDX_OK : VHDX_E_RANGE), "%lu + %lu",
			  (unsigned long)offset, (unsigned long)length);
		cr_assert(vhdx_get_extent(disk, &extent, offset, length, NULL) ==
			  (inside && length != 0 ? VHDX_OK : VHDX_E_RANGE));
	}
	cr_expect(vhdx_read(disk, buffer, SIZE_MAX, 0, NULL) == VHDX_E_RANGE);
	cr_expect(vhdx_read(disk, buffer, SIZE_MAX, size, NULL) == VHDX_E_RANGE);
	cr_expect(vhdx_read(disk, buffer, SIZE_MAX, UINT64_MAX, NULL) == VHDX_E_RANGE);
	cr_expect(vhdx_read(disk, NULL, 0, size, NULL) == VHDX_OK, "nothing of nothing");
	cr_expect(vhdx_read(disk, NULL, 0, size + 1, NULL) == VHDX_E_RANGE);
	vhdx_close(disk);
	free(buffer);
	memfile_free(m);
}

Test(api, ranges)
{
	struct recipe_vhd fixed = RECIPE_VHD_INIT, dynamic = RECIPE_VHD_INIT;

	fixed.type = VHDX_TYPE_FIXED;
	fixed.size = RECIPE_MIB + 512;
	dynamic.size = RECIPE_MIB + 512;
	expect_ranges(sample());
	expect_ranges(recipe_vhd_new(&fixed, NULL));
	expect_ranges(recipe_vhd_new(&dynamic, NULL));
}

/* Raw is an image only for a caller who says so. */
Test(api, raw)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_info info = VHDX_INFO_INIT;
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "disk.raw");
	struct vhdx_error e = { .status = 0 };
	struct vhdx_extent extent;
	vhdx_disk *disk = NULL;

	memfile_set_size(m, 5 * RECIPE_MIB + 123);
	recipe_fill(m, RECIPE_MIB, RECIPE_MIB, RECIPE_MIB, 4);
	cr_expect(vhdx_open_file(&disk, &file, NULL, &e) == VHDX_E_NOT_IMAGE);
	cr_expect_str_eq(e.file, "disk.raw");
	options.format = VHDX_FORMAT_RAW;
	cr_assert(vhdx_open_file(&disk, &file, &options, &e) == VHDX_OK);
	cr_expect(vhdx_disk_size(disk) == 5 * RECIPE_MIB + 123 && vhdx_depth(disk) == 1);
	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK && info.format == VHDX_FORMAT_RAW);
	expect_zeros(disk, 0, RECIPE_MIB);
	expect_pattern(disk, RECIPE_MIB, RECIPE_MIB, 4);
	cr_assert(vhdx_get_extent(disk, &extent, 0, 5 * RECIPE_MIB + 123, NULL) == VHDX_OK);
	cr_expect(extent.kind == VHDX_EXTENT_HOLE && extent.length == RECIPE_MIB, "holes of the file are holes of the disk");
	vhdx_close(disk);
	memfile_free(m);
}

/* A file that is one format and asked for as another. */
Test(api, the_format_asked_for)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct memfile *files[2] = { sample(), recipe_vhd_new(&k, NULL) };
	static const enum vhdx_format formats[] = { VHDX_FORMAT_VHDX, VHDX_FORMAT_VHD };

	for (unsigned i = 0; i < 2; i++)
		for (unsigned k2 = 0; k2 < 2; k2++) {
			struct vhdx_file file = memfile_file(files[i], NULL);
			vhdx_disk *disk = NULL;

			options.format = formats[k2];
			cr_expect(vhdx_open_file(&disk, &file, &options, NULL) == (i == k2 ? VHDX_OK : VHDX_E_NOT_IMAGE));
			vhdx_close(disk);
		}
	memfile_free(files[0]);
	memfile_free(files[1]);
}

#if !defined(_WIN32) /* windows/host.c has the same with share modes */
Test(api, host_files)
{
	struct vhdx_error e = { .status = 0 };
	struct memfile *m = sample();
	struct vhdx_file file = { NULL, NULL, NULL }, second;
	struct hostdir d;

	hostdir_start(&d);
	hostdir_put(&d, "image", m);
	hostdir_make(&d, "directory");
	cr_assert(mkfifo(hostdir_path(&d, "fifo"), 0600) == 0);
	vhdx_file_close(&file); /* of a zeroed struct */
	vhdx_file_close(NULL);
	cr_expect(vhdx_file_open(&file, hostdir_path(&d, "directory"), 0, &e) == VHDX_E_NOT_IMAGE);
	cr_expect_str_eq(e.file, hostdir_path(&d, "directory"));
	cr_expect(vhdx_file_open(&file, hostdir_path(&d, "fifo"), 0, &e) == VHDX_E_NOT_IMAGE);
	cr_expect(vhdx_file_open(&file, "/dev/null", 0, &e) == VHDX_E_NOT_IMAGE);
	cr_expect(vhdx_file_open(&file, hostdir_path(&d, "image/below"), 0, &e) == VHDX_E_NOT_FOUND);
	cr_expect(vhdx_file_open(&file, hostdir_path(&d, "image"), VHDX_FILE_CREATE | VHDX_FILE_WRITE, &e) == VHDX_E_EXISTS &&
		  e.os_error == EEXIST);
	cr_assert(vhdx_file_open(&file, hostdir_path(&d, "image"), 0, &e) == VHDX_OK); /* readers share, writers do not */
	cr_assert(vhdx_file_open(&second, hostdir_path(&d, "image"), 0, &e) == VHDX_OK);
	vhdx_file_close(&second);
	cr_expect(vhdx_file_open(&second, hostdir_path(&d, "image"), VHDX_FILE_WRITE, &e) == VHDX_E_LOCKED);
	cr_assert(vhdx_file_open(&second, hostdir_path(&d, "image"), VHDX_FILE_WRITE | VHDX_FILE_NO_LOCK, &e) == VHDX_OK);
	vhdx_file_close(&second);
	vhdx_file_close(&file);
	cr_expect(file.io == NULL && file.handle == NULL);
	cr_assert(vhdx_file_open(&file, hostdir_path(&d, "image"), VHDX_FILE_WRITE, &e) == VHDX_OK);
	cr_expect(vhdx_file_open(&second, hostdir_path(&d, "image"), 0, &e) == VHDX_E_LOCKED);
	{
		struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
		vhdx_disk *disk = NULL;

		cr_expect(vhdx_open(&disk, hostdir_path(&d, "image"), &options, &e) == VHDX_E_LOCKED);
		options.flags = VHDX_OPEN_NO_LOCK;
		cr_expect(vhdx_open(&disk, hostdir_path(&d, "image"), &options, &e) == VHDX_OK);
		vhdx_close(disk);
		options.struct_size = offsetof(struct vhdx_open_options,
					       flags); /* flags that the caller does not have do not count */
		disk = NULL;
		cr_expect(vhdx_open(&disk, hostdir_path(&d, "image"), &options, &e) == VHDX_E_LOCKED);
		vhdx_close(disk);
	}
	vhdx_file_close(&file);
	memfile_free(m);
	hostdir_end(&d);
}
#endif

/* What info and the levels say of a chain. */
Test(api, levels_of_a_chain)
{
	struct chain_plan plan = { .format = VHDX_FORMAT_VHDX,
				   .base = VHDX_TYPE_FIXED,
				   .depth = 3,
				   .size = 4 * RECIPE_MIB,
				   .block_size = 1u << 20,
				   .blocks = 2,
				   .seed = 3 };
	struct chain chain;
	vhdx_disk *disk;
	size_t count = 99;

	chain_build(&chain, &plan);
	disk = chain_open(&chain, 0);
	for (unsigned level = 0; level < 3; level++) {
		struct vhdx_info info = VHDX_INFO_INIT;

		cr_assert(vhdx_get_info(disk, level, &info, NULL) == VHDX_OK);
		cr_expect(info.type == (level == 2 ? VHDX_TYPE_FIXED : VHDX_TYPE_DIFFERENCING) &&
			  info.format == VHDX_FORMAT_VHDX);
		cr_expect_arr_eq(info.data_identity.bytes, chain_identity(level).bytes, 16);
		if (level != 2)
			cr_expect_arr_eq(info.parent_identity.bytes, chain_identity(level + 1).bytes, 16);
		cr_expect_str_eq(info.file_name, level == 0 ? "test.img" : "parent.img");
		cr_expect_str_eq(info.creator, "recipe");
		cr_expect(info.file_size == memfile_size(chain.files[level]) && info.log_state == VHDX_LOG_CLEAN &&
			  info.sequence_number == 8);
		cr_expect(info.virtual_size == plan.size && info.block_size == 1u << 20 && info.block_count == 4 &&
			  info.bat_offset == 3 * RECIPE_MIB);
		cr_expect(info.logical_sector_size == 512 && info.physical_sector_size == 4096);
		cr_expect(vhdx_level_file(disk, level)->handle == chain.files[level]);
		cr_expect((vhdx_parent_paths(disk, level, &count) != NULL) == (level != 2) && count == (level != 2));
	}
	cr_expect(vhdx_level_file(disk, 3) == NULL && vhdx_parent_paths(disk, 3, &count) == NULL && count == 0);
	vhdx_close(disk);
	chain_end(&chain);
}
