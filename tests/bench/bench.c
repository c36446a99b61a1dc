/* SPDX-License-Identifier: MIT */
/* What every benchmark needs: its end, arguments, clocks, medians. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

void stop(const char *format, ...)
{
	va_list arguments;

	(void)fprintf(stderr, "%s: ", program);
	va_start(arguments, format);
	(void)vfprintf(stderr, format, arguments);
	va_end(arguments);
	(void)fputc('\n', stderr);
	work_end();
	exit(1);
}

void stop_error(const char *what, const struct vhdx_error *error)
{
	char text[1400];

	stop("%s: %s", what, vhdx_error_text(error, text, sizeof(text)));
}

void *allocate(size_t size)
{
	void *memory = malloc(size);

	if (memory == NULL)
		stop("no memory");
	return memory;
}

unsigned long number(const char *text, unsigned long least, unsigned long most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != '\0' || value < least || value > most) {
		(void)fprintf(stderr, "%s: '%s' is no number from %lu to %lu\n", program, text, least, most);
		exit(2);
	}
	return value;
}

bool wanted(const char *only, const char *keys)
{
	for (; *keys != '\0'; keys++)
		for (const char *p = only; *p != '\0'; p++)
			if (*p == *keys)
				return true;
	return only[0] == '\0';
}

uint64_t mix(uint64_t value)
{
	value += UINT64_C(0x9E3779B97F4A7C15);
	value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
	return value ^ value >> 31;
}

static double seconds_of(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double now(void)
{
	return seconds_of(CLOCK_MONOTONIC);
}

double processor_time(void)
{
	return seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct spread spread_of(const double *values, unsigned count)
{
	double sorted[MAX_ROUNDS];

	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), by_value);
	return (struct spread){ (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[0], sorted[count - 1] };
}
