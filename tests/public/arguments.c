/* SPDX-License-Identifier: MIT */
/* Every call refuses arguments that make no sense, with VHDX_E_ARGUMENT and a message, whether or not the caller wants one, and changes nothing. Layer: tests/public. */
#include "support/chains.h"
#include "support/expect.h"

/* The call is made twice: with a place for the error, and without. */
#define REFUSED(call)                                                                                                            \
	do {                                                                                                                     \
		struct vhdx_error place = { .message = "" }, *error = &place;                                                    \
		cr_expect_eq(call, VHDX_E_ARGUMENT, "%s", #call);                                                                \
		cr_expect_str_neq(place.message, "", "%s", #call);                                                               \
		error = NULL;                                                                                                    \
		cr_expect_eq(call, VHDX_E_ARGUMENT, "%s, without an error", #call);                                              \
	} while (0)

static struct memfile *sample(void)
{
	static const struct recipe_block blocks[] = { { .index = 1, .state = RECIPE_FULL, .seed = 8 } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	k.blocks = blocks;
	k.block_count = 1;
	return recipe_vhdx_new(&k, NULL);
}

enum part { NO_READ = 1, NO_WRITE = 2, NO_FLUSH = 4, NO_GET_SIZE = 8, NO_SET_SIZE = 16 };

/* A file whose table lacks functions; valid until the next one. */
static const struct vhdx_file *lacking(const struct vhdx_file *whole, unsigned parts)
{
	static struct vhdx_file file;
	static struct vhdx_io io;

	io = *whole->io;
	file = *whole;
	file.io = &io;
	io.read = parts & NO_READ ? NULL : io.read;
	io.write = parts & NO_WRITE ? NULL : io.write;
	io.flush = parts & NO_FLUSH ? NULL : io.flush;
	io.get_size = parts & NO_GET_SIZE ? NULL : io.get_size;
	io.set_size = parts & NO_SET_SIZE ? NULL : io.set_size;
	return &file;
}

static const struct vhdx_file no_table;

Test(arguments, opening)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *m = sample(), *before = memfile_copy(m);
	struct vhdx_file file = memfile_file(m, "sample");
	vhdx_disk *disk;

	REFUSED(vhdx_file_open(NULL, "name", 0, error));
	REFUSED(vhdx_file_open(&file, NULL, 0, error));
	REFUSED(vhdx_file_open(&file, "", 0, error));
	REFUSED(vhdx_open(&disk, NULL, NULL, error));
	REFUSED(vhdx_open(&disk, "", NULL, error));
	REFUSED(vhdx_open_file(NULL, &file, NULL, error));
	REFUSED(vhdx_open_file(&disk, NULL, NULL, error));
	REFUSED(vhdx_open_file(&disk, &no_table, NULL, error));
	REFUSED(vhdx_open_file(&disk, lacking(&file, NO_READ), NULL, error));
	REFUSED(vhdx_open_file(&disk, lacking(&file, NO_GET_SIZE), NULL, error));
	options.flags = VHDX_OPEN_WRITE;
	REFUSED(vhdx_open_file(&disk, lacking(&file, NO_WRITE), &options, error));
	REFUSED(vhdx_open_file(&disk, lacking(&file, NO_FLUSH), &options, error));
	REFUSED(vhdx_open_file(&disk, lacking(&file, NO_SET_SIZE), &options, error));
	options.flags = 0;
	options.parent_count = 1;
	REFUSED(vhdx_open_file(&disk, &file, &options, error));
	cr_expect(memfile_equal(m, before, NULL));
	vhdx_file_close(NULL);
	file = no_table;
	vhdx_file_close(&file);
	cr_expect_eq(vhdx_close(NULL), VHDX_OK);
	memfile_free(before);
	memfile_free(m);
}

Test(arguments, creating)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct memfile *m = memfile_new();
	struct vhdx_file file = memfile_file(m, "new");

	options.size = 1 << 20;
	REFUSED(vhdx_create(NULL, &options, error));
	REFUSED(vhdx_create("", &options, error));
	REFUSED(vhdx_create("nowhere/new.vhdx", NULL, error));
	REFUSED(vhdx_create_file(NULL, &options, error));
	REFUSED(vhdx_create_file(&no_table, &options, error));
	REFUSED(vhdx_create_file(&file, NULL, error));
	REFUSED(vhdx_create_file(lacking(&file, NO_WRITE), &options, error));
	REFUSED(vhdx_create_file(lacking(&file, NO_FLUSH), &options, error));
	REFUSED(vhdx_create_file(lacking(&file, NO_GET_SIZE), &options, error));
	REFUSED(vhdx_create_file(lacking(&file, NO_SET_SIZE), &options, error));
	cr_expect_eq(memfile_size(m), 0);
	memfile_free(m);
}

static int stop(void *context, const struct vhdx_user_item *item)
{
	(void)context;
	(void)item;
	return 1;
}

Test(arguments, using)
{
	struct vhdx_compact_options compact = VHDX_COMPACT_OPTIONS_INIT;
	struct memfile *m = sample(), *before = memfile_copy(m);
	struct vhdx_merge_plan plan = VHDX_MERGE_PLAN_INIT;
	struct vhdx_file file = memfile_file(m, "sample");
	struct vhdx_guid id = { { 1 } };
	uint8_t buffer[16];
	vhdx_disk *disk;
	size_t length;

	cr_assert_eq(vhdx_open_file(&disk, &file, NULL, NULL), VHDX_OK);
	REFUSED(vhdx_read(disk, NULL, 1, 0, error));
	REFUSED(vhdx_write(disk, NULL, 1, 0, error));
	REFUSED(vhdx_resize(disk, 1 << 20, ~(unsigned)VHDX_RESIZE_CUT, error));
	REFUSED(vhdx_set(disk, NULL, error));
	REFUSED(vhdx_plan_merge(NULL, disk, &plan, error));
	REFUSED(vhdx_plan_merge(disk, NULL, &plan, error));
	REFUSED(vhdx_plan_merge(disk, disk, NULL, error));
	REFUSED(vhdx_merge(NULL, disk, NULL, NULL, error));
	REFUSED(vhdx_merge(disk, NULL, NULL, NULL, error));
	compact.flags = 1u << 31;
	REFUSED(vhdx_compact(disk, &compact, error));
	compact.flags = VHDX_COMPACT_DEFRAG | VHDX_COMPACT_KEEP_PLACES;
	REFUSED(vhdx_compact(disk, &compact, error));
	REFUSED(vhdx_visit_items(disk, NULL, NULL, error));
	REFUSED(vhdx_get_item(disk, NULL, buffer, sizeof(buffer), &id, error));
	REFUSED(vhdx_get_item(disk, &length, NULL, sizeof(buffer), &id, error));
	REFUSED(vhdx_get_item(disk, &length, buffer, sizeof(buffer), NULL, error));
	REFUSED(vhdx_set_item(disk, NULL, buffer, error));
	cr_expect_eq(vhdx_get_item(disk, &length, NULL, 0, &id, NULL), VHDX_E_NOT_FOUND);
	cr_expect_eq(vhdx_visit_items(disk, stop, NULL, NULL), VHDX_OK, "there is none");
	cr_expect_eq(vhdx_close(disk), VHDX_OK);
	cr_expect(memfile_equal(m, before, NULL));
	memfile_free(before);
	memfile_free(m);
}

Test(arguments, repairing)
{
	struct vhdx_repair_options options = VHDX_REPAIR_OPTIONS_INIT;
	struct memfile *m = sample(), *before = memfile_copy(m), *u = memfile_new();
	struct vhdx_file file = memfile_file(m, "sample"), undo = memfile_file(u, "undo");

	REFUSED(vhdx_repair(NULL, NULL, error));
	REFUSED(vhdx_repair(&no_table, NULL, error));
	REFUSED(vhdx_repair(lacking(&file, NO_READ), NULL, error));
	REFUSED(vhdx_repair(lacking(&file, NO_GET_SIZE), NULL, error));
	REFUSED(vhdx_repair(lacking(&file, NO_WRITE), NULL, error));
	REFUSED(vhdx_repair(lacking(&file, NO_FLUSH), NULL, error));
	REFUSED(vhdx_repair(lacking(&file, NO_SET_SIZE), NULL, error));
	options.flags = 1u << 31;
	REFUSED(vhdx_repair(&file, &options, error));
	options.flags = 0;
	options.undo = lacking(&undo, NO_WRITE);
	REFUSED(vhdx_repair(&file, &options, error));
	options.undo = lacking(&undo, NO_FLUSH);
	REFUSED(vhdx_repair(&file, &options, error));
	REFUSED(vhdx_undo(&file, &undo, 1u << 31, NULL, error));
	REFUSED(vhdx_undo(NULL, &undo, 0, NULL, error));
	REFUSED(vhdx_undo(&file, NULL, 0, NULL, error));
	REFUSED(vhdx_undo(lacking(&file, NO_SET_SIZE), &undo, 0, NULL, error));
	REFUSED(vhdx_undo(&file, lacking(&undo, NO_WRITE), 0, NULL, error));
	cr_expect_eq(memfile_size(u), 0);
	cr_expect(memfile_equal(m, before, NULL));
	memfile_free(u);
	memfile_free(before);
	memfile_free(m);
}

Test(arguments, parents)
{
	struct vhdx_parent_request request = { .child = "child" };
	struct vhdx_file file = no_table;

	cr_expect_eq(vhdx_parent_offer(NULL, &file), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_parent_offer(&request, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_parent_offer(&request, &file), VHDX_E_ARGUMENT);
}

Test(arguments, names)
{
	struct vhdx_guid id;

	cr_expect_eq(vhdx_guid_parse(&id, NULL), VHDX_E_ARGUMENT);
	cr_expect_eq(vhdx_guid_parse(&id, ""), VHDX_E_ARGUMENT);
	cr_expect_str_eq(vhdx_format_name(VHDX_FORMAT_ANY), "any");
	cr_expect_str_eq(vhdx_format_name((enum vhdx_format)77), "unknown");
	cr_expect_str_eq(vhdx_type_name(VHDX_TYPE_ANY), "any");
	cr_expect_str_eq(vhdx_type_name((enum vhdx_type)77), "unknown");
	cr_expect_str_eq(vhdx_status_name(1), "unknown");
	cr_expect_str_eq(vhdx_status_name(-1000), "unknown");
	cr_expect_str_eq(vhdx_mend_name(VHDX_MEND_NONE), "");
	cr_expect_str_eq(vhdx_mend_name((enum vhdx_mend)77), "");
}
