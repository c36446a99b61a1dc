/* SPDX-License-Identifier: MIT */
/* The limit that vhdx-convert is measured against: all data of a file into a new one of the same size, by copy_file_range, run by run. copyrange FROM TO */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static int copy(int from, int to, off64_t end)
{
	for (off64_t at = 0; at < end;) {
		off64_t data = lseek64(from, at, SEEK_DATA), hole, in, out;

		if (data < 0)
			break;
		hole = lseek64(from, data, SEEK_HOLE);
		in = out = data;
		while (in < hole)
			if (copy_file_range(from, &in, to, &out, (size_t)(hole - in), 0) <= 0)
				return 1;
		at = hole;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int from = argc == 3 ? open(argv[1], O_RDONLY) : -1;
	int to = argc == 3 ? open(argv[2], O_RDWR | O_CREAT | O_TRUNC, 0666) : -1;
	off64_t end = lseek64(from, 0, SEEK_END);

	if (from < 0 || to < 0 || ftruncate(to, end) != 0 || copy(from, to, end) != 0) {
		perror("copyrange");
		return 1;
	}
	return 0;
}
