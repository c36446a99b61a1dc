/* SPDX-License-Identifier: MIT */
/* Calls through an I/O table: short transfers, missing functions, and failures of tables and sources that tell little. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/error.h"
#include "io/file.h"
#include "support/memfile.h"
#include "support/recipe.h"

Test(io, short_transfers_are_continued)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "f");
	uint8_t out[1000], in[1000];
	struct vhdx_error error;

	memfile_set_short(m, 7);
	recipe_pattern(out, sizeof(out), 0, 1);
	cr_assert_eq(file_write(&file, out, sizeof(out), 5, &error), VHDX_OK);
	cr_assert_eq(memfile_count(m, MEMFILE_WRITE), 143);
	memset(in, 0xEE, sizeof(in));
	cr_assert_eq(file_read(&file, in, sizeof(in), 5, &error), VHDX_OK);
	cr_assert_arr_eq(in, out, sizeof(in));
	memset(in, 0xEE, sizeof(in));
	cr_assert_eq(file_read(&file, in, sizeof(in), 1000, &error), VHDX_OK); /* 5 bytes and the end of the file */
	cr_assert_arr_eq(in, out + 995, 5);
	for (unsigned i = 5; i < sizeof(in); i++)
		cr_assert_eq(in[i], 0);
	memfile_free(m);
}

static bool is_same(const struct vhdx_file *a, const struct vhdx_file *b)
{
	struct file_identity x = file_identify(a), y = file_identify(b);

	return file_identity_equal(&x, &y);
}

Test(io, missing_functions_have_fallbacks)
{
	struct memfile *m = memfile_new(), *other = memfile_new();
	struct vhdx_file full = memfile_file(m, "f"), minimal;
	struct vhdx_file_extent extent;
	struct vhdx_error error;

	cr_assert(is_same(&full, &full));
	memfile_set_minimal(m, true);
	memfile_set_minimal(other, true);
	minimal = memfile_file(m, "f");
	recipe_fill(m, 0, 200000, 0, 1);
	cr_assert_eq(file_zero(&minimal, 1000, 150000, &error), VHDX_OK);
	cr_assert_eq(recipe_get(m, 1000, 8) | recipe_get(m, 150992, 8), 0);
	cr_assert_neq(recipe_get(m, 992, 8), 0);
	cr_assert_neq(recipe_get(m, 151000, 8), 0);
	cr_assert_eq(file_reserve(&minimal, 0, 1 << 20, &error), VHDX_OK);
	cr_assert_eq(file_extent(&minimal, &extent, 0, 1 << 20, &error), VHDX_OK);
	cr_assert(!extent.is_hole && extent.length == 1 << 20);
	cr_assert_eq(file_hole(&minimal, 1 << 20, 1 << 20), 0);
	cr_assert_eq(file_hole(&full, 1 << 20, 1 << 20), 1 << 20);
	cr_assert(!is_same(&minimal, &minimal)); /* nobody can tell */
	memfile_free(other);
	memfile_free(m);
}

/* A failure of the table that tells only its status: what an earlier failure left in the caller's struct is no part of it. */
Test(io, bare_failures_get_a_message)
{
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "name.vhdx");
	struct vhdx_error error;
	uint64_t size;

	memfile_fail(m, MEMFILE_ANY, 1, VHDX_E_IO, true);
	for (unsigned call = 0; call < 7; call++) {
		int status = VHDX_OK;

		fail_at(&error, VHDX_E_IO, "VHDX-001", 7, "an old story");
		(void)error_in_file(&error, "old.vhdx", 3);
		switch (call) {
		case 0: status = file_read(&file, &size, 1, 0, &error); break;
		case 1: status = file_write(&file, "x", 1, 0, &error); break;
		case 2: status = file_flush(&file, &error); break;
		case 3: status = file_get_size(&file, &size, &error); break;
		case 4: status = file_set_size(&file, 0, &error); break;
		case 5: status = file_zero(&file, 0, 1, &error); break;
		case 6: status = file_reserve(&file, 0, 1, &error); break;
		}
		cr_assert(status == VHDX_E_IO && error.status == VHDX_E_IO);
		cr_assert_str_eq(error.message, "input or output failed");
		cr_assert(strcmp(error.file, "name.vhdx") == 0 && error.rule[0] == '\0' && error.level == 0 &&
			  error.file_offset == VHDX_NO_OFFSET);
	}
	memfile_free(m);
}

/* A source that fails without a word, or returns what it must not, fails the creation. */
static int fail_silently(void *context, void *buffer, size_t length, uint64_t disk_offset, struct vhdx_error *error)
{
	(void)buffer;
	(void)length;
	(void)error;
	return disk_offset == 0 ? *(int *)context : VHDX_OK;
}

Test(io, sources_that_fail_silently)
{
	static const struct {
		int returned, status;
	} rows[] = { { VHDX_E_IO, VHDX_E_IO }, { VHDX_E_CANCELLED, VHDX_E_CANCELLED }, { 4096, VHDX_E_ARGUMENT } };

	for (unsigned i = 0; i < 3; i++) {
		struct vhdx_source source = { .context = &(int){ rows[i].returned }, .size = 4 << 20, .read = fail_silently };
		struct vhdx_create_options o = VHDX_CREATE_OPTIONS_INIT;
		struct memfile *m = memfile_new();
		struct vhdx_file file = memfile_file(m, "new.vhdx");
		struct vhdx_error error = { .status = VHDX_E_IO, .message = "an old story" };

		o.source = &source;
		cr_assert_eq(vhdx_create_file(&file, &o, &error), rows[i].status);
		cr_assert_str_eq(error.message, "the source could not be read");
		cr_assert_eq(recipe_get(m, 0, 8), 0);
		memfile_free(m);
	}
}
