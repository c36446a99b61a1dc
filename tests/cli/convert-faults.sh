#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-convert when the host fails: I/O errors at every call, full disks, bytes that change on their way, kill -9. $BADIO_LIBRARY is the
# module of badio.c.
. "$(dirname "$0")/support.sh"

# with PLAN COMMAND...
with() {
	local plan=$1
	shift
	env LD_PRELOAD="${BADIO_LIBRARY:?}" BADIO="$plan" ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0 "$@"
}

make_raw disk.raw 12
head -c 2000000 disk.raw >part.raw
vhdx-create -q --size 12M --from part.raw base.vhdx
vhdx-create -q --size 12M --from part.raw base.vhd
vhdx-convert -q disk.raw source.vhdx
ls >before
forms="x.raw x.vhdx x.vhd --type_fixed_x.vhdx --type_fixed_x.vhd --parent_base.vhdx_x.vhdx --parent_base.vhd_x.vhd x.raw.gz x.vhdx.gz"

# fails_at CALL N ERROR OPTIONS... NAME: 0 while the run fails, 1 when it has fewer such calls.
fails_at() {
	local plan=$1 status=0 name=${!#}
	shift
	with "$plan" vhdx-convert -q "${@:1:$#-1}" source.vhdx "$name" >"$stdout" 2>"$stderr" || status=$?
	if [ $status = 0 ]; then
		rm "$name"
		return 1
	fi
	[ $status = 1 ] || fail "exit status $status with $plan: $*"
	[ "$(wc -l <"$stderr")" = 1 ] || fail "not one message with $plan: $*"
	ls | cmp -s - before || fail "something is left behind with $plan: $*"
}

for form in $forms; do
	read -ra words <<<"${form//_/ }"
	for call in pwrite pread fdatasync ftruncate; do
		for ((n = 1; n < 400; n += n / 6 + 1)); do
			fails_at "$call $n 5" "${words[@]}" || break
		done
		[ $call = ftruncate ] || [ $n -gt 1 ] || fail "nothing ever fails: $call, $form"
	done
	for ((n = 1; n < 400; n += n / 6 + 1)); do
		fails_at "pwrite $n+ 28" "${words[@]}" || break # ENOSPC
	done
done
ok "errors at every call: nothing is left"

make_raw disk.raw 12
vhdx-convert -q disk.raw source.vhdx
ls >before
for form in x.raw x.vhdx x.vhd x.raw.gz; do
	found=0
	for n in 1 2 3; do # the content comes first, but for the bitmaps of a VHD
		status=0
		with "pwrite $n flip" vhdx-convert --verify source.vhdx $form >"$stdout" 2>"$stderr" || status=$?
		[ $status != 0 ] || { rm $form && continue; }
		found=$((found + 1))
		ls | cmp -s - before || fail "something is left behind: $form"
	done
	[ $found -ge 2 ] || fail "--verify does not notice another byte in $form"
	expect 0 with "pwrite 1 flip" vhdx-convert source.vhdx $form # so that the check above is one
	rm $form
	expect 0 with "pwrite 99999 flip" vhdx-convert --verify source.vhdx $form
	rm $form
done
ok "--verify notices a changed byte"

make_raw disk.raw 5
vhdx-convert -q disk.raw source.vhdx
expect 0 with "link 1 1" vhdx-convert source.vhdx x.raw # EPERM: a filesystem without links
same x.raw disk.raw
files_are disk.raw source.vhdx x.raw
ok "a filesystem without links"

# Killed at any time, no file has the name of the result.
head -c 60000000 /dev/urandom >disk.raw
for name in x.raw x.vhdx x.vhd x.raw.gz; do
	for delay in 0.00 0.02 0.05 0.1; do
		vhdx-convert -q disk.raw $name 2>/dev/null &
		child=$!
		sleep $delay
		kill -9 $child 2>/dev/null || true
		wait $child 2>/dev/null || true
		if [ -e $name ]; then
			case $name in
			*.gz) gunzip -c $name | cmp - disk.raw || fail "half a $name" ;;
			*) vhdx-convert $name - | cmp -n 60000000 - disk.raw || fail "half a $name" ;;
			esac
		fi
		rm -f $name .vhdx-convert-*
	done
done
ok "kill -9"

# A full filesystem. Without root, in a user namespace of our own where there are such.
cat >"$scratch/full.sh" <<'EOF'
set -e
mount -t tmpfs -o size=3m none "$1"
for name in x.raw x.vhdx x.vhd x.raw.gz; do
	for sync in "" --no-sync; do
		status=0
		vhdx-convert -q $sync disk.raw "$1/$name" 2>message || status=$?
		[ $status = 1 ] || { echo "exit status $status: $name"; exit 1; }
		grep -qi space message || { echo "message: $(cat message)"; exit 1; }
		[ -z "$(ls -A "$1")" ] || { echo "left behind: $(ls -A "$1")"; exit 1; }
	done
done
head -c 1000000 disk.raw >small.raw
vhdx-convert -q small.raw "$1/x.raw"
cmp small.raw "$1/x.raw"
umount "$1"
EOF
head -c 6000000 /dev/urandom >disk.raw
mkdir full
enter=(unshare -m)
[ "$(id -u)" = 0 ] || enter=(unshare -rm)
if "${enter[@]}" true 2>/dev/null; then
	expect 0 "${enter[@]}" bash "$scratch/full.sh" full
	ok "a full filesystem"
else
	skip "no namespaces to mount a small filesystem in"
fi
finish
