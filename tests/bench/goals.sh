#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The goals of this project, measured: each figure beside its peer, their ratio, and the goal. One command, in build/release/bin or $VHDX_BIN:
#
#     tests/bench/goals.sh [--full] [--only GROUPS] [--cpu] [DIR]
#     cmake --build --preset release --target goals
#
#   --full     more rounds and larger disks: half an hour; without it some minutes
#   --only     groups, a letter each: c create, i inspect and open, m map and check, r read, w write, v convert
#   --cpu      reads and writes by processor time, for a machine that others use too (waiting does not show)
#   DIR        where files are made ($TMPDIR); times of tmpfs are those of processors alone
#
# "met" and "MISSED" are only words: the exit status is 0 when everything could be measured. Counts (calls, bytes, instructions) are the same
# on every machine; times want a quiet one. Rounds are interleaved; ratios are medians of those of the rounds.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
VHDX_BIN=${VHDX_BIN:-$here/../../build/release/bin}
VHDX_BIN=$(cd "$VHDX_BIN" && pwd)
export VHDX_BIN PATH=$VHDX_BIN:$PATH:/usr/sbin:/sbin

# The goals that are measured here. Those of reading and writing stand beside their rows in vhdx-readbench and vhdx-writebench.
#   name | figure | goal | what it is compared with
goals() {
	cat <<'TABLE'
create-64G    | create dynamic, 64 GiB: times as fast      | >= 2.5    | qemu-img create
create-64T    | create dynamic, 64 TiB: times as fast      | >= 8      | qemu-img create
create-calls  | ... system calls                           | <= 60     |
create-flush  | ... flushes                                | <= 2      |
create-bytes  | ... bytes on disk                          | <= 65536  |
inspect-instr | inspect a full 64 GiB: instructions        | <= 1000000|
inspect-calls | ... system calls                           | <= 60     |
open-64T      | open 64 TiB in 1 MiB blocks: times as fast | >= 100    | qemu-img info
memory-64T    | ... bytes of memory to inspect it          | <= 4194304|
map-64T       | map of 64 TiB, half a million blocks: ms   | <= 60     |
check-64T     | full check of the same: times its time     | <= 2      | qemu-img check
check-memory  | ... bytes of memory                        | <= 67108864|
raw-vhdx-16M  | raw to dynamic VHDX: times as fast         | >= 5      | qemu-img convert
raw-vhdx-2M   | ... blocks of 2 MiB                        | >= 7      | qemu-img convert
raw-cpu       | ... CPU seconds, times as few              | >= 1.82   | qemu-img convert
raw-limit-16M | ... of the speed of the limit              | >= 0.90   | copy_file_range
raw-limit-2M  | ... blocks of 2 MiB                        | >= 0.90   | copy_file_range
vhdx-raw      | dynamic VHDX to raw: times as fast         | >= 5      | qemu-img convert
vhdx-limit    | ... of the speed of the limit              | >= 0.90   | copy_file_range
empty         | empty 1 TiB to raw: seconds                | <= 0.010  |
random        | random bytes to VHDX: times as fast        | >= 1      | qemu-img convert
zeros         | written zeros to VHDX: times as fast       | >= 1.2    | qemu-img convert
reflink-btrfs | shared on btrfs: times as fast             | >= 20     | cp --reflink=never
reflink-xfs   | shared on XFS: times as fast               | >= 20     | cp --reflink=never
TABLE
}
# In memory QEMU waits for no disk: what is left is the work of processors.
goals_of_tmpfs() {
	cat <<'TABLE'
raw-vhdx-16M  | raw to dynamic VHDX: times as fast         | >= 1.8    | qemu-img convert
raw-vhdx-2M   | ... blocks of 2 MiB                        | >= 7      | qemu-img convert
vhdx-raw      | dynamic VHDX to raw: times as fast         | >= 3.5    | qemu-img convert
TABLE
}

rounds=5 quick=--quick convert_rounds=3 convert_size=1024 only=cimrwv clock=()
place=${TMPDIR:-/tmp}
while [ $# -gt 0 ]; do
	case $1 in
	--full) rounds=15 quick='' convert_rounds=7 convert_size=4096 ;;
	--only) [ $# -gt 1 ] || exit 2; only=$2; shift ;;
	--cpu) clock=(--cpu) ;;
	-h | --help) sed -n '4,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "usage: goals.sh [--full] [--only GROUPS] [--cpu] [DIR]" >&2; exit 2 ;;
	*) place=$1 ;;
	esac
	shift
done
place=$(cd "$place" && pwd)
scratch=$(mktemp -d "$place/goals.XXXXXX")
trap 'cd /; rm -rf "$scratch"' EXIT
cd "$scratch"

wants() { case $only in *"$1"*) true ;; *) false ;; esac; }
has() { command -v "$1" >/dev/null; }

