#!/bin/bash
# SPDX-License-Identifier: MIT
#
# From nothing to an inspected disk: see --help.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

usage() {
	cat <<'TEXT'
usage: tools/demo.sh [--keep DIR]

Installs what is missing (gcc, cmake, ninja, zlib, xxHash, e2fsprogs), builds the programs in build/demo, and makes a disk
with an ext4 filesystem on it and a differencing child, inspects both and reads the child back.

  --keep DIR   leave the disks in DIR, which must be new or empty; without it they are removed at the end
TEXT
}

keep=
while [ $# -gt 0 ]; do
	case $1 in
	--keep) [ $# -gt 1 ] || { usage >&2; exit 2; }; keep=$2; shift ;;
	-h | --help) usage; exit 0 ;;
	*) usage >&2; exit 2 ;;
	esac
	shift
done
if [ -n "$keep" ]; then
	mkdir -p "$keep"
	[ -z "$(ls -A "$keep")" ] || { echo "demo: $keep is not empty" >&2; exit 1; }
	place=$(cd "$keep" && pwd)
else
	place=$(mktemp -d)
	trap 'rm -rf "$place"' EXIT
fi

say() {
	printf '\n# %s\n' "$*"
}

# Shows a command as one would type it, and runs it.
run() {
	printf '$ %s\n' "$1"
	bash -c "$1"
}

"$root/tools/setup.sh" gcc libc6-dev cmake ninja-build zlib1g-dev libxxhash-dev e2fsprogs
log=$(mktemp)
trap 'rm -f "$log"; [ -n "$keep" ] || rm -rf "$place"' EXIT
printf 'building in build/demo ... '
SECONDS=0
cmake -G Ninja -S "$root" -B "$root/build/demo" -DVHDX_BUILD_TESTS=OFF -DVHDX_BUILD_SHARED=OFF >"$log" 2>&1 &&
	cmake --build "$root/build/demo" >>"$log" 2>&1 || { echo failed; tail -n 30 "$log"; exit 1; }
echo "done, $SECONDS s"

PATH=$root/build/demo/bin:$PATH:/usr/sbin:/sbin
cd "$place"
mkdir files
echo 'Hello from inside a virtual disk.' >files/hello.txt
cp "$root/README.md" "$root/LICENSE" files

say "a raw image with an ext4 filesystem"
run 'mkfs.ext4 -q -d files root.raw 64M'
say "the same as a dynamic VHDX, and a differencing child of it"
run 'vhdx-create --from root.raw --block-size 1M base.vhdx'
run 'vhdx-create --parent base.vhdx child.vhdx'
say "what they are"
run 'vhdx-inspect base.vhdx'
echo
run 'vhdx-inspect child.vhdx'
say "the content of the child, read through its parent"
run 'vhdx-convert child.vhdx copy.raw'
run 'cmp copy.raw root.raw && echo the same bytes'
run 'debugfs -R "cat /hello.txt" copy.raw 2>/dev/null'

printf '\nThe programs are in build/demo/bin; each explains itself with --help, and more in its manual:\n'
printf '    man -l tools/inspect/vhdx-inspect.1\n'
if [ -n "$keep" ]; then
	echo "The disks are in $keep."
else
	echo "The disks are removed now; tools/demo.sh --keep DIR leaves them in DIR."
fi
echo "Next: README.md for a tour, tests/run.sh to run all tests."
