#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The kernel's own filesystems on our disks: made, filled, unmounted, mounted again, compared, checked by their own checkers, trimmed; and what came out
# read by QEMU. ext4, XFS, btrfs and NTFS on dynamic VHDX, differencing VHDX and dynamic VHD.
#
#     filesystems.sh [FILESYSTEM...]
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"
able fuse loop
if [ $# = 0 ]; then
	set -- ext4 xfs btrfs ntfs
fi
mkdir "$scratch/m"
m=$scratch/m
size=512M

make() {
	case $1 in
	ext4) mkfs.ext4 -q -F "$2" ;;
	xfs) mkfs.xfs -q -f "$2" ;;
	btrfs) mkfs.btrfs -q -f "$2" ;;
	ntfs) mkntfs -q -Q -F "$2" ;;
	esac >"$stdout" 2>"$stderr" || fail "$1 cannot be made"
}

check() {
	case $1 in
	ext4) e2fsck -fn "$2" ;;
	xfs) xfs_repair -n -f "$2" ;;
	btrfs) btrfs check --readonly "$2" ;;
	ntfs) ntfsfix -n "$2" ;;
	esac >"$stdout" 2>"$stderr" || { tail -n 20 "$stdout"; fail "$1: its checker finds errors"; }
}

# The sources of this project, and files of many sizes.
make_tree() {
	local i
	mkdir tree
	cp -a "$serve_tests/.." "$serve_tests/../../libvhdx" "$serve_tests/../../specs" tree
	for ((i = 0; i < 40; i++)); do
		head -c $((RANDOM * 30 + i)) /dev/urandom >tree/random$i
	done
	truncate -s 5M tree/hole
	printf end >>tree/hole
	ln tree/random1 tree/link
	ln -s random2 tree/symlink
}

make_image() {
	case $1 in
	dynamic.vhdx) vhdx-create -q --block-size 1M $1 $size ;;
	dynamic.vhd) vhdx-create -q $1 $size ;;
	child.vhdx)
		vhdx-create -q --block-size 2M base.vhdx $size
		expect 0 vhdx-mount -w base.vhdx $m
		# the parent holds something everywhere, which the child's zeros and trims must hide
		dd if=/dev/urandom of=$m/disk bs=1M count=80 conv=notrunc status=none
		expect 0 vhdx-mount -u $m
		vhdx-create -q --parent base.vhdx $1
		;;
	esac
}

used() {
	du -k "$1" | cut -f 1
}

one() { # FILESYSTEM IMAGE
	local filesystem=$1 image=$2 full
	make_image "$image"
	expect 0 vhdx-mount -w $image $m
	make $filesystem $m/disk
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount --fs -w $image $m
	cp -a tree $m
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount --fs $image $m
	diff -r --no-dereference tree $m/tree >"$stdout" 2>"$stderr" || { head "$stdout"; fail "$filesystem on $image: the files differ"; }
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount $image $m
	check $filesystem $m/disk
	if [ $image != child.vhdx ]; then
		# QEMU takes the size of a VHD from its footer when it knows the creator, and we are "win "
		expect 0 qemu-img compare -f $([ $image = dynamic.vhd ] && echo vpc || echo vhdx) -F raw $image $m/disk
	fi
	expect 0 vhdx-mount -u $m
	full=$(used $image)
	expect 0 vhdx-mount --fs -w $image $m
	rm -rf $m/tree/random[1-3]*
	expect 0 vhdx-mount -u $m # some free the space of a removed file only later
	expect 0 vhdx-mount --fs -w $image $m
	if [ $filesystem != ntfs ]; then # ntfs-3g trims block devices alone when they tell it how
		fstrim $m || fail "fstrim of $filesystem on $image"
	fi
	expect 0 vhdx-mount -u $m
	if [ $filesystem != ntfs ]; then
		[ "$(used $image)" -lt $((full - 6000)) ] || fail "$filesystem on $image: fstrim leaves $(used $image) KiB of $full"
		echo "     $filesystem on $image: $full KiB before fstrim, $(used $image) behind"
	fi
	expect 0 vhdx-mount --fs $image $m
	rm -rf left
	cp -a tree left
	rm -rf left/random[1-3]*
	diff -r --no-dereference left $m/tree >"$stdout" 2>"$stderr" || fail "$filesystem on $image: the files differ behind fstrim"
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount $image $m
	check $filesystem $m/disk
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-inspect --all $image
	rm -rf left *.vhdx *.vhd
}

for filesystem; do
	if ! reason=$("$serve_tests/able.sh" $filesystem); then
		skip "$reason"
		continue
	fi
	make_tree
	for image in dynamic.vhdx child.vhdx dynamic.vhd; do
		one $filesystem $image
	done
	ok "$filesystem on dynamic VHDX, differencing VHDX, dynamic VHD"
done
finish
