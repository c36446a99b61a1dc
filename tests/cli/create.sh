#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-create: every option, what it refuses, and what others read of its disks.
. "$(dirname "$0")/support.sh"

# --- what is made when little is said ---------------------------------------------------------------------------------------

expect 0 vhdx-create disk.vhdx 64G
printed "disk.vhdx: VHDX dynamic, 64 GiB"
files_are disk.vhdx
[ $(($(stat -c '%b * %B' disk.vhdx))) -le 65536 ] || fail "an empty disk takes more than 64 KiB of the host"
ok "dynamic VHDX"

expect 0 vhdx-create --json a.vhdx 64G
json format VHDX
json type dynamic
json virtual_size 68719476736
json block_size 33554432
json logical_sector_size 512
json physical_sector_size 4096
json log_length 1048576
json parent null
expect 0 vhdx-create --json --parent a.vhdx b.avhdx
json block_size 2097152
json type differencing
json parent a.vhdx
expect 0 vhdx-create --json c.vhd 10M
json format VHD
json block_size 2097152
json physical_sector_size 512
expect 0 vhdx-create --json --parent c.vhd d.AVHD
json format VHD
json type differencing
ok "defaults are those of Windows"

for size in 64G 64GiB 65536M 0x1000000000 68719476736 64.0G; do
	expect 0 vhdx-create --json "$size.vhdx" "$size"
	json virtual_size 68719476736
done
expect 0 vhdx-create --json --size 1.5T x.vhdx
json virtual_size 1649267441664
expect 0 vhdx-create --json y.vhdx 1024MB
json virtual_size 1024000000
expect 0 vhdx-create --json z.vhdx 64T
json virtual_size 70368744177664
ok "sizes"

expect 0 vhdx-create -q a.vhdx 1G
quiet
expect 0 vhdx-create --help
grep -q -- --deterministic "$stdout" && grep -q -- --map "$stdout" || fail "--help is not complete"
[ "$(awk 'length > 100' "$stdout")" = "" ] || fail "--help has long lines"
expect 0 vhdx-create --version
grep -q '^vhdx-create (libvhdx) [0-9]' "$stdout" || fail "--version says '$(cat "$stdout")'"
ok "--quiet, --help, --version"

# --- options ----------------------------------------------------------------------------------------------------------------

for type in fixed dynamic; do
	for block in 1M 2M 32M 256M; do
		for sector in 512 4096; do
			expect 0 vhdx-create --json --type $type --block-size $block --logical-sector $sector --physical-sector 4096 \
				--log-size 2M $type-$block-$sector.vhdx 64M
			json type $type
			json block_size $((${block%M} * 1048576))
			json logical_sector_size $sector
			json log_length 2097152
		done
	done
	expect 0 vhdx-create --json --type $type $type.vhd 64M
	json type $type
done
ok "types, block sizes, sectors, log size"

expect 0 vhdx-create --json --format vhd disk.bin 10M
json format VHD
expect 0 vhdx-create --json --format vhdx disk.img 10M
json format VHDX
expect 0 vhdx-create --format vhd disk.vhdx 10M
grep -q "Windows goes by the name" "$stderr" || fail "a VHD named .vhdx is made without a word"
ok "--format"

id=01234567-89ab-cdef-0123-456789abcdef
expect 0 vhdx-create --json --id $id --creator "somebody's tool" a.vhdx 1G
json disk_id $id
json creator "somebody's tool"
expect 0 vhdx-create --json --id "{${id^^}}" a.vhd 10M
json disk_id $id
ok "--id, --creator"

for how in none reserve falloc full; do
	expect 0 vhdx-create --type fixed --preallocate $how $how.vhdx 8M
	expect 0 vhdx-create --type fixed --preallocate $how $how.vhd 8M
done
[ "$(stat -c %b none.vhdx)" -lt 1024 ] || fail "--preallocate none takes space"
for file in reserve.vhdx falloc.vhdx full.vhdx reserve.vhd full.vhd; do
	[ "$(stat -c %b $file)" -ge 16384 ] || fail "$file takes no space"
