#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Gates by counts: system calls, flushes, bytes on disk, instructions, bytes of memory. They come out the same on every machine and under any load,
# so they are tests; times are vhdx-readbench's. Needs an optimised build.
if ! command -v strace >/dev/null || ! command -v valgrind >/dev/null; then
	echo 'skip - strace and valgrind are needed'
	exit 77
fi
# shellcheck source=tests/cli/support.sh
. "$(dirname "$0")/../cli/support.sh"

# calls COMMAND...: of the whole process, by name, in $scratch/calls; the number of all of them in $count.
calls() {
	strace -f -c -o "$scratch/calls" "$@" >"$stdout" 2>"$stderr" || fail "fails: $*"
	count=$(awk '$NF == "total" { print $4 }' "$scratch/calls")
}

calls_of() {
	awk -v name="$1" '$NF == name { sum = $4 } END { print sum + 0 }' "$scratch/calls"
}

# at_most WHAT FOUND LIMIT
at_most() {
	[ "$2" -le "$3" ] || fail "$1: $2, at most $3 are allowed"
	echo "     $1: $2 of $3"
}

instructions() {
	valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" >"$stdout" 2>"$stderr" || fail "fails: $*"
	count=$(sed -n 's/.*Collected : //p' "$stderr")
}

# The most bytes on heap and stack at once, to the byte.
memory() {
	valgrind --tool=massif --stacks=yes --peak-inaccuracy=0 --massif-out-file="$scratch/massif" "$@" >"$stdout" 2>"$stderr" || fail "fails: $*"
	count=$(awk -F= '/^mem_heap_B/ { sum = $2 } /^mem_heap_extra_B/ { sum += $2 } /^mem_stacks_B/ { sum += $2; if (sum > most) most = sum }
		END { print most }' "$scratch/massif")
}

for size in 64G 64T; do
	for block in 32M 1M; do
		calls vhdx-create --block-size $block x.vhdx $size
		at_most "create $size, blocks of $block: system calls" "$count" 60
		at_most "create $size, blocks of $block: flushes" "$(($(calls_of fdatasync) + $(calls_of fsync)))" 2
		at_most "create $size, blocks of $block: bytes on disk" "$(du --block-size=1 x.vhdx | cut -f 1)" 65536
		clean
	done
done
ok 'creating a dynamic disk costs the same at every size'

# Converting: one read and one write for each piece of data, at most three questions to the file about holes; memory does not grow with the disk.
vhdx-create -q empty.vhdx 1T
calls vhdx-convert empty.vhdx x.raw
at_most 'convert 1 TiB without content to raw: system calls' "$count" 100
at_most 'convert 1 TiB without content to raw: flushes' "$(($(calls_of fdatasync) + $(calls_of fsync)))" 2
truncate -s 1G scattered.raw
for ((i = 0; i < 64; i++)); do
	head -c 65536 /dev/urandom | dd of=scattered.raw bs=64K seek=$((i * 251)) conv=notrunc status=none
done
calls vhdx-convert --block-size 2M scattered.raw x.vhdx
at_most 'convert 64 pieces, raw to VHDX: reads' "$(($(calls_of pread64)))" 80
at_most 'convert 64 pieces, raw to VHDX: writes' "$(calls_of pwrite64)" 80
at_most 'convert 64 pieces, raw to VHDX: lseeks' "$(calls_of lseek)" 210
calls vhdx-convert x.vhdx back.raw
at_most 'convert 64 pieces, VHDX to raw: reads' "$(calls_of pread64)" 100
at_most 'convert 64 pieces, VHDX to raw: writes' "$(calls_of pwrite64)" 64
cmp -s back.raw scattered.raw || fail 'the content changes'
memory vhdx-convert -f scattered.raw x.vhdx
at_most 'convert raw to VHDX: bytes of memory' "$count" 4194304
memory vhdx-convert -f x.vhdx back.raw
at_most 'convert VHDX to raw: bytes of memory' "$count" 8388608
vhdx-convert -q x.vhdx x.vhd
for ((i = 0; i < 600; i++)); do
	printf x | dd of=scattered.raw bs=1M seek=$i conv=notrunc status=none
done
memory vhdx-convert -f scattered.raw --parent x.vhd d.vhd
at_most 'convert raw to what differs from a VHD: bytes of memory' "$count" 8388608
ok 'converting'

vhdx-create --type fixed --block-size 1M full.vhdx 64G >"$stdout" 2>"$stderr"
calls vhdx-inspect full.vhdx
at_most 'inspect a full 64 GiB: system calls' "$count" 60
instructions vhdx-inspect full.vhdx
at_most 'inspect a full 64 GiB: instructions' "$count" 1000000
ok 'looking at a full disk with blocks of 1 MiB is cheap'

vhdx-create --block-size 1M small.vhdx 1G >"$stdout" 2>"$stderr"
vhdx-create --block-size 1M large.vhdx 64T >"$stdout" 2>"$stderr"
memory vhdx-inspect small.vhdx
small=$count
memory vhdx-inspect large.vhdx
at_most 'inspect 64 TiB: bytes of memory' "$count" $((4 << 20))
at_most 'inspect 64 TiB: bytes of memory more than for 1 GiB' $((count > small ? count - small : 0)) $((256 << 10))
ok 'memory does not grow with the disk'

# opens IMAGE: calls on the image from its open to its close, and that no read touches its BAT.
opens() {
	local first end
	read -r first end < <(strace -y -o "$scratch/trace" vhdx-readbench --open "$1")
	[ -n "$end" ] || fail "cannot be opened: $1"
	[ "$first" -gt 0 ] || fail "$1 has no BAT"
	grep -F "/$1>" "$scratch/trace" | grep -v '^close' >"$scratch/ours"
	at_most "open $1: system calls of ours" "$(wc -l <"$scratch/ours")" 16
	sed -n 's/^pread64(.*, \([0-9]*\), \([0-9]*\)) *= .*/\1 \2/p' "$scratch/ours" >"$scratch/reads"
	[ -s "$scratch/reads" ] || fail "no read was seen: $1"
	awk -v first="$first" -v end="$end" '$2 < end && $2 + $1 > first { bad = 1 } END { exit bad }' "$scratch/reads" ||
		fail "a read touches the BAT at $first to $end: $1"
}

vhdx-create --block-size 1M large.vhdx 64T >"$stdout" 2>"$stderr"
vhdx-create --type fixed --block-size 1M full.vhdx 64G >"$stdout" 2>"$stderr"
vhdx-create large.vhd 2040G >"$stdout" 2>"$stderr"
opens large.vhdx
opens full.vhdx
opens large.vhd
ok 'opening reads no BAT'

# Random reads of 4 KiB: N more of them cost N more calls and nothing else.
head -c 64M /dev/urandom >raw
vhdx-create --block-size 1M --from raw dynamic.vhdx >"$stdout" 2>"$stderr"
vhdx-create --from raw dynamic.vhd >"$stdout" 2>"$stderr"
vhdx-create --parent dynamic.vhdx child.vhdx >"$stdout" 2>"$stderr"
for image in dynamic.vhdx dynamic.vhd child.vhdx; do
	calls vhdx-readbench --reads 2000 $image
	before=$count
	calls vhdx-readbench --reads 4000 $image
	at_most "$image: system calls for 2000 reads" $((count - before)) 2000
	instructions vhdx-readbench --reads 2000 $image
	before=$count
	instructions vhdx-readbench --reads 4000 $image
	at_most "$image: instructions for a read" $(((count - before) / 2000)) 300
done
ok 'a warm read is one system call'

# flushes IMAGE N [OPTION]: of N writes to N new blocks of a copy and one flush; until all is written in $before, until the flush is done in $count.
flushes() {
	local image=$1 writes=$2
	shift 2
	cp --sparse=always "$image" "copy.${image##*.}"
	strace -f -o "$scratch/trace" vhdx-writebench --count "$writes" "$@" "copy.${image##*.}" >"$stdout" 2>"$stderr" || fail "cannot be written: $image"
	read -r before count < <(awk '/ f(data)?sync\(/ { n++ } / write\(1, "written/ { before = n } / write\(1, "flushed/ { print before + 0, n + 0 }' "$scratch/trace")
	[ -n "$count" ] || fail "the phases were not seen: $image"
}

# A new block with a flush after each write; many new blocks and one flush. The first change of a session marks the file as open, which takes up to two.
for kind in dynamic.vhdx child.vhdx dynamic.vhd child.vhd; do
	case $kind in
	child.*) vhdx-create --parent "dynamic.${kind##*.}" "$kind" >"$stdout" 2>"$stderr" ;;
	*) vhdx-create --block-size 2M "$kind" 64G >"$stdout" 2>"$stderr" ;;
	esac
done
while read -r kind each together; do
	flushes "$kind" 100 --flush-each
	first=$count
	flushes "$kind" 300 --flush-each
	at_most "$kind: flushes for 200 new blocks with a flush each" $((count - first)) $((200 * each))
	flushes "$kind" 10
	first=$before
	flushes "$kind" 1000
	at_most "$kind: flushes for 1000 new blocks and one flush" "$count" "$together"
	[ "$kind" = child.vhdx ] || at_most "$kind: flushes for 990 new blocks before the flush" $((before - first)) 0
done <<-'END'
	dynamic.vhdx 1 3
	child.vhdx 2 5
	dynamic.vhd 2 3
	child.vhd 2 3
END
ok 'new blocks cost few flushes'
finish
