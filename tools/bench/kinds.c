/* SPDX-License-Identifier: MIT */
/*
 * Types of disks: their names, and their files.
 *
 *   raw
 *   vhdx-fixed vhdx-fixed-reserved vhdx-fixed-sparse vhdx-dynamic vhdx-diff vhdx-diff-fixed, and the same with vhd-
 *   :block=SIZE :depth=N :sector=512|4096
 *
 * vhdx-fixed is written when it is created, as New-VHD -Fixed does. vhdx-diff has a dynamic base.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "occupancy.h"
#include "sys.h"

enum { PIECE = 2 << 20, REQUEST = 1 << 20 };

static const struct {
	const char *name, *title;
	enum vhdx_type type;
	enum vhdx_preallocation preallocation;
	bool parent_fixed;
} bases[] = {
	{ "fixed", "fixed", VHDX_TYPE_FIXED, VHDX_PREALLOCATE_FULL, false },
	{ "fixed-reserved", "fixed, reserved", VHDX_TYPE_FIXED, VHDX_PREALLOCATE_RESERVE, false },
	{ "fixed-sparse", "fixed, sparse", VHDX_TYPE_FIXED, VHDX_PREALLOCATE_NONE, false },
	{ "dynamic", "dynamic", VHDX_TYPE_DYNAMIC, VHDX_PREALLOCATE_NONE, false },
	{ "diff", "differencing", VHDX_TYPE_DIFFERENCING, VHDX_PREALLOCATE_NONE, false },
	{ "diff-fixed", "differencing, fixed base", VHDX_TYPE_DIFFERENCING, VHDX_PREALLOCATE_NONE, true },
};

static const char *take_option(struct kind *k, const char *text)
{
	const char *value = strchr(text, '=');
	uint64_t number = 0;

	if (value == NULL || !tool_parse_size(value + 1, &number))
		return "wants block=SIZE, depth=N or sector=SIZE behind the colon";
	if (strncmp(text, "block=", 6) == 0 && k->format != VHDX_FORMAT_RAW) {
		k->block_size = (uint32_t)number;
		return number >= 512 << 10 && number <= 256 << 20 && (number & (number - 1)) == 0
			       ? NULL
			       : "block is a power of two from 512K to 256M (VHDX: from 1M)";
	}
	if (strncmp(text, "depth=", 6) == 0 && k->type == VHDX_TYPE_DIFFERENCING) {
		k->depth = (unsigned)number;
		return number >= 1 && number < MAX_DEPTH ? NULL : "depth is 1 to 64";
	}
	if (strncmp(text, "sector=", 7) == 0 && k->format == VHDX_FORMAT_VHDX) {
		k->sector_size = (uint32_t)number;
		return number == 512 || number == 4096 ? NULL : "sector is 512 or 4096";
	}
	return "has an option that it cannot have";
}

static void make_title(struct kind *k, const char *base)
{
	char extra[48] = "", size[24];
	size_t used = 0;

	if (strstr(k->name, "block=") != NULL)
		used += (size_t)snprintf(extra, sizeof(extra), ", %s blocks",
					 tool_format_size(k->block_size, size, sizeof(size)));
	if (k->depth > 1)
		used += (size_t)snprintf(extra + used, sizeof(extra) - used, ", depth %u", k->depth);
	if (strstr(k->name, "sector=") != NULL)
		snprintf(extra + used, sizeof(extra) - used, ", %u sectors", (unsigned)k->sector_size);
	snprintf(k->title, sizeof(k->title), "%s %.24s%.34s", vhdx_format_name(k->format), base, extra);
}

/* "vhdx-dynamic", without options. */
static bool take_name(struct kind *k, const char *text, const char **base)
{
	if (strcmp(text, "raw") == 0) {
		k->format = VHDX_FORMAT_RAW;
		k->type = VHDX_TYPE_FIXED;
		*base = "file (pass-through)";
		return true;
	}
	k->format = strncmp(text, "vhdx-", 5) == 0 ? VHDX_FORMAT_VHDX : VHDX_FORMAT_VHD;
	if (k->format == VHDX_FORMAT_VHD && strncmp(text, "vhd-", 4) != 0)
		return false;
	text += k->format == VHDX_FORMAT_VHDX ? 5 : 4;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		if (strcmp(text, bases[i].name) == 0) {
			k->type = bases[i].type;
			k->preallocation = bases[i].preallocation;
			k->parent_fixed = bases[i].parent_fixed;
			*base = bases[i].title;
			return true;
		}
	}
	return false;
}