done
truncate -s 8M zeros
for how in none reserve full; do
	holds $how.vhdx zeros
	holds $how.vhd zeros
done
refuse 2 "exclude each other" vhdx-create --type fixed --preallocate full --sparse both.vhdx 8M
expect 0 vhdx-create --type fixed --sparse sparse.vhdx 8M
holds sparse.vhdx zeros
ok "--preallocate, --sparse"

expect 0 vhdx-create --json --preset wsl wsl.vhdx 1T
json block_size 1048576
json physical_sector_size 4096
expect 0 vhdx-create --json --preset linux linux.vhdx 1T
json block_size 1048576
expect 0 vhdx-create --json --preset hyperv hyperv.vhdx 1T
json block_size 33554432
expect 0 vhdx-create --json --preset hyperv --block-size 8M --type fixed --logical-sector 4096 other.vhdx 8M
json block_size 8388608
json type fixed
json logical_sector_size 4096
expect 0 vhdx-create --json --preset azure azure.vhd 10M
json format VHD
json type fixed
[ ! -s "$stderr" ] || fail "--preset azure talks about a size that it did not change"
expect 0 vhdx-create --json --preset azure up.vhd 10000000
json virtual_size 10485760
grep -q "rounded up" "$stderr" || fail "--preset azure changes the size without a word"
expect 0 vhdx-create --json --preset azure noext 1M
json format VHD
refuse 2 "Azure takes fixed VHD only" vhdx-create --preset azure a.vhdx 1G
refuse 2 "Azure takes fixed VHD only" vhdx-create --preset azure --format vhdx a.bin 1G
refuse 2 "--preset wsl makes VHDX" vhdx-create --preset wsl a.vhd 1G
refuse 2 "--preset is" vhdx-create --preset xen a.vhd 1G
ok "--preset"

# --- usage ------------------------------------------------------------------------------------------------------------------

refuse 2 "no FILE" vhdx-create
refuse 2 "no SIZE" vhdx-create a.vhdx
refuse 2 "'abc' is not a size" vhdx-create a.vhdx abc
refuse 2 "'0' is not a size" vhdx-create a.vhdx 0
refuse 2 "is not a size" vhdx-create --size 1.0001K a.vhdx
refuse 2 "several files" vhdx-create a.vhdx b.vhdx 1G
refuse 2 "the name does not tell the format" vhdx-create a.img 1G
refuse 2 "the name does not tell the format" vhdx-create vhdx 1G
refuse 2 "--type is fixed, dynamic or differencing, not 'dyn'" vhdx-create --type dyn a.vhdx 1G
refuse 2 "--format is vhdx or vhd" vhdx-create --format qcow2 a.vhdx 1G
refuse 2 "--block-size wants a size" vhdx-create --block-size big a.vhdx 1G
refuse 2 "block" vhdx-create --block-size 3M a.vhdx 1G
refuse 2 "" vhdx-create --logical-sector 1024 a.vhdx 1G
refuse 2 "" vhdx-create --log-size 1000000 a.vhdx 1G
refuse 2 "" vhdx-create a.vhdx 1000
refuse 2 "" vhdx-create a.vhdx 65T
refuse 2 "" vhdx-create a.vhd 3T
refuse 2 "needs --parent" vhdx-create --type differencing a.vhdx 1G
refuse 2 "need --parent" vhdx-create --parent-relative x a.vhdx 1G
refuse 2 "--preallocate is for --type fixed" vhdx-create --preallocate full a.vhdx 1G
refuse 2 "--id wants a GUID" vhdx-create --id 123 a.vhdx 1G
refuse 2 "no room for a --creator" vhdx-create --creator x a.vhd 1G
refuse 2 "VHD has no log" vhdx-create --log-size 1M a.vhd 1G
refuse 2 "sectors of 512 bytes only" vhdx-create --logical-sector 4096 a.vhd 1G
refuse 2 "--from-format needs --from" vhdx-create --from-format raw a.vhd 1G
refuse 2 "would lose" vhdx-create --from a --no-parents a.vhd 1G
refuse 2 "--bogus is no option" vhdx-create --bogus a.vhdx 1G
refuse 2 "-Z is no option" vhdx-create -Z a.vhdx 1G
refuse 2 "--type needs a value" vhdx-create a.vhdx 1G --type
refuse 2 "--quiet takes no value" vhdx-create --quiet=1 a.vhdx 1G
refuse 2 "SOURCE_DATE_EPOCH" env SOURCE_DATE_EPOCH=now vhdx-create --deterministic a.vhdx 1G
refuse 2 "--map wants FROM=DIR" vhdx-create --map C: a.vhdx 1G
refuse 1 "nowhere/a.vhdx" vhdx-create nowhere/a.vhdx 1G
ok "mistakes in usage"

