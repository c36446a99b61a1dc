/* SPDX-License-Identifier: MIT */
/* Writes what libvhdi reads from an image (and its parents, nearest first) to standard output: the second opinion of the interop test. */
#include <stdio.h>
#include <stdlib.h>

#include <libvhdi.h>

enum { MAX_LEVELS = 8, PIECE = 1 << 20 };

static int fail(libvhdi_error_t *error)
{
	libvhdi_error_fprint(error, stderr);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	libvhdi_file_t *files[MAX_LEVELS] = { NULL };
	libvhdi_error_t *error = NULL;
	static unsigned char piece[PIECE];
	size64_t size = 0, done = 0;

	if (argc < 2 || argc > MAX_LEVELS)
		return EXIT_FAILURE;
	for (int i = argc - 1; i >= 1; i--) {
		if (libvhdi_file_initialize(&files[i], &error) != 1 ||
		    libvhdi_file_open(files[i], argv[i], LIBVHDI_OPEN_READ, &error) != 1)
			return fail(error);
		if (i + 1 < argc && libvhdi_file_set_parent_file(files[i], files[i + 1], &error) != 1)
			return fail(error);
	}
	if (libvhdi_file_get_media_size(files[1], &size, &error) != 1)
		return fail(error);
	while (done < size) {
		size_t part = size - done < PIECE ? (size_t)(size - done) : PIECE;
		ssize_t count = libvhdi_file_read_buffer_at_offset(files[1], piece, part, (off64_t)done, &error);

		if (count <= 0)
			return fail(error);
		fwrite(piece, 1, (size_t)count, stdout);
		done += (size64_t)count;
	}
	for (int i = 1; i < argc; i++)
		if (libvhdi_file_close(files[i], NULL) != 0 || libvhdi_file_free(&files[i], NULL) != 1)
			return EXIT_FAILURE;
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
