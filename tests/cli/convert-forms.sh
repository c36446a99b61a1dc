#!/bin/bash
# SPDX-License-Identifier: MIT
# vhdx-convert: every kind of source to every kind of destination; what the result takes from its source; differing from a parent.
. "$(dirname "$0")/support.sh"

have() {
	command -v "$1" >/dev/null
}

# is IMAGE KEY=VALUE...: what vhdx-inspect says of its first file.
is() {
	local image=$1 pair
	shift
	vhdx-inspect --json "$image" >"$scratch/json" 2>"$stderr" || fail "cannot be inspected: $image"
	for pair in "$@"; do
		grep -q "\"${pair%%=*}\": \"\\{0,1\\}${pair#*=}\"\\{0,1\\}[,}]*\$" "$scratch/json" ||
			fail "$image: ${pair%%=*} is not ${pair#*=}: $(grep -m1 "\"${pair%%=*}\"" "$scratch/json")"
	done
}

# By a reader that is not ours, where there is one.
others_agree() {
	have qemu-img || return 0
	case $1 in
	*.vhdx)
		vhdx-inspect --json "$1" | grep -q '"logical_sector_size": 4096' && return 0 # which QEMU does not read
		qemu-img compare -q -f vhdx -F raw "$1" "$2" || fail "QEMU reads $1 differently"
		;;
	*.vhd)
		qemu-img convert -O raw --image-opts driver=vpc,force_size_calc=current_size,file.filename="$1" "$scratch/theirs"
		same "$scratch/theirs" "$2"
		;;
	esac
}

make_raw disk.raw 23
gzip -k disk.raw
for type in fixed dynamic; do
	vhdx-create -q --type $type --from disk.raw $type.vhdx
	vhdx-create -q --type $type --from disk.raw $type.vhd
done
vhdx-create -q --logical-sector 4096 --block-size 1M --from disk.raw large.vhdx
for format in vhdx vhd; do
	head -c 3000000 disk.raw >part.raw
	vhdx-create -q --from part.raw --size 23M base.$format
	vhdx-create -q --parent base.$format middle.$format
	vhdx-convert --parent middle.$format disk.raw child.$format