# --- children ---------------------------------------------------------------------------------------------------------------

make_raw base.raw 20
vhdx-create -q --from base.raw --block-size 1M base.vhdx
expect 0 vhdx-create --parent base.vhdx one.vhdx two.vhdx sub.avhdx
printed "one.vhdx: VHDX differencing, 20 MiB, parent base.vhdx
two.vhdx: VHDX differencing, 20 MiB, parent base.vhdx
sub.avhdx: VHDX differencing, 20 MiB, parent base.vhdx"
for child in one.vhdx two.vhdx sub.avhdx; do
	holds $child base.raw
done
expect 0 vhdx-create --json --parent base.vhdx three.vhdx four.vhdx
[ "$(wc -l <"$stdout")" = 2 ] || fail "--json does not print one object per file and line"
mkdir there
expect 0 vhdx-create --parent one.vhdx there/grandchild.vhdx
holds there/grandchild.vhdx base.raw
tr -d '\0' <there/grandchild.vhdx | grep -qaF 'relative_path..\one.vhdx' || fail "the relative path to the parent is not stored"
expect 0 vhdx-create --json --parent base.vhdx large.vhdx 1G
json virtual_size 1073741824
expect 0 vhdx-create --json --size 1G --parent base.vhdx large2.vhdx large3.vhdx
cp base.raw large.raw
truncate -s 1G large.raw
holds large.vhdx large.raw
ok "children, several in one call, larger than the parent"

vhdx-create -q --size 10M base.vhdx
vhdx-create -q --size 10M base.vhd
refuse 1 "less than the parent's" vhdx-create --parent base.vhdx small.vhdx 1M
refuse 2 "--parent makes differencing disks" vhdx-create --type fixed --parent base.vhdx a.vhdx
refuse 2 "exclude each other" vhdx-create --from x --parent base.vhdx a.vhdx
refuse 2 "--preset is for" vhdx-create --preset wsl --parent base.vhdx a.vhdx
refuse 1 "none.vhdx" vhdx-create --parent none.vhdx a.vhdx
refuse 2 "" vhdx-create --parent base.vhd a.vhdx
touch taken.vhdx
refuse 1 "taken.vhdx" vhdx-create --parent base.vhdx one.vhdx two.vhdx taken.vhdx three.vhdx
refuse 1 "one.vhdx" vhdx-create --parent base.vhdx one.vhdx one.vhdx
refuse 2 "cannot share one --id" vhdx-create --parent base.vhd --id $id one.vhd two.vhd
ok "children that cannot be made leave none"

vhdx-create -q base.vhdx 1G
expect 0 vhdx-create --parent base.vhdx --parent-relative '..\a\base.vhdx' --parent-absolute 'C:\VMs\base.vhdx' \
	--parent-volume '\\?\Volume{01234567-89ab-cdef-0123-456789abcdef}\VMs\base.vhdx' child.vhdx
for text in 'relative_path..\a\base.vhdx' 'absolute_win32_pathC:\VMs\base.vhdx' 'volume_path\\?\Volume{01234567'; do
	tr -d '\0' <child.vhdx | grep -qaF "$text" || tr -d '\0' <child.vhdx | grep -qaF "${text#*path}" || fail "'$text' is not stored"
