/* SPDX-License-Identifier: MIT */
/*
 * What fuzz targets are made of. A target turns a string of bytes into work for the library and stops the process with fuzz_finding when something is not as vhdx.h
 * promises. The same sources make libFuzzer and AFL++ programs (libfuzzer.c) and vhdx-fuzz-replay, which needs neither (replay.c).
 *
 * Inputs of the targets that look at images: FUZZ_HEADER bytes, so many edits of FUZZ_EDIT bytes as the header says, and a tail for the target. The edits change a
 * specimen (tests/support/specimen.h), so an image of 64 TiB is an input of some tens of bytes.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "support/memfile.h"
#include "support/specimen.h"
#include "support/testenv.h"

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

/* Zeros when there is nothing left. Little-endian. */
uint64_t fuzz_take(struct fuzz_input *in, unsigned size);
uint8_t fuzz_byte(struct fuzz_input *in);
/* Below `limit`, which is not 0. */
uint64_t fuzz_below(struct fuzz_input *in, uint64_t limit);

struct fuzz_target {
	const char *name;
	void (*run)(struct fuzz_input *in);
	/* Seed `number` into `out`; its length, or 0 when there are no more. */
	size_t (*seed)(unsigned number, uint8_t *out, size_t size);
	unsigned images; /* of an input, one behind the other; 0: the input has another shape */
};

/* Every one there is; the last has no name. */
extern const struct fuzz_target *const fuzz_targets[];
extern const struct fuzz_target fuzz_open, fuzz_log, fuzz_metadata, fuzz_vhd, fuzz_chain, fuzz_create, fuzz_struct, fuzz_script,
	fuzz_change, fuzz_merge, fuzz_convert, fuzz_repair;

enum { FUZZ_INPUT_MAX = 4096 };

#if defined(__MINGW32__)
__attribute__((format(gnu_printf, 1, 2)))
#elif defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
_Noreturn void
fuzz_finding(const char *format, ...);

/*
 * Memory for the library: repeatable, fails where it is told to, and is a finding when one allocation is above 64 MiB, all together above 256 MiB, or something is not
 * given back at the end.
 */
struct fuzz_env {
	struct testenv t;
	void *(*allocate)(void *context, size_t size); /* of the testenv */
	void (*release)(void *context, void *memory);
	bool failing; /* an allocation or a call is going to fail */
};
void fuzz_env_start(struct fuzz_env *env);
void fuzz_env_end(struct fuzz_env *env);

/* A status and its error are a pair that vhdx.h allows; without failing calls it is none of those that failing calls give. */
void fuzz_check(const struct fuzz_env *env, const char *what, int status, const struct vhdx_error *error);

/* Images */

enum { FUZZ_HEADER = 8, FUZZ_EDIT = 16, FUZZ_EDITS = 24 };

/* Byte 3 of the header. */
enum fuzz_fault {
	FUZZ_NO_FAULT,
	FUZZ_ALLOCATION,
	FUZZ_ALLOCATIONS,
	FUZZ_READ,
	FUZZ_READS,
	FUZZ_WRITE,
	FUZZ_ANY_CALL,
	FUZZ_ALL_CALLS,
	FUZZ_SHORT,
	FUZZ_MINIMAL,
	FUZZ_FULL,
	FUZZ_FAULTS
};

struct fuzz_image {
	const struct specimen *specimen;
	struct memfile *file;
	unsigned flags; /* for the target */
	bool repaired;
	enum fuzz_fault fault;
	uint16_t fault_at;
	uint64_t calls; /* of the I/O table so far; too many are a finding */
};

/* From the front of the input; `kinds` says which specimens to choose from. */
void fuzz_image_take(struct fuzz_image *image, struct fuzz_input *in, const enum specimen_kind *kinds, size_t kind_count);
void fuzz_image_end(struct fuzz_image *image);
/* From now on calls fail as the input says. */
void fuzz_image_arm(struct fuzz_image *image, struct fuzz_env *env, struct memfile *file);
void fuzz_image_disarm(struct fuzz_env *env, struct memfile *file);

/* The seed with this number: every kind plain, and each with one change. */
size_t fuzz_image_seed(unsigned number, size_t kind_count, uint8_t *out, size_t size);

/* Everything that can be done with an image without changing it, then a copy is written. See visit.c. */
void fuzz_visit(struct fuzz_image *image, struct fuzz_input *in);

/* Changes an input in place as its target likes it; returns the new length. `random` chooses. Calls `bytes` for changes without structure. */
typedef size_t (*fuzz_bytes_fn)(uint8_t *data, size_t size, size_t max_size);
size_t fuzz_mutate(const struct fuzz_target *target, uint8_t *data, size_t size, size_t max_size, uint64_t random,
		   fuzz_bytes_fn bytes);

#endif
