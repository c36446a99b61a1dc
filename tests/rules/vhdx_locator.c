/* SPDX-License-Identifier: MIT */
/* Rules VHDX-173 to VHDX-195: the parent locator, and the walk to the parents. */
#include <stdio.h>
#include <string.h>

#include "rules/vhdx_sample.h"

#define ITEM (at.items[RECIPE_LOCATOR])
/* Place of a field of locator entry `index`: 0 key offset, 4 value offset, 8 key length, 10 value length. */
#define FIELD(index, offset) (ITEM + 20 + 12 * (index) + (offset))

/* What an open_parent callback was asked for, and what it offers. */
struct asked {
	unsigned calls;
	char paths[4][64];
	enum vhdx_path_kind kinds[4];
	size_t path_count;
	struct vhdx_guid identities[2];
	size_t identity_count;
	struct memfile *offer;
	bool twice; /* offer again what was accepted */
	int offered, offered_again;
};

static int ask(void *context, struct vhdx_parent_request *request, struct vhdx_error *error)
{
	struct asked *asked = context;

	(void)error;
	asked->calls++;
	asked->path_count = request->path_count;
	asked->identity_count = request->identity_count;
	for (size_t i = 0; i < request->path_count && i < 4; i++) {
		snprintf(asked->paths[i], sizeof(asked->paths[i]), "%s", request->paths[i].text);
		asked->kinds[i] = request->paths[i].kind;
	}
	memcpy(asked->identities, request->identities, request->identity_count * sizeof(struct vhdx_guid));
	if (asked->offer != NULL) {
		struct vhdx_file file = memfile_file(asked->offer, "offered.vhdx");

		asked->offered = vhdx_parent_offer(request, &file);
		file = memfile_file(asked->offer, "offered.vhdx");
		if (asked->offered == 1 && asked->twice)
			asked->offered_again = vhdx_parent_offer(request, &file);
	}
	return VHDX_OK;
}

/* Opens with that callback. */
static int open_asking(struct memfile *child, struct asked *asked, vhdx_disk **disk, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file = memfile_file(child, "child.vhdx");

	options.open_parent = ask;
	options.open_parent_context = asked;
	return vhdx_open_file(disk, &file, &options, error);
}

/* The child that these pairs make opens over the parent, or breaks `rule`. */
static void expect_locator(const struct recipe_pair *pairs, size_t count, const char *rule)
{
	struct memfile *parent = sample_parent(), *child = sample_child_of(pairs, count);

	if (rule[0] == '\0')
		expect_pair_reads(child, parent, 0, MIB, 1);
	else
		expect_pair_fails(child, parent, VHDX_E_DAMAGED, rule);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_173_disk_with_parent_has_a_locator)
{
	struct memfile *parent = sample_parent(), *child = sample_child();

	expect_pair_opens(child, parent);
	recipe_put(child, at.metadata + 10, 2, 5);
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-173");
	expect_open_fails_with(child, VHDX_OPEN_NO_PARENTS, VHDX_E_DAMAGED, "VHDX-173");
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_174_unknown_locator_type_is_refused)
{
	struct memfile *parent = sample_parent(), *child = sample_child();
	struct vhdx_guid guid = recipe_guid(9);

	recipe_put(child, ITEM + 16, 2, 0xFFFF); /* reserved */
	expect_pair_opens(child, parent);
	recipe_put_guid(child, ITEM, &guid);
	expect_pair_fails(child, parent, VHDX_E_UNSUPPORTED, "VHDX-174");
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_174_parent_is_a_vhdx)
{
	struct recipe_vhd knobs = RECIPE_VHD_INIT;
	struct memfile *vhd = recipe_vhd_new(&knobs, NULL), *parent = sample_parent(), *child = sample_child();

	expect_opens(vhd);
	expect_pair_opens(child, parent);
	expect_pair_fails(child, vhd, VHDX_E_PARENT_MISMATCH, "VHDX-174"); /* decision D-04 */
	EXPECT_OK(check_open_fails((struct memfile *const[]){ child, vhd }, 2, VHDX_OPEN_IGNORE_PARENT_IDENTITY,
				   VHDX_E_PARENT_MISMATCH, "VHDX-174"));
	memfile_free(child);
	memfile_free(parent);
	memfile_free(vhd);
}