done
refuse 1 "child.vhdx" vhdx-create --parent child.vhdx grandchild.vhdx
mkdir moved
mv base.vhdx moved
expect 0 vhdx-create --map 'C:\VMs=moved' --parent child.vhdx a.vhdx
expect 0 vhdx-create --search moved --parent child.vhdx b.vhdx
expect 0 vhdx-create --parent-file moved/base.vhdx --parent child.vhdx c.vhdx
expect 0 vhdx-create --no-parents --parent child.vhdx d.vhdx
mv moved/base.vhdx moved/other
refuse 1 "moved/base.vhdx" vhdx-create --map 'C:\VMs=moved' --parent child.vhdx e.vhdx
ok "texts of the locator, and how the parent's own parents are found"

# --- content ----------------------------------------------------------------------------------------------------------------

make_raw disk.raw 20
for file in a.vhdx b.vhd; do
	for type in fixed dynamic; do
		expect 0 vhdx-create --type $type --from disk.raw $type-$file
		holds $type-$file disk.raw
		expect 0 vhdx-create --from $type-$file again-$type-$file
		holds again-$type-$file disk.raw
	done
done
vhdx-create -q --parent dynamic-a.vhdx child.vhdx
expect 0 vhdx-create --from child.vhdx flat.vhd
holds flat.vhd disk.raw
cp dynamic-a.vhdx image.raw
expect 0 vhdx-create --from image.raw inner.vhdx 64M
vhdx-convert inner.vhdx - | head -c "$(stat -c %s image.raw)" | cmp - image.raw || fail "a file named .raw is not taken as raw"
expect 0 vhdx-create --from-format vhdx --from image.raw outer.vhdx
holds outer.vhdx disk.raw
expect 0 vhdx-create --from-format raw --from dynamic-b.vhd raw.vhdx
cp disk.raw unknown
expect 0 vhdx-create --from unknown unknown.vhdx
holds unknown.vhdx disk.raw
mkdir away
mv dynamic-a.vhdx away
refuse 1 "dynamic-a.vhdx" vhdx-create --from child.vhdx lost.vhdx
expect 0 vhdx-create --search away --from child.vhdx found.vhdx
holds found.vhdx disk.raw
ok "from raw, VHD, VHDX and chains"

truncate -s 1000001 odd.img
printf end >>odd.img
expect 0 vhdx-create --json --from odd.img odd.vhdx
json virtual_size 1000448
grep -q "rounded up from 1000004 to 1000448" "$stderr" || fail "an odd size is rounded up without a word"
expect 0 vhdx-create --json --from odd.img --logical-sector 4096 odd4k.vhdx
json virtual_size 1003520
vhdx-convert odd4k.vhdx - | head -c 1000004 | cmp - odd.img || fail "the content of an odd file is lost"
expect 0 vhdx-create --json --from odd.img larger.vhdx 10M
json virtual_size 10485760
[ ! -s "$stderr" ] || fail "talks about a size that was said"
expect 0 vhdx-create --preset azure --json --from odd.img azure.vhd
json virtual_size 1048576
refuse 1 "(1000000 bytes), less than the source's 977 KiB (1000004 bytes)" vhdx-create --from odd.img a.vhdx 1000000
touch empty.img
refuse 1 "the source is empty" vhdx-create --from empty.img a.vhdx
refuse 1 "none.img" vhdx-create --from none.img a.vhdx
refuse 1 "" vhdx-create --from . a.vhdx
ok "sizes of sources"

truncate -s 1T hole.raw
printf data | dd of=hole.raw bs=1 seek=$((1 << 39)) conv=notrunc status=none
expect 0 timeout 20 vhdx-create --block-size 1M --from hole.raw hole.vhdx
[ "$(stat -c %s hole.vhdx)" -lt 20000000 ] || fail "holes of the source take space"
(head -c 1000000 /dev/urandom; head -c 60000000 /dev/zero) >zeros.raw
expect 0 vhdx-create --block-size 1M --from zeros.raw zeros.vhdx
[ "$(stat -c %s zeros.vhdx)" -lt 8000000 ] || fail "written zeros of the source take space"
truncate -s 61000192 zeros.raw
holds zeros.vhdx zeros.raw
expect 0 vhdx-create --type fixed --from zeros.raw zeros.vhd
[ "$(stat -c %b zeros.vhd)" -lt 8000 ] || fail "written zeros take space in a fixed disk"
ok "sparse both ways"

