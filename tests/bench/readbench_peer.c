/* SPDX-License-Identifier: MIT */
/* libvhdi as a peer: compiled in where its development files are, else its rows are left out. */
#include <stdlib.h>

#include "readbench.h"

#ifdef HAVE_LIBVHDI
#include <libvhdi.h>

struct peer {
	libvhdi_file_t *files[LEVELS];
	unsigned count;
};

bool peer_exists(void)
{
	return true;
}

const char *peer_version(void)
{
	return libvhdi_get_version();
}

static bool peer_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	struct peer *peer = handle;

	return libvhdi_file_read_buffer_at_offset(peer->files[0], buffer, length, (off64_t)offset, NULL) == (ssize_t)length;
}

struct reader peer_reader(const struct chain *chain, size_t reads)
{
	struct peer *peer = allocate(sizeof(*peer));

	*peer = (struct peer){ .count = chain->depth };
	for (unsigned i = 0; i < chain->depth; i++)
		if (libvhdi_file_initialize(&peer->files[i], NULL) != 1 ||
		    libvhdi_file_open(peer->files[i], chain->names[i], LIBVHDI_OPEN_READ, NULL) != 1)
			stop("libvhdi cannot open %s", chain->names[i]);
	for (unsigned i = chain->depth - 1; i-- != 0;)
		if (libvhdi_file_set_parent_file(peer->files[i], peer->files[i + 1], NULL) != 1)
			stop("libvhdi does not take %s as the parent of %s", chain->names[i + 1], chain->names[i]);
	return (struct reader){ .name = "libvhdi", .read = peer_read, .handle = peer, .reads = reads, .is_slow = true };
}

void peer_close(struct reader *reader)
{
	struct peer *peer = reader->handle;

	for (unsigned i = 0; i < peer->count; i++) {
		(void)libvhdi_file_close(peer->files[i], NULL);
		(void)libvhdi_file_free(&peer->files[i], NULL);
	}
	free(peer);
}

#else

bool peer_exists(void)
{
	return false;
}

const char *peer_version(void)
{
	return "";
}

struct reader peer_reader(const struct chain *chain, size_t reads)
{
	(void)chain;
	return (struct reader){ .name = "libvhdi", .reads = reads };
}

void peer_close(struct reader *reader)
{
	(void)reader;
}
#endif
