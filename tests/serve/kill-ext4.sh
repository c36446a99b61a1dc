#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The server below a mounted ext4 is killed at random moments, while files are written, synced and removed: what was synced is there afterwards, whole; the
# journal recovers; e2fsck finds nothing.
#
#     kill-ext4.sh [--moments N]        12, each on the image that the last one left; one kind of image after the other
# shellcheck source=tests/serve/support.sh
. "$(dirname "$0")/support.sh"
able fuse loop
moments=12
[ "${1-}" != --moments ] || moments=$2
mkdir "$scratch/m" "$scratch/log"
m=$scratch/m
seed=${SEED:-$$}
RANDOM=$((seed % 32768))
echo "     seed $seed"

# Writes, syncs and removes files until the filesystem is gone. A line in the log: the file of this name, with this sum, is durable.
writer() { # NUMBER
	local i=0 name
	while :; do
		name=w$1-$((i % 30))
		# a file that is to be replaced is no promise any more
		echo "- $name" >>"$scratch/log/$1"
		head -c $((RANDOM * 8 + 1)) /dev/urandom >"$scratch/bytes$1"
		cp "$scratch/bytes$1" "$m/$name" 2>/dev/null || return 0
		[ $((RANDOM % 4)) != 0 ] || rm -f "$m/w$1-$((RANDOM % 30 + 100))" 2>/dev/null
		cp "$scratch/bytes$1" "$m/w$1-$((RANDOM % 30 + 100))" 2>/dev/null || return 0
		sync "$m/$name" 2>/dev/null && sync "$m" 2>/dev/null || return 0
		echo "+ $name $(md5sum <"$scratch/bytes$1" | cut -c 1-32)" >>"$scratch/log/$1"
		i=$((i + 1))
	done
}

promised() {
	cat "$scratch"/log/* 2>/dev/null | awk '$1 == "-" { delete sum[$2] } $1 == "+" { sum[$2] = $3 } END { for (name in sum) print name, sum[name] }'
}

verify() {
	local name sum
	promised >"$scratch/promised"
	while read -r name sum; do
		[ "$(md5sum <"$m/$name" | cut -c 1-32)" = "$sum" ] || fail "moment $moment of $image: $name was synced, and is not what it was (seed $seed)"
		kept=$((kept + 1))
	done <"$scratch/promised"
}

start() {
	local i
	vhdx-mount --foreground --fs --write -o "$options" $image $m 2>"$stderr" &
	server=$!
	disown
	for ((i = 0; i < 6000; i++)); do
		! grep -q " $m ext4 " /proc/mounts || return 0
		sleep 0.01
	done
	fail "moment $moment of $image: it cannot be mounted (seed $seed)"
}

one_moment() {
	local writers=() i
	start
	verify
	for i in 1 2 3; do
		writer $i &
		writers+=($!)
	done
	if [ $((moment % 4)) != 0 ]; then # when there is something that must not be lost, however slow this machine is
		while [ -z "$(promised)" ] && kill -0 $server; do
			sleep 0.01
		done
	fi
	sleep "0.$(printf %03d $((RANDOM % 700 + 50)))"
	kill -9 "$server"
	for i in "${writers[@]}"; do
		wait "$i" 2>/dev/null || true
	done
	for ((i = 0; i < 3000; i++)); do
		umount $m 2>/dev/null || [ -n "$(mounts)" ] || break
		sleep 0.02
	done
	[ -z "$(mounts)" ] || fail "cannot be unmounted: $(mounts)"
}

kept=0
vhdx-create -q --block-size 1M dynamic.vhdx 256M
vhdx-create -q base.vhdx 256M
vhdx-create -q --parent base.vhdx child.vhdx
vhdx-create -q dynamic.vhd 256M
number=0
for image in dynamic.vhdx child.vhdx dynamic.vhd; do
	number=$((number + 1))
	rm -f "$scratch"/log/*
	expect 0 vhdx-mount -w $image $m
	mkfs.ext4 -q -F $m/disk
	expect 0 vhdx-mount -u $m
	for ((moment = 1; moment <= (moments + 3 - number) / 3; moment++)); do
		options=$([ $((moment % 2)) = 0 ] && echo discard || echo nodiscard)
		one_moment
	done
	start
	verify
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-mount $image $m
	e2fsck -fn $m/disk >"$stdout" 2>"$stderr" || { tail -n 20 "$stdout"; fail "$image: e2fsck finds errors (seed $seed)"; }
	expect 0 vhdx-mount -u $m
	expect 0 vhdx-inspect --all $image
	echo "     $image: $((moment - 1)) moments"
done
[ $kept -gt 0 ] || fail 'nothing was ever synced: the test tests nothing'
ok "$moments moments; $kept files that were synced were looked at"
finish
