#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Fuzzes every target for a while and prints a line of figures for each.
#
#     fuzz/nightly.sh [-j N] [--seconds N] [--corpus DIRECTORY] [--replay] [TARGET...]
#
# N seconds of processor time for each target (1800), as many targets at once as there are processors, or -j. The corpus is kept below DIRECTORY (build/corpus) from one night to
# the next, each new night begins by minimising it. --replay only runs what is in the corpus, once. Findings are left in build/findings; exit status 1 when there is one. Needs
# clang with libFuzzer (libclang-rt-14-dev).
set -eu
cd "$(dirname "$0")/.."

seconds=1800 corpus=build/corpus replay=no jobs=$(nproc) targets=()
while [ $# -gt 0 ]; do
	case $1 in
	-j) jobs=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	--corpus) corpus=$2; shift ;;
	--replay) replay=yes ;;
	-*) sed -n 's/^#     //p' "$0" >&2; exit 2 ;;
	*) targets+=("${1#fuzz_}") ;;
	esac
	shift
done

build=build/fuzz/fuzz
mkdir -p build/findings
{ [ -d build/fuzz ] || cmake --preset fuzz; } >build/findings/build.log
cmake --build --preset fuzz >>build/findings/build.log || { tail build/findings/build.log; exit 1; }
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <($build/vhdx-fuzz-replay --list | sed 's/^fuzz_//')
# a quarantine as large as usual would be most of the memory that a target may take
export ASAN_OPTIONS=quarantine_size_mb=16:detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
limits=(-timeout=5 -rss_limit_mb=256 -malloc_limit_mb=64 -max_len=4096 -dict=$build/vhdx.dict
	-artifact_prefix=build/findings/)

# Runs a command, its output to a file; sets `used` to the seconds of processor time it took.
timed() {
	local log=$1 status=0 TIMEFORMAT='%U %S'
	shift
	{ time "$@" >"$log" 2>&1 || status=$?; } 2>"$log.time"
	used=$(awk '{ printf "%d", $1 + $2 + 1 }' "$log.time")
	rm "$log.time"
	return $status
}

fuzz() {
	local target=$1 dir=$corpus/$1 log=build/findings/$1.log status=0 runs=0 left=$seconds used=0
	mkdir -p "$dir.new" "$dir"
	$build/vhdx-fuzz-replay --write "$dir.new" "fuzz_$target"
	if [ $replay = yes ]; then
		timed "$log" $build/fuzz_"$target" "${limits[@]}" -runs=0 "$dir.new" "$dir" || status=1
		left=0
	else
		timed "$log" $build/fuzz_"$target" "${limits[@]}" -merge=1 "$dir.new" "$dir" || status=1
		rm -rf "$dir"
		mv "$dir.new" "$dir"
	fi
	while [ $status = 0 ] && [ "$left" -gt 0 ]; do # -max_total_time is of the wall clock
		timed "$log" $build/fuzz_"$target" "${limits[@]}" -max_total_time="$left" -print_final_stats=1 \
			-artifact_prefix="build/findings/$target-" "$dir" || status=1
		left=$((left - used))
		runs=$((runs + $(sed -n 's/^stat::number_of_executed_units: *//p' "$log")))
	done
	rm -rf "$dir.new"
	printf '%-10s %6d s, %9d runs, %s, %s inputs in the corpus%s\n' "$target" $((seconds - left)) "$runs" \
		"$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1)" \
		"$(find "$dir" -type f | wc -l)" "$([ $status = 0 ] || echo ": FINDING, see $log")"
	return $status
}

rm -f build/findings/failed
for target in "${targets[@]}"; do
	while [ "$(jobs -pr | wc -l)" -ge "$jobs" ]; do
		wait -n || true
	done
	{ fuzz "$target" || echo "$target" >>build/findings/failed; } &
done
wait
[ ! -e build/findings/failed ]
