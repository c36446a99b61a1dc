/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the macros of Criterion that our tests use, for a program that runs its tests in one process. Layer: tests/support. The thread sanitizer needs it:
 * Criterion's own way of starting processes does not survive it. So do processors for which there is no Criterion. A check that fails ends the program with status 1.
 */
#ifndef SUPPORT_PLAIN_CRITERION_H
#define SUPPORT_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct plain_test {
	const char *suite, *name;
	void (*run)(void);
	struct plain_test *next;
};

void plain_register(struct plain_test *test);
_Noreturn void plain_fail(const char *file, int line, const char *text, const char *format, ...);

/* What follows the message of the caller is never printed. */
#define PLAIN_CHECK(condition, ...) ((condition) ? (void)0 : plain_fail(__FILE__, __LINE__, #condition, __VA_ARGS__))
#define cr_assert(...) PLAIN_CHECK(__VA_ARGS__, "", "")
#define cr_expect(...) PLAIN_CHECK(__VA_ARGS__, "", "")
#define PLAIN_COMPARE(a, op, b, ...) PLAIN_CHECK((a)op(b), __VA_ARGS__)
#define PLAIN_STRINGS(a, op, b, ...) PLAIN_CHECK(strcmp(a, b) op 0, __VA_ARGS__)
#define PLAIN_BYTES(a, op, b, length, ...) PLAIN_CHECK(memcmp(a, b, length) op 0, __VA_ARGS__)
#define cr_assert_eq(a, ...) PLAIN_COMPARE(a, ==, __VA_ARGS__, "", "")
#define cr_assert_neq(a, ...) PLAIN_COMPARE(a, !=, __VA_ARGS__, "", "")
#define cr_assert_lt(a, ...) PLAIN_COMPARE(a, <, __VA_ARGS__, "", "")
#define cr_assert_leq(a, ...) PLAIN_COMPARE(a, <=, __VA_ARGS__, "", "")
#define cr_assert_gt(a, ...) PLAIN_COMPARE(a, >, __VA_ARGS__, "", "")
#define cr_assert_geq(a, ...) PLAIN_COMPARE(a, >=, __VA_ARGS__, "", "")
#define cr_assert_str_eq(a, ...) PLAIN_STRINGS(a, ==, __VA_ARGS__, "", "")
#define cr_assert_str_neq(a, ...) PLAIN_STRINGS(a, !=, __VA_ARGS__, "", "")
#define cr_assert_arr_eq(a, b, ...) PLAIN_BYTES(a, ==, b, __VA_ARGS__, "", "")
#define cr_assert_arr_neq(a, b, ...) PLAIN_BYTES(a, !=, b, __VA_ARGS__, "", "")
#define cr_assert_null(...) PLAIN_COMPARE(NULL, ==, __VA_ARGS__, "", "")
#define cr_assert_not_null(...) PLAIN_COMPARE(NULL, !=, __VA_ARGS__, "", "")
#define cr_expect_eq cr_assert_eq
#define cr_expect_lt cr_assert_lt
#define cr_expect_leq cr_assert_leq
#define cr_expect_str_eq cr_assert_str_eq
#define cr_expect_str_neq cr_assert_str_neq
#define cr_expect_arr_eq cr_assert_arr_eq
#define cr_expect_arr_neq cr_assert_arr_neq
#define cr_skip_test(...) return
#define cr_assert_fail(...) plain_fail(__FILE__, __LINE__, "failure", __VA_ARGS__)

#define Test(suite_of, name_of)                                                                                                  \
	static void suite_of##_##name_of(void);                                                                                  \
	__attribute__((constructor)) static void register_##suite_of##_##name_of(void)                                           \
	{                                                                                                                        \
		static struct plain_test test = { #suite_of, #name_of, suite_of##_##name_of, NULL };                             \
                                                                                                                                 \
		plain_register(&test);                                                                                           \
	}                                                                                                                        \
	static void suite_of##_##name_of(void)

#endif
