/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a disk against a flat array: reads and writes of any alignment, zeroes, discards, flushes, reopening, and kills (the process is gone, what it
 * wrote stays). After a kill, sectors that were not changed since the last flush hold what they held; the others are taken as they are found, and must be readable.
 *
 *   script [--operations N] [--seed N] [--kind NAME] [--jobs N]      prints "N operations, 0 differences"; status 1 when there is one
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers.h"
#include "workload.h"

struct script {
	struct workload w;
	uint8_t *model;
	uint8_t *flushed; /* the model at the last flush */
	uint8_t *found;
	bool *touched;  /* sectors changed since */
	uint64_t state; /* of the random numbers */
	uint64_t operations;
	char why[1600];
};

static uint64_t pick(struct script *s, uint64_t below)
{
	s->state ^= s->state << 13;
	s->state ^= s->state >> 7;
	s->state ^= s->state << 17;
	return s->state % below;
}

static int differ(struct script *s, const char *what, uint64_t offset, const struct vhdx_error *error)
{
	char text[1400] = "";

	if (error != NULL)
		(void)vhdx_error_text(error, text, sizeof(text));
	(void)snprintf(s->why, sizeof(s->why), "%s after %" PRIu64 " operations: %s at 0x%" PRIx64 " %s", s->w.kind->name,
		       s->operations, what, offset, text);
	return 1;
}

static void touch(struct script *s, uint64_t offset, uint64_t length)
{
	uint64_t unit = s->w.kind->sector;

	for (uint64_t sector = offset / unit; sector <= (offset + length - 1) / unit; sector++)
		s->touched[sector] = true;
}

static int compare(struct script *s, uint64_t offset, uint64_t length)
{
	struct vhdx_error error;

	if (vhdx_read(s->w.disk, s->found, length, offset, &error) < 0)
		return differ(s, "read", offset, &error);
	if (memcmp(s->found, s->model + offset, length) == 0)
		return 0;
	for (uint64_t i = 0;; i++)
		if (s->found[i] != s->model[offset + i])
			return differ(s, "difference", offset + i, NULL);
}

static void settle(struct script *s)
{
	memcpy(s->flushed, s->model, s->w.disk_size);
	memset(s->touched, 0, s->w.disk_size / s->w.kind->sector + 1);
}

static int reopen(struct script *s)
{
	struct vhdx_error error;
	int status = vhdx_close(s->w.disk);

	s->w.disk = NULL;
	if (status < 0)
		return differ(s, vhdx_status_name(status), 0, NULL);
	settle(s);
	if (workload_open(&s->w, &s->w.disk, s->w.file, VHDX_OPEN_WRITE, &error) < 0)
		return differ(s, "open", 0, &error);
	return compare(s, 0, s->w.disk_size);
}

/* The file as it stands goes on in another process; the old handle is closed over a copy that nobody looks at. */
static int kill_and_open(struct script *s)
{
	struct cowfile *left = cow_copy(s->w.file);
	uint64_t unit = s->w.kind->sector;
	struct vhdx_error error;

	(void)vhdx_close(s->w.disk);
	s->w.disk = NULL;
	cow_free(s->w.file);
	s->w.file = left;
	if (workload_open(&s->w, &s->w.disk, s->w.file, VHDX_OPEN_WRITE, &error) < 0)
		return differ(s, "open after a kill", 0, &error);
	if (vhdx_read(s->w.disk, s->found, s->w.disk_size, 0, &error) < 0)
		return differ(s, "read after a kill", 0, &error);
	for (uint64_t i = 0; i < s->w.disk_size; i += unit)
		if (!s->touched[i / unit] && memcmp(s->found + i, s->flushed + i, unit) != 0)
			return differ(s, "flushed data changed by a kill", i, NULL);
	memcpy(s->model, s->found, s->w.disk_size);
	settle(s);
	return 0;
}

static int change(struct script *s, uint64_t choice, uint64_t offset, uint64_t length)
{
	struct vhdx_error error;
	int status;

	touch(s, offset, length);
	if (choice < 45) {
		for (uint64_t i = 0; i < length; i++)
			s->model[offset + i] = (uint8_t)(s->operations * 7 + i * 13 + 1);
		status = vhdx_write(s->w.disk, s->model + offset, length, offset, &error);
	} else if (choice < 55) {
		memset(s->model + offset, 0, length);
		status = vhdx_write_zeroes(s->w.disk, offset, length, &error);
	} else {
		status = vhdx_discard(s->w.disk, offset, length, &error);
		if (status == VHDX_OK && vhdx_read(s->w.disk, s->found, length, offset, &error) == VHDX_OK)
			for (uint64_t i = 0; i < length; i++) /* a discarded byte is zero or as it was */
				s->model[offset + i] = s->found[i] == 0 ? 0 : s->model[offset + i];
	}
	return status < 0 ? differ(s, "change", offset, &error) : compare(s, offset, length);
}

