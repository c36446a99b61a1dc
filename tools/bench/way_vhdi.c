/* SPDX-License-Identifier: MIT */
/* libvhdi as a peer for reading, loaded while the program runs: it need not be there, neither now nor when this was compiled. */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "bench.h"

enum { OPEN_READ = 1 }; /* LIBVHDI_OPEN_READ */

struct peer {
	void *files[MAX_DEPTH];
	unsigned count;
};

static struct {
	const char *(*get_version)(void);
	int (*initialize)(void **file, void **error);
	int (*open)(void *file, const char *name, int flags, void **error);
	int (*set_parent)(void *file, void *parent, void **error);
	ssize_t (*read)(void *file, void *buffer, size_t size, int64_t offset, void **error);
	int (*close)(void *file, void **error);
	int (*free)(void **file, void **error);
} vhdi;
static void *library;

static bool find(void *function, const char *name)
{
	void *symbol = dlsym(library, name);

	memcpy(function, &symbol, sizeof(symbol));
	return symbol != NULL;
}

const char *vhdi_version(void)
{
	static bool tried;

	if (!tried) {
		tried = true;
		library = dlopen("libvhdi.so.1", RTLD_NOW | RTLD_LOCAL);
		if (library != NULL &&
		    !(find(&vhdi.get_version, "libvhdi_get_version") && find(&vhdi.initialize, "libvhdi_file_initialize") &&
		      find(&vhdi.open, "libvhdi_file_open") && find(&vhdi.set_parent, "libvhdi_file_set_parent_file") &&
		      find(&vhdi.read, "libvhdi_file_read_buffer_at_offset") && find(&vhdi.close, "libvhdi_file_close") &&
		      find(&vhdi.free, "libvhdi_file_free"))) {
			dlclose(library);
			library = NULL;
		}
	}
	return library != NULL ? vhdi.get_version() : NULL;
}

static bool vhdi_can(const struct subject *subject, const struct work *work)
{
	return work->action == ACT_READ && work->threads == 1 && subject->kind->format != VHDX_FORMAT_RAW &&
	       subject->kind->device == NULL && subject->kind->sector_size == 512;
}

static void *vhdi_open(const struct subject *subject, bool write, struct counts *counts)
{
	struct peer *peer = tool_allocate(NULL, sizeof(*peer));

	(void)write;
	(void)counts;
	*peer = (struct peer){ .count = subject->depth };
	for (unsigned i = 0; i < peer->count; i++)
		if (vhdi.initialize(&peer->files[i], NULL) != 1 ||
		    vhdi.open(peer->files[i], subject->paths[i], OPEN_READ, NULL) != 1)
			stop("libvhdi cannot open %s", subject->paths[i]);
	for (unsigned i = peer->count - 1; i-- != 0;)
		if (vhdi.set_parent(peer->files[i], peer->files[i + 1], NULL) != 1)
			stop("libvhdi does not take %s as a parent", subject->paths[i + 1]);
	return peer;
}

static void vhdi_read(void *handle, void *buffer, size_t length, uint64_t offset)
{
	struct peer *peer = handle;

	if (vhdi.read(peer->files[0], buffer, length, (int64_t)offset, NULL) != (ssize_t)length)
		stop("libvhdi cannot read");
}

static void vhdi_close(void *handle)
{
	struct peer *peer = handle;

	for (unsigned i = 0; i < peer->count; i++) {
		(void)vhdi.close(peer->files[i], NULL);
		(void)vhdi.free(&peer->files[i], NULL);
	}
	free(peer);
}

const struct way way_vhdi = { .name = "libvhdi", .can = vhdi_can, .open = vhdi_open, .read = vhdi_read, .close = vhdi_close };
