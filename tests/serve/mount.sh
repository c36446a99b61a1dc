#!/bin/bash
# SPDX-License-Identifier: MIT
#
# vhdx-mount as a user meets it: what it shows, writing, its end, what it refuses. What real filesystems do with it is tested in filesystems.sh.
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"
able fuse
mkdir "$scratch/m"
m=$scratch/m

# A disk with a GPT of two partitions.
make_partitioned() {
	make_raw raw 20
	printf 'label: gpt\nstart=2048, size=8192\nstart=10240, size=20480\n' | sfdisk -q raw
}

make_partitioned
vhdx-create -q --from raw base.vhdx
vhdx-create -q --parent base.vhdx middle.vhdx
vhdx-create -q --parent middle.vhdx leaf.vhdx
cp leaf.vhdx before
expect 0 vhdx-mount leaf.vhdx $m
quiet
found=$(cd $m && find . -mindepth 1 | sort | tr '\n' ' ')
[ "$found" = './disk ./p1 ./p2 ./parent1 ./parent1/disk ./parent1/p1 ./parent1/p2 ./parent2 ./parent2/disk ./parent2/p1 ./parent2/p2 ' ] ||
	fail "shows $found"
same $m/disk raw
same $m/parent2/disk raw
dd if=raw of=part bs=1M skip=5 count=10 status=none
same $m/p2 part
same $m/parent1/p2 part
cp --sparse=always $m/disk copy
same copy raw
[ "$(stat -c %s $m/p1)" = 4194304 ] || fail 'the size of a partition'
for place in $m/disk $m/parent1/p1; do
	! { : >>$place; } 2>/dev/null || fail "$place can be written"
done
! touch $m/new 2>/dev/null || fail 'files can be made'
expect 0 vhdx-mount -u $m
quiet
[ -z "$(ls $m)" ] || fail 'something stays mounted'
same leaf.vhdx before
ok 'the disk, its partitions and its parents, for reading'

make_partitioned
vhdx-create -q --from raw --block-size 1M base.vhdx
cp base.vhdx before
vhdx-create -q --parent base.vhdx leaf.vhdx
expect 0 vhdx-mount --write leaf.vhdx $m
head -c 3000000 /dev/urandom >bytes
dd if=bytes of=$m/p2 bs=1000 seek=500 conv=notrunc status=none
dd if=bytes of=raw bs=1000 oflag=seek_bytes seek=$((5 * 1048576 + 500000)) conv=notrunc status=none
same $m/disk raw
printf end | dd of=$m/disk bs=1 seek=$((20 * 1048576 - 3)) conv=notrunc status=none
printf end | dd of=raw bs=1 seek=$((20 * 1048576 - 3)) conv=notrunc status=none
same $m/disk raw
! printf xx | dd of=$m/disk bs=1 seek=$((20 * 1048576)) conv=notrunc 2>/dev/null || fail 'bytes go behind the end'
: >$m/p1
[ "$(stat -c %s $m/p1)" = 4194304 ] || fail 'a partition was truncated'
! { : >>$m/parent1/p1; } 2>/dev/null || fail 'a parent can be written'
fallocate -p -o 6M -l 3M $m/disk
fallocate -p -o 6M -l 3M raw
fallocate -z -o 1000 -l 5000 $m/p1
dd if=/dev/zero of=raw bs=1000 oflag=seek_bytes seek=$((1048576 + 1000)) count=5 conv=notrunc status=none
same $m/disk raw
refuse 1 'another program' vhdx-convert leaf.vhdx -
sync $m/disk
expect 0 vhdx-mount --unmount $m
holds leaf.vhdx raw
same base.vhdx before
expect 0 vhdx-inspect leaf.vhdx
! grep -qE '^Log .*(pending|replay)' "$stdout" || fail 'it is not left clean'
ok 'writing, through partitions and the whole disk'

# Holes are seen: a sparse copy of a large disk reads nothing.
vhdx-create -q --block-size 1M large.vhdx 1T
expect 0 vhdx-mount -w large.vhdx $m
printf x | dd of=$m/disk bs=1M seek=700000 conv=notrunc status=none
cp --sparse=auto $m/disk copy &
copying=$!
for ((i = 0; i < 600; i++)); do
	kill -0 $copying 2>/dev/null || break
	sleep 0.1
