/* SPDX-License-Identifier: MIT */
#include "cowfile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = 4096, SECTOR = 512, FAN = COW_GROUP / PAGE };

struct cow_page {
	unsigned users;
	bool hashed;
	uint64_t hash;
	uint8_t bytes[PAGE];
};

struct cow_group {
	unsigned users;
	bool hashed;
	uint64_t hash;
	struct cow_page *pages[FAN]; /* NULL: zeros */
};

static const uint8_t zeros[PAGE];

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
	copy->group_count = from->group_count;
	copy->groups = must(malloc((from->group_count + 1) * sizeof(struct cow_group *)));
	for (size_t i = 0; i < from->group_count; i++) {
		copy->groups[i] = from->groups[i];
		if (copy->groups[i] != NULL)
			copy->groups[i]->users++;
	}
	return copy;
}

static void drop_page(struct cow_page *page)
{
	if (page != NULL && --page->users == 0)
		free(page);
}

static void drop_group(struct cow_group *group)
{
	if (group == NULL || --group->users != 0)
		return;
	for (size_t i = 0; i < FAN; i++)
		drop_page(group->pages[i]);
	free(group);
}

void cow_free(struct cowfile *file)
{
	if (file == NULL)
		return;
	for (size_t i = 0; i < file->group_count; i++)
		drop_group(file->groups[i]);
	free(file->groups);
	free(file);
}

/* NULL: zeros. */
static struct cow_page *page_at(const struct cowfile *file, uint64_t offset)
{
	const struct cow_group *group = file->groups[offset / COW_GROUP];

	return group != NULL ? group->pages[offset % COW_GROUP / PAGE] : NULL;
}

/* This file's own group, its hash forgotten. */
static struct cow_group *own_group(struct cowfile *file, uint64_t offset)
{
	struct cow_group **place = &file->groups[offset / COW_GROUP], *old = *place;

	if (old == NULL || old->users != 1) {
		*place = must(calloc(1, sizeof(**place)));
		if (old != NULL)
			memcpy(*place, old, sizeof(**place));
		for (size_t i = 0; i < FAN; i++)
			if ((*place)->pages[i] != NULL)
				(*place)->pages[i]->users++;
		(*place)->users = 1;
		drop_group(old);
	}
	(*place)->hashed = false;
	return *place;
}

/* This file's own page, its hash forgotten. `keep`: with what it held. */
static uint8_t *own_page(struct cowfile *file, uint64_t offset, bool keep)
{
	struct cow_page **place = &own_group(file, offset)->pages[offset % COW_GROUP / PAGE], *old = *place;

	if (old == NULL || old->users != 1) {
		*place = must(malloc(sizeof(**place)));
		if (keep)
			memcpy((*place)->bytes, old != NULL ? old->bytes : zeros, PAGE);
		(*place)->users = 1;
		drop_page(old);
	}
	(*place)->hashed = false;
	return (*place)->bytes;
}

static void forget_page(struct cowfile *file, uint64_t offset)
{
	struct cow_page **place = &own_group(file, offset)->pages[offset % COW_GROUP / PAGE];

	drop_page(*place);
	*place = NULL;
}

/* Inside the file. `bytes` NULL: zeros. */
static void put_inside(struct cowfile *file, const uint8_t *bytes, uint64_t length, uint64_t offset)
{
	while (length != 0) {
		uint64_t in = offset % PAGE, part = PAGE - in < length ? PAGE - in : length;

		if (bytes != NULL)
			memcpy(own_page(file, offset, part != PAGE) + in, bytes, (size_t)part);
		else if (page_at(file, offset) != NULL && part == PAGE)
			forget_page(file, offset);
		else if (page_at(file, offset) != NULL)
			memset(own_page(file, offset, true) + in, 0, (size_t)part);
		bytes = bytes != NULL ? bytes + part : NULL;
		offset += part;
		length -= part;
	}
}

static void set_size(struct cowfile *file, uint64_t size)
{
	size_t count = (size_t)((size + COW_GROUP - 1) / COW_GROUP);

	if (size < file->size) {
		uint64_t end = (uint64_t)count * COW_GROUP;

		put_inside(file, NULL, (end < file->size ? end : file->size) - size, size);
	}
	for (size_t i = count; i < file->group_count; i++)
		drop_group(file->groups[i]);
	file->groups = must(realloc(file->groups, (count + 1) * sizeof(struct cow_group *)));
	for (size_t i = file->group_count; i < count; i++)
		file->groups[i] = NULL;
	file->group_count = count;
	file->size = size;
}

