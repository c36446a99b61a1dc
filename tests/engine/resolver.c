/* SPDX-License-Identifier: MIT */
/* The ready-made resolver on real files: where it looks, in which order, and what it says. Layer: tests/engine. Its refusals are in policy.c. */
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/family.h"

static const enum vhdx_format formats[] = { VHDX_FORMAT_VHD, VHDX_FORMAT_VHDX };

/* B-33: from the folder of the child, whatever the current directory; beside, above, below, and in a neighbouring folder. */
Test(resolver, relative_paths)
{
	static const struct {
		const char *child, *parent, *path;
	} places[] = {
		{ "c.img", "p.img", ".\\p.img" },
		{ "c.img", "p.img", "p.img" },
		{ "c.img", "a/p.img", "a\\p.img" },
		{ "c.img", "a/b/p.img", ".\\a\\b\\p.img" },
		{ "a/c.img", "p.img", "..\\p.img" },
		{ "a/b/c.img", "p.img", "..\\..\\p.img" },
		{ "a/c.img", "b/p.img", "..\\b\\p.img" },
		{ "a/c.img", "b/p.img", "../b/p.img" },
		{ "a/c.img", "b/p.img", ".\\..\\.\\b\\\\p.img" },
	};

	for (size_t i = 0; i < 2 * sizeof(places) / sizeof(places[0]); i++) {
		enum vhdx_format format = formats[i % 2];
		struct hostdir d;

		hostdir_start(&d);
		hostdir_make(&d, "a");
		hostdir_make(&d, "a/b");
		hostdir_make(&d, "b");
		hostdir_make(&d, "elsewhere");
		family_put_parent(&d, places[i / 2].parent, format, 10);
		family_put_child(&d, places[i / 2].child, format, 10, VHDX_PATH_RELATIVE, places[i / 2].path);
		family_expect(hostdir_path(&d, places[i / 2].child), NULL);
		cr_assert(chdir(hostdir_path(&d, "elsewhere")) == 0);
		family_expect(hostdir_path(&d, places[i / 2].child), NULL);
		cr_assert(chdir(d.path) == 0); /* by a name that is relative itself, with and without a slash in it */
		family_expect(places[i / 2].child, NULL);
		cr_assert(chdir("..") == 0);
		hostdir_end(&d);
	}
}

Test(resolver, a_decoy_in_the_current_directory_is_not_taken)
{
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "a");
	family_put_child(&d, "a/c.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_RELATIVE, ".\\p.vhd");
	family_put_parent(&d, "p.vhd", VHDX_FORMAT_VHD, 10);
	cr_assert(chdir(d.path) == 0);
	family_expect_failure("a/c.vhd", NULL, VHDX_E_PARENT_MISSING);
	hostdir_end(&d);
}

