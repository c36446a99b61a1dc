/* SPDX-License-Identifier: MIT */
/* See unused.h. */
#include "unused.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

bool volume_read(const struct volume *v, void *buffer, size_t length, uint64_t offset)
{
	struct vhdx_error ignored;

	return offset <= v->size && length <= v->size - offset &&
	       vhdx_read(v->disk, buffer, length, v->start + offset, &ignored) == VHDX_OK;
}

bool volume_refuse(struct volume *v, const char *problem)
{
	snprintf(v->note->problem, sizeof(v->note->problem), "%s", problem);
	return false;
}

enum { LOOK = 65536 };

static bool reads_as_zeros(const struct volume *v, uint64_t disk_offset, uint64_t end)
{
	while (disk_offset < end) {
		size_t part = end - disk_offset < LOOK ? (size_t)(end - disk_offset) : LOOK;

		if (!volume_read(v, v->bytes, part, disk_offset - v->start))
			return false;
		if (v->bytes[0] != 0 || memcmp(v->bytes, v->bytes + 1, part - 1) != 0)
			return false;
		disk_offset += part;
	}
	return true;
}

static uint64_t end_of_block(const struct unused *u, uint64_t block)
{
	uint64_t end = (block + 1) * u->block_size;

	return end < u->disk_size ? end : u->disk_size;
}

/* The block that holds `done` ends here: it counts when what of it is used is zeros. */
static void end_block(struct volume *v)
{
	struct unused *u = v->unused;

	if (v->is_zero)
		u->blocks[v->block / 64] |= UINT64_C(1) << v->block % 64;
	v->block++;
	v->is_zero = true;
}

/* From `done` to `end` everything is used. Blocks without any free part are not looked at: that they are zeros others find out. */
static void pass_used(struct volume *v, uint64_t end)
{
	struct unused *u = v->unused;
	bool begun = v->done > v->block * u->block_size;

	if (begun && end >= end_of_block(u, v->block)) {
		v->is_zero = v->is_zero && reads_as_zeros(v, v->done, end_of_block(u, v->block));
		end_block(v);
		begun = false;
		v->done = v->block * u->block_size;
	}
	if (!begun && end / u->block_size > v->block)
		v->done = (v->block = end / u->block_size) * u->block_size;
	if (v->done < end)
		v->is_zero = v->is_zero && reads_as_zeros(v, v->done, end);
	v->done = end;
}

static void pass_free(struct volume *v, uint64_t end)
{
	while (end >= end_of_block(v->unused, v->block) && v->block < v->unused->block_count)
		end_block(v);
	v->done = end;
}

static void end_run(struct volume *v)
{
	if (v->run_start != v->run_end) {
		pass_used(v, v->start + v->run_start);
		pass_free(v, v->start + v->run_end);
	}
	v->note->free += v->run_end - v->run_start;
	v->run_start = v->run_end;
}

void volume_own(struct volume *v, uint64_t offset, uint64_t length)
{
	if ((v->own_count & (v->own_count - 1)) == 0)
		v->own = tool_allocate(v->own, (v->own_count == 0 ? 1 : 2 * v->own_count) * sizeof(*v->own));
	v->own[v->own_count++] = (struct volume_range){ offset, offset + length };
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct volume_range *)a)->start, y = ((const struct volume_range *)b)->start;

	return x < y ? -1 : x > y;
}

static bool is_own(struct volume *v, uint64_t offset, uint64_t length)
{
	if (v->own_next == 0 && v->run_end == 0 && v->own_count != 0)
		qsort(v->own, v->own_count, sizeof(*v->own), by_start);
	while (v->own_next < v->own_count && v->own[v->own_next].end <= offset)
		v->own_next++;
	return v->own_next < v->own_count && v->own[v->own_next].start < offset + length;
}

void volume_free(struct volume *v, uint64_t offset, uint64_t length)
{
	v->contradicts = v->contradicts || is_own(v, offset, length);
	if (offset >= v->size || offset < v->run_end)
		return;
	length = length < v->size - offset ? length : v->size - offset;
	if (offset != v->run_end) {
		end_run(v);
		v->run_start = offset;
	}
	v->run_end = offset + length;
}

static const struct {
	const char *type;
	bool (*read)(struct volume *volume);
} readers[] = {
	{ "ext2", unused_ext },  { "ext3", unused_ext },  { "ext4", unused_ext },    { "FAT12", unused_fat },
	{ "FAT16", unused_fat }, { "FAT32", unused_fat }, { "exFAT", unused_exfat }, { "NTFS", unused_ntfs },
};

static bool read_filesystem(struct volume *v)
{
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (strcmp(readers[i].type, v->note->type) == 0)
			return readers[i].read(v);
	return volume_refuse(v, "its free space is not understood");
}

