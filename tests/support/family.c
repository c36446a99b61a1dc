/* SPDX-License-Identifier: MIT */
#include "support/family.h"

#include <stdio.h>
#include <string.h>

struct memfile *family_parent(enum vhdx_format format, uint8_t id)
{
	struct recipe_block blocks[4];
	struct recipe_vhdx x = RECIPE_VHDX_INIT;
	struct recipe_vhd v = RECIPE_VHD_INIT;

	if (format == VHDX_FORMAT_VHD) {
		v.type = VHDX_TYPE_FIXED;
		v.size = FAMILY_SIZE;
		v.fixed_seed = FAMILY_SEED;
		v.unique_id = recipe_guid(id);
		return recipe_vhd_new(&v, NULL);
	}
	for (unsigned i = 0; i < 4; i++)
		blocks[i] = (struct recipe_block){ .index = i, .state = RECIPE_FULL, .seed = FAMILY_SEED };
	x.size = FAMILY_SIZE;
	x.data_write_guid = recipe_guid(id);
	x.blocks = blocks;
	x.block_count = 4;
	return recipe_vhdx_new(&x, NULL);
}

static struct memfile *vhd_child(uint8_t id, enum vhdx_path_kind kind, const char *path)
{
	static const char codes[][5] = { "", "W2ru", "W2ku", "W2ku", "MacX" };
	struct recipe_vhd_locator locator = { .text = path, .encoding = kind == VHDX_PATH_URL ? RECIPE_BYTES : RECIPE_UTF16LE };
	struct recipe_vhd k = RECIPE_VHD_INIT;

	k.type = VHDX_TYPE_DIFFERENCING;
	k.size = FAMILY_SIZE;
	k.unique_id = recipe_guid(200);
	k.parent_unique_id = recipe_guid(id);
	if (kind == VHDX_PATH_NAME) {
		k.parent_name = path;
	} else {
		memcpy(locator.code, codes[kind], 5);
		k.locators = &locator;
		k.locator_count = 1;
	}
	return recipe_vhd_new(&k, NULL);
}

static struct memfile *vhdx_child(uint8_t id, enum vhdx_path_kind kind, const char *path)
{
	static const char *const keys[] = { "", "relative_path", "volume_path", "absolute_win32_path" };
	struct vhdx_guid guid = recipe_guid(id);
	char text[VHDX_GUID_TEXT_SIZE], linkage[VHDX_GUID_TEXT_SIZE + 2];
	struct recipe_pair pairs[2] = { { "parent_linkage", linkage }, { "", path } };
	struct recipe_vhdx k = RECIPE_VHDX_INIT;

	cr_assert(kind <= VHDX_PATH_ABSOLUTE);
	vhdx_guid_format(&guid, text);
	(void)snprintf(linkage, sizeof(linkage), "{%s}", text);
	pairs[1].key = keys[kind];
	k.type = VHDX_TYPE_DIFFERENCING;
	k.size = FAMILY_SIZE;
	k.data_write_guid = recipe_guid(200);
	k.pairs = pairs;
	k.pair_count = 2;
	return recipe_vhdx_new(&k, NULL);
}

struct memfile *family_child(enum vhdx_format format, uint8_t id, enum vhdx_path_kind kind, const char *path)
{
	return format == VHDX_FORMAT_VHD ? vhd_child(id, kind, path) : vhdx_child(id, kind, path);
}

void family_put_parent(const struct hostdir *d, const char *name, enum vhdx_format format, uint8_t id)
{
	struct memfile *m = family_parent(format, id);

	hostdir_put(d, name, m);
	memfile_free(m);
}

void family_put_child(const struct hostdir *d, const char *name, enum vhdx_format format, uint8_t id, enum vhdx_path_kind kind,
		      const char *path)
{
	struct memfile *m = family_child(format, id, kind, path);

	hostdir_put(d, name, m);
	memfile_free(m);
}

static void note(void *context, const struct vhdx_parent_attempt *attempt)
{
	struct diary *diary = context;

	cr_assert(diary->count < sizeof(diary->entries) / sizeof(diary->entries[0]));
	diary->entries[diary->count].level = attempt->child_level;
	diary->entries[diary->count].status = attempt->status;
	(void)snprintf(diary->entries[diary->count].path, sizeof(diary->entries[0].path), "%s", attempt->path);
	(void)snprintf(diary->entries[diary->count].reason, sizeof(diary->entries[0].reason), "%s", attempt->reason);
	diary->count++;
}

int family_open(vhdx_disk **out, const char *child, const struct vhdx_resolver *resolver, struct diary *diary,
		struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_resolver copy = VHDX_RESOLVER_INIT;
	struct testenv env;
	int status;

	if (resolver != NULL)
		copy = *resolver;
	diary->count = 0;
	testenv_start(&env, 1);
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = resolver != NULL ? &copy : NULL;
	options.on_attempt = note;
	options.on_attempt_context = diary;
	status = vhdx_open(out, child, &options, error);
	if (status < 0) {
		options.env = &env.env; /* once more, to see that nothing is left behind */
		diary->count = 0;
		cr_expect(vhdx_open(out, child, &options, error) == status);
		cr_expect(testenv_live(&env) == 0);
	}
	return status;
}

void family_expect(const char *child, const struct vhdx_resolver *resolver)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;
	struct diary diary;

	cr_assert(family_open(&disk, child, resolver, &diary, &e) == VHDX_OK, "%s: %s", child, e.message);
	cr_assert(vhdx_depth(disk) == 2 && vhdx_get_info(disk, 1, &info, NULL) == VHDX_OK);
	cr_expect(diary.count >= 1 && diary.entries[diary.count - 1].status == VHDX_OK &&
		  diary.entries[diary.count - 1].level == 0);
	cr_expect_str_eq(diary.entries[diary.count - 1].reason, "");
	cr_expect_str_eq(diary.entries[diary.count - 1].path, info.file_name);
	expect_pattern(disk, 0, FAMILY_SIZE, FAMILY_SEED);
	vhdx_close(disk);
}

void family_expect_failure(const char *child, const struct vhdx_resolver *resolver, int status)
{
	struct vhdx_error e = { .status = 0 };
	vhdx_disk *disk = NULL;
	struct diary diary;
	int found = family_open(&disk, child, resolver, &diary, &e);

	cr_assert(found == status, "%s: %s (%s), not %s", child, vhdx_status_name(found), e.message, vhdx_status_name(status));
	cr_assert(disk == NULL);
	cr_expect_str_eq(e.file, child);
	for (unsigned i = 0; i < diary.count; i++) {
		cr_expect(diary.entries[i].status < 0 && diary.entries[i].reason[0] != '\0' &&
			  strchr(diary.entries[i].reason, '\n') == NULL);
		cr_expect(strlen(diary.entries[i].path) > 200 || strstr(e.message, diary.entries[i].path) != NULL,
			  "%s is not in: %s", diary.entries[i].path, e.message);
		cr_expect(strlen(diary.entries[i].path) > 200 || strstr(e.message, diary.entries[i].reason) != NULL,
			  "%s is not in: %s", diary.entries[i].reason, e.message);
	}
}
