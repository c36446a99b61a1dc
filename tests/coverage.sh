#!/bin/bash
# SPDX-License-Identifier: MIT
#
# How much of libvhdx the tests run: lines and branches of each file, and of all, measured with gcc and gcov.
#
#     tests/coverage.sh [-j N] [--library | --fuzz | --report]
#
# --library leaves out the tests of the programs, --fuzz counts what the fuzz targets alone reach, with their seeds and what fuzz/nightly.sh has left in build/corpus, --report what was run before. Assertions do not count: the build has none. The builds are in build/coverage; the lists of what was not run, in
# build/coverage/*.gcov.
set -eu
cd "$(dirname "$0")/.."

jobs=$(nproc) only=
while [ $# -gt 0 ]; do
	case $1 in
	-j) jobs=$2; shift ;;
	--library) only=library ;;
	--fuzz) only=fuzz ;;
	--report) only=report ;;
	*) sed -n 's/^#     //p' "$0" >&2; exit 2 ;;
	esac
	shift
done

build=build/coverage
mkdir -p build
if [ "$only" != report ]; then
	cmake -S . -B $build -G Ninja -DCMAKE_BUILD_TYPE=Release -DVHDX_BUILD_SHARED=OFF -DVHDX_CHECK_FORMAT=OFF \
		-DCMAKE_C_FLAGS='--coverage -fprofile-update=atomic -O0 -UNDEBUG -DNDEBUG' -DCMAKE_C_FLAGS_RELEASE= >$build.log 2>&1
	cmake --build $build -j "$jobs" >>$build.log 2>&1 || { tail -n 20 $build.log; exit 1; }
	find $build -name '*.gcda' -delete
fi
if [ "$only" = fuzz ]; then
	ctest --test-dir $build -R '^fuzz/replay' -j "$jobs" >>$build.log 2>&1 || { tail -n 20 $build.log; exit 1; }
	for corpus in build/corpus/*/; do # a process for each piece of it: the counts are added up
		[ -d "$corpus" ] || continue
		find "$corpus" -type f -print0 | xargs -0 -n 500 -P "$jobs" $build/fuzz/vhdx-fuzz-replay "fuzz_$(basename "$corpus")" >>$build.log
	done
elif [ "$only" != report ]; then
	# every 9th image of the matrix is as good as all; the crash states run what the workloads of write/fault run; the rest has no library in it, or that of another build
	find $build/tests/hostile -name CTestTestfile.cmake -exec sed -i 's/"--every" "1"/"--every" "9"/' {} +
	skip='readme|install|arch|format|hostile/historical|rules/coverage|cli/(windows|wine)|fuzz/(windows|dictionary)|write/(crash|barriers)'
	[ "$only" != library ] || skip="$skip|cli|interop|serve|golden/convert|fuzz/differential"
	ctest --test-dir $build -E "^($skip)" -j "$jobs" --timeout 900 >>$build.log 2>&1 || grep -A 20 'tests FAILED' $build.log || true
fi

# gcov says for each file: "File 'x'", "Lines executed:97.5% of 120", "Taken at least once:90.0% of 60" (branches)
objects=$build/libvhdx/CMakeFiles/vhdx_objects.dir
(cd $build && find "../../$objects" -name '*.gcda' -exec gcov -b -p {} + 2>/dev/null) | awk '
	/^File / { file = $2; gsub("\047", "", file); sub(".*/libvhdx/src/", "", file); ok = file ~ /^(api|base|engine|format|io)\// }
	/^$/ { ok = 0 } # the sum of all at the end has no file
	ok && /^Lines executed/ { split($2, p, ":"); sub("%", "", p[2]); lines[file] = $4; run[file] = p[2] * $4 / 100 }
	ok && /^Taken at least once/ { sub(".*:", "", $4); sub("%", "", $4); branches[file] = $6; taken[file] = $4 * $6 / 100 }
	END {
		for (f in lines) {
			printf "%-40s %5.1f %% of %4d lines, %5.1f %% of %4d branches\n", f, 100 * run[f] / lines[f], lines[f],
				branches[f] ? 100 * taken[f] / branches[f] : 100, branches[f] | "sort -k2 -n"
			L += lines[f]; R += run[f]; B += branches[f]; T += taken[f]
		}
		close("sort -k2 -n")
		printf "all of libvhdx: %.1f %% of %d lines, %.1f %% of %d branches\n", 100 * R / L, L, 100 * T / B, B
	}'
