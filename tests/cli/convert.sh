#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-convert: any image or chain to raw, into a sparse file or to standard output.
. "$(dirname "$0")/support.sh"

blocks() {
	stat -c %b "$1"
}

make_raw disk.raw 20
for file in a.vhdx b.vhd; do
	for type in fixed dynamic; do
		vhdx-create -q --type $type --from disk.raw $type-$file
		cp $type-$file before
		expect 0 vhdx-convert $type-$file $type-$file.raw
		quiet
		same $type-$file.raw disk.raw
		same $type-$file before
		vhdx-convert $type-$file - | cmp - disk.raw || fail "standard output differs"
	done
done
vhdx-create -q --type dynamic --logical-sector 4096 --block-size 1M --from disk.raw c.vhdx
expect 0 vhdx-convert c.vhdx c.raw
same c.raw disk.raw
ok "VHDX and VHD, fixed and dynamic"

make_raw disk.raw 20
vhdx-create -q --from disk.raw base.vhdx
vhdx-create -q --parent base.vhdx child.vhdx
mkdir sub
vhdx-create -q --size 30M --parent child.vhdx sub/grandchild.vhdx
cp disk.raw large.raw
truncate -s 30M large.raw
expect 0 vhdx-convert sub/grandchild.vhdx out.raw
same out.raw large.raw
mv base.vhdx sub
refuse 1 "base.vhdx" vhdx-convert sub/grandchild.vhdx lost.raw
refuse 1 "base.vhdx" vhdx-convert sub/grandchild.vhdx -
grep -q '^  .*base.vhdx: ' "$stderr" || fail "the places tried are not listed"
expect 0 vhdx-convert --search sub sub/grandchild.vhdx found.raw
same found.raw large.raw
expect 0 vhdx-convert --parent-file child.vhdx --parent-file sub/base.vhdx sub/grandchild.vhdx given.raw
same given.raw large.raw
vhdx-create -q --no-parents --parent child.vhdx --parent-absolute 'D:\disks\child.vhdx' mapped.vhdx
refuse 1 "" vhdx-convert mapped.vhdx mapped.raw
expect 0 vhdx-convert --map 'd:\disks=.' --search sub mapped.vhdx mapped.raw
same mapped.raw disk.raw
refuse 1 "" vhdx-convert --parent-root sub --search sub sub/grandchild.vhdx root.raw
refuse 2 "would lose" vhdx-convert --no-parents sub/grandchild.vhdx out2.raw
ok "chains, and how parents are found"

truncate -s 1T hole.raw
printf data | dd of=hole.raw bs=1 seek=$((1 << 39)) conv=notrunc status=none
vhdx-create -q --from hole.raw hole.vhdx
expect 0 timeout 20 vhdx-convert hole.vhdx out.raw
[ "$(stat -c %s out.raw)" = $((1 << 40)) ] || fail "the size is $(stat -c %s out.raw)"
[ "$(blocks out.raw)" -le 64 ] || fail "holes take space"
(dd bs=1 skip=$((1 << 39)) count=4 if=out.raw status=none; echo) | grep -qx data || fail "the data is lost"
(head -c 500000 /dev/urandom; head -c 30000000 /dev/zero; printf end) >disk.img
truncate -s 31M disk.img
vhdx-create -q --type fixed --preallocate full --from disk.img fixed.vhd
expect 0 vhdx-convert fixed.vhd zeros.raw
same zeros.raw disk.img
[ "$(blocks zeros.raw)" -le 1200 ] || fail "written zeros take space"
expect 0 timeout 20 vhdx-convert hole.raw copy.raw
[ "$(blocks copy.raw)" -le 64 ] || fail "holes of a raw file take space"
ok "sparse"

