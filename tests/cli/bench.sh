#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-bench: that it measures what it says, reads back what it wrote, ages as it was told, and cleans up. No time is judged.
. "$(dirname "$0")/support.sh"

short=(--quick --size 16M --rounds 2 --seconds 0.004 --operations 300)

# jq_says FILTER WHAT: of the JSON printed by the last command.
jq_says() {
	jq -e "$1" "$stdout" >/dev/null || fail "$2: $(jq -c "${3:-.rows[] | [.type, .work, .by, .each]}" "$stdout" | head -n 40)"
}

# --- everything, small ------------------------------------------------------------------------------------------------------

peers=()
command -v qemu-img >/dev/null && peers+=(--peer qemu)
ldconfig -p 2>/dev/null | grep -q libvhdi.so.1 && peers+=(--peer libvhdi)
work=seq-read,rand-read,rand-read:threads=2,rand-read:cold,rand-read:io=512,seq-overwrite,rand-overwrite:flush=1,rand-write,seq-allocate,rand-allocate
work+=,rand-allocate:flush=8
types=raw,vhdx-fixed,vhdx-dynamic,vhdx-diff:depth=3,vhd-dynamic,vhd-diff
mkdir place
expect 0 vhdx-bench "${short[@]}" "${peers[@]}" --types $types --work $work --json --html report.html --svg picture.svg --markdown tables.md place
[ -z "$(ls -A place)" ] || fail "leaves files behind: $(ls -A place)"
jq_says '.schema == "vhdx-bench/1" and .wrong == 0 and .verified_bytes > 200000000' "something was not read back" '[.wrong, .verified_bytes]'
jq_says '[.rows[] | select(.by == "libvhdx" or .by == "pass-through")] | length == 6 * 11' "rows are missing"
jq_says '[.rows[] | select(.by != "QEMU" and .nanoseconds.median <= 0 or .nanoseconds.low > .nanoseconds.median or .nanoseconds.high < .nanoseconds.median)] == []' \
	"a median is not between its ends"
jq_says '[.rows[] | select(.latency != null and (.latency.p50 > .latency["p99.9"] or .latency["p99.9"] > .latency.worst))] == []' \
	"percentiles do not ascend"
