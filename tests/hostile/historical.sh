#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every bug of historical.txt, B-01 to B-51, has tests, and they exist.
#
#     tests/hostile/historical.sh [TREE]
set -eu
cd "${1:-$(dirname "$0")/../..}"
list=tests/hostile/historical.txt
wrong=0

not_ok() {
	printf 'not ok - %s\n' "$*"
	wrong=$((wrong + 1))
}

# suite::name of each Criterion test, and the names in ctest as far as the lists say them
known=$({
	grep -rhoE --include='*.c' '^Test\([a-z_0-9]+, *[A-Za-z_0-9]+' tests | sed 's/^Test(\([a-z_0-9]*\), */\1::/'
	sed -n 's/^foreach(image \(.*\))/\1/p' tests/hostile/CMakeLists.txt | tr ' ' '\n' | sed 's,^,hostile/matrix/,'
	sed -n 's/^set(targets \(.*\))/\1/p' fuzz/CMakeLists.txt | tr ' ' '\n' | sed 's,^,fuzz/replay/,'
	sed -n 's/^set(cli_scripts \(.*\))/\1/p' tests/CMakeLists.txt | tr ' ' '\n' | sed 's/\.sh$//'
	grep -o 'NAME golden' tests/CMakeLists.txt | sed 's/NAME //'
} | sort -u)

for number in $(seq -f %02g 1 51); do
	lines=$(grep -c "^B-$number " $list || true)
	[ "$lines" = 1 ] || not_ok "B-$number is named $lines times"
done
count=0
while IFS='|' read -r bug tests; do
	[ -n "${tests// /}" ] || not_ok "${bug%% *} has no test"
	for name in $tests; do
		count=$((count + 1))
		grep -qxF -- "$name" <<<"$known" || not_ok "${bug%% *}: there is no test $name"
	done
done < <(grep '^B-' $list)
[ $wrong = 0 ] || exit 1
echo "ok - 51 bugs, $count tests"