vhdx-create -q disk.vhdx 10M
truncate -s 10M disk.raw
echo precious >out.raw
refuse 1 "out.raw: exists already; --force" vhdx-convert disk.vhdx out.raw
chmod 640 out.raw
expect 0 vhdx-convert --force disk.vhdx out.raw
same out.raw disk.raw
[ "$(stat -c %a out.raw)" = 640 ] || fail "--force changes the permissions"
files_are disk.raw disk.vhdx out.raw
refuse 1 "disk.vhdx" vhdx-convert disk.vhdx disk.vhdx
refuse 1 "part of the source" vhdx-convert -f disk.vhdx disk.vhdx
vhdx-create -q --parent disk.vhdx child.vhdx
refuse 1 "part of the source" vhdx-convert -f child.vhdx disk.vhdx
ln -s out.raw link.raw
refuse 1 "is a symbolic link" vhdx-convert -f disk.vhdx link.raw
mkdir dir.raw
refuse 1 "is not a regular file" vhdx-convert -f disk.vhdx dir.raw
refuse 1 "nowhere/out.raw" vhdx-convert disk.vhdx nowhere/out.raw
ok "--force"

vhdx-create -q disk.vhdx 10M
head -c 1000000 /dev/urandom >noise
refuse 1 "noise" vhdx-convert noise out.raw
refuse 1 "noise" vhdx-convert noise -
expect 0 vhdx-convert --from-format raw noise out.raw
same out.raw noise
head -c 200000 disk.vhdx >short.vhdx
refuse 3 "short.vhdx" vhdx-convert short.vhdx -
refuse 1 "none.vhdx" vhdx-convert none.vhdx out2.raw
refuse 2 "wants SOURCE and DEST" vhdx-convert disk.vhdx
refuse 2 "wants SOURCE and DEST" vhdx-convert disk.vhdx a b
refuse 2 "is no option" vhdx-convert --to raw disk.vhdx a
refuse 2 "the format of an image is" vhdx-convert --from-format qcow2 disk.vhdx a.raw
refuse 2 "--format is vhdx, vhd or raw" vhdx-convert --format qcow2 disk.vhdx a
expect 0 vhdx-convert --help
grep -q -- --parent-file "$stdout" || fail "--help is not complete"
expect 0 vhdx-convert --version
if [ -w /dev/full ]; then
	status=0
	vhdx-convert disk.vhdx - >/dev/full 2>"$stderr" || status=$?
	[ $status = 1 ] && grep -q "standard output" "$stderr" || fail "a full standard output is not noticed"
fi
vhdx-create -q large.vhdx 1T
expect 0 bash -c 'vhdx-convert large.vhdx - | head -c 10 | wc -c'
printed 10
ok "mistakes, and ends of standard output"

head -c 200000000 /dev/urandom >disk.img
truncate -s 200M disk.img
vhdx-create -q --from disk.img disk.vhdx
vhdx-create -q base.vhdx 200M
echo precious >out.raw
cp out.raw copy
for signal in INT TERM HUP; do
	for out in new.raw "-f out.raw" new.vhdx new.vhd.gz new.vhdx.gz "--parent base.vhdx new.vhdx"; do
		set -m
		# shellcheck disable=SC2086
		vhdx-convert disk.vhdx $out >"$stdout" 2>"$stderr" &
		child=$!
		set +m
		until compgen -G '.vhdx-convert-*' >/dev/null || [ -e new.raw ]; do :; done
		kill -$signal $child || fail "ends before it is interrupted"
		status=0
		{ wait $child || status=$?; } 2>/dev/null
		[ $status != 0 ] || fail "an interrupted run ends with exit status 0"
		same out.raw copy
		files_are base.vhdx copy disk.img disk.vhdx out.raw
	done
done
ok "an interrupted run leaves nothing"

if ! command -v qemu-img >/dev/null; then
	skip "no qemu-img"
	finish
fi
make_raw disk.raw 40
for options in "-O vhdx" "-O vhdx -o subformat=fixed" "-O vpc -o force_size=on" "-O vpc -o subformat=fixed,force_size=on"; do
	# shellcheck disable=SC2086
	qemu-img convert $options disk.raw theirs
	expect 0 vhdx-convert -f theirs ours.raw
	same ours.raw disk.raw
done
ok "what QEMU makes"

finish