static int compact(struct script *s)
{
	struct vhdx_compact_options options = VHDX_COMPACT_OPTIONS_INIT;
	struct vhdx_error error;

	if (pick(s, 2) == 0)
		options.flags = VHDX_COMPACT_DEFRAG | VHDX_COMPACT_PUNCH;
	if (vhdx_compact(s->w.disk, &options, &error) < 0)
		return differ(s, "compact", 0, &error);
	settle(s); /* it makes everything durable */
	return compare(s, 0, s->w.disk_size);
}

static int step(struct script *s)
{
	uint64_t choice = pick(s, 100), offset = pick(s, s->w.disk_size), most = pick(s, 8) == 0 ? 1200000 : 9000,
		 length = 1 + pick(s, most);
	struct vhdx_error error;

	if (pick(s, 2) == 0) { /* whole sectors, half of the time */
		offset -= offset % 4096;
		length += 4096 - length % 4096;
	}
	if (length > s->w.disk_size - offset)
		length = s->w.disk_size - offset;
	if (choice < 60)
		return change(s, choice, offset, length);
	if (choice < 85)
		return compare(s, offset, length);
	if (choice < 97) {
		if (vhdx_flush(s->w.disk, &error) < 0)
			return differ(s, "flush", 0, &error);
		settle(s);
		return 0;
	}
	return choice < 98 ? reopen(s) : choice < 99 ? kill_and_open(s) : compact(s);
}

static int run(struct script *s, const struct kind *kind, uint64_t operations, uint64_t seed)
{
	struct vhdx_error error;
	int result = 0;

	workload_start(&s->w, kind);
	s->w.file->record = NULL;
	s->model = malloc(s->w.disk_size);
	s->flushed = malloc(s->w.disk_size);
	s->found = malloc(s->w.disk_size);
	s->touched = calloc(s->w.disk_size / 512 + 1, sizeof(bool));
	s->state = seed * 2 + 1;
	if (vhdx_read(s->w.disk, s->model, s->w.disk_size, 0, &error) < 0)
		result = differ(s, "first read", 0, &error);
	settle(s);
	for (uint64_t i = 0; result == 0 && i < operations; i++, s->operations++)
		result = step(s);
	free(s->model);
	free(s->flushed);
	free(s->found);
	free(s->touched);
	workload_end(&s->w);
	return result;
}

struct result {
	uint64_t operations;
	bool done;
	char why[1600];
};

struct task {
	const struct kind *kind;
	uint64_t operations;
	uint64_t seed;
	struct result *result;
};

static void work(void *context)
{
	const struct task *task = context;
	struct script s = { .operations = 0 };

	(void)run(&s, task->kind, task->operations, task->seed);
	memcpy(task->result->why, s.why, sizeof(task->result->why));
	task->result->operations = s.operations;
	task->result->done = true;
}

static int report(const struct result *results, uint64_t seed)
{
	uint64_t done = 0;
	int failed = 0;

	for (size_t k = 0; k < kind_count; k++) {
		done += results[k].operations;
		if (results[k].done && results[k].why[0] == '\0')
			continue;
		printf("DIFFERENCE (seed %" PRIu64 "): %s\n", seed, results[k].done ? results[k].why : "a worker died");
		failed++;
	}
	printf("%" PRIu64 " operations, %d differences\n", done, failed);
	return failed != 0;
}

int main(int argc, char **argv)
{
	uint64_t operations = 100000, seed = 1;
	struct result *results = workers_memory(kind_count * sizeof(*results));
	const char *kind = NULL;
	unsigned jobs = 2;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--operations") == 0)
			operations = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--kind") == 0)
			kind = argv[i + 1];
		else if (strcmp(argv[i], "--jobs") == 0)
			jobs = (unsigned)strtoul(argv[i + 1], NULL, 10);
	}
	for (size_t k = 0; k < kind_count; k++) {
		if (kinds[k].wide != 0 || (kind != NULL && strcmp(kind, kinds[k].name) != 0)) {
			results[k].done = true;
			continue;
		}
		workers_start(jobs, work, &(struct task){ &kinds[k], operations / (kind != NULL ? 1 : 9), seed, &results[k] });
	}
	workers_wait();
	return report(results, seed);
}
