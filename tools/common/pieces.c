/* SPDX-License-Identifier: MIT */
/* See pieces.h: FIEMAP of Linux. The filesystem may end an extent where the next one goes on, so these are put together. */
#include "pieces.h"

#include <string.h>

#ifdef __linux__
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH = 256 };
static const unsigned NO_PLACE = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC | FIEMAP_EXTENT_DATA_INLINE;

static void add(struct pieces *out, const struct fiemap_extent *extent, uint64_t *end)
{
	uint64_t distance = extent->fe_physical > *end ? extent->fe_physical - *end : *end - extent->fe_physical;

	if (extent->fe_flags & NO_PLACE)
		return;
	if (out->count == 0 || distance != 0)
		out->count++;
	if (out->count > 1)
		out->seek_bytes += distance;
	*end = extent->fe_physical + extent->fe_length;
}

/* True when there are more behind `*from`. */
static bool next_batch(struct pieces *out, int descriptor, uint64_t *from, uint64_t *end)
{
	uint64_t room[(sizeof(struct fiemap) + BATCH * sizeof(struct fiemap_extent)) / sizeof(uint64_t)] = { 0 };
	struct fiemap *head = (struct fiemap *)(void *)room;
	const struct fiemap_extent *extents = head->fm_extents;

	head->fm_start = *from;
	head->fm_length = FIEMAP_MAX_OFFSET - *from;
	head->fm_extent_count = BATCH;
	out->known = ioctl(descriptor, FS_IOC_FIEMAP, head) == 0;
	if (!out->known || head->fm_mapped_extents == 0)
		return false;
	for (unsigned i = 0; i < head->fm_mapped_extents; i++)
		add(out, &extents[i], end);
	extents += head->fm_mapped_extents - 1;
	*from = extents->fe_logical + extents->fe_length;
	return !(extents->fe_flags & FIEMAP_EXTENT_LAST);
}

void pieces_of(struct pieces *out, const char *path)
{
	int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint64_t from = 0, end = 0;

	memset(out, 0, sizeof(*out));
	if (descriptor < 0)
		return;
	while (next_batch(out, descriptor, &from, &end))
		;
	close(descriptor);
	if (!out->known)
		memset(out, 0, sizeof(*out));
}
#else
void pieces_of(struct pieces *out, const char *path)
{
	(void)path;
	memset(out, 0, sizeof(*out));
}
#endif
