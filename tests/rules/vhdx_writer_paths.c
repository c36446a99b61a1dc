/* SPDX-License-Identifier: MIT */
/* The rules on the paths that vhdx_create stores by itself in a differencing child, and on its linkage in a merge. Texts that a caller hands over are stored as they are. */
#include <stdio.h>
#include <string.h>

#include "rules/vhdx_created.h"
#include "support/hostdir.h"

/* "key=value;" for each pair of the locator of a host file, decoded here. */
static const char *stored_pairs(const char *path)
{
	static char text[1000];
	struct memfile *m = memfile_new();
	struct vhdx_file file;
	uint8_t bytes[4096];
	uint64_t item;
	size_t length = 0;

	cr_assert_eq(vhdx_file_open(&file, path, 0, NULL), VHDX_OK);
	for (uint64_t offset = 0; offset < 4 * MIB; offset += sizeof(bytes)) {
		struct vhdx_error error;
		int64_t done = file.io->read(file.handle, bytes, sizeof(bytes), offset, &error);

		cr_assert_geq(done, 0);
		memfile_write(m, offset, bytes, (size_t)done);
	}
	vhdx_file_close(&file);
	item = created_value(m, CREATED_LOCATOR);
	for (uint64_t i = 0, count = recipe_get(m, item + 18, 2); i < count; i++)
		for (unsigned part = 0; part < 2; part++) {
			uint64_t from = item + recipe_get(m, item + 20 + 12 * i + 4 * part, 4);
			uint64_t units = recipe_get(m, item + 28 + 12 * i + 2 * part, 2) / 2;

			for (uint64_t u = 0; u < units && length < sizeof(text) - 2; u++)
				text[length++] = (char)recipe_get(m, from + 2 * u, 2);
			text[length++] = part == 0 ? '=' : ';';
		}
	text[length] = '\0';
	memfile_free(m);
	return text;
}

static void make(const char *path, const char *parent)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error = { 0 };
	vhdx_disk *disk = NULL;

	plain.open_parent = vhdx_resolve_parent;
	options.size = 16 * MIB;
	if (parent != NULL)
		cr_assert_eq(vhdx_open(&disk, parent, &plain, &error), VHDX_OK, "%s", error.message);
	options.parent = disk;
	cr_assert_eq(vhdx_create(path, &options, &error), VHDX_OK, "%s", error.message);
	vhdx_close(disk);
}

static void expect_path(const struct hostdir *d, const char *child, const char *parent, const char *relative)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	char wanted[400];
	const char *found;
	vhdx_disk *disk;

	make(hostdir_path(d, child), hostdir_path(d, parent));
	(void)snprintf(wanted, sizeof(wanted), ";relative_path=%s;", relative);
	found = stored_pairs(hostdir_path(d, child));
	cr_assert(strstr(found, wanted) != NULL, "%s: %s", child, found);
	options.open_parent = vhdx_resolve_parent; /* from wherever this process is */
	cr_assert_eq(vhdx_open(&disk, hostdir_path(d, child), &options, NULL), VHDX_OK);
	cr_assert_geq(vhdx_depth(disk), 2);
	vhdx_close(disk);
}

Test(vhdx_rules, VHDX_188_relative_path_leads_from_the_child_with_backslashes)
{
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "a");
	hostdir_make(&d, "a/b");
	hostdir_make(&d, "a/ab");
	make(hostdir_path(&d, "a/root.vhdx"), NULL);
	expect_path(&d, "a/same.vhdx", "a/root.vhdx", ".\\root.vhdx");
	expect_path(&d, "a/b/below.vhdx", "a/root.vhdx", "..\\root.vhdx");
	expect_path(&d, "above.vhdx", "a/root.vhdx", ".\\a\\root.vhdx");
	expect_path(&d, "a/ab/beside.vhdx", "a/b/below.vhdx", "..\\b\\below.vhdx");
	hostdir_end(&d);
}