make_raw disk.raw 20
expect 0 bash -c 'vhdx-create --from - a.vhdx 20M <disk.raw'
holds a.vhdx disk.raw
expect 0 bash -c 'cat disk.raw | vhdx-create --from - b.vhdx'
holds b.vhdx disk.raw
expect 0 bash -c 'cat disk.raw | vhdx-create --from - c.vhd 32M'
cp disk.raw padded.raw
truncate -s 32M padded.raw
holds c.vhd padded.raw
refuse 1 "more than SIZE says" bash -c 'cat disk.raw | vhdx-create --from - d.vhdx 19M'
mkfifo pipe
cat disk.raw >pipe &
expect 0 vhdx-create --from pipe e.vhdx
holds e.vhdx disk.raw
expect 0 bash -c 'cat b.vhdx | vhdx-create --from - f.vhdx'
holds f.vhdx disk.raw
expect 0 bash -c 'cat c.vhd | vhdx-create --from - g.vhdx 40M'
vhdx-create -q --type fixed --from disk.raw fixed.vhd
expect 0 bash -c 'cat fixed.vhd | vhdx-create --from - h.vhdx'
holds h.vhdx disk.raw
refuse 1 "footer of a fixed VHD" bash -c 'cat fixed.vhd | vhdx-create --from - i.vhdx 1G'
expect 0 bash -c 'cat fixed.vhd | vhdx-create --from-format vhd --from - j.vhdx 1G'
expect 0 bash -c 'cat fixed.vhd | vhdx-create --from-format raw --from - k.vhdx 1G'
expect 0 bash -c '(printf x; sleep 0.2; cat disk.raw) | vhdx-create --from - l.vhdx 32M'
refuse 1 "standard input" bash -c 'vhdx-create --from - m.vhdx 1G <&-'
refuse 1 "the source is empty" bash -c 'vhdx-create --from - m.vhdx </dev/null'
expect 0 bash -c 'vhdx-create --from - n.vhdx 1G </dev/null'
ok "from standard input and FIFOs"

make_raw disk.raw 20
if device=$(losetup -r -f --show disk.raw 2>/dev/null); then
	status=0
	vhdx-create -q --from "$device" a.vhdx 2>"$stderr" || status=$?
	losetup -d "$device"
	[ $status = 0 ] || fail "cannot read a block device"
	holds a.vhdx disk.raw
	ok "from a block device"
else
	echo "skip - no loop devices to read from"
	clean
fi

make_raw disk.raw 20
gzip -k disk.raw
vhdx-create -q --from disk.raw disk.vhdx
vhdx-create -q --from disk.raw --type fixed disk.vhd
gzip -k disk.vhdx disk.vhd
for source in disk.raw.gz disk.vhdx.gz disk.vhd.gz; do
	expect 0 vhdx-create --from $source a-$source.vhdx
	holds a-$source.vhdx disk.raw
	expect 0 bash -c "vhdx-create --from - b-$source.vhdx <$source"
	holds b-$source.vhdx disk.raw
