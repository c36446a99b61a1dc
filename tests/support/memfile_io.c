/* SPDX-License-Identifier: MIT */
/* The I/O table of memory files: counts, announces and fails calls, then carries them out under the lock. */
#include "support/memfile_state.h"

static int fault_status(struct fault *fault)
{
	unsigned long left = atomic_load(&fault->countdown);

	while (left != 0) {
		unsigned long next = left > 1 ? left - 1 : fault->sticky ? 1 : 0;

		if (atomic_compare_exchange_weak(&fault->countdown, &left, next))
			return left == 1 ? fault->status : VHDX_OK;
	}
	return VHDX_OK;
}

/* Counts and announces a call; the status that a fault gives it. */
static int enter(struct memfile *m, enum memfile_call call, uint64_t offset, uint64_t length)
{
	int status;

	(void)atomic_fetch_add(&m->counts[call], 1);
	if (m->watch != NULL)
		m->watch(m->watch_context, call, offset, length);
	status = fault_status(&m->faults[call]);
	return status != VHDX_OK ? status : fault_status(&m->faults[MEMFILE_ANY]);
}

static size_t shorten(const struct memfile *m, size_t length)
{
	return m->short_length != 0 && length > m->short_length ? m->short_length : length;
}

static int64_t io_read(void *handle, void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_READ, file_offset, length);

	(void)error;
	if (status < 0)
		return status;
	rwlock_read(&m->lock);
	length = shorten(m, length);
	if (file_offset >= m->size)
		length = 0;
	else if (length > m->size - file_offset)
		length = (size_t)(m->size - file_offset);
	memfile_read(m, file_offset, buffer, length);
	rwlock_read_end(&m->lock);
	return (int64_t)length;
}

static int64_t io_write(void *handle, const void *buffer, size_t length, uint64_t file_offset, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_WRITE, file_offset, length);

	(void)error;
	if (status < 0)
		return status;
	length = shorten(m, length);
	rwlock_write(&m->lock);
	memfile_write(m, file_offset, buffer, length);
	rwlock_write_end(&m->lock);
	return (int64_t)length;
}

static int io_flush(void *handle, struct vhdx_error *error)
{
	(void)error;
	return enter(handle, MEMFILE_FLUSH, 0, 0);
}

static int io_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_GET_SIZE, 0, 0);

	(void)error;
	if (status < 0)
		return status;
	rwlock_read(&m->lock);
	*size = m->size;
	rwlock_read_end(&m->lock);
	return VHDX_OK;
}

static int io_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_SET_SIZE, size, 0);

	(void)error;
	if (status < 0)
		return status;
	rwlock_write(&m->lock);
	memfile_set_size(m, size);
	rwlock_write_end(&m->lock);
	return VHDX_OK;
}

static int clear_range(struct memfile *m, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	int status = enter(m, call, file_offset, length);

	if (status < 0)
		return status;
	rwlock_write(&m->lock);
	memfile_clear(m, file_offset, length);
	if (call == MEMFILE_ZERO && file_offset + length > m->size)
		m->size = file_offset + length;
	rwlock_write_end(&m->lock);
	return VHDX_OK;
}

static int io_zero(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	(void)error;
	return clear_range(handle, MEMFILE_ZERO, file_offset, length);
}

static int io_punch(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	(void)error;
	return clear_range(handle, MEMFILE_PUNCH, file_offset, length);
}

static int io_reserve(void *handle, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	(void)error;
	return enter(handle, MEMFILE_RESERVE, file_offset, length);
}

static int io_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length,
		     struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_EXTENT, file_offset, length);
	uint64_t page = file_offset / MEMFILE_PAGE, end = (file_offset + length + MEMFILE_PAGE - 1) / MEMFILE_PAGE, until;

	(void)error;
	if (status < 0)
		return status;
	rwlock_read(&m->lock);
	extent->is_hole = memfile_pages_find(&m->pages, page) == NULL;
	until = extent->is_hole ? memfile_pages_next(&m->pages, page, end) : page + 1;
	while (!extent->is_hole && until < end && memfile_pages_find(&m->pages, until) != NULL)
		until++;
	rwlock_read_end(&m->lock);
	extent->length = until * MEMFILE_PAGE - file_offset;
	if (extent->length > length)
		extent->length = length;
	return VHDX_OK;
}

static int io_identity(void *handle, struct vhdx_file_id *id, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_IDENTITY, 0, 0);

	(void)error;
	if (status == VHDX_OK)
		*id = m->id;
	return status;
}

static void io_close(void *handle)
{
	struct memfile *m = handle;

	(void)atomic_fetch_add(&m->counts[MEMFILE_CLOSE], 1);
	if (m->watch != NULL)
		m->watch(m->watch_context, MEMFILE_CLOSE, 0, 0);
}

struct vhdx_file memfile_file(struct memfile *m, const char *name)
{
	static const struct vhdx_io full = {
		.struct_size = sizeof(struct vhdx_io),
		.read = io_read,
		.write = io_write,
		.flush = io_flush,
		.get_size = io_get_size,
		.set_size = io_set_size,
		.zero = io_zero,
		.punch = io_punch,
		.reserve = io_reserve,
		.extent = io_extent,
		.identity = io_identity,
		.close = io_close,
	};
	static const struct vhdx_io minimal = {
		.struct_size = sizeof(struct vhdx_io),
		.read = io_read,
		.write = io_write,
		.flush = io_flush,
		.get_size = io_get_size,
		.set_size = io_set_size,
		.close = io_close,
	};

	return (struct vhdx_file){ .io = m->minimal ? &minimal : &full, .handle = m, .name = name };
}
