/* SPDX-License-Identifier: MIT */
/*
 * A small user of the library for scripts:
 *
 *   rw cat FILE                             the disk to standard output; the file is opened for writing, so a pending log is replayed
 *   rw put FILE RAW                         writes what differs of the raw file over the disk, 64 KiB at a time
 *   rw write FILE OFFSET LENGTH BYTE ...    groups of three, a flush at the end; `kill` as the last word: then SIGKILL instead of closing
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vhdx.h"

static int failed(const struct vhdx_error *error)
{
	char text[1300];

	fprintf(stderr, "rw: %s\n", vhdx_error_text(error, text, sizeof(text)));
	return 1;
}

static int cat(vhdx_disk *disk)
{
	static unsigned char bytes[1 << 20];
	struct vhdx_error error;

	for (uint64_t at = 0, size = vhdx_disk_size(disk), part; at < size; at += part) {
		part = size - at < sizeof(bytes) ? size - at : sizeof(bytes);
		if (vhdx_read(disk, bytes, (size_t)part, at, &error) < 0)
			return failed(&error);
		if (fwrite(bytes, 1, (size_t)part, stdout) != part)
			return 1;
	}
	return 0;
}

static int put(vhdx_disk *disk, const char *raw)
{
	static unsigned char bytes[65536], old[65536];
	struct vhdx_error error;
	FILE *in = fopen(raw, "rb");
	uint64_t at = 0;
	size_t got;
	int status = 0;

	if (in == NULL)
		return 1;
	while (status >= 0 && (got = fread(bytes, 1, sizeof(bytes), in)) != 0) {
		status = vhdx_read(disk, old, got, at, &error);
		if (status >= 0 && memcmp(bytes, old, got) != 0)
			status = vhdx_write(disk, bytes, got, at, &error);
		at += got;
	}
	fclose(in);
	return status < 0 ? failed(&error) : 0;
}

static int change(vhdx_disk *disk, char **words, int count)
{
	struct vhdx_error error;

	for (int i = 0; i + 2 < count; i += 3) {
		size_t length = strtoull(words[i + 1], NULL, 0);
		unsigned char *bytes = malloc(length);
		int status;

		if (bytes == NULL)
			return 1;
		memset(bytes, (int)strtoul(words[i + 2], NULL, 0), length);
		status = vhdx_write(disk, bytes, length, strtoull(words[i], NULL, 0), &error);
		free(bytes);
		if (status < 0)
			return failed(&error);
	}
	if (vhdx_flush(disk, &error) < 0)
		return failed(&error);
	if (strcmp(words[count - 1], "kill") == 0)
		(void)raise(SIGKILL);
	return 0;
}

int main(int argc, char **argv)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int result;

	if (argc < 3)
		return 2;
	options.flags = VHDX_OPEN_WRITE;
	options.open_parent = vhdx_resolve_parent;
	if (vhdx_open(&disk, argv[2], &options, &error) < 0)
		return failed(&error);
	result = strcmp(argv[1], "cat") == 0                ? cat(disk)
		 : strcmp(argv[1], "put") == 0 && argc == 4 ? put(disk, argv[3])
		 : argc > 5                                 ? change(disk, argv + 3, argc - 3)
							    : 2;
	return vhdx_close(disk) < 0 ? 1 : result;
}
