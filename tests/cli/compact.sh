#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-compact: files become smaller and nothing that is used changes; filesystems are understood, and left alone when they are not clean.
. "$(dirname "$0")/support.sh"
PATH=$PATH:/usr/sbin:/sbin

size() {
	stat -c %s "$1"
}

# smaller FILE [OPTION...]: it is, by a megabyte at least, as the estimate said, and a second run writes nothing.
smaller() {
	local file=$1 before planned
	shift
	before=$(size "$file")
	cp "$file" untouched
	expect 0 vhdx-compact --estimate --json "$@" "$file"
	same "$file" untouched
	planned=$(sed -n 's/.*"bytes_after": \([0-9]*\).*/\1/p' "$stdout")
	expect 0 vhdx-compact -q "$@" "$file"
	quiet
	[ "$(size "$file")" = "$planned" ] || fail "$file has $(size "$file") bytes, and $planned were estimated"
	[ "$(size "$file")" -le $((before - 1048576)) ] || fail "$file is no smaller: $(size "$file") after $before"
	cp "$file" untouched
	expect 0 vhdx-compact -q "$@" "$file"
	same "$file" untouched
	rm untouched
}

# near FILE FRESH: at most 5 % larger than an image made anew.
near() {
	echo "   $1: $(size "$1") bytes, made anew $(size "$2")"
	[ $(($(size "$1") * 100)) -le $(($(size "$2") * 105)) ] || fail "$1 has $(size "$1") bytes, made anew it has $(size "$2")"
}

# image NAME RAW: a dynamic disk in blocks of 1 MiB.
image() {
	expect 0 vhdx-create -q -f --type dynamic --block-size 1M --from "$2" "$1"
}

# files FIRST LAST: random files of about 8 MiB and some small ones in source/
files() {
	local i
	mkdir -p source
	for ((i = $1; i <= $2; i++)); do
		head -c $((8000000 + i * 12345)) /dev/urandom >"source/file$i"
		head -c $((i * 777)) /dev/urandom >"source/small$i"
	done
}
# left_alone RAW TEXT...: nothing of it is given away, and TEXT says why.
left_alone() {
	local raw=$1 text
	shift
	image alone.vhdx "$raw"
	expect 0 vhdx-compact alone.vhdx
	for text; do grep -q "$text" "$stderr" || fail "'$text' is not said"; done
	holds alone.vhdx "$raw"
}

# patch FILE OFFSET BYTES: as printf writes them.
patch() {
	# shellcheck disable=SC2059
	printf "$3" | dd of="$1" bs=1 seek=$(($2)) conv=notrunc status=none
}
deleted="5 6 7 8 9 10 11 12 13 14 15 16 17 18"
kept="1 2 3 4 19 20 21 22"

# --- zeros ------------------------------------------------------------------------------------------------------------------

make_raw disk.raw 40
expect 0 qemu-img convert -q -f raw -O vhdx -S 0 -o subformat=dynamic,block_size=1M disk.raw a.vhdx
expect 0 qemu-img convert -q -f raw -O vpc -S 0 -o subformat=dynamic,force_size=on disk.raw b.vhd
expect 0 qemu-img convert -q -f raw -O vhdx -S 0 -o subformat=dynamic,block_size=8M disk.raw c.vhdx
for file in a.vhdx b.vhd; do
	cp $file moved.$file
	smaller moved.$file
	holds moved.$file disk.raw
	cp $file kept.$file
	expect 0 vhdx-compact -q --no-zeros kept.$file
	[ "$(size kept.$file)" -ge $(($(size $file) - 4194304)) ] || fail "--no-zeros frees zeros"
	holds kept.$file disk.raw
	cp $file holes.$file
	expect 0 vhdx-compact --json --no-move holes.$file
	json blocks_moved 0
	holds holes.$file disk.raw
	expect 0 vhdx-compact holes.$file
	same_size=$(size moved.$file)
	[ "$(size holes.$file)" = "$same_size" ] || fail "a second run ends at $(size holes.$file), not at $same_size"
	holds holes.$file disk.raw