const char *kind_parse(struct kind *out, const char *text)
{
	char copy[NAME_SIZE];
	const char *base;
	char *rest;

	if (strlen(text) >= sizeof(copy))
		return "is too long";
	memset(out, 0, sizeof(*out));
	memcpy(out->name, text, strlen(text) + 1);
	memcpy(copy, text, strlen(text) + 1);
	rest = strchr(copy, ':');
	if (rest != NULL)
		*rest++ = '\0';
	if (!take_name(out, copy, &base))
		return "is no type of disk; see --help";
	out->sector_size = 512;
	out->depth = out->type == VHDX_TYPE_DIFFERENCING ? 1 : 0;
	if (out->format == VHDX_FORMAT_VHDX && out->type != VHDX_TYPE_DIFFERENCING)
		out->block_size = 32 << 20;
	else if (out->format != VHDX_FORMAT_RAW && out->type != VHDX_TYPE_FIXED)
		out->block_size = 2 << 20;
	for (char *next; rest != NULL; rest = next) {
		const char *wrong;

		next = strchr(rest, ':');
		if (next != NULL)
			*next++ = '\0';
		wrong = take_option(out, rest);
		if (wrong != NULL)
			return wrong;
	}
	make_title(out, base);
	return NULL;
}

/* Those that need all their space at once are never large. */
uint64_t kind_disk_size(const struct kind *kind, enum state state)
{
	return state == STATE_EMPTY && kind->preallocation == VHDX_PREALLOCATE_NONE ? settings.sparse_size : settings.size;
}

void image_create(const char *path, const struct kind *kind, uint64_t size, const char *parent, bool durable)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options open = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;

	open.flags = VHDX_OPEN_NO_PARENTS;
	options.format = kind->format;
	options.type = kind->type;
	options.size = parent == NULL ? size : 0;
	if (kind->format == VHDX_FORMAT_VHDX) {
		options.block_size = kind->block_size;
		options.logical_sector_size = kind->sector_size;
	} else if (kind->type == VHDX_TYPE_DYNAMIC) {
		options.block_size = kind->block_size;
	}
	options.preallocation = kind->preallocation;
	options.no_flush = !durable;
	if (parent != NULL && vhdx_open(&options.parent, parent, &open, &error) < 0)
		stop_error("a parent", &error);
	if (vhdx_create(path, &options, &error) < 0)
		stop_error("creating", &error);
	vhdx_close(options.parent);
}

/* What stands at the bottom of a chain. */
static struct kind base_kind(const struct kind *kind)
{
	struct kind base = *kind;

	base.type = kind->parent_fixed ? VHDX_TYPE_FIXED : VHDX_TYPE_DYNAMIC;
	if (kind->format == VHDX_FORMAT_VHDX && strstr(kind->name, "block=") == NULL)
		base.block_size = 32 << 20;
	return base;
}

/* Writes the pieces of which `wanted` says so. */
static void fill(struct subject *subject, unsigned first_level, bool (*wanted)(uint64_t piece, unsigned part, unsigned parts),
		 unsigned part, unsigned parts, uint16_t generation)
{
	struct subject top = *subject;
	const struct way *way = way_of(subject->kind);
	uint64_t size = subject->model.size;
	struct counts lazy = { .lazy = true };
	void *handle;

	memmove(top.paths, top.paths + first_level, (top.depth - first_level) * sizeof(*top.paths));
	top.depth -= first_level;
	handle = way->open(&top, true, &lazy);
	for (uint64_t at = 0; at < size; at += REQUEST) {
		size_t length = size - at < REQUEST ? (size_t)(size - at) : REQUEST;

		if (!wanted(at / PIECE, part, parts))
			continue;
		way->write(handle, pattern_bytes(at, generation), length, at);
		model_set(&subject->model, at, length, generation);
		heed_interrupts();
	}
	way->close(handle);
}

