/* SPDX-License-Identifier: MIT */
/* What fuzzing found, one test each; see fuzz/README.md. */
#include <criterion/criterion.h>
#include <string.h>

#include "support/expect.h"
#include "support/family.h"
#include "support/specimen.h"

static void expect_write_fails(struct memfile *m, uint64_t offset, int status, const char *rule)
{
	struct memfile *before = memfile_copy(m);
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "image");
	struct vhdx_error error = { .rule = "" };
	struct testenv env;
	vhdx_disk *disk;

	testenv_start(&env, 1);
	options.env = &env.env;
	options.flags = VHDX_OPEN_WRITE;
	cr_assert_eq(vhdx_open_file(&disk, &file, &options, &error), VHDX_OK, "%s", error.message);
	cr_expect_eq(vhdx_write(disk, "x", 1, offset, &error), status, "%s", error.message);
	cr_expect_str_eq(error.rule, rule);
	cr_expect_eq(vhdx_close(disk), VHDX_OK);
	cr_expect(memfile_equal(m, before, NULL), "the file was changed");
	cr_expect_lt(atomic_load(&env.peak_bytes), 64u << 20);
	cr_expect_eq(testenv_live(&env), 0);
	memfile_free(before);
}

/* Found by fuzz_create: type 1 made a VHD of disk type 1, which nobody opens. */
Test(found, creating_refuses_types_that_do_not_exist)
{
	static const struct {
		int format, type, preallocation;
	} rows[] = { { VHDX_FORMAT_VHD, 1, 0 },
		     { VHDX_FORMAT_VHDX, 1, 0 },
		     { VHDX_FORMAT_VHD, 5, 0 },
		     { VHDX_FORMAT_VHDX, 7, 0 },
		     { VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 3 } };

	for (unsigned i = 0; i < 5; i++) {
		struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
		struct memfile *m = memfile_new();
		struct vhdx_file file = memfile_file(m, "new");

		options.format = (enum vhdx_format)rows[i].format;
		options.type = (enum vhdx_type)rows[i].type;
		options.preallocation = (enum vhdx_preallocation)rows[i].preallocation;
		options.size = RECIPE_MIB;
		cr_expect_eq(vhdx_create_file(&file, &options, NULL), VHDX_E_ARGUMENT, "row %u", i);
		cr_expect_eq(memfile_size(m), 0);
		memfile_free(m);
	}
}

/* Found by fuzz_metadata: one bit for each MiB of a sparse file of exabytes was too much memory. */
Test(found, writing_a_sparse_file_of_exabytes_takes_little_memory)
{
	struct memfile *m = memfile_copy(specimen_get(SPECIMEN_VHDX_DYNAMIC)->file);

	memfile_set_size(m, UINT64_C(1) << 62);
	expect_write_fails(m, RECIPE_MIB, VHDX_E_UNSUPPORTED, "");
	memfile_set_size(m, UINT64_C(256) << 40);
	expect_write_fails(m, RECIPE_MIB, VHDX_E_UNSUPPORTED, "");
	memfile_free(m);
}

/* Found by fuzz_vhd: of two blocks that share a place, writing one changed the other. */
Test(found, writing_a_vhd_with_blocks_that_overlap_is_refused)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 0, .seed = 1 },
							  { .index = 1, .seed = 2 },
							  { .index = 5, .seed = 3 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places p;
	struct memfile *m;

	k.blocks = blocks;
	k.block_count = 3;
	for (unsigned i = 0; i < 2; i++) {
		m = recipe_vhd_new(&k, &p);
		recipe_put_be(m, p.bat + 4, 4, (p.blocks[0] + i * UINT64_C(4096)) / 512);
		expect_write_fails(m, 5 * UINT64_C(2097152), VHDX_E_DAMAGED, "VHD-070");
		memfile_free(m);
	}
}

/* The same, later: an entry that points beyond the end would name the block that is put there next. */
Test(found, writing_a_vhd_with_blocks_beyond_its_end_is_refused)
{
	static const struct recipe_vhd_block blocks[] = { { .index = 0, .seed = 1 } };
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_places p;
	struct memfile *m;

	k.blocks = blocks;
	k.block_count = 1;
	m = recipe_vhd_new(&k, &p);
	recipe_put_be(m, p.bat + 4, 4, (p.end + 3584) / 512);
	expect_write_fails(m, 2 * UINT64_C(2097152), VHDX_E_DAMAGED, "VHD-070");
	memfile_free(m);
}

static void expect_no_writing(struct memfile *m, int status, const char *rule)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(m, "image");
	struct memfile *before = memfile_copy(m);
	struct vhdx_error error = { .rule = "" };
	vhdx_disk *disk;

	options.flags = VHDX_OPEN_WRITE;
	expect_opens(m);
	cr_expect_eq(vhdx_open_file(&disk, &file, &options, &error), status, "%s", error.message);
	cr_expect_str_eq(error.rule, rule);
	cr_expect(memfile_equal(m, before, NULL), "the file was changed");
	memfile_free(before);
}

/* Found by the matrix: a session began and ended half way, with a handle that could not be closed. */
Test(found, VHDX_044_no_session_begins_without_sequence_numbers_for_it)
{
	static const uint64_t numbers[] = { UINT64_MAX, UINT64_MAX - 1, UINT64_MAX - 5 };

	for (unsigned i = 0; i < 3; i++) {
		const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_LOG };

		for (unsigned k = 0; k < 2; k++) {
			struct memfile *m = memfile_copy(specimen_get(kinds[k])->file);

			recipe_put(m, RECIPE_HEADER(1) + 8, 8, numbers[i]);
			recipe_fix_header(m, 1);
			expect_no_writing(m, VHDX_E_UNSUPPORTED, "VHDX-044");
			memfile_free(m);
		}
	}
}

/* Found by the matrix: an empty log may stand beyond the end of the file, where a writer then put a block and its log. */
Test(found, VHDX_035_no_session_begins_with_a_log_beyond_the_file)
{
	struct memfile *m = memfile_copy(specimen_get(SPECIMEN_VHDX_DYNAMIC)->file);

	recipe_put(m, RECIPE_HEADER(1) + 72, 8, memfile_size(m));
	recipe_fix_header(m, 1);
	expect_no_writing(m, VHDX_E_DAMAGED, "VHDX-035");
	recipe_put(m, RECIPE_HEADER(1) + 72, 8, memfile_size(m) / RECIPE_MIB * RECIPE_MIB + 7 * RECIPE_MIB);
	recipe_fix_header(m, 1);
	expect_no_writing(m, VHDX_E_DAMAGED, "VHDX-035");
	memfile_free(m);
}

/* Found by fuzz_chain: a stored path with an escape sequence came into the message as it was. */
Test(found, a_path_in_a_message_commands_no_terminal)
{
	struct memfile *m = family_child(VHDX_FORMAT_VHD, 1, VHDX_PATH_URL, "\x1B[2J\x0B\xC2\x9B\x7F://parent");
	struct vhdx_file file = memfile_file(m, "/nonexistent/child.vhd");
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error = { .message = "" };
	vhdx_disk *disk;
	char text[1500];

	options.open_parent = vhdx_resolve_parent;
	cr_assert_lt(vhdx_open_file(&disk, &file, &options, &error), 0);
	vhdx_error_text(&error, text, sizeof(text));
	cr_expect(strstr(error.message, "?[2J????://parent") != NULL, "%s", error.message);
	for (const char *p = text; *p != '\0'; p++)
		cr_expect((unsigned char)*p >= ' ' && *p != 0x7F);
	memfile_free(m);
}