Test(vhdx_rules, VHDX_176_offsets_and_lengths_are_not_0)
{
	static const struct {
		unsigned offset, size;
	} zeroed[] = { { 0, 4 }, { 4, 4 }, { 8, 2 }, { 10, 2 } };
	struct memfile *parent = sample_parent(), *child = sample_child();

	expect_pair_opens(child, parent);
	for (unsigned entry = 0; entry < 2; entry++)
		for (unsigned i = 0; i < 4; i++) {
			uint64_t value = recipe_get(child, FIELD(entry, zeroed[i].offset), zeroed[i].size);

			recipe_put(child, FIELD(entry, zeroed[i].offset), zeroed[i].size, 0);
			expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-176");
			recipe_put(child, FIELD(entry, zeroed[i].offset), zeroed[i].size, value);
		}
	expect_pair_opens(child, parent);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_177_strings_have_no_nul)
{
	struct memfile *parent = sample_parent(), *child = sample_child();
	uint64_t key = ITEM + recipe_get(child, FIELD(1, 0), 4), value = ITEM + recipe_get(child, FIELD(1, 4), 4);

	expect_pair_opens(child, parent);
	recipe_put(child, key + 4, 2, 0);
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-177");
	recipe_put(child, key + 4, 2, 'l');
	expect_pair_opens(child, parent);
	recipe_put(child, FIELD(1, 10), 2,
		   recipe_get(child, FIELD(1, 10), 2) + 2); /* a counted terminator; the item grows by it */
	recipe_put(child, at.entries[RECIPE_LOCATOR] + 20, 4, recipe_get(child, at.entries[RECIPE_LOCATOR] + 20, 4) + 2);
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-177");
	recipe_put(child, value + recipe_get(child, FIELD(1, 10), 2) - 2, 2, 'x');
	expect_pair_opens(child, parent);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_178_keys_are_unique_and_case_sensitive)
{
	static const struct recipe_pair reversed[] = { { "relative_path", "p" }, { "parent_linkage", SAMPLE_LINKAGE } };
	static const struct recipe_pair mixed[] = { { "Parent_Linkage", "{}" },
						    { "parent_linkage", SAMPLE_LINKAGE },
						    { "relative_path", "p" } };
	static const struct recipe_pair twice[] = { { "parent_linkage", SAMPLE_LINKAGE },
						    { "relative_path", "p" },
						    { "relative_path", "p" } };
	static const struct recipe_pair unknown[] = {
		{ "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "p" }, { "x", "1" }, { "x", "2" }
	};
	static const struct recipe_pair wrong[] = { { "Parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "p" } };

	expect_locator(reversed, 2, "");
	expect_locator(mixed, 3, "");
	expect_locator(twice, 3, "VHDX-178");
	expect_locator(unknown, 3, "");
	expect_locator(unknown, 4, "VHDX-178");
	expect_locator(wrong, 2, "VHDX-180");
}

Test(vhdx_rules, VHDX_180_parent_linkage_is_present)
{
	static const struct recipe_pair good[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "p" } };
	static const struct recipe_pair missing[] = { { "relative_path", "p" }, { "parent_linkage2", SAMPLE_LINKAGE } };
	static const char *const texts[] = { "x", "{da000000-0000-0000-0000-00000000000}",
					     "{da000000-0000-0000-0000-000000000000", "da000000_0000-0000-0000-000000000000" };

	expect_locator(good, 2, "");
	expect_locator(missing, 2, "VHDX-180");
	for (unsigned i = 0; i < 4; i++) {
		struct recipe_pair bad[] = { { "parent_linkage", texts[i] }, { "relative_path", "p" } };

		expect_locator(bad, 2, "VHDX-180");
	}
}

Test(vhdx_rules, VHDX_184_identity_of_the_parent_is_verified)
{
	static const struct recipe_pair second[] = { { "parent_linkage", "{11111111-0000-0000-0000-000000000000}" },
						     { "parent_linkage2", SAMPLE_LINKAGE },
						     { "relative_path", "p" } };
	struct memfile *parent = sample_parent(), *child = sample_child();
	struct asked asked = { .offer = parent };
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;

	expect_pair_opens(child, parent);
	for (unsigned slot = 0; slot < 2; slot++) {
		recipe_put(parent, RECIPE_HEADER(slot) + 47, 1, 1);
		recipe_fix_header(parent, slot);
	}
	expect_pair_fails(child, parent, VHDX_E_PARENT_MISMATCH, "VHDX-184");
	EXPECT_OK(check_opens((struct memfile *const[]){ child, parent }, 2, VHDX_OPEN_IGNORE_PARENT_IDENTITY));
	cr_assert_eq(open_asking(child, &asked, &disk, &error), VHDX_E_PARENT_MISMATCH); /* by a callback it is the same */
	cr_assert_eq(asked.offered, 0);
	memfile_free(child);
	expect_locator(second, 3, "");
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_185_a_path_is_present)
{
	static const char *const keys[] = { "relative_path", "volume_path", "absolute_win32_path" };
	static const struct recipe_pair none[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "Relative_path", "p" } };

	for (unsigned i = 0; i < 3; i++) {
		struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE }, { keys[i], "p" } };

		expect_locator(pairs, 2, "");
	}
	expect_locator(none, 2, "VHDX-185");
	expect_locator(none, 1, "VHDX-185");
}

