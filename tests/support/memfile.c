/* SPDX-License-Identifier: MIT */
#include "support/memfile.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "support/memfile_pages.h"

/* The countdown is n while n calls remain until the failure, 1 at the call that fails. */
struct fault {
	atomic_ulong countdown; /* 0: none */
	int status;
	bool sticky;
};

struct memfile {
	pthread_rwlock_t lock; /* size and pages */
	uint64_t size;
	struct pages pages;
	atomic_ulong counts[MEMFILE_CALLS];
	struct fault faults[MEMFILE_CALLS + 1];
	size_t short_length;
	bool minimal;
	struct vhdx_file_id id;
	memfile_watch_fn watch;
	void *watch_context;
};

struct memfile *memfile_new(void)
{
	static atomic_ulong next_id = 1;
	struct memfile *m = calloc(1, sizeof(*m));

	if (m == NULL || pthread_rwlock_init(&m->lock, NULL) != 0)
		abort();
	m->id = (struct vhdx_file_id){ 1, atomic_fetch_add(&next_id, 1) };
	return m;
}

void memfile_free(struct memfile *m)
{
	if (m == NULL)
		return;
	pages_end(&m->pages);
	(void)pthread_rwlock_destroy(&m->lock);
	free(m);
}

struct memfile *memfile_copy(const struct memfile *m)
{
	struct memfile *copy = memfile_new();

	copy->size = m->size;
	for (size_t i = 0; i < m->pages.capacity; i++)
		if (m->pages.slots[i].bytes != NULL)
			memcpy(pages_make(&copy->pages, m->pages.slots[i].number), m->pages.slots[i].bytes, MEMFILE_PAGE);
	return copy;
}

/* Straight access */

static size_t part_of_page(uint64_t offset, size_t length)
{
	uint64_t left = MEMFILE_PAGE - offset % MEMFILE_PAGE;

	return length < left ? length : (size_t)left;
}

void memfile_read(const struct memfile *m, uint64_t offset, void *buffer, size_t length)
{
	uint8_t *out = buffer;

	while (length != 0) {
		size_t part = part_of_page(offset, length);
		const uint8_t *page = pages_find(&m->pages, offset / MEMFILE_PAGE);

		if (page != NULL)
			memcpy(out, page + offset % MEMFILE_PAGE, part);
		else
			memset(out, 0, part);
		out += part;
		offset += part;
		length -= part;
	}
}

void memfile_write(struct memfile *m, uint64_t offset, const void *buffer, size_t length)
{
	const uint8_t *in = buffer;

	while (length != 0) {
		size_t part = part_of_page(offset, length);

		memcpy(pages_make(&m->pages, offset / MEMFILE_PAGE) + offset % MEMFILE_PAGE, in, part);
		in += part;
		offset += part;
		length -= part;
		if (offset > m->size)
			m->size = offset;
	}
}

static void clear_in_page(struct memfile *m, uint64_t offset, size_t length)
{
	uint8_t *page = pages_find(&m->pages, offset / MEMFILE_PAGE);

	if (page != NULL)
		memset(page + offset % MEMFILE_PAGE, 0, length);
}

/* Makes a range zero; whole pages are given back. */
static void clear(struct memfile *m, uint64_t offset, uint64_t length)
{
	uint64_t first = (offset + MEMFILE_PAGE - 1) / MEMFILE_PAGE, end = (offset + length) / MEMFILE_PAGE;

	if (first > end) {
		clear_in_page(m, offset, (size_t)length);
		return;
	}
	clear_in_page(m, offset, (size_t)(first * MEMFILE_PAGE - offset));
	pages_drop(&m->pages, first, end);
	clear_in_page(m, end * MEMFILE_PAGE, (size_t)(offset + length - end * MEMFILE_PAGE));
}

void memfile_set_size(struct memfile *m, uint64_t size)
{
	if (size < m->size)
		clear(m, size, m->size - size);
	m->size = size;
}

uint64_t memfile_size(const struct memfile *m)
{
	return m->size;
}

uint64_t memfile_allocated(const struct memfile *m)
{
	return m->pages.count * MEMFILE_PAGE;
}

/* First difference in the pages of `a`, below `limit`. */
static uint64_t first_difference(const struct memfile *a, const struct memfile *b, uint64_t limit)
{
	static const uint8_t zeros[MEMFILE_PAGE];

	for (size_t i = 0; i < a->pages.capacity; i++) {
		const struct page *page = &a->pages.slots[i];
		uint64_t at = page->number * MEMFILE_PAGE;
		const uint8_t *other;

		if (page->bytes == NULL || at >= limit)
			continue;
		other = pages_find(&b->pages, page->number);
		if (other == NULL)
			other = zeros;
		for (size_t k = 0; k < MEMFILE_PAGE && at + k < limit; k++)
			if (page->bytes[k] != other[k])
				limit = at + k;
	}
	return limit;
}