done
qemu-img check -q moved.a.vhdx || fail "QEMU finds it damaged"
expect 0 qemu-img compare -f raw -F vhdx disk.raw moved.a.vhdx
expect 0 qemu-img compare -f raw -F vpc disk.raw moved.b.vhd
expect 0 vhdx-compact c.vhdx
holds c.vhdx disk.raw
ok "zeros that QEMU wrote"

make_raw disk.raw 20
for format in vhdx vhd; do
	image base.$format disk.raw
	expect 0 vhdx-create -q --parent base.$format child.$format
	expect 0 vhdx-create -q --parent child.$format grandchild.$format
	expect 0 vhdx-compact child.$format
	expect 0 vhdx-compact base.$format
	holds grandchild.$format disk.raw
done
ok "children stay linked"

# --- the order of the disk, and holes ----------------------------------------------------------------------------------------

# in_order FILE: what is written of it first stands first.
in_order() {
	expect 0 vhdx-inspect --map --json "$1"
	python3 -c '
import json, sys
runs = [run["file_offset"] for run in json.load(open(sys.argv[1]))["map"] if "file_offset" in run]
sys.exit(len(runs) == 0 or runs != sorted(runs))' "$stdout" || fail "$1: blocks are not in the order of the disk"
}

truncate -s 80M backwards.raw
expect 0 qemu-img create -q -f vhdx -o subformat=dynamic,block_size=1M a.vhdx 80M
expect 0 qemu-img create -q -f vpc -o subformat=dynamic,force_size=on b.vhd 80M
for ((i = 79; i >= 0; i -= 2)); do
	printf 'write -P %d %dM 1M\n' $((i + 1)) $i
done >commands
expect 0 qemu-io -f raw backwards.raw <commands
expect 0 qemu-io -f vhdx a.vhdx <commands
expect 0 qemu-io -f vpc b.vhd <commands
for file in a.vhdx b.vhd; do
	expect 0 vhdx-compact --defrag --estimate --json $file
	planned=$(grep -E 'bytes_after|blocks_moved|runs_' "$stdout")
	expect 0 vhdx-compact --defrag --json $file
	[ "$planned" = "$(grep -E 'bytes_after|blocks_moved|runs_' "$stdout")" ] || fail "$file: the estimate of --defrag is wrong"
	in_order $file
	holds $file backwards.raw
	cp $file untouched
	expect 0 vhdx-compact -q --defrag $file
	same $file untouched
done
json_runs=$(sed -n 's/.*"runs_after": \([0-9]*\).*/\1/p' <<<"$planned")
[ "$json_runs" = 1 ] || fail "a VHD in order is $json_runs runs"
expect 0 qemu-img compare -f raw -F vhdx backwards.raw a.vhdx
expect 0 qemu-img compare -f raw -F vpc backwards.raw b.vhd
expect 2 vhdx-compact --defrag --no-move a.vhdx
ok "blocks in the order of the disk"

make_raw disk.raw 40
for file in a.vhdx b.vhd; do
	expect 0 vhdx-create -q --type fixed --preallocate full --from disk.raw $file
	expect 0 vhdx-compact --punch --estimate --json $file
	planned=$(sed -n 's/.*"bytes_punched": \([0-9]*\),.*/\1/p' "$stdout")
	[ "$planned" -ge 40000000 ] || fail "$planned bytes of zeros would be given back"
	before=$(du -k $file | cut -f1)
	expect 0 vhdx-compact --punch --json $file
	json bytes_punched "$planned"
	[ "$(du -k $file | cut -f1)" -le $((before - 39000)) ] || fail "zeros of a fixed disk keep their space"
	holds $file disk.raw
done
ok "zeros as holes, of a fixed disk too"

# --- ext4 -------------------------------------------------------------------------------------------------------------------

# ext NAME: an ext4 of the files that there are. A small file between two deleted ones would keep a block.
ext() {
	local name=$1 i
	truncate -s 256M "$name"
	expect 0 mkfs.ext4 -q -F "$name"
	for i in small{1..22} file{1..22}; do
		[ ! -e "source/$i" ] || echo "write source/$i $i"
	done >commands
	expect 0 debugfs -w -f commands "$name"
}

