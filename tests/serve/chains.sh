#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every checkpoint chain among the real images ($VHDX_SAMPLES) is mounted, and its files are listed: by the kernel, or by ntfs-3g, or where this machine
# knows the filesystem in neither way, by 7-Zip out of the file that stands for the partition.
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"
if [ -z "${VHDX_SAMPLES-}" ] || [ ! -d "${VHDX_SAMPLES-}" ]; then
	echo 'skip - there are no real images: VHDX_SAMPLES is not set to their directory'
	exit 77
fi
able fuse
mkdir "$scratch/m"
m=$scratch/m

# The files that 7-Zip lists in one of the files of the mount.
listed() {
	7z l -slt "$1" 2>/dev/null | sed -n 's/^Path = //p' | tail -n +2
}

chains=0
for image in "$VHDX_SAMPLES"/*; do
	name=$(basename "$image") options=()
	case $name in
	*.vhd | *.vhdx | *.avhd | *.avhdx) ;;
	*) continue ;;
	esac
	vhdx-inspect --ignore-checksums "$image" >"$stdout" 2>&1 || true
	# "Chain 2 files", or the one that stores no path to its parent
	if ! grep -qE '^Chain +[2-9]' "$stdout"; then
		[ "$name" = image-differential.vhd ] || continue
		options=(--parent-file "$VHDX_SAMPLES/image.vhd")
	fi
	case $name in
	image-differential.vhd) options+=(--ignore-checksums) ;; # hand-made, and refused otherwise
	esac
	expect 0 vhdx-mount "${options[@]}" "$image" $m
	[ -e $m/parent1/disk ] || fail "$name: its parent is not shown"
	same <(vhdx-convert "${options[@]}" "$image" -) $m/disk
	file=$m/disk
	[ ! -e $m/p1 ] || file=$m/p1
	files=$(listed $file | wc -l) how=7-Zip
	expect 0 vhdx-mount -u $m
	if "$serve_tests/able.sh" loop >/dev/null && vhdx-mount --fs "${options[@]}" "$image" $m 2>"$stderr"; then
		files=$(find $m -mindepth 1 | wc -l) how=mounted
		expect 0 vhdx-mount -u $m
	fi
	[ "$files" -gt 0 ] || fail "$name: no files are found"
	echo "     $name: $files files ($how)"
	chains=$((chains + 1))
done
[ $chains -gt 0 ] || fail 'no chains are found'
ok "$chains chains"
finish