done
expect 0 vhdx-create --json --from disk.raw.gz c.vhdx 20M
holds c.vhdx disk.raw
expect 0 vhdx-create --json --from disk.vhdx.gz d.vhdx 1G
json virtual_size 1073741824
(head -c 10000000 disk.raw | gzip; tail -c +10000001 disk.raw | gzip; head -c 1000 /dev/zero) >parts
expect 0 vhdx-create --from parts e.vhdx
holds e.vhdx disk.raw
refuse 1 "more than SIZE says" vhdx-create --from disk.raw.gz f.vhdx 10M
head -c 100000 disk.raw.gz >short.gz
refuse 3 "the gzip data ends early" vhdx-create --from short.gz f.vhdx
refuse 3 "the gzip data ends early" vhdx-create --from short.gz f.vhdx 20M
(cat disk.raw.gz; echo garbage) >long.gz
refuse 3 "something other than gzip follows" vhdx-create --from long.gz f.vhdx
cp disk.raw.gz damaged.gz
printf 'xxxxxxxx' | dd of=damaged.gz bs=1 seek=50000 conv=notrunc status=none
refuse 3 "the gzip data is damaged" vhdx-create --from damaged.gz f.vhdx
vhdx-create -q --parent disk.vhdx child.vhdx
mkdir sub
gzip child.vhdx
mkdir elsewhere
expect 0 bash -c 'cd elsewhere && vhdx-create --from ../child.vhdx.gz g.vhdx'
holds elsewhere/g.vhdx disk.raw
ok "from gzip"

# --- deterministic ----------------------------------------------------------------------------------------------------------

make_raw disk.raw 20
mkdir one two
for args in "a.vhdx 1G" "a.vhd 100M" "--type fixed f.vhd 10M" "--from disk.raw b.vhdx" "--from disk.raw --type fixed c.vhdx"; do
	(cd one && ln -sf ../disk.raw . && eval "vhdx-create -q --deterministic $args")
	sleep 0.01
	(cd two && ln -sf ../disk.raw . && eval "vhdx-create -q --deterministic $args")
done
for file in a.vhdx a.vhd f.vhd b.vhdx c.vhdx; do
	same one/$file two/$file
done
(cd one && vhdx-create -q --deterministic --parent b.vhdx x.vhdx y.vhdx && vhdx-create -q --deterministic --parent a.vhd x.vhd)
(cd two && vhdx-create -q --deterministic --parent b.vhdx x.vhdx y.vhdx && vhdx-create -q --deterministic --parent a.vhd x.vhd)
same one/x.vhdx two/x.vhdx
same one/y.vhdx two/y.vhdx
same one/x.vhd two/x.vhd
different one/x.vhdx one/y.vhdx
vhdx-create -q --deterministic other.vhdx 1G
different other.vhdx one/a.vhdx
mkdir three four
vhdx-create -q three/a.vhdx 1G
vhdx-create -q four/a.vhdx 1G
different three/a.vhdx four/a.vhdx
cp --sparse=never disk.raw full.raw
gzip -k disk.raw
vhdx-create -q --deterministic --from full.raw three/b.vhdx
same three/b.vhdx one/b.vhdx
vhdx-create -q --deterministic --from disk.raw.gz four/b.vhdx
same four/b.vhdx one/b.vhdx
vhdx-create -q --deterministic -f --from - four/b.vhdx 20M <disk.raw
same four/b.vhdx one/b.vhdx
printf changed | dd of=full.raw bs=1 seek=100 conv=notrunc status=none
vhdx-create --json -f --deterministic --from disk.raw three/b.vhdx >"$scratch/first"
vhdx-create --json -f --deterministic --from full.raw three/b.vhdx >"$scratch/second"
[ "$(grep -o '"disk_id[^,]*' "$scratch/first")" != "$(grep -o '"disk_id[^,]*' "$scratch/second")" ] ||
	fail "disks of different content have the same identifier"
[ "$(grep -o '"data_identity[^,]*' "$scratch/first")" != "$(grep -o '"data_identity[^,]*' "$scratch/second")" ] ||
	fail "disks of different content have the same data identity"
SOURCE_DATE_EPOCH=1700000000 vhdx-create -q --deterministic three/a.vhd 100M
SOURCE_DATE_EPOCH=1700000000 vhdx-create -q --deterministic four/a.vhd 100M
same three/a.vhd four/a.vhd
different three/a.vhd one/a.vhd
ok "--deterministic"

# --- force ------------------------------------------------------------------------------------------------------------------

