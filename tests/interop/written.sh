#!/bin/bash
# SPDX-License-Identifier: MIT
# Images that we wrote into (not only made), of every format, type, block and sector size: scattered and overlapping writes, zeros, discards, several sessions. They
# pass `qemu-img check` and read in QEMU, libvhdi and 7-Zip as a raw file that got the same writes. Images made and written by qemu-io are continued by us.
#   written.sh RW BIN    tests/interop/rw.c, and the directory of the tools; $VHDI_CAT as in readers.sh. Needs qemu-img, qemu-io and 7z, else status 77
# What a reader cannot do is left out: sectors of 4,096 bytes and differencing disks in QEMU, and in libvhdi the latter, whose sector bitmaps it misreads (E-37).
set -u
rw=$1 bin=$2
for tool in qemu-img qemu-io 7z; do
	command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
[ ! -w /dev/shm ] || export TMPDIR=${TMPDIR:-/dev/shm} # many small flushes
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
readings=0 images=0 RANDOM=20240229
fail() { echo "FAILED: $*" >&2; exit 1; }

same() { # WHAT: out is what it read
	cmp -s model out || fail "$1 reads something else"
	readings=$((readings + 1))
}

read_by_all() { # FORMAT IMAGE LOGICAL [PARENT]
	local driver=vhdx
	[ "$1" = vhd ] && driver=vpc
	"$bin/vhdx-convert" -q "$2" - >out || fail "vhdx-convert $2"
	same "vhdx-convert of $2"
	if [ "$3" = 512 ] && [ -z "${4-}" ]; then
		[ "$1" = vhd ] || qemu-img check -q -f vhdx "$2" >err 2>&1 || fail "qemu-img check $2: $(cat err)"
		qemu-img convert -f $driver -O raw "$2" out || fail "qemu-img convert $2"
		truncate -s "$(stat -c %s model)" out
		same "QEMU on $2"
	fi
	if [ -n "${VHDI_CAT:-}" ] && [ -z "${4-}" ]; then
		"$VHDI_CAT" "$2" >out || fail "libvhdi cannot read $2"
		same "libvhdi on $2"
	fi
	7z e -so "-t$1" "$2" >out 2>err || fail "7-Zip cannot read $2: $(cat err)"
	same "7-Zip on $2"
}

# A session of ours with so many changes, and the same to the model: writes of odd places and lengths that overlap, zeros, and discards of what is zeros already.
session() { # IMAGE CHANGES
	local words=() at length byte long
	for _ in $(seq "$2"); do
		at=$((RANDOM * 640 % (21 * 1048576 - 300000))) length=$((RANDOM % 3 == 0 ? RANDOM * 8 : RANDOM % 5000 + 1)) byte=$((RANDOM % 255 + 1))
		[ $((RANDOM % 6)) != 0 ] || byte=0
		words+=("$at" "$length" "$byte")
		[ $((RANDOM % 5)) != 0 ] || words+=(0 0 flush)
		long=$((length * 50 % 4000000))
		[ $((at + long)) -le $((21 * 1048576)) ] || long=$((21 * 1048576 - at))
		[ $((RANDOM % 9)) != 0 ] || words+=("$at" $long zero "$at" $long discard)
	done
	"$rw" write "$1" "${words[@]}" || fail "rw write $1"
	"$rw" raw model "${words[@]}" || fail "rw raw"
}

# every block size, more for the smaller ones, which allocate more
ours() { # FORMAT TYPE BLOCK LOGICAL [PARENT]
	local image="$1-$2-$3-$4${5:+-child}.$1" options=(--type "$2")
	[ "$2$1" = fixedvhd ] || options+=(--block-size "$3")
	[ "$1" = vhd ] || options+=(--logical-sector "$4")
	[ -n "${5-}" ] && options=(--parent "$5")
	[ -n "${5-}" ] || { rm -f model; truncate -s 21M model; options+=(--size 21M); }
	"$bin/vhdx-create" -q "${options[@]}" "$image" || fail "vhdx-create $image"
	session "$image" 40
	session "$image" 15
	read_by_all "$1" "$image" "$4" "${5-}"
	images=$((images + 1))
	[ -n "${5-}" ] || { [ "$2" = dynamic ] && ours "$1" differencing "$3" "$4" "$image"; }
	rm -f "$image"
}

for block in 1M 2M 32M; do
	for logical in 512 4096; do
		ours vhdx dynamic $block $logical
	done
done
ours vhdx fixed 1M 512
ours vhdx fixed 2M 4096
ours vhd fixed 2M 512
for block in 512K 2M 8M; do
	ours vhd dynamic $block 512
done

# Made and written by QEMU, continued by us, then by QEMU, and by us again.
theirs() { # FORMAT DRIVER OPTIONS
	local image="theirs.$1" args=() at
	rm -f model
	truncate -s 21M model
	qemu-img create -q -f "$2" -o "$3" "$image" 21M || fail "qemu-img create $3"
	for turn in 1 2; do
		args=()
		for _ in $(seq 12); do
			at=$((RANDOM * 640 / 512 * 512 % (20 * 1048576)))
			args+=(-c "write -q -P $((RANDOM % 255 + 1)) $at $((RANDOM % 100 * 512 + 512))")
		done
		qemu-io -f "$2" "${args[@]}" "$image" || fail "qemu-io $image"
		qemu-io -f raw "${args[@]}" model || fail "qemu-io model"
		session "$image" 20
		read_by_all "$1" "$image" 512
	done
	images=$((images + 1))
	rm -f "$image"
}

theirs vhdx vhdx subformat=dynamic,block_size=1M
theirs vhdx vhdx subformat=dynamic,block_size=8M
theirs vhdx vhdx subformat=fixed,block_size=1M
theirs vhd vpc subformat=dynamic,force_size=on
theirs vhd vpc subformat=fixed,force_size=on
echo "$images images, $readings readings agree"