ext_holds() {
	local i
	vhdx-convert -f "$1" found.raw
	expect 0 e2fsck -fn found.raw
	for i in $kept; do
		debugfs -R "cat file$i" found.raw 2>/dev/null | cmp - "source/file$i" || fail "file$i has changed"
	done
	for i in $kept $deleted; do
		debugfs -R "cat small$i" found.raw 2>/dev/null | cmp - "source/small$i" || fail "small$i has changed"
	done
	rm found.raw
}

files 1 22
ext disk.raw
for i in $deleted; do echo "rm file$i"; done >commands
expect 0 debugfs -w -f commands disk.raw
expect 0 e2fsck -fn disk.raw
for i in $deleted; do rm "source/file$i"; done
ext fresh.raw
for file in a.vhdx b.vhd; do
	image $file disk.raw
	image fresh.$file fresh.raw
	smaller $file
	ext_holds $file
	near $file fresh.$file
done
image c.vhdx disk.raw
expect 0 vhdx-compact --json --no-filesystems c.vhdx
json blocks_unused 0
holds c.vhdx disk.raw
cp disk.raw dirty.raw
debugfs -w -R "feature needs_recovery" dirty.raw >/dev/null 2>&1
image c.vhdx dirty.raw
expect 0 vhdx-compact c.vhdx
grep -q "journal must be replayed" "$stderr" || fail "a journal to replay is not noticed"
holds c.vhdx dirty.raw
cp disk.raw dirty.raw
debugfs -w -R "ssv state 2" dirty.raw >/dev/null 2>&1
image c.vhdx dirty.raw
expect 0 vhdx-compact c.vhdx
grep -q "run e2fsck" "$stderr" || fail "errors are not noticed"
holds c.vhdx dirty.raw
ok "ext4, filled and partly deleted: within 5 % of one made anew"

# Numbers that the library believes: a bitmap in the wrong place, one that is lost, and more groups than there is memory for.
files 1 2
for features in uninit_bg ^uninit_bg; do
	head -c 64M /dev/urandom >disk.raw
	expect 0 mkfs.ext4 -q -F -E nodiscard -b 1024 -O "^metadata_csum,^64bit,^has_journal,$features" -d source disk.raw
	image a.vhdx disk.raw
	smaller a.vhdx
	vhdx-convert -f a.vhdx found.raw
	for i in 1 2; do debugfs -R "cat file$i" found.raw 2>/dev/null | cmp - "source/file$i" || fail "file$i has changed"; done
	cp disk.raw dirty.raw
	patch dirty.raw 2048+2*32 '\074\000\000\000'
	[ $features = uninit_bg ] && message="descriptor of a block group is damaged" || message="do not agree on what is free"
	left_alone dirty.raw "$message"
done
cp disk.raw dirty.raw
bitmap=$(od -An -tu4 -j$((2048 + 32)) -N4 disk.raw)
dd if=/dev/zero of=dirty.raw bs=1024 seek=$((bitmap)) count=1 conv=notrunc status=none
left_alone dirty.raw "do not agree on what is free"
cp disk.raw dirty.raw
patch dirty.raw 1024+102 '\010'
left_alone dirty.raw "features that are not understood"
cp disk.raw dirty.raw
truncate -s 5G dirty.raw
patch dirty.raw 1024+4 '\000\000\120\000'
patch dirty.raw 1024+32 '\010\000\000\000'
left_alone dirty.raw "more block groups"
ok "ext4 whose numbers do not fit each other"

# --- NTFS -------------------------------------------------------------------------------------------------------------------

files 1 22
truncate -s 256M disk.raw fresh.raw
expect 0 mkntfs -Q -F -q disk.raw
expect 0 mkntfs -Q -F -q fresh.raw
for ((i = 1; i <= 22; i++)); do expect 0 ntfscp -q -f disk.raw "source/file$i" "file$i"; done
: >empty
for i in $deleted; do expect 0 ntfscp -q -f disk.raw empty "file$i"; done
for i in $kept; do expect 0 ntfscp -q -f fresh.raw "source/file$i" "file$i"; done
for file in a.vhdx b.vhd; do
	image $file disk.raw
	image fresh.$file fresh.raw
	smaller $file
	vhdx-convert -f $file found.raw
	for i in $kept; do ntfscat found.raw "file$i" | cmp - "source/file$i" || fail "file$i has changed"; done
	expect 0 ntfsfix -n found.raw
	near $file fresh.$file