make_raw disk.raw 20
vhdx-create -q old.vhdx 1G
cp old.vhdx copy
refuse 1 "old.vhdx: exists already; --force" vhdx-create old.vhdx 2G
same old.vhdx copy
chmod 600 old.vhdx
expect 0 vhdx-create --json --force old.vhdx 2G
json virtual_size 2147483648
json file old.vhdx
[ "$(stat -c %a old.vhdx)" = 600 ] || fail "--force changes the permissions"
files_are copy disk.raw old.vhdx
expect 0 vhdx-create -f new.vhdx 1G
ln -s old.vhdx link.vhdx
refuse 1 "is a symbolic link" vhdx-create -f link.vhdx 1G
mkdir dir.vhdx
refuse 1 "is not a regular file" vhdx-create -f dir.vhdx 1G
mkfifo pipe.vhdx
refuse 1 "is not a regular file" vhdx-create -f pipe.vhdx 1G
refuse 1 "is the source" vhdx-create -f --from old.vhdx old.vhdx
refuse 1 "is the source" vhdx-create -f --from ./link.vhdx old.vhdx
vhdx-create -q --parent old.vhdx child.vhdx
vhdx-create -q --parent child.vhdx grandchild.vhdx
refuse 1 "is part of the source" vhdx-create -f --from grandchild.vhdx old.vhdx
refuse 1 "is the parent or one of its parents" vhdx-create -f --parent child.vhdx child.vhdx
refuse 1 "is the parent or one of its parents" vhdx-create -f --parent child.vhdx new.vhdx old.vhdx
refuse 1 "is named twice" vhdx-create -f --parent old.vhdx child.vhdx new.vhdx ./child.vhdx
cp new.vhdx copy
head -c 1000 /dev/urandom | gzip | head -c 500 >short.gz
refuse 3 "ends early" vhdx-create -f --from short.gz new.vhdx 1G
refuse 1 "more than SIZE" vhdx-create -f --from - new.vhdx 1M <disk.raw
refuse 2 "" vhdx-create -f --block-size 3M new.vhdx 1G
same new.vhdx copy
expect 0 vhdx-create -f --from disk.raw new.vhdx
holds new.vhdx disk.raw
umask 077
expect 0 vhdx-create -f private.vhdx 1G
[ "$(stat -c %a private.vhdx)" = 600 ] || fail "--force ignores the umask"
umask 022
ok "--force"

# --- interrupted ------------------------------------------------------------------------------------------------------------

# interrupt SIGNAL COMMAND...: starts it, waits until it works, sends the signal.
interrupt() {
	local signal=$1 status=0
	shift
	set -m
	"$@" >"$stdout" 2>"$stderr" &
	local child=$!
	sleep 0.4
	kill -0 $child 2>/dev/null || fail "ends before it is interrupted: $*"
	kill -"$signal" $child
	{ wait $child || status=$?; } 2>/dev/null
	set +m
	[ $status != 0 ] || fail "an interrupted run ends with exit status 0: $*"
	[ ! -s "$stdout" ] || fail "an interrupted run prints: $*"
}
for signal in INT TERM HUP; do
	interrupt $signal vhdx-create --from /dev/urandom a.vhdx 1T
	files_are
	interrupt $signal vhdx-create --from /dev/zero a.vhdx 64T
	files_are
	interrupt $signal vhdx-create --from /dev/zero a.vhdx
	files_are
done
mkfifo pipe
sleep 10 >pipe &
writer=$!
interrupt INT vhdx-create --from pipe a.vhdx 1G
files_are pipe
interrupt INT vhdx-create --from pipe a.vhdx
files_are pipe
kill $writer
{ wait $writer || true; } 2>/dev/null
(
	head -c 3000000 /dev/urandom
	exec sleep 10
) >pipe &
writer=$!
interrupt INT vhdx-create --from pipe a.vhdx 1G
files_are pipe
kill $writer
{ wait $writer || true; } 2>/dev/null
vhdx-create -q old.vhdx 1G
cp old.vhdx copy
interrupt INT vhdx-create -f --from /dev/zero old.vhdx 64T
files_are copy old.vhdx pipe
same copy old.vhdx
ok "an interrupted run leaves nothing"

