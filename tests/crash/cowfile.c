/* SPDX-License-Identifier: MIT */
#include "cowfile.h"

#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SECTOR = 512 };

struct cow_page {
	unsigned users;
	uint8_t bytes[PAGE];
};

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

struct cowfile *cow_new(void)
{
	return must(calloc(1, sizeof(struct cowfile)));
}

struct cowfile *cow_copy(const struct cowfile *from)
{
	struct cowfile *copy = cow_new();

	copy->size = from->size;
	copy->page_count = from->page_count;
	copy->pages = must(malloc((from->page_count + 1) * sizeof(*copy->pages)));
	for (size_t i = 0; i < from->page_count; i++) {
		copy->pages[i] = from->pages[i];
		if (copy->pages[i] != NULL)
			copy->pages[i]->users++;
	}
	return copy;
}

static void drop(struct cow_page *page)
{
	if (page != NULL && --page->users == 0)
		free(page);
}

void cow_free(struct cowfile *file)
{
	if (file == NULL)
		return;
	for (size_t i = 0; i < file->page_count; i++)
		drop(file->pages[i]);
	free(file->pages);
	free(file);
}

static void set_size(struct cowfile *file, uint64_t size)
{
	size_t count = (size_t)((size + PAGE - 1) / PAGE);

	if (size < file->size && size % PAGE != 0 && file->pages[size / PAGE] != NULL) {
		struct cow_page *page = must(malloc(sizeof(*page)));

		memcpy(page, file->pages[size / PAGE], sizeof(*page));
		memset(page->bytes + size % PAGE, 0, PAGE - size % PAGE);
		page->users = 1;
		drop(file->pages[size / PAGE]);
		file->pages[size / PAGE] = page;
	}
	for (size_t i = count; i < file->page_count; i++)
		drop(file->pages[i]);
	file->pages = must(realloc(file->pages, (count + 1) * sizeof(*file->pages)));
	for (size_t i = file->page_count; i < count; i++)
		file->pages[i] = NULL;
	file->page_count = count;
	file->size = size;
}

static uint8_t *writable(struct cowfile *file, size_t index)
{
	struct cow_page *page = file->pages[index];

	if (page != NULL && page->users == 1)
		return page->bytes;
	file->pages[index] = must(calloc(1, sizeof(*page)));
	if (page != NULL)
		memcpy(file->pages[index]->bytes, page->bytes, PAGE);
	file->pages[index]->users = 1;
	drop(page);
	return file->pages[index]->bytes;
}

/* `bytes` NULL: zeros. */
static void put(struct cowfile *file, const uint8_t *bytes, size_t length, uint64_t offset)
{
	if (offset + length > file->size)
		set_size(file, offset + length);
	while (length != 0) {
		size_t in = (size_t)(offset % PAGE), part = PAGE - in < length ? PAGE - in : length;

		if (bytes != NULL)
			memcpy(writable(file, (size_t)(offset / PAGE)) + in, bytes, part);
		else if (file->pages[offset / PAGE] != NULL)
			memset(writable(file, (size_t)(offset / PAGE)) + in, 0, part);
		bytes = bytes != NULL ? bytes + part : NULL;
		offset += part;
		length -= part;
	}
}

static void note(struct cowfile *file, enum change_kind kind, uint64_t offset, uint64_t length, const void *bytes)
{
	struct record *r = file->record;

	if (r == NULL)
		return;
	if (r->count == r->capacity) {
		r->capacity = r->capacity == 0 ? 64 : r->capacity * 2;
		r->changes = must(realloc(r->changes, r->capacity * sizeof(*r->changes)));
	}
	r->changes[r->count] = (struct change){ kind, offset, length, NULL };
	if (kind == CHANGE_WRITE) {
		r->changes[r->count].bytes = must(malloc(length));
		memcpy(r->changes[r->count].bytes, bytes, length);
	}
	r->count++;
}

void record_clear(struct record *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->changes[i].bytes);
	free(r->changes);
	*r = (struct record){ NULL, 0, 0 };
}

void cow_apply(struct cowfile *file, const struct change *c, uint64_t mask)
{
	switch (c->kind) {
	case CHANGE_WRITE:
		if (mask == UINT64_MAX) {
			put(file, c->bytes, (size_t)c->length, c->offset);
			break;
		}
		for (uint64_t at = 0, i = 0; at < c->length; at += SECTOR, i++)
			if (mask >> i % 64 & 1)
				put(file, c->bytes + at, (size_t)(c->length - at < SECTOR ? c->length - at : SECTOR), c->offset + at);
		break;
	case CHANGE_ZERO:
		put(file, NULL, (size_t)c->length, c->offset);
		break;
	case CHANGE_SIZE:
		set_size(file, c->offset);
		break;
	case CHANGE_FLUSH:
		break;
	}
}

bool cow_equal(const struct cowfile *a, const struct cowfile *b)
{
	static const uint8_t zeros[PAGE];

	if (a->size != b->size)
		return false;
	for (size_t i = 0; i < a->page_count; i++) {
		const uint8_t *x = a->pages[i] != NULL ? a->pages[i]->bytes : zeros, *y = b->pages[i] != NULL ? b->pages[i]->bytes : zeros;

		if (x != y && memcmp(x, y, PAGE) != 0)
			return false;
	}
	return true;
}

static int64_t io_read(void *handle, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	const struct cowfile *file = handle;
	uint8_t *p = buffer;

	(void)error;
	if (offset >= file->size)
		return 0;
	if (length > file->size - offset)
		length = (size_t)(file->size - offset);
	for (size_t left = length; left != 0;) {
		size_t in = (size_t)(offset % PAGE), part = PAGE - in < left ? PAGE - in : left;
		const struct cow_page *page = file->pages[offset / PAGE];

		if (page != NULL)
			memcpy(p, page->bytes + in, part);
		else
			memset(p, 0, part);
		p += part;
		offset += part;
		left -= part;
	}
	return (int64_t)length;
}

static int64_t io_write(void *handle, const void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	(void)error;
	note(handle, CHANGE_WRITE, offset, length, buffer);
	put(handle, buffer, length, offset);
	return (int64_t)length;
}

static int io_zero(void *handle, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	(void)error;
	note(handle, CHANGE_ZERO, offset, length, NULL);
	put(handle, NULL, (size_t)length, offset);
	return VHDX_OK;
}

static int io_flush(void *handle, struct vhdx_error *error)
{
	(void)error;
	note(handle, CHANGE_FLUSH, 0, 0, NULL);
	return VHDX_OK;
}

static int io_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	(void)error;
	*size = ((const struct cowfile *)handle)->size;
	return VHDX_OK;
}

static int io_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	(void)error;
	note(handle, CHANGE_SIZE, size, 0, NULL);
	set_size(handle, size);
	return VHDX_OK;
}

static const struct vhdx_io cow_io = {
	.struct_size = sizeof(struct vhdx_io),
	.read = io_read,
	.write = io_write,
	.flush = io_flush,
	.get_size = io_get_size,
	.set_size = io_set_size,
	.zero = io_zero,
};

struct vhdx_file cow_file(struct cowfile *file, const char *name)
{
	return (struct vhdx_file){ &cow_io, file, name };
}