done
kill $copying 2>/dev/null && fail 'a copy does not see holes'
expect 0 vhdx-mount -u $m
[ "$(stat -c %s copy)" = 1099511627776 ] || fail 'the copy is not whole'
ok 'holes'

# A hole in a part of a block, which the format cannot tell, is one of the host file.
for format in vhdx vhd; do
	vhdx-create -q --block-size 32M disk.$format 64M
	expect 0 vhdx-mount -w disk.$format $m
	head -c 16M /dev/urandom | dd of=$m/disk bs=1M conv=notrunc status=none iflag=fullblock
	fallocate -p -o 4M -l 8M $m/disk
	cp $m/disk copy
	expect 0 vhdx-mount -u $m
	holds disk.$format copy
	cmp -s -i 4M -n 8M copy /dev/zero || fail 'a hole is not zeros'
	! cmp -s -n 4M copy /dev/zero || fail 'the hole is too large'
	[ "$(du -k disk.$format | cut -f 1)" -lt 9000 ] || fail "$format: the host file does not get the space back"
done
ok 'a hole in a block'

# A plain umount, and a signal, end the server cleanly too; with --foreground its end can be waited for.
make_raw raw 8
for how in umount signal; do
	vhdx-create -q disk.vhdx 8M
	vhdx-mount --foreground --write disk.vhdx $m 2>"$stderr" &
	server=$!
	for ((i = 0; i < 3000; i++)); do
		[ ! -e $m/disk ] || break
		sleep 0.02
	done
	dd if=raw of=$m/disk bs=1M conv=notrunc status=none
	case $how in
	umount) if [ "$(id -u)" = 0 ]; then umount $m; else fusermount3 -u $m; fi ;;
	signal) kill $server ;;
	esac
	wait $server || fail "ends with exit status $?"
	holds disk.vhdx raw
	rm disk.vhdx
done
ok 'every way to end it'

# Killed: what was synced is there.
make_raw raw 8
vhdx-create -q disk.vhdx 8M
vhdx-mount -f -w disk.vhdx $m &
server=$!
disown
for ((i = 0; i < 3000; i++)); do
	[ ! -e $m/disk ] || break
	sleep 0.02
done
dd if=raw of=$m/disk bs=1M conv=notrunc,fsync status=none
kill -9 $server
(cd "$scratch" && expect 0 vhdx-mount -u m/)
holds disk.vhdx raw
ok 'a killed server'

vhdx-create -q base.vhdx 8M
vhdx-create -q --parent base.vhdx leaf.vhdx
mkdir hidden
mv base.vhdx hidden
refuse 1 'base.vhdx' vhdx-mount leaf.vhdx $m
expect 0 vhdx-mount --search hidden leaf.vhdx $m
[ -e $m/parent1/disk ] || fail 'the parent is not shown'
refuse 1 'another vhdx-mount' vhdx-mount --search hidden leaf.vhdx $m
expect 0 vhdx-mount -u $m
expect 0 vhdx-mount --parent-file hidden/base.vhdx leaf.vhdx $m
[ -e $m/parent1/disk ] || fail 'the parent is not shown'
expect 0 vhdx-mount -u $m
refuse 1 'nothing of vhdx-mount' vhdx-mount -u $m
refuse 1 'No such file' vhdx-mount leaf.vhdx missing
refuse 1 'missing.vhdx' vhdx-mount missing.vhdx $m
refuse 2 'FILE and DIR' vhdx-mount leaf.vhdx
refuse 2 'no option' vhdx-mount --nonsense leaf.vhdx $m
refuse 2 '--partition and --type' vhdx-mount --partition 1 hidden/base.vhdx $m
refuse 2 'no-parents' vhdx-mount --no-parents leaf.vhdx $m
refuse 2 '--share' vhdx-mount --share --write hidden/base.vhdx $m
refuse 2 'number' vhdx-mount --fs --partition x hidden/base.vhdx $m
refuse 2 'FUSE' vhdx-mount -o nonsense=1 hidden/base.vhdx $m
head -c 100000 hidden/base.vhdx >cut.vhdx
refuse 3 'cut.vhdx' vhdx-mount cut.vhdx $m
expect 0 vhdx-mount --help
expect 0 vhdx-mount --version
if [ "$(id -u)" != 0 ]; then
	refuse 1 'needs root' vhdx-mount --fs hidden/base.vhdx $m