Test(resolver, a_name_is_looked_for_beside_the_child)
{
	struct hostdir d;

	hostdir_start(&d);
	family_put_parent(&d, "p.vhd", VHDX_FORMAT_VHD, 10);
	family_put_child(&d, "c1.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_NAME, "p.vhd");
	family_put_child(&d, "c2.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_NAME, "C:\\of another machine\\p.vhd");
	family_put_child(&d, "c3.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_NAME, "..\\..\\etc\\p.vhd");
	family_expect(hostdir_path(&d, "c1.vhd"), NULL);
	family_expect(hostdir_path(&d, "c2.vhd"), NULL);
	family_expect(hostdir_path(&d, "c3.vhd"), NULL);
	hostdir_end(&d);
}

Test(resolver, case_does_not_matter_where_the_exact_name_is_absent)
{
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "Base");
	family_put_parent(&d, "Base/Parent.VHDX", VHDX_FORMAT_VHDX, 10);
	family_put_child(&d, "c.vhdx", VHDX_FORMAT_VHDX, 10, VHDX_PATH_RELATIVE, "BASE\\parent.vhdx");
	family_expect(hostdir_path(&d, "c.vhdx"), NULL);
	family_put_parent(&d, "Base/pARENT.vHDX", VHDX_FORMAT_VHDX, 10); /* two that differ by case: nobody knows which */
	family_expect_failure(hostdir_path(&d, "c.vhdx"), NULL, VHDX_E_PARENT_MISSING);
	family_put_parent(&d, "Base/parent.vhdx", VHDX_FORMAT_VHDX, 10); /* the exact one wins */
	hostdir_make(&d, "BASE");
	family_expect_failure(hostdir_path(&d, "c.vhdx"), NULL, VHDX_E_PARENT_MISSING);
	cr_assert(rmdir(hostdir_path(&d, "BASE")) == 0);
	family_expect(hostdir_path(&d, "c.vhdx"), NULL);
	hostdir_end(&d);
}

Test(resolver, maps)
{
	static const struct {
		const char *from, *stored;
		bool found;
	} cases[] = {
		{ "C:", "C:\\p.img", true },
		{ "C:\\", "C:\\p.img", true },
		{ "c:", "C:\\p.img", true },
		{ "C:", "c:/p.img", true },
		{ "C:", "\\\\?\\C:\\p.img", true },
		{ "\\\\?\\C:", "C:\\p.img", true },
		{ "C:\\VMs", "C:\\vms\\p.img", true },
		{ "C:/VMs/", "C:\\VMs\\p.img", true },
		{ "C:\\VMs", "C:\\VMs\\\\p.img", true },
		{ "C:\\VM", "C:\\VMs\\p.img", false },
		{ "D:", "C:\\p.img", false },
		{ "C:", "C:p.img", false },
		{ "C:\\VMs\\x", "C:\\VMs\\p.img", false },
		{ "", "C:\\p.img", false },
		{ "\\", "\\p.img", false },
		{ "C:", "C:\\..\\p.img", false },
		{ "C:", "C:\\a\\..\\p.img", false },
		{ "C:", "C:\\a/../p.img", false },
		{ "C:", "C:\\P.IMG", true },
		{ "C:", "C:\\p.img\\..", false },
		{ "C:", "C:", false },
	};

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
		struct vhdx_path_map map = { cases[i / 2].from, NULL };
		enum vhdx_format format = formats[i % 2];
		struct hostdir d;

		hostdir_start(&d);
		hostdir_make(&d, "mapped");
		family_put_parent(&d, "mapped/p.img", format, 10);
		family_put_parent(&d, "p.img", format, 10); /* what '..' would lead to */
		family_put_child(&d, "c.img", format, 10, VHDX_PATH_ABSOLUTE, cases[i / 2].stored);
		map.to = hostdir_path(&d, "mapped");
		resolver.maps = &map;
		resolver.map_count = 1;
		if (cases[i / 2].found)
			family_expect(hostdir_path(&d, "c.img"), &resolver);
		else if (strcmp(cases[i / 2].stored, "C:") == 0) /* the directory itself */
			family_expect_failure(hostdir_path(&d, "c.img"), &resolver, VHDX_E_PARENT_MISSING);
		else
			family_expect_failure(hostdir_path(&d, "c.img"), &resolver, VHDX_E_PARENT_DENIED);
		hostdir_end(&d);
	}
}

Test(resolver, map_of_a_volume)
{
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_path_map maps[2] = { { "D:", NULL }, { "\\\\?\\Volume{26A21BDA-A627-11D7-9931-806E6F6E6963}", NULL } };
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "v");
	hostdir_make(&d, "v/VMs");
	family_put_parent(&d, "v/VMs/p.vhdx", VHDX_FORMAT_VHDX, 10);
	family_put_child(&d, "c.vhdx", VHDX_FORMAT_VHDX, 10, VHDX_PATH_VOLUME,
			 "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\VMs\\p.vhdx");
	family_expect_failure(hostdir_path(&d, "c.vhdx"), NULL, VHDX_E_PARENT_DENIED);
	maps[0].to = d.path;
	maps[1].to = hostdir_path(&d, "v");
	resolver.maps = maps;
	resolver.map_count = 2;
	family_expect(hostdir_path(&d, "c.vhdx"), &resolver);
	hostdir_end(&d);
}