Test(vhdx_rules, VHDX_186_order_of_the_paths)
{
	static const struct recipe_pair pairs[] = { { "absolute_win32_path", "\\\\?\\c:\\p" },
						    { "parent_linkage", SAMPLE_LINKAGE },
						    { "volume_path", "\\\\?\\Volume{1}\\p" },
						    { "relative_path", "..\\p" } };
	struct memfile *parent = sample_parent(), *child = sample_child_of(pairs, 4);
	struct asked asked = { .offer = parent, .twice = true };
	vhdx_disk *disk = NULL;

	cr_assert_eq(open_asking(child, &asked, &disk, NULL), VHDX_OK);
	cr_assert_eq(asked.offered, 1);
	cr_assert_eq(asked.offered_again, VHDX_E_ARGUMENT); /* one parent is enough */
	cr_assert_eq(memfile_count(parent, MEMFILE_CLOSE), 1);
	cr_assert_eq(vhdx_depth(disk), 2);
	cr_assert_eq(asked.path_count, 3);
	cr_assert_str_eq(asked.paths[0], "..\\p");
	cr_assert_str_eq(asked.paths[1], "\\\\?\\Volume{1}\\p");
	cr_assert_str_eq(asked.paths[2], "\\\\?\\c:\\p");
	cr_assert(asked.kinds[0] == VHDX_PATH_RELATIVE && asked.kinds[1] == VHDX_PATH_VOLUME &&
		  asked.kinds[2] == VHDX_PATH_ABSOLUTE);
	expect_pattern(disk, 0, MIB, 1);
	vhdx_close(disk);
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_192_what_windows_writes_is_accepted)
{
	static const struct recipe_pair windows[] = { { "parent_linkage", SAMPLE_LINKAGE },
						      { "absolute_win32_path", "C:\\dir\\p.vhdx" },
						      { "relative_path", ".\\p.vhdx" },
						      { "volume_path", "\\\\?\\Volume{1}\\dir\\p.vhdx" },
						      { "parent_linkage2", "{00000000-0000-0000-0000-000000000000}" } };
	static const char *const forms[] = { "{DA000000-0000-0000-0000-000000000000}", "da000000-0000-0000-0000-000000000000",
					     "Da000000-0000-0000-0000-000000000000" };
	struct memfile *child = sample_child_of(windows, 5);
	struct asked asked = { .offer = NULL };
	vhdx_disk *disk = NULL;

	cr_assert_eq(open_asking(child, &asked, &disk, NULL), VHDX_E_PARENT_MISSING);
	cr_assert_eq(asked.identity_count, 1); /* a zero second one is none */
	cr_assert_str_eq(asked.paths[2], "C:\\dir\\p.vhdx");
	memfile_free(child);
	expect_locator(windows, 5, "");
	for (unsigned i = 0; i < 3; i++) {
		struct recipe_pair pairs[] = { { "parent_linkage", forms[i] }, { "relative_path", "p" } };

		expect_locator(pairs, 2, "");
	}
}

