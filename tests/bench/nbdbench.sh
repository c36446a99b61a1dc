#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Reading a dynamic VHDX over NBD: nbdkit with our plugin beside qemu-nbd, both serving the same image to the same client (fio) in turns, and beside nbdkit
# serving the same bytes as a raw file, which is the limit. Times, so no test: run it by hand on a quiet machine.
#
#     VHDX_BIN=build/release/bin tests/bench/nbdbench.sh [--rounds N] [--size SIZE] [--seconds S] [--dir DIR]
#
# Every server is up all the time and every request of a round comes out of the page cache. Each row gives medians over the rounds, and the median of the
# pairwise ratios with the least and the greatest; the CPU seconds are the server's, for each GiB or million of requests.
set -eu
: "${VHDX_BIN:?is not set: the directory that holds the programs}"
VHDX_BIN=$(cd "$VHDX_BIN" && pwd)
rounds=7 size=1G seconds=2 dir=${TMPDIR:-}
while [ $# -gt 1 ]; do
	case $1 in
	--rounds) rounds=$2 ;;
	--size) size=$2 ;;
	--seconds) seconds=$2 ;;
	--dir) dir=$2 ;;
	*) break ;;
	esac
	shift 2
done
[ $# = 0 ] || { echo "usage: nbdbench.sh [--rounds N] [--size SIZE] [--seconds S] [--dir DIR]" >&2; exit 2; }
for program in fio nbdkit qemu-nbd jq; do
	command -v $program >/dev/null || { echo "nbdbench: $program is missing" >&2; exit 1; }
done

work=$(mktemp -d ${dir:+-p "$dir"})
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT
cd "$work"
head -c "$size" /dev/urandom >raw
"$VHDX_BIN/vhdx-create" -q --from raw disk.vhdx
cat raw disk.vhdx >/dev/null

serve() { # NAME COMMAND...
	local i
	"${@:2}" &
	pids+=($!)
	eval "pid_$1=$!"
	for ((i = 0; i < 500; i++)); do
		[ ! -S "$1" ] || return 0
		sleep 0.02
	done
	echo "nbdbench: $1 does not start" >&2
	exit 1
}
serve ours nbdkit -f -r -U "$work/ours" "$VHDX_BIN/nbdkit-vhdx-plugin.so" disk.vhdx
serve qemu qemu-nbd -r -t -e 16 -f vhdx --cache="${QEMU_CACHE:-writeback}" --aio="${QEMU_AIO:-threads}" -k "$work/qemu" disk.vhdx
serve limit nbdkit -f -r -U "$work/limit" file raw

# CPU time of a process, in ticks
ticks() {
	awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

# one SERVER BS RW DEPTH JOBS: requests and bytes a second, and CPU microseconds of the server for each request
one() {
	local pid before after
	eval "pid=\$pid_$1"
	before=$(ticks "$pid")
	fio --name=x --ioengine=nbd --uri="nbd+unix:///?socket=$work/$1" --bs="$2" --rw="$3" --iodepth="$4" --numjobs="$5" --group_reporting \
		--time_based --runtime="$seconds" --randrepeat=0 --norandommap --output-format=json --output=out.json >/dev/null
	after=$(ticks "$pid")
	jq -r --argjson ticks $((after - before)) --argjson hz "$(getconf CLK_TCK)" \
		'.jobs[0].read | "\(.iops) \(.bw_bytes) \($ticks / $hz * 1e6 / .total_ios)"' out.json
}

printf '%-34s %10s %10s %10s   %-22s %-22s %s\n' '' ours qemu-nbd limit 'ours/qemu-nbd' 'ours/limit' 'CPU us a request: ours, qemu-nbd, limit'
row() { # TITLE BS RW DEPTH JOBS UNIT
	local round server
	: >rows
	for ((round = 0; round < rounds; round++)); do
		for server in ours qemu limit; do
			printf '%s %s ' "$server" "$(one $server "$2" "$3" "$4" "$5")" >>rows
		done
		echo >>rows
	done
	awk -v title="$1" -v field="$([ "$6" = MiB ] && echo 3 || echo 2)" -v unit="$([ "$6" = MiB ] && echo 1048576 || echo 1)" '
		function sorted(list, n, i, j, t) {
			for (i = 2; i <= n; i++)
				for (j = i; j > 1 && list[j] < list[j - 1]; j--) { t = list[j]; list[j] = list[j - 1]; list[j - 1] = t }
		}
		function median(list, n) { sorted(list, n); return n % 2 ? list[(n + 1) / 2] : (list[n / 2] + list[n / 2 + 1]) / 2 }
		function spread(list, n, m) { m = median(list, n); return sprintf("%.2f (%.2f to %.2f)", m, list[1], list[n]) }
		{
			a[NR] = $field / unit; b[NR] = $(field + 4) / unit; c[NR] = $(field + 8) / unit
			q[NR] = a[NR] / b[NR]; l[NR] = a[NR] / c[NR]; ca[NR] = $4; cb[NR] = $8; cc[NR] = $12
		}
		END {
			printf "%-34s %10.0f %10.0f %10.0f   %-22s %-22s %.1f %.1f %.1f\n", title, median(a, NR), median(b, NR), median(c, NR), spread(q, NR),
				spread(l, NR), median(ca, NR), median(cb, NR), median(cc, NR)
		}' rows
}
row 'random 4 KiB, depth 1, a second' 4k randread 1 1 ios
row 'random 4 KiB, depth 16, a second' 4k randread 16 1 ios
row 'random 4 KiB, depth 64, a second' 4k randread 64 1 ios
row 'random 4 KiB, 4 jobs of 16, a second' 4k randread 16 4 ios
row 'sequential 64 KiB, depth 8, MiB/s' 64k read 8 1 MiB
row 'sequential 1 MiB, depth 4, MiB/s' 1M read 4 1 MiB
