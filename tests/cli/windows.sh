#!/bin/bash
# SPDX-License-Identifier: MIT
# The programs for Windows, run by Wine: they make the same bytes as the native ones, read each other's chains, lock, and know
# the paths of Windows. $VHDX_WINE_BIN is the directory of the .exe files (preset mingw: build/mingw/bin).
if [ ! -e "${VHDX_WINE_BIN:-}/vhdx-create.exe" ]; then
	echo "skip - VHDX_WINE_BIN does not name the directory of vhdx-create.exe"
	exit 77
fi
if ! command -v wine >/dev/null; then
	echo "skip - wine is not installed"
	exit 77
fi
VHDX_WINE_BIN=$(cd "$VHDX_WINE_BIN" && pwd)
test_script=$(cd "$(dirname "$0")" && pwd)/windows.sh
. "$(dirname "$0")/support.sh"

# A Windows of our own, which ends with the test.
export WINEPREFIX=$scratch/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
trap 'wineserver -k || true; chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
timeout 300 wineboot -i >/dev/null 2>&1 || true
if ! timeout 60 wine "$VHDX_WINE_BIN/vhdx-create.exe" --version >/dev/null 2>&1; then
	echo "skip - wine does not run here"
	exit 77
fi

# win TOOL ARGUMENT...: the program for Windows. Z: is the root directory of the host; the current directory is that of the shell.
win() {
	local tool=$1
	shift
	timeout 300 wine "$VHDX_WINE_BIN/$tool.exe" "$@"
}

# both ARGUMENT...: runs vhdx-create with them in linux/ and in windows/.
both() {
	mkdir -p linux windows
	cd linux && expect 0 vhdx-create -q --deterministic "$@"
	cd ../windows && expect 0 win vhdx-create -q --deterministic "$@"
	cd ..
}

