#!/bin/bash
# SPDX-License-Identifier: MIT
# Files left dirty by us are replayed by QEMU to the content that our own replay gives, QEMU's dirty files by us; QEMU's images are taken over and continued.
#   dirty.sh CRASH RW     the programs of tests/crash and tests/interop/rw.c; needs qemu-img and qemu-io, else status 77
set -u
crash=$1 rw=$2
command -v qemu-img >/dev/null && command -v qemu-io >/dev/null || exit 77
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0 done=0
wrong() { echo "WRONG: $*"; failures=$((failures + 1)); }
same() { # image raw what
	done=$((done + 1))
	qemu-img check -f vhdx "$1" >"$dir/out" 2>&1 || wrong "$3: qemu-img check: $(tail -1 "$dir/out")"
	qemu-img compare -f vhdx -F raw "$1" "$2" >"$dir/out" 2>&1 || wrong "$3: $(tail -1 "$dir/out")"
}

# 1. States after a crash of ours, replayed by QEMU.
for kind in vhdx-dynamic-512 vhdx-fixed-512; do
	"$crash" --kind $kind --dump "$dir" --length 2 --random 2 >/dev/null || wrong "crash --dump"
done
for image in "$dir"/vhdx-*.vhdx; do
	qemu-img check -f vhdx -r all "$image" >"$dir/out" 2>&1 || wrong "$(basename "$image"): qemu-img check -r all: $(tail -1 "$dir/out")"
	same "$image" "${image%.vhdx}.raw" "$(basename "$image") replayed by QEMU"
done
echo "$done crash states replayed by QEMU"

# 2. A writer of ours is killed behind its flush.
for subformat in dynamic fixed; do
	image=$dir/killed-$subformat.vhdx
	qemu-img create -q -f vhdx -o subformat=$subformat,block_size=1M "$image" 16M || wrong "create"
	truncate -s 16M "$dir/model"
	( "$rw" write "$image" 0x10000 8192 0x11 0x500000 100000 0x22 kill ) 2>/dev/null
	head -c 8192 /dev/zero | tr '\0' '\21' | dd of="$dir/model" bs=64K seek=1 conv=notrunc status=none
	head -c 100000 /dev/zero | tr '\0' '\42' | dd of="$dir/model" bs=1M seek=5 conv=notrunc status=none
	cp "$image" "$dir/ours.vhdx"
	"$rw" cat "$dir/ours.vhdx" | cmp - "$dir/model" || wrong "killed $subformat: our replay"
	same "$dir/ours.vhdx" "$dir/model" "killed $subformat, our replay"
	qemu-img check -f vhdx -r all "$image" >"$dir/out" 2>&1 || wrong "killed $subformat: qemu-img check -r all: $(tail -1 "$dir/out")"
	same "$image" "$dir/model" "killed $subformat, QEMU's replay"

	# 3. QEMU goes on and is killed; we replay and go on.
	qemu-io -f vhdx -c 'write -P 0x33 6M 64k' -c 'write -P 0x44 9M 4k' -c flush -c abort "$image" >/dev/null 2>&1
	head -c 65536 /dev/zero | tr '\0' '\63' | dd of="$dir/model" bs=1M seek=6 conv=notrunc status=none
	head -c 4096 /dev/zero | tr '\0' '\104' | dd of="$dir/model" bs=1M seek=9 conv=notrunc status=none
	"$rw" cat "$image" | cmp - "$dir/model" || wrong "aborted QEMU $subformat: our replay"
	"$rw" write "$image" 0x900000 512 0x55 0xf00000 1048576 0x66 || wrong "going on"
	head -c 512 /dev/zero | tr '\0' '\125' | dd of="$dir/model" bs=1M seek=9 conv=notrunc status=none
	head -c 1048576 /dev/zero | tr '\0' '\146' | dd of="$dir/model" bs=1M seek=15 conv=notrunc status=none
	same "$image" "$dir/model" "QEMU's $subformat continued by us"
	rm -f "$dir/model"
done
echo "$done images compared, $failures wrong"
[ $failures = 0 ]
