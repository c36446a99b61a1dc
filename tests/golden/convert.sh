#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Real images by other writers go through vhdx-convert in every direction, and their content stays what the manifest says: convert.sh SOURCE_DIR BUILD_DIR
#
# The images are those that golden.sh uses, and unpacks. Their digests are SHA-256 of all bytes, taken from the raw file that each becomes; the other results
# are compared with the image by vhdx-inspect, and by QEMU where it reads them. VHDX_BIN is the directory of the programs.
source_dir=$1
build_dir=$2
. "$(dirname "$0")/../cli/support.sh"

command -v jq >/dev/null || { skip "jq is not installed" && finish; }
packed=$source_dir/../shared/images
images=${VHDX_SAMPLES:-$build_dir/samples}
manifest=$packed/manifest.json
[ ! -f "$images/manifest.json" ] || manifest=$images/manifest.json
if [ ! -f "$manifest" ] || ! ls "$images"/*.vhdx >/dev/null 2>&1; then
	skip "no images in $images" && finish
fi

# same_content OPTIONS... IMAGE: as x.raw
same_content() {
	vhdx-inspect --compare x.raw --compare-format raw "$@" >"$stdout" 2>"$stderr" || fail "$name: differs: $*"
}

count=0
for name in $(jq -r '.[].name' "$manifest"); do
	image=$images/$name
	[ -f "$image" ] || continue
	digest=$(jq -r --arg name "$name" '.[] | select(.name == $name) | .content_sha256 // ""' "$manifest")
	options=()
	! jq -r --arg name "$name" '.[] | select(.name == $name) | .open // ""' "$manifest" | grep -q checksums || options=(--ignore-checksums)
	expect 0 vhdx-convert -q "${options[@]}" "$image" x.raw
	if [ -n "$digest" ] && [ "$(stat -c %s x.raw)" -le 2000000000 ]; then # larger ones take minutes
		[ "$(sha256sum <x.raw)" = "$digest  -" ] || fail "$name: the content changes on the way to raw"
	fi
	same_content "${options[@]}" "$image"
	for type in fixed dynamic; do
		for format in vhdx vhd; do
			expect 0 vhdx-convert -q "${options[@]}" --type $type "$image" $type.$format
			# and back; of a fixed one, whose map knows no holes, the raw file is compared faster
			[ $type = fixed ] || same_content $type.$format
			expect 0 vhdx-convert -q $type.$format back.raw
			same_content --format raw back.raw
			rm back.raw
		done
	done
	expect 0 vhdx-convert -q dynamic.vhdx --type fixed from-vhdx.vhd
	expect 0 vhdx-convert -q from-vhdx.vhd back.raw
	same_content --format raw back.raw
	expect 0 vhdx-convert -q fixed.vhd --type dynamic from-vhd.vhdx
	same_content from-vhd.vhdx
	if command -v qemu-img >/dev/null && [ "$(stat -c %s x.raw)" -le 2000000000 ]; then # it reads every byte
		qemu-img compare -q -f vhdx -F raw from-vhd.vhdx x.raw || fail "$name: QEMU reads the VHDX differently"
	fi
	for format in vhdx vhd; do
		vhdx-create -q --size "$(stat -c %s x.raw)" base.$format 2>/dev/null || vhdx-create -q --from x.raw base.$format
		expect 0 vhdx-convert -q "${options[@]}" --parent base.$format "$image" child.$format
		same_content child.$format
	done
	count=$((count + 1))
	[ -z "${VERBOSE-}" ] || echo "$name: $SECONDS s"
	clean
done
[ $count -gt 0 ] || fail "no image of the manifest is there"
ok "$count real images"
finish