static void put(struct cowfile *file, const uint8_t *bytes, uint64_t length, uint64_t offset)
{
	if (offset + length > file->size)
		set_size(file, offset + length);
	put_inside(file, bytes, length, offset);
}

void cow_write(struct cowfile *file, const void *buffer, size_t length, uint64_t offset)
{
	put(file, buffer, length, offset);
}

void cow_read(const struct cowfile *file, void *buffer, size_t length, uint64_t offset)
{
	uint8_t *p = buffer;

	while (length != 0) {
		size_t in = (size_t)(offset % PAGE), part = PAGE - in < length ? PAGE - in : length;
		const struct cow_page *page = offset < file->size ? page_at(file, offset) : NULL;

		memcpy(p, (page != NULL ? page->bytes : zeros) + in, part);
		p += part;
		offset += part;
		length -= part;
	}
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

/* 0 for zeros, however they are stored. */
static uint64_t hash_page(struct cow_page *page)
{
	uint64_t lanes[4] = { 1, 2, 3, 4 }, words[4], any = 0;

	if (page == NULL || page->hashed)
		return page != NULL ? page->hash : 0;
	for (size_t i = 0; i < PAGE; i += sizeof(words)) {
		memcpy(words, page->bytes + i, sizeof(words));
		for (unsigned k = 0; k < 4; k++) {
			any |= words[k];
			lanes[k] = (lanes[k] ^ words[k]) * UINT64_C(0x9E3779B97F4A7C15);
			lanes[k] ^= lanes[k] >> 29;
		}
	}
	page->hash = any == 0 ? 0 : mix(mix(lanes[0] + mix(lanes[1])) + mix(lanes[2] + mix(lanes[3])));
	page->hashed = true;
	return page->hash;
}

static uint64_t hash_group(struct cow_group *group)
{
	if (group == NULL || group->hashed)
		return group != NULL ? group->hash : 0;
	group->hash = 0;
	for (size_t i = 0; i < FAN; i++) {
		uint64_t hash = hash_page(group->pages[i]);

		if (hash != 0)
			group->hash += mix(hash + i);
	}
	group->hashed = true;
	return group->hash;
}

uint64_t cow_hash(struct cowfile *file, uint64_t from, uint64_t limit)
{
	uint64_t hash = mix(file->size);

	for (size_t i = (size_t)(from / COW_GROUP); i < file->group_count && i < limit / COW_GROUP; i++) {
		uint64_t group = hash_group(file->groups[i]);

		if (group != 0)
			hash += mix(group + (i << 20));
	}
	return hash;
}

static bool equal_groups(const struct cow_group *a, const struct cow_group *b)
{
	for (size_t i = 0; a != b && i < FAN; i++) {
		const struct cow_page *x = a != NULL ? a->pages[i] : NULL, *y = b != NULL ? b->pages[i] : NULL;

		if (x != y && memcmp(x != NULL ? x->bytes : zeros, y != NULL ? y->bytes : zeros, PAGE) != 0)
			return false;
	}
	return true;
}

bool cow_equal(const struct cowfile *a, const struct cowfile *b)
{
	if (a->size != b->size)
		return false;
	for (size_t i = 0; i < a->group_count; i++)
		if (!equal_groups(a->groups[i], b->groups[i]))
			return false;
	return true;
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
			put(file, c->bytes, c->length, c->offset);
			break;
		}
		for (uint64_t at = 0, i = 0; at < c->length; at += SECTOR, i++)
			if (mask >> i % 64 & 1)
				put(file, c->bytes + at, c->length - at < SECTOR ? c->length - at : SECTOR, c->offset + at);
		break;
	case CHANGE_ZERO: put(file, NULL, c->length, c->offset); break;
	case CHANGE_SIZE: set_size(file, c->offset); break;
	case CHANGE_FLUSH: break;
	}
}

int cow_save(const struct cowfile *file, const char *path)
{
	FILE *out = fopen(path, "wb");
	int failed = out == NULL;

	for (uint64_t at = 0; !failed && at < file->size; at += PAGE) {
		const struct cow_page *page = page_at(file, at);
		size_t part = file->size - at < PAGE ? (size_t)(file->size - at) : PAGE;

		if (page == NULL && at + PAGE < file->size)
			continue;
		failed = fseek(out, (long)at, SEEK_SET) != 0 || fwrite(page != NULL ? page->bytes : zeros, 1, part, out) != part;
	}
	if (out != NULL && fclose(out) != 0)
		failed = 1;
	return failed ? -1 : 0;
}

