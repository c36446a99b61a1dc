#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Images made here, of every type, format, block size and sector size, are read by QEMU, libvhdi and 7-Zip as by ourselves. Needs $VHDX_BIN
# (the tools) and $VHDI_CAT (vhdi_cat built against libvhdi; skipped when empty). What a reader cannot do is listed, each with its reason, at the end.
set -euo pipefail
: "${VHDX_BIN:?}"
for tool in qemu-img 7z; do
	command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

checks=0
declare -A unsupported=()

fail() {
	echo "FAILED: $*" >&2
	exit 1
}

same() { # WHAT FILE: the raw content written to out by a reader
	cmp -s raw "$2" || fail "$1 reads another content"
	checks=$((checks + 1))
}

with_qemu() { # FORMAT IMAGE LOGICAL
	local driver=vhdx
	[ "$1" = vhd ] && driver=vpc
	if [ "$3" = 4096 ]; then
		qemu-img info -f "$driver" "$2" >/dev/null 2>&1 && fail "QEMU can read 4096-byte sectors now: $2"
		unsupported["QEMU: logical sectors of 4096 bytes"]=1
		return
	fi
	if [ "$driver" = vhdx ]; then
		qemu-img check -q -f vhdx "$2" || fail "qemu-img check $2"
	fi
	qemu-img compare -q -f raw -F "$driver" raw "$2" || fail "qemu-img compare $2"
	qemu-img convert -f "$driver" -O raw "$2" out
	truncate -s "$(stat -c %s raw)" out
	same "qemu-img convert of $2" out
}

with_libvhdi() { # IMAGE PARENT...
	if [ -z "${VHDI_CAT:-}" ]; then
		unsupported["libvhdi: not installed"]=1
		return
	fi
	"$VHDI_CAT" "$@" >out || fail "libvhdi cannot read $1"
	same "libvhdi on $1" out
}

with_7zip() { # FORMAT IMAGE
	7z e -so "-t$1" "$2" >out 2>err || fail "7-Zip cannot read $2: $(cat err)"
	same "7-Zip on $2" out
}

with_us() {
	"$VHDX_BIN/vhdx-convert" -q "$1" - >out
	same "vhdx-convert on $1" out
}

# 21 MiB, so that the last block of every size is cut: data at both ends, across 1 MiB borders, zeros between
make_raw() {
	truncate -s 21M raw
	for at in 0 1023 1500 8190 21503; do
		head -c 1024 /dev/urandom | dd of=raw bs=1K seek="$at" conv=notrunc status=none
	done
	head -c 3145728 /dev/urandom | dd of=raw bs=1K seek=10000 conv=notrunc status=none
}

one() { # FORMAT TYPE BLOCK LOGICAL
	local image="$1-$2-$3-$4.$1" child="child-$1-$2-$3-$4.$1" options=(--type "$2" --from raw)
	[ "$2" = fixed ] && [ "$1" = vhd ] || options+=(--block-size "$3")
	[ "$1" = vhd ] || options+=(--logical-sector "$4")
	"$VHDX_BIN/vhdx-create" -q "${options[@]}" "$image"
	with_us "$image"
	with_qemu "$1" "$image" "$4"
	with_libvhdi "$image"
	with_7zip "$1" "$image"
	"$VHDX_BIN/vhdx-create" -q --parent "$image" "$child"
	with_us "$child"
	if [ "$1" = vhd ]; then
		with_libvhdi "$child" "$image"
	else
		unsupported["libvhdi: a VHDX child without a sector bitmap block (it takes the file's first bytes for one: E-43)"]=1
	fi
	with_7zip "$1" "$child"
	unsupported["QEMU: differencing disks (VHDX refused; VHD read without its parent)"]=1
	rm -f "$image" "$child"
}

make_raw
for block in 1M 2M 32M 256M; do
	for logical in 512 4096; do
		one vhdx fixed "$block" "$logical"
		one vhdx dynamic "$block" "$logical"
	done
done
one vhd fixed 2M 512
for block in 512K 2M 4M 16M; do
	one vhd dynamic "$block" 512
done
for reason in "${!unsupported[@]}"; do
	echo "not compared: $reason"
done
echo "$checks readings agree"
