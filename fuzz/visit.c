/* SPDX-License-Identifier: MIT */
/*
 * Opens, reads, counts and inspects an image, and writes a copy of it. What must hold whatever the image is:
 *
 *   a file opened for reading is not changed; reads agree with each other, with the extents, and with the bytes at the place that an extent tells
 *   an image that an open refuses as damaged has an error in its inspection
 *   what a write that succeeded has written is read back after closing and opening again
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { EXTENTS = 160, PIECE = 8192, WRITES = 8, OPEN_FLAGS = 31 & ~VHDX_OPEN_NO_LOCK, MOST_FIELDS = 20000 };

struct visit {
	struct fuzz_image *image;
	struct fuzz_env env;
	uint8_t first[PIECE], second[PIECE];
	unsigned fields;
	unsigned errors;
};

static void compare_place(struct visit *v, vhdx_disk *disk, const struct vhdx_extent *x, size_t length)
{
	const struct vhdx_file *file = vhdx_level_file(disk, x->level);

	if (file == NULL)
		fuzz_finding("an extent of level %u, which does not exist", x->level);
	memfile_read(file->handle, x->file_offset, v->second, length);
	if (memcmp(v->first, v->second, length) != 0)
		fuzz_finding("a read at 0x%" PRIx64 " is not what stands at 0x%" PRIx64 " of the file", x->disk_offset,
			     x->file_offset);
}

static void compare_zeros(struct visit *v, const struct vhdx_extent *x, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (v->first[i] != 0)
			fuzz_finding("a run of zeros at 0x%" PRIx64 " does not read as zeros", x->disk_offset);
}

static void check_extent(struct visit *v, vhdx_disk *disk, const struct vhdx_extent *x, uint64_t offset, uint64_t most)
{
	size_t length = x->length < PIECE ? (size_t)x->length : PIECE;
	struct vhdx_error error;
	int status;

	if (x->disk_offset != offset || x->length == 0 || x->length > most)
		fuzz_finding("the extent at 0x%" PRIx64 " begins at 0x%" PRIx64 " and is 0x%" PRIx64 " long", offset,
			     x->disk_offset, x->length);
	status = vhdx_read(disk, v->first, length, offset, &error);
	fuzz_check(&v->env, "read", status, &error);
	if (status < 0)
		return;
	if (x->kind == VHDX_EXTENT_PARENT)
		fuzz_finding("what a parent would hold can be read");
	if (x->kind == VHDX_EXTENT_DATA && !x->in_memory)
		compare_place(v, disk, x, length);
	else if (x->kind != VHDX_EXTENT_DATA)
		compare_zeros(v, x, length);
}

static void read_disk(struct visit *v, vhdx_disk *disk, struct fuzz_input in)
{
	uint64_t size = vhdx_disk_size(disk), offset = 0;
	struct vhdx_extent x;
	struct vhdx_error error;

	for (unsigned i = 0; i < EXTENTS && size != 0; i++) {
		int status = vhdx_get_extent(disk, &x, offset, size - offset, &error);

		fuzz_check(&v->env, "extent", status, &error);
		if (status == VHDX_OK)
			check_extent(v, disk, &x, offset, size - offset);
		/* on, and near the end of what is left by and by */
		offset += status == VHDX_OK ? x.length : 65536;
		if (offset >= size && in.left != 0)
			offset = fuzz_below(&in, size);
		else if (offset >= size)
			return;
		else if (i == EXTENTS / 2)
			offset = size - 1;
	}
}

static void ask_beyond(struct visit *v, vhdx_disk *disk)
{
	uint64_t size = vhdx_disk_size(disk);
	struct vhdx_extent x;

	if (vhdx_read(disk, v->first, 1, size, NULL) != VHDX_E_RANGE ||
	    vhdx_read(disk, v->first, 2, UINT64_MAX, NULL) != VHDX_E_RANGE ||
	    vhdx_get_extent(disk, &x, size, 1, NULL) != VHDX_E_RANGE || vhdx_get_extent(disk, &x, 0, 0, NULL) != VHDX_E_RANGE)
		fuzz_finding("a range beyond the end of the disk");
}

