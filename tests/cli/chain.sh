#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-chain: chains by path and by identity, what moved, what changed, what is lost, cycles, and linking again.
. "$(dirname "$0")/support.sh"

for format in vhdx vhd; do
	mkdir -p $format/deep
	vhdx-create -q $format/base.$format 10M
	vhdx-create -q --parent $format/base.$format $format/deep/one.a$format
	vhdx-create -q --parent $format/deep/one.a$format $format/deep/two.a$format
	vhdx-create -q --parent $format/base.$format $format/other.a$format
	expect 0 vhdx-chain $format
	[ "$(grep -c . "$stdout")" = 4 ] || fail "not four lines: $(cat "$stdout")"
	grep -q "^|-- $format/deep/one" "$stdout" || fail "one is not below base: $(cat "$stdout")"
	grep -q "^|   \`-- $format/deep/two" "$stdout" || fail "two is not below one: $(cat "$stdout")"
	grep -q "^\`-- $format/other" "$stdout" || fail "other is not below base: $(cat "$stdout")"
	mkdir $format/elsewhere
	mv $format/base.$format $format/elsewhere/b.$format
	status=0
	vhdx-chain $format >"$stdout" 2>"$stderr" || status=$?
	[ $status = 1 ] && [ "$(grep -c MOVED "$stdout")" = 2 ] || fail "moved: $status, $(cat "$stdout")"
	sha256sum $format/deep/*.a$format >sums
	cp $format/elsewhere/b.$format $format/elsewhere/copy.$format
	vhdx-chain --relink $format >"$stdout" 2>"$stderr" && fail "copies are not told apart"
	grep -q "several files" "$stderr" || fail "says nothing of copies: $(cat "$stderr")"
	sha256sum --quiet -c sums || fail "copies: changes something all the same"
	rm $format/elsewhere/copy.$format
	expect 0 vhdx-chain --relink $format
	expect 0 vhdx-chain $format
	expect 0 vhdx-convert -q $format/deep/two.a$format out.raw
	rm out.raw $format/elsewhere/b.$format
	status=0
	vhdx-chain $format >"$stdout" 2>"$stderr" || status=$?
	[ $status = 1 ] && [ "$(grep -c LOST "$stdout")" = 2 ] || fail "lost: $status, $(cat "$stdout")"
	vhdx-create -q $format/elsewhere/b.$format 10M
	status=0
	vhdx-chain $format >"$stdout" 2>"$stderr" || status=$?
	[ $status = 1 ] && [ "$(grep -c CHANGED "$stdout")" = 2 ] || fail "changed: $status, $(cat "$stdout")"
done
ok "moved, changed and lost parents"

vhdx-create -q base.vhdx 10M
vhdx-create -q --parent base.vhdx child.vhdx
expect 0 vhdx-chain --json .
json stored_path '.\\base.vhdx'
json link good
grep -q '"parent": "./base.vhdx"' "$stdout" || fail "the parent is not there: $(cat "$stdout")"
expect 0 vhdx-chain --dot .
grep -q 'n1 -> n0' "$stdout" || fail "the graph has no edge"
head -c 2000000 /dev/zero >broken.vhdx
status=0
vhdx-chain . >"$stdout" 2>"$stderr" || status=$?
[ $status = 3 ] && grep -q "broken.vhdx  BROKEN" "$stdout" || fail "broken: $status"
refuse 1 "cannot be read" vhdx-chain nowhere
refuse 2 "wants a directory" vhdx-chain
ok "JSON, graphs, broken images"
finish
