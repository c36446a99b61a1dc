#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-set and vhdx-inspect: metadata items of users. (Parents and identifiers: resize.sh.)
. "$(dirname "$0")/support.sh"

one=c0ffee00-1234-4321-8888-000000000001
two=c0ffee00-1234-4321-8888-000000000002

# has IMAGE GUID FILE
has() {
	expect 0 vhdx-inspect --get-item "$2" "$1"
	cmp -s "$stdout" "$3" || fail "the item $2 of $1 is not $3"
}

make_raw disk.raw 20
head -c 1000 /dev/urandom >small
head -c 700000 /dev/urandom >large
: >empty
expect 0 vhdx-create -q --block-size 1M --from disk.raw disk.vhdx
expect 0 vhdx-set --item $one=small --file-item "{${two^^}}=empty" disk.vhdx
printed "disk.vhdx: changed"
has disk.vhdx $one small
has disk.vhdx $two empty
expect 0 vhdx-inspect disk.vhdx
grep -q "^User items  *2$" "$stdout" || fail "the overview does not count items"
grep -qx "  $one  1000 bytes" "$stdout" || fail "the overview does not list the item"
grep -qx "  $two  0 bytes, of this file" "$stdout" || fail "the overview does not list the item of the file"
expect 0 vhdx-inspect --json disk.vhdx
[ "$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["overview"]["user_items"])' "$stdout")" = \
	"[{'id': '$one', 'length': 1000, 'of_file': False}, {'id': '$two', 'length': 0, 'of_file': True}]" ] || fail "JSON"
expect 0 vhdx-set -q --item $two=large disk.vhdx
quiet
has disk.vhdx $two large
has disk.vhdx $one small
holds disk.vhdx disk.raw
qemu-img check -q disk.vhdx || fail "QEMU finds it damaged"
expect 0 vhdx-resize -q disk.vhdx 40M
expect 0 vhdx-compact -q --defrag disk.vhdx
has disk.vhdx $two large
# into a child, changed there, and back by a merge
expect 0 vhdx-snapshot -q disk.vhdx leaf.avhdx
has leaf.avhdx $two large
expect 0 vhdx-set -q --remove-item $two --item $one=large leaf.avhdx
has disk.vhdx $one small
expect 0 vhdx-merge -q leaf.avhdx
has disk.vhdx $one large
refuse 1 "disk.vhdx: there is no item {$two}" vhdx-inspect --get-item $two disk.vhdx
expect 0 vhdx-set -q --remove-item $one disk.vhdx
expect 0 vhdx-inspect disk.vhdx
! grep -q "User items" "$stdout" || fail "items are left"
ok "items"

expect 0 vhdx-create -q disk.vhdx 20M
expect 0 vhdx-create -q disk.vhd 20M
head -c 700000 /dev/urandom >large
truncate -s 1048577 too-large
expect 0 vhdx-set -q --item $one=large disk.vhdx
sync ./* # so that nothing is allocated on the host later
refuse 2 "GUID=FILE" vhdx-set --item $one disk.vhdx
refuse 2 "is no GUID" vhdx-set --item rubbish=large disk.vhdx
refuse 2 "is no GUID" vhdx-set --remove-item ${one}0 disk.vhdx
refuse 1 "larger than" vhdx-set --item $two=too-large disk.vhdx
refuse 1 "missing" vhdx-set --remove-item $one --item $two=missing disk.vhdx
refuse 2 "stands alone" vhdx-inspect --get-item $one --json disk.vhdx
refuse 2 "wants a GUID" vhdx-inspect --get-item rubbish disk.vhdx
refuse 1 "disk.vhd: a VHD has no metadata items" vhdx-inspect --get-item $one disk.vhd
expect 1 vhdx-set --item $one=large disk.vhd
expect 1 vhdx-set --item $two=large disk.vhdx
grep -q "no room" "$stderr" || fail "says $(cat "$stderr")"
has disk.vhdx $one large
expect 1 vhdx-set --remove-item $two disk.vhdx
ok "mistakes"
finish
