#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-check: what is found, what is mended, what is put back, and that QEMU agrees.
. "$(dirname "$0")/support.sh"

# finds STATUS COMMAND...: like expect, for a check that works and finds errors: it prints.
finds() {
	local wanted=$1 status=0
	shift
	"$@" >"$stdout" 2>"$stderr" || status=$?
	[ "$status" = "$wanted" ] || fail "exit status $status, not $wanted: $*"
	[ -s "$stdout" ] || fail "prints nothing: $*"
	[ ! -s "$stderr" ] || fail "complains: $*"
}

last_line() {
	[ "$(tail -n 1 "$stdout")" = "$1" ] || fail "sums up '$(tail -n 1 "$stdout")', not '$1'"
}

says() {
	grep -qF -- "$1" "$stdout" || fail "does not say '$1': $(cat "$stdout")"
}

# put FILE OFFSET TEXT
put() {
	printf '%b' "$3" | dd of="$1" bs=1 seek="$(($2))" conv=notrunc status=none
}

# agrees IMAGE RAW: what QEMU can check and read.
agrees() {
	local format=vhdx
	command -v qemu-img >/dev/null || return 0
	case $1 in *.vhd) format=vpc ;; *) qemu-img check -q -f vhdx "$1" || fail "QEMU finds something in $1" ;; esac
	qemu-img compare -q -f $format -F raw "$1" "$2" || fail "QEMU reads something else in $1"
}

# mends IMAGE RAW [OPTION...]: the plan, the repair, the content, nothing left to do, and the way back.
mends() {
	local image=$1 raw=$2
	shift 2
	cp --sparse=always "$image" damaged
	finds 0 vhdx-check "$image"
	grep -q 'repair would mend' "$stdout" || fail "$image: nothing is to be mended: $(cat "$stdout")"
	finds 0 vhdx-check --repair --dry-run "$@" "$image"
	says " would "
	same "$image" damaged
	[ ! -e "$image.undo" ] || fail "a dry run makes an undo file"
	finds 0 vhdx-check --repair "$@" "$image"
	last_line "$image: no errors"
	finds 0 vhdx-check "$image"
	printed "$image: no errors"
	holds "$image" "$raw"
	agrees "$image" "$raw"
	cp --sparse=always "$image" repaired
	refuse 1 "exists" vhdx-check --repair "$@" damaged --undo="$image.undo"
	finds 0 vhdx-check --repair --undo=second "$@" "$image"
	printed "$image: no errors"
	[ ! -e second ] || fail "a repair of nothing makes an undo file"
	same "$image" repaired
	expect 0 vhdx-check --restore "$image"
	same "$image" damaged
	expect 0 vhdx-check -q --repair --undo=again "$@" "$image"
	quiet
	holds "$image" "$raw"
	expect 0 vhdx-check -q --restore --undo=again "$image"
	same "$image" damaged
	rm -f "$image" "$image.undo" again damaged repaired
}

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw whole.vhdx
vhdx-create -q --from disk.raw whole.vhd
vhdx-create -q --parent whole.vhdx child.avhdx
finds 0 vhdx-check whole.vhdx whole.vhd child.avhdx
printed "whole.vhdx: no errors
whole.vhd: no errors
child.avhdx: no errors"
ok "sound images"

make_raw disk.raw 12
for damage in header-0 header-1 table-0 table-1 tail gap all; do
	vhdx-create -q --block-size 1M --from disk.raw a.vhdx
	case $damage in
	header-0 | all) put a.vhdx 0x10010 junk ;;
	header-1) put a.vhdx 0x20010 junk ;;
	esac
	case $damage in
	table-0) put a.vhdx 0x30010 junk ;;
	table-1 | all) put a.vhdx 0x4fff0 junk ;;
	esac
	case $damage in
	tail) head -c 3000000 /dev/urandom >>a.vhdx ;;
	gap | all) # a room of one block, filled with junk
		truncate -s +1M a.vhdx
		head -c 1048576 /dev/urandom >>a.vhdx
		;;
	esac
	mends a.vhdx disk.raw
