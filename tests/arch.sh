#!/bin/bash
# SPDX-License-Identifier: MIT
#
# The shape of the tree, as libvhdx/ARCHITECTURE.md describes it:
#
#   - includes point only downwards, and the two formats do not know each other;
#   - what depends on the operating system stands in few places;
#   - ARCHITECTURE.md names every source file of the library, and no file that is not there;
#   - no C file is longer than 600 lines, each begins with its licence;
#   - no unfinished work and no path of somebody's machine is left anywhere;
#   - the shared library exports nothing but vhdx_*.
#
#     tests/arch.sh [SHARED_LIBRARY]
#
# Prints one line for each thing that is wrong. Without an argument the library is that of the build whose programs are in $VHDX_BIN,
# if it has one. $VHDX_TREE is another tree to look at.
set -eu
export LC_ALL=C
library=${1:-${VHDX_BIN:-.}/../libvhdx/libvhdx.so}
[ ! -e "$library" ] || library=$(realpath "$library")
cd "${VHDX_TREE:-$(dirname "$0")/..}"

max_lines=600
map=libvhdx/ARCHITECTURE.md
wrong=0

not_ok() {
	printf 'not ok - %s\n' "$*"
	wrong=$((wrong + 1))
}

# files PATTERN... in all directories of ours
files() {
	local names=() pattern
	for pattern in "$@"; do
		names+=(-o -name "$pattern")
	done
	find . -name .git -prune -o -path './build*' -prune -o -type f \( "${names[@]:1}" \) -print | sed 's,^\./,,' | sort
}

# FILE:LINE:NAME of each #include "NAME"
includes() {
	awk 'match($0, /^[ \t]*#[ \t]*include[ \t]*"[^"]*"/) {
		name = substr($0, RSTART, RLENGTH); gsub(/^[^"]*"|"$/, "", name); print FILENAME ":" FNR ":" name
	}' "$@"
}

check_layers() {
	local file line name layer allowed
	while IFS=: read -r file line name; do
		layer=${file#libvhdx/src/}
		layer=${layer%%/*}
		case $layer in
		base) allowed='base' ;;
		format) allowed='format base' ;;
		io) allowed='io base' ;;
		engine) allowed='engine format io base' ;;
		api) allowed='api engine io base' ;;
		*)
			not_ok "$file: $layer is no layer"
			continue
			;;
		esac
		[ "$name" != vhdx.h ] || continue
		case " $allowed " in
		*" ${name%%/*} "*) [ -f "libvhdx/src/$name" ] || not_ok "$file:$line: there is no $name" ;;
		*) not_ok "$file:$line: $layer/ must not include $name" ;;
		esac
	done < <(includes "${library_files[@]}")
}

# A file knows one format; only the choice between them knows both.
check_formats() {
	local file line name other both=' libvhdx/src/engine/image.c libvhdx/src/engine/create.c libvhdx/src/engine/inspect.c '
	while IFS=: read -r file line name; do
		case $(basename "$file") in
		vhdx_* | *_vhdx.* | log_* | overlay.*) other='vhd' ;;
		vhd_* | *_vhd.*) other='vhdx' ;;
		*) continue ;;
		esac
		case ${name##*/} in
		"$other"_*) not_ok "$file:$line: knows one format and must not include $name of the other" ;;
		esac
	done < <(includes "${library_files[@]}")
	while read -r file; do
		case $both in
		*" $file "*) ;;
		*) not_ok "$file: includes headers of both formats" ;;
		esac
	done < <(includes "${library_files[@]}" | awk -F: '
		$3 ~ /(^|\/)vhdx_/ { vhdx[$1] } $3 ~ /(^|\/)vhd_/ { vhd[$1] } END { for (file in vhd) if (file in vhdx) print file }' | sort)
}