bool memfile_equal(const struct memfile *a, const struct memfile *b, uint64_t *where)
{
	uint64_t common = a->size < b->size ? a->size : b->size;
	uint64_t at = first_difference(b, a, first_difference(a, b, common));

	if (where != NULL)
		*where = at;
	return at == common && a->size == b->size;
}

/* Settings and counters */

unsigned long memfile_count(const struct memfile *m, enum memfile_call call)
{
	return atomic_load(&m->counts[call]);
}

void memfile_reset_counts(struct memfile *m)
{
	for (int i = 0; i < MEMFILE_CALLS; i++)
		atomic_store(&m->counts[i], 0);
}

void memfile_set_short(struct memfile *m, size_t length)
{
	m->short_length = length;
}

void memfile_set_minimal(struct memfile *m, bool minimal)
{
	m->minimal = minimal;
}

void memfile_fail(struct memfile *m, enum memfile_call call, unsigned long n, int status, bool sticky)
{
	m->faults[call].status = status;
	m->faults[call].sticky = sticky;
	atomic_store(&m->faults[call].countdown, n);
}

void memfile_set_identity(struct memfile *m, uint64_t volume, uint64_t file)
{
	m->id = (struct vhdx_file_id){ volume, file };
}

void memfile_watch(struct memfile *m, memfile_watch_fn watch, void *context)
{
	m->watch = watch;
	m->watch_context = context;
}

/* The I/O table */

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
	(void)pthread_rwlock_rdlock(&m->lock);
	length = shorten(m, length);
	if (file_offset >= m->size)
		length = 0;
	else if (length > m->size - file_offset)
		length = (size_t)(m->size - file_offset);
	memfile_read(m, file_offset, buffer, length);
	(void)pthread_rwlock_unlock(&m->lock);
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
	(void)pthread_rwlock_wrlock(&m->lock);
	memfile_write(m, file_offset, buffer, length);
	(void)pthread_rwlock_unlock(&m->lock);
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
	(void)pthread_rwlock_rdlock(&m->lock);
	*size = m->size;
	(void)pthread_rwlock_unlock(&m->lock);
	return VHDX_OK;
}

static int io_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_SET_SIZE, size, 0);

	(void)error;
	if (status < 0)
		return status;
	(void)pthread_rwlock_wrlock(&m->lock);
	memfile_set_size(m, size);
	(void)pthread_rwlock_unlock(&m->lock);
	return VHDX_OK;
}

static int clear_range(struct memfile *m, enum memfile_call call, uint64_t file_offset, uint64_t length)
{
	int status = enter(m, call, file_offset, length);

	if (status < 0)
		return status;
	(void)pthread_rwlock_wrlock(&m->lock);
	clear(m, file_offset, length);
	if (call == MEMFILE_ZERO && file_offset + length > m->size)
		m->size = file_offset + length;
	(void)pthread_rwlock_unlock(&m->lock);
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

static int io_extent(void *handle, struct vhdx_file_extent *extent, uint64_t file_offset, uint64_t length, struct vhdx_error *error)
{
	struct memfile *m = handle;
	int status = enter(m, MEMFILE_EXTENT, file_offset, length);
	uint64_t page = file_offset / MEMFILE_PAGE, end = (file_offset + length + MEMFILE_PAGE - 1) / MEMFILE_PAGE, until;

	(void)error;
	if (status < 0)
		return status;
	(void)pthread_rwlock_rdlock(&m->lock);
	extent->is_hole = pages_find(&m->pages, page) == NULL;
	until = extent->is_hole ? pages_next(&m->pages, page, end) : page + 1;
	while (!extent->is_hole && until < end && pages_find(&m->pages, until) != NULL)
		until++;
	(void)pthread_rwlock_unlock(&m->lock);
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
		.struct_size = sizeof(struct vhdx_io), .read = io_read, .write = io_write, .flush = io_flush, .get_size = io_get_size,
		.set_size = io_set_size, .zero = io_zero, .punch = io_punch, .reserve = io_reserve, .extent = io_extent,
		.identity = io_identity, .close = io_close,
	};
	static const struct vhdx_io minimal = {
		.struct_size = sizeof(struct vhdx_io), .read = io_read, .write = io_write, .flush = io_flush, .get_size = io_get_size,
		.set_size = io_set_size, .close = io_close,
	};

	return (struct vhdx_file){ .io = m->minimal ? &minimal : &full, .handle = m, .name = name };
}
