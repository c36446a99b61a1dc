#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Images as the mutator makes them, read by us, by QEMU and by libvhdi: where two of them read an image, they read the same, but for the known mistakes of others.
#
#     fuzz/differential.sh [--seed N] [COUNT]
#
# Programs are those of build/release, or of $VHDX_BUILD. Prints a line for each image that differs, and a table. Exit status 1 when one differs for no known reason; 77 when there is
# neither QEMU nor libvhdi.
set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

seed=1 count=300
while [ $# -gt 0 ]; do
	case $1 in
	--seed) seed=$2; shift ;;
	[0-9]*) count=$1 ;;
	*) sed -n 's/^#     //p' "$0" >&2; exit 2 ;;
	esac
	shift
done
build=${VHDX_BUILD:-build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
peers=()
! command -v qemu-img >/dev/null || peers+=(qemu)
[ ! -x "$build/tests/vhdi_cat" ] || peers+=(vhdi)
[ ${#peers[@]} -gt 0 ] || { echo "skip - neither QEMU nor libvhdi"; exit 77; }

read_ours() {
	timeout 20 "$build/bin/vhdx-convert" -q --no-sync --from-format "$format" --format raw "$1" "$2" 2>"$2.says"
}

read_qemu() {
	timeout 20 qemu-img convert -f "$([ "$format" = vhd ] && echo vpc,force_size_calc=current_size || echo vhdx)" -O raw "$1" "$2" 2>/dev/null
}

read_vhdi() {
	timeout 20 "$build/tests/vhdi_cat" "$1" >"$2" 2>/dev/null
}

# Why a peer is known to read something else; nothing when it is not. By what we say of the image.
known() {
	local peer=$1 image=$2
	"$build/bin/vhdx-inspect" --check "$image" >"$work/check" 2>&1 || true
	if [ "$peer" = vhdi ] && "$build/bin/vhdx-inspect" "$image" 2>/dev/null | grep -q '^Log .*pending'; then
		echo "libvhdi ignores the log"
	elif grep -q ': error:' "$work/check"; then
		echo "damaged where it need not be looked at to be read"
	fi
}

declare -A same=() only_we=() only_they=() neither=() excused=()
wrong=0
mkdir "$work/images"
while read -r image; do
	format=${image##*.}
	ours=no
	! read_ours "$image" "$work/ours" || ours=yes
	for peer in "${peers[@]}"; do
		theirs=no
		! "read_$peer" "$image" "$work/theirs" || theirs=yes
		case $ours$theirs in
		nono) neither[$peer]=$((${neither[$peer]:-0} + 1)) ;;
		yesno) only_we[$peer]=$((${only_we[$peer]:-0} + 1)) ;;
		noyes) only_they[$peer]=$((${only_they[$peer]:-0} + 1)) ;;
		*)
			if cmp -s "$work/ours" "$work/theirs"; then
				same[$peer]=$((${same[$peer]:-0} + 1))
			else
				reason=$(known "$peer" "$image")
				if [ -n "$reason" ]; then
					excused[$peer]=$((${excused[$peer]:-0} + 1))
				else
					echo "not ok - $peer reads $(basename "$image") (seed $seed) otherwise: $(cmp "$work/ours" "$work/theirs" 2>&1 | head -n 1 | sed "s|$work/||g")"
					[ -z "${KEEP:-}" ] || cp --sparse=always "$image" "$KEEP"
					wrong=$((wrong + 1))
				fi
			fi ;;
		esac
		rm -f "$work/theirs"
	done
	rm -f "$work/ours" "$image"
done < <("$build/fuzz/vhdx-fuzz-images" --seed "$seed" "$count" "$work/images")
for peer in "${peers[@]}"; do
	echo "$peer: ${same[$peer]:-0} read the same, ${excused[$peer]:-0} differ for a known reason, ${only_we[$peer]:-0} only by us, ${only_they[$peer]:-0} only by $peer, ${neither[$peer]:-0} by nobody"
done
[ $wrong = 0 ] || exit 1
