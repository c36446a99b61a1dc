/* SPDX-License-Identifier: MIT */
/* See tree.h. */
#include "tree.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct node *add(struct tree *tree, size_t parent, const char *name)
{
	struct node *node;

	tree->nodes = tool_allocate(tree->nodes, (tree->count + 1) * sizeof(*tree->nodes));
	node = &tree->nodes[tree->count++];
	*node = (struct node){ .parent = parent };
	snprintf(node->name, sizeof(node->name), "%s", name);
	return node;
}

static int read_content(void *context, void *buffer, size_t length, uint64_t disk_offset)
{
	return vhdx_read(context, buffer, length, disk_offset, NULL);
}

/* Bytes in blocks that are present in any file of the chain. Never 0, which would say that there is nothing to read. */
static uint64_t allocated_of(vhdx_disk *disk)
{
	uint64_t sum = 4096;

	for (unsigned level = 0; level < vhdx_depth(disk); level++) {
		struct vhdx_usage usage = VHDX_USAGE_INIT;

		if (vhdx_get_usage(disk, level, &usage, NULL) != VHDX_OK)
			return UINT64_MAX;
		sum += usage.payload_bytes;
	}
	return sum;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A disk and its partitions; those that end beyond the disk are no files. A start that cannot be read has no partitions. */
static void add_disk(struct tree *tree, size_t directory, vhdx_disk *disk, bool writable, struct content *content)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct content_source source = { disk, read_content, vhdx_disk_size(disk), 512 };
	struct node *node = add(tree, directory, "disk");
	uint64_t allocated = allocated_of(disk);
	char name[NODE_NAME_SIZE];

	node->disk = disk;
	node->size = source.size;
	node->allocated = least(allocated, source.size);
	node->writable = writable;
	if (vhdx_get_info(disk, 0, &info, NULL) == VHDX_OK && info.logical_sector_size != 0)
		source.sector_size = info.logical_sector_size;
	if (content_probe(content, &source) < 0)
		*content = (struct content){ .table = CONTENT_NO_TABLE };
	for (unsigned i = 0; i < content->listed; i++) {
		const struct content_partition *partition = &content->partitions[i];

		if (partition->outside)
			continue;
		snprintf(name, sizeof(name), "p%u", partition->number);
		node = add(tree, directory, name);
		node->disk = disk;
		node->offset = partition->offset;
		node->size = partition->size;
		node->allocated = least(allocated, partition->size);
		node->writable = writable;
	}
}

/* The chain from a level on, always for reading, with the parents that the user named for what is behind it. */
static int open_level(vhdx_disk **out, const vhdx_disk *disk, unsigned level, const struct tool_open *open,
		      struct vhdx_error *error)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct tool_open rest = *open;
	size_t skipped = level < open->parent_count ? level : open->parent_count;
	int status = vhdx_get_info(disk, level, &info, error);

	if (status != VHDX_OK)
		return status;
	rest.attempts = NULL;
	rest.flags &= ~(unsigned)VHDX_OPEN_WRITE;
	rest.format = info.format;
	rest.parents += skipped;
	rest.parent_count -= skipped;
	status = tool_try_open(out, info.file_name, &rest, error);
	free(rest.attempts);
	return status;
}

static int add_parents(struct tree *tree, const struct tool_open *open)
{
	struct content *content = tool_allocate(NULL, sizeof(*content));
	int result = TOOL_DONE;

	for (unsigned level = 1; level < vhdx_depth(tree->disks[0]) && result == TOOL_DONE; level++) {
		struct vhdx_error error;
		char name[NODE_NAME_SIZE];
		size_t directory = tree->count;

		if (open_level(&tree->disks[level], tree->disks[0], level, open, &error) != VHDX_OK) {
			result = tool_error(&error);
			break;
		}
		tree->disk_count++;
		snprintf(name, sizeof(name), "parent%u", level);
		add(tree, 0, name);
		add_disk(tree, directory, tree->disks[level], false, content);
	}
	free(content);
	return result;
}

int tree_open(struct tree *tree, const char *path, struct tool_open *open)
{
	vhdx_disk *disk;
	int result = tool_open_image(&disk, path, open);

	if (result != TOOL_DONE)
		return result;
	memset(tree, 0, sizeof(*tree));
	tree->time = (int64_t)time(NULL);
	tree->disks = tool_allocate(NULL, vhdx_depth(disk) * sizeof(*tree->disks));
	tree->disks[0] = disk;
	tree->disk_count = 1;
	add(tree, 0, "");
	add_disk(tree, 0, disk, (open->flags & VHDX_OPEN_WRITE) != 0, &tree->content);
	result = add_parents(tree, open);
	if (result != TOOL_DONE)
		(void)tree_close(tree);
	return result;
}

const struct node *tree_find(const struct tree *tree, size_t directory, const char *name)
{
	for (size_t i = 1; i < tree->count; i++)
		if (tree->nodes[i].parent == directory && strcmp(tree->nodes[i].name, name) == 0)
			return &tree->nodes[i];
	return NULL;
}

int tree_close(struct tree *tree)
{
	int status = VHDX_OK;

	while (tree->disk_count > 0) {
		int closed = vhdx_close(tree->disks[--tree->disk_count]);

		status = closed != VHDX_OK ? closed : status;
	}
	free(tree->disks);
	free(tree->nodes);
	return status;
}
