#!/bin/bash
# SPDX-License-Identifier: MIT
#
# vhdx-convert on random chains: raw models are changed step by step; each step becomes a differencing disk over the one before. Chains to a depth of 8, mixed
# block sizes, VHDX (both sector sizes) and VHD; then flattened, rebased onto every ancestor and onto a foreign parent, in both formats, and back. The raw
# model says what each must hold; QEMU, 7-Zip and libvhdi ($VHDI_CAT) say it too where they can read.
#
#     VHDX_SEED=N VHDX_ROUNDS=N     other chains, more of them
. "$(dirname "$0")/support.sh"

RANDOM=${VHDX_SEED:-1}
rounds=${VHDX_ROUNDS:-4}
mib=9
sectors=$((mib * 2048))

# pick WORD...
pick() {
	shift $((RANDOM % $#))
	printf '%s' "$1"
}

# change FILE COUNT: random pieces of random bytes, written zeros and holes, at multiples of sectors or of nothing.
change() {
	local i at length
	for ((i = 0; i < $2; i++)); do
		length=$(pick 512 4096 65536 300000 1500000)
		at=$(((RANDOM * 32768 + RANDOM) % (sectors * 512 - length)))
		[ $((RANDOM % 4)) = 0 ] || at=$((at / 4096 * 4096))
		case $((RANDOM % 5)) in
		0) head -c "$length" /dev/zero | dd of="$1" bs=1M oflag=seek_bytes seek="$at" conv=notrunc iflag=fullblock status=none ;;
		1) fallocate -p -o "$at" -l "$length" "$1" 2>/dev/null || true ;;
		*) head -c "$length" /dev/urandom | dd of="$1" bs=1M oflag=seek_bytes seek="$at" conv=notrunc iflag=fullblock status=none ;;
		esac
	done
}

options_of() { # FORMAT: of a disk without parent
	case $1 in
	vhdx) echo "--type $(pick fixed dynamic dynamic) --block-size $(pick 1M 2M 8M 32M) --sector-size $sector" ;;
	vhd) echo "--type $(pick fixed dynamic dynamic) --block-size $(pick 16K 512K 2M)" ;;
	esac
}

# Second opinions; VHDX with large sectors is read by 7-Zip alone.
others() { # IMAGE MODEL [PARENT...]
	local image=$1 model=$2
	shift 2
	if [ $# = 0 ] && [ "$sector" = 512 ] && command -v qemu-img >/dev/null; then
		case $image in
		*.vhdx) qemu-img compare -q -f vhdx -F raw "$image" "$model" || fail "QEMU: $image" ;;
		esac
	fi
	if [ -n "${VHDI_CAT:-}" ] && [ $# -lt 7 ]; then
		"$VHDI_CAT" "$image" "$@" 2>/dev/null | cmp -s - "$model" || fail "libvhdi: $image $*"
	fi
	if [ $# = 0 ] && command -v 7z >/dev/null; then
		7z e -so -t"${image##*.}" "$image" 2>/dev/null | cmp -s - "$model" || fail "7-Zip: $image"
	fi
}

for ((round = 1; round <= rounds; round++)); do
	format=$(pick vhdx vhdx vhd)
	sector=512
	[ "$format" = vhd ] || sector=$(pick 512 4096)
	depth=$((RANDOM % 8 + 1))
	truncate -s ${mib}M model0
	change model0 8
	# shellcheck disable=SC2046
	expect 0 vhdx-convert -q --from-format raw $(options_of "$format") model0 level0.$format
	parents=()
	for ((level = 1; level < depth; level++)); do
		cp model$((level - 1)) model$level
		change model$level 4
		block=()
		[ "$format" = vhd ] || block=(--block-size "$(pick 1M 2M 4M)")
		expect 0 vhdx-convert -q --from-format raw --parent level$((level - 1)).$format "${block[@]}" model$level level$level.$format
		holds level$level.$format model$level
	done
	for ((level = depth - 2; level >= 0; level--)); do parents+=("level$level.$format"); done
	top=level$((depth - 1)).$format
	model=model$((depth - 1))
	[ $depth -gt 1 ] && [ $sector = 512 ] && others "$top" "$model" "${parents[@]}"
	for to in vhdx vhd; do
		# shellcheck disable=SC2046
		expect 0 vhdx-convert -q --verify $([ $to = vhd ] && sector=512 options_of vhd || options_of vhdx) "$top" flat.$to
		holds flat.$to "$model"
		others flat.$to "$model"
		expect 0 vhdx-convert -q flat.$to back.raw
		same back.raw "$model"
		# below it, a foreign parent: an older state
		older=model$((RANDOM % depth))
		expect 0 vhdx-convert -q --from-format raw $([ $to = vhd ] || echo "--sector-size $sector") "$older" base.$to
		expect 0 vhdx-convert -q --verify --parent base.$to "$top" rebased.$to
		holds rebased.$to "$model"
		rm flat.$to base.$to rebased.$to back.raw
	done
	for ((level = 0; level < depth - 1; level++)); do
		expect 0 vhdx-convert -q --verify --parent level$level.$format "$top" onto.$format
		holds onto.$format "$model"
		rm onto.$format
	done
	expect 0 vhdx-convert -q "$top" top.raw.gz
	gunzip -c top.raw.gz | cmp -s - "$model" || fail "packed"
	echo "     $format, sectors of $sector, depth $depth"
	clean
done
ok "random chains"
finish
