/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct plain_test *first, **last = &first;

void plain_register(struct plain_test *test)
{
	*last = test;
	last = &test->next;
}

void plain_fail(const char *file, int line, const char *text, const char *format, ...)
{
	va_list args;

	printf("%s:%d: not so: %s: ", file, line, text);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	exit(1);
}

int main(void)
{
	unsigned count = 0;

	for (const struct plain_test *test = first; test != NULL; test = test->next, count++) {
		printf("%s::%s\n", test->suite, test->name);
		(void)fflush(stdout);
		test->run();
	}
	printf("%u tests passed\n", count);
	return count == 0;
}
