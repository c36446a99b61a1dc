#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The unit, rule and hostile tests, the real images, and the replay of the fuzz targets, on processors with 32 bits (-m32) and with the other byte order (s390x, in qemu-user).
#
#     tests/processors.sh [-j N] [m32] [s390x]
#
# Needs libc6-dev-i386 and lib32gcc-12-dev; gcc-s390x-linux-gnu, libc6-dev-s390x-cross and qemu-user-static.
set -eu
cd "$(dirname "$0")/.."

jobs=$(nproc) presets=()
while [ $# -gt 0 ]; do
	case $1 in
	-j) jobs=$2; shift ;;
	m32 | s390x) presets+=("$1") ;;
	*) sed -n 's/^#     //p' "$0" >&2; exit 2 ;;
	esac
	shift
done
[ ${#presets[@]} -gt 0 ] || presets=(m32 s390x)

failed=0
mkdir -p build/log
for preset in "${presets[@]}"; do
	log=build/log/$preset.log
	if ! { cmake --preset "$preset" &&
		cmake --build --preset "$preset" -j "$jobs" --target vhdx-test-plain vhdx-test-content vhdx-test-matrix vhdx-fuzz-replay vhdx-test-script; } >"$log" 2>&1; then
		tail -n 20 "$log"
		failed=1
		continue
	fi
	ctest --preset "$preset" -j "$jobs" -R '^(plain|hostile/matrix/|fuzz/replay/)' 2>&1 | tee -a "$log" | tail -n 12
	[ "${PIPESTATUS[0]}" = 0 ] || failed=1
done
exit $failed
