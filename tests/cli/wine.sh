#!/bin/bash
# SPDX-License-Identifier: MIT
# The tests of a program (create.sh, convert.sh, inspect.sh), with the program for Windows under Wine in its place: wine.sh NAME
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
script=$here/$1.sh
case $1 in # permissions, links, FIFOs, devices, signals and holes of POSIX; absolute paths in children; windows.sh has those, and the real images
create) left_out="
--preallocate, --sparse
texts of the locator, and how the parent's own parents are found
sparse both ways
from standard input and FIFOs
from gzip
--deterministic
--force
an interrupted run leaves nothing
--force does not replace a file in use
" ;;
convert) left_out='
sparse
--force
mistakes, and ends of standard output
an interrupted run leaves nothing
' ;;
*) left_out='
overview of a dynamic VHDX
--picture
real images
real images with wrong checksums
--all of the real images, all untouched
' ;;
esac

# A Windows of our own, which ends with the test, and scripts with the names of the programs.
scratch=$(mktemp -d)
export WINEPREFIX=$scratch/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
trap 'wineserver -k || true; rm -rf "$scratch"' EXIT
timeout 300 wineboot -i >/dev/null 2>&1 || true
mkdir "$scratch/bin"
for program in "$VHDX_WINE_BIN"/vhdx-*.exe; do
	name=$(basename "$program" .exe)
	printf '#!/bin/sh\n# no system calls are counted, as with __asan_init\nexec timeout 120 wine "%s" "$@"\n' "$(cd "$VHDX_WINE_BIN" && pwd)/$name.exe" >"$scratch/bin/$name"
	chmod +x "$scratch/bin/$name"
done
if ! timeout 60 "$scratch/bin/vhdx-create" --version >/dev/null 2>&1; then
	echo "skip - wine does not run here"
	exit 77
fi

# The script without those sections; lines keep their numbers.
text=$(LEFT_OUT=$left_out awk '
	{ lines[count++] = $0 }
	/^ok "/ {
		name = substr($0, 5, length($0) - 5)
		drop = index(ENVIRON["LEFT_OUT"], "\n" name "\n")
		if (drop) dropped++
		for (i = 0; i < count; i++) print drop ? (i == count - 1 ? "echo \"left out - " name "\"; clean" : "") : lines[i]
		count = 0
	}
	END { for (i = 0; i < count; i++) print lines[i] }' "$script")
VHDX_BIN=$scratch/bin bash -c "$text" "$script"
