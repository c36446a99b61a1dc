/* SPDX-License-Identifier: MIT */
/* Arithmetic on numbers that come from a file: every function says whether the true result fits. Layer: base. */
#ifndef BASE_CHECKED_H
#define BASE_CHECKED_H

#include <stdbool.h>
#include <stdint.h>

#define KIB UINT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)

static inline bool add_fits(uint64_t a, uint64_t b, uint64_t *sum)
{
	*sum = a + b;
	return *sum >= a;
}

/* Whether [offset, offset + length) lies inside [0, size). */
static inline bool range_fits(uint64_t offset, uint64_t length, uint64_t size)
{
	return offset <= size && length <= size - offset;
}

/* Whether two ranges share a byte; empty ranges share nothing. Neither end may overflow. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_length, uint64_t b, uint64_t b_length)
{
	return a_length != 0 && b_length != 0 && a < b + b_length && b < a + a_length;
}

static inline bool is_power_of_two(uint64_t v)
{
	return v != 0 && (v & (v - 1)) == 0;
}

/* `unit` is a power of two; the caller knows that the result fits. */
static inline uint64_t round_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) & ~(unit - 1);
}

static inline uint64_t round_down(uint64_t v, uint64_t unit)
{
	return v & ~(unit - 1);
}

/* ceil(a / b) without overflow. */
static inline uint64_t divide_up(uint64_t a, uint64_t b)
{
	return a / b + (a % b != 0);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* log2 of a power of two. */
static inline unsigned shift_of(uint64_t power_of_two)
{
	unsigned shift = 0;

	while (power_of_two > 1) {
		power_of_two >>= 1;
		shift++;
	}
	return shift;
}

#endif