mkfifo pipe
(
	head -c 3000000 /dev/urandom
	exec sleep 10
) >pipe &
writer=$!
vhdx-create -q --from pipe used.vhdx 1G &
sleep 0.4
expect 1 vhdx-create -f used.vhdx 1G
kill $writer
{ wait $writer || true; } 2>/dev/null
wait
[ -s used.vhdx ] || fail "a file in use is replaced"
ok "--force does not replace a file in use"

head -c 3000000 /dev/urandom >disk.raw
expect 0 bash -c '(cat disk.raw; sleep 1.2; cat disk.raw) | vhdx-create --progress --from - a.vhdx 60M'
grep -q '^vhdx-create: a.vhdx: [0-9]* % of 60 MiB$' "$stderr" || fail "--progress shows nothing"
expect 0 bash -c '(cat disk.raw; sleep 1.2; cat disk.raw) | vhdx-create --progress --from - b.vhdx'
grep -q '^vhdx-create: -: [0-9.]* MiB read$' "$stderr" || fail "--progress shows nothing while it reads ahead"
expect 0 bash -c '(cat disk.raw; sleep 1.2; cat disk.raw) | vhdx-create -q --progress --from - c.vhdx 60M'
quiet
expect 0 bash -c '(cat disk.raw; sleep 1.2; cat disk.raw) | vhdx-create --from - d.vhdx 60M'
[ ! -s "$stderr" ] || fail "progress is shown although standard error is no terminal"
ok "--progress"

# --- others read them -------------------------------------------------------------------------------------------------------

read_by_qemu() {
	local type block
	make_raw disk.raw 40
	for type in fixed dynamic; do
		for block in 1M 2M 8M 32M 256M; do
			vhdx-create -q --type $type --block-size $block --from disk.raw $type-$block.vhdx
			qemu-img check -q -f vhdx $type-$block.vhdx || fail "qemu-img check of $type-$block.vhdx"
			qemu-img compare -q -f vhdx -F raw $type-$block.vhdx disk.raw || fail "qemu-img compare of $type-$block.vhdx"
		done
		vhdx-create -q --type $type --from disk.raw $type.vhd
		qemu-img compare -q -f vpc -F raw $type.vhd disk.raw || fail "qemu-img compare of $type.vhd"
	done
	for block in 512K 1M 4M; do
		vhdx-create -q --block-size $block --from disk.raw $block.vhd
		qemu-img compare -q -f vpc -F raw $block.vhd disk.raw || fail "qemu-img compare of $block.vhd"
	done
	qemu-img convert -O vhdx disk.raw theirs.vhdx
	expect 0 vhdx-create --from theirs.vhdx ours.vhd
	qemu-img compare -q -f vpc -F raw ours.vhd disk.raw || fail "qemu-img compare of ours.vhd"
	ok "QEMU reads what is made"
}
if command -v qemu-img >/dev/null; then
	read_by_qemu
else
	skip "no qemu-img"
fi

# --- costs ------------------------------------------------------------------------------------------------------------------

if grep -q __asan_init "$VHDX_BIN/vhdx-create"; then
	echo "skip - system calls are not counted in instrumented builds"
elif ! command -v strace >/dev/null || ! strace -o /dev/null true 2>/dev/null; then
	skip "no strace to count system calls"
else
	for size in 64G 64T; do
		strace -f -c -o trace vhdx-create $size.vhdx $size >/dev/null
		calls=$(awk '$NF == "total" { print $4 }' trace)
		syncs=$(awk '$NF ~ /^f(data)?sync$/ { count += $4 } END { print count + 0 }' trace)
		[ "$calls" -le 60 ] || fail "creating a disk of $size takes $calls system calls, more than 60"
		[ "$syncs" -le 2 ] || fail "creating a disk of $size takes $syncs syncs, more than 2"
	done
	ok "creating a disk takes $calls system calls and $syncs syncs"
fi

finish
