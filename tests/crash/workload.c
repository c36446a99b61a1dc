/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB UINT64_C(1048576)
#define BLOCK (MIB / ORACLE_SECTOR) /* sectors of a block */

const char *const op_names[OP_COUNT] = { "write-in-block", "write-new-block", "write-partial", "write-spanning", "zero-block", "zero-part", "discard", "flush",
					 "close" };

const struct kind kinds[] = {
	{ "vhdx-dynamic-512", VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 512 },
	{ "vhdx-differencing-512", VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 512 },
	{ "vhdx-fixed-512", VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 512 },
	{ "vhdx-dynamic-4096", VHDX_FORMAT_VHDX, VHDX_TYPE_DYNAMIC, 4096 },
	{ "vhdx-differencing-4096", VHDX_FORMAT_VHDX, VHDX_TYPE_DIFFERENCING, 4096 },
	{ "vhdx-fixed-4096", VHDX_FORMAT_VHDX, VHDX_TYPE_FIXED, 4096 },
	{ "vhd-dynamic", VHDX_FORMAT_VHD, VHDX_TYPE_DYNAMIC, 512 },
	{ "vhd-differencing", VHDX_FORMAT_VHD, VHDX_TYPE_DIFFERENCING, 512 },
	{ "vhd-fixed", VHDX_FORMAT_VHD, VHDX_TYPE_FIXED, 512 },
};
const size_t kind_count = sizeof(kinds) / sizeof(kinds[0]);

static void die(const char *what, const struct vhdx_error *error)
{
	char text[1400];

	fprintf(stderr, "cannot prepare: %s: %s\n", what, vhdx_error_text(error, text, sizeof(text)));
	exit(1);
}

static int fill_source(void *context, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	(void)error;
	oracle_fill(buffer, offset / ORACLE_SECTOR, length / ORACLE_SECTOR, *(const int *)context);
	return VHDX_OK;
}

int workload_open(const struct workload *w, vhdx_disk **disk, struct cowfile *file, unsigned flags, struct vhdx_error *error)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file image = cow_file(file, "disk"), parent = w->parent != NULL ? cow_file(w->parent, "parent") : image;

	options.flags = flags;
	options.parents = &parent;
	options.parent_count = w->parent != NULL;
	return vhdx_open_file(disk, &image, &options, error);
}

static void make(struct workload *w, struct cowfile *file, enum vhdx_type type, vhdx_disk *parent, int *content)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_source source = { content, w->disk_size, fill_source, NULL };
	struct vhdx_file image = cow_file(file, "new");
	struct vhdx_error error;

	options.format = w->kind->format;
	options.type = type;
	options.size = w->disk_size;
	options.block_size = (uint32_t)MIB;
	options.parent = parent;
	options.parent_relative = parent != NULL ? ".\\parent" : NULL;
	options.source = content != NULL ? &source : NULL;
	if (w->kind->format == VHDX_FORMAT_VHDX) {
		options.logical_sector_size = w->kind->sector;
		options.physical_sector_size = 4096;
	}
	if (vhdx_create_file(&image, &options, &error) < 0)
		die("create", &error);
}

static void make_with_parent(struct workload *w)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_file file;
	struct vhdx_error error;
	vhdx_disk *parent;
	int content = 1;

	w->parent = cow_new();
	make(w, w->parent, VHDX_TYPE_DYNAMIC, NULL, &content);
	file = cow_file(w->parent, "parent");
	if (vhdx_open_file(&parent, &file, &options, &error) < 0)
		die("open parent", &error);
	make(w, w->file, VHDX_TYPE_DIFFERENCING, parent, NULL);
	vhdx_close(parent);
	for (uint64_t s = 0; s < w->oracle.sectors; s++)
		w->oracle.initial[s] = content;
}

