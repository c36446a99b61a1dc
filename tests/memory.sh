#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The tests of the library under two tools that see what ASan does not: MSan (clang, reads of memory that nobody has written) and valgrind's memcheck (the same and leaks, in the
# code as gcc optimises it).
#
#     tests/memory.sh [-j N] [msan] [valgrind] [SUITE...]
#
# A quarter of an hour of processor time each; only those tests whose "suite::name" begins so, when some are named. Needs clang with its runtime libraries (libclang-rt-14-dev), and valgrind.
set -eu
cd "$(dirname "$0")/.."

jobs=$(nproc) tools=() suites=()
while [ $# -gt 0 ]; do
	case $1 in
	-j) jobs=$2; shift ;;
	msan | valgrind) tools+=("$1") ;;
	-*) sed -n 's/^#     //p' "$0" >&2; exit 2 ;;
	*) suites+=("$1") ;;
	esac
	shift
done
[ ${#tools[@]} -gt 0 ] || tools=(msan valgrind)

plain() { # [OPTION...]: builds build/$1
	local build=build/$1
	shift
	cmake "$@" -B "$build" && cmake --build "$build" -j "$jobs" --target vhdx-test-plain
}

failed=0
mkdir -p build/log
for tool in "${tools[@]}"; do
	log=build/log/$tool.log run=()
	if [ "$tool" = msan ]; then
		made() { plain msan --preset msan; }
		export MSAN_OPTIONS=exitcode=9
	else
		made() { plain valgrind -S . -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DVHDX_TEST_PLAIN=ON -DVHDX_BUILD_SHARED=OFF -DVHDX_BUILD_TOOLS=OFF; }
		run=(valgrind --quiet --leak-check=full --show-leak-kinds=all --errors-for-leak-kinds=all --error-exitcode=9)
	fi
	if ! made >"$log" 2>&1; then
		tail -n 20 "$log"
		failed=1
	elif "${run[@]}" "build/$tool/tests/vhdx-test-plain" "${suites[@]}" >>"$log" 2>&1; then
		echo "$tool: $(tail -n 1 "$log")"
	else
		echo "$tool: FAILED"
		tail -n 30 "$log"
		failed=1
	fi
done
exit $failed
