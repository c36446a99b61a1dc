/* SPDX-License-Identifier: MIT */
/* Rules of specs/vhd.md on differencing disks as a reader meets them: VHD-008 and VHD-077 to VHD-089. Layer: tests/rules. */
#include "rules/vhd_images.h"
#include "support/hostdir.h"

/* An open_parent callback that offers a list of memory files, one after the other, until one is the parent. */
struct offers {
	struct memfile *const *files;
	const char *const *names;
	size_t count;
	size_t made; /* how many were offered */
};

static int offer(void *context, struct vhdx_parent_request *request, struct vhdx_error *error)
{
	struct offers *offers = context;

	(void)error;
	for (size_t i = 0; i < offers->count; i++) {
		struct vhdx_file file = memfile_file(offers->files[i], offers->names[i]);
		int answer = vhdx_parent_offer(request, &file);

		offers->made++;
		if (answer != 0)
			return answer < 0 ? answer : VHDX_OK;
	}
	return VHDX_OK;
}

static int open_with(vhdx_disk **out, struct memfile *child, struct offers *offers, struct vhdx_error *e)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(child, "child.vhd");

	options.open_parent = offer;
	options.open_parent_context = offers;
	return vhdx_open_file(out, &file, &options, e);
}

Test(vhd_rules, VHD_008_a_parent_may_be_of_any_type)
{
	struct recipe_vhd k = vhd_child_knobs();
	struct memfile *child = vhd_child(NULL), *fixed = vhd_fixed(NULL), *dynamic = vhd_dynamic(NULL), *top;
	struct memfile *files[3];

	expect_pair_reads(child, fixed, VHD_BLOCK, VHD_BLOCK, VHD_PARENT_SEED);
	expect_pair_reads(child, dynamic, VHD_BLOCK, VHD_BLOCK, 0);
	k.unique_id = recipe_guid(32);
	k.parent_unique_id = recipe_guid(31);
	k.block_count = 0;
	top = recipe_vhd_new(&k, NULL);
	files[0] = top, files[1] = child, files[2] = fixed;
	EXPECT_OK(check_reads(files, 3, 0, 0, VHD_BLOCK, VHD_CHILD_SEED));
	EXPECT_OK(check_reads(files, 3, 0, VHD_BLOCK, VHD_BLOCK, VHD_PARENT_SEED));
	memfile_free(child);
	memfile_free(fixed);
	memfile_free(dynamic);
	memfile_free(top);
}

Test(vhd_rules, VHD_077_what_the_child_does_not_hold_is_the_parents)
{
	struct memfile *child = vhd_child(NULL), *parent = vhd_fixed(NULL);

	expect_pair_reads(child, parent, 0, VHD_BLOCK, VHD_CHILD_SEED);
	expect_pair_reads(child, parent, VHD_BLOCK, 2 * VHD_BLOCK, VHD_PARENT_SEED);
	expect_pair_reads(child, parent, 3 * VHD_BLOCK, VHD_BLOCK, VHD_CHILD_SEED);
	expect_pair_reads(child, parent, 4 * VHD_BLOCK, 4 * VHD_BLOCK, VHD_PARENT_SEED);
	memfile_free(child);
	memfile_free(parent);
}

/* The name leads to a file, the UUID tells whether it is the one. */
Test(vhd_rules, VHD_078_name_and_uuid_make_a_parent)
{
	struct recipe_vhd k = vhd_fixed_knobs();
	struct memfile *child = vhd_child(NULL), *parent = vhd_fixed(NULL), *other;
	struct memfile *files[2];
	const char *const names[2] = { "parent.vhd", "moved.vhd" };
	struct offers offers = { files, names, 2, 0 };
	struct vhdx_error e = { .status = 0 };
	struct vhdx_info info = VHDX_INFO_INIT;
	vhdx_disk *disk = NULL;

	k.unique_id = recipe_guid(77);
	other = recipe_vhd_new(&k, NULL);
	files[0] = other, files[1] = parent;
	cr_assert(open_with(&disk, child, &offers, &e) == VHDX_OK, "%s", e.message);
	cr_expect(offers.made == 2 && vhdx_depth(disk) == 2);
	cr_assert(vhdx_get_info(disk, 1, &info, NULL) == VHDX_OK);
	cr_expect_str_eq(info.file_name, "moved.vhd", "the name alone is not enough");
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
	memfile_free(other);
}