int cow_load(struct cowfile *file, const char *path)
{
	FILE *in = fopen(path, "rb");
	uint8_t bytes[PAGE];
	uint64_t at = 0;
	size_t part;

	if (in == NULL)
		return -1;
	while ((part = fread(bytes, 1, sizeof(bytes), in)) != 0) {
		put(file, memcmp(bytes, zeros, part) != 0 ? bytes : NULL, part, at);
		at += part;
	}
	fclose(in);
	return 0;
}

enum call { CALL_READ, CALL_WRITE, CALL_ZERO, CALL_FLUSH, CALL_GET_SIZE, CALL_SET_SIZE };

static bool can_fail(enum fault_kind kind, enum call call)
{
	switch (kind) {
	case FAULT_IO: return true;
	case FAULT_PARTIAL: return call == CALL_WRITE;
	case FAULT_NO_SPACE: return call == CALL_WRITE || call == CALL_ZERO || call == CALL_SET_SIZE;
	case FAULT_SHORT: return call == CALL_READ || call == CALL_WRITE;
	}
	return false;
}

static bool fails(struct cowfile *file, enum call call)
{
	struct fault *f = file->fault;

	if (f == NULL || !can_fail(f->kind, call))
		return false;
	f->calls++;
	if (f->at == 0 || (f->sticky ? f->calls < f->at : f->calls != f->at))
		return false;
	f->hits++;
	f->harmed |= call != CALL_READ && call != CALL_GET_SIZE;
	return true;
}

static int failure(const struct cowfile *file)
{
	return file->fault->kind == FAULT_NO_SPACE ? VHDX_E_NO_SPACE : VHDX_E_IO;
}

static int64_t io_read(void *handle, void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	struct cowfile *file = handle;

	(void)error;
	if (fails(file, CALL_READ)) {
		if (file->fault->kind != FAULT_SHORT)
			return failure(file);
		length = (length + 1) / 2;
	}
	if (offset >= file->size)
		return 0;
	if (length > file->size - offset)
		length = (size_t)(file->size - offset);
	cow_read(file, buffer, length, offset);
	return (int64_t)length;
}

static int64_t io_write(void *handle, const void *buffer, size_t length, uint64_t offset, struct vhdx_error *error)
{
	struct cowfile *file = handle;
	bool failed = fails(file, CALL_WRITE);

	(void)error;
	if (failed)
		length = file->fault->kind == FAULT_IO      ? 0
			 : file->fault->kind == FAULT_SHORT ? (length + 1) / 2
							    : length / 1024 * 512;
	if (length != 0) {
		note(file, CHANGE_WRITE, offset, length, buffer);
		put(file, buffer, length, offset);
	}
	return failed && file->fault->kind != FAULT_SHORT ? failure(file) : (int64_t)length;
}

static int io_zero(void *handle, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	(void)error;
	if (fails(handle, CALL_ZERO))
		return failure(handle);
	note(handle, CHANGE_ZERO, offset, length, NULL);
	put(handle, NULL, length, offset);
	return VHDX_OK;
}

/*
 * Like zeroing, of multiples of 1 MiB only: what is given back as a favour, and is never asked to fail. All else is not supported, so that it goes through io_zero and
 * its faults.
 */
static int io_punch(void *handle, uint64_t offset, uint64_t length, struct vhdx_error *error)
{
	uint64_t size = ((const struct cowfile *)handle)->size;

	(void)error;
	if (offset >= size)
		return VHDX_OK;
	length = length < size - offset ? length : size - offset;
	if (offset % PAGE != 0 || length % COW_GROUP != 0)
		return VHDX_E_UNSUPPORTED;
	note(handle, CHANGE_ZERO, offset, length, NULL);
	put(handle, NULL, length, offset);
	return VHDX_OK;
}

static int io_flush(void *handle, struct vhdx_error *error)
{
	(void)error;
	if (fails(handle, CALL_FLUSH))
		return failure(handle);
	note(handle, CHANGE_FLUSH, 0, 0, NULL);
	return VHDX_OK;
}

static int io_get_size(void *handle, uint64_t *size, struct vhdx_error *error)
{
	(void)error;
	if (fails(handle, CALL_GET_SIZE))
		return failure(handle);
	*size = ((const struct cowfile *)handle)->size;
	return VHDX_OK;
}

static int io_set_size(void *handle, uint64_t size, struct vhdx_error *error)
{
	(void)error;
	if (fails(handle, CALL_SET_SIZE))
		return failure(handle);
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
	.punch = io_punch,
};

struct vhdx_file cow_file(struct cowfile *file, const char *name)
{
	return (struct vhdx_file){ &cow_io, file, name };
}
