/* SPDX-License-Identifier: MIT */
#include "engine/punch.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/error.h"

/* What filesystems allocate, and what is worth a hole: as creation has it (create_fill.c). */
enum { GRAIN = 4096, LEAST = 32768 };

static void end_run(struct punch *p)
{
	uint64_t length = p->end - p->start;

	if (length >= LEAST && (p->only_counts || file_try_punch(&p->image->view.file, p->start, length)))
		*p->total += length;
	p->start = p->end = 0;
}

static void add_run(struct punch *p, uint64_t file_offset, uint64_t length)
{
	if (p->end != file_offset) {
		end_run(p);
		p->start = p->end = file_offset;
	}
	p->end += length;
}

/* Bytes of the file that are in p->bytes. */
static void look(struct punch *p, uint64_t file_offset, size_t length)
{
	for (size_t at = (size_t)(round_up(file_offset, GRAIN) - file_offset); at + GRAIN <= length; at += GRAIN)
		if (bytes_are_zero(p->bytes + at, GRAIN))
			add_run(p, file_offset + at, GRAIN);
}

static int punch_data(struct punch *p, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	const struct view *view = &p->image->view;
	int status = VHDX_OK;

	for (uint64_t done = 0, part; status == VHDX_OK && done < length; done += part) {
		uint64_t place = file_offset + done;
		struct vhdx_file_extent host = view_extent(view, place, length - done);

		part = host.length;
		if (host.is_hole)
			continue;
		part = min_u64(part, PUNCH_BUFFER - place % GRAIN); /* pieces end at grains */
		status = view_read(view, p->bytes, (size_t)part, place, error);
		if (status == VHDX_OK)
			look(p, place, (size_t)part);
	}
	return status;
}

int punch_zeros(struct punch *p, uint64_t disk_offset, uint64_t length, struct vhdx_error *error)
{
	int status = VHDX_OK;

	if (p->image->view.file.io->punch == NULL)
		return VHDX_OK;
	while (status == VHDX_OK && length != 0) {
		struct mapping m;

		status = p->image->ops->map(p->image, disk_offset, length, &m, error);
		if (status < 0)
			return status;
		if (m.kind == MAP_DATA)
			status = punch_data(p, m.file_offset, m.length, error);
		disk_offset += m.length;
		length -= m.length;
	}
	if (status == VHDX_OK)
		end_run(p);
	return status;
}
