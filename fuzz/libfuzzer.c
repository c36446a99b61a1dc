/* SPDX-License-Identifier: MIT */
/* One target as a program of libFuzzer or AFL++: compiled once for each, FUZZ_TARGET being its name. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = { data, size };

	FUZZ_TARGET.run(&in);
	return 0;
}

#if !defined(FUZZ_NO_MUTATOR)
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	return fuzz_mutate(&FUZZ_TARGET, data, size, max_size, seed, LLVMFuzzerMutate);
}
#endif
