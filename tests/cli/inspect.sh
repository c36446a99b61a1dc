#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-inspect: every question, on images made here, on damaged ones, and on real ones when $VHDX_SAMPLES names their directory.
. "$(dirname "$0")/support.sh"

PATH=$PATH:/usr/sbin:/sbin

# --- helpers ----------------------------------------------------------------------------------------------------------------

# gives STATUS COMMAND...: like expect, but a failure may print what can be told all the same.
gives() {
	local wanted=$1 status=0
	shift
	"$@" >"$stdout" 2>"$stderr" || status=$?
	[ "$status" = "$wanted" ] || fail "exit status $status, not $wanted: $*"
}

# says TEXT: a line of standard output is TEXT; blanks count as one.
says() {
	tr -s ' ' <"$stdout" | grep -qxF -- "$1" || fail "does not say '$1', but: $(cat "$stdout")"
}

has() {
	grep -qF -- "$1" "$stdout" || fail "does not print '$1', but: $(cat "$stdout")"
}

lacks() {
	! grep -qF -- "$1" "$stdout" || fail "prints '$1': $(cat "$stdout")"
}

complains() {
	grep -qF -- "$1" "$stderr" || fail "the message does not say '$1'"
}

silent() {
	[ ! -s "$stdout" ] || fail "prints on standard output: $(cat "$stdout")"
}

# is FILTER VALUE: of the JSON on standard output, by jq or python3.
is() {
	local value
	if command -v jq >/dev/null; then
		value=$(jq -c "$1" <"$stdout") || fail "is no JSON, or '$1' cannot be asked of it: $(head -c 2000 "$stdout")"
		[ "$value" = "$2" ] || fail "$1 is '$value', not '$2'"
	else
		python3 -c 'import json, sys; json.load(sys.stdin)' <"$stdout" || fail "is no JSON"
	fi
}

command -v jq >/dev/null || command -v python3 >/dev/null || fail "needs jq or python3"

# Little-endian numbers and bytes, as printf takes them: le LENGTH VALUE; hex DIGITS.
le() {
	local length=$1 value=$2
	for (( ; length > 0; length--, value >>= 8)); do printf '\\x%02x' $((value & 255)); done
}

hex() {
	sed 's/../\\x&/g' <<<"$1"
}