line() { printf '%-52s %-14s %-32s %-24s %-12s %s\n' "$@"; }

# judge VALUE "<= LIMIT"
judge() {
	awk -v value="$1" -v goal="$2" 'BEGIN { split(goal, g, " "); print (g[1] == "<=" ? value <= g[2] + 0 : value >= g[2] + 0) ? "met" : "MISSED" }'
}

# tell NAME VALUE OURS PEER [SPREAD]: a row of the table above; VALUE is what the goal is about.
tell() {
	local name figure goal peer told=no
	while IFS='|' read -r name figure goal peer; do
		name=${name%% *} figure=$(echo $figure) goal=$(echo $goal) peer=$(echo $peer)
		[ "$name" = "$1" ] || continue
		[ "$told" = no ] || break # the first row of that name counts
		told=yes
		line "$figure" "$3" "${peer:+$peer }${4:-}" "$2${peer:+x}${5:+ ($5)}" "$goal" "$(judge "$2" "$goal")"
	done < <({ [ "$(stat -f -c %T .)" != tmpfs ] || goals_of_tmpfs; goals; })
}

median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# once FILE COMMAND...: appends its seconds
once() {
	local file=$1 begin end
	shift
	begin=$EPOCHREALTIME
	"$@" >out 2>err || { echo "goals: fails: $*: $(tail -n 1 err)" >&2; exit 1; }
	end=$EPOCHREALTIME
	awk -v a="$begin" -v b="$end" 'BEGIN { printf "%.6f\n", b - a }' >>"$file"
}

# compared NAME: from ours.t and peer.t
compared() {
	local ratios
	ratios=$(paste peer.t ours.t | awk '{ print $1 / $2 }' | sort -g)
	tell "$1" "$(median <<<"$ratios" | awk '{ printf "%.2f", $1 }')" "$(median <ours.t | awk '{ printf "%.1f ms", $1 * 1000 }')" \
		"$(median <peer.t | awk '{ printf "%.1f ms", $1 * 1000 }')" "$(head -n 1 <<<"$ratios" | awk '{ printf "%.2f", $1 }') - $(tail -n 1 <<<"$ratios" | awk '{ printf "%.2f", $1 }')"
	rm -f ours.t peer.t
}

calls() {
	strace -f -c -o calls "$@" >out 2>err
	awk '$NF == "total" { print $4 }' calls
}

calls_of() { awk -v name="$1" '$NF == name { sum = $4 } END { print sum + 0 }' calls; }

memory() {
	valgrind --tool=massif --stacks=yes --peak-inaccuracy=0 --massif-out-file=massif "$@" >out 2>err
	awk -F= '/^mem_heap_B/ { sum = $2 } /^mem_heap_extra_B/ { sum += $2 } /^mem_stacks_B/ { sum += $2; if (sum > most) most = sum } END { print most }' massif
}