Test(resolver, url_through_a_map)
{
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_path_map map = { "/Volumes/disk", NULL };
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "m");
	family_put_parent(&d, "m/my parent.vhd", VHDX_FORMAT_VHD, 10);
	family_put_child(&d, "c1.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL, "file://localhost/Volumes/disk/my%20parent.vhd");
	family_put_child(&d, "c2.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL, "file:///Volumes/disk/my%20parent.vhd");
	family_put_child(&d, "c3.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL,
			 "file://localhost/Volumes/disk/x/%2e%2E/my%20parent.vhd");
	family_put_child(&d, "c4.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL, "http://host/Volumes/disk/my%20parent.vhd");
	family_put_child(&d, "c5.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL, "file://localhost");
	family_put_child(&d, "c6.vhd", VHDX_FORMAT_VHD, 10, VHDX_PATH_URL, "file://localhost/Volumes/disk/my%2");
	map.to = hostdir_path(&d, "m");
	resolver.maps = &map;
	resolver.map_count = 1;
	family_expect_failure(hostdir_path(&d, "c1.vhd"), NULL, VHDX_E_PARENT_DENIED);
	family_expect(hostdir_path(&d, "c1.vhd"), &resolver);
	family_expect(hostdir_path(&d, "c2.vhd"), &resolver);
	family_expect_failure(hostdir_path(&d, "c3.vhd"), &resolver, VHDX_E_PARENT_DENIED);
	family_expect_failure(hostdir_path(&d, "c4.vhd"), &resolver, VHDX_E_PARENT_DENIED);
	family_expect_failure(hostdir_path(&d, "c5.vhd"), &resolver, VHDX_E_PARENT_DENIED);
	family_expect_failure(hostdir_path(&d, "c6.vhd"), &resolver, VHDX_E_PARENT_MISSING);
	hostdir_end(&d);
}

/* In a search directory a parent is known by its identity; everything else there is passed over in silence. */
Test(resolver, search_directories)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
		const char *directories[3];
		struct memfile *junk = memfile_new();
		struct vhdx_error e = { .status = 0 };
		vhdx_disk *disk = NULL;
		struct diary diary;
		struct hostdir d;

		hostdir_start(&d);
		hostdir_make(&d, "one");
		hostdir_make(&d, "two");
		hostdir_make(&d, "two/deep");
		family_put_child(&d, "c.img", formats[i], 10, VHDX_PATH_RELATIVE, ".\\gone.img");
		family_put_parent(&d, "one/a.vhd", VHDX_FORMAT_VHD, 11);
		family_put_parent(&d, "one/b.vhdx", VHDX_FORMAT_VHDX, 12);
		recipe_fill(junk, 0, 100000, 0, 1);
		hostdir_put(&d, "one/c.vhdx", junk);
		hostdir_put(&d, "one/d.txt", junk);
		hostdir_make(&d, "one/directory.vhdx");
		hostdir_link(&d, "one/dangling.vhdx", "nowhere");
		cr_assert(mkfifo(hostdir_path(&d, "one/fifo.vhd"), 0600) == 0);
		family_put_parent(&d, "two/deep/p.vhdx", formats[i], 10); /* no subdirectories */
		family_put_parent(&d, "two/p.other", formats[i], 10);     /* and only files that are called images */
		directories[0] = hostdir_path(&d, "one");
		directories[1] = hostdir_path(&d, "two");
		directories[2] = hostdir_path(&d, "absent");
		resolver.search = directories;
		resolver.search_count = 3;
		cr_expect(family_open(&disk, hostdir_path(&d, "c.img"), &resolver, &diary, &e) == VHDX_E_PARENT_MISSING, "%s",
			  e.message);
		cr_expect(diary.count == 4, "the relative path, and each directory once: %u", diary.count);
		family_expect_failure(hostdir_path(&d, "c.img"), &resolver, VHDX_E_PARENT_MISSING);
		family_put_parent(&d, "two/P.AVHDX", formats[i], 10);
		resolver.search_count = 2;
		family_expect(hostdir_path(&d, "c.img"), &resolver);
		hostdir_end(&d);
		memfile_free(junk);
	}
}

/* Everything that a child stores, in order, and then the search; the first with the right identity wins. */
Test(resolver, order_of_attempts)
{
	static const char *const expected[] = { "rel.vhdx", "\\\\?\\Volume{1}\\vol.vhdx", "mapped/abs.vhdx", "search" };
	char linkage[] = "{00000000-0000-0000-0000-000000000001}";
	struct recipe_pair pairs[] = { { "absolute_win32_path", "C:\\abs.vhdx" },
				       { "volume_path", "\\\\?\\Volume{1}\\vol.vhdx" },
				       { "parent_linkage", linkage },
				       { "relative_path", ".\\rel.vhdx" } };
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_path_map map = { "C:", NULL };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;
	struct vhdx_error e = { .status = 0 };
	const char *directory;
	vhdx_disk *disk = NULL;
	struct memfile *m;
	struct diary diary;
	struct hostdir d;

	hostdir_start(&d);
	k.type = VHDX_TYPE_DIFFERENCING;
	k.size = FAMILY_SIZE;
	k.pairs = pairs;
	k.pair_count = 4;
	m = recipe_vhdx_new(&k, NULL);
	hostdir_put(&d, "c.vhdx", m);
	memfile_free(m);
	hostdir_make(&d, "mapped");
	hostdir_make(&d, "search");
	family_put_parent(&d, "rel.vhdx", VHDX_FORMAT_VHDX, 40);       /* wrong identity */
	family_put_parent(&d, "mapped/abs.vhdx", VHDX_FORMAT_VHD, 41); /* wrong format */
	map.to = hostdir_path(&d, "mapped");
	directory = hostdir_path(&d, "search");
	resolver.maps = &map;
	resolver.map_count = 1;
	resolver.search = &directory;
	resolver.search_count = 1;
	cr_expect(family_open(&disk, hostdir_path(&d, "c.vhdx"), &resolver, &diary, &e) == VHDX_E_PARENT_MISMATCH);
	cr_assert(diary.count == 4, "%u: %s", diary.count, e.message);
	for (unsigned i = 0; i < 4; i++)
		cr_expect_str_eq(diary.entries[i].path, i == 1 ? expected[i] : hostdir_path(&d, expected[i]));
	cr_expect(diary.entries[0].status == VHDX_E_PARENT_MISMATCH && strstr(diary.entries[0].reason, "VHDX-184") != NULL);
	cr_expect(diary.entries[1].status == VHDX_E_DENIED);
	cr_expect(diary.entries[2].status == VHDX_E_PARENT_MISMATCH && strstr(diary.entries[2].reason, "VHDX-174") != NULL);
	cr_expect(diary.entries[3].status == VHDX_E_NOT_FOUND);
	family_expect_failure(hostdir_path(&d, "c.vhdx"), &resolver, VHDX_E_PARENT_MISMATCH);
	cr_expect(strstr(e.message, "00000000-0000-0000-0000-000000000001") != NULL, "%s", e.message);
	hostdir_end(&d);
}

static struct vhdx_guid guid_1(void)
{
	return recipe_guid_text("00000000-0000-0000-0000-000000000001");
}

/* Three levels through relative paths: each from the folder of its own child. */
Test(resolver, a_chain_over_folders)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_locator locator = { .code = "W2ru", .text = "..\\two\\middle.vhd" };
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;
	struct memfile *m;
	struct diary diary;
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "one");
	hostdir_make(&d, "two");
	hostdir_make(&d, "two/three");
	family_put_parent(&d, "two/three/base.vhd", VHDX_FORMAT_VHD, 10);
	k.type = VHDX_TYPE_DIFFERENCING;
	k.size = FAMILY_SIZE;
	k.locators = &locator;
	k.locator_count = 1;
	k.parent_unique_id = guid_1();
	m = recipe_vhd_new(&k, NULL);
	hostdir_put(&d, "one/top.vhd", m);
	memfile_free(m);
	locator.text = "three\\base.vhd";
	k.parent_unique_id = recipe_guid(10);
	k.unique_id = guid_1();
	m = recipe_vhd_new(&k, NULL);
	hostdir_put(&d, "two/middle.vhd", m);
	memfile_free(m);
	cr_assert(family_open(&disk, hostdir_path(&d, "one/top.vhd"), NULL, &diary, &e) == VHDX_OK, "%s", e.message);
	cr_expect(vhdx_depth(disk) == 3 && diary.count == 2 && diary.entries[1].level == 1);
	expect_pattern(disk, 0, FAMILY_SIZE, FAMILY_SEED);
	vhdx_close(disk);
	cr_assert(unlink(hostdir_path(&d, "two/three/base.vhd")) == 0); /* the error names the child that misses its parent */
	cr_expect(family_open(&disk, hostdir_path(&d, "one/top.vhd"), NULL, &diary, &e) == VHDX_E_PARENT_MISSING);
	cr_expect(e.level == 1 && strstr(e.file, "middle.vhd") != NULL && strstr(e.message, "base.vhd") != NULL, "%s: %s", e.file,
		  e.message);
	hostdir_end(&d);
}

