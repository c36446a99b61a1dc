#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-convert on filesystems that share data, and onto block devices. Needs root and loop devices; without them the exit status is 77.
. "$(dirname "$0")/support.sh"

[ "$(id -u)" = 0 ] || { skip "needs root" && finish; }
loops=() mounts=()
release() {
	local it
	for it in "${mounts[@]}"; do umount "$it" 2>/dev/null || umount -l "$it" || true; done
	for it in "${loops[@]}"; do losetup -d "$it" || true; done
	mounts=() loops=()
}
trap 'cd /; release; chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT

truncate -s 1M probe
if ! loop=$(losetup -f --show probe 2>/dev/null); then
	skip "no loop devices" && finish
fi
losetup -d "$loop"
rm probe

# loop FILE: its device in $loop
loop() {
	loop=$(losetup -f --show "$1") || fail "no loop device for $1"
	loops+=("$loop")
}

# Bytes of data extents of a file that are its own, in blocks of 512.
unshared() {
	filefrag -v "$1" 2>/dev/null | awk '/^ *[0-9]+:/ && !/shared|unwritten/ { gsub(":", ""); sum += $6 } END { print sum * 8 + 0 }'
}

tested=
for filesystem in btrfs xfs; do
	command -v mkfs.$filesystem >/dev/null || continue
	truncate -s 600M host.img
	case $filesystem in
	btrfs) mkfs.btrfs -q host.img ;;
	xfs) mkfs.xfs -q -m reflink=1 host.img ;;
	esac >/dev/null 2>&1
	mkdir -p mnt
	loop host.img
	if ! mount -t $filesystem "$loop" mnt 2>/dev/null; then
		echo "     this kernel cannot mount $filesystem"
		release
		clean
		continue
	fi
	mounts+=("$PWD/mnt")
	make_raw mnt/disk.raw 40
	cp mnt/disk.raw disk.raw
	fallocate -l 4M mnt/disk.raw # the first extent is large
	head -c 8M /dev/urandom | dd of=mnt/disk.raw conv=notrunc status=none bs=1M
	cp mnt/disk.raw disk.raw
	for step in "disk.raw a.vhdx" "--block-size_1M a.vhdx b.vhdx" "b.vhdx c.vhd" "--type_fixed c.vhd d.vhd" "--type_fixed d.vhd e.vhdx" "e.vhdx f.raw" \
		"-f f.raw f.raw"; do
		read -ra words <<<"${step//_/ }"
		if [ "$step" = "-f f.raw f.raw" ]; then
			(cd mnt && refuse 1 "part of the source" vhdx-convert -f f.raw f.raw)
			continue
		fi
		(cd mnt && expect 0 vhdx-convert -q --verify "${words[@]}")
		to=mnt/${words[-1]}
		holds "$to" disk.raw
		sync
		[ "$(unshared "$to")" -le 2048 ] || fail "$filesystem: $step: $(unshared "$to") blocks are not shared"
	done
	same mnt/f.raw disk.raw
	printf x | dd of=mnt/f.raw bs=1 conv=notrunc status=none # sharing is not aliasing
	holds mnt/a.vhdx disk.raw
	# from another filesystem: copied
	expect 0 vhdx-convert -q disk.raw mnt/copied.vhdx
	holds mnt/copied.vhdx disk.raw
	release
	clean
	ok "shares on $filesystem"
	tested=yes
done

make_raw disk.raw 20
vhdx-create -q --from disk.raw a.vhdx
head -c 30M /dev/urandom >device.img
cp device.img before.img
loop device.img
device=$loop
refuse 1 "--force overwrites" vhdx-convert a.vhdx "$device"
refuse 1 "raw content only" vhdx-convert -f --format vhdx a.vhdx "$device"
expect 0 vhdx-convert -f --verify a.vhdx "$device"
quiet
blockdev --flushbufs "$device"
cmp -n 20971520 device.img disk.raw || fail "the device holds something else"
cmp -i 20971520 device.img before.img || fail "the device was written beyond the disk"
refuse 1 "holds a part of the source" vhdx-convert -f device.img "$device"
refuse 1 "holds a part of the source" vhdx-convert -f --share "$device" "$device"
expect 0 vhdx-convert -q "$device" --size 30M b.vhdx
cmp -n 20971520 <(vhdx-convert b.vhdx -) disk.raw || fail "a device as source"
truncate -s 40M large.raw
vhdx-create -q --from large.raw large.vhdx
refuse 1 "fewer than" vhdx-convert -f large.vhdx "$device"
# A copy that fails has no beginning.
head -c 20M /dev/urandom >noise.raw
if [ -n "${BADIO_LIBRARY-}" ]; then
	expect 1 env LD_PRELOAD="$BADIO_LIBRARY" BADIO="pwrite 30 5" ASAN_OPTIONS=verify_asan_link_order=0 vhdx-convert -f noise.raw "$device"
	blockdev --flushbufs "$device"
	cmp -n 1048576 device.img /dev/zero || fail "half a copy looks whole"
fi
mkfs.ext4 -q "$device" 2>/dev/null
mkdir -p mnt
if mount "$device" mnt 2>/dev/null; then
	mounts+=("$PWD/mnt")
	refuse 1 "is mounted" vhdx-convert -f a.vhdx "$device"
fi
release
ok "block devices"
[ -n "$tested" ] || skip "no filesystem that shares"
finish
