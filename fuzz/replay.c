/* SPDX-License-Identifier: MIT */
/*
 * Runs inputs without a fuzzer, on any system: the seeds, so many changes of each by the mutator of the targets, or files.
 *
 *   vhdx-fuzz-replay [--runs N] [--seed N] [--list] [TARGET [FILE...]]     N changed inputs for each target; 0 when not told
 *   vhdx-fuzz-replay --write DIRECTORY TARGET                              the seeds as files, for a fuzzer to begin with
 *
 * Prints a line for each target. A finding stops the process.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

struct options {
	unsigned long runs;
	uint64_t seed;
	const char *directory;
	const char *target;
	const char *last; /* where the input about to run is kept, when it finds something */
	char **files;
	int file_count;
};

static uint64_t mutations;

/* As LLVMFuzzerMutate, simpler. */
static size_t change_bytes(uint8_t *data, size_t size, size_t max_size)
{
	size_t at = size == 0 ? 0 : (size_t)test_random_below(&mutations, size);

	switch (test_random(&mutations) % 5) {
	case 0:
		if (size != 0)
			data[at] ^= (uint8_t)(1u << test_random(&mutations) % 8);
		break;
	case 1:
		if (size != 0)
			data[at] = (uint8_t)test_random(&mutations);
		break;
	case 2:
		for (unsigned i = 0; i < 8 && size < max_size; i++)
			data[size++] = (uint8_t)test_random(&mutations);
		break;
	case 3:
		if (size > 8)
			size -= (size_t)test_random_below(&mutations, size / 2);
		break;
	default:
		for (size_t i = at; i < size && i < at + 4; i++)
			data[i] = (uint8_t)test_random(&mutations);
		break;
	}
	return size;
}

static void keep(const struct options *o, const uint8_t *data, size_t size)
{
	FILE *out = o->last != NULL ? fopen(o->last, "wb") : NULL;

	if (out == NULL)
		return;
	(void)fwrite(data, 1, size, out);
	(void)fclose(out);
}

static void run(const struct options *o, const struct fuzz_target *target, const uint8_t *data, size_t size)
{
	struct fuzz_input in;
	uint8_t *exact = malloc(size + 1); /* a sanitizer sees the end */

	if (exact == NULL)
		abort();
	memcpy(exact, data, size);
	keep(o, data, size);
	in = (struct fuzz_input){ exact, size };
	target->run(&in);
	free(exact);
}

static unsigned long run_changed(const struct options *o, const struct fuzz_target *target, unsigned seeds)
{
	static uint8_t data[FUZZ_INPUT_MAX];
	size_t size = 0;

	mutations = o->seed * 1000 + (uint64_t)strlen(target->name);
	for (unsigned long i = 0; i < o->runs; i++) {
		if (i % 24 == 0) {
			memset(data, 0, sizeof(data));
			size = target->seed((unsigned)test_random_below(&mutations, seeds), data, sizeof(data));
		}
		size = fuzz_mutate(target, data, size, sizeof(data), test_random(&mutations), change_bytes);
		run(o, target, data, size);
	}
	return o->runs;
}

static int run_target(const struct options *o, const struct fuzz_target *target)
{
	static uint8_t data[FUZZ_INPUT_MAX];
	unsigned seeds = 0;
	size_t size;

	while (memset(data, 0, sizeof(data)), (size = target->seed(seeds, data, sizeof(data))) != 0) {
		run(o, target, data, size);
		seeds++;
	}
	run(o, target, data, 0);
	printf("%s: %u seeds, %lu changed inputs, no finding\n", target->name, seeds, run_changed(o, target, seeds));
	(void)fflush(stdout);
	return seeds == 0;
}

static int run_file(const struct options *o, const struct fuzz_target *target, const char *path)
{
	static uint8_t data[1 << 20];
	FILE *in = fopen(path, "rb");
	size_t size;

	if (in == NULL) {
		fprintf(stderr, "vhdx-fuzz-replay: cannot open %s\n", path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), in);
	(void)fclose(in);
	run(o, target, data, size);
	return 0;
}

static int write_seeds(const struct options *o, const struct fuzz_target *target)
{
	uint8_t data[FUZZ_INPUT_MAX];
	char path[1024];
	size_t size;
	FILE *out;

	for (unsigned i = 0; (size = target->seed(i, data, sizeof(data))) != 0; i++) {
		(void)snprintf(path, sizeof(path), "%s/seed-%03u", o->directory, i);
		out = fopen(path, "wb");
		if (out == NULL || fwrite(data, 1, size, out) != size || fclose(out) != 0) {
			fprintf(stderr, "vhdx-fuzz-replay: cannot write %s\n", path);
			return 1;
		}
	}
	return 0;
}

static int run_all(const struct options *o)
{
	int failed = 0, known = 0;

	for (size_t i = 0; fuzz_targets[i] != NULL; i++) {
		const struct fuzz_target *target = fuzz_targets[i];

		if (o->target != NULL && strcmp(o->target, target->name) != 0)
			continue;
		known++;
		if (o->directory != NULL)
			failed |= write_seeds(o, target);
		else if (o->file_count == 0)
			failed |= run_target(o, target);
		for (int f = 0; f < o->file_count; f++)
			failed |= run_file(o, target, o->files[f]);
	}
	if (known == 0)
		fprintf(stderr, "vhdx-fuzz-replay: there is no target %s\n", o->target);
	specimen_end();
	return known == 0 ? 2 : failed;
}

static int usage(void)
{
	fprintf(stderr,
		"usage: vhdx-fuzz-replay [--runs N] [--seed N] [--keep FILE] [--write DIRECTORY] [--list] [TARGET [FILE...]]\n");
	return 2;
}

int main(int argc, char **argv)
{
	struct options o = { .seed = 1 };
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--list") == 0) {
			for (size_t t = 0; fuzz_targets[t] != NULL; t++)
				printf("%s\n", fuzz_targets[t]->name);
			return 0;
		}
		if (i + 1 == argc)
			return usage();
		if (strcmp(argv[i], "--runs") == 0)
			o.runs = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--seed") == 0)
			o.seed = strtoull(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--keep") == 0)
			o.last = argv[++i];
		else if (strcmp(argv[i], "--write") == 0)
			o.directory = argv[++i];
		else
			return usage();
	}
	if (i < argc) {
		o.target = argv[i++];
		o.files = argv + i;
		o.file_count = argc - i;
	}
	return run_all(&o);
}