# put FILE OFFSET BYTES
put() {
	# shellcheck disable=SC2059
	printf -- "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

raw() {
	rm -f "$1"
	truncate -s "$2" "$1"
}

# CRC-32 of a part of a file, as bytes for put: gzip computes it.
crc() {
	hex "$(tail -c +$(($2 + 1)) "$1" | head -c "$3" | gzip -c | tail -c 8 | head -c 4 | od -An -tx1 | tr -d ' \n')"
}

readonly GUID_EFI=28732ac11ff8d211ba4b00a0c93ec93b GUID_LINUX=af3dc60f838472478e793d69d8477de4
readonly GUID_ODD=00112233445566778899aabbccddeeff

# gpt FILE SECTOR_SIZE LAST_SECTOR [TYPE FIRST LAST NAME]...: both tables and the protective MBR into a raw file.
gpt() {
	local file=$1 size=$2 last=$3 sectors=$((16384 / $2)) at=$((2 * $2)) i
	shift 3
	put "$file" 446 "\\x00\\x00\\x02\\x00\\xee\\xff\\xff\\xff$(le 4 1)$(le 4 "$last")"
	put "$file" 510 "\\x55\\xaa"
	while [ $# -gt 0 ]; do
		put "$file" $at "$(hex "$1")$(le 8 $((at + 1)))$(le 8 77)$(le 8 "$2")$(le 8 "$3")"
		for ((i = 0; i < ${#4}; i++)); do put "$file" $((at + 56 + 2 * i)) "${4:i:1}"; done
		at=$((at + 128))
		shift 4
	done
	gpt_header "$file" "$size" 1 "$last" 2
	dd if="$file" of="$file" bs="$size" skip=2 seek=$((last - sectors)) count="$sectors" conv=notrunc status=none
	gpt_header "$file" "$size" "$last" 1 $((last - sectors))
}

# gpt_header FILE SECTOR_SIZE SECTOR OTHER ENTRIES
gpt_header() {
	local at=$(($2 * $3))
	put "$1" $at "EFI PART$(le 4 0x10000)$(le 4 92)$(le 8 0)$(le 8 "$3")$(le 8 "$4")$(le 8 34)$(le 8 "$4")$(hex $GUID_ODD)"
	put "$1" $((at + 72)) "$(le 8 "$5")$(le 4 128)$(le 4 128)$(crc "$1" $(($2 * 2)) 16384)"
	put "$1" $((at + 16)) "$(crc "$1" $at 92)"
}

# mbr FILE SLOT STATUS TYPE FIRST COUNT
mbr() {
	put "$1" $((446 + 16 * ($2 - 1))) "\\x$3\\x00\\x00\\x00\\x$4\\x00\\x00\\x00$(le 4 "$5")$(le 4 "$6")"
	put "$1" 510 "\\x55\\xaa"
}

# wrap FILE: the raw file as FILE.vhdx, then its overview.
wrap() {
	expect 0 vhdx-create -q --force --from "$1" --from-format raw "$1.vhdx"
	expect 0 vhdx-inspect "$1.vhdx"
}

# --- options ----------------------------------------------------------------------------------------------------------------

expect 0 vhdx-inspect --help
grep -q -- --compare "$stdout" && grep -q -- --parent-root "$stdout" || fail "--help is not complete"
[ "$(awk 'length > 100' "$stdout")" = "" ] || fail "--help has long lines"
expect 0 vhdx-inspect --version
grep -q '^vhdx-inspect (libvhdx) [0-9]' "$stdout" || fail "--version says '$(cat "$stdout")'"
ok "--help, --version"

expect 0 vhdx-create -q a.vhdx 1G
refuse 2 "a file is needed" vhdx-inspect
refuse 2 "only one file" vhdx-inspect a.vhdx a.vhdx
refuse 2 "--nonsense" vhdx-inspect --nonsense a.vhdx
refuse 2 "--compare-format" vhdx-inspect --compare-format raw a.vhdx
refuse 2 "not 'zip'" vhdx-inspect --compare a.vhdx --compare-format zip a.vhdx
refuse 1 "missing.vhdx" vhdx-inspect missing.vhdx
refuse 1 "missing.vhdx" vhdx-inspect --all missing.vhdx
head -c 3000000 /dev/urandom >noise.vhdx
refuse 1 "noise.vhdx" vhdx-inspect noise.vhdx
refuse 1 "noise.vhdx" vhdx-inspect --json noise.vhdx
refuse 1 "" vhdx-inspect .
ok "what it refuses"

expect 0 vhdx-create -q a.vhdx 1G
expect 0 vhdx-inspect --map a.vhdx
has "hole"
expect 0 vhdx-inspect --map 'C:\VMs=/somewhere' a.vhdx
says "Format VHDX, dynamic"
expect 0 vhdx-inspect '--map=C:\VMs=/somewhere' --map a.vhdx
has "hole"
ok "--map is a question, and with a value a map of paths"

# --- the overview -----------------------------------------------------------------------------------------------------------

expect 0 vhdx-create -q --deterministic disk.vhdx 64G
before=$(sha256sum disk.vhdx; stat -c '%y %s' disk.vhdx)
expect 0 vhdx-inspect disk.vhdx
[ "$(sha256sum disk.vhdx; stat -c '%y %s' disk.vhdx)" = "$before" ] || fail "the file was changed"
says "disk.vhdx"
says "Format VHDX, dynamic"
says "Virtual size 64 GiB (68719476736 bytes)"
grep -qE "^File size +[0-9.]+ MiB \($(stat -c %s disk.vhdx) bytes\), [0-9.]+ KiB in use on the host$" "$stdout" ||
	fail "file size: $(cat "$stdout")"
says "Minimum size unknown"
says "Sectors 512 bytes logical, 4096 bytes physical"
says "Block size 32 MiB"
says "Log clean"
says "Allocation 0 of 2048 blocks, 0 bytes (0.0 %)"
says "Blocks 2048 absent"
says "Fragmentation 0.0 % (0 runs)"
says "Content none: the start of the disk is empty"
grep -qE '^Disk identifier +[0-9a-f]{8}-' "$stdout" && grep -qE '^Data write GUID +[0-9a-f]{8}-' "$stdout" &&
	grep -qE '^File write GUID +[0-9a-f]{8}-' "$stdout" && grep -qE '^Creator +libvhdx ' "$stdout" || fail "identifiers"
lacks "Chain"
lacks "Geometry"
lacks "will not attach on Windows:"
[ "$(wc -l <"$stdout")" -le 24 ] || fail "is longer than a screen"
[ "$(awk 'length > 130' "$stdout")" = "" ] || fail "has long lines"
ok "overview of a dynamic VHDX"

SOURCE_DATE_EPOCH=1000000000 expect 0 vhdx-create -q --deterministic disk.vhd 4M
expect 0 vhdx-inspect disk.vhd
says "Format VHD, dynamic"
says "Block size 2 MiB"
says "Created 2001-09-09 01:46:40 UTC"
says "Geometry 120 cylinders, 4 heads, 17 sectors"
grep -qE '^Unique id +[0-9a-f]{8}-' "$stdout" || fail "no unique id"
lacks "Log "
lacks "Azure"
expect 0 vhdx-create -q --type fixed disk2.vhd 1000448
expect 0 vhdx-inspect disk2.vhd
says "Format VHD, fixed"
says "Allocation all of it"
has "note: Azure takes only whole numbers of MiB"
lacks "Block size"
expect 0 vhdx-create -q --type fixed --block-size 1M --logical-sector 4096 disk.vhdx 8M
expect 0 vhdx-inspect disk.vhdx
says "Format VHDX, fixed"
says "Sectors 4096 bytes logical, 4096 bytes physical"
says "Allocation 8 of 8 blocks, 8 MiB (100.0 %)"
says "Fragmentation 0.0 % (1 run)"
has "note: with 4096-byte logical sectors"
ok "overview of VHD and of fixed disks"

expect 0 vhdx-create -q base.vhdx 1G
expect 0 vhdx-create -q --parent base.vhdx mid.avhdx
expect 0 vhdx-create -q --parent mid.avhdx child.avhdx
expect 0 vhdx-inspect child.avhdx
says "Format VHDX, differencing"
says "Chain 3 files"
says " 0 VHDX differencing 1 GiB child.avhdx"
grep -qE '^  2  VHDX dynamic +1 GiB +[^ ]*base.vhdx, identity matches$' "$stdout" || fail "chain: $(cat "$stdout")"
expect 0 vhdx-inspect --no-parents child.avhdx
says "Chain parents not opened"
says "Content unknown without the parents"
expect 0 vhdx-inspect --json child.avhdx
is .overview.chain_depth 3
is .overview.chain_complete true
is .overview.image.type '"differencing"'
ok "overview of a chain"

expect 0 vhdx-create -q right.vhdx 8M
cp right.vhdx wrong.vhd
expect 0 vhdx-inspect wrong.vhd
has "note: Windows goes by the extension of the name, and a VHDX should end in .vhdx"
cp right.vhdx RIGHT.VHDX
expect 0 vhdx-inspect RIGHT.VHDX
lacks "extension"
truncate -s 200M right.vhdx
expect 0 vhdx-inspect right.vhdx
has "of the file hold nothing of this image"
cp --sparse=never RIGHT.VHDX plain.vhdx
expect 0 vhdx-inspect plain.vhdx
lacks "has holes on this host"
expect 0 vhdx-create -q grown.vhd 8M
expect 0 vhdx-inspect grown.vhd
lacks "will not attach on Windows:"
truncate -s -512 grown.vhd
gives 0 vhdx-inspect grown.vhd
has "will not attach on Windows: the footer at the end of the file is missing or damaged"
ok "notes and refusals"

# --- what is inside ---------------------------------------------------------------------------------------------------------

if command -v mkfs.ext4 >/dev/null; then
	for kind in ext2 ext3 ext4; do
		raw $kind 32M
		"mkfs.$kind" -q -L "label $kind" $kind 2>"$stderr"
		wrap $kind
		says "Content $kind \"label $kind\", 32 MiB, no partition table"
		says "Minimum size 32 MiB (33554432 bytes)"
	done
	expect 0 vhdx-create -q --from ext4 --from-format raw larger.vhdx 64M
	expect 0 vhdx-inspect --json larger.vhdx
	is .overview.minimum_size 33554432
	is .overview.content.table '"none"'
	is .overview.content.filesystem '{"type":"ext4","label":"label ext4","size":33554432}'
	truncate -s 16M ext4
	wrap ext4
	says "Minimum size unknown"
	has "note: the filesystem is larger than the disk"
	ok "ext2, ext3, ext4"
else
	skip "ext2, ext3, ext4: no mkfs.ext4"
fi

# formatter KIND SIZE COMMAND...: the content as the formatter makes it, when it is installed.
formatter() {
	local text=$1 size=$2
	shift 2
	if ! command -v "$1" >/dev/null; then
		echo "skip - $text: no $1"
		return 0
	fi
	raw fs "$size"
	"$@" fs >"$stdout" 2>"$stderr" || fail "$* does not work"
	wrap fs
	says "Content $text, no partition table"
	ok "$text by $1"
}
formatter 'XFS "an xfs", 400 MiB' 400M mkfs.xfs -q -L "an xfs"
formatter 'btrfs "bé", 200 MiB' 200M mkfs.btrfs -q -L "bé"
formatter 'FAT12 "TWELVE", 4 MiB' 4M mkfs.vfat -n TWELVE
formatter 'FAT16 "SIXTEEN", 64 MiB' 64M mkfs.vfat -F 16 -n SIXTEEN
formatter 'FAT32, 128 MiB' 128M mkfs.vfat -F 32
formatter 'NTFS "Nö", 32 MiB' 32M mkfs.ntfs -Fq -L "Nö"
formatter 'exFAT "ex", 64 MiB' 64M mkfs.exfat -L ex
formatter 'f2fs "eff", 128 MiB' 128M mkfs.f2fs -q -l eff
formatter 'swap "sw", 8 MiB' 8M mkswap -L sw

# What no formatter is at hand for: TYPE, then pairs of offset and bytes.
signature() {
	local text=$1
	shift
	raw fs 4M
	while [ $# -gt 0 ]; do
		put fs "$1" "$2"
		shift 2
	done
	wrap fs
	says "Content $text, no partition table"
}
signature "ReFS, 2 MiB" 3 'ReFS\0\0\0\0' 16 FSRS 24 "$(le 8 4096)$(le 4 512)"
signature "BitLocker" 3 '-FVE-FS-'
signature "BitLocker" 0 '\xeb\x58\x90MSWIN4.1' 424 "$(hex 3bd66749292ed84a8399f6a339e3d001)"
signature "LUKS1" 0 'LUKS\xba\xbe\x00\x01'
signature 'LUKS2 "secret"' 0 'LUKS\xba\xbe\x00\x02' 24 secret
signature "squashfs, 4 KiB" 0 hsqs 40 "$(le 8 4096)"
signature "APFS, 4 MiB" 32 NXSB 36 "$(le 4 4096)$(le 8 1024)"
signature "HFS+, 4 MiB" 1024 'H+\0\4' 1064 '\0\0\x10\0\0\0\4\0'
signature 'bcachefs "bc"' 4120 "$(hex c68573f666ce90a9d96a60cf803df7ef)" 4168 bc
signature 'Linux RAID "host:0"' 4096 "$(hex fc4e2ba901000000)" 4128 'host:0'
signature 'LVM2 PV "vg0", 4 MiB' 512 LABELONE 532 "$(le 4 32)LVM2 001" 576 "$(le 8 4194304)$(le 8 1048576)" \
	608 "$(le 8 0)$(le 8 0)" 616 "$(le 8 4096)$(le 8 1044480)" 4100 ' LVM2 x[5A%%r0N*>' \
	4136 "$(le 8 512)$(le 8 100)" 4608 'vg0 {'
signature 'ISO9660 "CD", 2 MiB' 32769 CD001 32808 'CD   ' 32848 "$(le 4 1024)" 32896 "$(le 2 2048)"
signature "UDF" 32769 BEA01 34817 NSR03
signature 'ZFS "tank"' 16384 '\1\1\0\0\0\0\0\0\0\0\0\1' \
	16396 '\0\0\0\x24\0\0\0\x20\0\0\0\7version\0\0\0\0\x08\0\0\0\1\0\0\0\0\0\0\x13\x88' \
	16432 '\0\0\0\x20\0\0\0\x20\0\0\0\4name\0\0\0\x09\0\0\0\1\0\0\0\4tank'
ok "signatures"

raw fs 4M
put fs 0 'LUKS\xba\xbe\x00\x02'
put fs 24 'a\033[31mb\x9bc\xff'
wrap fs
says 'Content LUKS2 "a?[31mb?c?", no partition table'
expect 0 vhdx-inspect --json fs.vhdx
is .overview.content.filesystem.label '"a?[31mb?c?"'
ok "labels cannot reach the terminal"

raw disk 64M
gpt disk 512 131071 $GUID_EFI 2048 18431 "EFI part" $GUID_LINUX 18432 79871 root $GUID_ODD 79872 79999 ""
put disk $((18432 * 512)) 'XFSB'
wrap disk
says "Content GPT, 3 partitions"
says " 1 at 1 MiB 8 MiB EFI system \"EFI part\""
says " 2 at 9 MiB 30 MiB Linux filesystem \"root\": XFS"
says " 3 at 39 MiB 64 KiB 33221100-5544-7766-8899-aabbccddeeff"
says "Minimum size $(((80000 + 33) * 512 / 1048576)).1 MiB ($(((80000 + 33) * 512)) bytes)"
lacks "note: the GPT"
expect 0 vhdx-inspect --json disk.vhdx
is '.overview.content.partitions[1] | [.number, .offset, .size, .type, .name, .filesystem.type]' \
	'[2,9437184,31457280,"Linux filesystem","root","XFS"]'
cp disk backup
put backup 512 XXXX
wrap backup
says " 2 at 9 MiB 30 MiB Linux filesystem \"root\": XFS"
has "note: the GPT at the start of the disk is damaged; the copy at its end was used"
put backup $((131071 * 512 + 40)) XXXX
wrap backup
says "Content GPT, damaged"
has "note: there should be a GPT, but neither copy is usable"
expect 0 vhdx-create -q --from disk --from-format raw grown.vhdx 80M
expect 0 vhdx-inspect grown.vhdx
has "note: the copy of the GPT is not at the end of the disk"
truncate -s 20M disk
wrap disk
has "note: partition 2 lies beyond the end of the disk"
says "Minimum size unknown"
ok "GPT"

raw disk 64M
gpt disk 4096 16383 $GUID_LINUX 256 1279 four
expect 0 vhdx-create -q --from disk --from-format raw --logical-sector 4096 four.vhdx
expect 0 vhdx-inspect four.vhdx
says "Content GPT, 1 partition"
says " 1 at 1 MiB 4 MiB Linux filesystem \"four\""
says "Minimum size 5.02 MiB ($(((1280 + 5) * 4096)) bytes)"
wrap disk
has "note: the GPT counts in sectors of 4096 bytes, the disk in 512"
ok "GPT of 4096-byte sectors"

raw disk 64M
mbr disk 1 80 0c 2048 20480
mbr disk 2 00 05 22528 40960
mbr disk 3 00 07 63488 20480
put disk $((22528 * 512 + 446)) "\\0\\0\\0\\0\\x83\\0\\0\\0$(le 4 2048)$(le 4 8192)"
put disk $((22528 * 512 + 462)) "\\0\\0\\0\\0\\5\\0\\0\\0$(le 4 12288)$(le 4 8192)"
put disk $((22528 * 512 + 510)) '\x55\xaa'
put disk $((34816 * 512 + 446)) "\\0\\0\\0\\0\\x82\\0\\0\\0$(le 4 2048)$(le 4 4096)"
put disk $((34816 * 512 + 510)) '\x55\xaa'
put disk $((63488 * 512 + 3)) 'EXFAT   '
put disk $((63488 * 512 + 72)) "$(le 8 20480)"
put disk $((63488 * 512 + 108)) '\x09\x03'
wrap disk
says "Content MBR, 5 partitions"
says " 1 at 1 MiB 10 MiB FAT32, LBA, active"
says " 2 at 11 MiB 20 MiB Extended"
says " 5 at 12 MiB 4 MiB Linux"
says " 6 at 18 MiB 2 MiB Linux swap"
says " 3 at 31 MiB 10 MiB NTFS or exFAT: exFAT"
says "Minimum size 41 MiB (42991616 bytes)"
put disk $((22528 * 512 + 470)) "$(le 4 0)"
wrap disk
has "Content          MBR, "
raw disk 64M
put disk 510 '\x55\xaa'
wrap disk
says "Content MBR, 0 partitions"
ok "MBR with logical partitions, also in a circle"

# --- questions --------------------------------------------------------------------------------------------------------------

# data, a.vhdx with blocks of 1 MiB and a.vhd, with the same content.
make_disks() {
	make_raw data 20
	expect 0 vhdx-create -q --block-size 1M --from data --from-format raw a.vhdx
	expect 0 vhdx-create -q --from data --from-format raw a.vhd
}

make_disks
expect 0 vhdx-inspect --map a.vhdx
grep -qE '^0x000000000000 +1048576  data +0  0x[0-9a-f]{12}$' "$stdout" || fail "map: $(cat "$stdout")"
[ "$(awk 'NR > 1 { sum += $2 } END { print sum }' "$stdout")" = 20971520 ] || fail "the map does not cover the disk"
expect 0 vhdx-inspect --map --json a.vhdx
is .schema '"vhdx-inspect/1"'
is '[.map[].length] | add' 20971520
is '.map[0] | [.offset, .length, .kind, .level]' '[0,1048576,"data",0]'
cp --sparse=never data flat
expect 0 vhdx-inspect --map flat --format raw
says "0x000000000000 20971520 data 0 0x000000000000"
ok "--map"

make_disks
expect 0 vhdx-inspect --picture a.vhdx
[ "$(grep -c '^0x' "$stdout")" = 10 ] || fail "the picture has not 10 lines"
grep -qE '^0x000000000000 \|@{32} {32}\|$' "$stdout" || fail "picture: $(cat "$stdout")"
has "one character is 32 KiB"
LC_ALL=C.UTF-8 expect 0 vhdx-inspect --picture a.vhd
! grep -qP '[^\x00-\x7f]' "$stdout" || fail "draws blocks where no terminal is"
expect 0 vhdx-inspect --picture --json a.vhdx
is .picture.cell_size 32768
is '.picture.data_bytes | length' 640
if command -v script >/dev/null; then
	LC_ALL=C.UTF-8 gives 0 script -qec "vhdx-inspect --picture a.vhdx" /dev/null
	has $'\033[31m'
	has "█"
	NO_COLOR=1 gives 0 script -qec "vhdx-inspect --picture a.vhdx" /dev/null
	lacks $'\033'
	LC_ALL=C gives 0 script -qec "vhdx-inspect --picture a.vhdx" /dev/null
	lacks "█"
fi
ok "--picture"

make_disks
expect 0 vhdx-inspect --hash data --format raw
digest=$(cut -d' ' -f1 "$stdout")
if command -v xxh128sum >/dev/null; then
	[ "$digest" = "$(xxh128sum data | cut -d' ' -f1)" ] || fail "--hash is not what xxh128sum prints"
fi
for file in a.vhdx a.vhd; do
	expect 0 vhdx-inspect --hash $file
	printed "$digest  $file"
done
expect 0 vhdx-inspect --hash --json a.vhd
is .hash "{\"algorithm\":\"XXH3-128\",\"value\":\"$digest\"}"
expect 0 vhdx-create -q empty.vhdx 3M
truncate -s 3M zeros
expect 0 vhdx-inspect --hash --format raw zeros
digest=$(cut -d' ' -f1 "$stdout")
expect 0 vhdx-inspect --hash empty.vhdx
printed "$digest  empty.vhdx"
ok "--hash"

make_disks
expect 0 vhdx-inspect --compare a.vhd a.vhdx
printed identical
expect 0 vhdx-inspect --compare data --compare-format raw a.vhdx
printed identical
put data 12345678 '\x01'
put data 12345679 '\x02'
gives 1 vhdx-inspect --compare data --compare-format raw a.vhdx
printed "different: at disk offset 0xbc614e, 0x00 in a.vhdx, 0x01 in data"
gives 1 vhdx-inspect --json --compare data --compare-format raw a.vhdx
is .compare '{"other":"data","identical":false,"size":20971520,"other_size":20971520,"offset":12345678,"byte":0,"other_byte":1}'
expect 0 vhdx-create -q --from a.vhd b.vhdx 30M
expect 0 vhdx-inspect --compare b.vhdx a.vhdx
printed "identical, but of sizes 20971520 and 31457280: the rest of the longer is zero"
expect 0 vhdx-create -q c.vhdx 10M
gives 1 vhdx-inspect --compare a.vhdx c.vhdx
has "different: at disk offset 0x" # of random bytes the first may be zero
truncate -s 10M zeros
truncate -s 20M longer
put longer 20000000 x
gives 1 vhdx-inspect --format raw --compare longer --compare-format raw zeros
has "beyond the end of the shorter, at disk offset 0x1312d00, the longer is not zero"
expect 1 vhdx-inspect --compare missing.vhdx a.vhdx
complains missing.vhdx
ok "--compare"

expect 0 vhdx-create -q base.vhdx 1G
expect 0 vhdx-create -q --parent base.vhdx child.avhdx
expect 0 vhdx-inspect --chain child.avhdx
says "Level 0: child.avhdx"
has "Level 1: "
has "relative  "
says " Parent state identity matches"
expect 0 vhdx-inspect --chain --json child.avhdx
is .chain.complete true
is '.chain.levels | length' 2
is '.chain.levels[0].image.parent_identity == .chain.levels[1].image.data_identity' true
is '.chain.levels[0].parent_paths[0].kind' '"relative"'
ok "--chain"

for file in a.vhdx a.vhd; do
	expect 0 vhdx-create -q $file 64M
	for part in headers regions metadata bat log all; do
		expect 0 vhdx-inspect --$part $file
		has "No rule is broken."
		expect 0 vhdx-inspect --$part --json $file
		is .schema '"vhdx-inspect/1"'
		is .findings '[]'
	done
done
expect 0 vhdx-inspect --headers a.vhdx
grep -qE '^  0x0000020008  sequence_number +2 \(current' "$stdout" || fail "no sequence number: $(cat "$stdout")"
expect 0 vhdx-inspect --json --headers a.vhdx
is '.fields[] | select(.file_offset == 65602) | [.structure, .field, .value, .rule]' '["vhdx_header","version","1",null]'
expect 0 vhdx-inspect --headers a.vhd
has "conectix"
ok "--headers --regions --metadata --bat --log --all"

make_raw data 20
expect 0 vhdx-create -q --from data --from-format raw a.vhdx
expect 0 vhdx-create -q --parent a.vhdx b.vhdx
for file in a.vhdx b.vhdx; do
	expect 0 vhdx-inspect --json --overview --chain --all --map --picture --hash --compare a.vhdx $file
	is '[keys[]] | sort' '["chain","compare","fields","file","findings","hash","map","overview","picture","schema"]'
	expect 0 vhdx-inspect --overview --chain --all --map --picture --hash --compare a.vhdx $file
	has "Virtual size"
	has "identical"
done
ok "all questions in one call"

# --- damage -----------------------------------------------------------------------------------------------------------------

# damaged FILE RULE [FIELD_RULE]: refused with a hint, and explained by --all.
damaged() {
	local rule=${3:-$2}
	expect 3 vhdx-inspect "$1"
	complains "$2"
	complains "try vhdx-inspect --all $1"
	expect 3 vhdx-inspect --json "$1"
	gives 3 vhdx-inspect --all "$1"
	has "$rule"
	has "Findings"
	gives 3 vhdx-inspect --all --json "$1"
	is "[.findings[] | select(.severity == \"error\") | .rule] | index(\"$rule\") != null" true
	gives 3 vhdx-inspect --all --map "$1"
	has "$rule"
}

expect 0 vhdx-create -q whole.vhdx 64M
cp whole.vhdx a.vhdx
put a.vhdx 65600 '\xff'
put a.vhdx 131136 '\xff'
damaged a.vhdx VHDX-019 VHDX-016
cp whole.vhdx a.vhdx
put a.vhdx 65600 '\xff'
expect 0 vhdx-inspect a.vhdx
expect 0 vhdx-inspect --headers a.vhdx
has "VHDX-016"
has "warning: "
ok "headers"

expect 0 vhdx-create -q whole.vhdx 64M
cp whole.vhdx a.vhdx
put a.vhdx 196700 '\xff'
put a.vhdx 262236 '\xff'
damaged a.vhdx VHDX-048
cp whole.vhdx a.vhdx
put a.vhdx "$(LC_ALL=C grep -abo metadata whole.vhdx | head -1 | cut -d: -f1)" XXXX
damaged a.vhdx VHDX-144
ok "region tables, metadata table"

make_raw data 20
expect 0 vhdx-create -q --block-size 1M --from data --from-format raw a.vhdx
expect 0 vhdx-inspect --json --bat a.vhdx
entry=$(grep -o '"file_offset": [0-9]*' "$stdout" | head -1 | tr -dc 0-9)
put a.vhdx "$entry" '\x07'
gives 3 vhdx-inspect a.vhdx
says "Format VHDX, dynamic"
has "1 damaged"
gives 3 vhdx-inspect --bat a.vhdx
has VHDX-124
gives 3 vhdx-inspect --map --json a.vhdx
is '.map[0] | [.offset, .length, .kind]' '[0,1048576,"damaged"]'
is '[.map[].length] | add' 20971520
gives 3 vhdx-inspect --picture a.vhdx
has "0x000000000000 |!!!!!!!!"
gives 3 vhdx-inspect --hash --json a.vhdx
silent
gives 3 vhdx-inspect --hash a.vhdx
silent
complains VHDX-124
ok "BAT"

expect 0 vhdx-create -q a.vhd 64M
put a.vhd 530 '\xff'
damaged a.vhd VHD-046
expect 0 vhdx-create -q --force --type fixed a.vhd 8M
size=$(stat -c %s a.vhd)
put a.vhd $((size - 460)) '\xff'
gives 3 vhdx-inspect a.vhd
silent
complains VHD-026
ok "VHD"

expect 0 vhdx-create -q whole.vhdx 64M
for size in 0 8 512 65536 100000 196608 1048576 2097152; do
	head -c $size whole.vhdx >cut.vhdx
	status=0
	vhdx-inspect --all cut.vhdx >"$stdout" 2>"$stderr" || status=$?
	[ $status = 1 ] || [ $status = 3 ] || fail "a file cut at $size ends with $status"
	status=0
	vhdx-inspect --all --json cut.vhdx >"$stdout" 2>"$stderr" || status=$?
	[ ! -s "$stdout" ] || is .schema '"vhdx-inspect/1"'
done
ok "cut files"

# --- broken chains ----------------------------------------------------------------------------------------------------------

for extension in vhdx vhd; do
	expect 0 vhdx-create -q base.$extension 64M
	expect 0 vhdx-create -q --parent base.$extension mid.$extension
	expect 0 vhdx-create -q --parent mid.$extension child.$extension
	mv base.$extension gone
	gives 1 vhdx-inspect child.$extension
	complains "base.$extension"
	says "Chain broken: a parent is missing or refused"
	says "Content unknown without the parents"
	has "note: the chain of parents is broken"
	gives 1 vhdx-inspect --json child.$extension
	is .overview.chain_complete false
	gives 1 vhdx-inspect --chain child.$extension
	says "Level 0: child.$extension"
	says " Parent state missing or refused"
	has "Tried"
	has "base.$extension"
	gives 1 vhdx-inspect --chain --json child.$extension
	is .chain.complete false
	is '[.chain.attempts[] | select(.status == "accepted")] | length' 1
	gives 1 vhdx-inspect --map child.$extension
	has "parent"
	expect 1 vhdx-inspect --hash child.$extension
	expect 1 vhdx-inspect --compare mid.$extension child.$extension
	expect 0 vhdx-create -q base.$extension 64M
	gives 1 vhdx-inspect child.$extension
	says "Chain broken: a parent is missing or refused"
	gives 0 vhdx-inspect --ignore-parent-identity child.$extension
	has "IDENTITY DIFFERS"
	has "will not attach on Windows: level 2 is not the parent that its child asks for"
	expect 0 vhdx-inspect --parent-file mid.$extension --parent-file gone child.$extension
	says "Chain 3 files"
	mkdir store
	mv gone store/other.$extension
	rm base.$extension
	expect 0 vhdx-inspect --search store child.$extension
	says "Chain 3 files"
	clean
done
ok "missing and wrong parents"

expect 0 vhdx-create -q base.vhdx 64M
expect 0 vhdx-create -q --parent base.vhdx child.vhdx
put base.vhdx 65600 '\xff'
put base.vhdx 131136 '\xff'
gives 1 vhdx-inspect child.vhdx
says "Chain broken: a parent is missing or refused"
complains VHDX-019
ok "damaged parent"

# Fragmentation: blocks that follow each other on the disk and lie apart in the file; extents of the host where it tells them.
clean
raw disk 8M
for ((i = 7; i >= 0; i--)); do put disk $((i << 20)) x; done
expect 0 vhdx-create -q --block-size 1M --from disk --from-format raw disk.vhdx
expect 0 vhdx-inspect --json disk.vhdx
jq -e '.overview.fragmentation | .percent == 0 and .runs == 1 and .seek_bytes == 0' "$stdout" >jq.out || fail "is not whole: $(cat "$stdout")"
sync disk.vhdx
expect 0 vhdx-inspect --json disk.vhdx
if filefrag disk.vhdx 2>&1 | grep -q 'extents* found'; then
	jq -e '.overview.host_extents.count >= 1' "$stdout" >jq.out || fail "does not tell the extents of the host: $(grep host_extents "$stdout") $(filefrag -v disk.vhdx)"
	expect 0 vhdx-inspect disk.vhdx
	grep -q '^Host extents  *[1-9]' "$stdout" || fail "does not show the extents of the host"
fi
ok "fragmentation, inside and on the host"

# --- what it costs ----------------------------------------------------------------------------------------------------------

if grep -q __asan_init "$VHDX_BIN/vhdx-inspect"; then
	echo "ok - counts: not taken of a build with sanitizers"
elif command -v strace >/dev/null && command -v valgrind >/dev/null; then
	raw disk 64G
	gpt disk 512 134217727 $GUID_EFI 2048 206847 EFI $GUID_LINUX 206848 134215679 root
	put disk $((206848 * 512)) XFSB
	expect 0 vhdx-create -q --type fixed --block-size 1M --from disk --from-format raw full.vhdx
	expect 0 strace -f -o calls vhdx-inspect full.vhdx
	says "Allocation 65536 of 65536 blocks, 64 GiB (100.0 %)"
	says " 2 at 101 MiB 63.9 GiB Linux filesystem \"root\": XFS"
	count=$(grep -c '(' calls)
	# three of them ask the host for the extents of the file
	[ "$count" -le 63 ] || fail "$count system calls, not at most 63"
	expect 0 valgrind --tool=callgrind --callgrind-out-file=profile vhdx-inspect full.vhdx
	work=$(sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$stderr")
	[ "$work" -le 1000000 ] || fail "$work instructions, not at most 1000000"
	ok "a full 64 GiB image: $count system calls, $work instructions"
else
	skip "counts: no strace or valgrind"
fi

# --- real images ------------------------------------------------------------------------------------------------------------

if [ -z "${VHDX_SAMPLES:-}" ] || [ ! -d "${VHDX_SAMPLES:-}" ]; then
	skip "real images: VHDX_SAMPLES is not set"
	finish
fi

# real NAME LINE...: its overview has these lines.
real() {
	local name=$1
	shift
	gives 0 vhdx-inspect "$VHDX_SAMPLES/$name"
	for line in "$@"; do says "$line"; done
	gives 0 vhdx-inspect --json --overview --chain --map --picture "$VHDX_SAMPLES/$name"
	is .schema '"vhdx-inspect/1"'
	lacks "will not attach on Windows:"
}

sums() {
	(cd "$VHDX_SAMPLES" && sha256sum ./*.vhd ./*.vhdx && stat -c '%n %y' ./*)
}
before=$(sums)

real test-disk2vhd.vhdx "Format VHDX, dynamic" "Virtual size 256 MiB (268435456 bytes)" "Creator d2v" "Log clean" \
	"Allocation 128 of 128 blocks, 256 MiB (100.0 %)" "Content MBR, 1 partition" "Minimum size 253 MiB (265355264 bytes)" \
	" 1 at 64 KiB 253 MiB FAT16"
real iotest-dynamic-1G.vhdx "Creator Microsoft Windows 6.2.9200.16384" "Blocks 3 present, 29 zero"
real iotest-dirtylog-10G-4M.vhdx "Log pending: 1 entry replayed in memory, the file is untouched" \
	"Blocks 18 present, 10222 absent" \
	"note: the log waits for replay: the first program that opens the file for writing changes it"
real vhdx-log-replay.vhdx "Content MBR, 2 partitions" " 1 at 1 MiB 100 MiB Linux" " 2 at 101 MiB 200 MiB Linux" \
	"Minimum size 301 MiB (315621376 bytes)" "Blocks 1 present, 3 zero, 28 absent"
real lvm2.vhdx "Blocks 18 present, 39 zero, 25 unmapped, 238 absent" "Content GPT, 1 partition" \
	" 1 at 1 MiB 10.00 GiB Linux LVM \"Linux LVM\": LVM2 PV \"test\""
real ntfs-fixed.vhdx "Format VHDX, fixed" " 1 at 64 KiB 2.94 MiB NTFS or exFAT: NTFS \"TestVolume\""
real ntfs-dynamic.vhd "Format VHD, dynamic" " 1 at 64 KiB 2.94 MiB NTFS or exFAT: NTFS \"TestVolume\"" "Creator win 10.0" \
	"Created 2020-10-11 11:37:46 UTC" "Geometry 120 cylinders, 4 heads, 17 sectors"
real fixed.vhdx " 1 at 64 KiB 7 MiB NTFS or exFAT: NTFS \"New Volume\""
real dynamic.vhd "Fragmentation 100.0 % (3 runs, mean seek 3.01 MiB)" " 1 at 64 KiB 7 MiB NTFS or exFAT: NTFS \"New Volume\""
real ext2.vhdx "Creator QEMU v5.2.0" "Content ext2 \"ext2_test\", 4 MiB, no partition table" "Block size 8 MiB" \
	"Allocation 1 of 1 block, 4 MiB (100.0 %)"
real ext2.vhd "Content ext2 \"ext2_test\", 4 MiB, no partition table" "Minimum size 4 MiB (4194304 bytes)"
real hyperv2012r2-dynamic.vhd "Virtual size 127 GiB (136365211648 bytes)" "Content none: the start of the disk is empty"
real virtualpc-dynamic.vhd "Creator vpc 1.0"
real 1gb.vhd "Creator dutl 6.1" "Virtual size 973 MiB (1020055040 bytes)"
real d2v-zerofilled.vhd "Allocation 126 of 126 blocks, 251.25 MiB (100.0 %)"
for kind in vhd vhdx; do
	real fat-differential.$kind "Chain 2 files" "Content MBR, 1 partition" \
		" 1 at 64 KiB 2.94 MiB FAT16, LBA: FAT12 \"TESTVOLUME\"" "Blocks 1 partial, 1 absent"
	has '"identity_matches": true'
	cp "$VHDX_SAMPLES/fat-differential.$kind" child.$kind
	gives 1 vhdx-inspect --chain child.$kind
	complains "fat-parent.$kind"
	has "relative  .\\fat-parent.$kind"
	has "fat-parent.$kind: "
	expect 0 vhdx-inspect --search "$VHDX_SAMPLES" --compare "$VHDX_SAMPLES/fat-differential.$kind" child.$kind
	printed identical
	gives 1 vhdx-inspect --compare "$VHDX_SAMPLES/fat-parent.$kind" "$VHDX_SAMPLES/fat-differential.$kind"
	has "different: at disk offset 0x"
done
ok "real images"

for name in image.vhd image-differential.vhd; do
	expect 3 vhdx-inspect "$VHDX_SAMPLES/$name"
	complains VHD-026
	gives 3 vhdx-inspect --all "$VHDX_SAMPLES/$name"
	has VHD-026
done
gives 0 vhdx-inspect --ignore-checksums "$VHDX_SAMPLES/image.vhd"
says "Virtual size 102 KiB (104448 bytes)"
ok "real images with wrong checksums"

for file in "$VHDX_SAMPLES"/*.vhd*; do
	case $file in
	*/image*.vhd) continue ;;
	esac
	gives 0 vhdx-inspect --all "$file"
	gives 0 vhdx-inspect --all --json "$file"
	is '[.findings[] | select(.severity == "error")]' '[]'
done
[ "$(sums)" = "$before" ] || fail "a real image was changed"
ok "--all of the real images, all untouched"
finish
