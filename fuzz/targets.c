/* SPDX-License-Identifier: MIT */
#include "fuzz.h"

const struct fuzz_target *const fuzz_targets[] = { &fuzz_open,    &fuzz_script, &fuzz_log,    &fuzz_metadata, &fuzz_vhd,
						   &fuzz_chain,   &fuzz_create, &fuzz_struct, &fuzz_change,   &fuzz_merge,
						   &fuzz_convert, &fuzz_repair, NULL };