elif command -v setpriv >/dev/null; then
	chmod 755 "$scratch" "$scratch/work"
	refuse 1 'needs root' setpriv --reuid 65534 --regid 65534 --clear-groups "$VHDX_BIN/vhdx-mount" --fs hidden/base.vhdx $m
fi
[ -z "$(mounts)" ] || fail "something is still mounted: $(mounts)"
ok 'what it refuses'

if [ "$(id -u)" = 0 ] && "$serve_tests/able.sh" loop; then
	make_partitioned
	refuse_fs() {
		refuse 1 "$1" vhdx-mount --fs "${@:2}" disk.vhdx $m
		[ -z "$(mounts)" ] || fail 'something is still mounted'
		[ -z "$(losetup -n -O BACK-FILE 2>/dev/null | grep -F "$m")" ] || fail 'a loop device is left'
	}
	vhdx-create -q disk.vhdx 20M
	refuse_fs 'no filesystem is known'
	refuse_fs 'no partition 1; there are: none' --partition 1
	rm disk.vhdx
	vhdx-create -q --from raw disk.vhdx
	refuse_fs 'no partition holds a filesystem'
	refuse_fs 'no partition 3; there are: 1 (unknown, 4 MiB), 2 (unknown, 10 MiB)' --partition 3
	refuse_fs 'mount(8) failed' --partition 2
	refuse_fs 'mount(8) failed' --partition 2 --foreground
	expect 0 vhdx-mount -w disk.vhdx $m
	mkfs.ext4 -q -F -L one $m/p1
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount --fs disk.vhdx $m
	[ -d $m/lost+found ] || fail 'the only filesystem is not chosen'
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount -w disk.vhdx $m
	mkfs.ext4 -q -F $m/p2
	expect 0 vhdx-mount -u $m
	refuse_fs 'choose one with --partition: 1 (ext4, 4 MiB), 2 (ext4, 10 MiB)'
	expect 0 vhdx-mount --fs --write -o noatime --type ext4 --partition 2 disk.vhdx $m
	grep -q " $m ext4 .*noatime" /proc/mounts || fail 'options do not reach mount(8)'
	echo here >$m/file
	umount $m # which does not wait for the server
	for ((i = 0; i < 3000; i++)); do
		! vhdx-inspect disk.vhdx >/dev/null 2>&1 || break
		sleep 0.02
	done
	expect 0 vhdx-mount --fs --partition 2 disk.vhdx $m
	[ "$(cat $m/file)" = here ] || fail 'a plain umount loses data'
	expect 0 vhdx-mount --unmount $m
	ok 'a filesystem: which one'

	# Not unmounted: read without its journal, and said so; with --write the kernel replays it.
	truncate -s 32M raw
	mkfs.ext4 -q -F raw
	mkdir at
	mount -o loop raw at
	echo content >at/file
	sync
	cp raw dirty
	umount at
	vhdx-create -q --from dirty disk.vhdx
	cp disk.vhdx before
	expect 0 vhdx-mount --fs disk.vhdx $m
	grep -q 'without replaying its journal' "$stderr" || fail 'no word about the journal'
	expect 0 vhdx-mount -u $m
	same disk.vhdx before
	expect 0 vhdx-mount --fs --write disk.vhdx $m
	[ "$(cat $m/file)" = content ] || fail 'the journal was not replayed'
	expect 0 vhdx-mount -u $m
	ok 'a filesystem that was not unmounted'

	bash "$serve_tests/../cli/run-examples.sh" "$serve_tests/../../tools/mount/vhdx-mount.1" >"$stdout" 2>"$stderr" ||
		{ cat "$stdout"; fail 'an example of the manual'; }
	ok 'the examples of the manual'
else
	skip 'filesystems and the examples of the manual need the loop driver'
fi
finish
