#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-merge: chains into their parents, children linked, nobody orphaned unasked, and begun again after a kill.
. "$(dirname "$0")/support.sh"

# chain FORMAT NAMES...: a base and children, each with something of its own; NAME.raw is what each shows
chain() {
	local format=$1 before='' name i
	shift
	for name; do
		if [ -z "$before" ]; then
			make_raw "$name.raw" 20
			vhdx-create -q --from "$name.raw" "$name.$format"
		else
			cp "$before.raw" "$name.raw"
			for ((i = RANDOM % 3; i < 20; i += 4)); do
				head -c 50000 /dev/urandom | dd of="$name.raw" bs=1M seek=$i conv=notrunc status=none
			done
			vhdx-create -q --parent "$before.$format" "$name.$format"
			vhdx-test-put "$name.raw" "$name.$format"
		fi
		before=$name
	done
}

shows() {
	vhdx-convert "$1" - | cmp - "$2" || fail "$1 is not $2"
}

# Writes a raw file over a disk, through the library.
vhdx-test-put() {
	"$VHDX_TEST_RW" put "$2" "$1" || fail "cannot write $2"
}

[ -x "${VHDX_TEST_RW:-}" ] || { skip "without the test programs"; finish; }

for format in vhdx vhd; do
	chain $format a b c d
	expect 0 vhdx-merge --dry-run c.$format
	grep -q "d.$format: would be linked" "$stdout" || fail "the dry run does not know the child"
	shows d.$format d.raw
	expect 0 vhdx-merge -q c.$format
	quiet
	[ ! -e c.$format ] || fail "the merged file is there still"
	shows b.$format c.raw
	shows d.$format d.raw
	expect 0 vhdx-merge -q --into a.$format d.$format
	[ "$(echo ?.$format)" = a.$format ] || fail "files are left: $(echo ?.$format)"
	shows a.$format d.raw
	rm ./*
done
ok "one level, several levels, and the children of what was merged"

# A child that another program has open stops the merge before anything is changed; then it can be done again.
for format in vhdx vhd; do
	chain $format a b c
	vhdx-create -q --parent b.$format d.$format
	shows c.$format c.raw
	sha256sum ./*.$format >sums
	exec 9<>d.$format
	python3 -c '
import fcntl, struct
fcntl.fcntl(9, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))' || fail "cannot take a lock"
	refuse 1 "" vhdx-merge b.$format
	exec 9>&-
	sha256sum --quiet -c sums || fail "a merge that was refused changes something"
	expect 0 vhdx-merge -q b.$format
	shows c.$format c.raw
	expect 0 vhdx-convert -q d.$format d.raw
	[ ! -e b.$format ] || fail "the merged file is there still"
	rm ./*
done
ok "a child that is in use"

chain vhdx a b c
vhdx-create -q --parent a.vhdx other.vhdx
refuse 1 "other.vhdx is another child" vhdx-merge b.vhdx
refuse 1 "is not below" vhdx-merge --into other.vhdx c.vhdx
refuse 1 "has no parent" vhdx-merge a.vhdx
refuse 2 "not for changing" vhdx-merge --no-parents b.vhdx
expect 0 vhdx-merge -q --force b.vhdx
shows c.vhdx c.raw
expect 1 vhdx-convert other.vhdx out.raw
# also where the file is that changes, when that is another directory
for format in vhdx vhd; do
	mkdir vms snap
	vhdx-create -q vms/base.$format 8M
	vhdx-create -q --parent vms/base.$format vms/other.$format
	vhdx-create -q --parent vms/base.$format snap/child.$format
	refuse 1 "other.$format is another child" vhdx-merge snap/child.$format
	clean
done
ok "other children are not orphaned unasked"

chain vhdx a b c
mkdir far
mv c.vhdx far
vhdx-set -q --parent b.vhdx far/c.vhdx
expect 0 vhdx-merge -q --child far/c.vhdx b.vhdx
shows far/c.vhdx c.raw
ok "a child elsewhere is linked when it is named"

chain vhdx a b
expect 0 vhdx-merge -q --keep b.vhdx
shows a.vhdx b.raw
shows b.vhdx b.raw
ok "--keep"

for ((round = 0; round < 6; round++)); do
	chain vhdx a b c
	for ((try = 0; try < 2; try++)); do
		vhdx-merge -q --into a.vhdx c.vhdx 2>/dev/null &
		sleep 0.0$((RANDOM % 4 + 1))
		{ kill -KILL $! && wait $!; } 2>/dev/null || true
		[ ! -e c.vhdx ] || shows c.vhdx c.raw
	done
	if [ -e c.vhdx ]; then
		expect 0 vhdx-merge -q --into a.vhdx c.vhdx
	fi
	shows a.vhdx c.raw
	rm -rf ./*
done
ok "killed and begun again"
finish