done
ok "NTFS, filled and partly deleted: within 5 % of one made anew"

# Random bytes below a filesystem that was just made: all that it does not use is garbage. Then the marks of an unclean volume.
head -c 32M /dev/urandom >noise.raw
cp noise.raw disk.raw
expect 0 mkntfs -Q -F -q disk.raw
image a.vhdx disk.raw
smaller a.vhdx
cp disk.raw dirty.raw
record=$(($(od -An -tu8 -j48 -N8 disk.raw) * 4096)) # of the MFT, in clusters of 4 KiB
volume=$((record + 3 * 1024))
offset=$(LC_ALL=C grep -abo -P '\x70\x00\x00\x00\x28\x00\x00\x00' disk.raw | awk -F: -v from=$volume '$1 >= from { print $1; exit }')
printf '\001' | dd of=dirty.raw bs=1 seek=$((offset + 24 + 10)) conv=notrunc status=none
image c.vhdx dirty.raw
expect 0 vhdx-compact c.vhdx
grep -q "run chkdsk" "$stderr" || fail "a dirty volume is not noticed"
holds c.vhdx dirty.raw
# A log in use: a restart page whose only client has not left, where a new volume has a log of nothing but ones.
place=$(LC_ALL=C grep -abo -m1 -P '\xff{4096}' disk.raw | head -1 | cut -d: -f1)
[ -n "$place" ] || fail "no emptied log is found"
cp disk.raw dirty.raw
{
	printf 'RSTR\036\000\011\000\000\000\000\000\000\000\000\000\000\020\000\000\000\020\000\000\060\000\001\000\001\000'
	head -c 18 /dev/zero
	printf '\001\000\000\000\000\000\000\000\001\000\377\377\000\000\000\000'
} | dd of=dirty.raw bs=1 seek=$((place)) conv=notrunc status=none
left_alone dirty.raw "its log is not clean"
# No client, but the version of a Windows that keeps things in memory while it sleeps.
patch dirty.raw place+60 '\377\377'
image c.vhdx dirty.raw
smaller c.vhdx
patch dirty.raw place+28 '\002'
left_alone dirty.raw "its log is not clean"
# The bitmap reads as zeros, as in an image with a hole there, and everything else is whole.
bitmap=$(($(ntfsinfo -fi 6 -v disk.raw | awk '$1 == "0x0" && NF == 3 { print $2; exit }') * 4096))
cp disk.raw dirty.raw
dd if=/dev/zero of=dirty.raw bs=4096 seek=$((bitmap / 4096)) count=1 conv=notrunc status=none
left_alone dirty.raw "it stands in itself"
ok "NTFS that is not clean"

# --- FAT and exFAT ----------------------------------------------------------------------------------------------------------

files 1 3
for bits in 12 16 32; do
	head -c $((bits == 12 ? 8 : 64))M /dev/urandom >disk.raw
	expect 0 mkfs.vfat -F $bits disk.raw
	for i in 1 2 3; do
		[ $bits = 12 ] || expect 0 mcopy -i disk.raw "source/file$i" ::/
		expect 0 mcopy -i disk.raw "source/small$i" ::/
	done
	[ $bits = 12 ] || expect 0 mdel -i disk.raw ::/file2
	image a.vhdx disk.raw
	smaller a.vhdx
	vhdx-convert -f a.vhdx found.raw
	expect 0 fsck.vfat -n found.raw
	for i in 1 2 3; do
		mcopy -i found.raw "::/small$i" - | cmp - "source/small$i" || fail "small$i has changed"
	done
	for i in 1 3; do
		[ $bits = 12 ] || mcopy -i found.raw "::/file$i" - | cmp - "source/file$i" || fail "file$i has changed"
	done