group_create() {
	local size i n
	for size in 64G 64T; do
		for ((i = 0; i < 3 * rounds; i++)); do
			rm -f q.vhdx o.vhdx
			has qemu-img && once peer.t qemu-img create -q -f vhdx q.vhdx $size
			once ours.t vhdx-create -q o.vhdx $size
		done
		has qemu-img && compared create-$size
		rm -f ./*.vhdx ./*.t
	done
	has strace || return 0
	n=$(calls vhdx-create -q o.vhdx 64T)
	tell create-calls "$n" "$n"
	n=$(($(calls_of fdatasync) + $(calls_of fsync)))
	tell create-flush $n $n
	n=$(du --block-size=1 o.vhdx | cut -f 1)
	tell create-bytes "$n" "$n"
	rm o.vhdx
}

group_inspect() {
	local n i
	vhdx-create -q --type fixed --block-size 1M full.vhdx 64G
	if has valgrind; then
		valgrind --tool=callgrind --callgrind-out-file=/dev/null vhdx-inspect full.vhdx >out 2>err
		n=$(sed -n 's/.*Collected : //p' err)
		tell inspect-instr "$n" "$n"
	fi
	if has strace; then
		n=$(calls vhdx-inspect full.vhdx)
		tell inspect-calls "$n" "$n"
	fi
	rm full.vhdx
	vhdx-create -q --block-size 1M large.vhdx 64T
	for ((i = 0; i < rounds; i++)); do
		has qemu-img && once peer.t qemu-img info large.vhdx
		once ours.t vhdx-readbench --open large.vhdx
	done
	has qemu-img && compared open-64T
	if has valgrind; then
		n=$(memory vhdx-inspect large.vhdx)
		tell memory-64T "$n" "$n"
	fi
	rm -f large.vhdx ./*.t
}

# A file of 64 TiB is too large for some filesystems; a sparse one of blocks of 64 MiB, every other of which is given back.
group_map() {
	local i n
	if ! vhdx-create -q --type fixed --preallocate none --block-size 64M map.vhdx 64T 2>err; then
		line "map of 64 TiB" "not here: $(tail -n 1 err | cut -c 1-90)" "" "" "" ""
		return 0
	fi
	vhdx-writebench --discard-every-other map.vhdx
	for ((i = 0; i < rounds; i++)); do
		once ours.t vhdx-inspect --map --json map.vhdx
	done
	n=$(median <ours.t | awk '{ printf "%.1f", $1 * 1000 }')
	tell map-64T "$n" "$n ms"
	rm ours.t
	if has vhdx-check; then
		for ((i = 0; i < rounds; i++)); do
			has qemu-img && once peer.t qemu-img check map.vhdx
			once ours.t vhdx-check map.vhdx
		done
		if [ -e peer.t ]; then # times its time: the ratio the other way round
			mv peer.t t; mv ours.t peer.t; mv t ours.t
			compared check-64T
		fi
		if has valgrind; then
			n=$(memory vhdx-check map.vhdx)
			tell check-memory "$n" "$n"
		fi
	fi
	rm -f map.vhdx ./*.t
}

# The rows of vhdx-readbench and vhdx-writebench that have a goal, each part of a row under the row itself.
rows_of_bench() {
	local text what ours peer ratio goal met of=
	while IFS= read -r text; do
		case $text in '      not steady'*) echo "$text"; continue ;; [a-f]' '*) ;; *) continue ;; esac
		what=${text:4:48} ours=$(echo ${text:53:12}) peer=$(echo ${text:66:28}) ratio=$(echo ${text:95:26}) goal=$(echo ${text:122})
		case $goal in *met) met=met ;; *MISSED) met=MISSED ;; *) met='' ;; esac
		case $what in
		'  '*)
			[ -n "$met" ] || continue
			[ -z "$of" ] || line "${of%%  *}" '' '' '' '' ''
			of='' what="... ${what#  }"
			;;
		*) of=$what ;;
		esac
		[ -n "$met" ] || continue
		[ "$of" != "$what" ] || of=''
		line "${what%%  *}" "$ours" "$peer" "$ratio" "$(echo ${goal%"$met"})" $met
	done
}

group_convert() {
	local text title name ours value spread
	local -A took
	BENCH_DIR=$scratch BENCH_SIZE=$convert_size bash "$here/convertbench.sh" $convert_rounds >convert.log
	while IFS= read -r text; do
		case $text in
		'raw -> dynamic VHDX, blocks of 16M') name='raw-vhdx-16M raw-limit-16M' ;;
		'raw -> dynamic VHDX, blocks of 2M') name='raw-vhdx-2M raw-limit-2M' ;;
		'dynamic VHDX -> raw') name='vhdx-raw vhdx-limit' ;;
		'dynamic VHDX of 1 TiB'*) name='empty' ;;
		*'of random bytes, raw -> VHDX') name='random' ;;
		*'of written zeros'*) name='zeros' ;;
		*'shared on btrfs') name='reflink-btrfs' ;;
		*'shared on xfs') name='reflink-xfs' ;;
		esac
		read -r title _ <<<"$text" || true
		case $text in
		'  vhdx-convert  '*)
			ours=$(awk '{ print $2 " s" }' <<<"$text")
			[ "$name" != empty ] || tell empty "${ours% s}" "$ours"
			;;
		'  qemu-img  '* | '  copy_file_range  '* | '  cp  '*) took[$title]=$(awk '{ print $2 " s" }' <<<"$text") ;;
		'  '*' / vhdx-convert: '*)
			value=$(sed 's/^[^:]*: \([0-9.]*\)x.*/\1/' <<<"$text") spread=$(sed 's/^[^(]*(\([^)]*\)).*/\1/' <<<"$text")
			case $title in
			qemu-img)
				tell "${name%% *}" "$value" "$ours" "${took[qemu-img]}" "$spread"
				value=$(sed -n 's/.*, CPU \([0-9.]*\)x.*/\1/p' <<<"$text")
				[ "${name%% *}" != raw-vhdx-16M ] || tell raw-cpu "$value" '' ''
				;;
			copy_file_range) [ "${name#* }" = "$name" ] || tell "${name#* }" "$value" "$ours" "${took[copy_file_range]}" "$spread" ;;
			cp) tell "$name" "$value" "$ours" "${took[cp]}" "$spread" ;;
			esac
			;;
		esac
	done <convert.log
}

echo "libvhdx at $(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo '?'), $(stat -f -c %T .), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
line figure ours "compared with" "ratio (spread)" goal ""
if wants c; then group_create; fi
if wants i; then group_inspect; fi
if wants m; then group_map; fi
# shellcheck disable=SC2086
if wants r; then vhdx-readbench $quick "${clock[@]}" . | rows_of_bench; fi
# shellcheck disable=SC2086
if wants w; then vhdx-writebench $quick "${clock[@]}" . | rows_of_bench; fi
if wants v; then group_convert; fi
