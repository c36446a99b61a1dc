/* SPDX-License-Identifier: MIT */
/* The free blocks of ext2, ext3 and ext4, read by libext2fs through an I/O manager over the volume. See unused.h. */
#include "unused.h"

#if defined(HAVE_EXT2FS)
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>

static struct struct_io_manager manager;
static struct volume *opening; /* the library hands a name to the manager and nothing else */

static errcode_t io_open(const char *name, int flags, io_channel *channel)
{
	io_channel io = calloc(1, sizeof(*io));

	(void)flags;
	if (io == NULL || (io->name = strdup(name)) == NULL) {
		free(io);
		return EXT2_ET_NO_MEMORY;
	}
	io->magic = EXT2_ET_MAGIC_IO_CHANNEL;
	io->manager = &manager;
	io->block_size = 1024;
	io->refcount = 1;
	io->private_data = opening;
	*channel = io;
	return 0;
}

static errcode_t io_close(io_channel io)
{
	if (--io->refcount <= 0) {
		free(io->name);
		free(io);
	}
	return 0;
}

static errcode_t io_set_blksize(io_channel io, int size)
{
	io->block_size = size;
	return 0;
}

/* A negative count is a number of bytes. */
static errcode_t io_read64(io_channel io, unsigned long long block, int count, void *buffer)
{
	size_t length = count < 0 ? (size_t) - (int64_t)count : (size_t)count * (size_t)io->block_size;

	if (block > UINT64_MAX / 65536)
		return EXT2_ET_SHORT_READ;
	return volume_read(io->private_data, buffer, length, block * (unsigned)io->block_size) ? 0 : EXT2_ET_SHORT_READ;
}

static errcode_t io_read(io_channel io, unsigned long block, int count, void *buffer)
{
	return io_read64(io, block, count, buffer);
}

static errcode_t io_write(io_channel io, unsigned long block, int count, const void *buffer)
{
	(void)io;
	(void)block;
	(void)count;
	(void)buffer;
	return EXT2_ET_RO_FILSYS;
}

static errcode_t io_flush(io_channel io)
{
	(void)io;
	return 0;
}

static struct struct_io_manager manager = {
	.magic = EXT2_ET_MAGIC_IO_MANAGER,
	.name = "virtual disk",
	.open = io_open,
	.close = io_close,
	.set_blksize = io_set_blksize,
	.read_blk = io_read,
	.read_blk64 = io_read64,
	.write_blk = io_write,
	.flush = io_flush,
};

static bool tell_free(struct volume *v, ext2_filsys fs)
{
	uint64_t end = ext2fs_blocks_count(fs->super), at = fs->super->s_first_data_block;
	blk64_t first, next;

	while (at < end && ext2fs_find_first_zero_block_bitmap2(fs->block_map, at, end - 1, &first) == 0) {
		if (ext2fs_find_first_set_block_bitmap2(fs->block_map, first, end - 1, &next) != 0)
			next = end;
		volume_free(v, first * fs->blocksize, (next - first) * fs->blocksize);
		at = next;
	}
	return true;
}

static bool read_open(struct volume *v, ext2_filsys fs)
{
	if (ext2fs_has_feature_journal_needs_recovery(fs->super))
		return volume_refuse(v, "its journal must be replayed first; mount it, or run e2fsck");
	if ((fs->super->s_state & EXT2_VALID_FS) == 0 || (fs->super->s_state & EXT2_ERROR_FS) != 0)
		return volume_refuse(v, "it was not unmounted cleanly, or has errors; run e2fsck");
	if (ext2fs_has_feature_bigalloc(fs->super))
		return volume_refuse(v, "its clusters of several blocks are not understood");
	if (ext2fs_blocks_count(fs->super) > v->size / fs->blocksize)
		return volume_refuse(v, "it is larger than its partition");
	if (ext2fs_read_block_bitmap(fs) != 0)
		return volume_refuse(v, "its block bitmap is damaged; run e2fsck");
	return tell_free(v, fs);
}

bool unused_ext(struct volume *v)
{
	ext2_filsys fs;
	bool result;

	opening = v;
	if (ext2fs_open("disk", EXT2_FLAG_64BITS, 0, 0, &manager, &fs) != 0)
		return volume_refuse(v, "libext2fs cannot open it");
	result = read_open(v, fs);
	ext2fs_free(fs);
	return result;
}
#else
bool unused_ext(struct volume *v)
{
	return volume_refuse(v, "this program was built without libext2fs");
}
#endif