/* B-32 on the host: under whatever name, a file that is in the chain already ends it. */
Test(resolver, cycles)
{
	struct recipe_vhd k = RECIPE_VHD_INIT;
	struct recipe_vhd_locator locator = { .code = "W2ru", .text = "self.vhd" };
	struct memfile *m;
	struct hostdir d;

	hostdir_start(&d);
	k.type = VHDX_TYPE_DIFFERENCING;
	k.size = FAMILY_SIZE;
	k.unique_id = k.parent_unique_id = guid_1();
	k.locators = &locator;
	k.locator_count = 1;
	m = recipe_vhd_new(&k, NULL);
	hostdir_put(&d, "self.vhd", m);
	family_expect_failure(hostdir_path(&d, "self.vhd"), NULL, VHDX_E_CHAIN);
	hostdir_link(&d, "link.vhd", "self.vhd"); /* opened through a link, and a second name of the same file */
	family_expect_failure(hostdir_path(&d, "link.vhd"), NULL, VHDX_E_CHAIN);
	cr_assert(link(hostdir_path(&d, "self.vhd"), hostdir_path(&d, "hard.vhd")) == 0);
	family_expect_failure(hostdir_path(&d, "hard.vhd"), NULL, VHDX_E_CHAIN);
	memfile_free(m);
	hostdir_end(&d);
}