# Tools: the public header, tools/common, and their own directory.
check_tools() {
	local file line name
	while IFS=: read -r file line name; do
		name=${name#../common/}
		[[ $name != */* ]] && { [ "$name" = vhdx.h ] || [ -f "$(dirname "$file")/$name" ] || [ -f "tools/common/$name" ]; } ||
			not_ok "$file:$line: a tool includes vhdx.h, tools/common and its own directory, not $name"
	done < <(includes "${tool_files[@]}")
}

check_systems() {
	local place
	while IFS=: read -r place; do
		case $place in
		libvhdx/src/base/* | libvhdx/src/io/*win32.[ch]:* | libvhdx/src/io/*_posix.c:* | tools/common/*) ;;
		*) not_ok "$place: only base/, io/*_win32.c, io/*_posix.c and tools/common/ ask which system this is" ;;
		esac
	done < <(grep -nE '\b(_WIN32|_MSC_VER|__linux__|__APPLE__|__MINGW32__)\b' "${library_files[@]}" "${tool_files[@]}" | cut -d: -f1,2)
	while IFS=: read -r place; do
		not_ok "libvhdx/include/vhdx.h:$place: more of a system than VHDX_API needs"
	done < <(grep -nE '\b(_WIN32|_MSC_VER|__linux__|__APPLE__)\b' libvhdx/include/*.h | grep -vE 'VHDX_(DLL|BUILDING)' | cut -d: -f1)
}

# In ARCHITECTURE.md, `engine/disk.{c,h}` stands for two files of libvhdx/src; other names begin at the top of the tree.
named_files() {
	grep -o '`[A-Za-z0-9_./-]*/[A-Za-z0-9_./-]*\.[A-Za-z0-9{},]*`' "$map" | tr -d '`' | awk -F'[{},]' '
		function name(text) { print (text ~ /^(base|format|io|engine|api)\// ? "libvhdx/src/" : "") text }
		NF == 1 { name($1) }
		NF > 1 { for (i = 2; i < NF; i++) name($1 $i) }' | sort -u
}

check_map() {
	local name named
	if [ ! -f "$map" ]; then
		not_ok "$map is missing"
		return
	fi
	named=$(named_files)
	while read -r name; do
		[ -e "$name" ] || not_ok "$map names $name, which does not exist"
	done <<<"$named"
	while read -r name; do
		not_ok "$map does not name $name"
	done < <({ printf '%s\n' "${library_files[@]}" libvhdx/include/*.h; files '*.def' | grep ^libvhdx/; } | sort |
		comm -23 - <(printf '%s\n' "$named"))
}

check_texts() {
	local file lines place unfinished='TO''DO|FIX''ME|X''XX|HA''CK' machine="(^|[^A-Za-z0-9_}.*$\"'\\\\-])/(work|tmp|home|root|Users)/"
	while read -r file; do
		lines=$(wc -l <"$file")
		[ "$lines" -le $max_lines ] || not_ok "$file: $lines lines are more than $max_lines"
		[ "$(head -n 1 "$file")" = '/* SPDX-License-Identifier: MIT */' ] || not_ok "$file:1: is not the line of the licence"
	done < <(files '*.c' '*.h' '*.def')
	while read -r file; do
		head -n 2 "$file" | grep -qx '# SPDX-License-Identifier: MIT' || not_ok "$file: the licence is not in its first two lines"
	done < <(files '*.sh')
	while read -r place; do
		not_ok "$place: unfinished"
	done < <(files '*' | tr '\n' '\0' | xargs -0 grep -InwE "$unfinished" | cut -d: -f1,2)
	while read -r place; do
		not_ok "$place: a path of one machine"
	done < <(files '*' | tr '\n' '\0' | xargs -0 grep -InE "$machine" | grep -vE '^tests/[^:]*:.*mktemp' | cut -d: -f1,2)
}

check_exports() {
	local name count
	if [ ! -e "$library" ]; then
		echo "exports were not looked at: there is no shared library"
		return
	fi
	while read -r name; do
		not_ok "$(basename "$library") exports $name"
	done < <(nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | grep -v '^vhdx_')
	count=$(nm -D --defined-only "$library" | grep -c ' T vhdx_' || true)
	[ "$count" -gt 10 ] || not_ok "$(basename "$library") exports only $count functions"
	while read -r name; do
		nm -D --defined-only "$library" | grep -q " T $name\$" || not_ok "$(basename "$library") does not export $name of vhdx.h"
	done < <(sed -n 's/^VHDX_API .*[ *]\(vhdx_[a-z_0-9]*\)(.*/\1/p' libvhdx/include/*.h)
}

mapfile -t library_files < <(find libvhdx/src -name '*.[ch]' | sort)
mapfile -t tool_files < <(find tools -name '*.[ch]' | sort)
check_layers
check_formats
check_tools
check_systems
check_map
check_texts
check_exports
if [ $wrong -gt 0 ]; then
	echo "not ok - $wrong things are not as $map says"
	exit 1
fi
echo "ok - ${#library_files[@]} files of the library, ${#tool_files[@]} of the tools"
