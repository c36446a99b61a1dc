#!/bin/bash
# SPDX-License-Identifier: MIT
# The content of the real images by a build for another processor: golden.sh content.sh SOURCE_DIR BUILD_DIR [EMULATOR] PROGRAM
# PROGRAM is vhdx-test-content; the hashes are made here. golden.sh has said where the images are.
set -euo pipefail

failed=0 count=0
while IFS=$'\t' read -r name _ _ _ _ size hash refused _; do
	[ -f "$VHDX_SAMPLES/$name" ] || { echo "$name: is not there"; exit 1; }
	if [ "$refused" = yes ]; then # bad checksums: see the manifest
		found=$("$@" --holes "$VHDX_SAMPLES/$name" 2>/dev/null && echo opened || echo refused) wanted=refused
	elif [ "$hash" = zero ]; then
		found=$("$@" --holes "$VHDX_SAMPLES/$name" && echo zero || echo data) wanted=zero
	elif [ "$size" -gt 12000000000 ]; then
		continue
	else
		found=$("$@" "$VHDX_SAMPLES/$name" | sha256sum | cut -d ' ' -f 1) wanted=$hash
	fi
	[ "$found" = "$wanted" ] || { echo "$name: $found, not $wanted"; failed=1; }
	count=$((count + 1))
done <"$VHDX_GOLDEN_LIST"
echo "golden: the content of $count images compared"
exit $failed