done
sector=$(($(od -An -tu2 -j14 -N2 disk.raw) * 512))
copy=$((sector + $(od -An -tu4 -j36 -N4 disk.raw) * 512))
cp disk.raw dirty.raw
dd if=/dev/zero of=dirty.raw bs=512 seek=$((copy / 512 + 8)) count=1 conv=notrunc status=none
left_alone dirty.raw "copies of its table differ"
cp disk.raw dirty.raw
for at in sector copy; do patch dirty.raw $at+8 '\000\000\000\000'; done
left_alone dirty.raw "it stands in itself"
cp disk.raw dirty.raw
patch dirty.raw sector '\000\000'
left_alone dirty.raw "its table is damaged"
cp disk.raw dirty.raw
patch dirty.raw 4096 '\374\116\053\251\001\000\000\000'
left_alone dirty.raw "something else"
printf '\007' | dd of=disk.raw bs=1 seek=$((sector + 7)) conv=notrunc status=none # FAT32: the clean bit of entry 1
image c.vhdx disk.raw
expect 0 vhdx-compact c.vhdx
grep -q "not unmounted cleanly" "$stderr" || fail "a FAT in use is not noticed"
holds c.vhdx disk.raw
ok "FAT12, FAT16, FAT32"

head -c 64M /dev/urandom >disk.raw
expect 0 mkfs.exfat -c 4K disk.raw
heap=$(($(od -An -tu4 -j88 -N4 disk.raw) * 512)) # offset of cluster 2, where the bitmap begins
head -c 1024 /dev/zero | tr '\0' '\377' | dd of=disk.raw bs=1 seek=$((heap + 1024)) conv=notrunc status=none
image a.vhdx disk.raw
smaller a.vhdx
vhdx-convert -f a.vhdx found.raw
used=$((heap + 8192 * 4096)) # those 8192 clusters are used now
cmp -n $((8192 * 4096)) -i $used found.raw disk.raw || fail "used clusters have changed"
cmp -n 1048576 found.raw disk.raw || fail "boot sector and table have changed"
printf '\002' | dd of=disk.raw bs=1 seek=106 conv=notrunc status=none
image c.vhdx disk.raw
expect 0 vhdx-compact c.vhdx
grep -q "not unmounted cleanly" "$stderr" || fail "an exFAT in use is not noticed"
holds c.vhdx disk.raw
patch disk.raw 106 '\000'
for ((i = 0; i < 2; i++)); do # all of the bitmap, and what it says of itself
	cp disk.raw dirty.raw
	dd if=/dev/zero of=dirty.raw bs=1 seek=$heap count=$((i == 0 ? 2048 : 1)) conv=notrunc status=none
	left_alone dirty.raw "it stands in itself"
done
ok "exFAT"

# --- partitions -------------------------------------------------------------------------------------------------------------

files 1 2
for label in gpt dos; do
	head -c 100M /dev/urandom >disk.raw
	printf 'label: %s\nstart=2048, size=81920\nstart=83969, size=81920\n' $label | sfdisk -q disk.raw
	head -c 40M /dev/urandom >one.raw
	cp one.raw two.raw
	expect 0 mkfs.ext4 -q -F -d source one.raw
	expect 0 mkfs.vfat -F 16 two.raw
	expect 0 mcopy -i two.raw source/file1 source/file2 ::/
	dd if=one.raw of=disk.raw bs=512 seek=2048 conv=notrunc status=none
	dd if=two.raw of=disk.raw bs=512 seek=83969 conv=notrunc status=none
	image a.vhdx disk.raw
	smaller a.vhdx
	vhdx-convert -f a.vhdx found.raw
	dd if=found.raw of=one.found bs=512 skip=2048 count=81920 status=none
	dd if=found.raw of=two.found bs=512 skip=83969 count=81920 status=none
	expect 0 e2fsck -fn one.found
	expect 0 fsck.vfat -n two.found
	for i in 1 2; do
		debugfs -R "cat file$i" one.found 2>/dev/null | cmp - "source/file$i" || fail "file$i of ext4 has changed"
		mcopy -i two.found "::/file$i" - | cmp - "source/file$i" || fail "file$i of FAT has changed"
	done
	cmp -n 1048576 found.raw disk.raw || fail "what stands before the partitions has changed"
	cmp -i 84963328 found.raw disk.raw || fail "what stands behind the partitions has changed"
done
# of the last one, an MBR: types that say that a filesystem would be a part of something, a partition over another, and the boot sector of a FAT in front
for type in 42 8e fd; do
	cp disk.raw dirty.raw
	patch dirty.raw 446+4 "\\x$type"
	patch dirty.raw 462+4 "\\x$type"
	left_alone dirty.raw "ext4 in partition 1: the type of the partition" "FAT16 in partition 2: the type of the partition"
