#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-snapshot: a new leaf over a disk of either format, whose chain reads as before; the disk's name kept with --swap, in one step.
. "$(dirname "$0")/support.sh"

guid='[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}'

# one_file REGEX: the name of the one file that matches
one_file() {
	local found
	found=$(find . -mindepth 1 -printf '%P\n' | grep -xE "$1") || fail "no file is called $1"
	[ "$(wc -l <<<"$found")" = 1 ] || fail "several files are called $1"
	echo "$found"
}

make_raw disk.raw 20
for format in vhdx vhd; do
	mkdir vm
	expect 0 vhdx-create -q --from disk.raw vm/disk.$format
	cp vm/disk.$format before
	expect 0 vhdx-snapshot vm/disk.$format
	[ ! -s "$stderr" ] || fail "says $(cat "$stderr")"
	first=$(one_file "vm/disk_$guid\.a$format")
	printed "$first: ${format^^} differencing, 20 MiB, parent vm/disk.$format"
	same vm/disk.$format before
	holds "$first" disk.raw
	# a checkpoint of the checkpoint has one GUID in its name, another one
	expect 0 vhdx-snapshot --json "$first"
	json parent "$first"
	json type differencing
	second=$(one_file "vm/disk_$guid\.a$format" 2>/dev/null) && fail "there is no second checkpoint"
	second=$(find vm -name 'disk_*' ! -path "$first")
	json file "$second"
	holds "$second" disk.raw
	expect 0 vhdx-snapshot -q "$second" vm/named.a$format
	quiet
	holds vm/named.a$format disk.raw
	refuse 1 "exists already" vhdx-snapshot "$second" vm/named.a$format
	# it is what vhdx-create makes
	expect 0 vhdx-create -q --parent "$second" vm/made.a$format
	for name in made named; do
		vhdx-inspect --all vm/$name.a$format | grep -vE 'checksum|_guid|unique_id|time|vm/' >$name.txt
	done
	same made.txt named.txt
	rm -r vm before
done
ok "a new leaf"

make_raw disk.raw 20
for format in vhdx vhd; do
	expect 0 vhdx-create -q --from disk.raw disk.$format
	inode=$(stat -c %i disk.$format)
	for older in one two; do
		expect 0 vhdx-snapshot --swap disk.$format $older.$format
		printed "disk.$format: ${format^^} differencing, 20 MiB, parent $older.$format"
		[ "$(stat -c %i $older.$format)" = "$inode" ] || fail "$older.$format is not what disk.$format was"
		[ "$(stat -c %h disk.$format) $(stat -c %h $older.$format)" = "1 1" ] || fail "names are left"
		inode=$(stat -c %i disk.$format)
		holds disk.$format disk.raw
	done
	expect 0 vhdx-snapshot -q --swap disk.$format
	kept=$(one_file "disk_$guid\.$format")
	[ "$(stat -c %i "$kept")" = "$inode" ] || fail "$kept is not what disk.$format was"
	holds disk.$format disk.raw
	holds "$kept" disk.raw
	refuse 1 "exists already" vhdx-snapshot --swap disk.$format one.$format
	refuse 1 "is the parent of" vhdx-snapshot --swap "$kept"
	refuse 2 "in the directory" vhdx-snapshot --swap disk.$format ./x.$format
	find . -name "*.$format" -delete
done
ok "under the name of the disk"

expect 0 vhdx-create -q disk.vhdx 20M
chmod 640 disk.vhdx
expect 0 vhdx-snapshot -q --swap disk.vhdx older.vhdx
[ "$(stat -c %a disk.vhdx)" = 640 ] || fail "permissions are not those of the disk"
ln -s disk.vhdx link.vhdx
refuse 1 "not a regular file" vhdx-snapshot --swap link.vhdx
ok "permissions and symbolic links"

# Killed at any moment, there is a whole disk under the name.
make_raw disk.raw 20
expect 0 vhdx-create -q --from disk.raw new.vhdx
for ((i = 0; i < 30; i++)); do
	cp new.vhdx disk.vhdx
	vhdx-snapshot -q --swap disk.vhdx older.vhdx >/dev/null 2>&1 &
	process=$!
	sleep "0.00$((i / 5))$((i % 5))"
	kill -KILL $process 2>/dev/null || :
	wait $process 2>/dev/null || :
	holds disk.vhdx disk.raw
	rm -f disk.vhdx older.vhdx .vhdx-snapshot*
done
ok "killed at 30 moments"

# A disk that somebody writes is no parent; one with a pending log becomes one after replay.
if [ -x "${VHDX_TEST_RW:-}" ]; then
	expect 0 vhdx-create -q --block-size 1M disk.vhdx 20M
	"$VHDX_TEST_RW" write disk.vhdx 0x10000 8192 0x11 0x500000 100000 0x22 kill 2>/dev/null || :
	vhdx-convert -q disk.vhdx disk.raw
	refuse 1 "log" vhdx-snapshot --no-replay disk.vhdx
	expect 0 vhdx-snapshot disk.vhdx leaf.avhdx
	grep -q "its log was replayed" "$stderr" || fail "says nothing of the replay"
	expect 0 vhdx-convert -q --no-replay disk.vhdx - >/dev/null
	holds leaf.avhdx disk.raw
	ok "a disk that was not closed in order"
fi
expect 0 vhdx-create -q disk.vhdx 20M
exec 9<>disk.vhdx
python3 -c '
import fcntl, struct
fcntl.fcntl(9, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))' || fail "cannot take a lock"
for option in -q --swap; do
	refuse 1 "" vhdx-snapshot $option disk.vhdx leaf.avhdx
done
exec 9>&-
expect 0 vhdx-snapshot disk.vhdx leaf.avhdx
ok "a disk in use"

printf x >rubbish.vhdx
truncate -s 1M raw.img
expect 0 vhdx-create -q disk.vhdx 20M
refuse 2 "wants a DISK" vhdx-snapshot
refuse 2 "wants a DISK" vhdx-snapshot disk.vhdx a b
refuse 2 "makes no parent" vhdx-snapshot --share disk.vhdx
refuse 2 "makes no parent" vhdx-snapshot --no-parents disk.vhdx
refuse 1 "" vhdx-snapshot missing.vhdx
refuse 1 "" vhdx-snapshot rubbish.vhdx
refuse 1 "raw" vhdx-snapshot --format raw raw.img
mkdir sub
expect 0 vhdx-snapshot -q disk.vhdx sub/leaf.avhdx
expect 0 vhdx-snapshot -q sub/leaf.avhdx
mv disk.vhdx gone.vhdx
refuse 1 "" vhdx-snapshot sub/leaf.avhdx other.avhdx
expect 0 vhdx-snapshot --help
expect 0 vhdx-snapshot --version
ok "mistakes"
finish
