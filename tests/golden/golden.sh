#!/bin/sh
# SPDX-License-Identifier: MIT
# Runs the golden test over real images: golden.sh PROGRAM SOURCE_DIR BUILD_DIR [options of the test program]
#
# The images are those of $VHDX_SAMPLES (a directory of unpacked images, with manifest.json in it or in ../shared/images), or those packed in
# ../shared/images beside the checkout, which are unpacked into BUILD_DIR once. Without images nothing is tested; it says so, and the exit status is 77.
set -eu

[ $# -ge 3 ] || { echo "usage: golden.sh PROGRAM SOURCE_DIR BUILD_DIR [option...]" >&2; exit 2; }
program=$1
packed=$2/../shared/images
build=$3
shift 3

skip() {
	echo "golden: SKIPPED, nothing was tested: $*"
	exit 77
}

# unpack.sh does it where python3 is; the same with jq where it is not.
unpack() {
	if command -v python3 >/dev/null; then
		"$packed/unpack.sh" "$1" >/dev/null
		return
	fi
	mkdir -p "$1"
	jq -r '.[] | [.name, .file_size, .file_sha256] | @tsv' "$packed/manifest.json" | while IFS="$(printf '\t')" read -r name size sha256; do
		[ ! -f "$1/$name" ] || continue
		xz -dc "$packed/$name.xz" | dd of="$1/$name.part" bs=64k conv=sparse iflag=fullblock status=none
		truncate -s "$size" "$1/$name.part"
		echo "$sha256  $1/$name.part" | sha256sum -c --quiet -
		mv "$1/$name.part" "$1/$name"
	done
}

command -v jq >/dev/null || skip "jq is not installed"
manifest=$packed/manifest.json
if [ -n "${VHDX_SAMPLES:-}" ]; then
	[ -d "$VHDX_SAMPLES" ] || skip "VHDX_SAMPLES=$VHDX_SAMPLES is no directory"
	[ ! -f "$VHDX_SAMPLES/manifest.json" ] || manifest=$VHDX_SAMPLES/manifest.json
	[ -f "$manifest" ] || skip "there is no manifest.json for $VHDX_SAMPLES"
else
	[ -f "$manifest" ] || skip "VHDX_SAMPLES is not set and there is no ../shared/images beside the checkout"
	VHDX_SAMPLES=$build/samples
	if [ ! -f "$VHDX_SAMPLES/complete" ]; then
		unpack "$VHDX_SAMPLES"
		touch "$VHDX_SAMPLES/complete"
	fi
fi
VHDX_GOLDEN_LIST=$build/golden.list
jq -r '.[] | [.name, .file_size, .file_sha256, .format, .type, .virtual_size,
	(if .content == "all zero" then "zero" else .content_sha256 end), (if .open then "yes" else "no" end),
	.block_size // "-", .logical_sector_size // "-", .physical_sector_size // "-", .log_pending // false] | @tsv' \
	"$manifest" >"$VHDX_GOLDEN_LIST.$$"
mv "$VHDX_GOLDEN_LIST.$$" "$VHDX_GOLDEN_LIST"
export VHDX_SAMPLES VHDX_GOLDEN_LIST
echo "golden: $(wc -l <"$VHDX_GOLDEN_LIST") images in $VHDX_SAMPLES"
exec "$program" "$@"