Test(vhd_rules, VHD_079_unique_id_of_the_parent_must_match)
{
	struct recipe_vhd_places p;
	struct memfile *child = vhd_child(NULL), *parent = vhd_fixed(&p);
	struct memfile *const files[2] = { child, parent };
	const char *const names[1] = { "parent.vhd" };
	struct offers offers = { &files[1], names, 1, 0 };
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;
	char text[VHDX_GUID_TEXT_SIZE];
	struct vhdx_guid guid = recipe_guid(30);

	expect_pair_opens(child, parent);
	vhd_put_footers(parent, &p, 68, 1, 0x99);
	expect_pair_fails(child, parent, VHDX_E_PARENT_MISMATCH, "VHD-079");
	EXPECT_OK(check_opens(files, 2, VHDX_OPEN_IGNORE_PARENT_IDENTITY));
	cr_expect(open_with(&disk, child, &offers, &e) == VHDX_E_PARENT_MISMATCH);
	vhdx_guid_format(&guid, text);
	cr_expect(strstr(e.message, text) != NULL && strstr(e.message, "VHD-079") != NULL &&
			  strstr(e.message, "parent.vhd") != NULL,
		  "%s", e.message);
	memfile_free(child);
	memfile_free(parent);
}

/* A child and its parent as files in a new directory; the parent was last modified `seconds` after 2000. */
static vhdx_disk *open_pair_on_host(struct hostdir *d, uint32_t parent_time_stamp, uint64_t seconds)
{
	struct recipe_vhd k = vhd_child_knobs();
	struct memfile *parent = vhd_fixed(NULL), *child;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	k.parent_time_stamp = parent_time_stamp;
	child = recipe_vhd_new(&k, NULL);
	hostdir_start(d);
	hostdir_put(d, "child.vhd", child);
	hostdir_put(d, "parent.vhd", parent);
	hostdir_set_time(d, "parent.vhd", 946684800 + seconds);
	options.open_parent = vhdx_resolve_parent;
	cr_expect(vhdx_open(&disk, hostdir_path(d, "child.vhd"), &options, &e) == VHDX_OK, "%s", e.message);
	memfile_free(child);
	memfile_free(parent);
	cr_assert(disk != NULL);
	return disk;
}

static int differs(uint32_t parent_time_stamp, uint64_t seconds)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct hostdir d;
	vhdx_disk *disk = open_pair_on_host(&d, parent_time_stamp, seconds);

	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	expect_pattern(disk, VHD_BLOCK, VHD_BLOCK, VHD_PARENT_SEED); /* only a warning */
	vhdx_close(disk);
	hostdir_end(&d);
	return info.parent_time_stamp_differs;
}

Test(vhd_rules, VHD_080_modification_time_of_the_parent_is_compared)
{
	cr_expect(differs(700000000, 700000000) == 0);
	cr_expect(differs(700000000, 700000001) == 1);
	cr_expect(differs(700000000, 699999999) == 1);
}

Test(vhd_rules, VHD_081_time_stamp_0_means_no_comparison)
{
	cr_expect(differs(0, 700000000) == 0);
	cr_expect(differs(1, 700000000) == 1);
}

Test(vhd_rules, VHD_083_a_chain_ends_in_a_disk_without_parent)
{
	enum { LEVELS = 5 };
	struct memfile *files[LEVELS];

	for (unsigned i = 0; i < LEVELS; i++) {
		struct recipe_vhd_block block = { .index = i, .seed = 100 + i };
		struct recipe_vhd k = vhd_child_knobs();

		k.unique_id = recipe_guid((uint8_t)(50 + i));
		k.parent_unique_id = recipe_guid((uint8_t)(51 + i));
		if (i == LEVELS - 1)
			k.type = VHDX_TYPE_DYNAMIC, k.locator_count = 0, k.parent_name = NULL,
			k.parent_unique_id = (struct vhdx_guid){ { 0 } };
		k.blocks = &block;
		k.block_count = 1;
		files[i] = recipe_vhd_new(&k, NULL);
	}
	for (unsigned i = 0; i < LEVELS; i++)
		EXPECT_OK(check_reads(files, LEVELS, 0, (uint64_t)i * VHD_BLOCK, VHD_BLOCK, 100 + i));
	EXPECT_OK(check_reads(files, LEVELS, 0, (uint64_t)LEVELS * VHD_BLOCK, VHD_BLOCK, 0));
	EXPECT_OK(check_open_fails(files, LEVELS - 1, 0, VHDX_E_PARENT_MISSING, "")); /* never half a chain */
	for (unsigned i = 0; i < LEVELS; i++)
		memfile_free(files[i]);
}