static void ask_disk(struct visit *v, vhdx_disk *disk)
{
	struct vhdx_info info = VHDX_INFO_INIT;
	struct vhdx_usage usage = VHDX_USAGE_INIT;
	struct vhdx_error error;
	size_t paths;

	for (unsigned level = 0; level < vhdx_depth(disk); level++) {
		const struct vhdx_parent_path *path = vhdx_parent_paths(disk, level, &paths);

		for (size_t i = 0; i < paths; i++)
			if (path[i].text == NULL || strlen(path[i].text) > 1 << 20)
				fuzz_finding("a path to the parent");
		fuzz_check(&v->env, "info", vhdx_get_info(disk, level, &info, &error), &error);
		if (level == 0 && info.virtual_size != vhdx_disk_size(disk))
			fuzz_finding("two sizes of one disk");
		fuzz_check(&v->env, "usage", vhdx_get_usage(disk, level, &usage, &error), &error);
	}
	ask_beyond(v, disk);
}

static int visit_reading(struct visit *v, unsigned flags, struct fuzz_input in)
{
	vhdx_disk *disk = NULL;
	struct vhdx_error error;
	int status;

	fuzz_env_start(&v->env);
	fuzz_image_arm(v->image, &v->env, v->image->file);
	memfile_reset_counts(v->image->file);
	status = specimen_open(&disk, v->image->specimen, v->image->file, flags, &v->env.t.env, &error);
	fuzz_check(&v->env, "open", status, &error);
	if (status == VHDX_OK) {
		ask_disk(v, disk);
		read_disk(v, disk, in);
		read_disk(v, disk, in);
		status = vhdx_close(disk);
		if (status < 0)
			fuzz_finding("closing says %d", status);
	}
	fuzz_image_disarm(&v->env, v->image->file);
	if (memfile_count(v->image->file, MEMFILE_WRITE) + memfile_count(v->image->file, MEMFILE_SET_SIZE) != 0)
		fuzz_finding("a file opened for reading was changed");
	fuzz_env_end(&v->env);
	return status;
}

static int count_field(void *context, const struct vhdx_field *field)
{
	struct visit *v = context;

	if (field->structure == NULL || field->name == NULL || field->value == NULL || field->rule == NULL ||
	    field->problem == NULL)
		fuzz_finding("a field lacks something");
	return ++v->fields >= MOST_FIELDS;
}

static int count_finding(void *context, const struct vhdx_finding *finding)
{
	struct visit *v = context;

	if (finding->message == NULL || finding->message[0] == '\0' || strchr(finding->message, '\n') != NULL ||
	    finding->rule == NULL)
		fuzz_finding("a finding of the inspection lacks something");
	v->errors += finding->severity == VHDX_SEVERITY_ERROR;
	return 0;
}

/* The number of errors, or UINT32_MAX when it did not come to an end. */
static unsigned visit_inspecting(struct visit *v, bool arm)
{
	struct vhdx_inspect_options options = VHDX_INSPECT_OPTIONS_INIT;
	struct vhdx_file file;
	struct vhdx_error error;
	int status;

	fuzz_env_start(&v->env);
	if (arm)
		fuzz_image_arm(v->image, &v->env, v->image->file);
	file = memfile_file(v->image->file, "specimen");
	options.env = &v->env.t.env;
	options.context = v;
	options.on_field = count_field;
	options.on_finding = count_finding;
	v->fields = v->errors = 0;
	status = vhdx_inspect(&file, &options, &error);
	if (status != VHDX_E_CANCELLED)
		fuzz_check(&v->env, "inspect", status, &error);
	fuzz_image_disarm(&v->env, v->image->file);
	fuzz_env_end(&v->env);
	return status == VHDX_OK ? v->errors : UINT32_MAX;
}

/* Writing */

struct written {
	uint64_t offset;
	size_t length;
	uint8_t value;
};

static void fill(uint8_t *out, const struct written *w)
{
	for (size_t i = 0; i < w->length; i++)
		out[i] = w->value == 0 ? 0 : (uint8_t)(w->value + (w->offset + i) * 7);
}

static int write_one(struct visit *v, vhdx_disk *disk, struct fuzz_input *in, struct written *list, unsigned count,
		     struct vhdx_error *error)
{
	uint8_t choice = fuzz_byte(in);
	uint64_t size = vhdx_disk_size(disk), base = fuzz_byte(in) * v->image->specimen->block_size;
	struct written *w = &list[count];

	w->offset = (choice % 4 == 0 ? fuzz_below(in, size) : base + fuzz_take(in, 1) * 512) % size;
	w->length = 1 + (size_t)fuzz_below(in, PIECE);
	w->length = w->length < size - w->offset ? w->length : (size_t)(size - w->offset);
	w->value = choice < 160 ? choice | 1 : 0;
	fill(v->first, w);
	if (choice >= 240) { /* what was written before may be gone */
		uint64_t most = v->image->specimen->block_size * 64 + 65536;

		most = most < size - w->offset ? most : size - w->offset;
		(void)vhdx_discard(disk, w->offset, fuzz_below(in, most) + 1, NULL);
		for (unsigned i = 0; i < count; i++)
			list[i].length = 0;
	}
	return w->value != 0 ? vhdx_write(disk, v->first, w->length, w->offset, error)
			     : vhdx_write_zeroes(disk, w->offset, w->length, error);
}