same_images() {
	local image count=0
	for image in linux/*; do
		same "$image" "windows/${image#linux/}"
		count=$((count + 1))
	done
	[ "$count" = "$1" ] || fail "$count images were compared, not $1"
}

# --- the same bytes ---------------------------------------------------------------------------------------------------------

both dynamic.vhdx 64G
both sectors.vhdx --logical-sector 4096 --block-size 1M --log-size 2M 1G
both --type fixed fixed.vhdx 8M
both --type fixed --preallocate reserve reserved.vhdx 8M
both --type fixed --preallocate full full.vhdx 8M
both dynamic.vhd 100G
both --type fixed fixed.vhd 8M
same_images 7
ok "empty disks"

make_raw content.raw 24
gzip -k content.raw
both --from ../content.raw dynamic.vhdx
both --from ../content.raw --type fixed fixed.vhdx
both --from ../content.raw.gz gzip.vhdx
both --from ../content.raw dynamic.vhd
both --from ../content.raw --type fixed fixed.vhd
both --from dynamic.vhdx --block-size 1M again.vhdx
both --parent dynamic.vhdx --parent-relative '.\dynamic.vhdx' child.avhdx
both --parent child.avhdx --parent-relative '.\child.avhdx' grandchild.avhdx
both --parent dynamic.vhd --parent-relative '.\dynamic.vhd' child.avhd
expect 0 vhdx-create -q --deterministic --from - linux/stream.vhdx 24M <content.raw
expect 0 win vhdx-create -q --deterministic --from - windows/stream.vhdx 24M <content.raw
same_images 10
for image in windows/*; do holds "$image" content.raw; done
for image in linux/*; do
	win vhdx-convert "$image" - 2>"$stderr" | cmp - content.raw || fail "$image reads differently on Windows"
done

# What the host says of the file, and warnings about that, are its own.
cd linux
for image in dynamic.vhdx child.avhdx fixed.vhd child.avhd; do
	for option in --json --hash --map --headers; do
		expect 0 vhdx-inspect $option $image
		sed '/"allocated_on_host"/d; /"host_extents"/d; /"warnings"/,$d' "$stdout" >"$scratch/linux"
		expect 0 win vhdx-inspect $option $image
		sed '/"allocated_on_host"/d; /"host_extents"/d; /"warnings"/,$d' "$stdout" >"$scratch/windows"
		same "$scratch/linux" "$scratch/windows"
	done
done
cd ..
expect 0 win vhdx-convert linux/grandchild.avhdx windows/grandchild.raw
same windows/grandchild.raw content.raw
ok "disks with content, chains, what is inspected and converted"

# --- real images ------------------------------------------------------------------------------------------------------------

# The golden test compares what the native library reads of them with digests that independent readers agree on; here the programs for
# Windows must find the same in every one, say the same about those that are refused, and leave the files alone.
if [ -d "${VHDX_SAMPLES:-}" ]; then
	count=0
	here=$PWD
	cd "$VHDX_SAMPLES"
	sums=$(sha256sum -- *.vhd *.vhdx)
	for image in *.vhd *.vhdx; do
		questions="--map --hash"
		vhdx-inspect --json --search . "$image" >"$stdout" 2>"$stderr" || true
		size=$(sed -n 's/^ *"virtual_size": \([0-9]*\),.*/\1/p' "$stdout" | head -n 1)
		[ "${size:-0}" -le $((16 << 30)) ] || questions=--map # to hash zeros takes long
		for tool in vhdx-inspect "win vhdx-inspect"; do
			status=0
			# shellcheck disable=SC2086
			$tool $questions --json --search . "$image" >"$stdout" 2>"$stderr" || status=$?
			{ echo "exit status $status" && sed '/"allocated_on_host"/d; /"host_extents"/d; /"warnings"/,$d' "$stdout" && cat "$stderr"; } \
				>"$scratch/${tool%% *}"
		done
		same "$scratch/vhdx-inspect" "$scratch/win"
		count=$((count + 1))
	done
	[ "$count" -ge 10 ] || fail "only $count images in $VHDX_SAMPLES"
	[ "$sums" = "$(sha256sum -- *.vhd *.vhdx)" ] || fail "a real image was changed"
	cd "$here"
	ok "$count real images"
else
	echo "note - no real images: VHDX_SAMPLES is no directory"
fi

# Damaged ones, where they are built: a plain program that feeds files to the library, and the files.
replay=$(find "$VHDX_WINE_BIN/.." -name 'vhdx-fuzz-replay.exe' -type f | head -n 1)
corpus=$(cd "$(dirname "$test_script")/../.." && pwd)/fuzz/corpus
if [ -n "$replay" ] && [ -d "$corpus" ]; then
	find "$corpus" -type f -print0 | xargs -0 -n 200 timeout 300 wine "$replay" >"$stdout" 2>"$stderr" || fail "a file of the fuzz corpus"
	ok "fuzz corpus"
fi

# --- chains from one system to the other ------------------------------------------------------------------------------------

make_raw content.raw 8
mkdir base children
expect 0 vhdx-create -q --from content.raw base/root.vhdx
expect 0 vhdx-create -q --parent base/root.vhdx children/linux.avhdx
expect 0 win vhdx-create -q --parent 'children\linux.avhdx' 'children\windows.avhdx'
expect 0 vhdx-create -q --parent children/windows.avhdx last.avhdx
expect 0 vhdx-create -q --from content.raw base/root.vhd
expect 0 win vhdx-create -q --parent base/root.vhd 'children\windows.avhd'
for image in last.avhdx children/windows.avhd; do
	holds "$image" content.raw
	win vhdx-convert "$image" - 2>"$stderr" | cmp - content.raw || fail "$image reads differently on Windows"
done
ok "relative paths are followed on both systems"

# The absolute path that is stored on Windows leads there when the relative one does not, elsewhere through a map.
make_raw content.raw 8
mkdir -p base children deeper/down
expect 0 vhdx-create -q --from content.raw base/root.vhdx
expect 0 vhdx-create -q --from content.raw base/root.vhd
expect 0 win vhdx-create -q --parent base/root.vhdx children/windows.avhdx
expect 0 win vhdx-create -q --parent base/root.vhd children/windows.avhd
mv children/* deeper/down
win vhdx-convert 'deeper\down\windows.avhdx' - 2>"$stderr" | cmp - content.raw || fail "the absolute path is not followed"
win vhdx-convert 'deeper\down\windows.avhd' - 2>"$stderr" | cmp - content.raw || fail "the absolute path of a VHD is not followed"
refuse 1 "--map" vhdx-convert deeper/down/windows.avhdx out.raw
vhdx-convert --map Z:=/ deeper/down/windows.avhdx - 2>"$stderr" | cmp - content.raw || fail "the map is not followed"
vhdx-convert --map Z:=/ deeper/down/windows.avhd - 2>"$stderr" | cmp - content.raw || fail "the map is not followed from a VHD"
ok "absolute paths"

# All three are stored. A volume path leads to the parent where neither of the others does, on this machine alone.
make_raw content.raw 4
mkdir base deeper
expect 0 vhdx-create -q --from content.raw base/root.vhdx
expect 0 win vhdx-create -q --parent base/root.vhdx child.avhdx
vhdx-inspect --no-parents --metadata child.avhdx >stored
for path in '.\base\root.vhdx' '\\?\Z:\' '\\?\Volume{'; do
	grep -qF -- "value                    $path" stored || fail "no path $path is stored"
done
volume=$(sed -n 's/.*  \(\\\\?\\Volume{[^}]*}.*root\.vhdx\)$/\1/p' stored)
guid=$(sed 's/.*\(Volume{[^}]*}\).*/\1/' <<<"$volume")
ln -s / "$WINEPREFIX/dosdevices/${guid,,}" # Wine names volumes, but does not find them
expect 0 vhdx-create -q --parent base/root.vhdx --parent-volume "$volume" deeper/volume.avhdx
win vhdx-convert 'deeper\volume.avhdx' - 2>"$stderr" | cmp - content.raw || fail "the volume path is not followed"
refuse 1 "--map" vhdx-convert deeper/volume.avhdx out.raw
vhdx-convert --map "\\\\?\\$guid=/" deeper/volume.avhdx - 2>"$stderr" | cmp - content.raw || fail "the map of a volume is not followed"
refuse 1 "it lies outside of" win vhdx-convert --parent-root deeper deeper/volume.avhdx out.raw
ok "volume paths"

make_raw content.raw 4
mkdir inside outside
expect 0 vhdx-create -q --from content.raw outside/root.vhdx
expect 0 vhdx-create -q --parent outside/root.vhdx inside/child.avhdx
expect 0 win vhdx-inspect inside/child.avhdx
refuse 1 "it lies outside of" win vhdx-convert --parent-root inside inside/child.avhdx out.raw
expect 0 win vhdx-convert --parent-root . inside/child.avhdx out.raw
same out.raw content.raw
mv outside/root.vhdx outside/other.vhdx
refuse 1 "root.vhdx" win vhdx-convert inside/child.avhdx none.raw
expect 0 win vhdx-convert --search outside inside/child.avhdx found.raw
expect 0 win vhdx-convert --map 'C:\VMs=.\outside' --search '.\outside' inside/child.avhdx found2.raw
same found.raw content.raw
ln -s ../outside/other.vhdx inside/root.vhdx
expect 0 vhdx-create -q --parent inside/root.vhdx --parent-relative '.\root.vhdx' inside/linked.avhdx
refuse 1 "it lies outside of" win vhdx-convert --parent-root inside inside/linked.avhdx none.raw
ok "root directory, search, links"

expect 0 vhdx-create -q root.vhdx 8M
for path in '..\..\..\..\..\..\..\..\..\..\PhysicalDrive0' '.\NUL' 'COM1' 'C:\root.vhdx' '.\C:\root.vhdx' \
	'\\server\share\root.vhdx' '.\\.\pipe\x' '\\.\PhysicalDrive0'; do
	expect 0 vhdx-create -q -f --parent root.vhdx --parent-relative "$path" child.avhdx
	refuse 1 child.avhdx win vhdx-convert child.avhdx out.raw
done
volume='\\?\Volume{0b9a5f4e-0000-0000-0000-000000000000}'
for path in '\\?\UNC\server\share\root.vhdx' '\\.\PhysicalDrive0' '\\?\PhysicalDrive0' "$volume\\root.vhdx" \
	'C:\nothing\root.vhdx' 'Z:\..\root.vhdx' '\\?\C:\NUL'; do
	expect 0 vhdx-create -q -f --parent root.vhdx --parent-absolute "$path" child.avhdx
	refuse 1 child.avhdx win vhdx-convert child.avhdx out.raw
done
ok "hostile paths"

# --- compaction -----------------------------------------------------------------------------------------------------------------

head -c 24M /dev/urandom >content.raw
/sbin/mkntfs -Q -F -q content.raw 2>/dev/null
expect 0 vhdx-create -q --block-size 1M --from content.raw linux.vhdx
cp linux.vhdx windows.vhdx
expect 0 vhdx-compact -q linux.vhdx
expect 0 win vhdx-compact --estimate --json windows.vhdx
json bytes_after "$(stat -c %s linux.vhdx)"
expect 0 win vhdx-compact -q windows.vhdx
[ "$(stat -c %s linux.vhdx)" = "$(stat -c %s windows.vhdx)" ] || fail "another size on Windows"
vhdx-convert linux.vhdx content.raw -f
holds windows.vhdx content.raw
ok "compaction"

# --- share modes ------------------------------------------------------------------------------------------------------------

# Until descriptor 9 is closed, a program for Windows waits with a disk open that it reads or writes.
make_raw content.raw 64
expect 0 vhdx-create -q --from content.raw disk.vhdx
mkfifo pipe
win vhdx-convert disk.vhdx - >pipe 2>/dev/null &
exec 9<pipe
dd bs=1 count=1 status=none <&9 >/dev/null
refuse 1 "disk.vhdx: open: " win vhdx-create -q --force disk.vhdx 1G
expect 0 win vhdx-inspect disk.vhdx
exec 9<&-
wait
expect 0 win vhdx-create -q --force disk.vhdx 1G
rm pipe disk.vhdx
mkfifo pipe
win vhdx-create -q --from - disk.vhdx 64M <pipe &
exec 9>pipe
head -c 4M content.raw >&9
for ((i = 0; i < 100; i++)); do
	[ ! -e disk.vhdx ] || break
	sleep 0.1
done
sleep 0.5
expect 1 win vhdx-inspect disk.vhdx
grep -q "disk.vhdx: open: " "$stderr" || fail "a disk that is being written can be opened"
expect 1 win vhdx-create -q --force disk.vhdx 64M
grep -q "disk.vhdx: open: " "$stderr" || fail "a disk that is being written can be replaced"
expect 1 win vhdx-inspect --share disk.vhdx
! grep -q "disk.vhdx: open: " "$stderr" || fail "--share does not open a disk that is being written"
tail -c +$((4 * 1048576 + 1)) content.raw >&9
exec 9>&-
wait
holds disk.vhdx content.raw
ok "share modes"

# --- interrupts -------------------------------------------------------------------------------------------------------------

# Ctrl-C while a disk is made: it is gone, what it was to replace stays, the status is that of an interrupted program.
make_raw content.raw 4
expect 0 vhdx-create -q --from content.raw there.vhdx
cp there.vhdx before.vhdx
mkfifo pipe
for name in disk.vhdx there.vhdx; do
	wine "$VHDX_WINE_BIN/vhdx-create.exe" -q --force --from - $name 64M <pipe 2>"$stderr" &
	process=$!
	exec 9>pipe
	head -c 4M content.raw >&9
	for ((i = 0; i < 100; i++)); do
		[ "$(find . -newer before.vhdx -name '*.vhdx')" = "" ] || break
		sleep 0.1
	done
	kill -INT $process
	sleep 0.5
	exec 9>&-
	status=0
	wait $process || status=$?
	# 0xC000013A; or Wine, when it is slow, kills what ends itself
	[ $status = $((0x3A)) ] || [ $status = 137 ] || fail "an interrupted program ends with status $status"
	grep -q "interrupted" "$stderr" || fail "an interrupted program does not say so"
	files_are before.vhdx content.raw pipe there.vhdx
	same there.vhdx before.vhdx
done
ok "Ctrl-C"

# --- sparse files -----------------------------------------------------------------------------------------------------------

expect 0 win vhdx-create -q --sparse disk.vhdx 1G
expect 0 win vhdx-inspect disk.vhdx
expect 0 win vhdx-create -q --sparse --type fixed fixed.vhd 8M
refuse 2 "exclude each other" win vhdx-create --sparse --type fixed --preallocate full full.vhdx 8M
ok "--sparse"

# --- names ------------------------------------------------------------------------------------------------------------------

make_raw content.raw 4
name='Größe 中文 😀'
mkdir "$name"
expect 0 win vhdx-create -q --from content.raw "$name\\$name.vhdx"
expect 0 win vhdx-create -q --parent "$name/$name.vhdx" "$name.avhdx"
holds "$name.avhdx" content.raw
expect 0 win vhdx-inspect --json "$name.avhdx"
grep -qF "$name.avhdx" "$stdout" || fail "the name is not printed in UTF-8"
refuse 1 "$name.vhdx" win vhdx-inspect "$name.vhdx"
ok "names beyond ASCII"

part=$(printf '%0100d' 0)
long=$part/$part/$part/$part/$part
mkdir -p "$long"
make_raw content.raw 4
expect 0 win vhdx-create -q --from content.raw "$long/root.vhdx"
expect 0 win vhdx-create -q --parent "$long/root.vhdx" "$long/child.avhdx"
holds "$long/child.avhdx" content.raw
win vhdx-convert "$long/child.avhdx" - 2>"$stderr" | cmp - content.raw || fail "a long path is not read"
expect 0 win vhdx-create -q --force "$long/root.vhdx" 1G
ok "paths of more than 260 characters"

mkdir directory
touch there.vhdx
refuse 1 "directory: it is a directory" win vhdx-inspect directory
refuse 1 "NUL: it is neither a regular file nor a drive" win vhdx-inspect NUL
refuse 1 "there.vhdx" win vhdx-create there.vhdx 1G
refuse 1 "missing.vhdx: open: " win vhdx-inspect missing.vhdx
refuse 1 "missing" win vhdx-create 'missing\disk.vhdx' 1G
refuse 2 "SIZE" win vhdx-create disk.vhdx
here=Z:${PWD//\//\\}
expect 0 win vhdx-create -q "$here\\disk.vhdx" 1G
expect 0 win vhdx-inspect "\\\\?\\$here\\disk.vhdx"
expect 0 win vhdx-inspect "${here//\\//}/directory/../disk.vhdx"
expect 0 win vhdx-create -q 'C:\disk.vhdx' 1G
expect 0 win vhdx-create -q --parent 'C:\disk.vhdx' child.avhdx
expect 0 win vhdx-convert child.avhdx windows.raw
refuse 1 "--map" vhdx-convert child.avhdx linux.raw
expect 0 vhdx-convert --map "C:=$WINEPREFIX/drive_c" child.avhdx linux.raw
ok "refusals, drives"

make_raw content.raw 12
mkdir linux windows
for options in a.vhdx "--type fixed b.vhdx" c.vhd "--type fixed d.vhd" e.vhdx.gz f.raw.gz g.raw; do
	name=${options##* }
	# shellcheck disable=SC2086
	expect 0 vhdx-convert -q --deterministic ${options%"$name"} content.raw linux/"$name"
	# shellcheck disable=SC2086
	expect 0 win vhdx-convert -q --deterministic --verify ${options%"$name"} content.raw windows/"$name"
done
same_images 7
expect 0 win vhdx-convert -q --parent windows/a.vhdx windows/d.vhd child.avhdx
holds child.avhdx content.raw
win vhdx-convert -q --format vhdx - - <windows/d.vhd >piped.vhdx 2>"$stderr" || fail "through standard streams"
holds piped.vhdx content.raw
refuse 1 "exists already" win vhdx-convert content.raw piped.vhdx
expect 0 win vhdx-convert -q -f content.raw piped.vhdx
holds piped.vhdx content.raw
ok "converting"
# --- the zip ----------------------------------------------------------------------------------------------------------------

# What a person on Windows gets: cmake --build --preset mingw --target package
zip=$(find "$VHDX_WINE_BIN/.." -maxdepth 1 -name 'libvhdx-*-windows-x64.zip')
[ -f "$zip" ] || fail "there is no zip beside $VHDX_WINE_BIN"
unzip -q "$zip" || fail "the zip cannot be unpacked"
mv libvhdx-* 'Program Files'
cd 'Program Files'
for file in README.md CHANGELOG.md LICENSE include/vhdx.h lib/libvhdx.a bin/libvhdx.dll doc/licences/xxhash.txt doc/licences/zlib.txt \
	doc/vhdx-{create,inspect,convert}.html; do
	[ -s "$file" ] || fail "the zip lacks $file"
done
VHDX_WINE_BIN=$PWD/bin
cd ..
for name in create inspect convert; do
	expect 0 win "vhdx-$name" --version
	grep -q "^vhdx-$name (libvhdx) [0-9]" "$stdout" || fail "vhdx-$name.exe says '$(cat "$stdout")'"
done
make_raw content.raw 8
expect 0 win vhdx-create -q --from content.raw disk.vhdx
expect 0 win vhdx-create -q --parent disk.vhdx child.avhdx
expect 0 win vhdx-inspect child.avhdx
expect 0 win vhdx-convert child.avhdx out.raw
same out.raw content.raw
if command -v qemu-img >/dev/null; then
	qemu-img compare -q -f vhdx -F raw disk.vhdx content.raw || fail "QEMU does not read a disk made on Windows"
fi
for program in 'Program Files'/bin/*.exe; do
	if x86_64-w64-mingw32-objdump -p "$program" | sed -n 's/.*DLL Name: //p' |
		grep -viE '^(kernel32|advapi32|shell32|msvcrt|ucrtbase|api-ms-win-crt-[a-z0-9-]*)\.dll$'; then
		fail "$program needs a DLL that Windows has not"
	fi
done
ok "the zip"

finish