Test(vhdx_rules, VHDX_192_zero_linkage2_accepts_no_parent)
{
	static const struct recipe_pair pairs[] = { { "parent_linkage", "{11111111-0000-0000-0000-000000000000}" },
						    { "parent_linkage2", "{00000000-0000-0000-0000-000000000000}" },
						    { "relative_path", "p" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *parent, *child = sample_child_of(pairs, 3);

	knobs.data_write_guid = (struct vhdx_guid){ { 0 } };
	parent = build(&knobs);
	expect_pair_fails(child, parent, VHDX_E_PARENT_MISMATCH, "VHDX-184");
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_193_strings_lie_inside_the_item)
{
	struct memfile *parent = sample_parent(), *child = sample_child();
	uint32_t length = (uint32_t)recipe_get(child, at.entries[RECIPE_LOCATOR] + 20, 4);
	uint64_t offset = recipe_get(child, FIELD(1, 4), 4), size = recipe_get(child, FIELD(1, 10), 2);
	uint8_t text[64];

	expect_pair_opens(child, parent);
	recipe_put(child, FIELD(1, 10), 2, size - 1); /* odd length */
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-193");
	recipe_put(child, FIELD(1, 10), 2, size + 2); /* out of the item */
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-193");
	recipe_put(child, FIELD(1, 10), 2, size);
	recipe_put(child, FIELD(1, 4), 4, length);
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-193");
	recipe_put(child, FIELD(1, 4), 4, 0xFFFFFFFF);
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-193");
	memfile_read(child, ITEM + offset, text, size); /* an odd offset is fine */
	memfile_write(child, ITEM + offset + 1, text, size);
	recipe_put(child, FIELD(1, 4), 4, offset + 1);
	recipe_put(child, at.entries[RECIPE_LOCATOR] + 20, 4, length + 1);
	expect_pair_opens(child, parent);
	recipe_put(child, ITEM + 18, 2, 256); /* more entries than fit */
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-193");
	recipe_put(child, at.entries[RECIPE_LOCATOR] + 20, 4, 19); /* not even a header */
	expect_pair_fails(child, parent, VHDX_E_DAMAGED, "VHDX-193");
	memfile_free(child);
	memfile_free(parent);
}

Test(vhdx_rules, VHDX_193_size_of_a_locator)
{
	static char keys[257][8];
	static struct recipe_pair pairs[257] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "p" } };
	static char text[40001];

	for (unsigned i = 2; i < 257; i++) {
		snprintf(keys[i], sizeof(keys[i]), "key%u", i);
		pairs[i] = (struct recipe_pair){ keys[i], "v" };
	}
	expect_locator(pairs, 256, "");
	expect_locator(pairs, 257, "VHDX-193");
	memset(text, 'x', sizeof(text) - 1);
	pairs[2].value = text;
	text[30000] = '\0'; /* 60,000 bytes */
	expect_locator(pairs, 3, "");
	text[30000] = 'x';
	text[32767] = '\0'; /* 65,534 bytes: as long as a value can be, but the item is longer than 64 KiB */
	expect_locator(pairs, 3, "VHDX-193");
}

/* A differencing image that names itself as its parent. */
static struct memfile *own_parent(void)
{
	static const struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE }, { "relative_path", "self.vhdx" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;

	knobs.type = VHDX_TYPE_DIFFERENCING;
	knobs.pairs = pairs;
	knobs.pair_count = 2;
	return build(&knobs);
}

Test(vhdx_rules, VHDX_194_cycle_is_found)
{
	struct memfile *m = own_parent(), *other = own_parent(), *base = sample_parent();
	struct asked asked = { .offer = m };
	vhdx_disk *disk = NULL;

	EXPECT_OK(check_opens((struct memfile *const[]){ m, other, base }, 3, 0));
	expect_pair_fails(m, m, VHDX_E_CHAIN, "");
	EXPECT_OK(check_open_fails((struct memfile *const[]){ m, other, m }, 3, 0, VHDX_E_CHAIN, ""));
	cr_assert_eq(open_asking(m, &asked, &disk, NULL), VHDX_E_CHAIN);
	memfile_free(base);
	memfile_free(other);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_194_depth_is_limited_and_parents_are_only_read)
{
	struct memfile *m = own_parent();
	struct asked asked = { .offer = m };
	vhdx_disk *disk = NULL;

	memfile_set_minimal(m, true); /* nobody can tell that it is always the same file */
	cr_assert_eq(open_asking(m, &asked, &disk, NULL), VHDX_E_CHAIN);
	cr_assert_eq(asked.calls, VHDX_MAX_DEPTH - 1);
	cr_assert_eq(memfile_count(m, MEMFILE_CLOSE), VHDX_MAX_DEPTH - 1); /* the file on top stays the caller's */
	cr_assert_eq(memfile_count(m, MEMFILE_WRITE) + memfile_count(m, MEMFILE_SET_SIZE), 0);
	memfile_free(m);
}

Test(vhdx_rules, VHDX_195_locator_without_has_parent_is_ignored)
{
	struct recipe_pair pairs[] = { { "parent_linkage", "no GUID" } };
	struct recipe_vhdx knobs = RECIPE_VHDX_INIT;
	struct memfile *m;

	knobs.pairs = pairs;
	knobs.pair_count = 1;
	m = sample_of(knobs);
	expect_reads(m, MIB, MIB, 5);
	recipe_fill(m, ITEM, 60, 0, 9);
	expect_reads(m, MIB, MIB, 5);
	recipe_put(m, at.items[RECIPE_FILE_PARAMETERS] + 4, 4, 2);
	expect_open_fails(m, VHDX_E_UNSUPPORTED, "VHDX-174");
	memfile_free(m);
}