static void read_back(struct visit *v, vhdx_disk *disk, const struct written *list, unsigned count)
{
	struct vhdx_error error;
	char text[1500];

	for (unsigned i = 0; i < count; i++) {
		unsigned later = i + 1;

		while (later < count && (list[later].offset >= list[i].offset + list[i].length ||
					 list[i].offset >= list[later].offset + list[later].length))
			later++;
		if (later < count || list[i].length == 0)
			continue;
		if (vhdx_read(disk, v->second, list[i].length, list[i].offset, &error) < 0)
			fuzz_finding("what was written cannot be read: %s", vhdx_error_text(&error, text, sizeof(text)));
		fill(v->first, &list[i]);
		if (memcmp(v->first, v->second, list[i].length) != 0)
			fuzz_finding("what was written at 0x%" PRIx64 " is not read back", list[i].offset);
	}
}

static unsigned write_some(struct visit *v, vhdx_disk *disk, struct fuzz_input *in, struct written *list, bool *failed)
{
	unsigned count = 0, asked = in->left == 0 ? 1 : WRITES;
	struct vhdx_error error;

	for (unsigned i = 0; i < asked && vhdx_disk_size(disk) != 0; i++) {
		int status = write_one(v, disk, in, list, count, &error);

		fuzz_check(&v->env, "write", status, &error);
		*failed |= status < 0;
		count += status == VHDX_OK;
		if (i % 3 == 1)
			*failed |= vhdx_flush(disk, NULL) < 0;
	}
	return count;
}

/* It walks the whole BAT, so not on the largest disks. */
static void compact_some(struct visit *v, vhdx_disk *disk, struct fuzz_input *in)
{
	uint64_t block = v->image->specimen->block_size;
	struct vhdx_error error;
	int status;

	if (block == 0 || vhdx_disk_size(disk) / block > 65536 || fuzz_byte(in) % 2 != 0)
		return;
	status = vhdx_compact(disk, NULL, &error);
	fuzz_check(&v->env, "compact", status, &error);
}

static void visit_writing(struct visit *v, unsigned flags, struct fuzz_input in)
{
	struct memfile *copy = memfile_copy(v->image->file);
	struct written list[WRITES];
	struct vhdx_error error;
	vhdx_disk *disk = NULL;
	bool failed = false;
	unsigned count = 0;
	char text[1500];
	int status;

	fuzz_env_start(&v->env);
	fuzz_image_arm(v->image, &v->env, copy);
	status = specimen_open(&disk, v->image->specimen, copy, flags | VHDX_OPEN_WRITE, &v->env.t.env, &error);
	fuzz_check(&v->env, "open for writing", status, &error);
	if (status == VHDX_OK) {
		count = write_some(v, disk, &in, list, &failed);
		if (!v->env.failing && !failed)
			read_back(v, disk, list, count);
		if (!failed)
			compact_some(v, disk, &in);
		if (!v->env.failing && !failed)
			read_back(v, disk, list, count);
		status = vhdx_close(disk);
		if (status < 0 && !v->env.failing && !failed)
			fuzz_finding("closing after writing: %s", vhdx_status_name(status));
		failed |= v->env.failing;
	}
	fuzz_image_disarm(&v->env, copy);
	if (status == VHDX_OK && !failed && count != 0) {
		if (specimen_open(&disk, v->image->specimen, copy, flags, &v->env.t.env, &error) < 0)
			fuzz_finding("does not open after writing: %s", vhdx_error_text(&error, text, sizeof(text)));
		read_back(v, disk, list, count);
		(void)vhdx_close(disk);
	}
	memfile_free(copy);
	fuzz_env_end(&v->env);
}

void fuzz_visit(struct fuzz_image *image, struct fuzz_input *in)
{
	static struct visit v; /* large for a stack */
	unsigned flags = image->flags & OPEN_FLAGS;
	int status;

	v.image = image;
	status = visit_reading(&v, flags, *in);
	if (image->fault == FUZZ_NO_FAULT && flags == 0 && status == VHDX_E_DAMAGED && visit_inspecting(&v, false) == 0)
		fuzz_finding("the open finds damage, the inspection none");
	(void)visit_inspecting(&v, true);
	if ((image->flags & VHDX_OPEN_WRITE) != 0)
		visit_writing(&v, flags, *in);
}
