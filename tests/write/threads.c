/* SPDX-License-Identifier: MIT */
/*
 * Threads on one handle: writers that own a range each and compare what they read with their own model, threads that discard and zero whole blocks of their own, readers of
 * everything, and flushes, on a host file; then the file is opened again and compared. Meant to run under ThreadSanitizer.
 *
 *   threads DIRECTORY [SECONDS]      prints "N operations, 0 differences"; status 1 when there is one
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vhdx.h"

enum { WRITERS = 4, READERS = 2, RANGE = 6 << 20, MOST = 40000 };

struct shared {
	vhdx_disk *disk;
	time_t end;
	atomic_uint_fast64_t operations;
	atomic_uint failures;
};

struct writer {
	struct shared *shared;
	uint64_t start; /* of its range */
	uint64_t random;
	uint8_t *model;
	uint8_t *found;
};

static uint64_t pick(uint64_t *state, uint64_t below)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (*state >> 33) % below;
}

static void fail(struct shared *s, const char *what, const struct vhdx_error *error)
{
	char text[1300];

	printf("DIFFERENCE: %s: %s\n", what, error != NULL ? vhdx_error_text(error, text, sizeof(text)) : "");
	atomic_fetch_add(&s->failures, 1);
}

static bool goes_on(struct shared *s)
{
	atomic_fetch_add(&s->operations, 1);
	return atomic_load(&s->failures) == 0 && time(NULL) < s->end;
}

static void compare(struct writer *w, uint64_t offset, size_t length)
{
	struct vhdx_error error;

	if (vhdx_read(w->shared->disk, w->found, length, w->start + offset, &error) < 0)
		fail(w->shared, "read", &error);
	else if (memcmp(w->found, w->model + offset, length) != 0)
		fail(w->shared, "other bytes than were written", NULL);
}

static int change(struct writer *w, uint64_t choice, uint64_t *offset, size_t *length, struct vhdx_error *error)
{
	uint64_t block = pick(&w->random, RANGE >> 20) << 20;
	int status;

	if (choice < 70) {
		for (size_t i = 0; i < *length; i++)
			w->model[*offset + i] = (uint8_t)(w->random >> 40) + (uint8_t)i;
		return vhdx_write(w->shared->disk, w->model + *offset, *length, w->start + *offset, error);
	}
	if (choice < 80) {
		memset(w->model + *offset, 0, *length);
		return vhdx_write_zeroes(w->shared->disk, w->start + *offset, *length, error);
	}
	*offset = block;
	*length = 1 << 20;
	if (choice < 85) {
		memset(w->model + block, 0, 1 << 20);
		return vhdx_write_zeroes(w->shared->disk, w->start + block, 1 << 20, error);
	}
	status = vhdx_discard(w->shared->disk, w->start + block, 1 << 20, error);
	return status < 0 ? status : vhdx_read(w->shared->disk, w->model + block, 1 << 20, w->start + block, error);
}

static void *write_range(void *context)
{
	struct writer *w = context;

	while (goes_on(w->shared)) {
		uint64_t choice = pick(&w->random, 100), offset = pick(&w->random, RANGE - MOST);
		size_t length = 1 + (size_t)pick(&w->random, MOST - 1);
		struct vhdx_error error;
		int status = choice < 92 ? change(w, choice, &offset, &length, &error) : vhdx_flush(w->shared->disk, &error);

		if (status < 0)
			fail(w->shared, "change", &error);
		else
			compare(w, offset, length);
	}
	return NULL;
}

static void *read_all(void *context)
{
	struct shared *s = context;
	uint64_t random = (uintptr_t)&s;
	uint8_t *bytes = malloc(MOST);

	while (bytes != NULL && goes_on(s)) {
		struct vhdx_error error;

		if (vhdx_read(s->disk, bytes, MOST, pick(&random, (uint64_t)WRITERS * RANGE - MOST), &error) < 0)
			fail(s, "read", &error);
	}
	free(bytes);
	return NULL;
}