Test(vhd_rules, VHD_087_child_and_parent_of_different_size)
{
	struct recipe_vhd k = vhd_child_knobs();
	struct memfile *parent = vhd_fixed(NULL), *child;

	k.block_count = 0;
	k.size = 6 * RECIPE_MIB;
	child = recipe_vhd_new(&k, NULL);
	expect_pair_reads(child, parent, 0, 4 * RECIPE_MIB, VHD_PARENT_SEED);
	expect_pair_reads(child, parent, 4 * RECIPE_MIB, 2 * RECIPE_MIB, 0);
	memfile_free(child);
	k.size = 3 * RECIPE_MIB + 512;
	child = recipe_vhd_new(&k, NULL);
	expect_pair_reads(child, parent, 0, 3 * RECIPE_MIB + 512, VHD_PARENT_SEED);
	expect_pair_read_fails(child, parent, 3 * RECIPE_MIB, 1024, VHDX_E_RANGE, "");
	memfile_free(child);
	memfile_free(parent);
}

Test(vhd_rules, VHD_088_a_cycle_is_found_and_no_parent_written)
{
	struct recipe_vhd k = vhd_child_knobs();
	struct memfile *self, *child = vhd_child(NULL), *parent = vhd_fixed(NULL);
	struct memfile *before = memfile_copy(parent);
	const char *const names[1] = { "self.vhd" };
	struct offers offers = { &self, names, 1, 0 };
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	k.parent_unique_id = k.unique_id; /* its own parent */
	self = recipe_vhd_new(&k, NULL);
	cr_expect(open_with(&disk, self, &offers, &e) == VHDX_E_CHAIN);
	cr_expect(offers.made == 1);
	memfile_set_minimal(self, true); /* without the identity of files the depth ends it */
	offers.made = 0;
	cr_expect(open_with(&disk, self, &offers, &e) == VHDX_E_CHAIN);
	cr_expect(offers.made == VHDX_MAX_DEPTH - 1);
	cr_assert(disk == NULL);
	expect_pair_reads(child, parent, 0, 4 * VHD_BLOCK - VHD_BLOCK * 3, VHD_CHILD_SEED);
	cr_expect(memfile_count(parent, MEMFILE_WRITE) + memfile_count(parent, MEMFILE_SET_SIZE) +
			  memfile_count(parent, MEMFILE_ZERO) + memfile_count(parent, MEMFILE_PUNCH) +
			  memfile_count(parent, MEMFILE_FLUSH) ==
		  0);
	cr_expect(memfile_equal(parent, before, NULL));
	memfile_free(self);
	memfile_free(child);
	memfile_free(parent);
	memfile_free(before);
}

Test(vhd_rules, VHD_089_a_parent_of_another_format_is_refused)
{
	struct recipe_vhdx x = RECIPE_VHDX_INIT;
	struct memfile *child = vhd_child(NULL), *vhdx, *raw = memfile_new();
	struct memfile *files[2];
	const char *const names[2] = { "parent.vhdx", "parent.raw" };
	struct offers offers = { files, names, 2, 0 };
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	x.size = 4 * RECIPE_MIB;
	x.data_write_guid = recipe_guid(30);
	vhdx = recipe_vhdx_new(&x, NULL);
	expect_opens(vhdx);
	recipe_fill(raw, 0, RECIPE_MIB, 0, 1);
	expect_pair_fails(child, vhdx, VHDX_E_PARENT_MISMATCH, "VHD-089");
	expect_pair_fails(child, raw, VHDX_E_PARENT_MISMATCH, "VHD-089");
	files[0] = vhdx, files[1] = raw;
	cr_expect(open_with(&disk, child, &offers, &e) == VHDX_E_PARENT_MISMATCH);
	cr_expect(offers.made == 2);
	EXPECT_OK(check_open_fails((struct memfile *const[]){ child, vhdx }, 2, VHDX_OPEN_IGNORE_PARENT_IDENTITY,
				   VHDX_E_PARENT_MISMATCH, "VHD-089"));
	memfile_free(child);
	memfile_free(vhdx);
	memfile_free(raw);
}