done
for damage in front end checksum cut half tail; do
	vhdx-create -q --from disk.raw a.vhd
	case $damage in
	front) put a.vhd 0 junk ;;
	end) put a.vhd $(($(stat -c %s a.vhd) - 512)) junk ;;
	checksum) put a.vhd $(($(stat -c %s a.vhd) - 448)) junk ;;
	cut) truncate -s -512 a.vhd ;;
	half) truncate -s -100 a.vhd ;;
	tail) head -c 300000 /dev/urandom >>a.vhd ;;
	esac
	mends a.vhd disk.raw
done
ok "every repair, and back"

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw a.vhdx
# the second block's entry names the place of the first, the third lies beyond the end
bat=$((0x300000))
dd if=a.vhdx of=a.vhdx bs=1 skip="$bat" seek=$((bat + 8)) count=8 conv=notrunc status=none
put a.vhdx $((bat + 16)) '\006\000\000\377\377\000\000\000'
head -c 2000000 /dev/urandom >>a.vhdx
cp a.vhdx before
finds 3 vhdx-check a.vhdx
says "error: VHDX-122"
says "error: VHDX-141"
last_line "a.vhdx: 3 errors; 3 cannot be repaired"
finds 3 vhdx-check --repair a.vhdx
same a.vhdx before
files_are a.vhdx before disk.raw
finds 3 vhdx-check --json a.vhdx
json errors 3
json beyond_repair 3
json mendable 0
json damaged true
[ "$(vhdx-check --limit 1 a.vhdx | grep -c error:)" = 1 ] || fail "--limit shows more"
vhdx-check --limit 1 a.vhdx | grep -q 'more findings are not shown' || fail "--limit does not say so"
ok "what cannot be repaired is left alone"

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw a.vhdx
put a.vhdx 0x10010 junk
finds 0 vhdx-check --json a.vhdx
json mend header
json rule VHDX-016
json severity warning
json mendable 1
grep -q '"repair": null' "$stdout" || fail "a check says that it repaired"
finds 0 vhdx-check --repair --json a.vhdx
json done true
json undo a.vhdx.undo
json mend header
json length 4096
vhdx-check -q --restore a.vhdx
finds 3 vhdx-check --strict a.vhdx
expect 3 vhdx-check --strict -q a.vhdx
quiet
rm a.vhdx.undo
if command -v jq >/dev/null; then
	vhdx-check --json a.vhdx disk.raw 2>/dev/null | jq -e '.files | length == 1' >/dev/null || fail "what is printed for two files is no JSON"
fi
refuse 1 "neither a VHDX" vhdx-check disk.raw
refuse 1 "" vhdx-check missing.vhdx
refuse 2 "wants a FILE" vhdx-check
refuse 2 "one FILE" vhdx-check --repair a.vhdx disk.raw
refuse 2 "belong to --repair" vhdx-check --dry-run a.vhdx
refuse 2 "belongs to --restore" vhdx-check --force a.vhdx
refuse 2 "--limit wants a number" vhdx-check --limit x a.vhdx
refuse 2 "exclude" vhdx-check --repair --restore a.vhdx
refuse 1 "" vhdx-check --restore a.vhdx
cp disk.raw a.vhdx.undo
refuse 1 "no undo file" vhdx-check --restore a.vhdx
refuse 1 "exists" vhdx-check --repair a.vhdx
refuse 1 "" vhdx-check --repair --undo=no/such/directory a.vhdx
ok "JSON, exit status, mistakes"

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw a.vhdx
put a.vhdx 0x10010 junk
vhdx-check -q --repair a.vhdx
vhdx-set -q --disk-id new a.vhdx
cp a.vhdx later
refuse 1 "was changed after its repair" vhdx-check --restore a.vhdx
same a.vhdx later
expect 0 vhdx-check --restore --force a.vhdx
ok "an undo file of yesterday"

