#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Every C file has the layout that .clang-format describes.
#
#     tests/format.sh          names the files that differ, with the first lines of the difference; exit status 1
#     tests/format.sh --fix    lays them out
#
# Layout differs between versions of clang-format, so only version 14 is asked; without it the exit status is 77, skipped.
set -eu
cd "$(dirname "$0")/.."

case ${1-} in
'' | --fix) ;;
*)
	echo "usage: tests/format.sh [--fix]" >&2
	exit 2
	;;
esac

program=
for name in clang-format-14 clang-format; do
	if command -v "$name" >/dev/null && "$name" --version | grep -q 'version 14\.'; then
		program=$name
		break
	fi
done
if [ -z "$program" ]; then
	echo "skip - clang-format 14 is not installed"
	exit 77
fi

mapfile -t files < <(find libvhdx tools tests fuzz -name '*.[ch]' 2>/dev/null | LC_ALL=C sort)
if [ "${1-}" = --fix ]; then
	"$program" -i "${files[@]}"
	exit 0
fi

wrong=0
for file in "${files[@]}"; do
	difference=$("$program" "$file" | diff -u --label "$file" --label "$file laid out" "$file" - | head -n 12) || true
	[ -n "$difference" ] || continue
	printf '%s\n' "$difference"
	wrong=$((wrong + 1))
done
if [ $wrong -gt 0 ]; then
	echo "not ok - $wrong of ${#files[@]} files are not laid out; tests/format.sh --fix does it"
	exit 1
fi
echo "ok - ${#files[@]} files"