[ ${#peers[@]} = 0 ] || jq_says '[.rows[] | select(.by == "QEMU" or .by == "libvhdi")] | length > 10' "peers are missing"
ok_count=$(jq '.rows | length' "$stdout")
cp "$stdout" run.json

# counts that are known: one call of exactly the bytes asked for, nothing else
jq_says '[.rows[] | select(.by == "pass-through" and (.work | startswith("rand-read"))) | .each | .reads == 1 and .writes == 0 and .flushes == 0] | all and length == 4' \
	"a raw read is not one call"
jq_says '[.rows[] | select(.type == "raw" and .by == "pass-through" and .work == "rand-read:io=512") | .each.bytes_read] == [512]' "not 512 bytes were read"
jq_says '[.rows[] | select(.type == "raw" and .work == "rand-overwrite:flush=1" and .by == "pass-through") | .each | .writes == 1 and .flushes == 1] == [true]' \
	"a flush for each write was asked for"
jq_says '[.rows[] | select(.type == "vhdx-fixed" and .by == "libvhdx" and .work == "rand-read") | .each | .reads >= 1 and .reads < 1.2 and .writes == 0] == [true]' \
	"a read of a fixed VHDX is one call, and some for its BAT"
jq_says '[.rows[] | select(.type == "vhdx-dynamic" and .by == "libvhdx" and .work == "rand-allocate") | .each.bytes_written >= 4096] == [true]' \
	"new blocks were not written"
jq_says '[.rows[] | select(.type == "vhdx-dynamic" and .by == "libvhdx" and .work == "rand-allocate:flush=8") | .each.flushes > 0.1] == [true]' \
	"a flush for each 8 writes was asked for"

# ageing: the degree asked for, within what 16 blocks allow; all torn apart is all; in order again is in order
jq_says '[.fragmentation[] | select(.title | test("torn apart$|in order$")) | (.asked - .reached) | fabs <= 100 / 30] | all and length == 5' \
	"does not age as it was told" '.fragmentation[] | [.title, .asked, .reached]'
jq_says '[.fragmentation[] | select(.title == "100 % torn apart") | .reached == 100 and .runs == .file_blocks] == [true]' "not all is torn apart" \
	'.fragmentation[] | [.title, .reached, .runs, .file_blocks]'
jq_says '[.fragmentation[] | select(.title | test("rewritten$|defragmented$|in order$")) | .reached == 0 and .runs == 1] | all and length >= 2' \
	"is not in order again" '.fragmentation[] | [.title, .reached, .runs]'
jq_says '[.fragmentation[] | select(.title == "trims and rewrites") | .reached > 30] == [true]' "trims tear nothing apart"
jq_says '[.claims[] | .verdict | IN("confirmed", "refuted", "in part", "not measured")] | all and length == 8' "no word on a claim"
jq_says '[.clones[] | select(.count > 1) | .bytes / .count < 65536] | all and length == 2' "children are not small" '.clones[]'

# the reports: well-formed, with every type in them, and nothing from elsewhere
for file in report.html picture.svg; do
	xmllint --noout "$file" 2>"$stderr" || fail "$file is not well-formed"
	! grep -qE '(src|href)="?https?:|@import|url\(' "$file" || fail "$file needs the network"
done
grep -q 'VHDX differencing, depth 3' report.html || fail "a type is not in the report"
grep -qc '<svg' report.html || fail "there are no plots"
[ "$(wc -c <picture.svg)" -lt 100000 ] || fail "the picture is too large"
grep -q '^| VHDX dynamic |' tables.md || fail "there is no table"
ok "everything, small: $ok_count rows"

# --- which way round it was asked -------------------------------------------------------------------------------------------

mkdir place
expect 0 vhdx-bench "${short[@]}" --no-ageing --no-making --types vhdx-diff:depth=4:block=1M,vhd-dynamic:block=512K,vhdx-dynamic:sector=4096 \
	--work rand-overwrite:threads=3,seq-write,rand-allocate:threads=2 place
grep -q 'VHDX differencing, 1 MiB blocks, depth 4' "$stdout" || fail "a type is not told"
grep -q 'random overwrite 4 KiB, 3 threads' "$stdout" || fail "a workload is not told"
! grep -q 'fragmentation' "$stdout" || fail "fragmentation was not asked for"
quickly=$(vhdx-bench "${short[@]}" --no-ageing --no-making --types vhdx-dynamic:sector=4096 --work rand-read,rand-read:io=512 --json place | jq '.rows | length')
[ "$quickly" = 1 ] || fail "512 bytes were read of a disk with sectors of 4096"
ok "types and workloads of one's own"

# --- what is refused --------------------------------------------------------------------------------------------------------

mkdir place
refuse 2 "wants one DIR" vhdx-bench
refuse 2 "'vhdx-frozen' is no type" vhdx-bench --types raw,vhdx-frozen place
refuse 2 "'raw:depth=2' has an option" vhdx-bench --types raw:depth=2 place
refuse 2 "'seq-fly' is no workload" vhdx-bench --work seq-fly place
refuse 2 "only reads can be cold" vhdx-bench --work rand-allocate:cold place
refuse 2 "io is a power of two" vhdx-bench --work rand-read:io=5000 place
refuse 2 "--rounds" vhdx-bench --rounds 0 place
refuse 2 "--size" vhdx-bench --size 17M place
refuse 2 "--peer is" vhdx-bench --peer nobody place
refuse 1 "no such directory" vhdx-bench nowhere
refuse 1 "say a smaller --size" vhdx-bench --size 1T place
refuse 1 "cannot be written" vhdx-bench --quick --html nowhere/report.html place
refuse 1 "not installed" env PATH="$VHDX_BIN" vhdx-bench --peer qemu place
ok "mistakes are told before anything is made"

# --- a host that fails, or lies ---------------------------------------------------------------------------------------------

# bad PLAN COMMAND...: on a host that fails so
bad() {
	local plan=$1
	shift
	expect 1 env LD_PRELOAD="$BADIO_LIBRARY" BADIO="$plan" ASAN_OPTIONS="verify_asan_link_order=0:${ASAN_OPTIONS:-}" "$@"
	[ "$(wc -l <"$stderr")" = 1 ] || fail "does not fail with one line"
	[ -z "$(ls -A place)" ] || fail "fails and leaves files behind"
}

if [ -z "${BADIO_LIBRARY:-}" ]; then
	skip "a host that fails: without the library for it"
else
	mkdir place
	few=("${short[@]}" --no-ageing --no-making --types raw --work)
	bad "pwrite 5 flip" vhdx-bench "${few[@]}" rand-read place
	grep -q "were not read as they were written" "$stderr" || fail "does not see a wrong byte"
	bad "pwrite 2 flip" vhdx-bench "${few[@]}" seq-allocate place
	grep -q "were not read as they were written" "$stderr" || fail "does not see a wrong byte of a measured write"
	bad "pwrite 7+ 28" vhdx-bench "${few[@]}" rand-read place
	ok "a wrong byte is seen, and a full disk is told"
fi

# --- interrupted and killed -------------------------------------------------------------------------------------------------

# begin: a long run, until its first files are there
begin() {
	local i
	vhdx-bench --quiet --size 64M --seconds 60 --types raw,vhdx-dynamic place >"$stdout" 2>"$stderr" &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		[ -z "$(find place -mindepth 2 -print -quit)" ] || return 0
		sleep 0.1
	done
	fail "makes no files"
}

mkdir place
begin
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status = 143 ] || fail "ends with $status after SIGTERM"
[ -z "$(ls -A place)" ] || fail "leaves files behind after SIGTERM: $(ls -A place)"
[ ! -s "$stdout" ] || fail "prints something after SIGTERM"
begin
kill -KILL $pid
wait $pid 2>/dev/null || true
[ "$(ls -A place | grep -vc '^vhdx-bench-')" = 0 ] || fail "leaves something that is not named so: $(ls -A place)"
ok "interrupted it removes its files, killed it leaves one directory named so"
finish