/* The first block holds something, the fourth is short, the others are empty. */
void workload_start(struct workload *w, const struct kind *kind)
{
	struct vhdx_error error;

	*w = (struct workload){ .kind = kind, .file = cow_new(), .next_value = 2, .disk_size = 3 * MIB + MIB / 2 };
	oracle_start(&w->oracle, w->disk_size / ORACLE_SECTOR);
	if (kind->type == VHDX_TYPE_DIFFERENCING)
		make_with_parent(w);
	else
		make(w, w->file, kind->type, NULL, NULL);
	if (workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, &error) < 0 || workload_write(w, 0, 128, &error) < 0)
		die("first write", &error);
	if (vhdx_close(w->disk) < 0)
		die("close", &error);
	w->disk = NULL;
	oracle_settle(&w->oracle);
	w->start = cow_copy(w->file);
	workload_reset(w);
}

void workload_reset(struct workload *w)
{
	struct vhdx_error error;

	if (w->disk != NULL) {
		w->file->record = NULL;
		(void)vhdx_close(w->disk);
	}
	record_clear(&w->record);
	w->oracle.count = 0;
	cow_free(w->file);
	w->file = cow_copy(w->start);
	w->file->record = &w->record;
	if (workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, &error) < 0)
		die("open", &error);
}

void workload_end(struct workload *w)
{
	w->file->record = NULL;
	if (w->disk != NULL)
		(void)vhdx_close(w->disk);
	record_clear(&w->record);
	oracle_end(&w->oracle);
	cow_free(w->file);
	cow_free(w->start);
	cow_free(w->parent);
}

int workload_write(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	uint8_t *bytes = malloc(count * ORACLE_SECTOR);
	int value = w->next_value++, status;

	oracle_fill(bytes, sector, count, value);
	oracle_write(&w->oracle, w->record.count, sector, count, value);
	status = vhdx_write(w->disk, bytes, count * ORACLE_SECTOR, sector * ORACLE_SECTOR, error);
	free(bytes);
	return status;
}

int workload_zero(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	oracle_write(&w->oracle, w->record.count, sector, count, 0);
	return vhdx_write_zeroes(w->disk, sector * ORACLE_SECTOR, count * ORACLE_SECTOR, error);
}

/* What a discard makes of each sector is read back: zeros, or what was there. */
int workload_discard(struct workload *w, uint64_t sector, uint64_t count, struct vhdx_error *error)
{
	size_t position = w->record.count;
	uint8_t *bytes = malloc(count * ORACLE_SECTOR);
	int status = vhdx_discard(w->disk, sector * ORACLE_SECTOR, count * ORACLE_SECTOR, error);

	if (status == VHDX_OK)
		status = vhdx_read(w->disk, bytes, count * ORACLE_SECTOR, sector * ORACLE_SECTOR, error);
	for (uint64_t s = 0; status == VHDX_OK && s < count; s++)
		if (oracle_value(bytes + s * ORACLE_SECTOR, sector + s) == 0)
			oracle_write(&w->oracle, position, sector + s, 1, 0);
	free(bytes);
	return status;
}

static int close_and_open(struct workload *w, struct vhdx_error *error)
{
	int status = vhdx_close(w->disk);

	w->disk = NULL;
	if (status == VHDX_OK) {
		oracle_flush(&w->oracle, w->record.count);
		status = workload_open(w, &w->disk, w->file, VHDX_OPEN_WRITE, error);
	} else {
		error->message[0] = '\0';
		error->status = status;
	}
	return status;
}

int workload_run(struct workload *w, enum op op, struct vhdx_error *error)
{
	int status;

	switch (op) {
	case OP_WRITE_IN: return workload_write(w, 64, 16, error);
	case OP_WRITE_NEW: return workload_write(w, BLOCK + 256, 8, error);
	case OP_WRITE_PARTIAL: return workload_write(w, 2 * BLOCK + 8, 32, error);
	case OP_WRITE_SPAN: return workload_write(w, 2 * BLOCK - 64, 128, error);
	case OP_ZERO_BLOCK: return workload_zero(w, 0, BLOCK, error);
	case OP_ZERO_PART: return workload_zero(w, 32, 48, error);
	case OP_DISCARD: return workload_discard(w, 0, 2 * BLOCK, error);
	case OP_FLUSH:
		status = vhdx_flush(w->disk, error);
		if (status == VHDX_OK)
			oracle_flush(&w->oracle, w->record.count);
		return status;
	case OP_CLOSE: return close_and_open(w, error);
	case OP_COUNT: break;
	}
	return VHDX_OK;
}