/* `problem`: why it is left alone unread, or NULL. */
static void look_at(struct unused *u, vhdx_disk *disk, unsigned partition, const struct content_filesystem *found, uint64_t start,
		    uint64_t size, const char *problem)
{
	size_t bytes = (size_t)((u->block_count + 63) / 64 * 8);
	struct volume v = { .unused = u, .disk = disk, .start = start, .size = size, .done = start };
	uint64_t *before;

	if (found->type == NULL || start >= u->disk_size || u->note_count == UNUSED_MAX_NOTES)
		return;
	v.size = size < u->disk_size - start ? size : u->disk_size - start;
	v.note = &u->notes[u->note_count++];
	*v.note = (struct unused_note){ .partition = partition, .type = found->type };
	if (problem == NULL && found->ambiguous)
		problem = "something else has left its mark there as well (see wipefs)";
	if (problem != NULL) {
		(void)volume_refuse(&v, problem);
		return;
	}
	v.block = start / u->block_size;
	v.is_zero = start % u->block_size == 0; /* what stands before is not ours */
	v.bytes = tool_allocate(NULL, LOOK);
	before = tool_allocate(NULL, bytes);
	memcpy(before, u->blocks, bytes);
	if (read_filesystem(&v) && v.contradicts)
		(void)volume_refuse(&v, "it calls free what it stands in itself; run fsck or chkdsk");
	if (v.note->problem[0] == '\0') {
		end_run(&v);
		pass_used(&v, v.start + v.size);
	} else {
		memcpy(u->blocks, before, bytes);
		v.note->free = 0;
	}
	free(v.own);
	free(before);
	free(v.bytes);
}

static int read_disk(void *context, void *buffer, size_t length, uint64_t disk_offset)
{
	struct vhdx_error ignored;

	return vhdx_read(context, buffer, length, disk_offset, &ignored);
}

/* Two partitions that overlap would each call free what the other one uses. An extended one holds others. */
static bool overlaps(const struct content *content, unsigned i)
{
	const struct content_partition *p = &content->partitions[i];

	for (unsigned k = 0; k < content->listed; k++) {
		const struct content_partition *q = &content->partitions[k];
		bool holds_others = q->is_bare && content->table == CONTENT_MBR;

		if (k != i && !holds_others && p->offset < q->offset + q->size && q->offset < p->offset + p->size)
			return true;
	}
	return false;
}

/* Something stands between such a partition and filesystems: what looks like one is of an earlier life, or only a part. By the names of gpt.c and mbr.c. */
static bool is_container(const struct content_partition *p)
{
	static const char *const types[] = { "Windows LDM", "Windows LDM data", "Windows LDM metadata", "Windows storage spaces",
					     "Linux swap",  "Linux LVM",        "Linux RAID",           "Linux LUKS",
					     "ZFS",         "FreeBSD ZFS",      "FreeBSD swap",         "VMware VMFS",
					     "Solaris" };

	for (size_t i = 0; p->type != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(p->type, types[i]) == 0)
			return true;
	return false;
}

static void look_at_partitions(struct unused *u, vhdx_disk *disk, const struct content *content)
{
	for (unsigned i = 0; i < content->listed; i++) {
		const struct content_partition *p = &content->partitions[i];
		const char *problem = NULL;

		if (p->outside || p->is_bare || p->unreadable)
			continue;
		if (content->listed != content->partition_count)
			problem = "the table has more partitions than are looked at, and one of them may overlap it";
		else if (overlaps(content, i))
			problem = "another partition overlaps it";
		else if (is_container(p))
			problem = "the type of the partition says that something else is there";
		look_at(u, disk, p->number, &p->filesystem, p->offset, p->size, problem);
	}
}

int unused_find(struct unused *u, vhdx_disk *disk, struct vhdx_error *error)
{
	struct content_source source = { disk, read_disk, vhdx_disk_size(disk), 512 };
	struct vhdx_info info = VHDX_INFO_INIT;
	struct content *content;
	int status = vhdx_get_info(disk, 0, &info, error);

	*u = (struct unused){ .disk_size = source.size, .block_size = info.block_size };
	if (status < 0 || info.block_size == 0) /* no blocks, nothing to mark */
		return status;
	source.sector_size = info.logical_sector_size;
	u->block_count = (u->disk_size + u->block_size - 1) / u->block_size;
	u->blocks = tool_allocate(NULL, (size_t)((u->block_count + 63) / 64 * 8));
	memset(u->blocks, 0, (size_t)((u->block_count + 63) / 64 * 8));
	content = tool_allocate(NULL, sizeof(*content));
	if (content_probe(content, &source) >= 0) {
		if (content->table != CONTENT_NO_TABLE)
			look_at_partitions(u, disk, content);
		else
			look_at(u, disk, 0, &content->filesystem, 0, u->disk_size, NULL);
	}
	free(content);
	return VHDX_OK;
}

void unused_release(struct unused *u)
{
	free(u->blocks);
	u->blocks = NULL;
}

int unused_block(void *context, uint64_t disk_offset, uint64_t length)
{
	const struct unused *u = context;
	uint64_t block = disk_offset / u->block_size;

	(void)length;
	return u->blocks != NULL && (u->blocks[block / 64] >> block % 64 & 1) != 0;
}
