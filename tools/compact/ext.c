/* SPDX-License-Identifier: MIT */
/* The free blocks of ext2, ext3 and ext4, read by libext2fs through an I/O manager over the volume. See unused.h. */
#include "unused.h"

#if defined(HAVE_EXT2FS)
#include <errno.h>
#include <ext2fs/ext2fs.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

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

enum { SUPER = 1024, MOST_GROUPS = 1 << 19 }; /* of 32,768 blocks of 4 KiB: 64 TiB */

/* libext2fs allocates by these numbers before it judges them. */
static bool fits(struct volume *v)
{
	struct ext2_super_block s;
	uint64_t blocks, size;

	if (!volume_read(v, &s, sizeof(s), SUPER) || ext2fs_le32_to_cpu(s.s_log_block_size) > 6)
		return volume_refuse(v, "its superblock is damaged");
	size = UINT64_C(1024) << ext2fs_le32_to_cpu(s.s_log_block_size);
	blocks = ext2fs_le32_to_cpu(s.s_blocks_count);
	if ((ext2fs_le32_to_cpu(s.s_feature_incompat) & EXT4_FEATURE_INCOMPAT_64BIT) != 0)
		blocks |= (uint64_t)ext2fs_le32_to_cpu(s.s_blocks_count_hi) << 32;
	if (blocks > v->size / size)
		return volume_refuse(v, "it is larger than its partition");
	if (s.s_blocks_per_group == 0 || blocks / ext2fs_le32_to_cpu(s.s_blocks_per_group) >= MOST_GROUPS)
		return volume_refuse(v, "it has more block groups than are looked at");
	if (ext2fs_le16_to_cpu(s.s_block_group_nr) != 0)
		return volume_refuse(v, "its superblock is a copy of that of another place");
	return true;
}

/* The bitmap of a group. */
struct group {
	blk64_t first, end;
	uint8_t *bits; /* one block */
};

static void use(struct group *g, blk64_t from, uint64_t count)
{
	blk64_t at = from > g->first ? from : g->first, end = count < g->end && from < g->end - count ? from + count : g->end;

	for (; at < end; at++)
		g->bits[(at - g->first) / 8] |= (uint8_t)(1 << (at - g->first) % 8);
}

/* One whose bitmap was never written uses its own metadata only. */
static void fill_unwritten(ext2_filsys fs, dgrp_t number, struct group *g)
{
	uint64_t tables = ext2fs_has_feature_meta_bg(fs->super) ? fs->super->s_first_meta_bg
								: fs->desc_blocks + fs->super->s_reserved_gdt_blocks;
	blk64_t super = 0, old = 0, fresh = 0;

	memset(g->bits, 0, fs->blocksize);
	(void)ext2fs_super_and_bgd_loc2(fs, number, &super, &old, &fresh, NULL);
	if (super != 0 || number == 0)
		use(g, super, 1);
	if (old != 0)
		use(g, old, tables);
	if (fresh != 0)
		use(g, fresh, 1);
	use(g, ext2fs_block_bitmap_loc(fs, number), 1);
	use(g, ext2fs_inode_bitmap_loc(fs, number), 1);
	use(g, ext2fs_inode_table_loc(fs, number), fs->inode_blocks_per_group);
}

/* Where bits of the other value begin, from block `at` on. */
static blk64_t end_of_run(const struct group *g, blk64_t at, bool is_used)
{
	const uint8_t all = is_used ? 0xFF : 0;

	while (at < g->end) {
		uint64_t bit = at - g->first;

		if (bit % 8 == 0 && g->bits[bit / 8] == all)
			at += 8;
		else if ((g->bits[bit / 8] >> bit % 8 & 1) != is_used)
			return at;
		else
			at++;
	}
	return g->end;
}

/* Tells nothing with `v` NULL; returns how many there are. */
static uint64_t free_of_group(struct volume *v, const struct group *g, uint32_t block_size)
{
	uint64_t count = 0;

	for (blk64_t at = end_of_run(g, g->first, true), end; at < g->end; at = end_of_run(g, end, true)) {
		end = end_of_run(g, at, false);
		count += end - at;
		if (v != NULL)
			volume_free(v, at * block_size, (end - at) * block_size);
	}
	return count;
}

/* The library reads bitmaps without looking at what else the group says: a descriptor that leads to a wrong place would give away files. */
static bool tell_group(struct volume *v, ext2_filsys fs, dgrp_t number, uint8_t *bits)
{
	struct group g = { ext2fs_group_first_block2(fs, number), ext2fs_group_last_block2(fs, number) + 1, bits };
	bool sums = ext2fs_has_group_desc_csum(fs);

	if (sums && !ext2fs_group_desc_csum_verify(fs, number))
		return volume_refuse(v, "the descriptor of a block group is damaged; run e2fsck");
	if (sums && ext2fs_bg_flags_test(fs, number, EXT2_BG_BLOCK_UNINIT))
		fill_unwritten(fs, number, &g);
	else if (io_channel_read_blk64(fs->io, ext2fs_block_bitmap_loc(fs, number), 1, bits) != 0 ||
		 !ext2fs_block_bitmap_csum_verify(fs, number, (char *)bits, (int)(fs->super->s_blocks_per_group / 8)))
		return volume_refuse(v, "its block bitmap is damaged; run e2fsck");
	if (free_of_group(NULL, &g, fs->blocksize) != ext2fs_bg_free_blocks_count(fs, number))
		return volume_refuse(v, "a block bitmap and its group do not agree on what is free; run e2fsck");
	(void)free_of_group(v, &g, fs->blocksize);
	return true;
}

static bool tell_free(struct volume *v, ext2_filsys fs)
{
	uint8_t *bits = tool_allocate(NULL, fs->blocksize);
	bool result = true;

	for (dgrp_t g = 0; result && g < fs->group_desc_count; g++)
		result = tell_group(v, fs, g, bits);
	free(bits);
	return result;
}

static bool read_open(struct volume *v, ext2_filsys fs)
{
	if (ext2fs_has_feature_journal_needs_recovery(fs->super))
		return volume_refuse(v, "its journal must be replayed first; mount it, or run e2fsck");
	if ((fs->super->s_state & EXT2_VALID_FS) == 0 || (fs->super->s_state & EXT2_ERROR_FS) != 0)
		return volume_refuse(v, "it was not unmounted cleanly, or has errors; run e2fsck");
	if (ext2fs_has_feature_bigalloc(fs->super))
		return volume_refuse(v, "its clusters of several blocks are not understood");
	if ((fs->super->s_feature_ro_compat & ~(unsigned)(EXT2_LIB_FEATURE_RO_COMPAT_SUPP)) != 0)
		return volume_refuse(v, "it has features that are not understood");
	if (fs->super->s_blocks_per_group > 8 * fs->blocksize)
		return volume_refuse(v, "its groups are larger than their bitmaps");
	return tell_free(v, fs);
}

bool unused_ext(struct volume *v)
{
	ext2_filsys fs;
	bool result;

	if (!fits(v))
		return false;
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
