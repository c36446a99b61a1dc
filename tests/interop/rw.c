/* SPDX-License-Identifier: MIT */
/*
 * A small user of the library for scripts:
 *
 *   rw cat FILE                             the disk to standard output; the file is opened for writing, so a pending log is replayed
 *   rw put FILE RAW                         writes what differs of the raw file over the disk, 64 KiB at a time
 *   rw write FILE OFFSET LENGTH WHAT ...    groups of three, a flush at the end; `kill` as the last word: then SIGKILL instead of closing. WHAT is the byte to
 *                                           write, or zero, discard (of what is zeros already) or flush (OFFSET and LENGTH do not matter)
 *   rw raw FILE OFFSET LENGTH WHAT ...      the same to a plain file, without the library
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

/* One change, of a disk or of a plain file. */
struct change {
	vhdx_disk *disk;
	FILE *plain;
	uint64_t offset;
	size_t length;
	const char *what;
};

static int change_disk(const struct change *c, const unsigned char *bytes, struct vhdx_error *error)
{
	if (strcmp(c->what, "flush") == 0)
		return vhdx_flush(c->disk, error);
	if (strcmp(c->what, "zero") == 0)
		return vhdx_write_zeroes(c->disk, c->offset, c->length, error);
	if (strcmp(c->what, "discard") == 0)
		return vhdx_discard(c->disk, c->offset, c->length, error);
	return vhdx_write(c->disk, bytes, c->length, c->offset, error);
}

static int change_plain(const struct change *c, const unsigned char *bytes)
{
	if (strcmp(c->what, "flush") == 0 || strcmp(c->what, "discard") == 0)
		return 0;
	return fseek(c->plain, (long)c->offset, SEEK_SET) != 0 || fwrite(bytes, 1, c->length, c->plain) != c->length;
}

static int change_one(const struct change *c)
{
	unsigned char *bytes = malloc(c->length + 1);
	struct vhdx_error error;
	int status;

	if (bytes == NULL)
		return 1;
	memset(bytes, (int)strtoul(c->what, NULL, 0), c->length); /* 0 for words */
	status = c->disk == NULL ? change_plain(c, bytes) : change_disk(c, bytes, &error);
	free(bytes);
	return status < 0 ? failed(&error) : status;
}

static int change_all(vhdx_disk *disk, FILE *plain, char **words, int count)
{
	struct vhdx_error error;

	for (int i = 0; i + 2 < count; i += 3) {
		struct change c = { disk, plain, strtoull(words[i], NULL, 0), strtoull(words[i + 1], NULL, 0), words[i + 2] };

		if (change_one(&c) != 0)
			return 1;
	}
	if (disk != NULL && vhdx_flush(disk, &error) < 0)
		return failed(&error);
	if (strcmp(words[count - 1], "kill") == 0)
		(void)raise(SIGKILL);
	return 0;
}

static int change_file(const char *path, char **words, int count)
{
	FILE *plain = fopen(path, "r+b");
	int result;

	if (plain == NULL)
		return 1;
	result = change_all(NULL, plain, words, count);
	return fclose(plain) != 0 ? 1 : result;
}

int main(int argc, char **argv)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk;
	int result;

	if (argc < 3)
		return 2;
	if (strcmp(argv[1], "raw") == 0)
		return argc > 5 ? change_file(argv[2], argv + 3, argc - 3) : 2;
	options.flags = VHDX_OPEN_WRITE;
	options.open_parent = vhdx_resolve_parent;
	if (vhdx_open(&disk, argv[2], &options, &error) < 0)
		return failed(&error);
	if (strcmp(argv[1], "cat") == 0)
		result = cat(disk);
	else if (strcmp(argv[1], "put") == 0 && argc == 4)
		result = put(disk, argv[3]);
	else
		result = argc > 5 ? change_all(disk, NULL, argv + 3, argc - 3) : 2;
	return vhdx_close(disk) < 0 ? 1 : result;
}
