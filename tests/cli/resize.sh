#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-resize and vhdx-set: sizes with a look at partitions, parents that moved, identifiers.
. "$(dirname "$0")/support.sh"

size_of() {
	vhdx-inspect --json "$1" | sed -n 's/^ *"virtual_size": \([0-9]*\),*$/\1/p' | head -1
}

make_raw disk.raw 20
for file in a.vhdx b.vhd; do
	for type in fixed dynamic; do
		vhdx-create -q --type $type --from disk.raw $type-$file
		expect 0 vhdx-resize $type-$file 33M
		printed "$type-$file: 33 MiB, was 20 MiB"
		cp disk.raw large.raw
		truncate -s 33M large.raw
		vhdx-convert $type-$file - | cmp - large.raw || fail "$type-$file: the content is not the same"
		refuse 1 "see --force" vhdx-resize $type-$file 7M
		expect 0 vhdx-resize --force $type-$file -26M
		cp disk.raw small.raw
		truncate -s 7M small.raw
		vhdx-convert $type-$file - | cmp - small.raw || fail "$type-$file: the content of the smaller disk is not the same"
		expect 0 vhdx-inspect $type-$file
		if command -v qemu-img >/dev/null; then
			qemu-img compare -F raw -f $(case $file in *.vhd) echo vpc ;; *) echo vhdx ;; esac) $type-$file small.raw >/dev/null ||
				fail "$type-$file: QEMU reads something else"
		fi
	done
done
ok "sizes of every type"

vhdx-create -q disk.vhdx 1G
for text in 0 10X -2G +99999999999T; do
	refuse_status=0
	vhdx-resize disk.vhdx $text >"$stdout" 2>"$stderr" || refuse_status=$?
	[ $refuse_status = 1 ] || [ $refuse_status = 2 ] || fail "$text: exit status $refuse_status"
done
refuse 1 "64 TiB" vhdx-resize disk.vhdx 65T
refuse 2 "wants FILE" vhdx-resize disk.vhdx
refuse 2 "wants FILE" vhdx-resize --to-minimum disk.vhdx 1G
refuse 2 "may hold anything" vhdx-resize --ignore-parent-identity disk.vhdx 1G
expect 0 vhdx-resize -n disk.vhdx 2G
printed "disk.vhdx: would have 2 GiB, was 1 GiB"
[ "$(size_of disk.vhdx)" = 1073741824 ] || fail "a dry run changes the size"
ok "sizes that cannot be"

if command -v sfdisk >/dev/null; then
	truncate -s 100M gpt.raw
	printf 'label: gpt\n,40M,L\n' | sfdisk -q gpt.raw
	for file in gpt.vhdx gpt.vhd; do
		vhdx-create -q --from gpt.raw $file
		expect 0 vhdx-resize $file 300M
		vhdx-convert -q -f $file out.raw
		[ -z "$(sfdisk --verify out.raw 2>&1 | grep -i 'backup\|mismatch\|corrupt')" ] || fail "$file: $(sfdisk --verify out.raw 2>&1)"
		sfdisk -d out.raw | grep -q 'last-lba: 614366' || fail "$file: $(sfdisk -d out.raw | grep last-lba)"
		expect 0 vhdx-inspect $file
		expect 0 vhdx-resize --to-minimum $file
		vhdx-convert -q -f $file out.raw
		[ -z "$(sfdisk --verify out.raw 2>&1 | grep -i 'backup\|mismatch\|corrupt')" ] || fail "$file: $(sfdisk --verify out.raw 2>&1)"
		[ "$(stat -c %s out.raw)" -lt 45000000 ] || fail "$file: the minimum is $(stat -c %s out.raw)"
		refuse 1 "its partitions need" vhdx-resize $file 20M
	done
	ok "a GPT moves with the end"
else
	skip "GPT: no sfdisk"
fi

mkdir sub
for format in vhdx vhd; do
	vhdx-create -q --from /dev/null base.$format 10M
	vhdx-create -q --parent base.$format child.$format
	vhdx-create -q --parent child.$format leaf.$format
	mv base.$format sub/moved.$format
	expect 1 vhdx-convert leaf.$format out.raw
	expect 0 vhdx-set --parent sub/moved.$format child.$format
	printed "child.$format: changed"
	expect 0 vhdx-inspect leaf.$format
	vhdx-create -q stranger.$format 10M
	refuse 1 "not the parent" vhdx-set --parent stranger.$format child.$format
	refuse 1 "is the disk itself" vhdx-set -q --any-parent --parent child.$format child.$format
	expect 0 vhdx-create -q --parent child.$format grandchild.$format
	refuse 1 "is the disk itself, or has it" vhdx-set -q --any-parent --parent grandchild.$format child.$format
	rm grandchild.$format
	expect 0 vhdx-set -q --any-parent --parent stranger.$format child.$format
	expect 0 vhdx-inspect leaf.$format
	refuse 1 "has no parent" vhdx-set --parent stranger.$format sub/moved.$format
	expect 0 vhdx-set -q --disk-id 01234567-89ab-cdef-0123-456789abcdef stranger.$format
	expect 0 vhdx-inspect stranger.$format
	grep -q 01234567-89ab-cdef-0123-456789abcdef "$stdout" || fail "the identifier is not there"
done
refuse 2 "nothing to change" vhdx-set stranger.vhdx
refuse 2 "no GUID" vhdx-set --disk-id rubbish stranger.vhdx
refuse 1 "512 bytes only" vhdx-set --physical-sector 4096 stranger.vhd
ok "parents that moved, and identifiers"
finish
