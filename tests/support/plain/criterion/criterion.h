/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for the few macros of Criterion that the support files and public/threads.c use, for a program that runs its tests in one process.
 * Layer: tests/support. The thread sanitizer needs it: Criterion's own way of starting processes does not survive it. A check that fails ends the
 * program with status 1.
 */
#ifndef SUPPORT_PLAIN_CRITERION_H
#define SUPPORT_PLAIN_CRITERION_H

#include <stdbool.h>

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
