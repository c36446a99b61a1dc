/* SPDX-License-Identifier: MIT */
/*
 * Writes images as the mutator makes them, for other readers to look at (differential.sh): vhdx-fuzz-images [--seed N] COUNT DIRECTORY. Those with a parent, and those of terabytes,
 * are left out. Prints the name of each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { PIECE = 65536, MOST = 1 << 28 };

static uint64_t mutations;

static size_t no_bytes(uint8_t *data, size_t size, size_t max_size)
{
	(void)data;
	(void)max_size;
	return size;
}

static int write_image(const struct memfile *m, const char *path)
{
	static const uint8_t zeros[PIECE];
	static uint8_t bytes[PIECE];
	uint64_t size = memfile_size(m);
	FILE *out = fopen(path, "wb");
	bool good = out != NULL;

	for (uint64_t at = 0; good && at < size; at += PIECE) {
		size_t part = size - at < PIECE ? (size_t)(size - at) : PIECE;

		memfile_read(m, at, bytes, part);
		if (at + part < size && memcmp(bytes, zeros, part) == 0)
			good = fseek(out, (long)part, SEEK_CUR) == 0;
		else
			good = fwrite(bytes, 1, part, out) == part;
	}
	if (out != NULL && fclose(out) != 0)
		good = false;
	if (!good)
		fprintf(stderr, "vhdx-fuzz-images: cannot write %s\n", path);
	return good ? 0 : 1;
}

/* Of three changes at most, or nobody would open it. */
static size_t next_input(uint8_t *data, size_t size, unsigned number)
{
	if (number % 3 == 0) {
		memset(data, 0, FUZZ_INPUT_MAX);
		size = fuzz_open.seed((unsigned)test_random_below(&mutations, 60), data, FUZZ_INPUT_MAX);
	}
	return fuzz_mutate(&fuzz_open, data, size, FUZZ_INPUT_MAX, test_random(&mutations), no_bytes);
}

static int write_all(unsigned long count, const char *directory)
{
	static const enum specimen_kind kinds[] = { SPECIMEN_VHDX_DYNAMIC, SPECIMEN_VHDX_FIXED,  SPECIMEN_VHDX_LOG,
						    SPECIMEN_VHDX_EXTRAS,  SPECIMEN_VHD_DYNAMIC, SPECIMEN_VHD_FIXED };
	static uint8_t data[FUZZ_INPUT_MAX];
	size_t size = 0;
	int failed = 0;

	for (unsigned number = 0, made = 0; made < count && failed == 0; number++) {
		struct fuzz_image image;
		struct fuzz_input in;
		char path[1024];

		size = next_input(data, size, number);
		in = (struct fuzz_input){ data, size };
		fuzz_image_take(&image, &in, kinds, sizeof(kinds) / sizeof(kinds[0]));
		if (memfile_size(image.file) <= MOST) {
			(void)snprintf(path, sizeof(path), "%s/%05u-%s.%s", directory, made++, image.specimen->name,
				       image.specimen->format == VHDX_FORMAT_VHDX ? "vhdx" : "vhd");
			failed = write_image(image.file, path);
			printf("%s\n", path);
		}
		fuzz_image_end(&image);
	}
	specimen_end();
	return failed;
}

int main(int argc, char **argv)
{
	int i = 1;

	if (argc == 5 && strcmp(argv[1], "--seed") == 0) {
		mutations = strtoull(argv[2], NULL, 10);
		i = 3;
	}
	if (argc - i != 2) {
		fprintf(stderr, "usage: vhdx-fuzz-images [--seed N] COUNT DIRECTORY\n");
		return 2;
	}
	return write_all(strtoul(argv[i], NULL, 10), argv[i + 1]);
}
