/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the macros of Criterion that the tests use, for a program that runs its tests in one process. Layer: tests/support. The thread
 * sanitizer needs it, because Criterion's own way of starting processes does not survive it, and Windows, for which there is no Criterion. A check
 * that fails ends the program with status 1.
 */
#ifndef SUPPORT_PLAIN_CRITERION_H
#define SUPPORT_PLAIN_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
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
#define cr_assert_fail(...) plain_fail(__FILE__, __LINE__, "failure", __VA_ARGS__, "")
#define cr_expect_fail cr_assert_fail

/* In a test itself. */
#define cr_skip_test(reason)                                                                                                     \
	do {                                                                                                                     \
		(void)printf("skipped: %s\n", reason);                                                                           \
		return;                                                                                                          \
	} while (0)

#define PLAIN_COMPARE(operation, a, b, ...) PLAIN_CHECK((a)operation(b), __VA_ARGS__)
#define cr_assert_eq(...) PLAIN_COMPARE(==, __VA_ARGS__, "", "")
#define cr_assert_neq(...) PLAIN_COMPARE(!=, __VA_ARGS__, "", "")
#define cr_assert_lt(...) PLAIN_COMPARE(<, __VA_ARGS__, "", "")
#define cr_assert_leq(...) PLAIN_COMPARE(<=, __VA_ARGS__, "", "")
#define cr_assert_gt(...) PLAIN_COMPARE(>, __VA_ARGS__, "", "")
#define cr_assert_geq(...) PLAIN_COMPARE(>=, __VA_ARGS__, "", "")
#define cr_expect_eq cr_assert_eq
#define cr_expect_neq cr_assert_neq
#define cr_expect_lt cr_assert_lt
#define cr_expect_leq cr_assert_leq
#define cr_expect_gt cr_assert_gt
#define cr_expect_geq cr_assert_geq

#define PLAIN_NULL(operation, a, ...) PLAIN_CHECK((a)operation NULL, __VA_ARGS__)
#define cr_assert_null(...) PLAIN_NULL(==, __VA_ARGS__, "", "")
#define cr_assert_not_null(...) PLAIN_NULL(!=, __VA_ARGS__, "", "")
#define cr_expect_null cr_assert_null
#define cr_expect_not_null cr_assert_not_null

#define PLAIN_TEXTS(operation, a, b, ...) PLAIN_CHECK(strcmp(a, b) operation 0, __VA_ARGS__)
#define cr_assert_str_eq(...) PLAIN_TEXTS(==, __VA_ARGS__, "", "")
#define cr_assert_str_neq(...) PLAIN_TEXTS(!=, __VA_ARGS__, "", "")
#define cr_expect_str_eq cr_assert_str_eq
#define cr_expect_str_neq cr_assert_str_neq

#define PLAIN_ARRAYS(operation, a, b, size, ...) PLAIN_CHECK(memcmp(a, b, size) operation 0, __VA_ARGS__)
#define cr_assert_arr_eq(...) PLAIN_ARRAYS(==, __VA_ARGS__, "", "")
#define cr_assert_arr_neq(...) PLAIN_ARRAYS(!=, __VA_ARGS__, "", "")
#define cr_expect_arr_eq cr_assert_arr_eq
#define cr_expect_arr_neq cr_assert_arr_neq

/* Before main. */
#if defined(_MSC_VER)
#pragma section(".CRT$XCU", read)
#define PLAIN_BEFORE_MAIN(function)                                                                                              \
	static void function(void);                                                                                              \
	__declspec(allocate(".CRT$XCU")) void (*function##_pointer)(void) = function;                                            \
	static void function(void)
#else
#define PLAIN_BEFORE_MAIN(function) __attribute__((constructor)) static void function(void)
#endif

#define Test(suite_of, name_of)                                                                                                  \
	static void suite_of##_##name_of(void);                                                                                  \
	PLAIN_BEFORE_MAIN(register_##suite_of##_##name_of)                                                                       \
	{                                                                                                                        \
		static struct plain_test test = { #suite_of, #name_of, suite_of##_##name_of, NULL };                             \
                                                                                                                                 \
		plain_register(&test);                                                                                           \
	}                                                                                                                        \
	static void suite_of##_##name_of(void)

#endif
