/* SPDX-License-Identifier: MIT */
/* Medians with their spread, and histograms of latencies. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

struct spread spread_of(const double *values, unsigned count)
{
	double sorted[MAX_ROUNDS];
	unsigned cut = count >= 5 ? count / 4 : 0;

	if (count == 0)
		return (struct spread){ 0, 0, 0 };
	memcpy(sorted, values, count * sizeof(*values));
	qsort(sorted, count, sizeof(*sorted), by_value);
	return (struct spread){ (sorted[(count - 1) / 2] + sorted[count / 2]) / 2, sorted[cut], sorted[count - 1 - cut] };
}

/* Below STEPS every value has its own bucket; above, the four bits behind the first choose one. */
static unsigned bucket_of(uint64_t value)
{
	unsigned shift = 0;

	while (value >> shift >= 2 * STEPS)
		shift++;
	shift = shift * STEPS + (unsigned)(value >> shift);
	return shift < BUCKETS ? shift : BUCKETS - 1;
}

/* The middle of a bucket. */
static double bucket_value(unsigned bucket)
{
	unsigned shift = bucket < 2 * STEPS ? 0 : bucket / STEPS - 1;
	double low = (double)(bucket - shift * STEPS), width = (double)(UINT64_C(1) << shift);

	return low * width + (shift == 0 ? 0 : width / 2);
}

void histogram_add(struct histogram *h, uint64_t nanoseconds)
{
	h->counts[bucket_of(nanoseconds)]++;
	h->total++;
	if (nanoseconds > h->worst)
		h->worst = nanoseconds;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		to->counts[i] += from->counts[i];
	to->total += from->total;
	if (from->worst > to->worst)
		to->worst = from->worst;
}

double histogram_percentile(const struct histogram *h, double percent)
{
	double below = 0, wanted = (double)h->total * percent / 100;

	for (unsigned i = 0; i < BUCKETS; i++) {
		below += (double)h->counts[i];
		if (h->counts[i] != 0 && below >= wanted)
			return bucket_value(i) < (double)h->worst ? bucket_value(i) : (double)h->worst;
	}
	return (double)h->worst;
}

uint64_t mix(uint64_t value)
{
	value += UINT64_C(0x9E3779B97F4A7C15);
	value = (value ^ value >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	value = (value ^ value >> 27) * UINT64_C(0x94D049BB133111EB);
	return value ^ value >> 31;
}
