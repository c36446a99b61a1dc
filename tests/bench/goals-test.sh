#!/bin/bash
# SPDX-License-Identifier: MIT
# goals.sh prints a row for each figure, counts meet their goals, and a missed goal is told. Times are not judged.
if ! command -v strace >/dev/null || ! command -v valgrind >/dev/null || ! command -v qemu-img >/dev/null; then
	echo 'skip - strace, valgrind and qemu-img are needed'
	exit 77
fi
goals=$(cd "$(dirname "$0")" && pwd)/goals.sh
# shellcheck source=tests/cli/support.sh
. "$(dirname "$0")/../cli/support.sh"

expect 0 bash "$goals" --only ci .
[ "$(grep -cE '(met|MISSED)$' "$stdout")" = 9 ] || fail "there are not nine figures: $(cat "$stdout")"
for figure in 'system calls' flushes 'bytes on disk' instructions 'bytes of memory'; do
	grep -qE "$figure.* met\$" "$stdout" || fail "no word that $figure are as few as they shall be: $(cat "$stdout")"
done
[ -z "$(ls)" ] || fail "leaves files behind: $(ls)"
ok "figures beside their goals"

sed 's/| <= 60     |/| <= 6      |/' "$goals" >changed.sh
mkdir bench
mv changed.sh bench/goals.sh
expect 0 bash bench/goals.sh --only c .
grep -qE 'system calls .*MISSED$' "$stdout" || fail "a missed goal is not told: $(cat "$stdout")"
ok "a missed goal is told"
finish