Test(resolver, a_parent_that_is_being_written)
{
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_error e = { .status = 0 };
	struct vhdx_file writer;
	vhdx_disk *disk = NULL;
	struct diary diary;
	struct hostdir d;

	hostdir_start(&d);
	family_put_parent(&d, "p.vhdx", VHDX_FORMAT_VHDX, 10);
	family_put_child(&d, "c.vhdx", VHDX_FORMAT_VHDX, 10, VHDX_PATH_RELATIVE, "p.vhdx");
	cr_assert(vhdx_file_open(&writer, hostdir_path(&d, "p.vhdx"), VHDX_FILE_WRITE, &e) == VHDX_OK);
	cr_expect(family_open(&disk, hostdir_path(&d, "c.vhdx"), NULL, &diary, &e) < 0);
	cr_expect(diary.count == 1 && diary.entries[0].status == VHDX_E_LOCKED);
	resolver.file_flags = VHDX_FILE_NO_LOCK;
	family_expect(hostdir_path(&d, "c.vhdx"), &resolver);
	vhdx_file_close(&writer);
	family_expect(hostdir_path(&d, "c.vhdx"), NULL);
	cr_assert(family_open(&disk, hostdir_path(&d, "c.vhdx"), NULL, &diary, &e) ==
		  VHDX_OK); /* and nobody writes a parent in use */
	cr_expect(vhdx_file_open(&writer, hostdir_path(&d, "p.vhdx"), VHDX_FILE_WRITE, &e) == VHDX_E_LOCKED);
	vhdx_close(disk);
	cr_expect(vhdx_file_open(&writer, hostdir_path(&d, "p.vhdx"), VHDX_FILE_WRITE, &e) == VHDX_OK);
	vhdx_file_close(&writer);
	hostdir_end(&d);
}