static const char *pairs_of_a_child(void)
{
	static char text[1000];
	struct hostdir d;

	hostdir_start(&d);
	make(hostdir_path(&d, "root.vhdx"), NULL);
	make(hostdir_path(&d, "child.vhdx"), hostdir_path(&d, "root.vhdx"));
	(void)snprintf(text, sizeof(text), "%s", stored_pairs(hostdir_path(&d, "child.vhdx")));
	hostdir_end(&d);
	return text;
}

/* What a host without volume names knows nothing about is not made up. A text of the form that the caller gives is stored: VHDX-185. */
Test(vhdx_rules, VHDX_189_volume_path_is_not_made_up)
{
	const char *found = pairs_of_a_child();

	cr_assert(strstr(found, "relative_path=") != NULL, "%s", found);
#if defined(_WIN32)
	cr_assert(strstr(found, "volume_path=\\\\?\\Volume{") != NULL, "%s", found);
#else
	cr_assert(strstr(found, "volume_path") == NULL, "%s", found);
#endif
}

/* Decision D-48: only where it means something. */
Test(vhdx_rules, VHDX_190_absolute_path_has_the_prefix_and_a_drive)
{
	const char *found = strstr(pairs_of_a_child(), "absolute_win32_path=");
#if defined(_WIN32)
	cr_assert(found != NULL && strncmp(found + 20, "\\\\?\\", 4) == 0 && found[25] == ':', "%s", found);
#else
	cr_assert(found == NULL, "%s", found);
#endif
}

/* A child of the sample parent that names `next` as a second identity of it, or none. */
static struct memfile *child_with(const char *next)
{
	struct recipe_pair pairs[] = { { "parent_linkage", SAMPLE_LINKAGE },
				       { "relative_path", ".\\parent.vhdx" },
				       { "parent_linkage2", next } };

	return sample_child_of(pairs, next != NULL ? 3 : 2);
}

/* Merges into the parent, whose first change gets the DataWriteGuid {0b...}; the status, and the parent's DataWriteGuid afterwards. */
static int merge(const char *announced, struct vhdx_guid *found)
{
	struct memfile *parent = sample_parent(), *child = child_with(announced);
	struct vhdx_file above = memfile_file(child, "child"), below = memfile_file(parent, "parent");
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_guid next = { { 0x0b } };
	vhdx_disk *source, *target;
	int status;

	options.flags = VHDX_OPEN_NO_PARENTS;
	cr_assert_eq(vhdx_open_file(&source, &above, &options, NULL), VHDX_OK);
	options.flags = VHDX_OPEN_WRITE;
	options.data_identity = &next;
	cr_assert_eq(vhdx_open_file(&target, &below, &options, NULL), VHDX_OK);
	status = vhdx_merge(source, target, NULL, NULL, NULL);
	vhdx_close(source);
	cr_assert_eq(vhdx_close(target), VHDX_OK);
	for (unsigned slot = 0; slot < 2; slot++)
		*found = recipe_get_guid(parent, RECIPE_HEADER(slot) + 32);
	if (status == VHDX_OK)
		expect_pair_reads(child, parent, 0, MIB, 1);
	memfile_free(child);
	memfile_free(parent);
	return status;
}

Test(vhdx_rules, VHDX_191_no_merge_before_the_child_accepts_the_new_guid)
{
	struct vhdx_guid found, old = recipe_guid_text("da000000-0000-0000-0000-000000000000");

	cr_assert_eq(merge(NULL, &found), VHDX_E_ARGUMENT);
	cr_assert_eq(memcmp(&found, &old, sizeof(old)), 0, "the parent has another identity, which nobody accepts");
	cr_assert_eq(merge("{0c000000-0000-0000-0000-000000000000}", &found), VHDX_E_ARGUMENT);
	cr_assert_eq(memcmp(&found, &old, sizeof(old)), 0);
	cr_assert_eq(merge("{0b000000-0000-0000-0000-000000000000}", &found), VHDX_OK);
	cr_assert_eq(found.bytes[0], 0x0b);
}
