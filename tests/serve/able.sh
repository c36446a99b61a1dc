#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Whether this machine can do what a test needs, tried with other programs than ours:
#
#     tests/serve/able.sh fuse|loop|ext4|xfs|btrfs|ntfs...
#
# fuse: a FUSE filesystem can be mounted. loop: as root, a filesystem in a file can be mounted. The others: this filesystem can be made and mounted. Exit
# status 1, and the reason on standard output, when something cannot.
set -u
PATH=$PATH:/usr/sbin:/sbin
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

unable() {
	echo "$*"
	exit 1
}

able_fuse() {
	# the device can be there and not work, as in most containers
	{ exec 9<>/dev/fuse; } 2>/dev/null || unable "FUSE cannot be used here: /dev/fuse cannot be opened"
	exec 9>&-
	if [ "$(id -u)" = 0 ]; then
		mount -t tmpfs none "$dir" 2>/dev/null || unable "FUSE cannot be used here: mounting is not permitted"
		umount "$dir"
	else
		command -v fusermount3 >/dev/null || unable "FUSE cannot be used here: there is no fusermount3"
	fi
}

able_loop() {
	[ "$(id -u)" = 0 ] || unable "filesystems cannot be mounted here: not root"
	truncate -s 16M "$dir/raw"
	mkdir "$dir/at"
	mkfs.ext4 -q "$dir/raw" 2>/dev/null || unable "filesystems cannot be mounted here: there is no mkfs.ext4"
	mount -o loop "$dir/raw" "$dir/at" 2>/dev/null || unable "filesystems cannot be mounted here: the loop driver does not work"
	umount "$dir/at"
}

able_kernel() {
	command -v "mkfs.$1" >/dev/null || unable "there is no mkfs.$1 here"
	modprobe -q "$1" 2>/dev/null || true
	grep -qw "$1" /proc/filesystems || unable "this kernel does not know $1"
}

able_ext4() {
	able_kernel ext4
}

able_xfs() {
	able_kernel xfs
}

able_btrfs() {
	able_kernel btrfs
}

able_ntfs() {
	command -v mkntfs >/dev/null && command -v ntfs-3g >/dev/null || unable "there is no ntfs-3g here"
}

for what in "$@"; do
	"able_$what"
done
