#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests of programs (create.sh, convert.sh, ...), with the programs for Windows under Wine in their place, one after the other: wine.sh NAME...
# $VHDX_WINE_BIN is the directory of the .exe files. Sections that ask for what only POSIX has are left out by the name behind their `ok`.
if [ ! -e "${VHDX_WINE_BIN:-}/vhdx-create.exe" ]; then
	echo "skip - VHDX_WINE_BIN does not name the directory of vhdx-create.exe"
	exit 77
fi
if ! command -v wine >/dev/null; then
	echo "skip - wine is not installed"
	exit 77
fi
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# Sections of a script that are left out: permissions, links, FIFOs, devices, signals and holes of POSIX; absolute paths in children; what windows.sh has, and the real
# images.
left_out_of() {
	case $1 in
	create) echo '--preallocate, --sparse
texts of the locator, and how the parent'"'"'s own parents are found
sparse both ways
from standard input and FIFOs
from gzip
--deterministic
--force
an interrupted run leaves nothing
--force does not replace a file in use' ;;
	convert) echo 'sparse
--force
mistakes, and ends of standard output
an interrupted run leaves nothing' ;;
	inspect) echo 'overview of a dynamic VHDX
fragmentation, inside and on the host
--picture
real images
real images with wrong checksums
--all of the real images, all untouched' ;;
	merge) echo 'killed and begun again
a child that is in use' ;;
	snapshot) echo 'permissions and symbolic links
killed at 30 moments
a disk in use' ;;
	compact) echo 'zeros as holes, of a fixed disk too
ext4, filled and partly deleted: within 5 % of one made anew
ext4 whose numbers do not fit each other
NTFS, filled and partly deleted: within 5 % of one made anew
NTFS that is not clean
FAT12, FAT16, FAT32
exFAT
partitions of GPT and MBR
killed and interrupted runs lose nothing, and the next one goes on' ;;
	esac
}

# A Windows of our own, which ends with the test. Its server stays for all of it: one that thinks nobody needs it any more ends with status 1 what begins meanwhile.
scratch=$(mktemp -d)
export WINEPREFIX=$scratch/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
trap 'wineserver -k || true; rm -rf "$scratch"' EXIT
timeout 300 wineboot -i >/dev/null 2>&1 || true
wineserver -p || true

# Scripts with the names of the programs. No program of ours fails without a word: one that does was ended by Wine, and is run again, once; the end of the test tells
# which.
mkdir "$scratch/bin"
export VHDX_WINE_AGAIN=$scratch/again
: >"$VHDX_WINE_AGAIN"
cat >"$scratch/bin/any" <<'END'
#!/bin/bash
# no system calls are counted, as with __asan_init
program=$VHDX_WINE_BIN/${0##*/}.exe
status=0
timeout 120 wine "$program" "$@" || status=$?
for stream in /dev/stdout /dev/stderr; do
	[ $status = 1 ] && [ -f $stream ] && [ ! -s $stream ] || exit $status
done
echo "${0##*/} $*" >>"$VHDX_WINE_AGAIN"
exec timeout 120 wine "$program" "$@"
END
chmod +x "$scratch/bin/any"
VHDX_WINE_BIN=$(cd "$VHDX_WINE_BIN" && pwd)
export VHDX_WINE_BIN
for program in "$VHDX_WINE_BIN"/vhdx-*.exe; do
	cp "$scratch/bin/any" "$scratch/bin/$(basename "$program" .exe)"
done
if ! timeout 60 "$scratch/bin/vhdx-create" --version >/dev/null 2>&1; then
	echo "skip - wine does not run here"
	exit 77
fi

# A script without those sections; lines keep their numbers.
cut() {
	LEFT_OUT=$(printf '\n%s\n.' "$(left_out_of "$1")") awk '
		{ lines[count++] = $0 }
		/^ok "/ {
			name = substr($0, 5, length($0) - 5)
			drop = index(ENVIRON["LEFT_OUT"], "\n" name "\n")
			for (i = 0; i < count; i++) print drop ? (i == count - 1 ? "echo \"left out - " name "\"; clean" : "") : lines[i]
			count = 0
		}
		END { for (i = 0; i < count; i++) print lines[i] }' "$here/$1.sh"
}

result=0
for name; do
	status=0
	VHDX_BIN=$scratch/bin bash -c "$(cut "$name")" "$here/$name.sh" || status=$?
	[ $status = 0 ] || [ $result = 1 ] || result=$status
	[ $status = 0 ] || [ $status = 77 ] || result=1
done
sed 's/^/ended by Wine without a word, and run again: /' "$VHDX_WINE_AGAIN"
exit $result
