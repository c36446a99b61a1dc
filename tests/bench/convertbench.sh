#!/bin/bash
# SPDX-License-Identifier: MIT
#
# vhdx-convert beside its peers and its limit, in one run: convertbench.sh [ROUNDS]
#
# Rounds are interleaved (A B C A B C ...), each into a fresh destination, with warm sources, and nothing made durable, which is how qemu-img convert and cp
# work. Printed are medians of seconds, of CPU seconds, and of the ratios of each round, with the goals of the project. All results are compared. Load of
# other programs moves single times by factors; ratios within a round less, CPU seconds least.
#
#     VHDX_BIN    the programs, vhdx-copyrange too
#     BENCH_DIR   where files are made (default: a new directory in $TMPDIR)
#     BENCH_SIZE  MiB of the scattered disk (default 4096)
set -eu
export LC_ALL=C
: "${VHDX_BIN:?}"
copyrange=$VHDX_BIN/vhdx-copyrange
rounds=${1:-7}
size=${BENCH_SIZE:-4096}
convert=$VHDX_BIN/vhdx-convert
dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/convertbench.XXXXXX")
trap 'cd /; umount "$dir/mnt" 2>/dev/null || true; rm -rf "$dir"' EXIT
cd "$dir"
TIMEFORMAT='%R %U %S'

# once NAME COMMAND...: appends "seconds cpu" to NAME.times
once() {
	local name=$1 took
	shift
	took=$({ time "$@" >out 2>err; } 2>&1) || { echo "convertbench: fails: $*: $(cat err)" >&2 && exit 1; }
	awk '{ print $1, $2 + $3 }' <<<"$took" >>"$name.times"
}

# median of a column of numbers
median() {
	sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# row NAME: seconds and CPU
row() {
	printf '  %-34s %8.3f s   %8.3f s CPU\n' "$1" "$(cut -d' ' -f1 "$1.times" | median)" "$(cut -d' ' -f2 "$1.times" | median)"
}

# ratio A B TEXT: A's time by B's, of each round; spread of the middle half
ratio() {
	paste -d' ' "$1.times" "$2.times" | awk '{ print ($3 > 0 ? $1 / $3 : 0) }' | sort -n >r
	paste -d' ' "$1.times" "$2.times" | awk '{ print ($4 > 0 ? $2 / $4 : 0) }' | sort -n >c
	printf '  %s / %s: %.2fx (%.2f to %.2f), CPU %.2fx%s\n' "$1" "$2" "$(median <r)" "$(sed -n "$((rounds / 4 + 1))p" r)" \
		"$(sed -n "$((rounds - rounds / 4))p" r)" "$(median <c)" "${3:+   goal: $3}"
}

begin() {
	echo "$*"
	rm -f ./*.times
}

# scattered FILE MIB: a tenth of it, in pieces of 64 KiB
scattered() {
	truncate -s "$2M" "$1"
	head -c 1M /dev/urandom >noise
	awk -v n=$(($2 * 16)) 'BEGIN { srand(7); for (i = 0; i < n; i++) if (rand() < 0.1) print i }' |
		while read -r i; do echo "write -q -s noise $((i * 65536)) 65536"; done >script
	if command -v qemu-io >/dev/null; then
		qemu-io -f raw "$1" <script >/dev/null
	else
		while read -r _ _ _ _ at _; do dd if=noise of="$1" bs=64K count=1 seek=$((at / 65536)) conv=notrunc status=none; done <script
	fi
	rm script
}

have_qemu=
command -v qemu-img >/dev/null && have_qemu=yes

# versus FROM TO OURS... : rounds of qemu, ours and the limit; QEMU_OPTIONS, and LIMIT_FROM
versus() {
	local from=$1 to=$2 i
	shift 2
	for ((i = 0; i < rounds; i++)); do
		rm -f "$to" limit
		# shellcheck disable=SC2086
		[ -z "$have_qemu" ] || { once qemu-img qemu-img convert $qemu_options "$from" "$to" && rm -f "$to"; }
		once vhdx-convert "$convert" -q --no-sync "$@" "$from" "$to"
		once copy_file_range "$copyrange" "$limit_from" limit
	done
	[ -z "$have_qemu" ] || row qemu-img
	row vhdx-convert
	row copy_file_range
}

scattered disk.raw "$size"
echo "$(stat -f -c %T .), $size MiB with a tenth in scattered 64 KiB; $rounds rounds; load $(cut -d' ' -f1 /proc/loadavg)"
limit_from=disk.raw
for block in 16M 2M; do
	begin "raw -> dynamic VHDX, blocks of $block"
	qemu_options="-O vhdx -o block_size=$block"
	versus disk.raw x.vhdx --block-size $block
	[ -z "$have_qemu" ] || ratio qemu-img vhdx-convert "5x (7x at 2M), half the CPU"
	ratio copy_file_range vhdx-convert 0.90
	"$convert" -q x.vhdx back.raw
	cmp back.raw disk.raw
	rm back.raw
done
begin "dynamic VHDX -> raw"
qemu_options="-O raw"
mv x.vhdx disk.vhdx
versus disk.vhdx x.raw
cmp x.raw disk.raw
[ -z "$have_qemu" ] || ratio qemu-img vhdx-convert "5x"
ratio copy_file_range vhdx-convert 0.90
rm -f x.raw limit disk.vhdx

begin "dynamic VHDX of 1 TiB without content -> raw"
"$VHDX_BIN/vhdx-create" -q empty.vhdx 1T
for ((i = 0; i < rounds; i++)); do
	rm -f x.raw
	once vhdx-convert "$convert" -q --no-sync empty.vhdx x.raw
	once true true
done
row vhdx-convert
echo "  goal: 0.010 s; qemu-img takes more than a minute"
rm -f x.raw disk.raw

for kind in "random bytes" "written zeros"; do
	begin "512 MiB of $kind, raw -> VHDX"
	case $kind in
	random*) head -c 512M /dev/urandom >disk.raw ;;
	*) head -c 512M /dev/zero >disk.raw ;;
	esac
	qemu_options="-O vhdx"
	versus disk.raw x.vhdx --block-size 16M
	[ -z "$have_qemu" ] || ratio qemu-img vhdx-convert "$([ "$kind" = "written zeros" ] && echo 1.2x || echo "1x, never behind")"
	rm -f x.vhdx limit
done

for filesystem in btrfs xfs; do
	if [ "$(id -u)" != 0 ] || ! command -v mkfs.$filesystem >/dev/null; then continue; fi
	truncate -s 3G host.img
	mkfs.$filesystem -q host.img >/dev/null 2>&1 || continue
	mkdir -p mnt
	mount -o loop host.img mnt 2>/dev/null || continue
	head -c 512M /dev/urandom >mnt/disk.raw
	sync
	begin "512 MiB of random bytes, raw -> VHDX, shared on $filesystem"
	for ((i = 0; i < rounds; i++)); do
		rm -f mnt/x.vhdx mnt/limit
		once vhdx-convert "$convert" -q --no-sync mnt/disk.raw mnt/x.vhdx
		once cp cp --reflink=never mnt/disk.raw mnt/limit
	done
	row vhdx-convert
	row cp
	ratio cp vhdx-convert 20x
	umount mnt
	rm host.img
done