/* A resolver struct of an older caller: the members that it does not have are the defaults. */
Test(resolver, smaller_struct)
{
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct hostdir d;

	hostdir_start(&d);
	hostdir_make(&d, "root");
	family_put_parent(&d, "p.vhdx", VHDX_FORMAT_VHDX, 10);
	family_put_child(&d, "c.vhdx", VHDX_FORMAT_VHDX, 10, VHDX_PATH_RELATIVE, "p.vhdx");
	resolver.root = hostdir_path(&d, "root");
	family_expect_failure(hostdir_path(&d, "c.vhdx"), &resolver, VHDX_E_PARENT_DENIED);
	resolver.struct_size = (uint32_t)offsetof(struct vhdx_resolver, root);
	resolver.search_count = 7; /* garbage */
	family_expect(hostdir_path(&d, "c.vhdx"), &resolver);
	hostdir_end(&d);
}

/* A child in memory has no folder that its parent could be relative to. */
Test(resolver, a_child_without_a_name)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct memfile *m = family_child(VHDX_FORMAT_VHD, 10, VHDX_PATH_RELATIVE, "p.vhd");
	struct vhdx_file file = memfile_file(m, NULL);
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;

	options.open_parent = vhdx_resolve_parent;
	cr_expect(vhdx_open_file(&disk, &file, &options, &e) == VHDX_E_PARENT_DENIED);
	cr_expect(strstr(e.message, "p.vhd") != NULL && strstr(e.message, "no file name") != NULL, "%s", e.message);
	memfile_free(m);
}

/* How often a file was opened by anybody while `d` watched it. */
static unsigned opens_of(int watch)
{
	char events[4096];
	ssize_t length = read(watch, events, sizeof(events));
	unsigned count = 0;

	for (ssize_t at = 0; at < length;) {
		struct inotify_event event;

		memcpy(&event, events + at, sizeof(event));
		count += (event.mask & IN_OPEN) != 0;
		at += (ssize_t)(sizeof(event) + event.len);
	}
	return count;
}

/* B-24: without open_parent the library opens the one file that it was told to. */
Test(resolver, no_second_file_unless_asked)
{
	for (unsigned i = 0; i < 2; i++) {
		int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
		struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
		struct vhdx_error e = { .status = 0 };
		vhdx_disk *disk = NULL;
		struct hostdir d;

		hostdir_start(&d);
		family_put_parent(&d, "p.img", formats[i], 10);
		family_put_child(&d, "c.img", formats[i], 10, VHDX_PATH_RELATIVE, "p.img");
		cr_assert(watch >= 0 && inotify_add_watch(watch, hostdir_path(&d, "p.img"), IN_OPEN) >= 0);
		cr_expect(vhdx_open(&disk, hostdir_path(&d, "c.img"), NULL, &e) == VHDX_E_PARENT_MISSING);
		cr_expect(strstr(e.message, "p.img") != NULL, "it says what it needs: %s", e.message);
		options.flags = VHDX_OPEN_NO_PARENTS;
		cr_assert(vhdx_open(&disk, hostdir_path(&d, "c.img"), &options, &e) == VHDX_OK);
		vhdx_close(disk);
		cr_expect(opens_of(watch) == 0);
		options.flags = 0;
		options.open_parent = vhdx_resolve_parent;
		cr_assert(vhdx_open(&disk, hostdir_path(&d, "c.img"), &options, &e) == VHDX_OK);
		vhdx_close(disk);
		cr_expect(opens_of(watch) == 1);
		(void)close(watch);
		hostdir_end(&d);
	}
}
