#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Called by the base image, which sets CC, CFLAGS, LIB_FUZZING_ENGINE and OUT: one program, seed corpus and dictionary for each target.
set -eu
build=$WORK/libvhdx
cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DVHDX_FUZZ=ON "-DVHDX_FUZZ_ENGINE=$LIB_FUZZING_ENGINE" \
	-DVHDX_BUILD_SHARED=OFF -DVHDX_BUILD_TESTS=OFF -DVHDX_BUILD_TOOLS=OFF
cmake --build "$build"
for target in $("$build"/fuzz/vhdx-fuzz-replay --list); do
	cp "$build/fuzz/$target" "$OUT/"
	cp "$build/fuzz/vhdx.dict" "$OUT/$target.dict"
	# a quarantine of ASan's usual size is 256 MiB of it
	printf '[libfuzzer]\nmax_len = 4096\ntimeout = 5\nrss_limit_mb = 1024\nmalloc_limit_mb = 64\n' >"$OUT/$target.options"
	seeds=$(mktemp -d)
	"$build"/fuzz/vhdx-fuzz-replay --write "$seeds" "$target"
	(cd "$seeds" && zip -q "$OUT/${target}_seed_corpus.zip" ./*)
	rm -r "$seeds"
done
