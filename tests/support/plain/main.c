/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Whether "suite::name" begins with one of the arguments; all do when there are none. */
static bool is_wanted(const struct plain_test *test, char **wanted)
{
	char name[256];

	(void)snprintf(name, sizeof(name), "%s::%s", test->suite, test->name);
	for (char **each = wanted; *each != NULL; each++)
		if (strncmp(name, *each, strlen(*each)) == 0)
			return true;
	return *wanted == NULL;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (const struct plain_test *test = first; argc != 0 && test != NULL; test = test->next) {
		if (!is_wanted(test, argv + 1))
			continue;
		printf("%s::%s\n", test->suite, test->name);
		(void)fflush(stdout);
		test->run();
		count++;
	}
	printf("%u tests passed\n", count);
	return count == 0;
}
