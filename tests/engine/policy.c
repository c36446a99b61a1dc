/* SPDX-License-Identifier: MIT */
/*
 * What the resolver refuses: a parent path is hostile input (design section 7, B-29, B-30, decision D-05). Layer: tests/engine. Each refusal is paired
 * with the same path made harmless, so that it is the policy that is tested and not a typing error.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/family.h"

static const enum vhdx_format formats[] = { VHDX_FORMAT_VHD, VHDX_FORMAT_VHDX };

/* A child in `d` with one stored path fails to open so, in both formats. */
static void expect_refused(const struct hostdir *d, enum vhdx_path_kind kind, const char *path,
			   const struct vhdx_resolver *resolver, int status)
{
	for (unsigned i = 0; i < 2; i++) {
		if (formats[i] == VHDX_FORMAT_VHDX && kind > VHDX_PATH_ABSOLUTE)
			continue;
		family_put_child(d, "child.img", formats[i], 10, kind, path);
		family_expect_failure(hostdir_path(d, "child.img"), resolver, status);
	}
}

Test(policy, paths_that_lead_off_the_disk)
{
	static const char *const absolute[] = {
		"/etc/shadow",
		"\\\\host\\share\\x.vhdx",
		"//host/share/x.vhdx",
		"\\\\?\\UNC\\host\\share\\x.vhdx",
		"\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\x.vhdx",
		"\\\\.\\PhysicalDrive0",
		"\\\\?\\GLOBALROOT\\Device\\x",
		"/dev/zero",
		"/dev/mem",
		"/proc/self/mem",
		"C:\\x.vhdx",
		"\\\\?\\C:\\x.vhdx",
		"C:",
		"CON",
		"\\x",
		"x",
	};
	struct hostdir d;

	hostdir_start(&d);
	for (size_t i = 0; i < sizeof(absolute) / sizeof(absolute[0]); i++) {
		expect_refused(&d, VHDX_PATH_ABSOLUTE, absolute[i], NULL, VHDX_E_PARENT_DENIED);
		expect_refused(&d, VHDX_PATH_VOLUME, absolute[i], NULL, VHDX_E_PARENT_DENIED);
	}
	expect_refused(&d, VHDX_PATH_URL, "file://localhost/etc/shadow", NULL, VHDX_E_PARENT_DENIED);
	expect_refused(&d, VHDX_PATH_URL, "file://localhost/dev/zero", NULL, VHDX_E_PARENT_DENIED);
	hostdir_end(&d);
}

/* What is not relative is not taken for it. */
Test(policy, absolute_paths_in_the_place_of_relative_ones)
{
	static const char *const paths[] = { "/etc/shadow", "\\etc\\shadow",         "\\\\host\\share\\x", "C:\\x",
					     "C:x",         "\\\\.\\PhysicalDrive0", "/dev/zero" };
	struct hostdir d;

	hostdir_start(&d);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect_refused(&d, VHDX_PATH_RELATIVE, paths[i], NULL, VHDX_E_PARENT_DENIED);
	hostdir_end(&d);
}

/* Going up is allowed where no root is set, but what is there must be the parent. */
Test(policy, a_foreign_file_is_never_a_parent)
{
	struct memfile *secret = memfile_new();
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "a");
	memfile_write(secret, 0, "root:$6$secret", 14);
	memfile_set_size(secret, 100000);
	hostdir_put(&d, "shadow", secret);
	for (unsigned i = 0; i < 2; i++) {
		family_put_child(&d, "a/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "..\\shadow");
		family_expect_failure(hostdir_path(&d, "a/c.img"), NULL, VHDX_E_PARENT_MISMATCH);
		family_put_child(&d, "a/c.img", formats[i], 10, VHDX_PATH_RELATIVE,
				 "..\\..\\..\\..\\..\\..\\..\\..\\..\\..\\etc\\hostname");
		{
			struct vhdx_error e = { .status = 0 };
			vhdx_disk *disk = NULL;
			struct diary diary;

			cr_expect(family_open(&disk, hostdir_path(&d, "a/c.img"), NULL, &diary, &e) < 0);
		}
	}
	memfile_free(secret);
	hostdir_end(&d);
}

Test(policy, only_regular_files)
{
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "directory");
	cr_assert(mkfifo(hostdir_path(&d, "fifo"), 0600) == 0);
	hostdir_link(&d, "zero", "/dev/zero");
	hostdir_link(&d, "full", "/dev/full");
	hostdir_link(&d, "loop", "loop");
	expect_refused(&d, VHDX_PATH_RELATIVE, "directory", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_RELATIVE, ".", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_RELATIVE, "..", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_RELATIVE, "fifo", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_RELATIVE, "zero", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_RELATIVE, "full", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_RELATIVE, "loop", NULL, VHDX_E_PARENT_DENIED);
	expect_refused(&d, VHDX_PATH_NAME, "directory", NULL, VHDX_E_PARENT_MISSING);
	expect_refused(&d, VHDX_PATH_NAME, "..", NULL, VHDX_E_PARENT_MISSING);
	hostdir_end(&d);
}