static bool all_of_it(uint64_t piece, unsigned part, unsigned parts)
{
	(void)piece;
	(void)part;
	(void)parts;
	return true;
}

static bool share_of(uint64_t piece, unsigned part, unsigned parts)
{
	return mix(piece) % parts == part;
}

static bool every_other(uint64_t piece, unsigned part, unsigned parts)
{
	(void)part;
	(void)parts;
	return piece % 2 == 0;
}

/* What a level gets before its child is made: a parent that changes afterwards is nobody's parent any more. */
static void fill_level(struct subject *s, unsigned level, enum state state)
{
	bool is_base = level == s->depth - 1;

	switch (state) {
	case STATE_EMPTY: break;
	case STATE_HALF:
		if (level == 0)
			fill(s, 0, every_other, 0, 0, 1);
		break;
	case STATE_READ:
		if (is_base)
			fill(s, level, all_of_it, 0, 0, 1);
		else
			fill(s, level, share_of, level + 1, s->depth, (uint16_t)(2 + level));
		break;
	case STATE_FULL:
		if (is_base || level == 0)
			fill(s, level, all_of_it, 0, 0, level == 0 ? 2 : 1);
		break;
	}
}

static uint64_t device_size(const char *path)
{
	struct vhdx_file file;
	struct vhdx_error error;
	uint64_t size;

	if (vhdx_file_open(&file, path, VHDX_FILE_NO_LOCK, &error) < 0 || file.io->get_size(file.handle, &size, &error) < 0)
		stop_error("the device", &error);
	vhdx_file_close(&file);
	return size / (1 << 20) << 20;
}

void subject_make(struct subject *out, const struct kind *kind, enum state state, const char *label)
{
	const char *ending = kind->format == VHDX_FORMAT_RAW ? "raw" : kind->format == VHDX_FORMAT_VHD ? "vhd" : "vhdx";
	uint64_t size = kind->device != NULL ? device_size(kind->device) : kind_disk_size(kind, state);
	unsigned index = 0;

	*out = (struct subject){ .kind = kind, .depth = kind->depth + 1 };
	model_begin(&out->model, size);
	if (kind->device != NULL) {
		out->paths[0] = kind->device;
		return;
	}
	while (index < settings.kind_count && kind != &settings.kinds[index])
		index++;
	for (unsigned level = 0; level < out->depth; level++)
		out->paths[level] = workdir_path("%s-%u-%u.%s", label, index, level, ending);
	for (unsigned level = out->depth; level-- > 0;) {
		struct kind base = base_kind(kind);
		bool at_bottom = level + 1 == out->depth && out->depth > 1;

		image_create(out->paths[level], at_bottom ? &base : kind, size,
			     level + 1 < out->depth ? out->paths[level + 1] : NULL, false);
		fill_level(out, level, state);
	}
}

void subject_remove(struct subject *subject)
{
	model_end(&subject->model);
	if (subject->kind->device != NULL)
		return;
	for (unsigned level = 0; level < subject->depth; level++)
		workdir_remove(subject->paths[level]);
}

void subject_sync(const struct subject *subject)
{
	for (unsigned level = 0; level < subject->depth && subject->kind->device == NULL; level++) {
		struct vhdx_file file;
		struct vhdx_error error;

		if (vhdx_file_open(&file, subject->paths[level], VHDX_FILE_WRITE, &error) < 0)
			stop_error("syncing", &error);
		if (file.io->flush(file.handle, &error) < 0)
			stop_error("syncing", &error);
		vhdx_file_close(&file);
	}
}

void subject_forget(const struct subject *subject)
{
	for (unsigned level = 0; level < subject->depth; level++)
		sys_forget(subject->paths[level]);
}

uint64_t subject_allocated(const struct subject *subject)
{
	struct occupancy occupancy;

	occupancy_of(&occupancy, subject->paths[0]);
	return occupancy.allocated;
}