done
cp disk.raw dirty.raw
patch dirty.raw 462+8 '\000\020\000\000'
left_alone dirty.raw "ext4 in partition 1: another partition overlaps it"
cp disk.raw dirty.raw
patch dirty.raw 0 '\353\074\220mkfs.fat\000\002\200\001\000\002\000\002\000\000\370\011\000\040\000\040\000\000\000\000\000\000\040\003\000'
patch dirty.raw 512 '\370\377\377'
left_alone dirty.raw "something else"
head -c 64M /dev/urandom >disk.raw
{
	printf 'label: gpt\ntable-length: 256\nstart=2048, size=65536\n'
	for ((i = 0; i < 129; i++)); do echo "start=$((70000 + i * 8)), size=8"; done
} | sfdisk -q --no-tell-kernel disk.raw >/dev/null 2>&1
dd if=two.raw of=disk.raw bs=1M seek=1 count=32 conv=notrunc status=none
left_alone disk.raw "more partitions than are looked at"
ok "partitions of GPT and MBR"

# --- stopped ----------------------------------------------------------------------------------------------------------------

truncate -s 300M disk.raw
for ((i = 0; i < 150; i++)); do
	head -c 1M /dev/urandom | dd of=disk.raw bs=1M seek=$((i * 2)) conv=notrunc status=none
done
for format in vhdx vpc; do
	options=subformat=dynamic
	[ $format = vpc ] && options=$options,force_size=on || options=$options,block_size=1M
	expect 0 qemu-img convert -q -f raw -O $format -S 0 -o $options disk.raw full
	cp full straight
	vhdx-compact -q straight
	for signal in KILL INT KILL TERM KILL; do
		cp full stopped
		for delay in 0.02 0.07 0.15; do
			vhdx-compact -q stopped 2>/dev/null &
			sleep $delay
			kill -s $signal $! 2>/dev/null || true
			wait $! 2>/dev/null || true
			holds stopped disk.raw
		done
		expect 0 vhdx-compact -q stopped
		holds stopped disk.raw
		[ "$(size stopped)" = "$(size straight)" ] || fail "a stopped run ends at $(size stopped), not at $(size straight)"
	done
done
ok "killed and interrupted runs lose nothing, and the next one goes on"

# --- mistakes ---------------------------------------------------------------------------------------------------------------

expect 0 vhdx-create -q --type fixed fixed.vhdx 4M
cp fixed.vhdx before
expect 0 vhdx-compact fixed.vhdx
printed "fixed.vhdx: a fixed disk has nothing to free"
same fixed.vhdx before
expect 0 vhdx-create -q base.vhdx 4M
expect 0 vhdx-create -q --parent base.vhdx child.vhdx
head -c 1M /dev/urandom >noise
refuse 1 "noise" vhdx-compact noise
refuse 1 "raw" vhdx-compact --format raw noise
refuse 1 "none.vhdx" vhdx-compact none.vhdx
refuse 2 "wants one FILE" vhdx-compact
refuse 2 "wants one FILE" vhdx-compact a b
refuse 2 "--share would change" vhdx-compact --share base.vhdx
refuse 2 "is no option" vhdx-compact --fast base.vhdx
refuse 2 "may hold anything" vhdx-compact --ignore-parent-identity child.vhdx
expect 0 vhdx-compact --estimate --ignore-parent-identity child.vhdx
expect 0 vhdx-compact --estimate --share base.vhdx
mv base.vhdx moved.vhdx
refuse 1 "base.vhdx" vhdx-compact child.vhdx
expect 0 vhdx-compact --no-parents child.vhdx
expect 0 vhdx-compact --parent-file moved.vhdx child.vhdx
chmod 400 moved.vhdx
[ "$(id -u)" = 0 ] || refuse 1 "moved.vhdx" vhdx-compact moved.vhdx
expect 0 vhdx-compact --estimate moved.vhdx
expect 0 vhdx-compact --help
grep -q -- --no-filesystems "$stdout" || fail "--help is not complete"
expect 0 vhdx-compact --version
ok "mistakes"

finish