/* `fill` repeated to `length` characters as the relative path of a child. */
static int open_with_long_path(const struct hostdir *d, enum vhdx_format format, const char *fill, size_t length,
			       struct vhdx_error *e)
{
	char *path = malloc(length + 1);
	vhdx_disk *disk = NULL;
	struct diary diary;
	int status;

	cr_assert(path != NULL);
	for (size_t i = 0; i < length; i++)
		path[i] = fill[i % strlen(fill)];
	path[length] = '\0';
	family_put_child(d, "c.img", format, 10, VHDX_PATH_RELATIVE, path);
	status = family_open(&disk, hostdir_path(d, "c.img"), NULL, &diary, e);
	free(path);
	cr_assert(disk == NULL);
	return status;
}

/* Up to the 64 KiB that a locator may have, in one part and in thousands. */
Test(policy, paths_longer_than_any_host_has)
{
	static const char *const fills[] = { "n", "n\\", "..\\" };
	struct vhdx_error e = { .status = 0 };
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "n");
	for (unsigned i = 0; i < 3; i++) {
		for (size_t length = 200; length <= 32768; length = length < 30000 ? length * 3 + 1 : length + 32768 - 30000) {
			cr_expect(open_with_long_path(&d, VHDX_FORMAT_VHD, fills[i], length, &e) == VHDX_E_PARENT_MISSING, "%s",
				  e.message);
			cr_expect(length > 30000 ||
				  open_with_long_path(&d, VHDX_FORMAT_VHDX, fills[i], length, &e) == VHDX_E_PARENT_MISSING);
		}
	}
	cr_expect(open_with_long_path(&d, VHDX_FORMAT_VHD, "n", 32768, &e) == VHDX_E_PARENT_MISSING);
	cr_expect(open_with_long_path(&d, VHDX_FORMAT_VHD, "n", 32769, &e) == VHDX_E_DAMAGED);
	cr_expect_str_eq(e.rule, "VHD-056");
	cr_expect(open_with_long_path(&d, VHDX_FORMAT_VHDX, "n", 32767, &e) ==
		  VHDX_E_DAMAGED); /* the item is longer than 64 KiB */
	cr_expect_str_eq(e.rule, "VHDX-193");
	hostdir_end(&d);
}

/* Empty, with a NUL inside, and with halves of surrogate pairs. */
Test(policy, texts_that_are_no_texts)
{
	struct memfile *m = family_child(VHDX_FORMAT_VHD, 10, VHDX_PATH_RELATIVE, "pX.vhd");
	uint64_t text = recipe_get_be(m, 512 + 576 + 16, 8);
	struct hostdir d;

	hostdir_start(&d);
	family_put_parent(&d, "p", VHDX_FORMAT_VHD, 11);
	recipe_put(m, text + 2, 2, 0); /* "p\0.vhd" */
	hostdir_put(&d, "c.vhd", m);
	family_expect_failure(hostdir_path(&d, "c.vhd"), NULL, VHDX_E_PARENT_MISMATCH);
	recipe_put(m, text + 2, 2, 0xD800);
	hostdir_put(&d, "c.vhd", m);
	family_expect_failure(hostdir_path(&d, "c.vhd"), NULL, VHDX_E_PARENT_MISSING);
	recipe_put(m, text, 2, 0); /* empty */
	hostdir_put(&d, "c.vhd", m);
	family_expect_failure(hostdir_path(&d, "c.vhd"), NULL, VHDX_E_PARENT_DENIED);
	memfile_free(m);
	m = family_child(VHDX_FORMAT_VHDX, 10, VHDX_PATH_RELATIVE, "pX.vhdx");
	for (uint64_t at = 2 * RECIPE_MIB + 65536; at < 2 * RECIPE_MIB + 70000;
	     at += 2) /* the same in a VHDX, where it is damage: D-50 */
		if (recipe_get(m, at, 8) == UINT64_C(0x0076002E00580070))
			text = at;
	cr_assert(text > 2 * RECIPE_MIB);
	recipe_put(m, text + 2, 2, 0);
	expect_open_fails_with(m, VHDX_OPEN_NO_PARENTS, VHDX_E_DAMAGED, "VHDX-177");
	recipe_put(m, text + 2, 2, 0xDC00);
	hostdir_put(&d, "c.vhdx", m);
	family_expect_failure(hostdir_path(&d, "c.vhdx"), NULL, VHDX_E_PARENT_MISSING);
	memfile_free(m);
	hostdir_end(&d);
}