done
gzip -k dynamic.vhdx fixed.vhd
sources="disk.raw disk.raw.gz fixed.vhdx dynamic.vhdx large.vhdx fixed.vhd dynamic.vhd child.vhdx child.vhd dynamic.vhdx.gz fixed.vhd.gz"
mkdir out
for source in $sources; do
	for options in "out/r.raw" "--type fixed out/f.vhdx" "--type dynamic out/d.vhdx" "--type fixed out/f.vhd" "--type dynamic out/d.vhd" \
		"--type dynamic --block-size 1M out/s.vhdx" "--type dynamic --block-size 512K out/s.vhd"; do
		name=${options##* }
		# shellcheck disable=SC2086
		expect 0 vhdx-convert -q ${options%"$name"} "$source" "$name"
		quiet
		holds "$name" disk.raw
		others_agree "$name" disk.raw
		rm "$name"
	done
	for parent in base.vhdx base.vhd; do
		name=out/c.${parent#*.}
		# the middle of the chain as parent too
		expect 0 vhdx-convert -q --parent "$parent" "$source" "$name"
		holds "$name" disk.raw
		is "$name" type=differencing
		rm "$name"
	done
	for name in r.raw.gz d.vhdx.gz f.vhd.gz; do
		expect 0 vhdx-convert -q --verify "$source" out/$name
		gunzip -c out/$name >out/${name%.gz}
		holds out/${name%.gz} disk.raw
		rm out/*
	done
	for format in raw vhdx vhd; do
		vhdx-convert -q --format $format "$source" - >out/stdout.$format 2>"$stderr" || fail "to standard output as $format"
		holds out/stdout.$format disk.raw
		rm out/*
	done
	case $source in
	child.*) ;; # a pipe has no directory to find parents in
	*)
		for name in out/r.raw out/d.vhdx out/f.vhd; do
			vhdx-convert -q - $name <"$source" 2>"$stderr" || fail "from standard input: $source"
			holds $name disk.raw
			rm $name
			cat "$source" | vhdx-convert -q - $name 2>"$stderr" || fail "from a pipe: $source"
			holds $name disk.raw
			rm $name
		done
		;;
	esac
done
[ -z "$(ls -A out)" ] || fail "something is left behind: $(ls -A out)"
vhdx-convert --size 23M - sized.vhdx <disk.raw
holds sized.vhdx disk.raw
refuse 1 "more than SIZE" bash -c 'vhdx-convert --size 22M - short.vhdx <disk.raw'
mkfifo pipe
cat dynamic.vhdx >pipe &
expect 0 vhdx-convert pipe fifo.raw
same fifo.raw disk.raw
ok "everything to everything"

make_raw disk.raw 20
vhdx-create -q --block-size 4M --logical-sector 4096 --from disk.raw a.vhdx
vhdx-convert a.vhdx same.vhdx
is same.vhdx block_size=4194304 logical_sector_size=4096 type=dynamic
vhdx-convert --block-size 8M --sector-size 512 a.vhdx other.vhdx 2>"$stderr"
grep -q "counts in sectors" "$stderr" || fail "no word about the sector size"
is other.vhdx block_size=8388608 logical_sector_size=512
vhdx-convert -q a.vhdx b.vhd
is b.vhd block_size=2097152 logical_sector_size=512
vhdx-convert -q --type fixed a.vhdx fixed.vhdx
vhdx-convert -q fixed.vhdx still.vhd
is still.vhd type=fixed
vhdx-convert -q disk.raw raw.vhdx
is raw.vhdx type=dynamic block_size=33554432
vhdx-convert -q --physical-sector 512 --id 11111111-2222-3333-4444-555555555555 --creator me disk.raw said.vhdx
is said.vhdx physical_sector_size=512 creator=me
vhdx-inspect said.vhdx | grep -q 11111111-2222-3333-4444-555555555555 || fail "--id is lost"
vhdx-convert --preset azure disk.raw azure.vhd
is azure.vhd type=fixed
head -c 1000001 disk.raw >odd.raw
expect 0 vhdx-convert --preset azure odd.raw odd.vhd
grep -q "grows from 1000001 to 1048576" "$stderr" || fail "no word about the size"
expect 0 vhdx-convert --size 64M a.vhdx grown.vhdx
is grown.vhdx virtual_size=67108864
expect 0 vhdx-convert --preallocate full disk.raw full.raw
[ "$(stat -c %b full.raw)" -ge 40960 ] || fail "--preallocate full leaves holes"
for name in x.raw x.vhdx x.vhd; do
	vhdx-convert -q --deterministic a.vhdx "$name"
	mv "$name" first
	vhdx-convert -q --deterministic a.vhdx "$name"
	same first "$name"
	rm first "$name"
done
truncate -s 20M empty.raw
for format in vhdx vhd; do
	vhdx-convert -q empty.raw base.$format
	vhdx-convert --deterministic --parent base.$format disk.raw c.$format
	mv c.$format first
	vhdx-convert --deterministic --parent base.$format - c.$format <disk.raw
	same first c.$format
	rm c.$format
	vhdx-convert --deterministic --parent base.$format full.raw c.$format
	holds c.$format disk.raw
	same first c.$format
	rm c.$format
	printf y | dd of=full.raw bs=1 seek=5000000 conv=notrunc status=none
	vhdx-convert --deterministic --parent base.$format full.raw c.$format
	different first c.$format
	rm c.$format
	cp disk.raw full.raw
done
ok "what the result is like"

make_raw disk.raw 40
cp disk.raw changed.raw
printf x | dd of=changed.raw bs=1 seek=7000000 conv=notrunc status=none
dd if=/dev/zero of=changed.raw bs=1K seek=20480 count=64 conv=notrunc status=none # data before
for format in vhdx vhd; do
	vhdx-convert --block-size 2M disk.raw base.$format
	expect 0 vhdx-convert --verify --parent base.$format changed.raw child.$format
	quiet
	holds child.$format changed.raw
	[ "$(stat -c %b child.$format)" -le 1000 ] || fail "more is written than differs"
	vhdx-inspect child.$format | grep -q base.$format || fail "the parent is not named"
	expect 0 vhdx-convert --parent base.$format disk.raw none.$format
	[ "$(stat -c %b none.$format)" -le 200 ] || fail "something is written although nothing differs"
	holds none.$format disk.raw
	# a chain against its own base: what is shared is not read
	expect 0 vhdx-convert --parent base.$format child.$format again.$format
	holds again.$format changed.raw
	if have strace; then
		ASAN_OPTIONS=detect_leaks=0 strace -f -e trace=pread64 -o "$scratch/trace" vhdx-convert --parent base.$format none.$format still.$format
		[ "$(wc -l <"$scratch/trace")" -le 120 ] || fail "what both share is read: $(wc -l <"$scratch/trace") reads"
	fi
	# larger than the source, and smaller
	vhdx-create -q --size 64M --parent base.$format big.$format
	expect 0 vhdx-convert -q --parent big.$format changed.raw larger.$format
	vhdx-convert larger.$format - | head -c 41943040 | cmp - changed.raw || fail "lost below a larger parent"
	head -c 9000001 changed.raw >small.raw
	expect 0 vhdx-convert -q --parent base.$format small.raw small.$format
	cp small.raw filled.raw
	truncate -s 40M filled.raw
	holds small.$format filled.raw
done
refuse 1 "cannot have a VHD parent" vhdx-convert --parent base.vhd disk.raw x.vhdx
refuse 2 "no path leads" vhdx-convert --parent base.vhd --format vhd disk.raw -
refuse 2 "raw file has no --parent" vhdx-convert --parent base.vhd disk.raw x.raw
refuse 1 "the parent or one of its parents" vhdx-convert -f --parent child.vhdx disk.raw base.vhdx
vhdx-convert --format vhd --parent base.vhd --parent-relative '.\base.vhd' changed.raw - >piped.vhd
holds piped.vhd changed.raw
ok "differencing disks"

make_raw disk.raw 20
vhdx-convert disk.raw a.vhdx
for name in x.raw x.vhdx x.vhd x.raw.gz x.vhdx.gz; do
	expect 0 vhdx-convert --verify a.vhdx $name
	quiet
	expect 0 vhdx-convert --verify --no-sync -f - $name <disk.raw
done
refuse 2 "cannot be read again" vhdx-convert --verify a.vhdx -
ok "--verify of what is right"

make_raw disk.raw 20
vhdx-convert disk.raw a.vhdx
expect 0 vhdx-convert --progress=3 a.vhdx x.raw 3>told
[ "$(tail -n 1 told)" = "20971520 20971520" ] || fail "the last line is '$(tail -n 1 told)'"
! grep -qvE '^[0-9]+ 20971520$' told || fail "a line is no pair of numbers"
refuse 2 "open descriptor" vhdx-convert --progress=9 a.vhdx y.raw
refuse 2 "open descriptor" vhdx-convert --progress=x a.vhdx y.raw
expect 0 bash -c 'vhdx-convert --progress=3 a.vhdx y.raw 3> >(exec 0<&-)' # a reader that goes away
same y.raw disk.raw
ok "--progress=FD"

make_raw disk.raw 5
vhdx-convert disk.raw a.vhdx
refuse 2 "does not tell the format" vhdx-convert a.vhdx out
refuse 2 "raw file has no type" vhdx-convert --type dynamic a.vhdx x.raw
refuse 2 "raw file has no type" vhdx-convert --block-size 1M a.vhdx x.raw
refuse 2 "a differencing disk needs --parent" vhdx-convert --type differencing a.vhdx x.vhdx
refuse 2 "--parent makes differencing disks" vhdx-convert --type fixed --parent a.vhdx disk.raw x.vhdx
refuse 2 "VHD has no log" vhdx-convert --log-size 1M a.vhdx x.vhd
refuse 2 "512 bytes only" vhdx-convert --sector-size 4096 a.vhdx x.vhd
refuse 2 "no room" vhdx-convert --creator me a.vhdx x.vhd
refuse 2 "--preset azure makes VHD" vhdx-convert --preset azure a.vhdx x.vhdx
refuse 2 "wants a size" vhdx-convert --block-size big a.vhdx x.vhdx
refuse 2 "wants a GUID" vhdx-convert --id 5 a.vhdx x.vhdx
refuse 2 "--preallocate is for fixed" vhdx-convert --type dynamic --preallocate full a.vhdx x.vhdx
refuse 1 "power of two" vhdx-convert --block-size 3M a.vhdx x.vhdx
refuse 1 "--size says" vhdx-convert --size 1M a.vhdx x.vhdx
: >empty.raw
refuse 1 "is empty" vhdx-convert empty.raw x.vhdx
gzip -c a.vhdx | head -c 3000 >cut.vhdx.gz
refuse 3 "ends early" vhdx-convert cut.vhdx.gz x.raw
(head -c 100000 /dev/urandom) | gzip >noise.vhdx.gz
refuse 1 "noise.vhdx.gz" vhdx-convert noise.vhdx.gz x.raw
ok "mistakes"

finish