static vhdx_disk *open_disk(struct shared *s, const char *path, unsigned flags)
{
	struct vhdx_open_options options = VHDX_OPEN_OPTIONS_INIT;
	struct vhdx_error error;
	vhdx_disk *disk = NULL;

	options.flags = flags;
	options.open_parent = vhdx_resolve_parent;
	if (vhdx_open(&disk, path, &options, &error) < 0)
		fail(s, "open", &error);
	return disk;
}

static void run(struct shared *s, const char *path)
{
	pthread_t threads[WRITERS + READERS];
	struct writer writers[WRITERS];

	s->disk = open_disk(s, path, VHDX_OPEN_WRITE);
	if (s->disk == NULL)
		return;
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ s, (uint64_t)i * RANGE, i + 1, malloc(RANGE), malloc(RANGE) };
		if (vhdx_read(s->disk, writers[i].model, RANGE, writers[i].start, NULL) < 0)
			fail(s, "first read", NULL);
		pthread_create(&threads[i], NULL, write_range, &writers[i]);
	}
	for (unsigned i = 0; i < READERS; i++)
		pthread_create(&threads[WRITERS + i], NULL, read_all, s);
	for (unsigned i = 0; i < WRITERS + READERS; i++)
		pthread_join(threads[i], NULL);
	if (vhdx_close(s->disk) < 0)
		fail(s, "close", NULL);
	s->disk = open_disk(s, path, 0);
	for (unsigned i = 0; i < WRITERS; i++) {
		if (s->disk != NULL)
			compare(&writers[i], 0, RANGE);
		free(writers[i].model);
		free(writers[i].found);
	}
	(void)vhdx_close(s->disk);
}

static void make_and_run(struct shared *s, const char *directory, enum vhdx_format format, enum vhdx_type type, unsigned seconds)
{
	struct vhdx_create_options options = VHDX_CREATE_OPTIONS_INIT;
	struct vhdx_open_options plain = VHDX_OPEN_OPTIONS_INIT;
	char path[600], parent_path[600];
	struct vhdx_error error;
	vhdx_disk *parent = NULL;

	(void)snprintf(path, sizeof(path), "%s/disk.%s", directory, format == VHDX_FORMAT_VHD ? "vhd" : "vhdx");
	(void)snprintf(parent_path, sizeof(parent_path), "%s/parent.%s", directory, format == VHDX_FORMAT_VHD ? "vhd" : "vhdx");
	options.format = format;
	options.type = type == VHDX_TYPE_DIFFERENCING ? VHDX_TYPE_DYNAMIC : type;
	options.size = (uint64_t)WRITERS * RANGE;
	options.block_size = type == VHDX_TYPE_FIXED && format == VHDX_FORMAT_VHD ? 0 : 1 << 20;
	(void)remove(path);
	(void)remove(parent_path);
	if (vhdx_create(type == VHDX_TYPE_DIFFERENCING ? parent_path : path, &options, &error) < 0) {
		fail(s, "create", &error);
		return;
	}
	if (type == VHDX_TYPE_DIFFERENCING) {
		options.type = type;
		if (vhdx_open(&parent, parent_path, &plain, &error) < 0) {
			fail(s, "open parent", &error);
			return;
		}
		options.parent = parent;
		if (vhdx_create(path, &options, &error) < 0)
			fail(s, "create child", &error);
		(void)vhdx_close(parent);
	}
	s->end = time(NULL) + (time_t)seconds;
	run(s, path);
	(void)remove(path);
	(void)remove(parent_path);
}

int main(int argc, char **argv)
{
	static const enum vhdx_type types[] = { VHDX_TYPE_DYNAMIC, VHDX_TYPE_DIFFERENCING, VHDX_TYPE_FIXED };
	unsigned seconds = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
	struct shared s = { .disk = NULL };

	if (argc < 2)
		return 2;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]) && atomic_load(&s.failures) == 0; i++) {
		make_and_run(&s, argv[1], VHDX_FORMAT_VHDX, types[i], seconds);
		make_and_run(&s, argv[1], VHDX_FORMAT_VHD, types[i], seconds);
	}
	printf("%" PRIu64 " operations of %d threads, %u differences\n", (uint64_t)atomic_load(&s.operations), WRITERS + READERS,
	       atomic_load(&s.failures));
	return atomic_load(&s.failures) != 0;
}