Test(policy, nothing_outside_of_the_root)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
		struct vhdx_path_map map = { "C:", NULL };
		const char *search;
		struct hostdir d;
		char root[300];

		hostdir_start(&d);
		hostdir_make(&d, "root");
		hostdir_make(&d, "root/in");
		hostdir_make(&d, "rootless"); /* a name that begins like the root */
		family_put_parent(&d, "out.vhdx", formats[i], 10);
		family_put_parent(&d, "rootless/p.vhdx", formats[i], 10);
		family_put_parent(&d, "root/in/p.vhdx", formats[i], 10);
		hostdir_link(&d, "root/in/link-out", "../../out.vhdx");
		hostdir_link(&d, "root/in/link-in", "p.vhdx");
		hostdir_link(&d, "root/up", "..");
		hostdir_link(&d, "linked-root", "root");
		(void)snprintf(root, sizeof(root), "%s", hostdir_path(&d, "root"));
		resolver.root = root;
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "..\\..\\out.vhdx");
		family_expect(hostdir_path(&d, "root/in/c.img"), NULL);
		family_expect_failure(hostdir_path(&d, "root/in/c.img"), &resolver, VHDX_E_PARENT_DENIED);
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "..\\..\\rootless\\p.vhdx");
		family_expect(hostdir_path(&d, "root/in/c.img"), NULL);
		family_expect_failure(hostdir_path(&d, "root/in/c.img"), &resolver, VHDX_E_PARENT_DENIED);
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "link-out");
		family_expect(hostdir_path(&d, "root/in/c.img"), NULL);
		family_expect_failure(hostdir_path(&d, "root/in/c.img"), &resolver, VHDX_E_PARENT_DENIED);
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "..\\up\\out.vhdx");
		family_expect_failure(hostdir_path(&d, "root/in/c.img"), &resolver, VHDX_E_PARENT_DENIED);
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "link-in");
		family_expect(hostdir_path(&d, "root/in/c.img"), &resolver);
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_RELATIVE, "..\\..\\root\\in\\p.vhdx");
		family_expect(hostdir_path(&d, "root/in/c.img"), &resolver);
		strcat(root, "//");
		family_expect(hostdir_path(&d, "root/in/c.img"), &resolver);
		resolver.root = hostdir_path(&d, "linked-root");
		family_expect(hostdir_path(&d, "root/in/c.img"), &resolver);
		resolver.root = "/";
		family_expect(hostdir_path(&d, "root/in/c.img"), &resolver);
		resolver.root = hostdir_path(&d, "absent");
		family_expect_failure(hostdir_path(&d, "root/in/c.img"), &resolver, VHDX_E_PARENT_MISSING);
		resolver.root = root; /* maps and search directories do not lead out of it either */
		family_put_child(&d, "root/in/c.img", formats[i], 10, VHDX_PATH_ABSOLUTE, "C:\\out.vhdx");
		map.to = d.path;
		resolver.maps = &map;
		resolver.map_count = 1;
		family_expect_failure(hostdir_path(&d, "root/in/c.img"), &resolver, VHDX_E_PARENT_DENIED);
		search = hostdir_path(&d, "rootless");
		resolver.search = &search;
		resolver.search_count = 1;
		{
			struct vhdx_error e = { .status = 0 };
			vhdx_disk *disk = NULL;
			struct diary diary;

			cr_expect(family_open(&disk, hostdir_path(&d, "root/in/c.img"), &resolver, &diary, &e) < 0);
		}
		resolver.root = NULL;
		family_expect(hostdir_path(&d, "root/in/c.img"), &resolver);
		hostdir_end(&d);
	}
}

/* B-30: a raw file has no identity, so any file could be called a parent. Not even the flag that forgives a wrong identity lets it in. */
Test(policy, raw_is_never_a_parent)
{
	struct memfile *child = family_child(VHDX_FORMAT_VHDX, 10, VHDX_PATH_RELATIVE, "p"), *raw = memfile_new();

	recipe_fill(raw, 0, FAMILY_SIZE, 0, 1);
	expect_pair_fails(child, raw, VHDX_E_PARENT_MISMATCH, "VHDX-174");
	EXPECT_OK(check_open_fails((struct memfile *const[]){ child, raw }, 2, VHDX_OPEN_IGNORE_PARENT_IDENTITY,
				   VHDX_E_PARENT_MISMATCH, "VHDX-174"));
	memfile_free(child);
	memfile_free(raw);
}
