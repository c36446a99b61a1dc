/* SPDX-License-Identifier: MIT */
/*
 * Real images by other writers, read through the library: the content has the SHA-256 on which independent readers agreed, and the file is the same afterwards.
 *
 * golden.sh finds the images and hands over, in the environment, VHDX_SAMPLES (the directory) and VHDX_GOLDEN_LIST (a file made from the manifest, one
 * image in each line, tabs between the fields of struct image below, "-" for what is not said). One Criterion test for each image, so they run in parallel.
 *
 * Content is hashed through the extents: runs of zeros are fed from one static buffer, so a disk of 10 GiB costs the hashing alone. Images that are zeros all
 * over are checked by their extents. With VHDX_GOLDEN_SMALL set, disks above 2 GiB are skipped (sanitizers, valgrind).
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "vhdx.h"

#define PIECE ((size_t)1 << 20)
#define SMALL_LIMIT (UINT64_C(2) << 30)

struct image {
	char name[80];
	char file_size[24];
	char file_sha256[65];
	char format[8];
	char type[16];
	char virtual_size[24];
	char content_sha256[65]; /* "zero": no data at all */
	char refused[8];         /* "yes": bad checksums */
	char block_size[24];
	char logical_sector_size[8];
	char physical_sector_size[8];
	char log_pending[8];
};

static uint8_t zeros[PIECE];
static uint8_t buffer[PIECE];

static void hash_zeros(EVP_MD_CTX *hash, uint64_t length)
{
	while (length != 0) {
		size_t part = length < PIECE ? (size_t)length : PIECE;

		cr_assert(EVP_DigestUpdate(hash, zeros, part) == 1);
		length -= part;
	}
}

static EVP_MD_CTX *hash_start(void)
{
	EVP_MD_CTX *hash = EVP_MD_CTX_new();

	cr_assert(hash != NULL && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1);
	return hash;
}

static void hash_expect(EVP_MD_CTX *hash, const char *expected, const char *what)
{
	uint8_t digest[32];
	char text[65];

	cr_assert(EVP_DigestFinal_ex(hash, digest, NULL) == 1);
	EVP_MD_CTX_free(hash);
	for (unsigned i = 0; i < sizeof(digest); i++)
		(void)snprintf(text + (size_t)i * 2, 3, "%02x", digest[i]);
	cr_expect_str_eq(text, expected, "SHA-256 of %s is %s, not %s", what, text, expected);
}

static void hash_content(vhdx_disk *disk, const struct image *image)
{
	EVP_MD_CTX *hash = hash_start();
	uint64_t size = vhdx_disk_size(disk), offset = 0;
	struct vhdx_error e = { .status = 0 };

	while (offset < size) {
		struct vhdx_extent run;

		cr_assert(vhdx_get_extent(disk, &run, offset, size - offset, &e) == VHDX_OK, "extent at %" PRIu64 ": %s", offset,
			  e.message);
		cr_assert(run.disk_offset == offset && run.length != 0 && run.length <= size - offset);
		offset += run.length;
		if (run.kind != VHDX_EXTENT_DATA)
			hash_zeros(hash, run.length);
		while (run.kind == VHDX_EXTENT_DATA && run.length != 0) {
			size_t part = run.length < PIECE ? (size_t)run.length : PIECE;

			cr_assert(vhdx_read(disk, buffer, part, run.disk_offset, &e) == VHDX_OK, "read at %" PRIu64 ": %s",
				  run.disk_offset, e.message);
			cr_assert(EVP_DigestUpdate(hash, buffer, part) == 1);
			run.disk_offset += part;
			run.length -= part;
		}
	}
	hash_expect(hash, image->content_sha256, "the content");
}

static void expect_no_data(vhdx_disk *disk)
{
	uint64_t size = vhdx_disk_size(disk), offset = 0;

	while (offset < size) {
		struct vhdx_extent run;

		cr_assert(vhdx_get_extent(disk, &run, offset, size - offset, NULL) == VHDX_OK);
		cr_assert(run.kind == VHDX_EXTENT_HOLE || run.kind == VHDX_EXTENT_ZERO, "data at %" PRIu64, offset);
		offset += run.length;
	}
}

/* The host file, through the library's own table of host files: holes are not read. */
static void hash_file(const char *path, const struct image *image)
{
	EVP_MD_CTX *hash = hash_start();
	struct vhdx_error e = { .status = 0 };
	struct vhdx_file file;
	uint64_t size, offset = 0;

	cr_assert(vhdx_file_open(&file, path, 0, &e) == VHDX_OK, "%s", e.message);
	cr_assert(file.io->get_size(file.handle, &size, &e) == VHDX_OK);
	while (offset < size) {
		struct vhdx_file_extent extent = { .length = 0 };
		size_t part;
		int64_t done;

		if (file.io->extent != NULL)
			cr_assert(file.io->extent(file.handle, &extent, offset, size - offset, &e) == VHDX_OK);
		if (extent.is_hole && extent.length != 0) {
			hash_zeros(hash, extent.length);
			offset += extent.length;
			continue;
		}
		part = size - offset < PIECE ? (size_t)(size - offset) : PIECE;
		done = file.io->read(file.handle, buffer, part, offset, &e);
		cr_assert(done > 0);
		cr_assert(EVP_DigestUpdate(hash, buffer, (size_t)done) == 1);
		offset += (uint64_t)done;
	}
	vhdx_file_close(&file);
	hash_expect(hash, image->file_sha256, "the file afterwards");
}

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 10);
}

