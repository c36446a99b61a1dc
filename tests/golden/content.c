/* SPDX-License-Identifier: MIT */
/*
 * vhdx-test-content IMAGE: writes the content of a disk to stdout, for processors that have no library for hashes. With --holes: says whether it has any data, by its
 * extents alone. Exit status 0, 1 with a line on stderr, or 4 with --holes when there is data.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhdx.h"

enum { PIECE = 1 << 20, DATA = 4 };

static uint8_t zeros[PIECE], bytes[PIECE];

static void check(int status, const struct vhdx_error *error)
{
	char text[1500];

	if (status == VHDX_OK)
		return;
	fprintf(stderr, "%s\n", vhdx_error_text(error, text, sizeof(text)));
	exit(1);
}

static void put(const uint8_t *from, size_t length)
{
	while (length != 0) {
		ssize_t done = write(STDOUT_FILENO, from, length);

		if (done <= 0)
			exit(1);
		from += done;
		length -= (size_t)done;
	}
}

static void put_run(vhdx_disk *disk, const struct vhdx_extent *run)
{
	struct vhdx_error error;

	for (uint64_t done = 0; done < run->length;) {
		size_t part = run->length - done < PIECE ? (size_t)(run->length - done) : PIECE;

		if (run->kind == VHDX_EXTENT_DATA)
			check(vhdx_read(disk, bytes, part, run->disk_offset + done, &error), &error);
		put(run->kind == VHDX_EXTENT_DATA ? bytes : zeros, part);
		done += part;
	}
}

int main(int argc, char **argv)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	bool holes = argc == 3 && strcmp(argv[1], "--holes") == 0;
	struct vhdx_error error;
	struct vhdx_extent run;
	vhdx_disk *disk;

	if (argc != 2 && !holes)
		return 2;
	options.open_parent = vhdx_resolve_parent;
	check(vhdx_open(&disk, argv[argc - 1], &options, &error), &error);
	for (uint64_t at = 0, size = vhdx_disk_size(disk); at < size; at += run.length) {
		check(vhdx_get_extent(disk, &run, at, size - at, &error), &error);
		if (holes && run.kind == VHDX_EXTENT_DATA)
			return DATA;
		if (!holes)
			put_run(disk, &run);
	}
	return vhdx_close(disk) < 0;
}
