/* SPDX-License-Identifier: MIT */
#include "support/journal.h"

#include <stdlib.h>
#include <string.h>

static void note(struct journal *j, enum journal_kind kind, uint64_t offset, uint64_t length, const void *bytes)
{
	struct journal_event *e;

	if (j->count == j->capacity) {
		j->capacity = j->capacity == 0 ? 64 : j->capacity * 2;
		j->events = realloc(j->events, j->capacity * sizeof(*j->events));
		if (j->events == NULL)
			abort();
	}
	e = &j->events[j->count++];
	*e = (struct journal_event){ kind, offset, length, NULL };
	if (bytes == NULL)
		return;
	e->bytes = malloc((size_t)length);
	if (e->bytes == NULL)
		abort();
	memcpy(e->bytes, bytes, (size_t)length);
}

static int64_t io_read(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct journal *j = handle;

	return j->below.io->read(j->below.handle, buffer, length, file_offset, error);
}

static int64_t io_write(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct journal *j = handle;
	int64_t done;

	if (file_offset >= j->fail_from && file_offset < j->fail_to)
		return VHDX_E_IO;
	done = j->below.io->write(j->below.handle, buffer, length, file_offset, error);
	if (done > 0)
		note(j, JOURNAL_WRITE, file_offset, (uint64_t)done, buffer);
	return done;
}

static int io_zero(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct journal *j = handle;
	int status = j->below.io->zero(j->below.handle, file_offset, length, error);

	if (status == VHDX_OK)
		note(j, JOURNAL_ZERO, file_offset, length, NULL);
	return status;
}

static int io_punch(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct journal *j = handle;
	int status = j->below.io->punch(j->below.handle, file_offset, length, error);

	if (status == VHDX_OK)
		note(j, JOURNAL_PUNCH, file_offset, length, NULL);
	return status;
}

static int io_flush(void *handle, struct vhdx_error *error)
{
	struct journal *j = handle;
	int status = j->below.io->flush(j->below.handle, error);

	if (status == VHDX_OK)
		note(j, JOURNAL_FLUSH, 0, 0, NULL);
	return status;
}

static int io_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	struct journal *j = handle;

	return j->below.io->get_size(j->below.handle, size, error);
}

static int io_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	struct journal *j = handle;
	int status = j->below.io->set_size(j->below.handle, size, error);

	if (status == VHDX_OK)
		note(j, JOURNAL_SIZE, size, 0, NULL);
	return status;
}

static const struct vhdx_io journal_io = {
	.struct_size = sizeof(struct vhdx_io),
	.read = io_read,
	.write = io_write,
	.flush = io_flush,
	.get_size = io_get_size,
	.set_size = io_set_size,
	.zero = io_zero,
	.punch = io_punch,
};

static const struct vhdx_io plain_io = {
	.struct_size = sizeof(struct vhdx_io),
	.read = io_read,
	.write = io_write,
	.flush = io_flush,
	.get_size = io_get_size,
	.set_size = io_set_size,
};

struct vhdx_file journal_file(struct journal *j, struct vhdx_file below)
{
	j->below = below;
	return (struct vhdx_file){ j->no_punch ? &plain_io : &journal_io, j, below.name };
}

void journal_end(struct journal *j)
{
	for (size_t i = 0; i < j->count; i++)
		free(j->events[i].bytes);
	free(j->events);
	*j = (struct journal){ .count = 0 };
}

void journal_apply(const struct journal_event *event, struct memfile *m)
{
	static const uint8_t zeros[MEMFILE_PAGE];

	switch (event->kind) {
	case JOURNAL_WRITE: memfile_write(m, event->offset, event->bytes, (size_t)event->length); break;
	case JOURNAL_ZERO:
	case JOURNAL_PUNCH:
		for (uint64_t at = 0; at < event->length; at += sizeof(zeros))
			memfile_write(m, event->offset + at, zeros,
				      (size_t)(event->length - at < sizeof(zeros) ? event->length - at : sizeof(zeros)));
		break;
	case JOURNAL_SIZE: memfile_set_size(m, event->offset); break;
	case JOURNAL_FLUSH: break;
	}
}

void journal_walk_start(struct journal_walk *walk, const struct journal *j, const struct memfile *start)
{
	*walk = (struct journal_walk){ .journal = j, .now = memfile_copy(start), .durable = memfile_copy(start) };
}

bool journal_walk_next(struct journal_walk *walk)
{
	if (walk->event != NULL) {
		journal_apply(walk->event, walk->now);
		walk->index++;
		if (walk->event->kind == JOURNAL_FLUSH)
			for (; walk->pending < walk->index; walk->pending++)
				journal_apply(&walk->journal->events[walk->pending], walk->durable);
	}
	walk->event = walk->index < walk->journal->count ? &walk->journal->events[walk->index] : NULL;
	return walk->event != NULL;
}

void journal_walk_end(struct journal_walk *walk)
{
	memfile_free(walk->now);
	memfile_free(walk->durable);
}