make_raw disk.raw 12
vhdx-create -q --from disk.raw parent.vhdx
vhdx-create -q --parent parent.vhdx middle.avhdx
vhdx-create -q --parent middle.avhdx leaf.avhdx
put parent.vhdx 0x10010 junk
finds 0 vhdx-check leaf.avhdx
says "parent.vhdx: at 0x10004: warning: VHDX-016"
last_line "leaf.avhdx: no errors, 1 warning"
finds 0 vhdx-check --repair leaf.avhdx
[ ! -e leaf.avhdx.undo ] || fail "the repair of a child changes something for its parent"
mv parent.vhdx moved.vhdx
finds 3 vhdx-check leaf.avhdx
says "error: "
json_lines=$(vhdx-check --json leaf.avhdx || true)
grep -q '"chain_is_whole": false' <<<"$json_lines" || fail "a broken chain is whole"
finds 0 vhdx-check --no-parents leaf.avhdx
vhdx-create -q parent.vhdx 12M
finds 3 vhdx-check leaf.avhdx
finds 0 vhdx-check --ignore-parent-identity leaf.avhdx
says "warning: the parent is not the one"
ok "chains"

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw a.vhdx
vhdx-create -q --from disk.raw a.vhd
for image in a.vhdx a.vhd; do
	for out in out.raw out.vhdx out.vhd; do
		finds 0 vhdx-check --salvage=$out $image
		says "0 bytes lost; $out.map tells where"
		case $out in *.raw) same $out disk.raw ;; *) holds $out disk.raw ;; esac
		refuse 1 "" vhdx-check --salvage=$out $image
		rm $out
		refuse 1 "" vhdx-check --salvage=$out $image
		rm $out.map
	done
done
# cut off in the middle, and of the VHDX both region tables
put a.vhdx 0x30000 junk
put a.vhdx 0x40000 junk
for image in a.vhdx a.vhd; do
	truncate -s -700000 $image
	finds 3 vhdx-check --salvage=out.raw $image
	cp disk.raw wanted.raw
	while read -r offset length state; do
		[ "$state" != lost ] || dd if=/dev/zero of=wanted.raw bs=4096 seek="$((offset))" count="$((length))" oflag=seek_bytes \
			iflag=count_bytes conv=notrunc status=none
	done <out.raw.map
	same out.raw wanted.raw
	different out.raw disk.raw
	[ "$(awk '{ sum += strtonum($2) } END { print sum }' out.raw.map 2>/dev/null || echo 12582912)" = 12582912 ] || fail "the map does not cover the disk"
	rm out.raw out.raw.map
	finds 3 vhdx-check --salvage=out.raw --json $image
	grep -q '"state": "lost"' "$stdout" || fail "nothing is lost in JSON"
	grep -q '"lost": [1-9]' "$stdout" || fail "no sum of what is lost"
	rm out.raw out.raw.map
done
refuse 1 "neither a VHDX" vhdx-check --salvage=out.raw disk.raw
ok "salvage of what was cut off"

make_raw disk.raw 12
vhdx-create -q --from disk.raw parent.vhdx
vhdx-create -q --parent parent.vhdx child.avhdx
finds 0 vhdx-check --salvage=whole.raw child.avhdx
same whole.raw disk.raw
mv parent.vhdx moved.vhdx
finds 3 vhdx-check --salvage=out.raw child.avhdx
says "12 MiB in a parent that is missing"
finds 0 vhdx-check --salvage=again.raw --parent-file moved.vhdx child.avhdx
same again.raw disk.raw
ok "salvage of chains"

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw b.vhdx
put b.vhdx 0x10000 junk
put b.vhdx 0x20000 junk
for form in "" --json; do
	finds 3 vhdx-check --salvage=doubt.raw $form b.vhdx
	same doubt.raw disk.raw
	[ "$(head -1 doubt.raw.map)" = "# the log is lost: blocks may hold other or older content" ] || fail "the map does not tell that the log is lost"
	case $form in
	"") says "the log is lost: blocks may hold other or older content" ;;
	*) grep -q '"log_is_lost": true' "$stdout" || fail "JSON does not tell that the log is lost" ;;
	esac
	rm doubt.raw doubt.raw.map
done
ok "salvage without headers"

make_raw disk.raw 12
vhdx-create -q --block-size 1M --from disk.raw c.vhdx
put c.vhdx 0x30000 junk
put c.vhdx 0x40000 junk
finds 3 vhdx-check --salvage=guess.raw c.vhdx
says "the BAT was found by its content: blocks may be wrong"
same guess.raw disk.raw
[ "$(head -1 guess.raw.map)" = "# the BAT was found by its content: blocks may be wrong" ] || fail "the map does not tell that the BAT was guessed"
rm guess.raw guess.raw.map
finds 3 vhdx-check --salvage=guess.raw --json c.vhdx
grep -q '"bat_is_guessed": true' "$stdout" || fail "JSON does not tell that the BAT was guessed"
ok "salvage without region tables"
finish