static void expect_info(vhdx_disk *disk, const struct image *image)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	bool vhdx = strcmp(image->format, "vhdx") == 0;

	cr_assert(vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK);
	cr_expect(info.format == (vhdx ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD));
	cr_expect_str_eq(vhdx_type_name(info.type), image->type);
	cr_expect(vhdx_disk_size(disk) == number(image->virtual_size) && info.virtual_size == vhdx_disk_size(disk),
		  "size %" PRIu64 ", not %s", info.virtual_size, image->virtual_size);
	if (!vhdx)
		return;
	cr_expect(info.block_size == number(image->block_size));
	cr_expect(info.logical_sector_size == number(image->logical_sector_size));
	cr_expect(info.physical_sector_size == number(image->physical_sector_size));
	cr_expect(info.log_state == (strcmp(image->log_pending, "true") == 0 ? VHDX_LOG_REPLAYED_IN_MEMORY : VHDX_LOG_CLEAN));
}

static void check_image(const struct image *image)
{
	const char *directory = getenv("VHDX_SAMPLES");
	struct vhdx_resolver resolver = VHDX_RESOLVER_INIT;
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error e = { .status = 0 };
	struct stat before, after;
	vhdx_disk *disk = NULL;
	char path[1024];

	cr_assert(directory != NULL);
	(void)snprintf(path, sizeof(path), "%s/%s", directory, image->name);
	cr_assert(stat(path, &before) == 0, "%s is missing", path);
	cr_expect((uint64_t)before.st_size == number(image->file_size));
	resolver.search = &directory; /* one of the images has no locator */
	resolver.search_count = 1;
	options.open_parent = vhdx_resolve_parent;
	options.open_parent_context = &resolver;
	if (strcmp(image->refused, "yes") == 0) {
		cr_expect(vhdx_open(&disk, path, &options, &e) == VHDX_E_DAMAGED, "bad checksums are accepted");
		cr_expect_str_eq(e.rule, "VHD-026");
		cr_assert(disk == NULL);
		options.flags = VHDX_OPEN_IGNORE_CHECKSUMS;
	}
	cr_assert(vhdx_open(&disk, path, &options, &e) == VHDX_OK, "%s: %s: %s", path, e.rule, e.message);
	expect_info(disk, image);
	if (strcmp(image->content_sha256, "zero") == 0)
		expect_no_data(disk);
	else
		hash_content(disk, image);
	vhdx_close(disk);
	hash_file(path, image);
	cr_assert(stat(path, &after) == 0);
	cr_expect(before.st_mtim.tv_sec == after.st_mtim.tv_sec && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec,
		  "it was written to");
	cr_expect(before.st_size == after.st_size);
}

static size_t load(struct image *images, size_t limit)
{
	const char *path = getenv("VHDX_GOLDEN_LIST");
	FILE *list = path == NULL ? NULL : fopen(path, "r");
	size_t count = 0;

	if (list == NULL)
		return 0;
	while (count < limit) {
		struct image *i = &images[count];

		if (fscanf(list, "%79s %23s %64s %7s %15s %23s %64s %7s %23s %7s %7s %7s", i->name, i->file_size, i->file_sha256,
			   i->format, i->type, i->virtual_size, i->content_sha256, i->refused, i->block_size,
			   i->logical_sector_size, i->physical_sector_size, i->log_pending) != 12)
			break;
		count++;
	}
	(void)fclose(list);
	return count;
}

ParameterizedTestParameters(golden, image)
{
	enum { LIMIT = 200 };
	struct image *images = cr_malloc(LIMIT * sizeof(*images)); /* Criterion shares only such memory with the tests */

	return cr_make_param_array(struct image, images, load(images, LIMIT), NULL);
}

ParameterizedTest(struct image *image, golden, image, .timeout = 300)
{
	if (getenv("VHDX_GOLDEN_SMALL") != NULL && strcmp(image->content_sha256, "zero") != 0 &&
	    number(image->virtual_size) > SMALL_LIMIT) {
		printf("golden: %s is skipped: larger than 2 GiB, and VHDX_GOLDEN_SMALL is set\n", image->name);
		cr_skip_test("larger than 2 GiB, and VHDX_GOLDEN_SMALL is set");
	}
	check_image(image);
}

/* A broken reader or a broken list must not pass because nothing was looked at. */
Test(golden, the_list_has_images)
{
	static struct image images[200];

	cr_assert(load(images, 200) >= 10, "fewer than 10 images in VHDX_GOLDEN_LIST");
}
