/* SPDX-License-Identifier: MIT */
/*
 * What the tests say of images, in one line each. Layer: tests/support, for Criterion tests. The checks return NULL when
 * all is as expected and else say what is not (in a static buffer, until the next check); the macros make test failures
 * of that.
 */
#ifndef SUPPORT_EXPECT_H
#define SUPPORT_EXPECT_H

#include <criterion/criterion.h>

#include "support/memfile.h"
#include "support/recipe.h"
#include "support/testenv.h"

/* Opens `count` files as a chain, [0] on top, the others handed over as explicit parents. */
int test_open_chain(vhdx_disk **out, struct memfile *const *files, size_t count, unsigned flags, struct vhdx_error *error);

/* Opening with `flags` fails with `status`, and the error names `rule` ("" when it must name none). Memory is given back. */
const char *check_open_fails(struct memfile *const *files, size_t count, unsigned flags, int status, const char *rule);
const char *check_opens(struct memfile *const *files, size_t count, unsigned flags);
/* Opening works, and reading `length` bytes at `offset` fails so. */
const char *check_read_fails(struct memfile *const *files, size_t count, unsigned flags, uint64_t offset, size_t length,
			     int status, const char *rule);
/* The bytes of an open disk are the pattern `seed` (0: zeros). */
const char *check_pattern(vhdx_disk *disk, uint64_t offset, uint64_t length, uint32_t seed);
/* Opens, compares one range, closes. */
const char *check_reads(struct memfile *const *files, size_t count, unsigned flags, uint64_t offset, uint64_t length,
			uint32_t seed);

#define EXPECT_OK(check)                                                                                                         \
	do {                                                                                                                     \
		const char *expect_why = (check);                                                                                \
		cr_assert(expect_why == NULL, "%s", expect_why);                                                                 \
	} while (0)

#define expect_open_fails(m, status, rule) EXPECT_OK(check_open_fails((struct memfile *const[]){ m }, 1, 0, status, rule))
#define expect_open_fails_with(m, flags, status, rule)                                                                           \
	EXPECT_OK(check_open_fails((struct memfile *const[]){ m }, 1, flags, status, rule))
#define expect_opens(m) EXPECT_OK(check_opens((struct memfile *const[]){ m }, 1, 0))
#define expect_opens_with(m, flags) EXPECT_OK(check_opens((struct memfile *const[]){ m }, 1, flags))
#define expect_reads(m, offset, length, seed) EXPECT_OK(check_reads((struct memfile *const[]){ m }, 1, 0, offset, length, seed))
#define expect_reads_with(m, flags, offset, length, seed)                                                                        \
	EXPECT_OK(check_reads((struct memfile *const[]){ m }, 1, flags, offset, length, seed))
#define expect_read_fails(m, offset, length, status, rule)                                                                       \
	EXPECT_OK(check_read_fails((struct memfile *const[]){ m }, 1, 0, offset, length, status, rule))
/* Over two files: child, parent. */
#define expect_pair_fails(child, parent, status, rule)                                                                           \
	EXPECT_OK(check_open_fails((struct memfile *const[]){ child, parent }, 2, 0, status, rule))
#define expect_pair_opens(child, parent) EXPECT_OK(check_opens((struct memfile *const[]){ child, parent }, 2, 0))
#define expect_pair_reads(child, parent, offset, length, seed)                                                                   \
	EXPECT_OK(check_reads((struct memfile *const[]){ child, parent }, 2, 0, offset, length, seed))
#define expect_pair_read_fails(child, parent, offset, length, status, rule)                                                      \
	EXPECT_OK(check_read_fails((struct memfile *const[]){ child, parent }, 2, 0, offset, length, status, rule))
/* Of an open disk. */
#define expect_pattern(disk, offset, length, seed) EXPECT_OK(check_pattern(disk, offset, length, seed))
#define expect_zeros(disk, offset, length) EXPECT_OK(check_pattern(disk, offset, length, 0))

#endif
